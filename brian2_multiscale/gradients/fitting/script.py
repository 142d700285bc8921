"""A fitted model as Python code."""

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ...mechanisms.values import unit_text

__all__ = ["recipe", "script"]


def recipe(model):
    """
    What a script of a fitted group needs.

    Parameters
    ----------
    model : `~brian2_multiscale.gradients.fitting.simulation.Model`

    Returns
    -------
    dict
    """
    arguments = {"method": model.method}
    for name in ("threshold", "hazard", "reset"):
        if getattr(model, name, None) is not None:
            arguments[name] = getattr(model, name)
    population = hasattr(model, "hazard")
    if population:
        arguments["noise"] = False
    inputs = [
        f"{n} : {unit_text(model.data.dimensions[n])}" for n in model.data.stimuli
    ]
    return {
        "equations": [*map(_line, model.equations.values()), *inputs],
        "arguments": arguments,
        # Only of populations
        "memory": getattr(model, "memory", None),
        "size": getattr(model, "size", 1),
        "kind": "MesoscopicGroup" if population else "NeuronGroup",
        "refractory": model.refractory,
        "dt": model.dt * second,
        "values": {n: _first(v, model, n) for n, v in model.initial.items()},
        "namespace": {n: v for n, v in model.namespace.items() if _is_number(v)},
        "others": sorted(n for n, v in model.namespace.items() if not _is_number(v)),
    }


def _line(equation):
    """One equation as Brian2 reads it again."""
    left = {
        DIFFERENTIAL_EQUATION: f"d{equation.varname}/dt = {equation.expr}",
        SUBEXPRESSION: f"{equation.varname} = {equation.expr}",
    }.get(equation.type, equation.varname)
    kind = {"integer": "integer", "boolean": "boolean"}.get(equation.var_type)
    flags = f" ({', '.join(equation.flags)})" if equation.flags else ""
    return f"{left} : {kind or unit_text(equation.dim)}{flags}"


def _first(value, model, name):
    """Values that differ between trials: those of the first one."""
    if isinstance(value, str):
        return value
    return Quantity(np.ravel(value)[0], dim=model.equations[name].dim)


def _is_number(value):
    return isinstance(value, int | float | np.number | np.ndarray)


def _is_ours(method):
    """Whether one of some methods is known only after this package is imported."""
    names = method if isinstance(method, list | tuple) else [method]
    known = [
        StateUpdateMethod.stateupdaters.get(n) for n in names if isinstance(n, str)
    ]
    # With fast equations those of Brian2 are called by ones of ours
    origins = [getattr(getattr(u, "own", u), "__module__", "") for u in known]
    return any(o.partition(".")[0] == __name__.partition(".")[0] for o in origins)


def script(recipe, params, N):
    """
    The code; see `FitResult.script`.

    Raises
    ------
    ValueError
        If what was fitted is not a group that is made from strings.
    """
    if "kind" not in recipe:
        raise ValueError(
            "script() writes the group of a GradientFitter. What this fit is about are "
            "objects that are there already: model.set(result.params) gives "
            "populations and projections the values, model.simulate(result.params) "
            "runs any model with them."
        )
    kind = recipe["kind"]
    lines = ["from brian2 import *"]
    if kind != "NeuronGroup" or _is_ours(recipe["arguments"]["method"]):
        lines.append("from brian2_multiscale import *")
    lines.append("")
    N = recipe["size"] if N is None else N
    if recipe["others"]:
        lines.append(f"# Also needed, as in the fit: {', '.join(recipe['others'])}")
    lines += [f"{name} = {_text(value)}" for name, value in recipe["namespace"].items()]
    lines += ['model = """', *recipe["equations"], '"""']
    arguments = [f"{name}={value!r}" for name, value in recipe["arguments"].items()]
    refractory = recipe["refractory"]
    if refractory is not False:
        arguments.append(f"refractory={_text(refractory)}")
    if recipe["memory"] is not None:
        arguments.append(f"memory={_text(recipe['memory'])}")
    arguments.append(f"dt={_text(recipe['dt'])}")
    lines.append(f"group = {kind}({N}, model, {', '.join(arguments)})")
    values = {**recipe["values"], **params}
    # Strings last: they may depend on the others
    for name in sorted(values, key=lambda n: isinstance(values[n], str)):
        lines.append(f"group.{name} = {_text(values[name])}")
    return "\n".join(lines) + "\n"


def _text(value):
    """What Python reads back exactly."""
    if isinstance(value, str | bool):
        return repr(value)
    numbers = np.asarray(value, dtype=float).tolist()
    unit = unit_text(value.dim) if isinstance(value, Quantity) else "1"
    return repr(numbers) if unit == "1" else f"{numbers!r}*({unit})"
