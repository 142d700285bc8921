"""Interspike intervals of the neurons of populations."""

from itertools import pairwise

import numpy as np

__all__ = ["cohort_intervals", "spike_intervals"]

# In a shorter time, in mean intervals, too many long ones are never complete
_LONG = 10
# The pool may fire as much, or with a rate that varies so little (relative)
_SMALL_POOL, _STEADY = 0.01, 0.05

# Fewer intervals say nothing about their variation
_ENOUGH = 50


def spike_intervals(monitor, sizes, begin, end):
    """
    Mean (s) and coefficient of variation of the intervals in each population.

    Parameters
    ----------
    monitor : `SpikeMonitor`
        Of all neurons, the first population first.
    sizes : list of int
    begin, end : float
        Time that is looked at (s).

    Returns
    -------
    list of (float, float) or None
        None where there are hardly any intervals, or where they are longer than a
        tenth of the time that is looked at.

    Notes
    -----
    Corrected for long intervals being cut at the ends more often.
    """
    index, times = np.asarray(monitor.i), np.asarray(monitor.t)
    used = times >= begin
    index, times = index[used], times[used]
    order = np.lexsort((times, index))
    index, times = index[order], times[order]
    same = index[1:] == index[:-1]
    intervals, owner = np.diff(times)[same], index[1:][same]
    edges = np.cumsum([0, *sizes])
    # Long intervals are less often complete: of length x, a fraction 1 - x/observed
    weights = 1 / np.maximum(1 - intervals / (end - begin), 1e-2)
    parts = [(owner >= a) & (owner < b) for a, b in pairwise(edges)]
    return [_moments(intervals[p], weights[p], end - begin) for p in parts]


def _moments(intervals, weights, observed):
    if len(intervals) < _ENOUGH:
        return None
    mean = np.average(intervals, weights=weights)
    if observed < _LONG * mean:
        return None
    spread = np.sqrt(np.average((intervals - mean) ** 2, weights=weights))
    return float(mean), float(spread / mean)


def cohort_intervals(monitor, group, begin):
    """
    The same for a `MesoscopicGroup`, from how old its neurons are when they fire.

    Parameters
    ----------
    monitor : `StateMonitor`
        Of its cohorts: survivors, escape_rate, lastspike, not_refractory.
    group : `MesoscopicGroup`
    begin : float

    Returns
    -------
    list of (float, float) or None
        None without any spikes.

    Notes
    -----
    Neurons of the same cohort must be alike, so that their number and hazard give the
    intervals. In the pool, the hazard is taken as constant from the end of the memory.
    """
    used = np.asarray(monitor.t) >= begin
    names = ("survivors", "escape_rate", "lastspike", "not_refractory")
    values = [np.asarray(getattr(monitor, n), dtype=float)[:, used] for n in names]
    survivors, rate, last, able = values
    flow = np.maximum(survivors * rate * able, 0)
    age = np.asarray(monitor.t)[used] - last
    size = group.memory_in_steps + 1
    memory = group.memory_in_steps * float(group.clock.dt)
    return [
        _moments_of_flow(
            flow[k : k + size], age[k : k + size], rate[k : k + size], memory
        )
        for k in range(0, len(survivors), size)
    ]


def _moments_of_flow(flow, age, rate, memory):
    """
    Mean and CV of the age of neurons that fire; the last row is the pool.

    None if much comes from the pool, whose neurons are of unknown age, and its rate is
    not constant.
    """
    total = flow.sum()
    if not total > 0:
        return None
    share = flow[-1].sum() / total
    if share > _SMALL_POOL and np.std(rate[-1]) > _STEADY * np.mean(rate[-1]):
        return None
    pool = np.where(flow[-1] > 0, 1 / np.maximum(rate[-1], 1e-300), 0)
    first = np.sum(flow[:-1] * age[:-1]) + np.sum(flow[-1] * (memory + pool))
    squares = (memory + pool) ** 2 + pool**2
    second = np.sum(flow[:-1] * age[:-1] ** 2) + np.sum(flow[-1] * squares)
    mean = first / total
    return float(mean), float(np.sqrt(max(second / total - mean**2, 0)) / mean)
