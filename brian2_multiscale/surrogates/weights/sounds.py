"""Motions of places along the basilar membrane, for training: synthetic sound only."""

import numpy as np

from ...numerics.filterbank import gammatone
from ..waveforms import ramped, slow_modulation

__all__ = ["long_motion", "short_motion"]

#: Hz: places and, in octaves from the place, tones
_PLACES, _OCTAVES = (80.0, 9000.0), (-0.7, 0.4)


def short_motion(random, times):
    """
    One sound at one place, with one envelope; the largest value is one.

    Parameters
    ----------
    random : `numpy.random.Generator`
    times : ndarray
        Of the samples in seconds, in equal steps.
    """
    count, step = len(times), times[1] - times[0]
    motion = _carrier(random, count, step) * _envelope(random, count, step)
    return motion / (np.abs(motion).max() or 1.0)


def long_motion(random, times):
    """
    Sounds one after the other at one place, with pauses, of levels over 75 dB.

    Lengths and pauses span the time scales of adaptation and recovery: from 5 ms to
    seconds. As `short_motion`.
    """
    count, step = len(times), times[1] - times[0]
    motion, now = np.zeros(count), _pause(random, step)
    while now < count:
        length = max(int(np.exp(random.uniform(np.log(0.01), np.log(2.0))) / step), 16)
        part = _carrier(random, length, step)
        if random.uniform() < 0.5:
            part = part * _envelope(random, length, step)
        part = part * ramped(length, step, 10 ** random.uniform(-3.3, -2))
        level = random.uniform(-75, 0)
        part *= 10 ** (level / 20) / (np.abs(part).max() or 1.0)
        motion[now : now + length] = part[: count - now]
        now += length + _pause(random, step)
    return motion


def _pause(random, step):
    return int(np.exp(random.uniform(np.log(0.005), np.log(0.7))) / step)


def _carrier(random, count, step):
    """A tone, noise, a complex of harmonics or clicks, at a random place."""
    rate = 1 / step
    place = np.exp(random.uniform(*np.log(_PLACES)))
    place = min(place, 0.45 * rate)
    kind = random.choice(4, p=(0.35, 0.3, 0.25, 0.1))
    if kind == 0:
        frequency = min(place * 2 ** random.uniform(*_OCTAVES), 0.47 * rate)
        phase = random.uniform(0, 2 * np.pi)
        return np.sin(2 * np.pi * frequency * step * np.arange(count) + phase)
    if kind == 1:
        sound = random.normal(size=count)
    elif kind == 2:
        sound = _pulses(random, count, step)
    else:
        sound = np.zeros(count)
        clicks = max(int(count * step * random.uniform(5, 100)), 1)
        sound[random.integers(0, count, clicks)] = 1.0
    return gammatone(sound, rate, place).real


def _pulses(random, count, step):
    """Pulses with a fundamental of a voice, which glides."""
    time = step * np.arange(count)
    glide, phase = random.uniform(1, 6), random.uniform(0, 2 * np.pi)
    octaves = 0.1 * np.sin(2 * np.pi * glide * time + phase)
    fundamental = random.uniform(80, 300) * 2**octaves
    return np.diff(np.floor(np.cumsum(fundamental) * step), prepend=0.0)


def _envelope(random, count, step):
    """A rise, bursts, sinusoidal modulation, or a slow random one."""
    time, kind = step * np.arange(count), random.integers(4)
    if kind == 0:
        begin, rise = random.uniform(0, 0.03), random.uniform(0.002, 0.02)
        return np.clip((time - begin) / rise, 0, 1)
    if kind == 1:
        return _bursts(random, count, step)
    if kind == 2:
        rate, phase = 10 ** random.uniform(0.5, 2.7), random.uniform(0, 2 * np.pi)
        depth = random.uniform(0, 1)
        return 0.5 * (1 + depth * np.sin(2 * np.pi * rate * time + phase))
    return slow_modulation(random, count, step, 1, 30, random.uniform(10, 30))


def _bursts(random, count, step):
    envelope, now = np.zeros(count), 0
    while now < count:
        now += int(random.uniform(0.005, 0.08) / step)
        length = max(int(random.uniform(0.01, 0.1) / step), 2)
        burst = ramped(length, step, random.uniform(0.0005, 0.005))
        part = envelope[now : now + length]
        part += 10 ** -random.uniform(0, 1) * burst[: len(part)]
        now += length
    return envelope
