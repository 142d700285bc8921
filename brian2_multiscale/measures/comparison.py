"""ScaleComparison: measures of a model at several scales, and their distances."""

import numbers
from itertools import combinations

import numpy as np
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import Quantity, get_dimensions

from .distance import distance
from .export import as_dict
from .figure import draw
from .kinds import MEASURES, check_tolerances
from .measuring import measure, settings
from .recording import check_runs
from .table import as_html, as_text

__all__ = ["ScaleComparison", "check_report"]

_UNITS = {"Hz": hertz, "Hz²": hertz**2, "s": second, "": 1}


class ScaleComparison:
    r"""
    How far one model at other scales is from the same model at a reference scale.

    Made by `compare_scales`; printed, it is a table.

    Parameters
    ----------
    recordings : dict of list of `Recording`
        By scale; the repeated runs, with independent random numbers. Bins and sizes
        are the same in all.
    reference : str
        The scale that others are compared with.
    tolerances : dict, optional
        By measure; other measures keep their defaults (see Notes).
    confidence : float
        Of the intervals.
    notes : dict of str, optional
        By scale, for the report: for instance why a scale was left out.
    populations : list of str, optional
        Their names; numbers from 0 by default.
    segment : `Quantity`
        Time that a point of the spectrum is computed from: octaves begin at
        ``2/segment``. A quarter of the recording if that is shorter.

    Attributes
    ----------
    scales : list of str
        The reference comes first.
    reference, confidence, tolerances, notes, populations, recordings
        As above, tolerances and populations complete.
    sizes : ndarray, shape (P,)
        Number of neurons.
    bin : `Quantity`
    values : dict
        ``values[scale][measure]``: `Quantity` of shape (runs, P); spectrum (runs, P,
        bands), autocorrelation (runs, P, lags), correlation (runs, pairs). NaN where a
        measure is not defined.
    measured : dict
        The same as plain numbers, in SI units.
    distances : dict
        ``distances[scale][measure]``: `Distance` with ``estimate``, ``low``, ``high``,
        ``verdicts``, ``verdict`` and ``seeds_needed``; not for the reference.
    verdicts : dict
        ``verdicts[scale][measure]``: 'agrees', 'differs', 'undecided', 'not defined'.
    costs : dict of float
        CPU seconds per simulated second, mean over runs.
    bands : `Quantity`, shape (bands + 1,)
        Edges of the bands of the spectrum.
    lags : `Quantity`, shape (lags,)
        Of the autocorrelation.
    pairs : list of (int, int)
        Populations of each correlation.

    Raises
    ------
    TypeError, ValueError
        If the recordings do not fit together, or an argument is wrong.

    Notes
    -----
    Measures of the activity *A* (spikes in a bin per neuron and bin width), their
    names, and the default tolerances (relative, if with %):

    =================== =========================================================  =====
    ``rate``            mean of A                                                  1 %
    ``variance``        variance of A in bins                                      5 %
    ``spectrum``        one-sided power spectrum of A (Welch's method, Hann        10 %
                        window), mean in each octave up to the Nyquist frequency.
                        Integrates to the variance; independent Poisson neurons
                        have 2 rate/N
    ``autocorrelation`` coefficient at lags of 1 to 20 bins                        0.05
    ``correlation``     coefficient of two populations in the same bin             0.05
    ``isi_mean``        mean interspike interval of single neurons                 5 %
    ``isi_cv``          its coefficient of variation                               0.05
    ``event_rate``      population events per time                                 10 %
    ``event_interval``  mean time between the beginnings of population events      5 %
    ``event_cv``        its coefficient of variation                               0.05
    =================== =========================================================  =====

    *Population events* are rises of A from a low to a high level: Up states, population
    spikes, cycles of an oscillation. The threshold comes from the reference and is
    the same for all scales: half way between the mean of A above it and the mean
    below it, over all runs. An event begins when A is three quarters of the way up
    and has been below one quarter since the last event began. Events are not defined
    unless these two levels explain 75 % of the variance and differ by 4 standard
    deviations of the count of independent neurons (bins are joined, up to 16, if that
    makes it so), and there are 5 events per run in the reference.

    *Intervals.* Each run gives one value. Relative differences are ratios of the means
    over runs, with an interval that is symmetric in their logarithm; coefficients,
    which may be zero, are compared by their difference. Both intervals use Student's
    t with Welch's degrees of freedom. The intervals of one measure at one scale - of
    all populations, bands, lags or pairs - hold together with the given confidence
    (Bonferroni), so that the worst one may be looked at.

    *Verdicts.* A measure 'agrees' if all these intervals are within the tolerance; it
    'differs' if at least one is outside as a whole; otherwise it is 'undecided', and
    `seeds_needed` says about how many runs would decide it. If confidence is 95 %, a
    verdict about a measure is wrong with a probability of at most 5 %, as far as the
    values of runs are normally distributed. One run has no interval and decides
    nothing, unless it is free of noise.
    """

    def __init__(
        self,
        recordings,
        reference="spiking",
        tolerances=None,
        confidence=0.95,
        notes=None,
        populations=None,
        segment=1 * second,
    ):
        self.confidence = _check_confidence(confidence)
        self.tolerances = check_tolerances(tolerances)
        runs = check_runs(recordings, reference)
        self.reference = reference
        self.scales = [reference, *(scale for scale in runs if scale != reference)]
        self.recordings = {scale: runs[scale] for scale in self.scales}
        self.notes = dict(notes or {})
        first = runs[reference][0]
        self.sizes = first.sizes
        self.populations = _check_names(populations, len(first.sizes))
        self.pairs = list(combinations(range(len(self.sizes)), 2))
        self.settings = settings(runs[reference], _check_segment(segment))
        self.bin = first.bin * second
        self.bands = self.settings.edges * hertz
        self.lags = self.settings.lags * self.bin
        self.measured = {s: measure(runs[s], self.settings) for s in self.scales}
        self.distances = {s: self._distances(s) for s in self.scales[1:]}

    def _distances(self, scale):
        values, reference = self.measured[scale], self.measured[self.reference]
        exact = self._exact(scale), self._exact(self.reference)
        return {
            name: distance(
                values[name],
                reference[name],
                kind.relative,
                self.tolerances[name],
                self.confidence,
                exact,
            )
            for name, kind in MEASURES.items()
        }

    def _exact(self, scale):
        return all(run.noise_free for run in self.recordings[scale])

    @property
    def values(self):
        """Each run's measures, with units."""
        return {
            scale: {
                name: Quantity(found, dim=get_dimensions(_UNITS[MEASURES[name].unit]))
                for name, found in measured.items()
            }
            for scale, measured in self.measured.items()
        }

    @property
    def verdicts(self):
        """What is to be said about each measure of each scale."""
        return {
            scale: {name: found.verdict for name, found in distances.items()}
            for scale, distances in self.distances.items()
        }

    @property
    def costs(self):
        """CPU seconds per simulated second."""
        return {
            scale: float(np.mean([run.cpu_time / run.duration for run in runs]))
            for scale, runs in self.recordings.items()
        }

    def table(self):
        """The report as text; also what `print` shows."""
        return as_text(self)

    def plot(self):
        """
        A figure: activity, spectra, autocorrelations and distances.

        Returns
        -------
        figure : `matplotlib.figure.Figure`
            One column per population; of more than four, the first four. Distances are
            in units of the tolerance, which is a shaded band.

        Raises
        ------
        ImportError
            Without matplotlib, an optional dependency.
        """
        return draw(self)

    def to_dict(self):
        """
        Everything but the recordings, as numbers, strings, lists and dicts.

        For `json.dump`: times in seconds, rates in Hz; None where a number is not
        defined or infinite.
        """
        return as_dict(self)

    def __str__(self):
        return self.table()

    def __repr__(self):
        runs = {scale: len(found) for scale, found in self.recordings.items()}
        counted = ", ".join(f"{scale} ({count} runs)" for scale, count in runs.items())
        return f"<ScaleComparison against {self.reference!r}: {counted}>"

    def _repr_html_(self):
        return as_html(self)


def check_report(tolerances, confidence, populations, count):
    """Refuse arguments of a comparison before anything is recorded for it."""
    check_tolerances(tolerances)
    _check_confidence(confidence)
    _check_names(populations, count)


def _check_confidence(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"confidence must be a number, got {value!r}.")
    if not 0 < value < 1:
        raise ValueError(
            f"confidence must be between 0 and 1, got {value!r}; 0.95 is usual."
        )
    return float(value)


def _check_names(names, count):
    if names is None:
        return [str(k) for k in range(count)]
    names = [str(name) for name in names]
    if len(names) != count:
        raise ValueError(
            f"populations must name each of the {count} populations, got {names}."
        )
    return names


def _check_segment(value):
    if get_dimensions(value) != second.dim:
        raise TypeError(f"segment must be a time, for example 1*second, got {value!r}.")
    value = float(value)
    if not 0 < value < np.inf:
        raise ValueError(f"segment must be positive and finite, got {value:g} s.")
    return value
