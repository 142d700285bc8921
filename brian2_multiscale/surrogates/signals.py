"""Inputs and outputs of surrogates: names, units, scales, ranges."""

from dataclasses import asdict, dataclass

import numpy as np
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Quantity,
    Unit,
    get_or_create_dimension,
    get_unit,
)

from ..arguments import check_numbers

__all__ = ["Signal"]

# In the order of Brian2's dimensions
_BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")


@dataclass(frozen=True)
class Signal:
    """
    An input or output of a surrogate; numbers are in base units (V, A, m, ...).

    Attributes
    ----------
    name : str
        Of the variable.
    dimension : tuple of float
        The exponents of the base units, as in Brian2's `Dimension`.
    rest : float
        Value in the state of rest, which a surrogate maps to zero.
    scale : float
        What counts as one.
    low, high : float
        Range that was seen in training.
    """

    name: str
    dimension: tuple
    rest: float = 0.0
    scale: float = 1.0
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def of(cls, name, unit, **values):
        """A signal with the dimension of a unit or quantity."""
        dim = getattr(unit, "dim", DIMENSIONLESS)
        return cls(name, tuple(float(d) for d in dim._dims), **values)

    @property
    def dim(self):
        """The dimension as Brian2's object."""
        return get_or_create_dimension(list(self.dimension))

    @property
    def unit(self):
        """The base unit, as equations write it: ``'volt'``, ``'metre**-2*amp**1'``."""
        if self.dim.is_dimensionless:
            return "1"
        name = repr(get_unit(self.dim))
        if "(" not in name:
            return name
        # Where equations have units there are no brackets
        powers = zip(_BASE_UNITS, self.dimension, strict=True)
        return "*".join(f"{unit}**{power:g}" for unit, power in powers if power)

    def quantity(self, values):
        """Numbers in base units with the unit of the signal."""
        return Quantity(values, dim=self.dim)

    def values(self, given, called=None):
        """Numbers in base units of a quantity; an error names the signal."""
        unit = 1 if self.dim.is_dimensionless else Unit(1, dim=self.dim)
        return check_numbers(called or self.name, given, unit)

    def normalised(self, values):
        return (values - self.rest) / self.scale

    def physical(self, values):
        return self.rest + self.scale * values

    @property
    def slack(self):
        """By how much a value may leave the range before anybody is told."""
        return 0.05 * (self.high - self.low) if np.isfinite(self.high) else 0.0

    def range_text(self):
        low, high = self.quantity(self.low), self.quantity(self.high)
        return f"{low} to {high}"

    def to_dict(self):
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        return cls(**{**values, "dimension": tuple(values["dimension"])})
