"""Find the linear blocks in a system of differential equations."""

from dataclasses import dataclass

import numpy as np
import sympy
from scipy.sparse.csgraph import connected_components

from .differentiation import NotDifferentiableError
from .right_hand_sides import RightHandSides, symbol

__all__ = ["Block", "split"]


@dataclass(frozen=True)
class Block:
    """States with ``ds/dt = A s + b``, where `A` and `b` do not depend on them.

    Attributes
    ----------
    states : tuple of str
        Names, in order of definition.
    matrix : dict
        ``(i, j) -> sympy.Expr``: derivative of the right-hand side of state `i` by
        state `j`; zeros are left out.
    source : dict
        ``i -> sympy.Expr``: what remains with all states at zero.
    complement : str or None
        Name of the one state that is a subexpression (one minus all the others).
    """

    states: tuple
    matrix: dict
    source: dict
    complement: str = None


class _Couplings:
    """Which states depend on which, and which of these dependences are linear."""

    def __init__(self, system):
        self.system = system
        self.depends = {s: system.dependencies(s) for s in system.states}
        self._entries = {}

    def entry(self, i, j):
        """Derivative of the right-hand side of `i` by `j`; None if not known."""
        if (i, j) not in self._entries:
            try:
                entry = self.system.jacobian_entry(i, j)
            except NotDifferentiableError:
                entry = None
            self._entries[i, j] = entry
        return self._entries[i, j]

    def nonlinear_with(self, i, j, states):
        """Those of `states` on which the entry ``(i, j)`` depends."""
        entry = self.entry(i, j)
        if entry is None:
            return {j}
        partners = self.system.names_in(entry) & states
        if partners:  # perhaps only for want of simplification
            entry = sympy.expand(self.system.expand(entry, states))
            partners = self.system.names_in(entry) & states
            if not partners:
                self._entries[i, j] = entry
        return partners

    def partners(self, states):
        """For each state, the states with which it occurs in a product."""
        partners = {s: set() for s in states}
        for i in states:
            for j in self.depends[i] & states:
                for k in self.nonlinear_with(i, j, states):
                    partners[j].add(k)
                    partners[k].add(j)
        return partners

    def components(self, states):
        """Sets of mutually dependent states."""
        states = [s for s in self.system.states if s in states]
        graph = [[j in self.depends[i] for j in states] for i in states]
        n, label = connected_components(np.array(graph), connection="strong")
        return [
            {s for s, k in zip(states, label, strict=True) if k == c} for c in range(n)
        ]

    def exchange(self, i, j):
        """Whether something that leaves state `j` arrives in state `i`."""
        if j not in self.depends[i]:
            return False
        arrives, leaves = self.entry(i, j), self.entry(j, j)
        if arrives is None or leaves is None:
            return False
        gains = {a for c, a in _terms(arrives) if c > 0}
        return not gains.isdisjoint(a for c, a in _terms(leaves) if c < 0)


def _terms(expr):
    return [term.as_coeff_Mul() for term in sympy.Add.make_args(sympy.expand_mul(expr))]


def _linear_parts(couplings, states, has_dimensions):
    """Mutually dependent states without the ones that keep them from being linear."""
    if len(states) < 2:
        return [states]
    partners = couplings.partners(states)
    if not any(partners.values()):
        return [states]
    worst = max(
        (s for s in couplings.system.states if s in states),
        key=lambda s: (len(partners[s]), s in has_dimensions),
    )
    rest = couplings.components(states - {worst})
    return [p for part in rest for p in _linear_parts(couplings, part, has_dimensions)]


def _merge_exchanging(couplings, groups):
    """Unite groups between which something flows one way, if still linear."""
    groups = [g for g in groups if not any(couplings.partners(g).values())]
    pairs = [(i, j) for j in set().union(*groups) for i in couplings.depends if i != j]
    for i, j in sorted(pairs):
        one = next(g for g in groups if j in g)
        other = next((g for g in groups if i in g), None)
        if other is None or one is other or not couplings.exchange(i, j):
            continue
        union = one | other
        if not any(couplings.partners(union).values()):
            groups = [g for g in groups if g not in (one, other)] + [union]
    return groups


def _block(couplings, states, complement=None):
    system = couplings.system
    ordered = tuple(s for s in system.states if s in states)
    matrix = {
        (i, j): couplings.entry(si, sj)
        for i, si in enumerate(ordered)
        for j, sj in enumerate(ordered)
        if sj in couplings.depends[si]
    }
    at_zero = {symbol(s): sympy.S.Zero for s in ordered}
    source = {
        i: system.expanded(s, states).xreplace(at_zero) for i, s in enumerate(ordered)
    }
    return Block(
        ordered,
        {key: entry for key, entry in matrix.items() if entry != 0},
        {i: expr for i, expr in source.items() if expr != 0},
        complement,
    )


def _complements(system):
    """Subexpressions of the form constant minus a sum of states."""
    for name, expr in system.subexpressions.items():
        rest, summed = expr.as_independent(
            *(symbol(s) for s in system.states), as_Add=True
        )
        states = [-term for term in sympy.Add.make_args(summed)]
        fixed = not ({"t", "t_in_timesteps"} | set(system.subexpressions)) & (
            system.names_in(rest)
        )
        if fixed and all(s.is_Symbol and s.name in system.rhs for s in states):
            yield name, {s.name for s in states}


def _groups(system, has_dimensions):
    couplings = _Couplings(system)
    parts = []
    for component in couplings.components(set(system.states)):
        parts += _linear_parts(couplings, component, has_dimensions)
    groups = _merge_exchanging(couplings, parts)
    return couplings, [g for g in groups if len(g) > 1]


def split(equations, variables=None):
    """Split differential equations into linear blocks and single equations.

    Two states belong to one block if each depends on the other, directly or through
    others, or if what leaves one arrives in the other, and if the derivatives of the
    whole block are linear (affine) in its states; their coefficients may depend on
    anything else: time, other variables, functions. The variables that stand in the
    way (the voltage in ``alpha(v)*C``) are taken out, the one with the most nonlinear
    partners first.

    If one state of a scheme is written as ``R0 = 1 - (R1 + R2 + ...)``, it is a
    member of the block all the same.

    Parameters
    ----------
    equations : `~brian2.equations.equations.Equations`
        The model.
    variables : dict, optional
        Brian2's variables and functions by name.

    Returns
    -------
    system : `RightHandSides`
        The equations.
    singles : tuple of str
        Variables outside of any block.
    blocks : list of `Block`
        The blocks, in order of definition.
    """
    system = RightHandSides(equations, variables)
    dimensions = equations.dimensions
    has_dimensions = {s for s in system.states if not dimensions[s].is_dimensionless}
    complements = {}
    for name, states in _complements(system):
        trial = system.complement(name, states)
        _, groups = _groups(trial, has_dimensions)
        if any(states | {name} == g for g in groups):
            system, complements[name] = trial, states
    couplings, groups = _groups(system, has_dimensions)
    groups.sort(key=lambda g: min(system.states.index(s) for s in g))
    blocks = [
        _block(couplings, g, next((c for c in complements if c in g), None))
        for g in groups
    ]
    inside = set().union(*groups)
    singles = tuple(s for s in system.states if s not in inside)
    return system, singles, blocks
