"""Dimensions and values of Brian2 expressions outside of a simulation."""

from collections.abc import Mapping

import numpy as np
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.units.fundamentalunits import Quantity, get_dimensions
from brian2.utils.stringtools import get_identifiers

__all__ = ["checked_values", "dimensions_of", "evaluate", "free_names"]


def free_names(expression):
    """Names in an expression that are not Brian2's functions, constants or units."""
    known = DEFAULT_FUNCTIONS.keys() | DEFAULT_CONSTANTS.keys() | DEFAULT_UNITS.keys()
    return get_identifiers(expression) - known


def checked_values(values, argument):
    """A copy of a dict of values.

    Raises
    ------
    TypeError
        If it is no dict of numbers, quantities, units or functions.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(f"{argument}: expected a dict of values, got {values!r}")
    for name, value in values.items():
        if not isinstance(value, Function) and not _is_numeric(value):
            raise TypeError(
                f"{argument}: '{name}' must be a number or quantity, got {value!r}"
            )
    return dict(values)


def _is_numeric(value):
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except (TypeError, ValueError):
        return False


def dimensions_of(expression, values):
    """Physical dimensions of an expression.

    Parameters
    ----------
    expression : str
        The expression.
    values : dict
        Name -> number, quantity, unit or `Function`, for all free names.

    Returns
    -------
    `~brian2.units.fundamentalunits.Dimension`

    Raises
    ------
    DimensionMismatchError
        If dimensions do not fit within the expression.
    """
    variables = {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS}
    for name in get_identifiers(expression) - variables.keys():
        variables[name] = _variable(name, values.get(name, DEFAULT_UNITS.get(name)))
    return parse_expression_dimensions(expression, variables)


def _variable(name, value):
    if isinstance(value, Function):
        return value
    dimensions, number = get_dimensions(value), np.asarray(value)
    if number.ndim:
        return Variable(name, dimensions=dimensions)
    return Constant(name, number.item(), dimensions=dimensions)


def evaluate(expression, values):
    """Value of an expression in base units.

    Parameters
    ----------
    expression : str
        The expression.
    values : dict
        Name -> number, quantity or `Function`, for all free names; arrays are
        broadcast.

    Returns
    -------
    ndarray
        Of floats.
    """
    names = {}
    for name in get_identifiers(expression):
        names[name] = _plain(name, values)
    code = NumpyNodeRenderer().render_expr(expression)  # nothing but arithmetic passes
    names.update(__builtins__={}, logical_not=np.logical_not)
    return np.asarray(eval(code, names), dtype=float)


def _plain(name, values):
    if name not in values and name in DEFAULT_FUNCTIONS:
        return DEFAULT_FUNCTIONS[name].pyfunc
    value = values.get(name, DEFAULT_CONSTANTS.get(name, DEFAULT_UNITS.get(name)))
    if isinstance(value, Function):
        return _without_units(value)
    if isinstance(value, Constant):
        return value.value
    return np.asarray(value, dtype=float)


def _without_units(function):
    def call(*args):
        units = function._arg_units
        args = [
            a if not isinstance(u, Quantity) else Quantity(a, dim=u.dim)
            for a, u in zip(args, units, strict=True)
        ]
        return np.asarray(function(*args))

    return call
