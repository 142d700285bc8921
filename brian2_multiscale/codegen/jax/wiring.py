"""Synapses that only add: one matrix, made before the first step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from brian2.codegen.statements import Statement

from .blocks import JAXCodeGenerator

__all__ = ["Sides", "Wiring"]

# A matrix beats a list of synapses from about this share of connections on (measured
# with 1000 neurons, 1 and 16 trials), if it is not huge
_DENSE = 1 / 15
_LARGEST = 2.5e7


class Sides:
    """
    Which neurons synapses come from, and which they add to.

    Parameters
    ----------
    captured : `Captured`
    arrays : `Arrays`
    source, target : str
        Names of the indices: '_presynaptic_idx' and '_postsynaptic_idx' or reverse.
    variable : `Variable`
        What is added to.
    """

    def __init__(self, captured, arrays, source, target, variable):
        every = captured.runner.group.variables
        self.source, self.target = source, target
        self.source_key = arrays.key(every[source])
        self.target_key = arrays.key(every[target])
        self.sources = np.asarray(arrays.values(every[source]))
        self.targets = np.asarray(arrays.values(every[target]))
        self.variable = arrays.key(variable)
        self.size = arrays.initial[self.variable].size
        # Only the part of a group that has synapses
        self.rows = slice(int(self.sources.min()), int(self.sources.max()) + 1)
        self.columns = slice(int(self.targets.min()), int(self.targets.max()) + 1)
        self.whole = self.columns == slice(0, self.size)
        self.shape = tuple(s.stop - s.start for s in (self.rows, self.columns))

    def is_dense(self, delays):
        """Whether matrices, one for each of some delays, are the faster form."""
        cells = self.shape[0] * self.shape[1] * delays
        return len(self.sources) > _DENSE * cells and cells < _LARGEST


class Wiring:
    r"""
    Adds :math:`c_j \sum_i w_{ij} b_i s_i` to a variable of neurons.

    Here :math:`s_i` are the events (1 for summed variables) and the weight, the factor
    of the source and that of the target are expressions.

    Parameters
    ----------
    captured : `Captured`
    assembly : `Assembly`
    queue : `Queue` or None
    sides : `Sides`
    factors : tuple of str
        Expressions of weight, source and target.
    condition : str or None
        Name of the condition under which the variable of the target may be written.
    """

    def __init__(self, captured, assembly, queue, sides, factors, condition=None):
        arrays = assembly.arrays
        self.sides, self.dtype = sides, arrays.dtype
        self.name = f"{captured.runner.name}._wiring{len(assembly.prepare)}"
        self.weight = _value(captured, arrays, factors[0], None)
        self.source = _value(captured, arrays, factors[1], sides.source)
        self.target = _value(captured, arrays, factors[2], sides.target)
        self.condition = condition and arrays.key(captured.variables[condition])
        self.delays = queue.delays if queue else np.zeros(len(sides.sources), int)
        distinct = np.unique(self.delays).tolist()
        self.distinct = distinct if sides.is_dense(len(distinct)) else None
        assembly.prepare.append(self.prepare)

    def prepare(self, step):
        """The weights in the form that the steps need."""
        shape = self.sides.sources.shape
        weight = jnp.broadcast_to(self.weight(step), shape).astype(self.dtype)
        if self.distinct is None:
            return {self.name: weight}
        return {
            f"{self.name}_{delay}": self._matrix(weight, self.delays == delay)
            for delay in self.distinct
        }

    def _matrix(self, weight, chosen):
        sides = self.sides
        rows = sides.sources[chosen] - sides.rows.start
        columns = sides.targets[chosen] - sides.columns.start
        zeros = jnp.zeros(sides.shape, self.dtype)
        return zeros.at[rows, columns].add(weight[chosen])

    def total(self, step, queue):
        """What is to be added to each target in this step."""
        source = jnp.asarray(self.source(step)).astype(self.dtype)
        by_synapse = self.distinct is None
        total = (self._by_synapse if by_synapse else self._by_matrix)(
            step, queue, source
        )
        total = total * self.target(step)
        if self.condition:
            total = jnp.where(step[self.condition], total, 0)
        return total.astype(self.dtype)

    def _by_synapse(self, step, queue, source):
        value = step[self.name]
        if queue is not None:
            value = value * queue.at_synapses(step)
        value = value * (source[step[self.sides.source_key]] if source.ndim else source)
        places = step[self.sides.target_key]
        return jax.ops.segment_sum(value, places, self.sides.size)

    def _by_matrix(self, step, queue, source):
        total, rows = 0, self.sides.rows
        for delay in self.distinct:
            amount = queue.after(step, delay)[rows] if queue is not None else 1.0
            amount = amount * (source[rows] if source.ndim else source)
            amount = jnp.broadcast_to(amount, self.sides.shape[:1])
            total += amount.astype(self.dtype) @ step[f"{self.name}_{delay}"]
        if not self.sides.whole:
            zeros = jnp.zeros(self.sides.size, self.dtype)
            total = zeros.at[self.sides.columns].set(total)
        return total

    def __call__(self, step, queue):
        key = self.sides.variable
        step[key] = step[key] + self.total(step, queue)


def _value(captured, arrays, text, index):
    """A function of a time step: an expression, for all neurons on one side."""
    indices = {n: "_idx" if i == index else i for n, i in captured.indices.items()}
    own = replace(captured, indices=indices)
    statement = Statement("_value", ":=", text, "", np.float64, scalar=False)
    generator = JAXCodeGenerator(own, arrays, statements=[statement])
    return generator.function("_value")
