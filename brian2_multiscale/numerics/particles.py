"""Neurons in place of a density, and back; the same as ``codegen/cpp/hybrid.h``."""

import numpy as np

from .cascade import FIRED, NEVER, cascade
from .density.cumulative import Cumulative

__all__ = [
    "NEVER",
    "deposit",
    "fire",
    "gaps",
    "is_synchronous",
    "kick",
    "rate_limit",
    "sample",
]

# Deeper excursions below the threshold than this have never crossed it
_DEEP = 40.0


def sample(density, width, top, reset, ring, position, size):
    """
    Neurons at the midpoint quantiles of a density.

    Parameters
    ----------
    density : ndarray
        Probability per voltage of the cells.
    width, top, reset : float
        Of the cells; upper end of the last one; reset voltage.
    ring : ndarray
        Fractions of refractory neurons by the step in which they return.
    position : int
        The step that comes next.
    size : int

    Returns
    -------
    voltage : ndarray
    waiting : ndarray of int
        For how many steps, the next one included, a neuron is refractory.

    Notes
    -----
    Independent draws would begin with 50 times the error in the rate. The order is
    random, because synapses choose neurons by their index.
    """
    masses = density * width
    back = np.roll(ring, -(position % len(ring)))
    faces = np.concatenate([[0], np.cumsum(masses)])
    quantiles = (np.arange(size) + 0.5) / size * (faces[-1] + back.sum())
    awake = quantiles < faces[-1]
    place = _inverse(masses, faces, quantiles[awake])
    voltage = np.full(size, float(reset))
    voltage[awake] = top + (place - len(masses)) * width
    waiting = np.zeros(size, dtype=np.int32)
    ends = faces[-1] + np.cumsum(back)
    later = np.searchsorted(ends, quantiles[~awake], side="right")
    waiting[~awake] = np.minimum(later, len(ring) - 1)
    order = np.random.permutation(size)
    return voltage[order], waiting[order]


def _inverse(masses, faces, quantiles):
    """Positions in cells below which there are given masses."""
    cumulative = Cumulative(masses)
    cell = np.searchsorted(faces, quantiles, side="right") - 1
    cell = np.clip(cell, 0, len(masses) - 1)
    low, high = cell.astype(float), cell + 1.0
    for _ in range(40):  # the cubic may be flat somewhere: no division by its slope
        middle = (low + high) / 2
        below = cumulative.total - cumulative.above_all(middle) < quantiles
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def deposit(voltage, waiting, cells, width, top, ring, position):
    """
    The density of neurons: everyone goes to the two nearest centres of cells.

    Without smoothing, which would bias the rate. Fills `ring`; `position` is the step
    that comes next, `waiting` as in `sample`.
    """
    size = len(voltage)
    awake = waiting <= 0
    place = (voltage[awake] - top) / width + cells - 0.5
    place = np.clip(place, 0, cells - 1)
    lower = np.minimum(place.astype(int), cells - 2)
    share = place - lower
    targets = np.concatenate([lower, lower + 1])
    numbers = np.bincount(targets, np.concatenate([1 - share, share]), cells)
    back = (position + waiting[~awake]) % len(ring)
    ring[:] = np.bincount(back, minlength=len(ring)) / size
    return numbers / (size * width)


def fire(
    first,
    gap,
    voltage,
    waiting,
    top,
    reset,
    width,
    strength,
    silent,
    physical,
    later,
    kick,
    fired,
    direct,
    event,
):
    """
    Spikes of one moment: who fires, whom they carry along, and resets.

    Parameters
    ----------
    first : ndarray of int
        First neuron of every population, and the end.
    gap : ndarray
        To the threshold; `FIRED` and `NEVER` for who has crossed it and who cannot.
    voltage, waiting : ndarray
        Changed.
    top, reset, width : ndarray
        Threshold, reset and width of the cells of every population.
    strength : ndarray
        ``strength[a*populations + b]``: what a gets if all of b fire.
    silent : ndarray of int
        Refractory period in steps.
    physical : int
        Whether neurons that fire get the kicks of the others.
    later : int
        1 if this is the beginning of a step, 0 if it is the end.
    kick : ndarray or None
        What has moved the neurons, if that was a kick from outside.
    fired, direct, event : ndarray
        Fractions of the populations are added to these.
    """
    count = len(first) - 1
    sizes = np.diff(first)
    if not np.any(gap == FIRED):
        return
    matrix = np.reshape(strength, (count, count)).T / sizes[:, np.newaxis]
    numbers, reach, shift = cascade(gap, first, matrix, inclusive=True)
    for a in range(count):
        own = slice(first[a], first[a + 1])
        _reset(
            gap[own],
            voltage[own],
            waiting[own],
            reach[a],
            shift[a],
            top[a],
            reset[a],
            silent[a],
            physical,
            later,
        )
        start = np.count_nonzero(gap[own] == FIRED) / sizes[a]
        start, moved = (start, 0.0) if kick is None else (0.0, kick[a])
        size = numbers[a] / sizes[a]
        fired[a] += size
        direct[a] += start
        if reach[a] + moved > 2 * width[a] and size > 2 * start:
            event[a] += size


def _reset(gap, voltage, waiting, reach, shift, top, reset, silent, physical, later):
    """Voltages of one population after the spikes."""
    takes_part = gap != NEVER
    fires = takes_part & (gap <= reach)
    voltage[takes_part & ~fires] += shift
    if silent > 0:
        voltage[fires] = reset
        # Within a step, spikes are in its middle on average: every other neuron waits
        # one step longer, so that the refractory period is right on average
        more = np.full(len(waiting), 1) if later else np.arange(len(waiting)) % 2
        waiting[fires] = silent - 1 + more[fires]
    elif physical:
        voltage[fires] += shift - (top - reset)
    else:
        alone = gap == FIRED
        voltage[alone] -= top - reset
        voltage[fires & ~alone] = reset


def kick(
    first,
    gap,
    voltage,
    waiting,
    top,
    reset,
    width,
    strength,
    silent,
    physical,
    kicks,
    *counts,
):
    """Kicks from outside move the neurons, and some of them fire."""
    populations = np.repeat(np.arange(len(first) - 1), np.diff(first))
    awake = waiting <= 0
    voltage[awake] += kicks[populations[awake]]
    distance = top[populations] - voltage
    if not physical:  # who fires forgets the kick
        voltage[:] = np.where(awake, np.minimum(voltage, top[populations]), voltage)
    gap[:] = np.where(awake, np.where(distance <= 0, FIRED, distance), NEVER)
    known = first, gap, voltage, waiting, top, reset, width, strength, silent
    fire(*known, physical, 1, kicks, *counts)


def gaps(before, after, top, variance, uniform):
    """
    Distance to the threshold at the end of a step; `FIRED` if it has been crossed.

    Also within the step, with the probability of a Brownian bridge. `variance` is half
    that of the noise of a step.
    """
    distance = top - after
    with np.errstate(over="ignore"):
        depth = (top - before) * distance / variance
        crossed = (depth < _DEEP) & (uniform < np.exp(-np.minimum(depth, _DEEP)))
    return np.where((distance <= 0) | crossed, FIRED, distance)


def rate_limit(limit, diffusion, dt, excitation):
    """
    Rate at which populations change their mode.

    What the user said, or (if negative) where the coupling moves neurons in a step by a
    third of what the noise does. Zero is not reached from above: below every rate.
    """
    with np.errstate(divide="ignore"):
        found = np.sqrt(0.1 * diffusion / dt) / excitation
    default = np.where(excitation > 0, found, 1e300)
    return np.where(limit > 0, limit, np.where(limit < 0, default, -1.0))


def is_synchronous(fired, direct, kick, width, strength, diffusion, dt, limit):
    """Whether a trial step of the densities should be repeated with neurons."""
    jump = (strength * fired > 0.5 * np.sqrt(2 * diffusion * dt)) & (fired > 2 * direct)
    return bool(np.any((np.abs(kick) > width) | (fired >= limit * dt) | jump))
