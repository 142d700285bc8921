"""Numbers and synapses per pair of populations, for `Synapses` between neurons."""

from dataclasses import dataclass

import numpy as np
from brian2.equations.codestrings import Expression
from brian2.equations.equations import (
    PARAMETER,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.groups.group import Group
from brian2.input.timedarray import TimedArray
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..codegen.straightline import names_in, symbol
from ..matrices import with_unit

__all__ = ["Pairs", "Side", "number_matrices", "with_numbers"]


# As in `Synapses`, N_pre and N_post are numbers of neurons, here of populations
_COUNTS = {"N_pre": "number_of_sources", "N_post": "number_of_targets"}


def number_matrices(projection, counts=True):
    """What a pair of populations has: weight, parameters, numbers of neurons."""
    matrices = dict(projection.pair_parameters)
    if projection.weights is not None:
        matrices["w"] = projection.weights
    used = set().union(*(names_in(t.weight) for t in projection.rule.targets))
    sizes = {
        "N_pre": projection.source.sizes[:, np.newaxis],
        "N_post": projection.target.sizes[np.newaxis, :],
    }
    for name in used & set(_COUNTS) if counts else ():
        numbers = np.broadcast_to(sizes[name], projection.shape)
        matrices[_COUNTS[name]] = with_unit(numbers, DIMENSIONLESS)
    return matrices


def with_numbers(expression):
    """An expression in which N_pre and N_post are those of the populations."""
    return expression.xreplace({symbol(n): symbol(m) for n, m in _COUNTS.items()})


@dataclass
class Side:
    """
    Single neurons, in populations that lie one after the other.

    Attributes
    ----------
    group : Group
        With the variable ``population`` if there are several populations.
    edges : ndarray of int
        Where the populations begin, and where the last one ends.
    first : int or None
        Index of the first population.
    """

    group: Group
    edges: np.ndarray
    first: int | None

    @property
    def count(self):
        return len(self.edges) - 1

    def index(self, suffix):
        """Expression for the population of a neuron, counted from the first."""
        return "0" if self.count == 1 else f"(population_{suffix} - {self.first})"


class Pairs:
    """
    Values per pair of populations in the equations of synapses.

    One pair has parameters, as ordinary synapses do. For several pairs the values are
    looked up in tables, which needs no memory per synapse.

    Parameters
    ----------
    projection : Projection
    source, target : Side
    suffix : str
        Of the names of the tables.
    """

    def __init__(self, projection, source, target, suffix):
        self.projection, self.source, self.target = projection, source, target
        self.suffix = suffix
        self.single = source.count == target.count == 1
        self.matrices = number_matrices(projection, counts=not self.single)
        self.tables = {}

    def with_numbers(self, expression):
        """An expression in which N_pre and N_post are those of the populations."""
        return expression if self.single else with_numbers(expression)

    def equations(self):
        """Parameters, or subexpressions that look them up; None if there are none."""
        single = [self._equation(n, matrix) for n, matrix in self.matrices.items()]
        return Equations(single) if single else None

    def _equation(self, name, matrix):
        if self.single:
            return SingleEquation(PARAMETER, name, matrix.dim)
        code = Expression(self._looked_up(name, matrix))
        return SingleEquation(SUBEXPRESSION, name, matrix.dim, expr=code)

    def _looked_up(self, name, matrix):
        table = f"{name}_of_pairs"
        # Rows are "times", from the middle of which the table is read
        self.tables[table] = TimedArray(
            with_unit(matrix, matrix.dim),
            dt=1 * second,
            name=f"{self.projection.name}_{table}{self.suffix}",
        )
        row, column = self.source.index("pre"), self.target.index("post")
        return f"{table}(({row} + 0.5)*second, {column})"

    def connect(self, synapses, chosen):
        """Make the synapses of the chosen pairs (boolean matrix), set parameters."""
        p = np.where(chosen, self.projection.probability, 0)
        if self.projection.multapses:
            # All to all is all to all
            self._choose_sources(synapses, np.where(p < 1, p, 0))
            p = np.where(p < 1, 0, p)
        self._choose_targets(synapses, p)
        if self.single:
            for name, matrix in self.matrices.items():
                setattr(synapses, name, matrix[0, 0])

    def _choose_targets(self, synapses, p):
        if self.single:
            if p[0, 0] > 0:
                synapses.connect(p=float(p[0, 0]))
            return
        edges = self.target.edges
        for column in np.flatnonzero(p.any(axis=0)):
            name = f"p_to_{column}"
            chance = self._of_side(synapses, name, p[:, column], "pre")
            synapses.connect(
                j=f"k for k in sample({edges[column]}, {edges[column + 1]}, p={chance})"
            )

    def _choose_sources(self, synapses, p):
        """Every neuron has as many synapses as expected, from any sources."""
        edges = self.source.edges
        for row in np.flatnonzero(p.any(axis=1)):
            number = edges[row + 1] - edges[row]
            source = f"{edges[row]} + int(floor(rand()*{number}))"
            whole, rest = np.divmod(p[row] * number, 1)
            count = self._of_side(synapses, f"count_from_{row}", whole, "post")
            synapses.connect(i=f"{source} for k in range(int({count} + 0.5))")
            # One more for some, so that the expected number is right
            if np.any(rest > 1e-9):
                chance = self._of_side(synapses, f"more_from_{row}", rest, "post")
                synapses.connect(i=f"{source} for k in sample(0, 1, p={chance})")

    def _of_side(self, synapses, name, values, suffix):
        """Expression for a number that depends on the population of a neuron."""
        side = self.source if suffix == "pre" else self.target
        if side.count == 1:
            return repr(float(values[0]))
        table = TimedArray(
            np.ascontiguousarray(values),
            dt=1 * second,
            name=f"{self.projection.name}_{name}{self.suffix}",
        )
        synapses.namespace[name] = table
        return f"{name}(({side.index(suffix)} + 0.5)*second)"
