"""Parts of a time step: what Brian2's templates do."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from .blocks import JAXCodeGenerator
from .held import moving_statements

__all__ = ["Forced", "Generator", "Reset", "Statements", "Threshold"]


@dataclass
class Forced:
    """What is given from outside: an array takes the values of an input."""

    key: str
    name: str

    def __call__(self, step):
        value = step.given[self.name]
        old = step.before[self.key]
        step[self.key] = value.reshape(old.shape).astype(old.dtype)


class Statements:
    """Code for all elements: 'stateupdate'."""

    def __init__(self, captured, assembly):
        statements = moving_statements(captured)
        generator = JAXCodeGenerator(captured, assembly.arrays, statements=statements)
        self.run = generator.function()

    def __call__(self, step):
        self.run(step)


class Threshold:
    """Who spikes (or has another event): 'threshold'."""

    def __init__(self, captured, assembly):
        arrays, self.runner = assembly.arrays, captured.runner
        self.events = arrays.key(captured.options["eventspace_variable"])
        self.given = assembly.spikes_given.get(self.events)
        generator = JAXCodeGenerator(
            captured, arrays, assembly.surrogate_of(captured.runner.group)
        )
        self.run = None
        if self.given is None:
            self.run = generator.function("_cond")
        self.refractory = captured.options["_uses_refractory"]
        if self.refractory:
            names = ("not_refractory", "lastspike", "t")
            self.keys = [arrays.key(captured.variables[name]) for name in names]

    def __call__(self, step):
        shape = step.before[self.events].shape
        fired = step.given[self.given] if self.run is None else self.run(step)
        step[self.events] = jnp.broadcast_to(fired, shape).astype(step.dtype)
        if self.refractory:
            free, last, t = self.keys
            hit = step[self.events] > 0.5
            step[free] = jnp.logical_and(step[free], jnp.logical_not(hit))
            step[last] = jnp.where(hit, step[t], step[last])


class Reset:
    """Statements for those with an event: 'reset'."""

    def __init__(self, captured, assembly):
        self.events = assembly.arrays.key(captured.options["eventspace_variable"])
        smooth = assembly.surrogate_of(captured.runner.group).smooth
        self.run = JAXCodeGenerator(
            captured, assembly.arrays, smooth=smooth, events=True
        ).function()

    def __call__(self, step):
        self.run(step, step[self.events])


class Generator:
    """Spikes at given times: 'spikegenerator'."""

    def __init__(self, captured, assembly):
        group, arrays = captured.runner, assembly.arrays
        self.events = arrays.key(group.variables["_spikespace"])
        self.given = assembly.spikes_given.get(self.events)
        if self.given is None:
            self.given = f"{group.name}._schedule"
            assembly.schedules[self.given] = _schedule(group, assembly.timing)

    def __call__(self, step):
        step[self.events] = step.given[self.given].astype(step.dtype)


def _schedule(group, timing):
    """Which neuron spikes in which step: bool, (steps, neurons)."""
    first, steps = timing.start, timing.steps
    bins = group.variables["_timebins"].get_value() - first
    neurons = group.variables["neuron_index"].get_value()
    period = int(np.asarray(group.variables["_period_bins"].get_value()).item())
    table = np.zeros((steps, int(group.N)), bool)
    times = [bins]
    if period > 0:
        rounds = np.arange(-(first // period) - 1, (first + steps) // period + 1)
        times = [bins + period * k for k in rounds]
    for shifted in times:
        inside = (shifted >= 0) & (shifted < steps)
        table[shifted[inside], neurons[inside]] = True
    return table
