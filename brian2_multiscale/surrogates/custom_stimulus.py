"""A function of the user as a stimulus."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from brian2.units.fundamentalunits import get_dimensions

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
    """
    Name and, where they are known, hash of source and bound values of a function.

    What tells it apart: the same source with other values of enclosing functions,
    defaults or arguments of `functools.partial` is another function.
    """
    if isinstance(function, partial):
        bound = *function.args, *sorted(function.keywords.items())
        return f"partial of {describe_function(function.func)} {_digest(bound)}"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    bound = _bound_values(function)
    values = f" {_digest(bound)}" if bound else ""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return name + values
    return f"{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}{values}"


def _bound_values(function):
    """What a function takes along: cells of enclosing functions, and defaults."""
    found = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not there yet
            found.append(None)
    found.extend(getattr(function, "__defaults__", None) or ())
    found.extend(sorted((getattr(function, "__kwdefaults__", None) or {}).items()))
    return tuple(found)


def _digest(value):
    return hashlib.sha256(_value_text(value).encode()).hexdigest()[:16]


def _value_text(value):
    """A text that is the same in every session, unlike addresses in memory."""
    if value is None or isinstance(value, str | bytes | bool):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value_text, value))}]"
    if isinstance(value, dict):
        return _value_text(sorted(value.items(), key=repr))
    try:
        numbers = np.asarray(value, dtype=complex)
    except (TypeError, ValueError):
        # What is in it stays unknown
        return getattr(value, "__qualname__", type(value).__qualname__)
    content = hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()
    return f"{numbers.shape} {content} {get_dimensions(value)!r}"
