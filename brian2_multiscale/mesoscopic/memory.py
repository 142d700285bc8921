"""How long a population has to remember when its neurons fired."""

import numpy as np
import sympy as sp
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS
from brian2.equations.equations import DIFFERENTIAL_EQUATION

from ..codegen.straightline import parse_expression, symbol
from .expansion import expand_subexpressions

__all__ = ["known_value", "slowest_time_constant"]


def slowest_time_constant(equations, renewed, namespace):
    """
    The longest time constant with which renewed variables forget their last reset.

    Parameters
    ----------
    equations : `Equations`
    renewed : sequence of str
    namespace : dict
        Values of constants.

    Returns
    -------
    float or None
        In seconds; None if it cannot be known before the run: a rate that depends on a
        variable or unknown name, or no decay at all.
    """
    rates = {
        n: expand_subexpressions(parse_expression(eq.expr.code), equations)
        for n, eq in equations.items()
        if eq.type == DIFFERENTIAL_EQUATION and n in renewed
    }
    if not rates:
        return 0.0
    try:
        jacobian = sp.Matrix(
            [[sp.diff(f, symbol(n)) for n in rates] for f in rates.values()]
        )
        values = np.array(jacobian.xreplace(_numbers(jacobian, namespace)), float)
    except (TypeError, ValueError):
        return None
    slowest = np.linalg.eigvals(values).real.max()
    return -1 / slowest if np.isfinite(slowest) and slowest < 0 else None


def known_value(expression, namespace):
    """The number that an expression of constants stands for, or None."""
    value = expression.xreplace(_numbers(expression, namespace))
    return float(value) if value.is_number else None


def _numbers(matrix, namespace):
    numbers = {}
    for s in matrix.free_symbols:
        for known in (namespace, DEFAULT_CONSTANTS, DEFAULT_UNITS):
            if s.name in known:
                value = known[s.name]
                value = value.get_value() if hasattr(value, "get_value") else value
                array = np.asarray(value, dtype=float)
                if array.ndim == 0:
                    numbers[s] = sp.Float(float(array), 17)
                break
    return numbers
