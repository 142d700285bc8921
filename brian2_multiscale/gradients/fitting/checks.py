"""What a `GradientFitter` can work with."""

import numpy as np
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, DEFAULT_UNITS
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)
from brian2.utils.stringtools import get_identifiers

from ...codegen.straightline import names_in, parse_expression
from ...kinetics.differentiation import NotDifferentiableError
from ..forward.sensitivity import check_parameters
from ..rates import held_variables, inlined
from ..threshold import threshold_distance
from .data import SPIKES

__all__ = [
    "check_fitted",
    "check_model",
    "check_strings",
    "distance_dimension",
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


def used_names(fitter, known):
    """What the strings refer to, as far as it is known."""
    texts = [e.expr.code for e in fitter.equations.values() if e.expr is not None]
    strings = fitter.threshold, fitter.hazard, fitter.reset, fitter.on_pre
    texts += [t for t in strings if t]
    texts += [v for v in (fitter.param_init or {}).values() if isinstance(v, str)]
    texts += [fitter.refractory] if isinstance(fitter.refractory, str) else []
    own = {*fitter.equations.names, *fitter.data.stimuli}
    own |= {*DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS, *DEFAULT_UNITS}
    names = set().union(*(get_identifiers(text) for text in texts)) - own
    return {name: known[name] for name in sorted(names & known.keys())}


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
    _check_intervals(fitter.data, fitter.refractory, fitter.dt)


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


def _check_intervals(data, refractory, dt):
    """A neuron cannot be reset at a recorded spike while it is refractory."""
    fixed = (
        isinstance(refractory, Quantity) and get_dimensions(refractory) is second.dim
    )
    if data.spikes is None or not fixed:
        return
    least = int(np.round(float(refractory) / dt))
    for trial, train in enumerate(data.spikes):
        gaps = np.diff(np.flatnonzero(train))
        if gaps.size and gaps.min() < least:
            raise ValueError(
                f"output['spikes'][{trial}] has spikes {gaps.min() * dt * second} "
                f"apart, less than refractory={refractory}: the model could not fire "
                "them. Lower refractory."
            )


def distance_dimension(equations, threshold, namespace):
    """Dimension of the distance from threshold."""
    if threshold is None:
        return DIMENSIONLESS
    distance = threshold_distance(threshold)
    names = sorted(s.name for s in distance.free_symbols)
    for name in names:
        if name in equations.names:
            return equations[name].dim
        if name in namespace:
            return get_dimensions(namespace[name])
    return DIMENSIONLESS
