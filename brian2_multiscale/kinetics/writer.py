"""Abstract code: temporaries and expressions at different moments of a time step."""

from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.parsing.sympytools import sympy_to_str
from brian2.utils.stringtools import get_identifiers

from ..numerics.elimination import eliminate
from .right_hand_sides import symbol

__all__ = ["Moment", "Writer"]


class Writer:
    """Lines of abstract code.

    Parameters
    ----------
    system : `RightHandSides`
        The equations.
    variables : dict
        Brian2's variables and functions by name.
    """

    def __init__(self, system, variables):
        self.system, self.variables = system, variables
        self._statements = {}
        self._is_constant = {}

    @property
    def code(self):
        """Everything written so far."""
        return "\n".join(f"{n} = {e}" for n, e in self._statements.items())

    def assign(self, name, expression):
        """Add a statement, unless it is there already; returns the name."""
        if self._statements.setdefault(name, expression) != expression:
            raise ValueError(f"'{name}' has got two values")
        self._is_constant[name] = self.is_constant(expression)
        return name

    def is_constant(self, expression):
        """Whether an expression has one value for all members of the group."""
        return all(self._is_scalar(name) for name in get_identifiers(expression))

    def _is_scalar(self, name):
        if name in self._is_constant:
            return self._is_constant[name]
        variable = self.variables.get(name, DEFAULT_FUNCTIONS.get(name))
        if isinstance(variable, Function):
            return variable.stateless
        return getattr(variable, "scalar", False)

    def solve(self, system, prefix):
        """Write the solution of a `LinearSystem`; returns the names that hold it."""
        system.constant = {name for name, flag in self._is_constant.items() if flag}
        statements, solution = eliminate(system, prefix)
        for name, expression in statements:
            self.assign(name, expression)
        return solution


class Moment:
    """Expressions of the model evaluated at one moment of the time step.

    Each subexpression that depends on time or on a state is written once, as a
    temporary: Brian2 would evaluate it again for every statement that uses it.

    Parameters
    ----------
    writer : `Writer`
        Where to write the temporaries.
    label : str
        Part of their names.
    values : dict
        Text of what everything that changes in time is at that moment, by name.
    earlier : `Moment`, optional
        Another one whose temporaries are used for what does not change.
    """

    def __init__(self, writer, label, values, earlier=None):
        self.writer, self.label, self.earlier = writer, label, earlier
        self._changing = set(values)
        self._values = dict(values)
        self._rates = {}

    def changes(self, expr):
        """Whether an expression depends on anything that changes in time."""
        return not self.writer.system.names_in(expr).isdisjoint(self._changing)

    def text(self, expr):
        """An expression as text."""
        subexpressions = self.writer.system.subexpressions
        names = {s.name for s in expr.free_symbols}
        for name in (n for n in subexpressions if n in names):
            if name not in self._values and self.changes(subexpressions[name]):
                self._write(name, subexpressions[name])
        values = {symbol(n): symbol(self._values[n]) for n in names & set(self._values)}
        return sympy_to_str(expr.xreplace(values))

    def _write(self, name, expr):
        text = self.text(expr)
        self._values[name] = self.writer.assign(f"_value_{self.label}_{name}", text)

    def rate(self, expr):
        """Name of a temporary that holds ``dt`` times an expression; "0" if zero."""
        if expr == 0:
            return "0"
        if self.earlier is not None and not self.changes(expr):
            return self.earlier.rate(expr)
        if expr not in self._rates:
            name = f"_rate{len(self._rates)}_{self.label}"
            self._rates[expr] = self.writer.assign(name, f"dt*({self.text(expr)})")
        return self._rates[expr]
