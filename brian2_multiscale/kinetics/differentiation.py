"""Derivatives of Brian2 expressions, jumps ignored."""

import sympy
from sympy import And, Function, S
from sympy.core.function import AppliedUndef

__all__ = ["NotDifferentiableError", "derivative"]


class NotDifferentiableError(ValueError):
    """Something has no derivative, or one that is not known; says what to do."""


def _piecewise_constant(name):
    """A sympy function with derivative zero (wherever there is one)."""
    return type(name, (Function,), {"_eval_derivative": lambda self, s: S.Zero})


_INT = _piecewise_constant("int_")


class clip(Function):  # noqa: N801 (the printed name)
    """Brian2's ``clip`` with its derivative away from the bounds."""

    def _eval_derivative(self, s):
        value, low, high = self.args
        return (
            value.diff(s) * _INT(And(value > low, value < high))
            + low.diff(s) * _INT(value <= low)
            + high.diff(s) * _INT(value >= high)
        )


class exprel(Function):  # noqa: N801
    """``(exp(x) - 1)/x`` with a derivative that is also known at zero."""

    def _eval_derivative(self, s):
        (x,) = self.args
        near = _INT(sympy.Abs(x) < 1e-4)
        series = -(S.Half + x / 6 + x**2 / 24)
        # Nothing is divided by zero, whatever x is
        slope = exprel(x) + (1 - near) * (1 - exprel(x)) / (x + near) + near * series
        return x.diff(s) * slope


class at_least(Function):  # noqa: N801
    """The larger one of two values."""

    def _eval_derivative(self, s):
        value, limit = self.args
        return value.diff(s) * _INT(value >= limit) + limit.diff(s) * _INT(
            value < limit
        )


class at_most(Function):  # noqa: N801
    """The smaller one of two values."""

    def _eval_derivative(self, s):
        value, limit = self.args
        return value.diff(s) * _INT(value <= limit) + limit.diff(s) * _INT(
            value > limit
        )


class select(Function):  # noqa: N801
    """One of two values, by a condition."""

    def _eval_derivative(self, s):
        condition, yes, no = self.args
        slopes = yes.diff(s), no.diff(s)
        return S.Zero if slopes == (0, 0) else select(condition, *slopes)


# What str_to_sympy makes of the functions with kinks and jumps, and our own ones
_SUBSTITUTES = {
    "int_": _INT,
    "int": _INT,
    "floor": _piecewise_constant("floor"),
    "ceiling": _piecewise_constant("ceil"),
    "sign": _piecewise_constant("sign"),
    "timestep": _piecewise_constant("timestep"),
    "clip": clip,
    "exprel": exprel,
    "at_least": at_least,
    "at_most": at_most,
    "select": select,
}


def _with_slopes(name, slopes):
    """A sympy function whose partial derivatives are given as callables or None."""

    def _eval_derivative(self, s):
        total = S.Zero
        for number, argument in enumerate(self.args):
            inner = argument.diff(s)
            if inner == 0:
                continue
            if slopes[number] is None:
                raise NotDifferentiableError(
                    f"The derivative of '{name}' with respect to its argument number "
                    f"{number + 1} is not known, which '{self}' needs"
                )
            total += inner * slopes[number](*self.args)
        return total

    return type(name, (Function,), {"_eval_derivative": _eval_derivative})


def _known(expr, functions):
    """Replace functions with kinks and jumps by ones that can be differentiated."""
    substitutes = dict(_SUBSTITUTES)
    for name, slopes in functions.items():
        substitutes[name] = _with_slopes(name, slopes)
    return expr.replace(
        lambda e: isinstance(e, Function) and e.func.__name__ in substitutes,
        lambda e: substitutes[e.func.__name__](*e.args),
    )


def derivative(expr, symbol, functions=None):
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
    functions : dict of str to sequence of callable, optional
        By the name of a function: its partial derivatives, one for each argument, as
        callables that take and return sympy expressions; None where it is not known.
        See `~brian2_multiscale.codegen.slopes.slopes_of_functions`.

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
    result = _known(expr, functions or {}).diff(symbol)
    if result.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        unknown = sorted({f.func.__name__ for f in result.atoms(AppliedUndef)})
        raise NotDifferentiableError(
            f"The derivative of '{expr}' with respect to '{symbol}' is not known"
            + (f"; say what that of {unknown} is: with_derivatives" * bool(unknown))
        )
    return result
