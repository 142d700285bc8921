"""A network as one function of its arrays: all time steps in a loop."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from .step import Step

__all__ = ["Simulation", "Timing"]


@dataclass
class Timing:
    """
    When steps are.

    Attributes
    ----------
    t, timestep : list of str
        Names of the arrays of all clocks.
    start : int
        Number of the first step.
    dt : float
        In seconds.
    steps : int
    """

    t: list
    timestep: list
    start: int
    dt: float
    steps: int

    def tell(self, step):
        """Set the time of a step."""
        number = self.start + step.number.astype(jnp.int64)
        for key in self.timestep:
            step[key] = number
        for key in self.t:
            step[key] = number * self.dt


class Simulation:
    """
    All time steps of a network.

    Parameters
    ----------
    parts : list of callable
        ``part(step)``, in the order of a time step.
    prepare : list of callable
        ``prepare(step)``: dict of arrays to compute once.
    timing : `Timing`
    dtype : type
        Of random numbers.
    checkpoint : bool
        Keep the states at some times only and compute those between twice.
    """

    def __init__(self, parts, prepare, timing, dtype, checkpoint=True):
        self.parts, self.prepare, self.timing = parts, prepare, timing
        self.dtype, self.checkpoint = dtype, checkpoint

    def __call__(self, values, given, seed):
        """
        Run.

        Parameters
        ----------
        values : dict of str to array
            Initial values and constants, all of them.
        given : dict of str to array
            What comes from outside in every step, (steps, ...).
        seed : JAX key

        Returns
        -------
        dict of str to array
            What is recorded, (steps, ...).
        """
        before = Step(values, jnp.int32(0), seed, self.dtype, {})
        fixed = dict(values)
        for prepare in self.prepare:
            fixed |= prepare(before)
        carried = self._carried(fixed, given, seed)
        state = {key: jnp.asarray(fixed.pop(key)) for key in carried}

        def move(state, xs):
            step = self._step({**fixed, **state}, *xs, seed)
            return {key: step.now[key] for key in state}, step.recorded

        numbers = jnp.arange(self.timing.steps, dtype=jnp.int32)
        return self._loop(move, state, (numbers, given))

    def _step(self, before, number, given, seed):
        seed = jax.random.fold_in(seed, number)
        step = Step(before, number, seed, self.dtype, given)
        self.timing.tell(step)
        for part in self.parts:
            part(step)
        return step

    def _carried(self, fixed, given, seed):
        """Names of what a step writes, and reads before it does."""
        found = []

        def trace(number, inputs):
            step = self._step(fixed, number, inputs, seed)
            found.extend(sorted(step.read & set(step.now)))

        first = {name: value[0] for name, value in given.items()}
        jax.eval_shape(trace, jnp.int32(0), first)
        return found

    def _loop(self, move, state, xs):
        if not self.checkpoint:
            return lax.scan(move, state, xs)[1]
        steps = self.timing.steps
        length, count = _segments(steps)
        if length * count > steps:
            move = _only_before(steps, move)
            xs = jax.tree.map(partial(_padded, extra=length * count - steps), xs)
            xs = (jnp.arange(length * count, dtype=jnp.int32), xs[1])
        segment = jax.checkpoint(lambda s, x: lax.scan(move, s, x), prevent_cse=False)
        xs = jax.tree.map(lambda x: x.reshape(count, length, *x.shape[1:]), xs)
        found = lax.scan(segment, state, xs)[1]
        return jax.tree.map(lambda y: y.reshape(-1, *y.shape[2:])[:steps], found)


def _segments(steps):
    """Length and number of segments: both about the root of the number of steps."""
    root = math.sqrt(steps)
    lengths = range(math.ceil(root / 2), math.floor(2 * root) + 1)
    exact = [n for n in lengths if steps % n == 0]
    length = min(exact, key=lambda n: abs(n - root)) if exact else math.ceil(root)
    return length, math.ceil(steps / length)


def _padded(x, extra):
    return jnp.pad(x, [(0, extra)] + [(0, 0)] * (x.ndim - 1))


def _only_before(steps, move):
    """Steps up to some number; nothing happens in later ones."""

    def careful(state, xs):
        recorded = jax.eval_shape(move, state, xs)[1]
        empty = jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), recorded)
        return lax.cond(xs[0] < steps, move, lambda s, x: (s, empty), state, xs)

    return careful
