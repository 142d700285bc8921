"""Recipes for sounds, and for other signals with a carrier."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from brian2.units.allunits import hertz, second
from brian2.units.stdunits import Hz, kHz, ms

from .ranges import Range
from .stimulus import Stimulus, check_fraction
from .waveforms import (
    band_noise,
    formant_filter,
    pieces,
    ramped,
    slow_modulation,
    syllables,
)

__all__ = ["HarmonicComplex", "ModulatedNoise", "ModulatedTones", "SpeechLike", "Tones"]

# Unit and lowest value of parameters; those drawn log-uniformly are positive
_TIME, _FREQUENCY, _PLAIN = (second, 0.0), (hertz, 0.0), (1, 0.0)
_POSITIVE_FREQUENCY = (hertz, 1e-12)


@dataclass(frozen=True, kw_only=True)
class ModulatedNoise(Stimulus):
    """
    Band-limited Gaussian noise with a slow random envelope, as of running speech.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: the rms value where the envelope has its peak, per trial.
    band : pair of `Quantity`
        Lowest and highest frequency of the noise.
    modulation : pair of `Quantity`
        Lowest and highest frequency of the envelope.
    depth : float or pair
        Spread of the level of the envelope, in decibels; 0 is plain noise.
    """

    band: Range = (50 * Hz, 5 * kHz)
    modulation: Range = (1 * Hz, 16 * Hz)
    depth: Range = (0.0, 30.0)
    ranges: ClassVar[dict] = {
        "band": _FREQUENCY,
        "modulation": _FREQUENCY,
        "depth": _PLAIN,
    }

    def draw(self, random, count, step):
        band, slow = self.band, self.modulation
        level, depth = self.level(random), self.depth.uniform(random)
        noise = band_noise(random, count, step, band.low, band.high)
        envelope = slow_modulation(random, count, step, slow.low, slow.high, depth)
        return level * noise * envelope


@dataclass(frozen=True, kw_only=True)
class Tones(Stimulus):
    """
    Pure tones one after the other, with pauses.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: the peak of every tone, drawn anew for each.
    frequency : `Quantity` or pair
        Log-uniform, drawn for every tone.
    length, pause, ramp : `Quantity` or pair
        Of every tone; ramps are squared sines.
    """

    frequency: Range = (100 * Hz, 5 * kHz)
    length: Range = (20 * ms, 100 * ms)
    pause: Range = (0 * ms, 50 * ms)
    ramp: Range = (0.5 * ms, 10 * ms)
    ranges: ClassVar[dict] = {
        "frequency": _POSITIVE_FREQUENCY,
        "length": _TIME,
        "pause": _TIME,
        "ramp": _TIME,
    }

    def draw(self, random, count, step):
        signal = np.zeros(count)
        both = pieces(random, count, step, self._event)
        for part in both:
            total = part.stop - part.start
            length = max(total - round(self.pause.uniform(random) / step), 1)
            place = slice(part.start, part.start + length)
            tone = self.level(random) * self._carrier(random, length, step)
            signal[place] = tone * ramped(length, step, self.ramp.uniform(random))
        return signal

    def _event(self, random):
        return self.length.uniform(random) + 0.5 * (self.pause.low + self.pause.high)

    def _carrier(self, random, count, step):
        frequency = self.frequency.log_uniform(random)
        phase = random.uniform(0, 2 * np.pi)
        return np.sin(2 * np.pi * frequency * np.arange(count) * step + phase)


@dataclass(frozen=True, kw_only=True)
class ModulatedTones(Tones):
    """
    Tones with sinusoidal amplitude modulation.

    Parameters
    ----------
    amplitude, spread, frequency, length, pause, ramp
        As for `Tones`; the amplitude is that of the carrier.
    rate : `Quantity` or pair
        Frequency of the modulation.
    depth : float or pair
        From 0 to 1.
    """

    length: Range = (100 * ms, 400 * ms)
    rate: Range = (4 * Hz, 200 * Hz)
    depth: Range = (0.5, 1.0)
    ranges: ClassVar[dict] = {
        **Tones.ranges,
        "rate": _POSITIVE_FREQUENCY,
        "depth": (1, 0.0, 1.0),
    }

    def _carrier(self, random, count, step):
        carrier = super()._carrier(random, count, step)
        time, depth = np.arange(count) * step, self.depth.uniform(random)
        rate, phase = self.rate.log_uniform(random), random.uniform(0, 2 * np.pi)
        return carrier * (1 + depth * np.sin(2 * np.pi * rate * time + phase))


@dataclass(frozen=True, kw_only=True)
class HarmonicComplex(Tones):
    """
    Harmonics of a fundamental, with random phases and tilt, one complex after another.

    Parameters
    ----------
    amplitude, spread, length, pause, ramp
        As for `Tones`; the amplitude is the rms value of each complex.
    frequency : `Quantity` or pair
        Fundamental.
    band : pair of `Quantity`
        Harmonics outside are left out (the first in the band always stays).
    tilt : float or pair
        Fall of the spectrum in decibels per octave.
    """

    frequency: Range = (80 * Hz, 400 * Hz)
    length: Range = (100 * ms, 400 * ms)
    band: Range = (80 * Hz, 5 * kHz)
    tilt: Range = (0.0, 12.0)
    ranges: ClassVar[dict] = {**Tones.ranges, "band": _FREQUENCY, "tilt": _PLAIN}

    def _carrier(self, random, count, step):
        fundamental = self.frequency.log_uniform(random)
        first = max(int(np.ceil(self.band.low / fundamental)), 1)
        last = max(int(self.band.high / fundamental), first)
        numbers = np.arange(first, last + 1)
        weights = 10 ** (-self.tilt.uniform(random) * np.log2(numbers) / 20)
        phases = random.uniform(0, 2 * np.pi, len(numbers))
        angle = 2 * np.pi * fundamental * np.arange(count) * step
        signal = np.zeros(count)
        for number, weight, phase in zip(numbers, weights, phases, strict=True):
            signal += weight * np.sin(number * angle + phase)
        return signal / np.sqrt(0.5 * np.sum(weights**2))


@dataclass(frozen=True, kw_only=True)
class SpeechLike(Stimulus):
    """
    Synthetic speech: glottal pulses and noise through formants, in syllables.

    Nobody said it: it has the fundamental, the resonances and the rhythm of speech.
    Meant for held-out tests of what was trained with other sounds.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: the rms value of the loudest syllable of a trial.
    fundamental : `Quantity` or pair
        Drawn for every syllable, with a glide.
    syllable, pause : `Quantity` or pair
        Lengths.
    unvoiced : float
        Fraction of the syllables that are noise.
    """

    fundamental: Range = (90 * Hz, 250 * Hz)
    syllable: Range = (80 * ms, 250 * ms)
    pause: Range = (10 * ms, 150 * ms)
    unvoiced: float = 0.3
    ranges: ClassVar[dict] = {
        "fundamental": _POSITIVE_FREQUENCY,
        "syllable": _TIME,
        "pause": _TIME,
    }
    #: Hz: ranges of the first three resonances of vowels (Peterson, Barney 1952)
    formants: ClassVar[tuple] = ((270, 850), (850, 2300), (1700, 3000))

    def __post_init__(self):
        super().__post_init__()
        check_fraction("unvoiced", self.unvoiced)

    def draw(self, random, count, step):
        draws = self.syllable.uniform, self.pause.uniform
        envelope, where = syllables(random, count, step, *draws)
        signal, loudest = np.zeros(count), 0.0
        for part in where:
            sound = self._syllable(random, part.stop - part.start, step)
            sound = sound * 10 ** (random.uniform(-15, 0) / 20)
            signal[part] = sound * envelope[part]
            loudest = max(loudest, np.sqrt(np.mean(signal[part] ** 2)))
        return self.level(random) * signal / (loudest or 1.0)

    def _syllable(self, random, count, step):
        if random.uniform() < self.unvoiced:
            sound = random.normal(size=count)
        else:
            start, end = self.fundamental.log_uniform(random, 2)
            cycles = np.cumsum(np.linspace(start, end, count)) * step
            sound = np.diff(np.floor(cycles), prepend=0.0)
        for low, high in self.formants:
            centre = random.uniform(low, high)
            if centre < 0.45 / step:
                sound = formant_filter(sound, step, centre, 60 + 0.05 * centre)
        sound = sound - sound.mean()
        return sound / (np.sqrt(np.mean(sound**2)) or 1.0)
