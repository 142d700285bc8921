"""Equation strings as sympy expressions of raw variables, in SI numbers."""

import functools

import numpy as np
import sympy as sp
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.parsing.statements import parse_statement
from brian2.parsing.sympytools import str_to_sympy

__all__ = ["SymbolicEquations", "numeric"]

_NUMPY = {
    "int_": lambda x: np.asarray(x, dtype=float),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "exprel": lambda x: np.where(
        np.abs(x) < 1e-12, 1.0, np.expm1(x) / np.where(x == 0, 1, x)
    ),
}


@functools.cache
def symbol(name):
    """The sympy symbol that Brian2's parser makes of a name."""
    # Brian2 assumes more of some names (dt > 0) than of others.
    return str_to_sympy(name)


def numeric(arguments, expression):
    """A numpy function of the named ``arguments``."""
    symbols = [symbol(a) for a in arguments]
    return sp.lambdify(symbols, expression, [_NUMPY, "numpy"], cse=True)


class SymbolicEquations:
    """
    Equations and event statements with every constant replaced by its SI number.

    Parameters
    ----------
    equations : `Equations`
        Differential equations, subexpressions and parameters.
    on_event : str
        Statements executed at an event (``on_pre``).
    namespace : dict
        Constants: name to `Quantity` or number.

    Attributes
    ----------
    rates : dict
        Right-hand side of every differential equation, in terms of differential
        variables, parameters, ``t`` and names that are unknown here (``v``).
    subexpressions : dict
        The same for the subexpressions.
    statements : list of (str, expression)
        The value after the event of every variable that the statements change, in
        terms of the values before it.
    """

    def __init__(self, equations, on_event, namespace):
        self._numbers = {}
        # An event of a clock-driven simulation acts at the end of its step; here
        # time is continuous.
        for known in (DEFAULT_UNITS, DEFAULT_CONSTANTS, {"dt": 0.0}, namespace):
            for name, value in known.items():
                self._numbers[symbol(name)] = sp.Float(float(_number(value)), 17)
        defined = set(equations.names)
        for name in defined:
            self._numbers.pop(symbol(name), None)
        self.parameters = {n for n, e in equations.items() if e.type == PARAMETER}
        self._direct = {
            symbol(n): self._parse(equations[n].expr.code)
            for n in equations.subexpr_names
        }
        self.subexpressions = {s.name: self.expand(s) for s in self._direct}
        self.rates = {
            # Not `diff_eq_names`, whose order changes from process to process.
            name: self._parse(equation.expr.code)
            for name, equation in equations.items()
            if equation.type == DIFFERENTIAL_EQUATION
        }
        self.statements = self._after_event(on_event)

    def _after_event(self, on_event):
        """Execute the statements symbolically; local names vanish."""
        now = {}
        for part in on_event.replace(";", "\n").splitlines():
            if part.split("#")[0].strip():
                variable, value = self._statement(part)
                now[symbol(variable)] = self.expand(value).xreplace(now)
        known = set(self.rates) | self.parameters
        return [(s.name, value) for s, value in now.items() if s.name in known]

    def _parse(self, code):
        parsed = str_to_sympy(code).replace(
            # Comparisons need to know that these functions are real.
            lambda e: isinstance(e, sp.core.function.AppliedUndef),
            lambda e: sp.Function(e.func.__name__, real=True)(*e.args),
        )
        return parsed.xreplace(
            {s: self._numbers[s] for s in parsed.free_symbols & set(self._numbers)}
        )

    def _statement(self, text):
        variable, operation, expression, _ = parse_statement(text.strip())
        value = self._parse(expression)
        if operation != "=":
            old = symbol(variable)
            value = {
                "+=": old + value,
                "-=": old - value,
                "*=": old * value,
                "/=": old / value,
            }[operation]
        return variable, value

    def expand(self, expression, containing=None):
        """
        Replace subexpressions by what they stand for.

        With ``containing`` (names of variables) only those that contain one of them.
        """
        opened = set(self._direct)
        if containing is not None:
            wanted = {symbol(n) for n in containing}
            opened = {
                symbol(n)
                for n, e in self.subexpressions.items()
                if e.free_symbols & wanted
            }
        while True:
            found = expression.free_symbols & opened
            if not found:
                return expression
            expression = expression.xreplace({s: self._direct[s] for s in found})


def _number(value):
    # Brian2's own constants (pi, e, inf) are `Constant` objects.
    value = value.get_value() if hasattr(value, "get_value") else value
    return np.asarray(value).item()
