"""Stationary densities of one population, for any drift and noise."""

import numpy as np

from .transport import exchange

__all__ = ["stationary"]

_LARGE = 1e200


def stationary(width, reset_cell, drift, diffusion, absent=0.0):
    """
    Stationary solution of the discrete equations between voltages, and its rate.

    The flux is the rate above the reset voltage and 0 below it. So each cell follows
    from the one above, in sums of positive terms.

    Parameters
    ----------
    width : float
        Of the cells.
    reset_cell : int
    drift, diffusion : ndarray
        At the upper faces of the cells; the last one is the threshold.
    absent : float, optional
        Time that neurons are away after a spike. For `density_step` that is ``R*dt``
        (without a refractory period ``dt``): then the result is exactly its stationary
        state, just before the mass that fired returns.

    Returns
    -------
    rate : float
    density : ndarray
        With mass ``1 - rate*absent``.

    Notes
    -----
    With coupling the drift depends on the rate; see `siegert_rate` for the closed form
    of the leaky neuron.
    """
    cells = len(drift)
    last, widths = np.array([cells - 1]), np.full(cells, float(width))
    upward, downward = exchange(last, widths, drift, diffusion)
    up, down = upward.tolist(), downward.tolist()
    density, rate, above = [0.0] * cells, 1.0, 0.0
    for j in reversed(range(cells)):
        flux = rate / width if j >= reset_cell else 0.0
        above = density[j] = (flux + down[j] * above) / up[j]
        if above > _LARGE:
            rate, above = rate / _LARGE, above / _LARGE
            density[j:] = [p / _LARGE for p in density[j:]]
    mass = width * sum(density) + rate * absent
    return rate / mass, np.array(density) / mass
