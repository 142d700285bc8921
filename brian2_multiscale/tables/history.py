"""History tables: the amplitude of a response from the times of earlier spikes."""

import itertools
from dataclasses import dataclass

import numpy as np

from ..kinetics.reference import Trajectory
from ..numerics.exponentials import exponential_coefficients, fit_time_constants
from ..numerics.lookup import Axis, interpolate

__all__ = ["HistoryTable", "history_axis", "history_curve", "history_table"]


@dataclass
class HistoryTable:
    """
    Amplitudes by the intervals to the previous spikes; one waveform per order.

    Each spike adds ``amplitude * shape`` to the output; the order is the number of
    earlier spikes within the window (at most the number of axes).

    Attributes
    ----------
    amplitudes : ndarray, shape (points, ...) with one axis per earlier spike
        The first axis is the interval to the latest earlier spike. An interval of
        the whole window stands for no earlier spike.
    axis : `Axis`
        Intervals in seconds, the same for all dimensions.
    shapes : ndarray, shape (orders + 1, K)
        Coefficients of the exponentials for a response of peak 1, by order.
    time_constants : ndarray, shape (K,)
        Seconds.
    """

    amplitudes: np.ndarray
    axis: Axis
    shapes: np.ndarray
    time_constants: np.ndarray

    @property
    def order(self):
        """Number of earlier spikes that count."""
        return self.amplitudes.ndim

    @property
    def window(self):
        """Time (s) after which a spike is forgotten."""
        return self.axis.hi

    @property
    def nbytes(self):
        """Memory of the arrays that are read at a spike."""
        return self.amplitudes.nbytes + self.shapes.nbytes

    def increments(self, transmitter, spike_times, extrapolate="raise"):
        """What each spike adds to the pooled exponentials, shape (spikes, K)."""
        gaps = np.diff(spike_times)
        short = np.flatnonzero(gaps < self.axis.lo * (1 - 1e-9))
        if extrapolate == "raise" and len(short):
            k = int(short[0])
            raise ValueError(
                f"spike {k + 1} at {spike_times[k + 1] * 1e3:g} ms follows the "
                f"previous one after {gaps[k] * 1e3:g} ms; the table begins at "
                f"{self.axis.lo * 1e3:g} ms. Build it with a smaller shortest "
                "interval, or ask for extrapolate='clip'."
            )
        padded = np.concatenate([np.full(self.order, np.inf), gaps])
        recent = np.stack(
            [padded[self.order - 1 - k : len(padded) - k] for k in range(self.order)],
            -1,
        )
        ages = np.cumsum(recent, axis=1)
        inside = np.clip(recent, self.axis.lo, self.axis.hi)
        # Whatever is older than the window counts as absent, and so does all before.
        inside[ages >= self.axis.hi] = self.axis.hi
        amplitude = interpolate(self.amplitudes, (self.axis,) * self.order, *inside.T)
        return amplitude[:, None] * self.shapes[np.sum(ages < self.axis.hi, axis=1)]


def history_axis(shortest, window, points=None, grid=None):
    """
    The axis of intervals: ``points`` on a logarithmic or steps of ``grid``.

    All arguments in seconds.
    """
    if grid is not None:
        return Axis(grid, window, int(round(window / grid)), "linear", "interval")
    return Axis(shortest, window, points, "log", "interval")


def history_curve(model, intervals, times):
    """
    What the last of several spikes adds to the output.

    Parameters
    ----------
    model : `EventModel`
    intervals : sequence of float
        From the last spike back in time (s); ``inf`` ends the history.
    times : ndarray
        Times after the last spike (s).

    Returns
    -------
    curve : ndarray, shape of ``times``
        Output with all spikes minus output without the last one.
    """
    ages = np.cumsum(list(itertools.takewhile(np.isfinite, intervals)))
    spikes = np.append(-ages[::-1], 0.0) + (ages[-1] if len(ages) else 0.0)
    last = spikes[-1]
    with_last = Trajectory(model, spikes, last + times[-1]).output(last + times)
    if len(spikes) == 1:
        return with_last - model.weights @ model.rest
    without = Trajectory(model, spikes[:-1], last + times[-1])
    return with_last - without.output(last + times)


def history_jobs(axis, order):
    """Tuples of grid indices, with what follows an absent spike left out."""
    absent = axis.n - 1
    for index in itertools.product(range(axis.n), repeat=order):
        first_absent = next((k for k, i in enumerate(index) if i == absent), order)
        if all(i == absent for i in index[first_absent:]):
            yield index


def history_intervals(axis, index):
    """Intervals (s) of a tuple of grid indices; the last point means no spike."""
    values = [axis.at(i) for i in index]
    return [
        np.inf if i == axis.n - 1 else v for i, v in zip(index, values, strict=True)
    ]


def history_table(axis, order, times, curves, count):
    """
    Put the simulated responses together.

    Parameters
    ----------
    axis : `Axis`
    order : int
    times : ndarray
        Times after the last spike (s).
    curves : dict
        Response by tuple of grid indices (those of `history_jobs`).
    count : int
        Number of exponentials.
    """
    absent = axis.n - 1
    amplitudes = np.empty((axis.n,) * order)
    normalised = [[] for _ in range(order + 1)]
    for index in itertools.product(range(axis.n), repeat=order):
        known = _forget(index, absent)
        curve = curves[known]
        peak = curve[np.argmax(np.abs(curve))]
        amplitudes[index] = peak
        if index == known and peak != 0:
            ages = np.cumsum(history_intervals(axis, index))
            normalised[int(np.sum(ages < axis.hi))].append(curve / peak)
    shapes = np.array([np.mean(c, axis=0) if c else times * 0 for c in normalised])
    for k in range(1, order + 1):
        if not normalised[k]:
            shapes[k] = shapes[k - 1]
    weights = np.sqrt(np.gradient(times))
    taus = fit_time_constants(times, shapes.T, count, weights, times[1], times[-1] / 2)
    coefficients = exponential_coefficients(times, shapes.T, taus, weights)
    return HistoryTable(amplitudes, axis, coefficients.T.copy(), taus)


def _forget(index, absent):
    """The index with everything before an absent spike absent too."""
    if absent not in index:
        return index
    first = index.index(absent)
    return index[:first] + (absent,) * (len(index) - first)
