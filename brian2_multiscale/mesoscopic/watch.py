"""What to look at in every step of mesoscopic populations."""

from ..codegen.guard import Guard, Watched, of_equation, of_hazard, of_input

__all__ = ["make_guard"]


def make_guard(group, model, names):
    """
    The common variables, the means over neurons and the expected activity.

    Parameters
    ----------
    group : `MesoscopicGroup`
    model : `Equations`
        Of a neuron.
    names : dict
        All that the strings of the group refer to.

    Returns
    -------
    `Guard`
    """
    guard = Guard(group, sorted(model.parameter_names))
    guard.know(names)
    method, variables = group.state_updater.method_choice, group.variables
    moving = model.diff_eq_names
    kinds = group.variables_by_kind
    common = [n for n in kinds["common"] if n in moving]
    hazard = of_hazard(group.hazard)
    for name in common + kinds["renewed"] + kinds["carried"]:
        cause = of_input(name)
        if name in moving:
            cause = of_equation(name, model[name], method)
        if name not in common:  # the mean is over neurons that are left
            cause += f"; or {hazard}"
        guard.results.append(Watched(variables[name], name, cause))
    guard.results.append(Watched(variables["A_expected"], "A_expected", hazard))
    return guard
