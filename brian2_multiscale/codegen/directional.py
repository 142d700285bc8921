"""Derivatives of straight-line programs in the direction of moving parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp

from .straightline import names_in, symbol

__all__ = ["Directional", "derivative_name"]


def derivative_name(variable, parameter):
    """Name of the derivative of a variable by a parameter: ``S_v_gl``."""
    return f"S_{variable}_{parameter}"


@dataclass
class Directional:
    r"""
    Forward derivatives of a program, statement by statement.

    With :math:`x = f(y, p)` for every statement, the statements
    :math:`\dot x_p = \sum_y f_y\,\dot y_p + f_p` are put in front of it, so that the
    derivative is that of the program itself (of the numerical method), exactly. Partial
    derivatives are computed once for all parameters.

    Attributes
    ----------
    parameters : tuple of str
    known : dict of str to dict of str to sympy expression
        ``known[variable][parameter]``: derivatives before the program; zeros are left
        out.
    differentiate : callable
        ``differentiate(expression, symbol)``.
    prefix : str
        Beginning of the names that are made.
    """

    parameters: tuple
    known: dict
    differentiate: Callable = sp.diff
    prefix: str = "_t"
    statements: list = field(default_factory=list)

    def __call__(self, program):
        """
        Go through a program.

        Parameters
        ----------
        program : list of (str, sympy expression)

        Returns
        -------
        statements : list of (str, sympy expression)
            The program with its derivatives.
        derivatives : dict of str to dict of str to sympy expression
            ``derivatives[variable][parameter]`` after it.
        """
        now = {name: dict(row) for name, row in self.known.items()}
        self.statements = []
        for number, (name, value) in enumerate(program):
            now[name] = self._row(number, name, value, now)
            self.statements.append((name, value))
        return self.statements, now

    def _row(self, number, name, value, now):
        inner = [y for y in sorted(names_in(value)) if now.get(y)]
        partial = {y: self._partial(number, y, value) for y in inner}
        row = {}
        for p in self.parameters:
            total = sum(partial[y] * now[y].get(p, 0) for y in inner)
            if p in names_in(value) and p not in now:
                total += self._partial(number, p, value)
            row |= self._named(f"{self.prefix}_{number}_{name}_{p}", p, total)
        return row

    def _partial(self, number, name, value):
        found = self.differentiate(value, symbol(name))
        label = f"{self.prefix}_{number}_by_{name}"
        return self._named(label, name, found).get(name, sp.S.Zero)

    def _named(self, label, key, value):
        """What a derivative is called, if it is neither zero nor a name already."""
        value = sp.sympify(value)
        if value == 0:
            return {}
        if value.is_Number or value.is_Symbol:
            return {key: value}
        if label not in (name for name, _ in self.statements):
            self.statements.append((label, value))
        return {key: symbol(label)}
