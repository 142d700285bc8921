"""How fast variables change: right-hand sides in terms of variables and parameters."""

import sympy as sp

from ..codegen.straightline import parse_expression, symbol

__all__ = ["held_variables", "inlined", "rates_of_change"]


def rates_of_change(equations):
    """
    Right-hand sides of differential equations, without noise.

    Parameters
    ----------
    equations : `Equations`

    Returns
    -------
    dict of str to sympy expression
        Subexpressions are written out.
    """
    rates = {}
    for name, expression in equations.get_substituted_expressions():
        if name in equations.diff_eq_names:
            drift = expression.split_stochastic()[0]
            rates[name] = sp.S.Zero if drift is None else parse_expression(drift.code)
    return rates


def inlined(expression, equations):
    """A sympy expression with the subexpressions of a model written out."""
    pairs = equations.get_substituted_expressions(include_subexpressions=True)
    values = {
        symbol(name): parse_expression(value.code)
        for name, value in pairs
        if name in equations.subexpr_names
    }
    return expression.xreplace(values)


def held_variables(equations):
    """Names of the variables that stand still while a neuron is refractory."""
    return [
        name
        for name in equations.diff_eq_names
        if "unless refractory" in equations[name].flags
    ]
