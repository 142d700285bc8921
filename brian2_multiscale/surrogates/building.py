"""From what a user writes to a teacher: names, units and time steps are checked."""

from difflib import get_close_matches

from brian2.core.base import BrianObjectException
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, DEFAULT_UNITS
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.equations.equations import PARAMETER, Equations
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_mapping, check_method, check_names
from ..mechanisms.mechanism import Mechanism
from ..mechanisms.values import ValueSyntaxError, evaluate
from .checks import check_spiking
from .teacher import Teacher, driven_equations, undisturbed

__all__ = ["build_teacher", "substeps", "threshold_levels"]

_STRINGS = ("threshold", "reset", "refractory")


def build_teacher(
    model, input, output, units, options, namespace, initial, step, dt, held, connect
):
    """
    A teacher, tried with one neuron.

    Parameters
    ----------
    model, input, output, initial, connect
        As of `SurrogateTask`.
    units : dict or `Dimension` or None
        Of the inputs, as the stimuli have it; for names that equations do not define.
    options : dict
        method, threshold, reset, refractory; None is the choice of the mechanism.
    namespace : dict
        Where constants are looked for.
    step, dt : float
    held : bool

    Returns
    -------
    teacher : `Teacher`
    dims : dict of str to `Dimension`
        Of inputs and outputs.
    """
    mechanism = model if isinstance(model, Mechanism) else None
    equations = _equations(model)
    inputs = check_names("input", input)
    if not inputs:
        raise ValueError("input must name at least one variable, it is empty.")
    outputs = _outputs(output, mechanism)
    check_mapping("initial", initial)
    if connect is not None and not callable(connect):
        raise TypeError(f"connect must be a function or None, got {connect!r}.")
    substeps(step, dt)
    _check_initial(initial or {}, equations, inputs)
    initial = {**_initial_of(mechanism, inputs), **(initial or {})}
    options = _options(options, mechanism)
    # Not the method: its name is that of an object after 'from brian2 import *'
    strings = [options[name] for name in _STRINGS if name in options]
    texts = [str(equations), *map(str, strings), *map(str, initial.values())]
    used = set().union(*map(get_identifiers, texts))
    dims = {n: _input_dim(n, equations, mechanism, units, used, inputs) for n in inputs}
    equations = driven_equations(equations, dims)
    dims.update({n: _output_dim(n, equations) for n in outputs})
    if mechanism is not None:
        namespace = {**namespace, **mechanism.namespace}
    known = {*DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS, *DEFAULT_UNITS, *equations.names}
    constants = {n: namespace[n] for n in used & set(namespace) if n not in known}
    teacher = Teacher(
        equations, inputs, outputs, options, constants, initial, step, dt, held, connect
    )
    _try(teacher)
    return teacher, dims


def substeps(step, dt):
    """How many integration steps make a sample; refuses what is not whole."""
    ratio = step / dt
    whole = max(round(ratio), 1)
    if abs(ratio - whole) > 1e-6 * whole:
        raise ValueError(
            f"step must be a multiple of dt, got step={step * second} and "
            f"dt={dt * second}, a ratio of {ratio:g}. Use dt={step / whole * second}, "
            f"or step={whole * dt * second}."
        )
    return whole


def _equations(model):
    if isinstance(model, Mechanism):
        return model.equations
    equations = Equations(model) if isinstance(model, str) else model
    if not isinstance(equations, Equations):
        raise TypeError(
            f"model must be a string, Equations or a Mechanism, got {model!r}."
        )
    if not len(equations):
        raise ValueError("model must have equations, it is empty.")
    return equations


def _outputs(output, mechanism):
    if output is None and mechanism is not None and mechanism.output:
        output = mechanism.output
    if output is None:
        raise TypeError("output must name a variable of the model, or several.")
    outputs = check_names("output", output)
    if not outputs or len(set(outputs)) < len(outputs):
        raise ValueError(f"output must name different variables, got {output!r}.")
    return outputs


def _options(options, mechanism):
    found = {}
    check_spiking(*(options[name] for name in _STRINGS))
    for name, value in options.items():
        if value is None and mechanism is not None:
            value = getattr(mechanism, name)
        if name == "method" and value is not None:
            check_method("method", value)
        if value is not None:
            found[name] = value
    return found


def _check_initial(initial, equations, inputs):
    known = set(equations.names) - set(equations.subexpr_names) - set(inputs)
    for name in initial:
        if name not in known:
            reason = "the equations have no such variable or parameter"
            raise _unknown("initial", name, sorted(known), reason)


def _initial_of(mechanism, inputs):
    if mechanism is None:
        return {}
    variables = set(mechanism.equations.names) - set(mechanism.equations.subexpr_names)
    values = {**mechanism.varied, **mechanism.initial}
    return {n: v for n, v in values.items() if n in variables and n not in inputs}


# -- names and units -----------------------------------------------------------------
def _input_dim(name, equations, mechanism, units, used, inputs):
    if name in equations:
        if equations[name].type != PARAMETER:
            raise ValueError(
                f"input {name!r} is computed by the equations. The input must be a "
                f"parameter ('{name} : unit') or a name that they do not define."
            )
        return equations[name].dim
    if name not in used:
        candidates = used - set(equations.diff_eq_names) - set(DEFAULT_UNITS)
        raise _unknown("input", name, sorted(candidates), "the equations do not use it")
    declared = mechanism.external.get(name) if mechanism is not None else None
    given = units.get(name) if isinstance(units, dict) else units
    if declared is None and given is None:
        raise ValueError(
            f"The unit of input {name!r} is not known: add the line '{name} : unit' to "
            "the equations."
        )
    return given if declared is None else declared


def _output_dim(name, equations):
    if name not in equations:
        known = [n for n, eq in equations.items() if eq.type != PARAMETER]
        raise _unknown("output", name, known, "the equations do not define it")
    return equations[name].dim


def _unknown(what, name, known, reason):
    near = get_close_matches(name, known, n=2)
    fix = f"Did you mean {' or '.join(near)}?" if near else f"There are {known}."
    return ValueError(f"{what} {name!r} is unknown: {reason}. {fix}")


def threshold_levels(teacher):
    """
    Levels of outputs that are spikes for the model: name to number in base units.

    Only of a threshold ``output > level`` without a reset: with one, the output of a
    spike is never seen above the level.
    """
    options = getattr(teacher, "options", {})
    parts = str(options.get("threshold")).split(">")
    name = parts[0].strip()
    if len(parts) != 2 or name not in teacher.outputs or options.get("reset"):
        return {}
    try:
        return {name: float(evaluate(parts[1].lstrip("="), teacher.constants))}
    except (ValueSyntaxError, DimensionMismatchError):
        return {}


def _try(teacher):
    """Whatever Brian2 has to say about the model it says now, without compiling."""
    before = prefs.codegen.target, prefs.codegen.string_expression_target
    prefs.codegen.target = prefs.codegen.string_expression_target = "numpy"
    try:
        with undisturbed(0):
            group = teacher.group(1)
            Network(group, *teacher.others(group)).run(0 * second, namespace={})
    except BrianObjectException as error:
        reason = error.__cause__ or error
        raise ValueError(f"The model cannot run: {reason}") from error
    finally:
        prefs.codegen.target, prefs.codegen.string_expression_target = before
