"""The coefficients of a linear block as sums of elementary rates."""

import sympy

__all__ = ["balance", "terms"]

# Coefficients that cancel up to this fraction are taken as equal: a sum of decimal
# fractions may miss by a rounding error what should be its complement.
_CANCELLATION = 1e-12


def terms(expr):
    """Write an expression as a sum of numbers times factors.

    Parameters
    ----------
    expr : sympy.Expr
        Any expression.

    Returns
    -------
    dict
        ``factor -> number``, without any expansion of products.
    """
    result = {}
    for term in sympy.Add.make_args(expr):
        number, factor = term.as_coeff_Mul()
        result[factor] = result.get(factor, 0) + number
    return {factor: number for factor, number in result.items() if number != 0}


def _total(parts):
    """Sum of several terms, and the largest coefficient of each factor."""
    total, scale = {}, {}
    for part in parts:
        for factor, number in part.items():
            total[factor] = total.get(factor, 0) + number
            scale[factor] = max(scale.get(factor, 0), abs(number))
    return total, scale


def _leak(loss, gains):
    """What is lost but not gained elsewhere; None if that is not a positive sum."""
    for form in (lambda e: e, sympy.expand_mul, sympy.expand):
        gained, _ = _total(terms(form(gain)) for gain in gains)
        opposite = {factor: -number for factor, number in gained.items()}
        leak, scale = _total([terms(form(loss)), opposite])
        leak = {f: n for f, n in leak.items() if abs(n) > _CANCELLATION * scale[f]}
        if all(n > 0 and gained.get(f, 1) > 0 for f, n in leak.items()):
            return leak
    return None


def _flow(rate):
    """Terms of a rate; one that is a difference stays in one piece."""
    parts = terms(rate)
    signs = {number > 0 for number in parts.values()}
    return {rate: sympy.S.One} if len(signs) > 1 else parts


def balance(block):
    """What leaves each state of a block for another state, and what leaves for good.

    Parameters
    ----------
    block : `Block`
        States with ``ds/dt = A s + b``.

    Returns
    -------
    flows : dict
        ``(i, j) -> terms`` of the rate from state `j` to state `i`.
    leaks : list of dict
        Terms of the rate at which each state is lost. Empty for conserved states.
    balanced : bool
        Whether all that arrives in a state has left another one, with positive
        coefficients: only then do the states stay nonnegative by structure. If
        False, `flows` and `leaks` mean nothing.
    """
    size = range(len(block.states))
    flows = {(i, j): _flow(expr) for (i, j), expr in block.matrix.items() if i != j}
    positive = all(n > 0 for flow in flows.values() for n in flow.values())
    leaks = []
    for j in size:
        gains = [block.matrix[i, j] for i in size if i != j and (i, j) in block.matrix]
        leaks.append(_leak(-block.matrix.get((j, j), sympy.S.Zero), gains))
    balanced = positive and all(leak is not None for leak in leaks)
    return flows, leaks, balanced
