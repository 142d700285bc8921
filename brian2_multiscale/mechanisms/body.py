"""The equations of a mechanism file, with the place of each."""

import ast
import re

from brian2.equations.codestrings import Expression
from brian2.equations.equations import EQUATIONS, Equations
from pyparsing import ParseBaseException

from .values import ValueSyntaxError, dimensions_of_unit, parse_expression

__all__ = ["Body", "check_expression", "read_body"]

_FLAGS = {
    "clock-driven",
    "constant",
    "constant over dt",
    "event-driven",
    "linked",
    "shared",
    "summed",
    "unless refractory",
}
_LARGEST_EXPONENT = 100


class Body:
    """
    The equations of a mechanism file.

    Attributes
    ----------
    equations : `Equations`
        All lines, parameters with a default included.
    places : dict
        (line, column) of every name.
    """

    def __init__(self, equations, places):
        self.equations, self.places = equations, places


def read_body(source):
    """
    Read the equations of a mechanism file.

    Parameters
    ----------
    source : `Source`

    Returns
    -------
    `Body`

    Raises
    ------
    MechanismError
        With the place in the file, if Brian2 cannot read the equations.
    """
    places = {}
    for entry in _parse(source):
        name = entry["identifier"]
        line, column = source.find(
            rf"^[^#]*?(?<![\w/])(d\s*{name}\s*/\s*dt\s*=|{name}\s*[=:])"
        )
        if name in places:
            reason = f"'{name}' is defined twice"
            raise source.error(reason, places[name][0], fix="Remove one of them.")
        places[name] = line, column
        _check_entry(source, entry, line)
    try:
        return Body(Equations(source.text), places)
    # What Brian2 and sympy raise for text they cannot read is not specified.
    except Exception as error:
        raise source.error(f"the equations cannot be read: {error}", 1) from None


def _parse(source):
    try:
        parsed = EQUATIONS.parse_string(source.text, parse_all=True)
    except ParseBaseException as error:
        line = error.lineno
        while line < len(source.lines) and not _code(source.lines[line - 1]):
            line += 1
        fix = "Write 'dx/dt = f : unit', 'x = f : unit' or 'x : unit (flags)'."
        text = source.lines[line - 1].strip()[:60]
        raise source.error(f"not an equation: '{text}'", line, None, fix) from None
    except RecursionError:
        raise source.error("the equations are too deeply nested", 1) from None
    return [dict(entry.items()) for entry in parsed]


def _code(line):
    return line.split("#")[0].strip()


def _check_entry(source, entry, line):
    name = entry["identifier"]
    try:
        Equations.check_identifier(name)
    except (SyntaxError, ValueError) as error:
        raise source.error(str(error.args[0]), line) from None
    try:
        dimensions_of_unit(entry["unit"])
    except ValueSyntaxError as error:
        fix = "Use base units such as volt, amp, siemens, second, mM or 1."
        raise source.error(f"the unit of '{name}': {error}", line, fix=fix) from None
    for flag in entry.get("flags", ()):
        if flag not in _FLAGS:
            fix = f"Flags are {', '.join(sorted(_FLAGS))}."
            raise source.error(f"unknown flag '{flag}' of '{name}'", line, fix=fix)
    if "expression" in entry:
        check_expression(source, entry["expression"], line, f"the equation of '{name}'")


def check_expression(source, text, line, what):
    """
    Check that Brian2 can read an expression.

    Raises
    ------
    MechanismError
        With ``line`` and ``what``.
    """
    try:
        # A multi-line expression is one expression to Brian2.
        tree = parse_expression(re.sub(r"\s+", " ", text))
        _check_powers(tree)
        Expression(text)
    except ValueSyntaxError as error:
        raise source.error(f"{what}: {error}", line) from None
    # What Brian2 and sympy raise for text they cannot read is not specified.
    except Exception as error:
        raise source.error(f"{what} cannot be read: {error}", line) from None


def _check_powers(tree):
    # sympy works out powers of integers exactly, however many digits they have.
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            inside = list(ast.walk(node.right))
            numbers = [n.value for n in inside if isinstance(n, ast.Constant)]
            nested = any(isinstance(n, ast.Pow) for n in inside)
            large = any(
                not isinstance(n, int | float) or abs(n) > _LARGEST_EXPONENT
                for n in numbers
            )
            if large or (nested and numbers):
                raise ValueSyntaxError(
                    f"the exponent '{ast.unparse(node.right)[:30]}' is too large"
                )
