"""Distance: how far a scale is from the reference in one measure."""

from dataclasses import dataclass

import numpy as np

from ..numerics.equivalence import (
    AGREES,
    DIFFERS,
    UNDECIDED,
    Interval,
    absolute_difference,
    judge,
    relative_difference,
    runs_needed,
)

__all__ = ["NOT_DEFINED", "Distance", "distance"]

NOT_DEFINED = "not defined"


@dataclass
class Distance:
    """
    Difference of a scale from the reference in one measure.

    Attributes
    ----------
    estimate, low, high : ndarray
        The difference and its interval; shape (P,), (P, bands), (P, lags) or (pairs,).
        NaN where the measure is not defined for one of the two.
    relative : bool
        True: ratio of the means over runs, minus one; False: difference of the means.
    tolerance : float
        In the same terms.
    verdicts : ndarray of str
        Of each element: 'agrees', 'differs', 'undecided' or 'not defined'.
    needed : ndarray
        Runs that would decide about each undecided element, roughly; otherwise NaN.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    relative: bool
    tolerance: float
    verdicts: np.ndarray
    needed: np.ndarray

    @property
    def verdict(self):
        """'differs' if any element does, 'agrees' if all do, else 'undecided'."""
        for verdict in (DIFFERS, UNDECIDED, AGREES):
            if np.any(self.verdicts == verdict):
                return verdict
        return NOT_DEFINED

    @property
    def seeds_needed(self):
        """
        About how many runs would decide: int, infinity, or None if it is decided.

        For agreement all elements have to be decided, for a difference one is enough.
        """
        if self.verdict != UNDECIDED:
            return None
        open_ones = self.verdicts == UNDECIDED
        beyond = open_ones & (np.abs(self.estimate) > self.tolerance)
        needed = (
            self.needed[beyond].min() if beyond.any() else self.needed[open_ones].max()
        )
        return int(needed) if np.isfinite(needed) else np.inf

    @property
    def worst(self):
        """Index of the element that decides the verdict; None if not defined."""
        chosen = self.verdicts == self.verdict
        if self.verdict == NOT_DEFINED:
            return None
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        if self.verdict == DIFFERS:
            size = np.minimum(np.abs(self.low), np.abs(self.high))
        # unbounded intervals are equally large
        rank = np.where(np.isfinite(size), size, np.inf)
        equal = chosen & (rank == rank[chosen].max())
        estimate = np.where(equal, np.abs(self.estimate), -1)
        return np.unravel_index(np.argmax(estimate), estimate.shape)

    def __getitem__(self, index):
        """The same for some elements only, for instance one population."""
        parts = (self.estimate, self.low, self.high)
        parts = [np.atleast_1d(part[index]) for part in parts]
        after = [np.atleast_1d(part[index]) for part in (self.verdicts, self.needed)]
        return Distance(*parts, self.relative, self.tolerance, *after)


def distance(values, reference, relative, tolerance, confidence, exact):
    """
    `Distance` of two sets of runs.

    All intervals together hold with the given confidence (Bonferroni): each has the
    error probability ``(1 - confidence)/elements``.

    Parameters
    ----------
    values, reference : ndarray, shape (runs, ...)
    relative : bool
    tolerance, confidence : float
    exact : (bool, bool)
        True for values that are the same in every run.
    """
    undefined = np.isnan(values).any(0) | np.isnan(reference).any(0)
    elements = max(np.sum(~undefined), 1)
    confidence = 1 - (1 - confidence) / elements
    compare = relative_difference if relative else absolute_difference
    interval = compare(values, reference, confidence, exact)
    interval = Interval(*(np.where(undefined, np.nan, part) for part in interval))
    verdicts = np.where(undefined, NOT_DEFINED, judge(interval, tolerance))
    runs = max(len(values), len(reference))
    needed = runs_needed(interval, tolerance, confidence, runs)
    needed = np.where(verdicts == UNDECIDED, needed, np.nan)
    return Distance(*interval[:3], relative, tolerance, verdicts, needed)
