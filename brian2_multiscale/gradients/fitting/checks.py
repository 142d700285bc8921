"""What a `GradientFitter` can work with."""

import numpy as np
import sympy as sp
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, DEFAULT_UNITS
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)
from brian2.utils.stringtools import get_identifiers
from sympy.core.function import AppliedUndef

from ...codegen.straightline import names_in, parse_expression, symbol
from ...kinetics.differentiation import NotDifferentiableError
from ..forward.sensitivity import check_parameters
from ..rates import held_variables, inlined
from ..threshold import threshold_distance
from .data import SPIKES

__all__ = [
    "check_fitted",
    "check_inputs",
    "check_intervals",
    "check_model",
    "check_no_index",
    "check_strings",
    "event_name",
    "used_names",
]

# Beginning of the names that a fit adds to a model
_OURS = ("fit_", "S_")


def check_strings(threshold, hazard, reset, on_pre):
    strings = {"threshold": threshold, "hazard": hazard, "reset": reset}
    for name, value in {**strings, "on_pre": on_pre}.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {value!r}.")
    if reset is not None and threshold is None and hazard is None:
        raise ValueError(f"reset={reset!r} needs a threshold, such as 'v > v_th'.")


def event_name(on_pre, input):
    """Which input consists of spikes that arrive: the one called 'pre'."""
    given = isinstance(input, dict) and "pre" in input
    if on_pre is not None and not given:
        raise ValueError(
            f"on_pre={on_pre!r} needs the times of the spikes that arrive: "
            "input={'pre': times}."
        )
    if given and on_pre is None:
        raise ValueError("input has 'pre', but on_pre= does not say what a spike does.")
    return "pre" if given else None


def _texts(fitter):
    """All strings, by what they are called in errors."""
    texts = {
        f"The equation of {n!r}": e.expr.code
        for n, e in fitter.equations.items()
        if e.expr is not None
    }
    for name in ("threshold", "hazard", "reset", "on_pre", "refractory"):
        value = getattr(fitter, name)
        if value and isinstance(value, str):
            texts[f"{name}={value!r}"] = value
    for name, value in (fitter.param_init or {}).items():
        if isinstance(value, str):
            texts[f"param_init[{name!r}] = {value!r}"] = value
    return texts


def _looked_up(fitter):
    """Names in the strings that the model does not declare."""
    own = {*fitter.equations.names, *DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS}
    found = set().union(*map(get_identifiers, _texts(fitter).values()))
    return found - own - set(DEFAULT_UNITS)


def used_names(fitter, known):
    """What the strings refer to, as far as it is known."""
    names = _looked_up(fitter) - set(fitter.data.stimuli)
    return {name: known[name] for name in sorted(names & known.keys())}


def check_no_index(fitter):
    """Trials of all starts are neurons of one group, where each has another index."""
    for label, text in _texts(fitter).items():
        for name in sorted({"i", "N"} & get_identifiers(text)):
            raise ValueError(
                f"{label} uses {name!r}, which would be another number for every "
                "start of the fit. Give what differs between trials as input= (one row "
                "per trial) or in param_init= (one value per trial)."
            )


def check_inputs(fitter):
    """Inputs that nothing looks at are taken for others."""
    looked_up = _looked_up(fitter)
    unused = sorted(fitter.data.stimuli.keys() - looked_up - fitter.equations.names)
    if unused:
        others = sorted(looked_up - {"t", "dt", "lastspike", "not_refractory"})
        raise ValueError(
            f"input has {unused}, which nothing in the model refers to; the model "
            f"looks up {others}. Give the input the name that it has in the model, or "
            "leave it out."
        )


def check_model(fitter):
    """Names, noise, spikes: what would fail later, or quietly."""
    _check_names(fitter.equations, fitter.data)
    _check_random(fitter)
    if isinstance(fitter.method, str) and fitter.method.startswith("gsl"):
        raise NotDifferentiableError(
            f"method={fitter.method!r} chooses its own steps, which cannot be "
            "differentiated; choose one such as 'exponential_euler' or 'rk4'."
        )
    if fitter.threshold is None:
        if fitter.data.spikes is not None:
            raise ValueError(
                "output has 'spikes', but the model never fires: give threshold= and "
                "reset=, such as threshold='v > v_th', reset='v = v_r'."
            )
        return
    threshold_distance(fitter.threshold)
    check_intervals(fitter, {}, {})


def check_fitted(fitter, names):
    """Parameters by which there is no derivative."""
    equations, refractory = fitter.equations, fitter.refractory
    check_parameters(equations, list(names))
    if not isinstance(refractory, str):
        return
    try:
        expression = parse_expression(refractory)
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(
            f"refractory={refractory!r} is no expression: {error}"
        ) from error
    used = names_in(inlined(expression, equations))
    for name in sorted(used & set(names)):
        raise NotDifferentiableError(
            f"{name!r} is (part of) the refractory period {refractory!r}, which is a "
            "whole number of time steps: there is no derivative by it. Fit once for "
            f"each of several values (param_init={{{name!r}: ...}})."
        )
    moving = sorted(used & equations.diff_eq_names)
    if moving and held_variables(equations):
        raise NotDifferentiableError(
            f"refractory={refractory!r} depends on {moving}, so that the time at which "
            f"{held_variables(equations)} are released would need a derivative. "
            "Give a time, or leave out '(unless refractory)'."
        )


def _check_names(equations, data):
    recordable = equations.diff_eq_names | equations.subexpr_names
    for name in data.traces:
        if name not in recordable:
            raise ValueError(
                f"output has {name!r}, which is no variable or subexpression of the "
                f"model; it has {sorted(recordable)} (or {SPIKES!r})."
            )
        if data.dimensions[name] is not equations[name].dim:
            raise DimensionMismatchError(
                f"output[{name!r}] must have the unit of the variable",
                data.dimensions[name],
                equations[name].dim,
            )
    for name in data.stimuli:
        if name in equations.names:
            raise ValueError(
                f"input has {name!r}, which the model declares itself: leave out the "
                f"line of '{name}' in the model."
            )
    for name in sorted(equations.names):
        if name.startswith(_OURS):
            raise ValueError(
                f"The model has a variable {name!r}; names that begin with 'fit_' or "
                "'S_' are those of the fit. Rename it."
            )
        flags = {"shared", "linked"} & set(equations[name].flags)
        if flags and name in equations.parameter_names:
            raise ValueError(
                f"{name!r} is {flags.pop()}, but all trials of all starts are neurons "
                "of one group, each with a value of its own: leave out the flag."
            )
        if equations[name].var_type != "float" and name in equations.diff_eq_names:
            raise NotDifferentiableError(f"{name!r} is no number with a derivative.")


def _check_random(fitter):
    noise = sorted(fitter.equations.stochastic_variables)
    texts = [e.expr.code for e in fitter.equations.values() if e.expr is not None]
    texts += [t for t in (fitter.threshold, fitter.reset, fitter.on_pre) if t]
    texts += [v for v in (fitter.param_init or {}).values() if isinstance(v, str)]
    for text in texts:
        noise += [f for f in ("rand", "randn", "poisson") if f in get_identifiers(text)]
    if noise:
        raise NotDifferentiableError(
            f"The model contains {noise[0]!r}: every simulation would be another one, "
            "so that a fit has nothing to go down on. Fit without noise (for spikes "
            "SpikeLikelihood() stands for noise), or give a frozen one as input."
        )


def check_intervals(fitter, initial, namespace):
    """
    A neuron cannot be reset at a recorded spike while it is refractory.

    Parameters
    ----------
    fitter : `GradientFitter`
    initial : dict
        See `check_initial`.
    namespace : dict
    """
    if fitter.data.spikes is None:
        return
    period = _refractory_period(fitter, initial, namespace)
    if period is None:
        return
    # As Brian2's `timestep`
    steps = np.floor(np.broadcast_to(period, fitter.data.trials) / fitter.dt + 1e-3)
    for trial, (train, least) in enumerate(zip(fitter.data.spikes, steps, strict=True)):
        gaps = np.diff(np.flatnonzero(train))
        if gaps.size and gaps.min() < least:
            gap = gaps.min() * fitter.dt * second
            raise ValueError(
                f"output['spikes'][{trial}] has spikes {gap} apart, less than "
                f"refractory={fitter.refractory}: the model could not fire them. Lower "
                "refractory."
            )


def _refractory_period(fitter, initial, namespace):
    """In seconds, one or one per trial; None if it depends on what happens."""
    refractory = fitter.refractory
    if isinstance(refractory, Quantity):
        return float(refractory) if get_dimensions(refractory) is second.dim else None
    try:
        expression = inlined(parse_expression(refractory), fitter.equations)
    except (SyntaxError, TypeError, ValueError):  # False, or said elsewhere
        return None
    texts = {n: v for n, v in initial.items() if isinstance(v, str)}
    expression = expression.xreplace(
        {symbol(n): parse_expression(v) for n, v in texts.items()}
    )
    known = {**DEFAULT_CONSTANTS, **DEFAULT_UNITS, **namespace, **initial}
    names = sorted(names_in(expression))
    open_ = set(names) - known.keys() | set(names) & fitter.equations.diff_eq_names
    if open_ or expression.is_Boolean or expression.atoms(AppliedUndef):
        return None
    values = [np.asarray(getattr(known[n], "value", known[n])) for n in names]
    return sp.lambdify(names, expression, "numpy")(*values)
