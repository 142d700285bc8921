"""What all stimulus recipes have in common."""

import math
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from brian2.units.allunits import hertz, second

from ..arguments import check_choice, check_number
from .ranges import Range, as_range

__all__ = ["Stimulus", "Sum", "check_fraction", "recipe_list"]


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """
    A recipe for random signals; a signal is the difference from the rest of an input.

    Wherever a recipe takes a quantity it also takes a pair (lowest, highest): every
    trial (or, where the recipe says so, every event in it) draws a value from the
    range.
    ``a + b`` is the sum of two recipes.

    Parameters
    ----------
    amplitude : `Quantity` or pair
        In the unit of the input.
    spread : {'log', 'uniform'}
        Whether amplitudes within the range are equally likely on a logarithmic scale
        (in decibels) or as they are.
    """

    amplitude: Range
    spread: str = "log"

    #: name of a field -> its unit, the lowest and the highest value
    ranges: ClassVar[dict] = {}

    def __post_init__(self):
        check_choice("spread", self.spread, ("log", "uniform"))
        low = 0 if self.spread == "log" else -math.inf
        self._set("amplitude", as_range("amplitude", self.amplitude, None, low))
        if self.spread == "log" and self.amplitude.low == 0 < self.amplitude.high:
            raise ValueError(
                "amplitude begins at 0, which is no level on a logarithmic scale: give "
                "a positive lowest value, or spread='uniform'."
            )
        for name, limits in self.ranges.items():
            self._set(name, as_range(name, getattr(self, name), *limits))

    def _set(self, name, value):
        object.__setattr__(self, name, value)  # the way of frozen dataclasses

    @property
    def dim(self):
        """Dimension of the signals."""
        return self.amplitude.dim

    def draw(self, random, count, step):
        """
        Make a signal.

        Parameters
        ----------
        random : `numpy.random.Generator`
        count : int
            Number of samples.
        step : float
            Length of a sample in seconds.

        Returns
        -------
        ndarray of shape (count,)
            In base units.
        """
        raise NotImplementedError

    def level(self, random, size=None):
        """Draw an amplitude, in base units."""
        same = self.amplitude.low == self.amplitude.high
        if self.spread == "log" and not same:
            return self.amplitude.log_uniform(random, size)
        return self.amplitude.uniform(random, size)

    def check(self, step):
        """Refuse frequencies that samples of this length (s) cannot represent."""
        for name, value in self._items():
            fast = isinstance(value, Range) and value.dim is hertz.dim
            if fast and self._is_carrier(name) and value.high > 0.5 / step * (1 + 1e-9):
                raise ValueError(
                    f"{name} of {type(self).__name__} goes up to {value.high:g} Hz, "
                    f"but samples of {step * second} represent frequencies up to "
                    f"{0.5 / step:g} Hz. Lower it, or make the step of the task "
                    "smaller."
                )

    def _is_carrier(self, name):
        return name != "amplitude"

    def _items(self):
        return [(f.name, getattr(self, f.name)) for f in fields(self)]

    def recipe(self):
        """The recipe as JSON-able dict."""
        values = {
            n: v.to_list() if isinstance(v, Range) else v for n, v in self._items()
        }
        return {"kind": type(self).__name__, **values}

    def __add__(self, other):
        if not isinstance(other, Stimulus):
            return NotImplemented
        return Sum(self, other)


class Sum(Stimulus):
    """The sum of several stimuli, each with random numbers of its own."""

    def __init__(self, *parts):
        dims = {p.dim for p in parts}
        if len(dims) > 1:
            raise TypeError(f"Stimuli that are added must have one unit, got {parts}.")
        self._set("parts", parts)
        self._set("amplitude", parts[0].amplitude)

    def draw(self, random, count, step):
        children = random.spawn(len(self.parts))
        pairs = zip(self.parts, children, strict=True)
        return np.sum([p.draw(c, count, step) for p, c in pairs], axis=0)

    def check(self, step):
        for part in self.parts:
            part.check(step)

    def recipe(self):
        return {"kind": "Sum", "parts": [p.recipe() for p in self.parts]}

    def __eq__(self, other):
        return isinstance(other, Sum) and self.parts == other.parts

    def __hash__(self):
        return hash(self.parts)

    def __repr__(self):
        return " + ".join(map(repr, self.parts))


def check_fraction(name, value):
    """A number from 0 to 1."""
    if not 0 <= check_number(name, value) <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value!r}.")


def recipe_list(name, given):
    """One recipe or a list of them, as a tuple; refuses what is none or empty."""
    recipes = (given,) if isinstance(given, Stimulus) else given
    known = isinstance(recipes, list | tuple) and len(recipes) > 0
    if not known or not all(isinstance(r, Stimulus) for r in recipes):
        raise TypeError(
            f"{name} must be a stimulus (stimuli.ModulatedNoise(...), say) or a list "
            f"of at least one, got {given!r}."
        )
    return tuple(recipes)
