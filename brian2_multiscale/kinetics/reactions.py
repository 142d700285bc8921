"""Reactions as text: ``A <-> B : forward, backward`` and ``A -> B : rate``."""

import ast
import re
from dataclasses import dataclass

import sympy
from brian2.equations.equations import Equations
from brian2.parsing.sympytools import str_to_sympy

__all__ = ["Reaction", "ReactionError", "parse_reactions"]

_REACTION = re.compile(r"(\w+)\s*(<->|->)\s*(\w+)\s*:(.*)")
_FORM = "Write 'A <-> B : forward, backward' or 'A -> B : rate'."


class ReactionError(ValueError):
    """A reaction cannot be read; the message has its line and the number of it."""


@dataclass(frozen=True)
class Reaction:
    """One line of a scheme.

    Attributes
    ----------
    left, right : str
        The states.
    forward : str
        Rate from left to right.
    backward : str or None
        Rate from right to left, None for a one-way reaction.
    line : int
        Number of the line in the text, from 1.
    text : str
        The line without comment.
    """

    left: str
    right: str
    forward: str
    backward: str
    line: int
    text: str

    @property
    def directed(self):
        """Its one or two transitions as ``(source, target, rate)``."""
        there = (self.left, self.right, self.forward)
        if self.backward is None:
            return [there]
        return [there, (self.right, self.left, self.backward)]

    def describe(self):
        """Where it is, for messages."""
        return f"reaction '{self.text}' (line {self.line})"


def parse_reactions(text):
    """Read reactions, one per line; ``#`` starts a comment.

    Parameters
    ----------
    text : str
        The reactions.

    Returns
    -------
    list of `Reaction`

    Raises
    ------
    ReactionError
        If a line is no reaction, a state cannot be the name of a variable, a rate is
        no Brian2 expression, or there is no reaction at all. The message has the line.
    """
    if not isinstance(text, str):
        raise TypeError(f"reactions: a string is expected, got {text!r}. {_FORM}")
    reactions = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.split("#")[0].strip()
        if line:
            reactions.append(_parse_line(line, number))
    if not reactions:
        raise ReactionError(f"reactions: there is none in {text!r}. {_FORM}")
    return reactions


def _parse_line(line, number):
    place = f"reaction '{line}' (line {number})"
    match = _REACTION.fullmatch(line)
    if not match:
        raise ReactionError(f"{place} is not understood. {_FORM}")
    left, arrow, right, rates = match.groups()
    for state in (left, right):
        _check_state(state, place)
    if left == right:
        raise ReactionError(f"{place}: state '{left}' cannot react to itself")
    rates = _split(rates.strip(), place)
    expected = 2 if arrow == "<->" else 1
    if len(rates) != expected:
        raise ReactionError(
            f"{place}: '{arrow}' needs {expected} rate{'s' * (expected - 1)}, got "
            f"{len(rates)}. {_FORM}"
        )
    for rate in rates:
        _check_rate(rate, place)
    return Reaction(
        left, right, rates[0], rates[1] if expected == 2 else None, number, line
    )


def _check_state(state, place):
    try:
        Equations.check_identifier(state)
    except (SyntaxError, ValueError) as error:
        raise ReactionError(f"{place}: {error.args[0]}") from None


def _split(text, place):
    """Separate the rates at commas outside of parentheses."""
    source = f"({text}\n,)"
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", error)
        raise ReactionError(f"{place}: the rates cannot be read: {reason}") from None
    if not isinstance(tree, ast.Tuple):
        raise ReactionError(f"{place}: the parentheses of the rates do not match")
    return [ast.get_source_segment(source, part) for part in tree.elts]


def _check_rate(rate, place):
    try:
        expr = str_to_sympy(rate)
    except Exception as error:  # Brian2 lets errors of ast, sympy and its own through
        raise ReactionError(f"{place}: rate '{rate}' cannot be used: {error}") from None
    if not isinstance(expr, sympy.Expr) or expr.is_negative:
        raise ReactionError(f"{place}: rate '{rate}' is no nonnegative quantity")
