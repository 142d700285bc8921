"""Bad input of density groups, refused before anything runs."""

import numbers

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER

__all__ = ["check_bins", "check_choice", "check_flags", "check_model_names"]

#: Variables and attributes of the group
RESERVED = (
    "n",
    "A",
    "A_expected",
    "event_size",
    "events",
    "moved",
    "p",
    "population",
    "density",
    "bins",
    "grids",
    "mfe_reset",
    "match_dt",
    "method",
    "noisy",
    "start",
    "started",
    "stop",
    "common_variables",
    "noise",
    "refractory_expression",
    "spike_count",
    "private_arrays",
    "neglects_private",
    "common_method",
    "sizes",
    "spikes",
    "substeps",
    "updater",
    "v_min",
    "variables_by_kind",
)


def check_model_names(equations):
    """Refuse names that the group needs for itself, and linked variables."""
    for name, eq in equations.items():
        if name in RESERVED:
            raise ValueError(
                f"The model must not define a variable '{name}': that is a variable or "
                "attribute of the group. Call it by another name."
            )
        if eq.type == PARAMETER and "linked" in eq.flags:
            raise NotImplementedError(
                f"'{name}' is a linked variable; link to it from the other side, or "
                "write to it with run_regularly."
            )


def check_flags(equations, name, refractory):
    """A density has no voltages of refractory neurons."""
    eq = equations[name]
    if refractory not in (False, None) and "unless refractory" not in eq.flags:
        raise ValueError(
            f"With a refractory period the equation of '{name}' needs the flag (unless "
            "refractory): neurons wait at the reset."
        )
    for other, equation in equations.items():
        flagged = "unless refractory" in equation.flags and other != name
        if equation.type == DIFFERENTIAL_EQUATION and flagged:
            raise ValueError(
                f"'{other}' is flagged (unless refractory) and so differs between "
                "neurons; in a density only one variable may. Use a NeuronGroup or a "
                "MesoscopicGroup."
            )


def check_choice(name, value, choices):
    if value not in choices:
        options = " or ".join(repr(c) for c in choices)
        raise ValueError(f"{name} must be {options}, got {value!r}.")
    return value


def check_bins(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if not 1 <= value <= np.iinfo(np.int32).max:
        raise ValueError(f"{name} must be positive, got {value!r}.")
    return int(value)
