"""Where the voltages of noisy neurons are, to place a grid there."""

import numpy as np

__all__ = ["lowest_point", "smallest_width"]

# Depth below which the density is negligible: exp(-18), six standard deviations
_DEPTH = 18.0
_SAMPLES = 4001
_DOUBLINGS = 30


def lowest_point(drift, diffusion, reset, threshold):
    r"""
    How far down noise carries neurons that start at the reset.

    Parameters
    ----------
    drift, diffusion : callable
        Functions of an array of voltages.
    reset, threshold : float

    Returns
    -------
    float or None
        Where the quasi-stationary density :math:`\exp(\int u/d)` has fallen by
        exp(18) from its maximum below the reset; None if it never does.
    """
    span = threshold - reset
    for _ in range(_DOUBLINGS):
        v = np.linspace(reset, reset - span, _SAMPLES)
        with np.errstate(all="ignore"):
            slope = np.broadcast_to(drift(v) / diffusion(v), v.shape)
        if not np.all(np.isfinite(slope)):
            return None
        steps = (slope[1:] + slope[:-1]) / 2 * np.diff(v)
        height = np.concatenate([[0], np.cumsum(steps)])
        deep = height < np.maximum.accumulate(height) - _DEPTH
        if deep.any():
            return float(v[np.argmax(deep)])
        span *= 2
    return None


def smallest_width(drift, diffusion, lowest, threshold):
    """
    Standard deviation of the stationary density where it is narrowest.

    Of a linear drift with rate k and constant diffusion d it is ``sqrt(d/k)``;
    elsewhere that is taken locally. It is infinite where nothing pulls back.
    """
    v = np.linspace(lowest, threshold, _SAMPLES)
    force = np.broadcast_to(drift(v), v.shape)
    spread = np.broadcast_to(diffusion(v), v.shape)
    pull = -np.gradient(force, v)
    pulled = pull > 1e-9 * np.max(np.abs(pull), initial=0)
    if not pulled.any():
        return np.inf
    return float(np.sqrt(np.min(spread[pulled] / pull[pulled])))
