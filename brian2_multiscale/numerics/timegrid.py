"""Time grids that are fine after an event and coarse long after it."""

import numpy as np

__all__ = ["event_grid"]


def event_grid(duration, first, ratio=1.25, longest=np.inf, breakpoints=()):
    """
    A grid from 0 to ``duration`` whose steps grow geometrically.

    Parameters
    ----------
    duration : float
        The last point of the grid (> 0).
    first : float
        The first step; later steps are ``ratio`` times their predecessor.
    ratio : float, optional
        Growth of the steps (> 1).
    longest : float, optional
        Upper bound of a step.
    breakpoints : sequence of float, optional
        Times that have to be grid points (jumps of a coefficient); the steps start
        again from ``first`` after each.

    Returns
    -------
    grid : ndarray
        Strictly increasing, from 0 to ``duration``.
    """
    edges = [0.0, *sorted({b for b in breakpoints if 0 < b < duration}), duration]
    pieces = [np.zeros(1)]
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        piece = left + _geometric(right - left, first, ratio, longest)[1:]
        piece[-1] = right  # left + (right - left) may differ by rounding
        pieces.append(piece)
    return np.concatenate(pieces)


def _geometric(duration, first, ratio, longest):
    growing = int(np.ceil(np.log1p(duration / first * (ratio - 1)) / np.log(ratio)))
    steps = np.minimum(first * ratio ** np.arange(growing + 1), longest)
    missing = duration - steps.sum()
    if missing > 0:
        extra = int(np.ceil(missing / longest))
        steps = np.append(steps, np.full(extra, longest))
    points = np.append(0.0, np.cumsum(steps))
    # The last regular point may lie anywhere; a sliver of a step is not kept.
    inside = points[points < duration - 0.5 * first * (duration > first)]
    return np.append(inside, duration)
