"""How fast variables change: right-hand sides in terms of variables and parameters."""

import sympy as sp

from ..codegen.straightline import feeding, names_in, parse_expression, symbol

__all__ = ["held_variables", "inlined", "moving", "rates_of_change"]


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
        for name in sorted(equations.diff_eq_names)
        if "unless refractory" in equations[name].flags
    ]


def moving(equations, program):
    """
    The step of neurons that are not refractory, where nothing else depends on it.

    Otherwise the 0/0 that some methods compute for neurons that stand still, and Brian2
    never uses, would end up in derivatives.

    Parameters
    ----------
    equations : `Equations`
    program : list of (str, sympy expression)
    """
    others = equations.diff_eq_names - set(held_variables(equations))
    used = [(name, names_in(value)) for name, value in program]
    needed = feeding(used, others)
    free = {parse_expression("int(not_refractory)"): sp.S.One}
    return [
        (name, value if beside else value.xreplace(free))
        for (name, value), beside in zip(program, needed, strict=True)
    ]
