"""Statements that keep their units although sympy made '0' of '0*mV'."""

import sympy as sp

from ...codegen.straightline import emit, parse_expression
from ...mechanisms.values import unit_text

__all__ = ["emit_with_units", "unit_safe"]


def unit_safe(expression):
    """The same expression without numbers that had a unit: 'v > 0', 'clip(v, 0, w)'."""
    expression = sp.sympify(expression).replace(
        lambda e: e.func.__name__ == "clip", lambda e: _clipped(*e.args)
    )
    return expression.replace(
        lambda e: isinstance(e, sp.core.relational.Relational) and 0 in e.args,
        lambda e: e.func(*(a if a == 0 else _sign(a) for a in e.args)),
    )


def _clipped(value, low, high):
    above, below = _step(value > low), _step(value < high)
    return value * above * below + low * (1 - above) + high * (1 - below)


def _step(condition):
    return sp.Function("int_", real=True)(condition)


def _sign(value):
    return parse_expression("sign(x)").func(value)


def emit_with_units(statements, dimensions):
    """
    Abstract code that passes Brian2's check of units.

    Parameters
    ----------
    statements : list of (str, sympy expression)
    dimensions : dict of str to `Dimension`
        Of the variables of the group among the names.
    """
    lines = []
    for name, value in statements:
        if sp.sympify(value).is_Number and name in dimensions:
            lines.append(f"{name} = {float(value)!r}*{unit_text(dimensions[name])}")
        else:
            lines.append(emit([(name, value)]))
    return "\n".join(lines)
