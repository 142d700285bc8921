"""The noisy variable of a model: drift, diffusion, threshold and reset."""

from dataclasses import dataclass

import sympy as sp
from brian2.equations.equations import (
    PARAMETER,
    SUBEXPRESSION,
)

from ..codegen.straightline import (
    names_in,
    parse,
    parse_expression,
    simultaneous,
    symbol,
)
from ..mesoscopic.expansion import expand_subexpressions
from ..mesoscopic.roles import dependent, is_noisy

__all__ = ["NoisyVariable", "find_noisy_variable"]

_INSTEAD = (
    "A density has one dimension; use a MesoscopicGroup (with a hazard) or a "
    "NeuronGroup."
)


@dataclass(frozen=True)
class NoisyVariable:
    r"""
    One stochastic differential equation with threshold and reset.

    Its density obeys :math:`\partial_t p + \partial_v(u p - d\,\partial_v p) = 0`.

    Attributes
    ----------
    name : str
    drift, diffusion : sympy expression
        `u` and `d`, half the square of the noise. Noise that depends on the variable is
        meant as Stratonovich does, as in Brian2's 'milstein' and 'heun'.
    threshold, reset : sympy expression
    soft : bool
        Whether the reset subtracts from the variable instead of setting it.
    inner : frozenset of str
        The variable and all subexpressions that depend on it.
    """

    name: str
    drift: sp.Expr
    diffusion: sp.Expr
    threshold: sp.Expr
    reset: sp.Expr
    soft: bool
    inner: frozenset


def find_noisy_variable(equations, threshold, reset):
    """
    Take a model of neurons apart.

    Parameters
    ----------
    equations : `Equations`
    threshold, reset : str

    Returns
    -------
    NoisyVariable

    Raises
    ------
    ValueError
        If not exactly one variable has noise, threshold and reset.
    """
    name, barrier = _read_threshold(equations, threshold)
    inner = _dependent(name, equations)
    _check_alone(name, inner, equations)
    drift, diffusion = _drift_and_diffusion(name, equations)
    target, soft = _read_reset(name, barrier, equations, reset)
    for what, value in (("threshold", barrier), ("reset", target)):
        _check_fixed(what, value, equations)
    return NoisyVariable(
        name, drift, diffusion, barrier, target, soft, frozenset(inner)
    )


def _parsed(what, code, parser):
    if not isinstance(code, str) or not code.strip():
        example = {"threshold": "v > v_th", "reset": "v = v_r"}[what]
        raise TypeError(f"{what} must be a string like '{example}', got {code!r}.")
    try:
        return parser(code)
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{what}='{code}' cannot be understood: {error}") from error


def _read_threshold(equations, threshold):
    """The variable that is compared, and with what."""
    condition = _parsed("threshold", threshold, parse_expression)
    if not isinstance(condition, (sp.StrictGreaterThan, sp.GreaterThan)):
        if not isinstance(condition, (sp.StrictLessThan, sp.LessThan)):
            raise ValueError(_bad_threshold(threshold))
        condition = condition.reversed
    excess = sp.expand(expand_subexpressions(condition.lhs - condition.rhs, equations))
    dynamic = names_in(excess) & set(equations.diff_eq_names)
    if len(dynamic) != 1:
        raise ValueError(_bad_threshold(threshold))
    name = dynamic.pop()
    slope = _derivative(excess, symbol(name))
    if slope is None or not slope.is_Number or not slope.is_positive:
        raise ValueError(_bad_threshold(threshold))
    return name, sp.expand(symbol(name) - excess / slope)


def _bad_threshold(threshold):
    return (
        f"threshold='{threshold}' must compare one variable that has a differential "
        "equation with something constant: 'v > v_th'. Escape noise (rand() < ...) "
        "needs a MesoscopicGroup, other conditions a NeuronGroup."
    )


def _dependent(name, equations):
    """A variable and everything that depends on it, directly or not."""
    uses = {
        n: set(eq.identifiers) for n, eq in equations.items() if eq.type != PARAMETER
    }
    return dependent({name}, uses)


def _check_alone(name, inner, equations):
    """Only the variable of the threshold may differ between neurons."""
    for other, eq in equations.items():
        if eq.type == SUBEXPRESSION and eq.expr.stochastic_variables:
            raise ValueError(
                f"The subexpression '{other}' contains noise; write xi into the "
                f"equation d{name}/dt itself."
            )
    noisy = [n for n, eq in equations.items() if is_noisy(eq)]
    others = sorted({*noisy, *(inner & set(equations.diff_eq_names))} - {name})
    if others:
        raise ValueError(
            f"Not only '{name}' but also {_listed(others)} would differ between "
            f"neurons, because of noise of its own or because it depends on '{name}'. "
            + _INSTEAD
        )
    if name not in noisy:
        raise ValueError(
            f"'{name}' has no noise: add a term with xi to d{name}/dt (a population "
            "without noise is no density). Escape noise needs a MesoscopicGroup."
        )


def _listed(names):
    return ", ".join(f"'{n}'" for n in names)


def _check_random(name, expression):
    functions = {
        f.func.__name__ for f in expression.atoms(sp.core.function.AppliedUndef)
    }
    found = sorted(functions & {"rand", "randn", "poisson"})
    if found:
        raise ValueError(
            f"What is said of '{name}' contains {_listed(found)}, which would differ "
            "between neurons; a density only knows white noise, xi."
        )


def _derivative(expression, variable):
    """None if there is none, or if it is not known."""
    try:
        slope = sp.diff(expression, variable)
    except AttributeError:  # of a condition
        return None
    return None if slope.has(sp.Derivative, sp.Subs) else slope


def _drift_and_diffusion(name, equations):
    deterministic, noise = equations[name].expr.split_stochastic()
    v = symbol(name)
    drift = sp.S.Zero
    if deterministic is not None:
        drift = expand_subexpressions(parse_expression(deterministic.code), equations)
    _check_random(name, drift)
    diffusion = sp.S.Zero
    for amplitude in noise.values():
        g = expand_subexpressions(parse_expression(amplitude.code), equations)
        _check_random(name, g)
        slope = _derivative(g, v)
        if slope is None:
            raise ValueError(
                f"The noise of '{name}', {amplitude.code}, cannot be differentiated, "
                "which is needed because it depends on the variable itself."
            )
        drift -= g * slope / 2
        diffusion += g**2 / 2
    return sp.sympify(drift), sp.sympify(diffusion)


def _read_reset(name, barrier, equations, reset):
    """Where neurons go, and whether by subtraction."""
    state = {n for n, eq in equations.items() if eq.type != SUBEXPRESSION}
    after = simultaneous(_parsed("reset", reset, parse), state)
    changed = {n for n, e in after.items() if e != symbol(n)} - {name}
    if changed:
        raise ValueError(
            f"reset='{reset}' changes {_listed(sorted(changed))} besides '{name}'. "
            + _INSTEAD
        )
    if name not in after:
        raise ValueError(
            f"reset='{reset}' does not set '{name}'; a density needs a reset like "
            f"'{name} = v_r' or '{name} -= v_th - v_r'."
        )
    value = expand_subexpressions(after[name], equations)
    _check_random(name, value)
    if symbol(name) not in value.free_symbols:
        return sp.expand(value), False
    change = sp.expand(value - symbol(name))
    if symbol(name) in change.free_symbols:
        raise ValueError(
            f"reset='{reset}' must set '{name}' to something constant or subtract "
            "something constant."
        )
    return sp.expand(barrier + change), True


def _check_fixed(what, value, equations):
    varying = names_in(value) & {*equations.diff_eq_names, "t"}
    if varying:
        raise ValueError(
            f"The {what} depends on {_listed(sorted(varying))}; the grid of a density "
            "needs a constant one (parameters are possible, one value per population)."
        )
