"""Microscopic reversibility: Kolmogorov's criterion for the cycles of a scheme."""

import math
from dataclasses import dataclass

import sympy
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str

from ..numerics.cycles import cycle_basis
from .evaluation import evaluate, free_names

__all__ = ["Cycle", "cycles_of", "violates"]


@dataclass(frozen=True)
class Cycle:
    """A cycle of states.

    Attributes
    ----------
    states : tuple of str
        In order; the last one reacts with the first.
    expression : str
        Product of the rates in this direction over the product in the other, as a
        Brian2 expression in which everything that occurs on both sides is cancelled;
        ``'inf'`` or ``'0'`` if one-way reactions admit one direction only.
    """

    states: tuple
    expression: str

    @property
    def one_way(self):
        """Whether reactions without way back admit one direction only."""
        return self.expression in ("inf", "0")

    @property
    def names(self):
        """Names on which the ratio depends."""
        return free_names(self.expression)

    def ratio(self, values):
        """Value of the expression; 1 for a reversible cycle."""
        return float(evaluate(self.expression, values))

    def __str__(self):
        return " - ".join((*self.states, self.states[0]))


def cycles_of(lines, states):
    """A basis of the cycles of a scheme.

    Parameters
    ----------
    lines : list of `Reaction`
        The scheme.
    states : sequence of str
        Its states.

    Returns
    -------
    list of `Cycle`
        Cycles that one-way reactions block in both directions are left out.
    """
    index = {state: k for k, state in enumerate(states)}
    edges = [(index[line.left], index[line.right]) for line in lines]
    cycles = []
    for path in cycle_basis(len(states), edges):
        steps = [(lines[k], direction) for k, direction in path]
        blocked = {d for line, d in steps if line.backward is None}
        if len(blocked) < 2:
            names = tuple(_start(line, d) for line, d in steps)
            cycles.append(Cycle(names, _ratio(steps, blocked)))
    return cycles


def _start(line, direction):
    return line.left if direction == 1 else line.right


def _ratio(steps, one_way):
    if one_way:
        return "inf" if one_way == {1} else "0"
    ratio = sympy.Mul(
        *(
            (str_to_sympy(line.forward) / str_to_sympy(line.backward)) ** direction
            for line, direction in steps
        )
    )
    return sympy_to_str(ratio)


def violates(ratio, rtol):
    """Whether a ratio differs from one by more than a fraction; nan does not."""
    return not math.isnan(ratio) and abs(ratio - 1) > rtol * max(1, min(ratio, 1e300))
