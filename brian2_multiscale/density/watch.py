"""What to look at in every step of densities."""

import numpy as np

from ..codegen.guard import Guard, Watched, of_equation, of_input, of_voltage

__all__ = ["make_guard"]


def make_guard(group, model, names):
    """
    Common variables and input before the step; mean voltage and activity after it.

    Parameters
    ----------
    group : `DensityGroup`
    model : `Equations`
        Of a neuron.
    names : dict
        All that the strings of the group refer to.

    Returns
    -------
    `Guard`
    """
    voltage, variables = group.noisy.name, group.variables
    method = group.state_updater.method_choice
    parameters = sorted(model.parameter_names)
    guard = Guard(group, parameters, lambda population: _faces(group, population))
    guard.know(names)
    for name in group.common_variables:
        cause = of_equation(name, model[name], method)
        guard.drivers.append(Watched(variables[name], name, cause))
    given = Watched(variables["_kick"], f"input to '{voltage}'", of_input(voltage))
    guard.drivers.append(given)
    cause = of_voltage(voltage, model[voltage])
    guard.voltage = Watched(variables[voltage], voltage, cause)
    guard.results.append(guard.voltage)
    guard.results.append(Watched(variables["A_expected"], "A_expected", cause))
    # What is left of earlier counts is in it, too
    guard.results.append(
        Watched(variables[group.spike_count], "number of spikes", cause)
    )
    return guard


def _faces(group, population):
    """Where drift and noise are no good; the same as in codegen/cpp/report.h."""
    arrays, grid = group.updater.variables, group.grids[population]
    begin = arrays["_first"].get_value()[population]
    own = slice(begin, begin + grid.cells)
    drift = arrays["_drift"].get_value()[own]
    noise = arrays["_diffusion"].get_value()[own]
    voltage = Watched(group.variables[group.noisy.name], group.noisy.name)
    found = {
        "The drift": (drift, ~np.isfinite(drift)),
        "Half the squared noise": (noise, ~(np.isfinite(noise) & (noise > 0))),
    }
    sentences = []
    for what, (values, bad) in found.items():
        if bad.any():
            first = np.argmax(bad)
            sentences.append(
                f"{what} of '{voltage.label}' is {values[first]:g} at "
                f"{voltage.label} = {grid.faces[first]:g}{voltage.unit}"
            )
    return sentences
