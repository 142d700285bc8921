"""Ranges of quantities that stimuli are drawn from."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)

from ..arguments import check_numbers
from ..codegen.arrays import unit_name

__all__ = ["Range", "as_range"]


@dataclass(frozen=True)
class Range:
    """
    Lowest and highest value, in base units.

    Attributes
    ----------
    low, high : float
    dim : `Dimension`
    """

    low: float
    high: float
    dim: Any

    def uniform(self, random, size=None):
        """Draw values, all equally likely."""
        return random.uniform(self.low, self.high, size)

    def log_uniform(self, random, size=None):
        """Draw values, each octave equally likely; of a range that is positive."""
        low, high = math.log(self.low), math.log(self.high)
        return np.exp(random.uniform(low, high, size))

    @property
    def quantity(self):
        """The highest value, with its unit."""
        return Quantity(self.high, dim=self.dim)

    def to_list(self):
        """JSON-able: two numbers in base units and the name of the unit."""
        return [self.low, self.high, unit_name(self.dim)]

    def __repr__(self):
        ends = [Quantity(v, dim=self.dim) for v in (self.low, self.high)]
        return f"({ends[0]!r}, {ends[1]!r})" if self.low < self.high else repr(ends[0])


def as_range(name, value, unit=None, low=-math.inf, high=math.inf):
    """
    A range from one value or from a pair.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : `Quantity`, pair of `Quantity`, or `Range`
    unit : `Quantity` or 1, optional
        With the dimensions that it must have; None allows all.
    low, high : float
        Limits for both ends, in base units.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If it is not one or two finite numbers in order, within the limits, of one unit.
    """
    if isinstance(value, Range):
        value = Quantity([value.low, value.high], dim=value.dim)
    pair = tuple(value) if isinstance(value, list | tuple) else value
    ends = _ends(name, pair, unit)
    if not low <= ends[0] <= ends[1] <= high:
        limits = (
            "" if math.isinf(low) and math.isinf(high) else f" from {low} to {high}"
        )
        raise ValueError(
            f"{name} must be one value{limits} or a pair (lowest, highest) of them, "
            f"got {value!r}."
        )
    dims = {get_dimensions(v) for v in pair if v} if isinstance(pair, tuple) else ()
    dim = next(iter(dims)) if dims else get_dimensions(unit or value)
    return Range(float(ends[0]), float(ends[1]), dim)


def _ends(name, value, unit):
    parts = value if isinstance(value, tuple) else (value,)
    kind = "one number, or a pair (lowest, highest)"
    numbers = [check_numbers(name, v, unit, kind) for v in parts]
    # A pair may also be one quantity of two values
    if not numbers or max(array.ndim for array in numbers) > 1:
        found = f"got {value!r}" if numbers else "it is empty"
        raise ValueError(f"{name} must be {kind}, {found}.")
    units = {get_dimensions(v) for v in parts if np.any(np.asarray(v))}
    if len(units) > 1:
        raise DimensionMismatchError(f"{name} mixes units", *units)
    ends = np.concatenate([array.ravel() for array in numbers])
    if len(ends) not in (1, 2) or not np.isfinite(ends).all():
        raise ValueError(f"{name} must be {kind} of finite values, got {value!r}.")
    return ends[0], ends[-1]
