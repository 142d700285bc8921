"""How many neurons fire in one step when spikes make others fire at once."""

import math

import numpy as np
from scipy.optimize import brentq

__all__ = ["event_sizes", "strip"]

_CHANGE = 1e-14
_ITERATIONS = 100_000


def strip(cumulative, width, ups):
    """Mass that shifts, with their probabilities, carry over the threshold."""
    cells, (shifts, probabilities) = cumulative.cells, ups
    if len(shifts) == 1:
        return cumulative.above(cells - shifts[0] / width)
    return float(probabilities @ cumulative.above_all(cells - shifts / width))


def event_sizes(cumulatives, width, wiring, kick, direct):
    r"""
    The smallest solution of the size equation of all populations.

    Spikes shift the voltages, and what crosses the threshold spikes as well [1]_:

    .. math:: m_a = F_a + P_a(V > V_F - c_a - \sum_b B_{ab} m_b)

    Parameters
    ----------
    cumulatives : list of Cumulative
    width : sequence of float
        Width of the cells of every population.
    wiring : Wiring
    kick : sequence of float
        External shifts `c`.
    direct : sequence of float
        Masses `F` that fired already.

    Returns
    -------
    list of float
        Masses `m` that fire.

    References
    ----------
    .. [1] Delarue, Inglis, Rubenthaler, Tanre (2015), Particle systems with a singular
       mean-field self-excitation, Stoch Process Appl 125:2451,
       https://doi.org/10.1016/j.spa.2015.01.007
    """

    def fired(a, sizes, to_faces=False):
        ups = wiring.ups(a, kick[a], sizes)
        if to_faces:
            ups = _lengthened(*ups, width[a])
        return direct[a] + strip(cumulatives[a], width[a], ups)

    if len(cumulatives) > 1:
        # To the first faces that the cascade does not pass, as for one population
        faces = _iterate(lambda a, m: fired(a, m, to_faces=True), list(direct))
        return _iterate(fired, faces)
    strength = wiring.mean(0, [1.0])
    if strength <= 0:
        return [fired(0, [0.0])]
    grid = width[0] / strength, kick[0] / strength
    limit = direct[0] + cumulatives[0].total
    return [_smallest(lambda m: m - fired(0, [m]), direct[0], limit, *grid)]


def _lengthened(shifts, probabilities, width):
    """Shifts longer by as much as their mean needs to end at a face."""
    mean = float(np.dot(probabilities, shifts)) / width
    more = (math.ceil(mean - 1e-12) - mean) * width
    return np.asarray(shifts) + more, np.asarray(probabilities)


def _iterate(fired, sizes):
    # Monotone: from below to the smallest, from above to the largest solution
    for _ in range(_ITERATIONS):
        new = [fired(a, sizes) for a in range(len(sizes))]
        change = max(abs(x - y) for x, y in zip(new, sizes, strict=True))
        sizes = new
        if not change >= _CHANGE:
            break
    return sizes


def _smallest(excess, low, limit, cell, origin):
    """First root between two bounds, at first only to a cell of the grid."""
    high = low
    if not excess(low) < 0:
        return low
    i = math.floor((low + origin) / cell) + 1
    while high < limit:
        high = i * cell - origin
        if excess(high) >= 0:
            return brentq(excess, low, high, xtol=1e-17, rtol=1e-15)
        low, i = high, i + 1
    return limit
