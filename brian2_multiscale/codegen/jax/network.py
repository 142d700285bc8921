"""From a Brian2 network to the function of its arrays."""

from dataclasses import dataclass

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.groups.subgroup import Subgroup

from ...kinetics.differentiation import NotDifferentiableError
from .arrays import Arrays
from .assembly import Assembly, assemble
from .capture import MONITORS, capture
from .parts import Forced
from .records import place_recorders
from .simulation import Simulation, Timing

__all__ = ["Translated", "translate"]


@dataclass
class Translated:
    """
    A network as a function.

    Attributes
    ----------
    simulation : `Simulation`
    arrays : `Arrays`
    schedules : dict of str to ndarray
        Spikes at given times, which the simulation also expects as input.
    shapes : dict of str to tuple
        Of the inputs in one step.
    """

    simulation: Simulation
    arrays: Arrays
    schedules: dict
    shapes: dict

    @property
    def steps(self):
        return self.simulation.timing.steps

    @property
    def dt(self):
        return self.simulation.timing.dt


def translate(
    network,
    namespace,
    duration,
    inputs,
    record,
    surrogate_of,
    dtype,
    checkpoint,
    places=None,
):
    """
    Translate a network.

    Parameters
    ----------
    network : `Network`
    namespace : dict
    duration : float
        In seconds.
    inputs, record : dict of str to (object, str)
        By the name in what the simulation gets and returns.
    surrogate_of : callable
        ``surrogate_of(group)``: its `SurrogateGradient`.
    dtype : type
    checkpoint : bool
    places : dict of str to (str, int, str), optional
        When in a step something is recorded (when, order, name of a monitor); by
        default when a `StateMonitor` would.

    Returns
    -------
    `Translated`

    Raises
    ------
    NotDifferentiableError
        That names the object, says why, and what to do.
    """
    found = capture(network, namespace)
    arrays = Arrays(dtype)
    timing = _timing(network, found, arrays, duration)
    spikes = {n: obj for n, (obj, what) in inputs.items() if what == "spikes"}
    given = {arrays.key(_event_space(n, obj)): n for n, obj in spikes.items()}
    forced = [
        _forced(arrays, name, *each)
        for name, each in inputs.items()
        if name not in spikes
    ]
    within, last = place_recorders(record, places or {}, namespace, arrays)
    assembly = Assembly(arrays, timing, surrogate_of, given)
    assembly.given = {*timing.t, *timing.timestep, *(each.key for each in forced)}
    parts = assemble(found, assembly, within, _rank(network))
    for each in forced:
        _refuse_written(each, assembly)
    simulation = Simulation(
        [*forced, *parts, *last], assembly.prepare, timing, arrays.dtype, checkpoint
    )
    shapes = {each.name: arrays.initial[each.key].shape for each in forced}
    shapes |= {name: arrays.initial[key].shape for key, name in given.items()}
    return Translated(simulation, arrays, assembly.schedules, shapes)


def _timing(network, found, arrays, duration):
    runners = _timed(network, found)
    clocks = list({id(each.clock): each.clock for each in runners}.values())
    lengths = {float(clock.dt_) for clock in clocks}
    if len(lengths) != 1:
        slow = ", ".join(f"'{each.name}': {each.clock.dt}" for each in runners)
        raise NotDifferentiableError(
            f"The objects of the network do not share one clock ({slow}). Give all the "
            "same dt; monitors may have another."
        )
    (dt,) = lengths
    start = int(np.round(float(network.t) / dt))
    steps = int(np.round(duration / dt))
    if steps < 1:
        raise ValueError(f"duration must be at least one time step of {dt} s.")
    names = [[arrays.key(c.variables[n]) for c in clocks] for n in ("t", "timestep")]
    return Timing(*names, start, dt, steps)


def _timed(network, found):
    """What has code; if nothing has, whatever there is."""
    runners = [captured.runner for captured in found]
    if not runners:
        runners = [o for o in network.objects if not isinstance(o, MONITORS)]
    if not runners:
        raise ValueError("network has no objects that could be simulated.")
    return runners


def _rank(network):
    """Brian2's order of objects in a step."""
    slots = {}
    for i, name in enumerate(network.schedule):
        slots |= {f"before_{name}": 3 * i, name: 3 * i + 1, f"after_{name}": 3 * i + 2}
    return lambda when, order, name: (slots.get(when, 0), order, name)


def _event_space(name, group):
    if "_spikespace" not in group.variables or isinstance(group, Subgroup):
        raise ValueError(f"inputs: '{name}' must be of a whole group that spikes.")
    return group.variables["_spikespace"]


def _forced(arrays, name, group, what):
    variable = group.variables.get(what)
    if not isinstance(variable, ArrayVariable) or isinstance(group, Subgroup):
        raise ValueError(
            f"inputs: '{name}' must be 'spikes' or a parameter of a whole group "
            f"(declared in the equations as '{what} : unit')."
        )
    return Forced(arrays.key(variable), name)


def _refuse_written(forced, assembly):
    if forced.key in assembly.moving:
        raise ValueError(
            f"inputs: '{forced.name}' is also written by the equations, a reset or "
            "synapses. Give a parameter that only the input sets, and add it there."
        )
