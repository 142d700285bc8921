"""A parameter that is fitted: between what bounds, on what scale."""

from dataclasses import dataclass

import numpy as np
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

from ...arguments import check_choice, check_number, check_numbers

__all__ = ["Param", "as_param", "bounds_of"]


@dataclass(frozen=True)
class Param:
    """
    Bounds of a parameter that is fitted.

    Parameters
    ----------
    low, high : `Quantity`
        Both finite, in the unit of the parameter.
    scale : {'linear', 'log'}
        On which starts are spread and steps are made; 'log' (for bounds of one sign)
        for parameters that are known up to orders of magnitude.

    Raises
    ------
    ValueError
        If `low` is not below `high`, one is not finite, they have different signs (or
        are zero) on a logarithmic scale, or `scale` is neither of the two.
    TypeError, DimensionMismatchError
        If one is no number, or they have different units.

    Examples
    --------
    >>> Param(0.1*nS, 100*nS, scale='log')
    """

    low: object
    high: object
    scale: str = "linear"

    def __post_init__(self):
        check_choice("scale", self.scale, ("linear", "log"))
        low, high = (
            check_number(name, value, None)
            for name, value in (("low", self.low), ("high", self.high))
        )
        if low and high and get_dimensions(self.low) is not get_dimensions(self.high):
            raise DimensionMismatchError(
                f"low and high must have the same unit, got {self.low} and {self.high}",
                get_dimensions(self.low),
                get_dimensions(self.high),
            )
        if not np.isfinite([low, high]).all():
            raise ValueError(
                f"low and high must be finite, got {self.low} and {self.high}."
            )
        if not low < high:
            raise ValueError(
                f"low must be less than high, got {self.low} and {self.high}."
            )
        if self.scale == "log" and low * high <= 0:
            raise ValueError(
                "With scale='log' low and high must both be positive or both negative, "
                f"got {self.low} and {self.high}."
            )


def as_param(name, value):
    """What was given for a parameter: a `Param`, or the two bounds."""
    if isinstance(value, Param):
        return value
    try:
        if not isinstance(value, list | tuple | np.ndarray):
            raise TypeError
        low, high = value
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must be the two bounds of the parameter, [low, high] or "
            f"Param(low, high), got {value!r}."
        ) from None
    try:
        return Param(low, high)
    except DimensionMismatchError as error:
        raise DimensionMismatchError(f"{name}: {error.desc}", *error.dims) from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def bounds_of(params, dimensions):
    """Lower and upper bounds in base units, and which are on a logarithmic scale."""
    low, high = [], []
    for name, param in params.items():
        unit = get_unit(dimensions[name])
        low.append(float(check_numbers(f"The lower bound of {name}", param.low, unit)))
        high.append(
            float(check_numbers(f"The upper bound of {name}", param.high, unit))
        )
    log = [p.scale == "log" for p in params.values()]
    return np.array(low), np.array(high), np.array(log)
