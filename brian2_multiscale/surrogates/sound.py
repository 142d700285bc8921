"""Sound with units: tones of a level, and a front end for inner hair cells."""

import numpy as np
from brian2.units.allunits import hertz, metre, pascal, second
from brian2.units.fundamentalunits import Quantity

from ..arguments import check_number, check_numbers, check_whole
from ..numerics.filterbank import REFERENCE_PRESSURE, filterbank, places
from .waveforms import ramped

__all__ = [
    "BM_GROWTH",
    "PLACE_GROWTH",
    "basilar_membrane_velocity",
    "characteristic_frequencies",
    "sound_pressure",
    "tone",
]

#: Largest velocity (zero to peak) along the basilar membrane for a 1-kHz tone, by
#: level: facts from the source data of Drakopoulos et al. (2021).
BM_GROWTH = {
    0: 5e-9 * metre / second,
    20: 49e-9 * metre / second,
    40: 0.32e-6 * metre / second,
    60: 0.84e-6 * metre / second,
    80: 2.5e-6 * metre / second,
    90: 7e-6 * metre / second,
    100: 21.5e-6 * metre / second,
}

#: Velocity at the place of the tone itself, by level: where the inner hair cell of
#: Verhulst et al. (2018) has the published growth of its response at 4 kHz.
PLACE_GROWTH = {
    0: 4.3e-9 * metre / second,
    10: 13.5e-9 * metre / second,
    20: 43.6e-9 * metre / second,
    30: 0.132e-6 * metre / second,
    40: 0.230e-6 * metre / second,
    50: 0.337e-6 * metre / second,
    60: 0.466e-6 * metre / second,
    70: 0.636e-6 * metre / second,
    80: 0.887e-6 * metre / second,
    90: 1.39e-6 * metre / second,
    100: 1.89e-6 * metre / second,
}


def sound_pressure(level):
    """
    Root mean square pressure of a sound of a given level.

    Parameters
    ----------
    level : float or sequence of float
        Decibels above 20 uPa (dB SPL).

    Returns
    -------
    `Quantity`
        Pressure.

    Raises
    ------
    TypeError, DimensionMismatchError
        If the level is not made of plain numbers.
    """
    levels = _finite("level", check_numbers("level", level, 1, "a level in dB SPL"))
    return REFERENCE_PRESSURE * 10 ** (levels / 20) * pascal


def tone(
    frequency,
    level,
    duration,
    sample_rate,
    ramp=5e-3 * second,
    before=0 * second,
    after=0 * second,
):
    """
    Make a pure tone of a calibrated level, with silence around it.

    Parameters
    ----------
    frequency : `Quantity`
        Hertz, below half the sample rate.
    level : float
        Decibels above 20 uPa (dB SPL), of the steady part.
    duration : `Quantity`
        From the beginning of the rise to the end of the fall.
    sample_rate : `Quantity`
        Samples per second.
    ramp : `Quantity`, optional
        Duration of the rise and of the fall (squared sines).
    before, after : `Quantity`, optional
        Silence.

    Returns
    -------
    `Quantity`, shape (T,)
        Pressure. The phase is zero where the tone begins.

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        If a value or a unit is wrong.
    """
    rate = _positive("sample_rate", sample_rate, hertz)
    frequency = _positive("frequency", frequency, hertz)
    _below_nyquist("frequency", frequency, rate)
    duration = _positive("duration", duration, second)
    ramp = _time("ramp", ramp)
    if 2 * ramp > duration:
        raise ValueError(
            f"ramp must be at most half the duration of {duration:g} s, got {ramp:g} s."
        )
    lengths = [_time("before", before), duration, _time("after", after)]
    silence, count, rest = (round(length * rate) for length in lengths)
    amplitude = np.sqrt(2) * float(sound_pressure(check_number("level", level, 1)))
    phase = 2 * np.pi * frequency * np.arange(count) / rate
    sound = amplitude * ramped(count, 1 / rate, ramp) * np.sin(phase)
    return np.pad(sound, (silence, rest)) * pascal


def characteristic_frequencies(count, low=113 * hertz, high=12e3 * hertz):
    """
    Frequencies of places at equal distances along the human cochlea.

    Parameters
    ----------
    count : int
    low, high : `Quantity`, optional
        First and last frequency.

    Returns
    -------
    `Quantity`, shape (count,)
        Ascending, by the map of Greenwood (1990), https://doi.org/10.1121/1.399052.

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        If a value or a unit is wrong, or ``high`` is not above ``low``.
    """
    low, high = _positive("low", low, hertz), _positive("high", high, hertz)
    if not low < high:
        raise ValueError(f"high must be above low = {low:g} Hz, got {high:g} Hz.")
    return places(check_whole("count", count), low, high) * hertz


def basilar_membrane_velocity(sound, sample_rate, cf, growth=BM_GROWTH):
    """
    Velocity of the basilar membrane, by a simple compressive filter bank.

    A front end for examples and tests, not a model of the cochlea: each place is a
    gammatone filter of order 4 with the bandwidth of human hearing (Glasberg and Moore
    1990, https://doi.org/10.1016/0378-5955(90)90170-T), then compression by a gain that
    only depends on the filter's envelope. A steady tone is therefore not distorted.
    There is no middle ear, no suppression between places, no change of tuning with
    level, no emission, and all places have the same sensitivity and growth.

    Parameters
    ----------
    sound : `Quantity`, shape (T,)
        Sound pressure.
    sample_rate : `Quantity`
        Samples per second.
    cf : `Quantity`, shape (N,) or scalar
        Characteristic frequencies, positive and below half the sample rate.
    growth : dict, optional
        Level (dB SPL) to velocity amplitude (zero to peak) of a tone at the frequency
        of a place; `BM_GROWTH` or `PLACE_GROWTH`, for instance. In between a monotone
        cubic in decibels, outside linear.

    Returns
    -------
    `Quantity`, shape (T, N), or (T,) for a scalar `cf`
        Velocity (m/s), causal: sample n depends on sound samples 0 to n.

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        If a value, a shape or a unit is wrong.

    Examples
    --------
    >>> from brian2 import Hz, kHz, ms
    >>> from brian2_multiscale.surrogates.sound import *
    >>> sound = tone(1*kHz, level=60, duration=50*ms, sample_rate=100*kHz)
    >>> v_bm = basilar_membrane_velocity(sound, 100*kHz, cf=[500, 1000]*Hz)
    >>> v_bm.shape
    (5000, 2)
    """
    rate = _positive("sample_rate", sample_rate, hertz)
    sound = _finite("sound", check_numbers("sound", sound, pascal, "a sound pressure"))
    if sound.ndim != 1:
        raise ValueError(f"sound must have one axis (time), got shape {sound.shape}.")
    frequencies = _positive_array("cf", cf, hertz)
    if frequencies.ndim > 1:
        raise ValueError(f"cf must have at most one axis, got {frequencies.shape}.")
    _below_nyquist("cf", np.max(frequencies, initial=0), rate)
    levels, outputs = _growth_curve(growth)
    result = filterbank(sound, rate, np.atleast_1d(frequencies), levels, outputs)
    if not frequencies.ndim:
        result = result[:, 0]
    return Quantity(result, dim=(metre / second).dim)


def _growth_curve(growth):
    if not isinstance(growth, dict) or len(growth) < 2:
        raise TypeError(
            f"growth must be a dict of two levels (dB SPL) or more to velocities, got "
            f"{growth!r}."
        )
    levels = np.array([check_number("a level of growth", x, 1) for x in growth])
    unit = metre / second
    outputs = [_positive("a velocity of growth", x, unit) for x in growth.values()]
    if not (np.all(np.diff(levels) > 0) and np.all(np.diff(outputs) > 0)):
        raise ValueError(
            "levels and velocities of growth must ascend, got levels "
            f"{levels.tolist()} dB SPL and velocities {outputs} m/s."
        )
    return levels, np.array(outputs)


def _finite(name, array):
    if not np.all(np.isfinite(array)):
        bad = array[~np.isfinite(array)].ravel()[0]
        raise ValueError(f"{name} must be finite, got {bad}.")
    return array


def _positive_array(name, value, unit):
    array = _finite(name, check_numbers(name, value, unit))
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive, got {np.min(array):g} {unit!s}.")
    return array


def _positive(name, value, unit):
    check_number(name, value, unit)
    return float(_positive_array(name, value, unit))


def _time(name, value):
    time = float(_finite(name, np.asarray(check_number(name, value, second))))
    if time < 0:
        raise ValueError(f"{name} must not be negative, got {time:g} s.")
    return time


def _below_nyquist(name, frequency, rate):
    if not frequency < rate / 2:
        raise ValueError(
            f"{name} must be below half the sample_rate of {rate:g} Hz, got "
            f"{frequency:g} Hz. Use a higher sample_rate (resampled sound)."
        )
