"""A compressive filter bank: sound pressure to basilar-membrane velocity."""

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.signal import lfilter

__all__ = [
    "REFERENCE_PRESSURE",
    "compressive_gain",
    "equivalent_bandwidth",
    "filterbank",
    "gammatone",
    "places",
]

#: 0 dB SPL (Pa, root mean square)
REFERENCE_PRESSURE = 20e-6

_ORDER = 4
# A gammatone of order 4 has 0.982 times the bandwidth of its stages as equivalent one
_STAGE_BANDWIDTH = 1.019


def equivalent_bandwidth(frequency):
    """
    Equivalent rectangular bandwidth (Hz) of human auditory filters.

    Glasberg and Moore (1990), https://doi.org/10.1016/0378-5955(90)90170-T.
    """
    return 24.7 * (4.37e-3 * frequency + 1)


def places(count, low, high):
    """
    Frequencies (Hz) of places at equal distances along the human cochlea.

    Greenwood (1990), https://doi.org/10.1121/1.399052. Both limits are included.
    """
    ends = np.log10(np.array([low, high]) / 165.4 + 0.88)
    return 165.4 * (10 ** np.linspace(*ends, count) - 0.88)


def gammatone(sound, rate, frequency):
    """
    Complex output of one gammatone filter of order 4.

    Four complex one-pole filters in a row. The real part is the output; the modulus is
    its envelope. A tone at the filter's own frequency passes with gain 1.

    Parameters
    ----------
    sound : ndarray, shape (T,)
        Real.
    rate : float
        Samples per second.
    frequency : float
        Of the filter (Hz), below half the rate.

    Returns
    -------
    ndarray, shape (T,)
        Complex. The filter is causal: sample n depends on samples 0 to n.
    """
    bandwidth = _STAGE_BANDWIDTH * equivalent_bandwidth(frequency)
    pole = np.exp(2 * np.pi * (-bandwidth + 1j * frequency) / rate)
    output = 2 * np.asarray(sound, float)  # a real tone has half at +f, half at -f
    for _ in range(_ORDER):
        output = lfilter([1 - abs(pole)], [1, -pole], output)
    return output


def compressive_gain(envelope, levels, outputs):
    """
    Gain of a channel whose growth with level is given.

    Parameters
    ----------
    envelope : ndarray
        Pressure amplitude (Pa, zero to peak).
    levels : ndarray
        Ascending levels (dB SPL) of a tone.
    outputs : ndarray
        Output amplitudes (zero to peak) at these levels.

    Returns
    -------
    ndarray
        Output over pressure, of the shape of `envelope`. Between the levels the
        decibels follow a monotone cubic; outside the gain is constant.
    """
    amplitude = np.sqrt(2) * REFERENCE_PRESSURE
    gain = 20 * np.log10(np.asarray(outputs) / amplitude) - levels
    # The growth has to be monotone, not the gain: so the curve is drawn for it
    growth = PchipInterpolator(levels, gain + levels)
    fine = np.linspace(levels[0], levels[-1], 40 * len(levels) + 1)
    level = 20 * np.log10(np.maximum(envelope, 1e-300) / amplitude)
    return 10 ** (np.interp(level, fine, growth(fine) - fine) / 20)


def filterbank(sound, rate, frequencies, levels, outputs):
    """
    Gammatone filters, each followed by compression of its envelope.

    Parameters
    ----------
    sound : ndarray, shape (T,)
        Sound pressure (Pa).
    rate : float
        Samples per second.
    frequencies : ndarray, shape (N,)
        Of the filters (Hz).
    levels, outputs : ndarray
        Growth with level of a tone at the frequency of a filter, as in
        `compressive_gain`.

    Returns
    -------
    ndarray, shape (T, N)
    """
    result = np.empty((len(sound), len(frequencies)))
    for channel, frequency in enumerate(frequencies):
        filtered = gammatone(sound, rate, frequency)
        gain = compressive_gain(np.abs(filtered), levels, outputs)
        result[:, channel] = filtered.real * gain
    return result
