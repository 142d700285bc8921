"""Fit many curves by one set of exponentials (variable projection)."""

import numpy as np
from scipy.optimize import least_squares

__all__ = ["exponential_basis", "exponential_coefficients", "fit_time_constants"]


def exponential_basis(times, time_constants):
    """``exp(-t/tau)``, shape (times, time constants)."""
    return np.exp(-np.asarray(times)[:, None] / np.asarray(time_constants)[None, :])


def exponential_coefficients(times, curves, time_constants, weights):
    """Weighted least-squares coefficients, shape (time constants, curves)."""
    basis = exponential_basis(times, time_constants) * weights[:, None]
    return np.linalg.lstsq(basis, curves * weights[:, None], rcond=None)[0]


def fit_time_constants(times, curves, count, weights, shortest, longest, mask=None):
    """
    Time constants of ``count`` exponentials that represent all ``curves``.

    The coefficients are eliminated (they follow by linear least squares), so that
    only the logarithms of the time constants are searched; started from a
    geometric sequences.

    Parameters
    ----------
    times : ndarray, shape (n,)
    curves : ndarray, shape (n, m)
        Each column is one curve.
    count : int
        Number of exponentials.
    weights : ndarray, shape (n,)
        Weights of the times (square roots of the quadrature weights).
    shortest, longest : float
        Bounds of the time constants.
    mask : ndarray, shape (n, m), optional
        Residuals that count.

    Returns
    -------
    time_constants : ndarray, shape (count,)
        In increasing order, at least 20 % apart.

    References
    ----------
    Golub G, Pereyra V (2003), Separable nonlinear least squares: the variable
    projection method and its applications, doi:10.1088/0266-5611/19/2/201
    """
    scale = np.linalg.norm(curves * weights[:, None])
    if scale == 0:
        return np.geomspace(shortest, longest, count)
    mask = 1.0 if mask is None else mask

    def residual(logs):
        taus = np.exp(logs)
        coefficients = exponential_coefficients(times, curves, taus, weights)
        misfit = exponential_basis(times, taus) @ coefficients - curves
        return (mask * misfit * weights[:, None]).ravel() / scale

    low, high = np.log(shortest), np.log(longest)
    # The misfit has local minima: search from a wide, a fast and a slow sequence.
    fits = [
        least_squares(residual, start, bounds=(low, high), max_nfev=30)
        for start in (
            np.linspace(low, high, count + 2)[1:-1],
            np.linspace(low, high - 0.4 * (high - low), count + 2)[1:-1],
            np.linspace(low + 0.3 * (high - low), high, count + 2)[1:-1],
        )
    ]
    best = min(fits, key=lambda fit: fit.cost)
    return _spread(np.exp(np.sort(best.x)))


def _spread(taus, gap=1.2):
    # Two equal time constants would make the coefficients huge and opposite.
    taus = taus.copy()
    for k in range(1, len(taus)):
        taus[k] = max(taus[k], gap * taus[k - 1])
    return taus
