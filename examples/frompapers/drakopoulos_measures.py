"""What Drakopoulos_Baby_Verhulst_2021.py plays to hair cells and fibres, and measures.

Signals are numpy arrays in base units, (samples, channels), every 50 us: deflections x
of the hair bundle (m), potentials v (V) and rates f (Hz).
"""

import numpy as np
from brian2 import Hz, kHz, pascal, second

from brian2_multiscale.surrogates.sound import (
    BM_GROWTH,
    PLACE_GROWTH,
    basilar_membrane_velocity,
    characteristic_frequencies,
    tone,
)

STEP = 50e-6
GAIN = 0.118  # s: deflection over velocity of the basilar membrane
BEFORE = 0.02  # s of silence before every tone
RATE = 1 / STEP

#: Hz, and the published ratio of the two parts of the potential at 80 dB
AC_DC = {
    150: 19.98,
    226: 7.94,
    349: 5.01,
    527: 3.91,
    805: 3.25,
    1225: 2.51,
    1832: 1.58,
    2820: 0.826,
    4304: 0.402,
    6530: 0.190,
    7954: 0.133,
}
LEVELS = np.arange(0, 101, 10)  # dB SPL
#: Published, at these levels: potential at 4 kHz (mV), rate of HSR fibres at 1 kHz (Hz)
GROWTH = (0.0245, 0.078, 0.271, 1.148, 2.422, 3.734, 4.966, 6.104, 7.209, 8.423, 9.018)
RATE_LEVEL = (50.1, 51, 60.8, 171.7, 286.4, 291.9, 292.8, 294.4, 298.3, 303.4, 302.3)
EXCITATION_LEVELS = (20, 40, 60, 80, 90)
#: Published error of the mean potential at these levels (mV)
EXCITATION = (0.002, 0.008, 0.022, 0.032, 0.049)
#: Published, for H, M and L: rates after the onset of a 1-kHz tone of 70 dB
ADAPTATION = {
    "peak": (1396, 639, 503),
    "20 ms": (367, 197, 143),
    "100 ms": (198, 144, 110),
    "1 s": (137, 96, 79),
}
GAPS = (0.1, 0.5, 1.0)  # s
#: Published onset after a gap, as a fraction of the first, for H, M and L
RECOVERY = {0.1: (0.728, 0.851, 0.897), 0.5: (0.950, 0.958, 0.969)}
RECOVERY[1.0] = (0.994, 0.991, 0.993)
#: Published largest vector strength, 1 and 4 kHz modulated by 100 Hz, for H, M and L
SYNCHRONY = {1000: (0.300, 0.402, 0.561), 4000: (0.485, 0.530, 0.567)}
MODULATION = 100.0  # Hz


# -- stimuli -------------------------------------------------------------------------
def heard(sound, places):
    """Deflections (m) at places (Hz), through the filter bank."""
    growth = BM_GROWTH if np.size(places) > 1 else PLACE_GROWTH
    velocity = basilar_membrane_velocity(
        sound * pascal, RATE * Hz, np.atleast_1d(places) * Hz, growth
    )
    return GAIN * np.asarray(velocity)


def pressure(frequency, level, duration, modulated=False):
    """A tone (Pa) after a silence."""
    sound = tone(
        frequency * Hz, level, duration * second, RATE * Hz, before=BEFORE * second
    )
    time = np.arange(len(sound)) * STEP - BEFORE
    depth = 1.0 if modulated else 0.0
    return np.asarray(sound) * (1 - depth * np.cos(2 * np.pi * MODULATION * time))


def by_level(frequency, duration, modulated=False):
    """Deflections at the place of a tone, a column per level."""
    sounds = [pressure(frequency, level, duration, modulated) for level in LEVELS]
    return np.hstack([heard(sound, frequency) for sound in sounds])


def at_80_db(frequencies):
    """Deflections by tones that all have the velocity of 80 dB at 4 kHz."""
    time = np.arange(round((BEFORE + 0.07) / STEP))[:, None] * STEP - BEFORE
    rise = np.clip(time / 5e-3, 0, 1)
    carrier = np.sin(2 * np.pi * np.asarray(frequencies) * time)
    return GAIN * float(PLACE_GROWTH[80]) * rise * carrier


def repeated(gap):
    """A tone of 1 kHz and 70 dB for 100 ms, and again after a gap."""
    again = pressure(1000, 70, 0.05)[round(BEFORE / STEP) :]
    parts = pressure(1000, 70, 0.1), np.zeros(round(gap / STEP)), again
    return heard(np.concatenate(parts), 1000)


def stimuli(short):
    """Name to deflections; places (Hz) of the excitation pattern."""
    count = 7 if short else 25
    places = np.asarray(characteristic_frequencies(count, 200 * Hz, 6 * kHz))
    patterns = [heard(pressure(1000, x, 0.08), places) for x in EXCITATION_LEVELS]
    made = {
        "ac/dc": at_80_db(list(AC_DC)),
        "growth": by_level(4000, 0.08),
        "excitation": np.hstack(patterns),
        "rate-level": by_level(1000, 0.05),
        "synchrony 1000": by_level(1000, 0.11, modulated=True),
        "synchrony 4000": by_level(4000, 0.11, modulated=True),
        "adaptation": heard(pressure(1000, 70, 0.12 if short else 1.02), 1000),
    }
    gaps = GAPS[:1] if short else GAPS
    return made | {f"gap {gap}": repeated(gap) for gap in gaps}, places


# -- measures ------------------------------------------------------------------------
def between(signal, start, end):
    """Part of a signal, in seconds after the beginning of the tone."""
    edges = [round((BEFORE + time) / STEP) for time in (start, end)]
    return signal[edges[0] : edges[1]]


def before(signal):
    """The last value of the silence."""
    return signal[round(BEFORE / STEP) - 1]


def ac_dc_ratio(v):
    part = between(v, 0.05, 0.07)
    high, low = part.max(0), part.min(0)
    return (high - low) / (2 * np.sqrt(2)) / (0.5 * (high + low) - before(v))


def growth(v):
    """Root mean square change of the potential (V)."""
    return np.sqrt(np.mean((between(v, 0.05, 0.07) - before(v)) ** 2, axis=0))


def pattern(v, places):
    """Mean change of the potential (V), (levels, places)."""
    change = between(v, 0.05, 0.07).mean(0) - before(v)
    return change.reshape(-1, len(places))


def mean_rate(f):
    return between(f, 0.01, 0.05).mean(0)


def vector_strength(f):
    """Of the rate, with respect to the modulation."""
    part = between(f, 0.03, 0.1)
    phase = np.exp(2j * np.pi * MODULATION * STEP * np.arange(len(part)))
    return np.abs(part.T @ phase) / part.sum(0)


def adaptation(f):
    """Rates (Hz) at times after the onset; means over periods of the tone."""
    found = [between(f, 0, 0.02).max()]
    for time in (0.02, 0.1, 1.0):
        if BEFORE + time + 2e-3 < len(f) * STEP:
            found.append(between(f, time - 2e-3, time + 2e-3).mean())
    return np.array(found)


def recovery(f, gap):
    """Peak after the gap over the first peak."""
    return between(f, 0.1 + gap, 0.13 + gap).max() / between(f, 0, 0.1).max()


def by_period(f):
    """Means (Hz) over the periods of a tone of 1 kHz, from its onset."""
    part = between(f, 0, len(f) * STEP - BEFORE)[:, 0]
    return part[: len(part) // 20 * 20].reshape(-1, 20).mean(axis=1)
