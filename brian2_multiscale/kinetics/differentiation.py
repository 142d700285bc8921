"""Derivatives of Brian2 expressions, jumps ignored."""

import sympy
from sympy import And, Function, S

__all__ = ["NotDifferentiableError", "derivative"]


class NotDifferentiableError(ValueError):
    """An expression contains a function whose derivative is not known."""


def _piecewise_constant(name):
    """A sympy function with derivative zero (wherever there is one)."""
    return type(name, (Function,), {"_eval_derivative": lambda self, s: S.Zero})


_INT = _piecewise_constant("int_")


class clip(Function):  # noqa: N801 (the printed name)
    """Brian2's ``clip`` with its derivative away from the bounds."""

    def _eval_derivative(self, s):
        value, low, high = self.args
        return value.diff(s) * _INT(And(value > low, value < high))


# What str_to_sympy makes of the functions with kinks and jumps
_SUBSTITUTES = {
    "int_": _INT,
    "floor": _piecewise_constant("floor"),
    "ceiling": _piecewise_constant("ceil"),
    "sign": _piecewise_constant("sign"),
    "timestep": _piecewise_constant("timestep"),
    "clip": clip,
}


def _known(expr):
    """Replace functions with kinks and jumps by ones that can be differentiated."""
    return expr.replace(
        lambda e: isinstance(e, Function) and e.func.__name__ in _SUBSTITUTES,
        lambda e: _SUBSTITUTES[e.func.__name__](*e.args),
    )


def derivative(expr, symbol):
    """Partial derivative of an expression.

    Functions that are constant between jumps (``int``, ``floor``, ``ceil``,
    ``sign``, ``timestep``) count as constants, ``clip`` as its argument between its
    bounds.

    Parameters
    ----------
    expr : sympy.Expr
        As returned by Brian2's ``str_to_sympy``.
    symbol : sympy.Symbol
        Variable to differentiate by.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    NotDifferentiableError
        If `symbol` is in the argument of a function whose derivative is not known
        (for example a user function).
    """
    if not expr.has(symbol):
        return S.Zero
    result = _known(expr).diff(symbol)
    if result.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        raise NotDifferentiableError(
            f"The derivative of '{expr}' with respect to '{symbol}' is not known"
        )
    return result
