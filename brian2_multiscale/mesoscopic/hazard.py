"""The hazard (escape rate) in a threshold condition."""

import ast

import sympy as sp
from brian2.parsing.sympytools import sympy_to_str

from ..codegen.straightline import parse_expression, symbol

__all__ = ["hazard_of_threshold"]

_HELP = (
    "A mesoscopic population needs escape noise: threshold='rand() < rho*dt', with rho "
    "a rate (Hz) that depends on the state, or hazard='rho'. For a deterministic "
    "threshold with noise in the voltage, a voltage density is the right description "
    "(DensityGroup), or a NeuronGroup."
)


def hazard_of_threshold(threshold):
    """
    The rate X in ``'rand() < X*dt'`` or ``'rand() < 1 - exp(-X*dt)'``.

    Parameters
    ----------
    threshold : str
        Sides may be exchanged (``'X*dt > rand()'``).

    Returns
    -------
    hazard : str
        An expression with the unit Hz.
    rule : {'linear', 'exponential'}
        Whether the probability of a step is X*dt or 1 - exp(-X*dt).

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is no condition of this kind, a deterministic threshold for example.
    """
    if not isinstance(threshold, str):
        raise TypeError(f"threshold must be a string, got {threshold!r}. {_HELP}")
    probability = _without_expm1(_probability(threshold))
    step, rule = symbol("dt"), "linear"
    hazard = sp.simplify(probability / step) if probability.has(step) else None
    if hazard is not None and hazard.has(step):
        rule = "exponential"
        hazard = _rate_of_survival(1 - probability, step)
    if hazard is None or hazard.has(step):
        raise ValueError(
            f"threshold='{threshold}' has a probability per step that is neither of "
            f"the form X*dt nor 1 - exp(-X*dt). {_HELP}"
        )
    return sympy_to_str(hazard), rule


def _without_expm1(expression):
    return expression.replace(
        lambda e: e.func.__name__ == "expm1", lambda e: sp.exp(e.args[0]) - 1
    )


def _rate_of_survival(survival, step):
    exponent = sp.expand_log(sp.log(sp.simplify(survival)), force=True)
    return sp.simplify(-exponent / step)


def _probability(threshold):
    """The right-hand side of ``rand() < ...``."""
    try:
        tree = ast.parse(threshold.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"threshold='{threshold}' is no condition: {error}") from error
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        left, right = tree.left, tree.comparators[0]
        smaller = isinstance(tree.ops[0], (ast.Lt, ast.LtE))
        larger = isinstance(tree.ops[0], (ast.Gt, ast.GtE))
        if smaller and _is_rand(left) and not _has_rand(right):
            return _read(threshold, right)
        if larger and _is_rand(right) and not _has_rand(left):
            return _read(threshold, left)
    raise ValueError(
        f"threshold='{threshold}' is not of the form rand() < .... {_HELP}"
    )


def _read(threshold, node):
    try:
        return parse_expression(ast.unparse(node))
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"threshold='{threshold}' is no condition: {error}") from error


def _is_rand(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "rand"
        and not node.args
    )


def _has_rand(node):
    return any(_is_rand(inner) for inner in ast.walk(node))
