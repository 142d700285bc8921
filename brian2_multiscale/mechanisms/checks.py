"""Names and units of a mechanism file."""

import re

import numpy as np
from brian2.core.namespace import (
    DEFAULT_CONSTANTS,
    DEFAULT_FUNCTIONS,
    DEFAULT_UNITS,
)
from brian2.core.variables import Variable
from brian2.equations.equations import (
    BOOLEAN,
    DIFFERENTIAL_EQUATION,
    INTEGER,
    PARAMETER,
)
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.statements import parse_statement
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    get_dimensions,
)
from brian2.utils.stringtools import get_identifiers

from .body import check_expression
from .values import unit_text

__all__ = ["check_file", "external_names", "statement_lines"]

_KNOWN = {**DEFAULT_FUNCTIONS, **DEFAULT_CONSTANTS, **DEFAULT_UNITS}
_SPECIAL = {
    "t": second.dim,
    "dt": second.dim,
    "lastspike": second.dim,
    "lastupdate": second.dim,
    "not_refractory": DIMENSIONLESS,
    "t_in_timesteps": DIMENSIONLESS,
    "i": DIMENSIONLESS,
    "j": DIMENSIONLESS,
    "N": DIMENSIONLESS,
}
_STATEMENTS = ("on_pre", "reset")
_EXPRESSIONS = ("threshold", "refractory", "hazard")
_TYPES = {BOOLEAN: bool, INTEGER: np.int32}


def statement_lines(text):
    """Return the statements of a multi-line text, without comments."""
    lines = re.split(r"[\n;]", text or "")
    return [c for c in (line.split("#")[0].strip() for line in lines) if c]


def external_names(file):
    """
    Return the names that a mechanism uses without defining them.

    Parameters
    ----------
    file : `MechanismFile`

    Returns
    -------
    dict
        Name to `Dimension`, or to None if the file does not tell.
    """
    known = {*file.names, *_KNOWN, *_SPECIAL}
    used = set()
    for equation in file.body.equations.values():
        used |= equation.identifiers
    for reaction in file.reactions:
        used |= get_identifiers(" ".join(reaction.rates))
    for key in _EXPRESSIONS:
        used |= get_identifiers(file.head.get(key) or "")
    for key in _STATEMENTS:
        used |= _used_in_statements(file, key, known)
    names = sorted(n for n in used - known if not _is_noise(n))
    return {name: file.head.external.get(name) for name in names}


def _is_noise(name):
    return name == "xi" or name.startswith("xi_")


def _used_in_statements(file, key, known):
    used, assigned = set(), set()
    for line in statement_lines(file.head.get(key)):
        name, operation, expression = file.statement(key, line)
        used |= get_identifiers(expression) - assigned
        if operation == "=" and name not in known:
            assigned.add(name)
        else:
            used.add(name)
    return used - assigned


def check_file(file):
    """
    Check the units of everything whose names are all known.

    Parameters
    ----------
    file : `MechanismFile`

    Raises
    ------
    MechanismError
        With the place, the unit found and the unit expected.
    """
    _Checker(file).check()


class _Checker:
    def __init__(self, file):
        self.file, self.source = file, file.source
        self.variables = dict(_KNOWN)
        for name, dimensions in _SPECIAL.items():
            self._add(name, dimensions)
        for name, entry in file.head.parameters.items():
            self._add(name, get_dimensions(entry.value))
        for name, dimensions in file.external.items():
            if dimensions is not None:
                self._add(name, dimensions)
        for state in file.states:
            self._add(state, DIMENSIONLESS)
        for name, equation in file.body.equations.items():
            self._add(name, equation.dim, _TYPES.get(equation.var_type))

    def _add(self, name, dimensions, dtype=None):
        self.variables[name] = Variable(name, dimensions=dimensions, dtype=dtype)

    def check(self):
        for name, equation in self.file.body.equations.items():
            if equation.type != PARAMETER:
                self._equation(name, equation)
        for reaction in self.file.reactions:
            for rate in reaction.rates:
                what = f"the rate '{rate}'"
                self._expression(rate, (1 / second).dim, reaction.line, what)
        self._parameters()
        self._strings()
        for name in self.file.head.initial:
            self._initial(name)

    def _parameters(self):
        file = self.file
        for name, entry in file.head.parameters.items():
            equation = file.body.equations.get(name)
            if equation is None:
                continue
            line, column = file.head_place(name, "parameters")
            if equation.type != PARAMETER:
                fix = "Remove it from [parameters], or give the equation another name."
                reason = f"'{name}' has a default but follows an equation"
                raise self.source.error(reason, line, column, fix)
            if get_dimensions(entry.value) is not equation.dim:
                reason = (
                    f"the default {entry.text} of '{name}' has unit "
                    f"{unit_text(get_dimensions(entry.value))}, but its line says "
                    f"{unit_text(equation.dim)}"
                )
                raise self.source.error(
                    reason, line, column, "The line is the law: change the default."
                )

    def _equation(self, name, equation):
        line, _ = self.file.body.places[name]
        expected = equation.dim
        if equation.type == DIFFERENTIAL_EQUATION:
            expected = (equation.unit / second).dim
        what = f"the equation of '{name}'"
        self._expression(equation.expr.code, expected, line, what)

    def _strings(self):
        for key in _EXPRESSIONS:
            text = self.file.head.get(key)
            if text is None:
                continue
            line, _ = self.file.head_place(key)
            check_expression(self.source, text, line, f"the {key}")
            expected = {"hazard": (1 / second).dim, "threshold": DIMENSIONLESS}
            self._expression(text, expected.get(key), line, f"the {key}")
        for key in _STATEMENTS:
            self._statements(key)

    def _statements(self, key):
        local = dict(self.variables)
        for line in statement_lines(self.file.head.get(key)):
            name, operation, expression = self.file.statement(key, line)
            place = self.file.string_line(key, line)
            check_expression(self.source, expression, place, f"'{line}' in {key}")
            if operation != "=":
                expression = f"{name} {operation[:-1]} ({expression})"
            found = self._dimensions(expression, place, f"'{line}' in {key}", local)
            if found is None:
                continue
            if name not in local:
                local[name] = Variable(name, dimensions=found)
            elif get_dimensions(local[name]) is not found:
                self._mismatch(f"'{line}' in {key}", found, local[name], place)

    def _initial(self, name):
        line, _ = self.file.head_place(name, "initial")
        text = self.file.head.initial[name]
        check_expression(self.source, text, line, f"the initial value of '{name}'")
        if name not in {*self.file.names, *self.file.external}:
            fix = "Name a variable or an external name of this mechanism."
            raise self.source.error(f"'{name}' in [initial] is unknown", line, fix=fix)
        known = self.variables.get(name)
        expected = None if known is None else get_dimensions(known)
        self._expression(text, expected, line, f"the initial value of '{name}'")

    def _expression(self, text, expected, line, what):
        found = self._dimensions(text, line, what, self.variables)
        if found is not None and expected is not None and found is not expected:
            self._mismatch(what, found, expected, line)

    def _dimensions(self, text, line, what, variables):
        """Dimensions of an expression, or None if a name in it is unknown."""
        names = get_identifiers(text)
        noise = {n: Variable(n, dimensions=(second**-0.5).dim) for n in names}
        variables = {n: v for n, v in noise.items() if _is_noise(n)} | variables
        if not names <= set(variables):
            return None
        try:
            return get_dimensions(parse_expression_dimensions(text, variables))
        except DimensionMismatchError as error:
            raise self.source.error(f"units in {what}: {error}", line) from None
        # What Brian2 raises for expressions it cannot check is not specified.
        except Exception as error:
            raise self.source.error(f"{what} cannot be used: {error}", line) from None

    def _mismatch(self, what, found, expected, line):
        reason = (
            f"{what} has unit {unit_text(get_dimensions(found))} instead of "
            f"{unit_text(get_dimensions(expected))}"
        )
        raise self.source.error(reason, line)


def parse_assignment(text):
    """Return (name, operation, expression) of a statement, or raise ValueError."""
    name, operation, expression, _ = parse_statement(text)
    return name, operation, expression
