"""What there are derivatives by."""

import numpy as np
from brian2.codegen.translation import get_identifiers_recursively
from brian2.core.clocks import Clock
from brian2.core.variables import ArrayVariable, Subexpression
from brian2.groups.subgroup import Subgroup
from brian2.utils.stringtools import get_identifiers

from ...kinetics.differentiation import NotDifferentiableError

__all__ = ["check_trainable"]


def check_trainable(obj, name):
    """
    The variable of a trainable parameter.

    Raises
    ------
    ValueError
        If there is no such variable.
    NotDifferentiableError
        If there is no derivative by it.
    """
    variable = obj.variables.get(name)
    label = f"'{name}' of '{obj.name}'"
    if name == "delay":
        raise NotDifferentiableError(
            f"{label}: delays are whole numbers of steps, there is no derivative by "
            "them. Choose among several fixed delays by trainable weights instead."
        )
    if isinstance(obj, Subgroup):
        raise ValueError(f"trainable: give the whole group '{obj.source.name}'.")
    _refuse_foreign(obj, variable, label)
    if isinstance(variable, Subexpression):
        raise ValueError(
            f"trainable: {label} is an expression; name parameters that it is made of."
        )
    if not isinstance(variable, ArrayVariable):
        raise ValueError(
            f"trainable: {label} is not a variable with values. It has "
            f"{_candidates(obj)}; a constant of the namespace becomes one by a line "
            f"such as '{name} : 1 (constant)' in the equations, with its unit."
        )
    if np.dtype(variable.dtype).kind != "f":
        raise NotDifferentiableError(
            f"{label} holds whole numbers or truth values: there is no derivative by "
            "them (connectivity, counters)."
        )
    _refuse_jumps(obj, name, label)
    return variable


def _candidates(obj):
    return sorted(
        n
        for n, v in obj.variables.items()
        if isinstance(v, ArrayVariable)
        and np.dtype(v.dtype).kind == "f"
        and not v.read_only
        and not n.startswith("_")
        and getattr(v.owner, "name", None) == obj.name
    )


def _refuse_foreign(obj, variable, label):
    """Refuse what an object only refers to: 'v_post' of synapses, linked variables."""
    owner = getattr(variable, "owner", None)
    name = getattr(owner, "name", obj.name)
    if not isinstance(variable, ArrayVariable) or name == obj.name:
        return
    if isinstance(owner, Clock):
        raise ValueError(f"trainable: {label} is the time, which is no parameter.")
    raise ValueError(
        f"trainable: {label} is '{variable.name}' of '{name}'; name it there: "
        f"{{{name}: '{variable.name}'}}."
    )


def _refuse_jumps(obj, name, label):
    """Refuse what only decides when something happens."""
    refractory = getattr(obj, "_refractory", False)
    moving = getattr(obj, "equations", None)
    moving = moving.diff_eq_names if moving else ()
    used = _used(refractory, obj) if isinstance(refractory, str) else ()
    if name in used and name not in moving:  # of those, it is the initial value
        raise NotDifferentiableError(
            f"{label} is (part of) the refractory period, which ends at a whole number "
            "of steps: there is no derivative by it. Let a variable that decays after "
            "spikes raise the threshold instead."
        )
    for condition in getattr(obj, "events", {}).values():
        if not isinstance(condition, str):
            continue
        used = _used(condition, obj)
        if name in used and used & {"rand", "randn", "poisson"}:
            raise NotDifferentiableError(
                f"{label} is the rate of spikes that are drawn by rand(): there is no "
                "derivative of a drawn spike. Use a variable that noise moves "
                "('dv/dt = ... + sigma*xi*tau**-0.5') and a threshold."
            )


def _used(text, obj):
    variables = dict(obj.variables.items())
    return get_identifiers(text) | get_identifiers_recursively([text], variables)
