"""A mechanism file: head, equations, reactions, checked together."""

import re
from functools import cached_property

from .body import read_body
from .checks import check_file, external_names, parse_assignment
from .head import read_head
from .reactions import read_reactions
from .source import Source

__all__ = ["MechanismFile"]


class MechanismFile:
    """
    The contents of a mechanism file, parsed and checked, nothing executed.

    Parameters
    ----------
    source : `Source`

    Attributes
    ----------
    head : `Head`
    body : `Body`
    reactions : list of `Reaction`
    states : tuple of str
        States of the reactions in order of appearance.
    external : dict
        Names used but not defined, with their `Dimension` if the file declares it.

    Raises
    ------
    MechanismError
        With the place of the first fault.
    """

    def __init__(self, source):
        self.source = source
        self.head = read_head(source)
        self.body = read_body(source)
        self.reactions = read_reactions(source, self.head)
        pairs = [(r.left, r.right) for r in self.reactions]
        self.states = tuple(dict.fromkeys(s for pair in pairs for s in pair))
        self._check_states()
        self.external = external_names(self)
        check_file(self)
        self._check_output()

    @classmethod
    def read(cls, path):
        """Read a file from disk."""
        return cls(Source.read(path))

    @cached_property
    def names(self):
        """Every name that the mechanism defines, in order."""
        names = (*self.head.parameters, *self.body.equations, *self.states)
        return tuple(dict.fromkeys(names))

    @property
    def description(self):
        """The comment before the head."""
        lines = self.source.lines[: self.head.first - 1]
        return "\n".join(line.lstrip("#").strip() for line in lines).strip()

    def head_place(self, key, table=None):
        """Line and column of a key in the head."""
        return self.source.find_key(key, self.head.first, self.head.last, table)

    def string_line(self, key, text):
        """Line in the file of a line of a text in the head."""
        first, _ = self.head_place(key)
        return self.source.find(re.escape(text), first, self.head.last)[0]

    def statement(self, key, text):
        """Return (name, operation, expression) of a statement in the head."""
        try:
            return parse_assignment(text)
        except ValueError:
            line = self.string_line(key, text)
            fix = "Write 'name = expression', or with +=, -=, *=, /=."
            reason = f"not a statement in {key}: '{text[:60]}'"
            raise self.source.error(reason, line, fix=fix) from None

    def _check_states(self):
        for state in self.states:
            equation = self.body.equations.get(state)
            taken = state in self.head.parameters
            if taken or (equation is not None and equation.expr is not None):
                line = next(
                    r.line for r in self.reactions if state in (r.left, r.right)
                )
                fix = "Give one of them another name."
                reason = f"the state '{state}' is also defined elsewhere"
                raise self.source.error(reason, line, fix=fix)

    def _check_output(self):
        output = self.head.get("output")
        if output is not None and output not in self.names:
            line, _ = self.head_place("output")
            fix = "Name a variable of the equations or a state."
            raise self.source.error(f"the output '{output}' is unknown", line, fix=fix)
