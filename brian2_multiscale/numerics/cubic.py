"""Cubic interpolation on evenly spaced points, as weights of four neighbours."""

import numpy as np

__all__ = ["cubic_weights"]


def cubic_weights(position, count):
    """
    First of four neighbouring points and their Lagrange weights.

    Parameters
    ----------
    position : ndarray
        In units of the spacing, from 0 to ``count - 1`` (clipped).
    count : int
        Number of points (>= 4).

    Returns
    -------
    first : ndarray of int
    weights : ndarray, shape (..., 4)
        Exact for cubic polynomials; they sum to 1.
    """
    position = np.clip(position, 0, count - 1)
    first = np.clip(np.floor(position).astype(int) - 1, 0, count - 4)
    x = position - first
    weights = np.stack(
        [
            -(x - 1) * (x - 2) * (x - 3) / 6,
            x * (x - 2) * (x - 3) / 2,
            -x * (x - 1) * (x - 3) / 2,
            x * (x - 1) * (x - 2) / 6,
        ],
        -1,
    )
    return first, weights
