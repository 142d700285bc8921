"""Formulas, expressions or Python functions, as functions of plain arrays."""

import inspect
import numbers

import numpy as np
from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.units.allunits import (
    amp,
    hertz,
    kelvin,
    metre,
    molar,
    second,
    siemens,
    volt,
)
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_numbers
from ..kinetics.evaluation import dimensions_of, evaluate, free_names

__all__ = ["plain_function"]

#: Tried for an axis with which an expression is inconsistent
_UNITS = [volt, second, hertz, amp, siemens, molar, kelvin, metre, 1]


def plain_function(function, ranges, namespace):
    """Take the units off a formula.

    Parameters
    ----------
    function : str or callable
        Brian2 expression in the names of `ranges`, or function of quantities, called
        with keywords if it has parameters of these names.
    ranges : dict of str to tuple
        First and last value of each argument, quantities.
    namespace : dict
        Values for the other names of an expression.

    Returns
    -------
    formula : callable
        ``f(*arrays)`` on equally long arrays, in base units.
    dimension : `~brian2.units.fundamentalunits.Dimension`
        Of the result.

    Raises
    ------
    KeyError, ValueError, DimensionMismatchError
        Names without value, random functions, functions that do not work element by
        element, inconsistent units.
    """
    if isinstance(function, str):
        with_units = _from_expression(function, ranges, namespace)
    else:
        with_units = _from_callable(function, ranges)
    dimensions = [get_dimensions(first) for first, _ in ranges.values()]

    def formula(*args):
        quantities = [
            Quantity(arg, dim=dim) for arg, dim in zip(args, dimensions, strict=True)
        ]
        with np.errstate(all="ignore"):  # values that are not finite are looked for
            result = np.asarray(with_units(*quantities), dtype=float)
        return _elementwise(result, args[0].shape)

    if isinstance(function, str):
        return formula, with_units.dimension
    what = f"numbers when it is called ({function!r})"
    ends = [
        Quantity([float(lo), float(hi)], dim=get_dimensions(lo))
        for lo, hi in ranges.values()
    ]
    result = with_units(*ends)
    check_numbers("what function returns", result, None, what)
    return formula, get_dimensions(result)


def _elementwise(result, shape):
    try:
        return np.broadcast_to(result, shape)
    except ValueError:
        raise ValueError(
            f"the function turned arrays of shape {shape} into shape {result.shape}; "
            "it must work element by element (numpy.vectorize makes such a function of "
            "one for single numbers)."
        ) from None


def _from_expression(expression, ranges, namespace):
    values = _resolved(expression, ranges, namespace)
    arguments = {key: lo for key, (lo, _) in ranges.items()}

    def with_units(*quantities):
        return evaluate(
            expression, {**values, **dict(zip(ranges, quantities, strict=True))}
        )

    try:
        with_units.dimension = dimensions_of(expression, {**values, **arguments})
    except DimensionMismatchError as error:
        raise _with_axis(error, expression, values, ranges) from None
    return with_units


def _with_axis(error, expression, values, ranges):
    """The error that names the axis whose unit is to blame, if there is one."""
    for key, (lo, hi) in ranges.items():
        for unit in _UNITS:
            changed = {other: first for other, (first, _) in ranges.items()}
            try:
                dimensions_of(expression, {**values, **changed, key: 1 * unit})
            except DimensionMismatchError:
                continue
            return DimensionMismatchError(
                f"axis '{key}' = ({lo}, {hi}) must have the unit {unit!r}, because "
                f"'{expression}' uses '{key}' with it: write {key}=(lo*{unit!r}, "
                f"hi*{unit!r}). ({error})"
            )
    return error


def _resolved(expression, ranges, namespace):
    values = {}
    for name in sorted(free_names(expression) - ranges.keys()):
        value = namespace.get(name)
        scalar = isinstance(value, numbers.Number | np.ndarray) and np.ndim(value) == 0
        if not scalar and not isinstance(value, Function):
            raise KeyError(
                f"{name!r} in {expression!r} is neither an axis ({', '.join(ranges)}) "
                "nor a number, quantity or Function that is known here (found: "
                f"{value!r}); give its value as namespace={{{name!r}: ...}}."
            )
        values[name] = value
    for name in get_identifiers(expression):
        function = values.get(name, DEFAULT_FUNCTIONS.get(name))
        if isinstance(function, Function) and not function.stateless:
            raise ValueError(
                f"{name!r} in {expression!r} gives another value at every call, which "
                "a table cannot hold."
            )
    return values


def _from_callable(function, ranges):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C
        parameters = ()
    by_name = {p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY}
    named = ranges.keys() <= by_name

    def with_units(*quantities):
        try:
            if not named:
                return function(*quantities)
            return function(**dict(zip(ranges, quantities, strict=True)))
        except TypeError as error:
            raise TypeError(
                f"function {function!r} cannot be called with arrays for the axes "
                f"({', '.join(ranges)}): {error}"
            ) from error

    return with_units
