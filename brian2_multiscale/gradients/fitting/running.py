"""Which way a model is simulated: within Python, or as a C++ program."""

import numpy as np
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from .population_program import PopulationProgram
from .population_simulation import PopulationModel, PopulationSimulation
from .program import Program
from .simulation import Simulation

__all__ = ["first_not_finite", "run_once", "simulation_of"]


def simulation_of(*arguments, backend="brian2"):
    """
    A `Simulation`, or a `Program` after ``set_device('cpp_standalone')``.

    The same of populations; with ``backend='jax'`` a `JaxSimulation`.
    """
    if backend == "jax":
        from .jax_simulation import JaxSimulation

        return JaxSimulation(*arguments)
    standalone = isinstance(get_device(), CPPStandaloneDevice)
    if isinstance(arguments[0], PopulationModel):
        kind = PopulationProgram if standalone else PopulationSimulation
    else:
        kind = Program if standalone else Simulation
    return kind(*arguments)


def run_once(model, point):
    """What is recorded of one point, and its spikes, if neurons run freely."""
    names = list(model.data.traces) or sorted(model.equations.diff_eq_names)
    return simulation_of(model, None, 1, False, names).recorded(point)


def first_not_finite(model, point):
    """Which variable is the first one that is not finite, and when."""
    names = list(model.equations.diff_eq_names)
    found = simulation_of(model, None, 1, False, names).recorded(point)
    steps = {}
    for name in names:
        bad = ~np.isfinite(np.asarray(found[name]))
        if bad.any():
            steps[name] = int(np.argmax(bad.any(axis=0)))
    if not steps:
        return "The loss is not finite at any start, although all variables are."
    name = min(steps, key=steps.get)
    values = ", ".join(
        f"{p} = {Quantity(x, dim=model.equations[p].dim)}"
        for p, x in zip(model.parameters, point, strict=True)
    )
    return (
        f"The loss is not finite at any start: with {values}, {name!r} is not finite "
        f"from t = {steps[name] * model.dt * second} on."
    )
