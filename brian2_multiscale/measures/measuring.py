"""The measures of runs."""

from dataclasses import dataclass

import numpy as np

from ..numerics import activity as numerics
from ..numerics.population_events import event_rule, event_starts, interval_law

__all__ = ["Settings", "measure", "settings"]

_LAGS = 20
# A run that is shorter than this many segments gets shorter segments
_SEGMENTS = 4
# Fewer events in a run on average tell nothing about their intervals
_EVENTS = 5


@dataclass(frozen=True)
class Settings:
    """
    What is the same for all scales.

    Parameters
    ----------
    sizes : ndarray, shape (P,)
    width : float
        Of a bin, in seconds.
    segment : int
        Bins per segment of the spectrum.
    edges : ndarray
        Of the bands, in Hz.
    lags : ndarray of int
        In bins.
    rules : list
        For each population an `EventRule`, or None where events are not defined.
    """

    sizes: np.ndarray
    width: float
    segment: int
    edges: np.ndarray
    lags: np.ndarray
    rules: list


def settings(runs, segment):
    """
    Settings that fit recordings of the reference.

    Parameters
    ----------
    runs : list of `Recording`
    segment : float
        Seconds of a segment of the spectrum.
    """
    first = runs[0]
    bins, populations = first.counts.shape
    length = max(min(round(segment / first.bin), bins // _SEGMENTS), 1)
    return Settings(
        sizes=first.sizes,
        width=first.bin,
        segment=length,
        edges=numerics.octaves(first.bin, length),
        lags=np.arange(1, min(_LAGS, bins // _SEGMENTS) + 1),
        rules=[_rule([r.counts[:, k] for r in runs]) for k in range(populations)],
    )


def _rule(counts):
    rule = event_rule(counts)
    if rule is None:
        return None
    events = [len(event_starts(c, rule)) for c in counts]
    return rule if np.mean(events) >= _EVENTS else None


def measure(runs, fixed):
    """
    All measures of all runs.

    Parameters
    ----------
    runs : list of `Recording`
    fixed : `Settings`

    Returns
    -------
    values : dict of ndarray
        By measure; shape (runs, P), (runs, P, bands), (runs, P, lags) or (runs, pairs).
        NaN where a measure is not defined.
    """
    found = [_measure_one(run, fixed) for run in runs]
    return {name: np.array([f[name] for f in found]) for name in found[0]}


def _measure_one(run, fixed):
    rates = numerics.activity(run.counts, fixed.sizes, fixed.width)
    values = {
        "rate": rates.mean(0),
        "variance": numerics.variance(rates),
        "spectrum": _spectrum(rates, fixed),
        "autocorrelation": numerics.autocorrelation(rates, fixed.lags),
        "correlation": numerics.correlation(rates),
    }
    isi = [i or (np.nan, np.nan) for i in run.intervals or [None] * len(fixed.sizes)]
    values["isi_mean"], values["isi_cv"] = np.transpose(isi)
    pairs = zip(run.counts.T, fixed.rules, strict=True)
    events = [_events(counts, rule, fixed) for counts, rule in pairs]
    names = ("event_rate", "event_interval", "event_cv")
    return values | dict(zip(names, np.transpose(events), strict=True))


def _spectrum(rates, fixed):
    if len(fixed.edges) == 0:
        return np.zeros((rates.shape[1], 0))
    found = numerics.power_spectrum(rates, fixed.width, fixed.segment)
    return numerics.band_means(*found, fixed.edges)


def _events(counts, rule, fixed):
    """Rate of the events of a population, mean and CV of their intervals."""
    if rule is None:
        return (np.nan,) * 3
    starts = event_starts(counts, rule)
    rate = len(starts) / (len(counts) * fixed.width)
    return rate, *interval_law(starts, fixed.width)
