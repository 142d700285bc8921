"""Bad input of spiking populations, refused before anything runs."""

import ast
from textwrap import dedent

from brian2.equations.equations import PARAMETER
from brian2.units.allunits import second

from ..arguments import as_equations
from ..codegen.straightline import parse_expression
from ..mesoscopic.checks import check_time
from ..mesoscopic.setup import read_code

__all__ = ["check_firing", "check_model", "check_refractory"]

#: Variables and attributes of the group
RESERVED = (
    "n",
    "A",
    "population",
    "neurons",
    "spikes",
    "sizes",
    "noise",
    "spike_count",
    "start",
    "stop",
)


def check_model(model):
    """The model as `Equations`, without names that the group needs for itself."""
    model = as_equations(model)
    for name, eq in model.items():
        if name in RESERVED:
            raise ValueError(
                f"The model must not define a variable '{name}': that is a variable or "
                "attribute of the group. Call it by another name."
            )
        if eq.type == PARAMETER and "linked" in eq.flags:
            raise NotImplementedError(
                f"'{name}' is a linked variable, which populations cannot have; link "
                "to it from the other side, or write to it with run_regularly."
            )
    return model


def check_firing(threshold, hazard, reset):
    """Exactly one condition for spikes, as strings."""
    if threshold is None and hazard is None:
        raise TypeError(
            "Give threshold='v > v_th', threshold='rand() < rho*dt' or hazard='rho': "
            "without it the neurons do not fire."
        )
    if threshold is not None and hazard is not None:
        raise TypeError(
            f"Give either threshold or hazard, got threshold={threshold!r}, "
            f"hazard={hazard!r}."
        )
    for name, code in (("threshold", threshold), ("hazard", hazard)):
        if code is not None:
            read_code(name, code, lambda text: ast.parse(text.strip(), mode="eval"))
    if reset is not None:
        read_code("reset", reset, lambda text: ast.parse(dedent(text)))
    if hazard is not None:
        read_code("hazard", hazard, parse_expression)


def check_refractory(refractory):
    """False, a time, or a string; a `NeuronGroup` would take anything."""
    if refractory is None or refractory is False:
        return False
    if isinstance(refractory, str):
        read_code("refractory", refractory, lambda text: ast.parse(text, mode="eval"))
        return refractory
    return check_time("refractory", refractory, positive=False) * second
