"""The flow of a small linear system with constant coefficients, at many times."""

import numpy as np
from scipy.linalg import expm

__all__ = ["AffineFlow"]

# Beyond this condition of the eigenvectors rounding would show.
_CONDITION = 1e6


class AffineFlow:
    """
    ``exp(t*generator)`` at many times.

    By eigenvectors where they are well conditioned (fast), else by
    `scipy.linalg.expm`; both to about 1e-10 or better.

    Parameters
    ----------
    generator : ndarray, shape (n, n)
    """

    def __init__(self, generator):
        self.generator = np.asarray(generator, dtype=float)
        values, vectors = np.linalg.eig(self.generator)
        self._by_eigenvectors = np.linalg.cond(vectors) < _CONDITION
        if self._by_eigenvectors:
            self._values, self._vectors = values, vectors
            self._inverse = np.linalg.inv(vectors)

    def propagators(self, times):
        """Shape (times, n, n)."""
        times = np.asarray(times, dtype=float)
        if not self._by_eigenvectors:
            return expm(self.generator * times[:, None, None])
        powers = np.exp(times[:, None] * self._values)
        return np.real((self._vectors * powers[:, None, :]) @ self._inverse)
