"""Recipes for currents and other signals without a carrier."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from brian2.units.allunits import hertz, second
from brian2.units.stdunits import Hz, ms

from ..arguments import check_choice
from .ranges import Range, as_range
from .stimulus import Stimulus, check_fraction
from .waveforms import ornstein_uhlenbeck, pieces, pulse_times

__all__ = ["OrnsteinUhlenbeck", "Pulses", "Ramps", "Steps"]

# Unit and lowest value of parameters; those drawn log-uniformly are positive
_TIME = (second, 0.0)
_POSITIVE_TIME, _POSITIVE_FREQUENCY = (second, 1e-12), (hertz, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Steps(Stimulus):
    """
    Constant levels, one after the other.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: drawn for every step.
    length : `Quantity` or pair
        Log-uniform, drawn for every step.
    zero : float
        Fraction of the steps that are at rest.
    sign : {1, -1, 0}
        0: either sign, equally likely.
    """

    length: Range = (5 * ms, 200 * ms)
    zero: float = 0.3
    sign: int = 1
    ranges: ClassVar[dict] = {"length": _POSITIVE_TIME}

    def __post_init__(self):
        super().__post_init__()
        check_choice("sign", self.sign, (1, -1, 0))
        check_fraction("zero", self.zero)

    def draw(self, random, count, step):
        signal = np.zeros(count)
        for part in pieces(random, count, step, self.length.log_uniform):
            signal[part] = self._value(random)
        return signal

    def _value(self, random):
        level, rests = self.level(random), random.uniform() < self.zero
        sign = self.sign or random.choice([-1, 1])
        return 0.0 if rests else sign * level


@dataclass(frozen=True, kw_only=True)
class Ramps(Steps):
    """Straight lines from one random level to the next; parameters as for `Steps`."""

    def draw(self, random, count, step):
        parts = pieces(random, count, step, self.length.log_uniform)
        corners = [0, *(part.stop for part in parts)]
        levels = [0.0, *(self._value(random) for _ in parts)]
        return np.interp(np.arange(count), corners, levels)


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck(Stimulus):
    """
    Exponentially correlated Gaussian noise around a mean: a fluctuating current.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: the standard deviation, per trial.
    mean : `Quantity` or pair, optional
        Per trial, uniform; zero by default.
    time_constant : `Quantity` or pair
        Log-uniform, per trial.
    """

    mean: Range = 0
    time_constant: Range = (1 * ms, 20 * ms)
    ranges: ClassVar[dict] = {"time_constant": _POSITIVE_TIME}

    def __post_init__(self):
        super().__post_init__()
        unit = self.amplitude.quantity
        self._set("mean", as_range("mean", self.mean, unit))

    def draw(self, random, count, step):
        level, mean = self.level(random), self.mean.uniform(random)
        time_constant = self.time_constant.log_uniform(random)
        return mean + level * ornstein_uhlenbeck(random, count, step, time_constant)


@dataclass(frozen=True, kw_only=True)
class Pulses(Stimulus):
    """
    Rectangular pulses at random times (Poisson); where they overlap they add up.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: the height, drawn for every pulse.
    rate : `Quantity` or pair
        Pulses per time, log-uniform, per trial.
    width : `Quantity` or pair
        Per trial; at least one sample.
    """

    rate: Range = (5 * Hz, 100 * Hz)
    width: Range = (0.5 * ms, 5 * ms)
    ranges: ClassVar[dict] = {"rate": _POSITIVE_FREQUENCY, "width": _TIME}

    def draw(self, random, count, step):
        rate = self.rate.log_uniform(random)
        length = max(round(self.width.uniform(random) / step), 1)
        starts = pulse_times(random, count, step, rate)
        heights = self.level(random, len(starts))
        edges = np.zeros(count + length + 1)
        np.add.at(edges, starts, heights)
        np.add.at(edges, starts + length, -heights)
        signal = np.cumsum(edges)[:count]
        # what is left of a sum after all pulses is rounding
        return np.where(np.abs(signal) < 1e-12 * np.sum(np.abs(heights)), 0, signal)

    def _is_carrier(self, name):
        return False
