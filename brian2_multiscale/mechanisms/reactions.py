"""The reactions of a mechanism file, line by line."""

import ast
import re
from dataclasses import dataclass

from brian2.equations.equations import Equations

from .body import check_expression
from .values import ValueSyntaxError, parse_expression

__all__ = ["Reaction", "read_reactions"]

_REACTION = re.compile(
    r"(?P<left>[A-Za-z]\w*)\s*(?P<arrow><->|->)\s*(?P<right>[A-Za-z]\w*)\s*"
    r":(?P<rates>.+)"
)


@dataclass(frozen=True)
class Reaction:
    """A reaction: two states, the rates, the line in the file, the text."""

    left: str
    right: str
    rates: tuple
    line: int
    code: str


def read_reactions(source, head):
    """
    Split the reactions into states and rates.

    Parameters
    ----------
    source : `Source`
    head : `Head`

    Returns
    -------
    list of `Reaction`
        Empty if there are none.

    Raises
    ------
    MechanismError
        With the line, if one is neither ``A <-> B : forward, backward`` nor
        ``A -> B : rate``.
    """
    reactions = []
    line = head.first
    for text in (head.get("reactions") or "").split("\n"):
        code = text.split("#")[0].strip()
        if code:
            line, _ = source.find(re.escape(code), line, head.last)
            reactions.append(_read(source, code, line))
            line += 1
    return reactions


def _read(source, code, line):
    match = _REACTION.fullmatch(code)
    fix = "Write 'A <-> B : forward, backward' or 'A -> B : rate'."
    if not match:
        raise source.error(f"not a reaction: '{code[:60]}'", line, fix=fix)
    rates = _split(source, match["rates"], line)
    expected = 2 if match["arrow"] == "<->" else 1
    if len(rates) != expected:
        reason = f"'{code[:60]}' has {len(rates)} rates instead of {expected}"
        raise source.error(reason, line, fix=fix)
    for state in (match["left"], match["right"]):
        try:
            Equations.check_identifier(state)
        except (SyntaxError, ValueError) as error:
            raise source.error(str(error.args[0]), line) from None
    if match["left"] == match["right"]:
        reason = f"the state '{match['left']}' reacts to itself"
        raise source.error(reason, line, fix="Name two different states.")
    for rate in rates:
        check_expression(source, rate, line, f"the rate '{rate}'")
    return Reaction(match["left"], match["right"], rates, line, code)


def _split(source, text, line):
    text = text.strip()
    try:
        tree = parse_expression(f"({text})")
    except ValueSyntaxError as error:
        raise source.error(f"the rates '{text[:60]}': {error}", line) from None
    if not isinstance(tree, ast.Tuple):
        return (text,)
    # Segments keep the text as written; parentheses count one column.
    return tuple(
        ast.get_source_segment(f"({text})", node) or ast.unparse(node)
        for node in tree.elts
    )
