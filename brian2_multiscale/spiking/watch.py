"""What to look at in every step of spiking populations."""

from ..codegen.guard import Guard, Watched, of_equation, of_input

__all__ = ["make_guard"]


def make_guard(group, averaged, names):
    """
    The means over neurons, one of which is enough to spoil them.

    Parameters
    ----------
    group : `SpikingGroup`
    averaged : list of str
    names : dict
        All that the equations refer to.

    Returns
    -------
    `Guard`
    """
    neurons = group.neurons
    model = neurons.user_equations
    guard = Guard(group, sorted(set(model.parameter_names) - set(averaged)))
    guard.know(names)
    for name in averaged:
        cause = of_input(name)
        if name in model.diff_eq_names:
            method = neurons.state_updater.method_choice
            cause = of_equation(name, model[name], method)
        guard.results.append(Watched(group.variables[name], name, cause))
    return guard
