"""Recording: what one run at one scale leaves for the measures."""

import math
import numbers
from dataclasses import dataclass

import numpy as np

__all__ = ["Recording", "check_runs"]


@dataclass
class Recording:
    """
    Activity of the populations in one run. Can be pickled.

    Parameters
    ----------
    counts : array_like, shape (bins, P)
        Spikes of each population in each bin, without the warm-up. Need not be whole
        numbers: a density without noise has expected numbers.
    sizes : array_like, shape (P,)
        Number of neurons.
    bin : float
        Width of a bin in seconds.
    cpu_time : float
        CPU seconds of the whole simulation.
    duration : float
        Seconds simulated, with the warm-up.
    intervals : list, optional
        Of each population None or ``(mean, cv)``: mean in seconds and coefficient of
        variation of the interspike intervals of its neurons.
    noise_free : bool
        True if every run would be the same: then one run has no error.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong kind, shape, sign or is not finite.
    """

    counts: np.ndarray
    sizes: np.ndarray
    bin: float
    cpu_time: float
    duration: float
    intervals: list = None
    noise_free: bool = False

    def __post_init__(self):
        self.counts = _numbers("counts", self.counts, 2, "(bins, populations)")
        self.sizes = _numbers("sizes", self.sizes, 1, "(populations,)")
        bins, populations = self.counts.shape
        if bins < 2 or populations < 1:
            raise ValueError(
                "counts needs at least 2 bins and 1 population, got the shape "
                f"{self.counts.shape}."
            )
        if self.sizes.shape != (populations,):
            raise ValueError(
                f"sizes must have one number for each of the {populations} populations "
                f"in counts, got {len(self.sizes)}."
            )
        if np.any(self.sizes < 1):
            raise ValueError(f"sizes must be at least 1, got {self.sizes.tolist()}.")
        self.bin = _seconds("bin", self.bin, above=0)
        self.cpu_time = _seconds("cpu_time", self.cpu_time)
        # sums of bins and of time steps differ by rounding
        self.duration = _seconds("duration", self.duration)
        if self.duration < bins * self.bin * (1 - 1e-6):
            raise ValueError(
                f"duration is {self.duration:g} s, but the {bins} bins in counts are "
                f"{bins * self.bin:g} s: it is the whole time, with the warm-up."
            )
        self.intervals = _intervals(self.intervals, populations)
        self.noise_free = bool(self.noise_free)


def _numbers(name, values, dimensions, shape):
    array = np.asarray(values, dtype=float)
    if array.ndim != dimensions:
        raise ValueError(f"{name} must have the shape {shape}, got {array.shape}.")
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise ValueError(f"{name} must be finite and not negative.")
    return array


def _seconds(name, value, above=None):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name} must be a number of seconds without unit (divide by second), got "
            f"{value!r}."
        )
    if not math.isfinite(value) or value < 0 or value == above:
        raise ValueError(f"{name} must be positive and finite, got {value!r} s.")
    return float(value)


def _intervals(intervals, populations):
    if intervals is None:
        return None
    if len(intervals) != populations:
        raise ValueError(
            f"intervals must have one entry for each of the {populations} populations, "
            f"got {len(intervals)}."
        )
    checked = [None if i is None else tuple(map(float, i)) for i in intervals]
    for entry in checked:
        known = entry is None or (
            len(entry) == 2 and np.all(np.isfinite(entry)) and entry[0] > 0 <= entry[1]
        )
        if not known:
            raise ValueError(
                "Each entry of intervals must be None or (mean in seconds, CV) with a "
                f"positive mean, got {entry!r}."
            )
    return checked


def check_runs(recordings, reference):
    """
    Refuse recordings that cannot be compared; return them as a dict of lists.

    Raises
    ------
    TypeError, ValueError
        If there is no recording of the reference or of another scale, or bins or sizes
        differ.
    """
    if reference not in recordings:
        raise ValueError(
            f"reference {reference!r} has no recordings; there are some of "
            f"{', '.join(map(repr, recordings)) or 'no scale'}."
        )
    runs = {scale: list(found) for scale, found in recordings.items()}
    for scale, found in runs.items():
        if not found:
            raise ValueError(
                f"recordings has none of {scale!r}: leave it out and say why in notes."
            )
        for recording in found:
            if not isinstance(recording, Recording):
                raise TypeError(
                    f"recordings[{scale!r}] must be a list of Recording, got "
                    f"{recording!r}."
                )
            _same(scale, recording, reference, runs[reference][0])
    return runs


def _same(scale, recording, reference, first):
    pairs = {
        "bin": (recording.bin, first.bin),
        "the shape of counts": (recording.counts.shape, first.counts.shape),
        "sizes": (recording.sizes.tolist(), first.sizes.tolist()),
    }
    for what, (found, expected) in pairs.items():
        if found != expected and not (
            what == "bin" and math.isclose(found, expected, rel_tol=1e-9)
        ):
            raise ValueError(
                f"Recordings must have the same bins and sizes to be compared, but "
                f"{what} is {found} in one of {scale!r} and {expected} in the first "
                f"of {reference!r}."
            )
