"""Drift and diffusion of voltage densities: one implicit Scharfetter-Gummel step."""

import numpy as np
from scipy.linalg.lapack import dgtsv

__all__ = ["bernoulli", "exchange", "transport"]


def bernoulli(x):
    """``x/(exp(x) - 1)`` for ``x >= 0``; 1 at 0."""
    x = np.minimum(np.maximum(x, 1e-300), 700.0)
    return x / np.expm1(x)


def exchange(last, width, drift, diffusion):
    """
    Rates at which mass leaves the cells through their faces.

    The flux through a face is that of the stationary solution between the two centres
    [1]_: exact for constant coefficients, upwind for strong drift, and never negative.

    Parameters
    ----------
    last : ndarray of int
        The last cell of every population; its upper face, the threshold, is half a
        cell away from its centre and absorbs.
    width : ndarray
        Width of every cell.
    drift, diffusion : ndarray
        At the upper face of every cell; ``diffusion`` is half the squared noise.

    Returns
    -------
    upward : ndarray
        From every cell through its upper face.
    downward : ndarray
        From the next cell through the same face; 0 for the last cells.

    References
    ----------
    .. [1] Scharfetter, Gummel (1969), Large-signal analysis of a silicon Read diode
       oscillator, IEEE Trans Electron Devices 16:64,
       https://doi.org/10.1109/T-ED.1969.16566
    """
    distance = width.copy()
    distance[last] /= 2
    peclet = drift * distance / diffusion
    factor = diffusion / (width * distance)
    # B(-x) = B(x) + x: one exponential for both, and no cancellation
    least = bernoulli(np.abs(peclet))
    upward = factor * (least + np.maximum(peclet, 0))
    downward = factor * (least - np.minimum(peclet, 0))
    downward[last] = 0
    return upward, downward


def transport(last, width, drift, diffusion, dt, density):
    """
    One implicit step without coupling; what crosses the threshold leaves.

    Parameters
    ----------
    last, width, drift, diffusion
        As in `exchange`.
    dt : float
    density : ndarray
        Of all cells.

    Returns
    -------
    density : ndarray
        After the step; nonnegative for every `dt`, since the matrix is an M-matrix
        whose columns are dominated by their diagonals.
    fired : ndarray
        Mass of every population that crossed the threshold.
    """
    upward, downward = exchange(last, width, drift, diffusion)
    upward *= dt
    downward *= dt
    diagonal = 1 + upward
    diagonal[1:] += downward[:-1]
    out = upward[last]
    upward[last] = 0  # not into the first cell of the next population
    density = dgtsv(-upward[:-1], diagonal, -downward[:-1], density)[3]
    return density, out * density[last] * width[last]
