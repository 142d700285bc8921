"""The differential equations of a model as symbolic expressions."""

import sympy
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.parsing.sympytools import str_to_sympy

from .differentiation import derivative

__all__ = ["RightHandSides", "symbol"]


def symbol(name):
    """The sympy symbol that Brian2 uses for a name."""
    if name in ("t", "dt"):
        return sympy.Symbol(name, real=True, positive=True)
    return sympy.Symbol(name, real=True)


class RightHandSides:
    """Right-hand sides of the differential equations; subexpressions stay names.

    Parameters
    ----------
    equations : `~brian2.equations.equations.Equations`
        The model.
    variables : dict, optional
        Brian2's variables and functions by name.

    Attributes
    ----------
    states : tuple of str
        Names of the variables with a differential equation, in order of definition.
    rhs : dict
        Name -> right-hand side (sympy).
    subexpressions : dict
        Name -> expression (sympy), in an order in which each refers to earlier ones.
    """

    def __init__(self, equations, variables=None):
        self.rhs, self.subexpressions = {}, {}
        for eq in equations.ordered:
            if eq.type == SUBEXPRESSION:
                self.subexpressions[eq.varname] = str_to_sympy(eq.expr.code, variables)
        for name, eq in equations.items():
            if eq.type == DIFFERENTIAL_EQUATION:
                self.rhs[name] = str_to_sympy(eq.expr.code, variables)
        self._update()

    def _update(self):
        self.states = tuple(self.rhs)
        self._names = {}
        for name, expr in self.subexpressions.items():
            self._names[name] = self.names_in(expr)

    def names_in(self, expr):
        """All names that an expression depends on, through subexpressions."""
        found = {s.name for s in expr.free_symbols}
        return found.union(*(self._names.get(name, ()) for name in found))

    def dependencies(self, state):
        """States that the derivative of a state depends on."""
        return {n for n in self.names_in(self.rhs[state]) if n in self.rhs}

    def expand(self, expr, states):
        """Substitute those subexpressions that depend on one of the given states."""
        for name in reversed(self.subexpressions):
            if name in {s.name for s in expr.free_symbols} and not self._names[
                name
            ].isdisjoint(states):
                expr = expr.xreplace({symbol(name): self.subexpressions[name]})
        return expr

    def expanded(self, state, states):
        """Right-hand side of `state` with its dependence on `states` explicit."""
        return self.expand(self.rhs[state], states)

    def jacobian_entry(self, of, by):
        """Derivative of the right-hand side of one state by another state."""
        return derivative(self.expanded(of, {by}), symbol(by))

    def complement(self, name, terms):
        """A copy in which ``name = constant - sum(terms)`` has its own equation."""
        copy = object.__new__(RightHandSides)
        copy.rhs = {**self.rhs, name: -sympy.Add(*(self.rhs[s] for s in terms))}
        copy.subexpressions = {
            n: e for n, e in self.subexpressions.items() if n != name
        }
        copy._update()
        return copy
