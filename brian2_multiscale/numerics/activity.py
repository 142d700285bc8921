r"""Statistics of the activity of populations, counted in bins.

The activity is :math:`A = \text{counts}/(N\,\text{bin})`, in Hz. Its spectrum is
one-sided: its integral over the positive frequencies is the variance. Independent
Poisson neurons of rate r have the variance :math:`r/(N\,\text{bin})` and the flat
spectrum :math:`2r/N`.
"""

import numpy as np
from scipy import signal

__all__ = [
    "activity",
    "autocorrelation",
    "band_means",
    "correlation",
    "fluctuation",
    "octaves",
    "power_spectrum",
    "variance",
]

# A constant rate, summed up in steps, varies by a few units of the last place
_ROUNDING = 1e-9


def activity(counts, sizes, width):
    """Spikes per neuron and second: (bins, P) from counts (bins, P), sizes (P,)."""
    return counts / (np.asarray(sizes) * width)


def fluctuation(rates):
    """Deviation from the mean over time; exactly zero where it is only rounding."""
    mean = rates.mean(0)
    deviation = rates - mean
    constant = np.abs(deviation).max(0) <= _ROUNDING * np.abs(mean)
    return np.where(constant, 0.0, deviation)


def variance(rates):
    """Variance over time, with the divisor ``bins - 1``."""
    return (fluctuation(rates) ** 2).sum(0) / (len(rates) - 1)


def power_spectrum(rates, width, segment):
    """
    One-sided spectrum by the method of Welch.

    Parameters
    ----------
    rates : ndarray, shape (bins, P)
    width : float
        Of a bin.
    segment : int
        Bins per segment (Hann window, half overlap, each segment minus its mean): the
        resolution is ``1 / (segment * width)``.

    Returns
    -------
    frequency : ndarray, shape (F,)
        From 0 to the Nyquist frequency.
    spectrum : ndarray, shape (F, P)
        In units of ``rates**2 / frequency``.
    """
    return signal.welch(
        fluctuation(rates), 1 / width, "hann", segment, segment // 2, axis=0
    )


def octaves(width, segment):
    """
    Edges of octaves in which a spectrum is averaged.

    They begin at twice the resolution, where neither the window nor the mean of a
    segment matters; every octave has at least two points. The last one ends at the
    Nyquist frequency and is half an octave to one and a half wide.

    Returns
    -------
    edges : ndarray
        Empty if the segment is too short for one band.
    """
    last = (segment - 1) // 2
    if last < 3:
        return np.zeros(0)
    powers = 2 ** np.arange(1, last.bit_length() + 1)
    edges = powers[(powers * np.sqrt(2) <= last) | (powers == 2)] / (segment * width)
    return np.append(edges, 0.5 / width)


def band_means(frequency, spectrum, edges):
    """
    Mean of a spectrum between edges, shape (P, bands).

    A band has its lower edge and not its upper one: so the point at the Nyquist
    frequency, which has half the height, is left out.
    """
    # edges are points of the frequency axis up to rounding
    nudge = 0.25 * frequency[1]
    place = np.searchsorted(edges - nudge, frequency, "right") - 1
    bands = [spectrum[place == k].mean(0) for k in range(len(edges) - 1)]
    return np.array(bands).reshape(-1, spectrum.shape[1]).T


def autocorrelation(rates, lags):
    """
    Coefficients of autocorrelation at whole numbers of bins, shape (P, lags).

    Products are averaged over as many pairs as there are. NaN where nothing varies.
    """
    deviation = fluctuation(rates)
    count = len(rates)
    products = [(deviation[k:] * deviation[: count - k]).mean(0) for k in lags]
    products = np.reshape(products, (len(lags), rates.shape[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (products / (deviation**2).mean(0)).T


def correlation(rates):
    """
    Correlation coefficients of pairs of populations in the same bin.

    Returns
    -------
    coefficients : ndarray, shape (P * (P - 1) / 2,)
        In the order of ``numpy.triu_indices(P, 1)``; NaN where one does not vary.
    """
    deviation = fluctuation(rates)
    size = np.sqrt((deviation**2).sum(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        matrix = deviation.T @ deviation / np.outer(size, size)
    return matrix[np.triu_indices(rates.shape[1], 1)]
