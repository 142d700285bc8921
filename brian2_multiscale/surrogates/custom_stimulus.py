"""A function of the user as a stimulus."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arguments import check_numbers
from .stimulus import Stimulus

__all__ = ["Custom", "describe_function"]


@dataclass(frozen=True, kw_only=True)
class Custom(Stimulus):
    """
    A function of the user, for everything else.

    Parameters
    ----------
    amplitude, spread
        See `Stimulus`: what the function gives is multiplied by it, per trial.
    function : callable
        ``function(random, times)``: a `numpy.random.Generator` and the times of the
        samples in seconds, to numbers without unit, one per time. With executors it
        must be at module level.
    """

    function: Callable

    def __post_init__(self):
        super().__post_init__()
        if not callable(self.function):
            raise TypeError(
                "function must be a function of random numbers and times, got "
                f"{self.function!r}."
            )

    def draw(self, random, count, step):
        level = self.level(random)
        values = check_numbers("result", self.function(random, np.arange(count) * step))
        if values.shape != (count,):
            raise ValueError(
                f"{self.function} must return {count} numbers, one per time, got the "
                f"shape {values.shape}."
            )
        return level * values

    def recipe(self):
        return {
            "kind": "Custom",
            "function": describe_function(self.function),
            "amplitude": self.amplitude.to_list(),
            "spread": self.spread,
        }


def describe_function(function):
    """Name and, where the source is known, hash of a function: what tells it apart."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return name
    return f"{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}"
