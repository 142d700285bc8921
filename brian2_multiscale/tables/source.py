"""The transmitter of a mechanism as text, to be kept in a table."""

from dataclasses import dataclass

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER, Equations
from brian2.parsing.statements import parse_statement
from brian2.units.fundamentalunits import Quantity, get_or_create_dimension
from brian2.utils.stringtools import get_identifiers

from ..kinetics.event_model import collect
from ..kinetics.symbolic import SymbolicEquations
from ..kinetics.transmitter import Transmitter
from ..mechanisms.checks import statement_lines
from ..mechanisms.values import unit_text

__all__ = ["TransmitterSource", "equation_line", "exponents_of"]

_BASE_UNITS = ("m", "kg", "s", "A", "K", "mol", "cd")


@dataclass(frozen=True)
class TransmitterSource:
    """
    What a table needs of the mechanism at run time, as plain text and numbers.

    Attributes
    ----------
    equations, on_pre : str
    constants : dict
        Name to (SI number, exponents of the seven base units).
    drivers : tuple of str
    name : str
    """

    equations: str
    on_pre: str
    constants: dict
    drivers: tuple
    name: str

    @property
    def namespace(self):
        """The constants with their units."""
        return {
            name: Quantity(value, dim=get_or_create_dimension(exponents))
            for name, (value, exponents) in self.constants.items()
        }

    def transmitter(self):
        """The `Transmitter` that this text describes."""
        equations = Equations(self.equations)
        symbolic = SymbolicEquations(equations, self.on_pre, self.namespace)
        names = set(symbolic.rates) | symbolic.parameters
        return Transmitter(symbolic, names, self.drivers, self.name)

    @classmethod
    def of(cls, mechanism, model):
        """Extract it from a mechanism and its `EventModel`."""
        equations, on_pre, namespace = collect(mechanism)
        names = _closure(equations, on_pre, model)
        lines = [equation_line(equations[n]) for n in equations if n in names]
        statements = [
            s for s in statement_lines(on_pre) if parse_statement(s)[0] in names
        ]
        text = "\n".join([*lines, *statements])
        used = get_identifiers(text)
        constants = {
            name: (float(np.asarray(v)), exponents_of(v))
            for name, v in namespace.items()
            if name in used
        }
        return cls(
            "\n".join(lines),
            "\n".join(statements),
            constants,
            model.drivers,
            mechanism.name,
        )


def exponents_of(value):
    """Exponents of the seven base units of a quantity or unit."""
    dim = Quantity(value).dim
    return tuple(float(dim.get_dimension(name)) for name in _BASE_UNITS)


def _closure(equations, on_pre, model):
    """Names of the transmitter's variables and of what they are computed from."""
    statements = [parse_statement(s) for s in statement_lines(on_pre)]
    known = set(equations) | {variable for variable, *_ in statements}
    names = set(model.transmitter.variables[:-1]) | set(model.drivers)
    while True:
        found = set(names)
        for variable, _, expression, _ in statements:
            if variable in found:
                found |= get_identifiers(expression) & known
        for name in found & set(equations):
            if equations[name].expr is not None:
                found |= get_identifiers(equations[name].expr.code) & known
        if found == names:
            return names & known
        names = found


def equation_line(equation):
    """One equation as text that Brian2 reads back (`str` prints units it refuses)."""
    unit = unit_text(equation.dim)
    if str(equation.var_type) != "float":
        unit = str(equation.var_type)
    if equation.flags:
        unit += f" ({', '.join(equation.flags)})"
    if equation.type == PARAMETER:
        return f"{equation.varname} : {unit}"
    left = equation.varname
    if equation.type == DIFFERENTIAL_EQUATION:
        left = f"d{left}/dt"
    return f"{left} = {equation.expr.code} : {unit}"
