"""Numbers with units, read from text without executing it, and written back."""

import ast
import math
import operator
import warnings

import numpy as np
from brian2.core.namespace import DEFAULT_UNITS
from brian2.equations.equations import EquationError, Equations
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    Quantity,
    get_dimensions,
    get_unit,
    is_dimensionless,
)

__all__ = [
    "ValueSyntaxError",
    "dimensions_of_unit",
    "evaluate",
    "unit_text",
    "value_text",
]

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")


class ValueSyntaxError(ValueError):
    """
    Text that is not a value.

    Attributes
    ----------
    column : int or None
        Where in the text, from 1.
    """

    def __init__(self, reason, column=None):
        super().__init__(reason)
        self.column = column


def parse_expression(text):
    """
    Return the syntax tree of an expression.

    Raises
    ------
    ValueSyntaxError
        If the text is not one expression.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueSyntaxError(error.msg, error.offset) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise ValueSyntaxError(f"cannot be parsed ({error})") from None


def evaluate(text, names=None):
    """
    Evaluate an arithmetic expression of numbers, units and given names.

    The text is parsed and its syntax tree walked; nothing is executed. Allowed are
    real numbers, the unit names that Brian2 knows in equations, ``names``,
    ``+ - * / **`` and parentheses.

    Parameters
    ----------
    text : str
        For example ``"13/(mM*ms)"``.
    names : dict, optional
        Further names and their values.

    Returns
    -------
    float or `Quantity`
        A finite scalar; a float if it is dimensionless.

    Raises
    ------
    ValueSyntaxError
        If the text contains anything else, or the result is not a finite number.
    DimensionMismatchError
        If quantities of different dimensions are added.
    """
    tree = parse_expression(text)
    try:
        value = _walk(tree, names or {})
    except DimensionMismatchError:
        raise
    except (ArithmeticError, TypeError, RecursionError) as error:
        raise ValueSyntaxError(f"cannot be evaluated ({error})") from None
    except ValueError as error:
        raise ValueSyntaxError(str(error), getattr(error, "column", None)) from None
    return _finite(value)


def _walk(node, names):
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _walk(node.left, names), _walk(node.right, names)
        if isinstance(node.op, ast.Pow) and not is_dimensionless(right):
            column = node.right.col_offset + 1
            raise ValueSyntaxError("an exponent cannot have a unit", column)
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_walk(node.operand, names))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        # Floats overflow at once where integers would go on computing.
        return float(node.value)
    if isinstance(node, ast.Name):
        return _named(node, names)
    raise ValueSyntaxError(
        f"only numbers, units, + - * / ** and parentheses are allowed, not "
        f"'{_snippet(node)}'",
        node.col_offset + 1,
    )


def _named(node, names):
    if node.id in names:
        return names[node.id]
    if node.id in DEFAULT_UNITS:
        return DEFAULT_UNITS[node.id]
    raise ValueSyntaxError(
        f"'{node.id}' is not a unit of Brian2 (such as mV, nS, nmetre, psiemens)",
        node.col_offset + 1,
    )


def _snippet(node):
    try:
        return ast.unparse(node)[:40]
    except (RecursionError, ValueError):
        return type(node).__name__


def _finite(value):
    dimensions = get_dimensions(value)
    number = np.asarray(value)
    if number.dtype.kind == "c" or not math.isfinite(float(number)):
        raise ValueSyntaxError("does not give a finite real number")
    if dimensions is DIMENSIONLESS:
        return float(number)
    return Quantity.with_dimensions(float(number), dimensions)


def dimensions_of_unit(text):
    """
    Return the dimensions of a unit as it is written in an equation line.

    Parameters
    ----------
    text : str
        A product of powers of base units, ``"1"``, ``"boolean"`` or ``"integer"``.

    Raises
    ------
    ValueSyntaxError
        If the text is anything else.
    """
    text = text.strip()
    if text in ("1", "boolean", "integer"):
        return DIMENSIONLESS
    try:
        value = evaluate(text)
    except DimensionMismatchError as error:
        raise ValueSyntaxError(str(error)) from None
    if float(np.asarray(value)) != 1.0:
        raise ValueSyntaxError(
            f"'{text}' is not a base unit; write the one without a prefix"
        )
    return get_dimensions(value)


def unit_text(dimensions):
    """Return the unit of ``dimensions`` so that Brian2 can read it again."""
    short = repr(get_unit(dimensions)) if dimensions is not DIMENSIONLESS else "1"
    if _is_unit_of(short, dimensions):
        return short
    return " * ".join(
        name if exponent == 1 else f"{name}**{_number_text(exponent)}"
        for name, exponent in zip(_BASE_UNITS, dimensions._dims, strict=True)
        if exponent
    )


def _is_unit_of(text, dimensions):
    try:
        return Equations(f"x : {text}")["x"].dim is dimensions
    except (EquationError, SyntaxError):
        return False


def value_text(value):
    """Return an expression that `evaluate` turns into exactly ``value``."""
    number = repr(float(np.asarray(value)))
    unit = unit_text(get_dimensions(value))
    return number if unit == "1" else f"{number} * {unit}"


def _number_text(number):
    return str(int(number)) if float(number).is_integer() else repr(float(number))
