"""The flow of linear equations between spikes, with its derivatives."""

import numpy as np
from scipy.linalg import expm

__all__ = ["Flow"]

# Beyond this condition of the eigenvectors rounding would show
_CONDITION = 1e3


class Flow:
    """
    How far variables are from rest after a gap, whatever their rates are.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Of the equations.
    slopes : ndarray, shape (parameters, n, n)
        Its derivatives.
    gaps : ndarray
        Times at which the flow is wanted.
    """

    def __init__(self, matrix, slopes, gaps):
        gaps = np.unique(gaps)
        self._at = {gap: k for k, gap in enumerate(gaps.tolist())}
        self._values, self._slopes = _propagators(matrix, slopes, gaps)

    def __call__(self, gap, distance, slopes):
        """Distance from rest after a gap, and its derivatives (n, parameters)."""
        at = self._at[gap]
        moved = self._values[at] @ slopes + (self._slopes[at] @ distance).T
        return self._values[at] @ distance, moved


def _propagators(matrix, slopes, gaps):
    """Shapes (gaps, n, n) and (gaps, parameters, n, n)."""
    if not (np.isfinite(matrix).all() and np.isfinite(slopes).all()):
        shape = (len(gaps), len(slopes), *matrix.shape)
        return np.full(shape[:1] + shape[2:], np.nan), np.full(shape, np.nan)
    rates, vectors = np.linalg.eig(matrix)
    if matrix.size and np.linalg.cond(vectors) > _CONDITION:
        return _by_series(matrix, slopes, gaps[:, None, None])
    return _by_eigenvectors(rates, vectors, slopes, gaps[:, None, None])


def _by_eigenvectors(rates, vectors, slopes, gaps):
    """The faster way."""
    inverse = np.linalg.inv(vectors)
    values = vectors @ (np.exp(gaps * rates) * np.eye(len(rates))) @ inverse
    # Mean of exp(gap*rate) between two rates, which may be equal, times the gap
    apart = rates[:, None] - rates
    first = np.where(apart.real > 0, rates[:, None], rates)
    apart = gaps * np.where(apart.real > 0, -apart, apart)
    ratio = np.where(apart == 0, 1, np.expm1(apart) / np.where(apart == 0, 1, apart))
    between = gaps * np.exp(gaps * first) * ratio
    changes = between[:, None] * (inverse @ slopes @ vectors)
    return values.real, (vectors @ changes @ inverse).real


def _by_series(matrix, slopes, gaps):
    """For rates that are (almost) equal, of variables that act on each other."""
    n = len(matrix)
    # exp([[A, B], [0, A]]) has the derivative of exp(A) in direction B above it
    block = np.zeros((len(slopes), 2 * n, 2 * n))
    block[:, :n, :n] = block[:, n:, n:] = matrix
    block[:, :n, n:] = slopes
    return expm(gaps * matrix), expm(gaps[:, None] * block)[..., :n, n:]
