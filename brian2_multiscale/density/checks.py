"""Bad input of density groups, refused before anything runs."""

from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER

__all__ = ["check_flags", "check_model_names"]

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
    if not equations.diff_eq_names:
        raise ValueError(
            f"model must have a differential equation with noise, got '{equations}'."
        )
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
    silent = refractory is not False and refractory is not None
    if silent and "unless refractory" not in eq.flags:
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
