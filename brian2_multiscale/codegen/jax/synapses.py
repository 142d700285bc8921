"""Synapses: events with delays, sums over synapses, equations between events."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from brian2.codegen.permutation_analysis import (
    OrderDependenceError,
    check_for_order_independence,
)
from brian2.stateupdaters.exact import linear
from brian2.utils.logger import get_logger

from .blocks import JAXCodeGenerator
from .queue import Queue
from .separation import find_wiring

__all__ = ["EventDriven", "Pathway", "Summed"]

logger = get_logger(__name__)


class EventDriven:
    """
    Event-driven equations, moved in every step.

    They are linear, so that many short steps make the long one between two events; the
    derivative of a spike's effect is then that of an effect at its time.
    """

    def __init__(self, captured, assembly):
        synapses, arrays = captured.runner.group, assembly.arrays
        code = linear(synapses.event_driven, synapses.variables)
        code = re.sub(r"\bdt\b", "(t - lastupdate)", code) + "\nlastupdate = t"
        # All synapses are up to date at the same time: one number instead of many
        last = arrays.key(captured.variables["lastupdate"])
        if len(np.unique(arrays.initial[last])) == 1:
            arrays.initial[last] = arrays.initial[last].reshape(-1)[0]
        own = replace(captured, code={None: code})
        self.run = JAXCodeGenerator(own, arrays).function()

    def __call__(self, step):
        self.run(step)


class Pathway:
    """
    Statements of synapses that an event arrives at: 'synapses'.

    Statements that only add to variables of neurons become matrices; others run for
    every synapse.
    """

    def __init__(self, captured, assembly):
        runner, arrays = captured.runner, assembly.arrays
        own = replace(captured, code={None: runner.code})
        _warn_of_order(own)
        self.queue = Queue(runner, arrays)
        side = "post" if runner.prepost == "pre" else "pre"
        target = f"_{side}synaptic_idx"
        self.wirings = find_wiring(own, assembly, target, self.queue)
        if self.wirings is None:
            smooth = assembly.surrogate_of(runner.source).smooth
            generator = JAXCodeGenerator(own, arrays, smooth=smooth, events=True)
            self.run = generator.function()

    def __call__(self, step):
        self.queue.push(step)
        if self.wirings is None:
            self.run(step, self.queue.at_synapses(step))
            return
        for wiring in self.wirings:
            wiring(step, self.queue)


def _warn_of_order(captured):
    """As Brian2 does, of what depends on the order in which synapses are updated."""
    arguments = captured.statements, captured.variables, captured.indices
    try:
        check_for_order_independence(*arguments)
    except OrderDependenceError:
        logger.warn(
            f"The outcome of '{captured.runner.code}' of '{captured.runner.name}' may "
            "depend on the order of synapses. Here they all start from the same "
            "values, which is not what Brian2 does.",
            name_suffix="order",
        )


class Summed:
    """A variable of neurons that is a sum over synapses: 'summed_variable'."""

    def __init__(self, captured, assembly):
        options, arrays = captured.options, assembly.arrays
        self.target = arrays.key(options["_target_var"])
        self.places = arrays.key(options["_index_var"])
        size = arrays.initial[self.target].size
        stop = options["_target_stop"]
        self.part = slice(options["_target_start"], size if stop < 0 else stop)
        self.whole = self.part == slice(0, size)
        self.size = size
        before = captured.runner.group.variables["_synaptic_pre"]
        side = "pre" if options["_index_var"] is before else "post"
        self.wirings = []
        if captured.elements:
            self.wirings = find_wiring(captured, assembly, f"_{side}synaptic_idx")
        if self.wirings is None:
            generator = JAXCodeGenerator(captured, arrays)
            self.run = generator.function("_synaptic_var")

    def __call__(self, step):
        total = jnp.zeros(self.size, step.before[self.target].dtype)
        if self.wirings is None:
            places = step[self.places]
            value = jnp.broadcast_to(self.run(step), places.shape)
            total += jax.ops.segment_sum(value, places, self.size).astype(total.dtype)
        for wiring in self.wirings or ():
            total += wiring.total(step, None).astype(total.dtype)
        if not self.whole:
            total = step[self.target].at[self.part].set(total[self.part])
        step[self.target] = total
