"""Waveforms that stimuli are made of: numpy arrays, one value per sample, seconds."""

import numpy as np
from scipy.signal import lfilter

__all__ = [
    "band_noise",
    "formant_filter",
    "ornstein_uhlenbeck",
    "pieces",
    "pulse_times",
    "ramped",
    "slow_modulation",
    "syllables",
]


def band_noise(random, count, step, low, high):
    """
    Gaussian noise with a flat spectrum between two frequencies and none outside.

    Made periodic with the length of the signal; of unit power on average.
    """
    frequencies = np.fft.rfftfreq(count, step)
    inside = (frequencies >= low) & (frequencies <= high) & (frequencies > 0)
    if not inside.any():  # a band narrower than 1/duration
        inside[np.argmin(np.abs(frequencies - max(low, 1 / (count * step))))] = True
    lines = random.normal(size=(2, len(frequencies)))
    spectrum = np.where(inside, lines[0] + 1j * lines[1], 0)
    return np.fft.irfft(spectrum, count) * count / (2 * np.sqrt(inside.sum()))


def slow_modulation(random, count, step, low, high, depth=20.0):
    """
    A random envelope with a maximum of one, as of running speech.

    The level in decibels is noise between two modulation frequencies, spread over
    `depth` decibels below the peak (two standard deviations).
    """
    noise = band_noise(random, count, step, low, high)
    level = noise - noise.max()
    return 10 ** (level * depth / (4 * 20))


def ramped(count, step, ramp):
    """An envelope that rises and falls over `ramp` seconds as a squared sine."""
    time = (np.arange(count) + 0.5) * step
    distance = np.minimum(time, count * step - time)
    if ramp <= 0:
        return np.ones(count)
    return np.sin(0.5 * np.pi * np.clip(distance / ramp, 0, 1)) ** 2


def pieces(random, count, step, lengths):
    """
    Cut a signal into pieces of random length.

    Parameters
    ----------
    lengths : callable
        Draws a length in seconds from `random`.

    Returns
    -------
    list of slice
        At least one sample each, that cover all samples.
    """
    edges = [0]
    while edges[-1] < count:
        edges.append(min(edges[-1] + max(round(lengths(random) / step), 1), count))
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def ornstein_uhlenbeck(random, count, step, time_constant):
    """Exact samples of an Ornstein-Uhlenbeck process of unit variance."""
    decay = np.exp(-step / time_constant)
    noise = random.normal(size=count)
    noise[1:] *= np.sqrt(-np.expm1(-2 * step / time_constant))  # stationary from 0 on
    return lfilter([1.0], [1.0, -decay], noise)


def pulse_times(random, count, step, rate):
    """First samples of the pulses of a Poisson train, sorted."""
    number = random.poisson(rate * count * step)
    return np.sort(random.integers(0, count, number))


def formant_filter(signal, step, centre, bandwidth):
    """A resonance of two poles with gain one at its centre (Klatt 1980)."""
    radius = np.exp(-np.pi * bandwidth * step)
    angle = 2 * np.pi * centre * step
    poles = [1.0, -2 * radius * np.cos(angle), radius**2]
    gain = abs(np.polyval(poles[::-1], np.exp(-1j * angle)))
    return lfilter([gain], poles, signal)


def syllables(random, count, step, lengths, pauses):
    """
    Envelope of syllables with pauses between some of them, and where they are.

    Returns
    -------
    envelope : ndarray
        From 0 to 1.
    where : list of slice
        The syllables.
    """
    envelope, where, now = np.zeros(count), [], 0
    while now < count:
        length = max(round(lengths(random) / step), 2)
        part = slice(now, min(now + length, count))
        shape = ramped(length, step, length * step * random.uniform(0.15, 0.4))
        envelope[part] = shape[: part.stop - now]
        where.append(part)
        now += length + round(pauses(random) / step) * int(random.integers(0, 2))
    return envelope, where
