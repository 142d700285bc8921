"""Population events: when the activity rises from its low to its high level.

The two levels are the means of the activity below and above a threshold that lies half
way between them (the best division into two classes, as in the method of Otsu). An
event begins when the activity, three quarters of the way up, has been a quarter of the
way or less since the last one. So Up states, population spikes and the cycles of an
oscillation are all events; fluctuations around one level are none, because

- the two levels must explain 75 % of the variance (of Gaussian noise they explain
  64 %, of an exponential distribution 65 %, of a sine wave 81 %), and
- the levels differ by more than 4 standard deviations of the number of spikes that
  independent neurons have at the high level. Where a bin has too few spikes for that,
  running means over 2, 4, 8 or 16 bins are taken.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["EventRule", "event_rule", "event_starts", "interval_law", "two_levels"]

_EXPLAINED = 0.75
_DEVIATIONS = 4
_WINDOWS = (1, 2, 4, 8, 16)


class EventRule(NamedTuple):
    """Running mean over `window` bins; ends below `lower`, begins at `upper`."""

    window: int
    lower: float
    upper: float


def two_levels(values):
    """
    Best division of numbers in two classes.

    Returns
    -------
    low, high : float
        Means of the classes.
    explained : float
        The part of the variance that is between the classes; 0 if all are equal.
    """
    ordered = np.sort(np.ravel(values))
    total = np.cumsum(ordered)
    below = np.arange(1, len(ordered))
    low = total[:-1] / below
    high = (total[-1] - total[:-1]) / (len(ordered) - below)
    between = below * (len(ordered) - below) * (high - low) ** 2
    between[np.diff(ordered) == 0] = 0
    spread = ordered.var() * len(ordered) ** 2
    if not between.any() or spread == 0:
        return ordered[0], ordered[-1], 0.0
    best = np.argmax(between)
    return low[best], high[best], between[best] / spread


def _running_mean(values, window):
    """Of `window` bins; shorter by ``window - 1``."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    return (total[window:] - total[:-window]) / window


def event_rule(runs):
    """
    The rule that tells the events of some runs, or None if there are no two levels.

    Parameters
    ----------
    runs : list of ndarray, shape (bins,)
        Spike counts of one population.

    Returns
    -------
    rule : `EventRule` or None
        For spike counts per bin.
    """
    for window in _WINDOWS:
        if window >= len(runs[0]):
            return None
        smooth = np.concatenate([_running_mean(run, window) for run in runs])
        low, high, explained = two_levels(smooth)
        distinct = (high - low) * window > _DEVIATIONS * np.sqrt(high * window)
        if explained > _EXPLAINED and distinct:
            quarter = (high - low) / 4
            return EventRule(window, low + quarter, high - quarter)
    return None


def event_starts(counts, rule):
    """Bins in which events begin. One that is there from the beginning has no start."""
    values = _running_mean(counts, rule.window)
    level = np.where(values >= rule.upper, 1, np.where(values <= rule.lower, -1, 0))
    clear = np.flatnonzero(level)
    rises = np.diff(level[clear]) == 2
    return clear[1:][rises] + rule.window - 1


def interval_law(starts, width):
    """
    Mean and coefficient of variation of the intervals between events.

    NaN with fewer than two, respectively three events.
    """
    intervals = np.diff(starts) * width
    if len(intervals) == 0:
        return np.nan, np.nan
    mean = intervals.mean()
    cv = intervals.std(ddof=1) / mean if len(intervals) > 1 else np.nan
    return mean, cv
