"""How wrong a table is between its points, and how many points it needs."""

from dataclasses import replace

import numpy as np

from .lookup import interpolate

__all__ = ["interpolation_error", "refined_axes"]

SAMPLES = 20_000
MAX_MIDPOINTS = 200_000
WORST = 100  # cells that are looked at again
SAMPLES_PER_WORST_CELL = 50


def interpolation_error(function, values, axes, seed=0):
    """Largest difference between a function and its table, off the grid.

    Measured at the centres of the cells (all of them, or a random 200,000), at 20,000
    random points, next to the points where the table bends most, and then at random
    points in the cells where it was largest.

    Parameters
    ----------
    function : callable
        ``f(*args)`` on equally long arrays.
    values : ndarray
        The table, as stored.
    axes : sequence of `~brian2_multiscale.numerics.lookup.Axis`
    seed : int, optional
        The same points every time.

    Returns
    -------
    error : float
        Largest absolute difference over the range (largest minus smallest value seen)
        of the function; over the largest magnitude if the function is constant.

    Raises
    ------
    ValueError
        If the function is not finite at one of the points.
    """
    rng = np.random.default_rng(seed)
    cells = [axis.n - 1 for axis in axes]
    bends = np.minimum(_bends(values), np.array(cells) - 1) + 0.5
    uniform = rng.random((SAMPLES, len(axes))) * cells
    positions = np.vstack([_midpoints(cells, rng), bends, uniform])
    exact, error = _differences(function, values, axes, positions)
    worst = np.floor(positions[np.argsort(error)[-WORST:]])
    again = np.repeat(worst, SAMPLES_PER_WORST_CELL, axis=0)
    again = np.minimum(again + rng.random(again.shape), cells)
    exact_again, error_again = _differences(function, values, axes, again)
    lowest = min(np.min(part) for part in (values, exact, exact_again))
    highest = max(np.max(part) for part in (values, exact, exact_again))
    scale = float(highest) - float(lowest) or abs(float(highest)) or 1.0
    return float(max(error.max(), error_again.max()) / scale)


def _midpoints(cells, rng):
    count = int(np.prod(cells, dtype=float))
    if count <= MAX_MIDPOINTS:
        index = np.arange(count)
    else:
        index = rng.integers(count, size=MAX_MIDPOINTS)
    return np.column_stack(np.unravel_index(index, cells)) + 0.5


def _bends(values):
    """Cells on both sides of the points with the largest second differences.

    In a fine grid, random points miss the one cell in which the function jumps.
    """
    found = [np.zeros((0, values.ndim), dtype=int)]
    for axis in range(values.ndim):
        bend = np.abs(np.diff(values, 2, axis=axis))
        if bend.size == 0:
            continue
        count = min(WORST, bend.size)
        largest = np.argpartition(bend, bend.size - count, axis=None)[-count:]
        left = np.column_stack(np.unravel_index(largest, bend.shape))
        found += [left, left + (np.arange(values.ndim) == axis)]
    return np.vstack(found)


def _differences(function, values, axes, positions):
    points = [axis.at(column) for axis, column in zip(axes, positions.T, strict=True)]
    exact = function(*points)
    bad = ~np.isfinite(exact)
    if np.any(bad):
        where = ", ".join(
            f"{axis.name} = {column[bad][0]:g}"
            for axis, column in zip(axes, points, strict=True)
        )
        raise ValueError(f"the function is {exact[bad][0]} at {where} (base units).")
    found = interpolate(values, axes, *points, extrapolate="clip")
    return exact, np.abs(found - exact)


def refined_axes(values, axes, error, tolerance):
    """Axes with more points, chosen so that the tolerance should be met.

    The error of linear interpolation along an axis is an eighth of the second
    difference; it is shared among the axes in equal parts.

    Parameters
    ----------
    values : ndarray
        The present table.
    axes : sequence of `~brian2_multiscale.numerics.lookup.Axis`
    error : float
        Its error, larger than `tolerance`.
    tolerance : float

    Returns
    -------
    list of `~brian2_multiscale.numerics.lookup.Axis`
        At least one with more points than before.
    """
    shares = np.array(
        [np.abs(np.diff(values, 2, axis=k)).max(initial=0) for k in range(len(axes))],
        dtype=float,
    )
    shares *= error / (shares.sum() or 1)
    growth = np.sqrt(shares * len(axes) / tolerance)
    growth[np.argmax(growth)] = max(growth.max(), 1.1)
    growth = np.clip(growth, 1, 8)
    return [
        replace(axis, n=int(np.ceil((axis.n - 1) * factor)) + 1)
        for axis, factor in zip(axes, growth, strict=True)
    ]
