"""The head of a mechanism file: TOML in a comment block."""

import re
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches

from brian2.equations.equations import Equations
from brian2.units.fundamentalunits import DimensionMismatchError

from .values import ValueSyntaxError, dimensions_of_unit, evaluate

__all__ = ["Entry", "Head", "KINDS", "read_head"]

#: What a mechanism can be.
KINDS = ("neuron", "receptor", "synapse", "population", "sensory")

# The regular expression of PEP 723 for metadata in comments.
_BLOCK = re.compile(
    r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
)
_OPENING, _CLOSING = "# /// mechanism", "# ///"
_STRINGS = (
    "name",
    "kind",
    "doi",
    "reactions",
    "on_pre",
    "threshold",
    "reset",
    "refractory",
    "hazard",
    "method",
    "output",
    "transmitter",
)
_TABLES = ("parameters", "initial", "external")
_KEYS = (*_STRINGS, *_TABLES, "version", "figure")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Entry:
    """A value with its text in the file and where it comes from."""

    value: object
    text: str
    source: str


@dataclass(frozen=True)
class Head:
    """
    What the head of a mechanism file says.

    Attributes
    ----------
    strings : dict
        The keys with a text, as it stands in the file.
    version : int
    figure : str or dict or None
    parameters : dict of `Entry`
    initial : dict of str
        Initial values as expressions.
    external : dict of `Dimension`
        Dimensions of names that the mechanism uses but does not define.
    first, last : int
        Lines of the block.
    """

    strings: dict
    version: int = 1
    figure: object = None
    parameters: dict = field(default_factory=dict)
    initial: dict = field(default_factory=dict)
    external: dict = field(default_factory=dict)
    first: int = 1
    last: int = 1

    def get(self, key):
        """Return a text of the head, or None."""
        return self.strings.get(key)


def read_head(source):
    """
    Read the head of a mechanism file.

    Parameters
    ----------
    source : `Source`

    Returns
    -------
    `Head`

    Raises
    ------
    MechanismError
        With the place in the file, if the block is missing or malformed, a key is
        unknown, missing or of the wrong type, or a value cannot be evaluated.
    """
    return _HeadReader(source).read()


class _HeadReader:
    def __init__(self, source):
        self.source = source
        self.first, self.last, content = self._find_block()
        self.raw = self._load(content)

    # -- the block -----------------------------------------------------------------
    def _find_block(self):
        source = self.source
        text = source.text if source.text.endswith("\n") else source.text + "\n"
        blocks = [m for m in _BLOCK.finditer(text) if m["type"] == "mechanism"]
        if not blocks:
            raise self._no_block()
        first = text.count("\n", 0, blocks[0].start()) + 1
        content = blocks[0]["content"]
        last = first + content.count("\n") + 1
        extra = [
            n
            for n, line in enumerate(source.lines, 1)
            if line.rstrip() == _OPENING and n != first
        ]
        if extra:
            fix = "A file holds one mechanism."
            raise source.error("a second head", extra[0], 1, fix)
        return first, last, content

    def _no_block(self):
        lines = [line.rstrip() for line in self.source.lines]
        if _OPENING not in lines:
            fix = f"Begin the file with '{_OPENING}' ... '{_CLOSING}'."
            return self.source.error("there is no mechanism head", 1, fix=fix)
        opening = lines.index(_OPENING)
        for number, line in enumerate(self.source.lines[opening + 1 :], opening + 2):
            if line == _CLOSING:
                break
            if line != "#" and not line.startswith("# "):
                fix = f"Begin it with '# ', or close the head with '{_CLOSING}' before."
                return self.source.error(
                    "a line of the head lacks '# '", number, 1, fix
                )
        fix = f"Write at least name and kind between '{_OPENING}' and '{_CLOSING}'."
        return self.source.error("the head is empty or malformed", opening + 1, 1, fix)

    def _load(self, content):
        toml = "\n".join(line[2:] for line in content.split("\n"))
        try:
            return tomllib.loads(toml)
        except RecursionError:
            raise self.source.error("too deeply nested", self.first) from None
        except ValueError as error:
            # TOMLDecodeError, and int() of more digits than Python converts.
            place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            at_end = self.last - 1, None
            line, column = (
                (self.first + int(place[1]), int(place[2]) + 2) if place else at_end
            )
            reason = re.sub(r" ?\(at .*\)$", "", str(error))
            fix = "See https://toml.io for the syntax."
            raise self.source.error(f"TOML: {reason}", line, column, fix) from None

    # -- the keys ------------------------------------------------------------------
    def read(self):
        raw = self.raw
        for key in raw:
            if key not in _KEYS:
                raise self._unknown(key, _KEYS, "key")
        strings = {key: self._string(key) for key in _STRINGS if key in raw}
        self._check_strings(strings)
        return Head(
            strings=strings,
            version=self._version(),
            figure=self._figure(),
            parameters=self._table("parameters", self._parameter),
            initial=self._table("initial", self._initial),
            external=self._table("external", self._external),
            first=self.first,
            last=self.last,
        )

    def place(self, key, table=None):
        """Line and column of a key (of a table) in the head."""
        return self.source.find_key(key, self.first, self.last, table)

    def _error(self, reason, key, table=None, fix=None):
        line, column = self.place(key, table)
        return self.source.error(reason, line, column, fix)

    def _unknown(self, key, known, what, where=None, table=None):
        near = get_close_matches(key, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."
        return self._error(f"unknown {what} '{key}'", where or key, table, fix)

    def _string(self, key):
        value = self.raw[key]
        if not isinstance(value, str) or not value.strip():
            raise self._error(f"'{key}' has to be a text, not {value!r}", key)
        return value.strip()

    def _check_strings(self, strings):
        for key in ("name", "kind"):
            if key not in strings:
                raise self.source.error(f"the head has no '{key}'", self.first)
        if strings["kind"] not in KINDS:
            fix = f"Choose one of {', '.join(KINDS)}."
            raise self._error(f"unknown kind '{strings['kind']}'", "kind", fix=fix)
        if not _NAME.fullmatch(strings["name"]):
            fix = "Use letters, digits and underscores."
            raise self._error(f"'{strings['name']}' is not a name", "name", fix=fix)
        if not re.match(r"10\.\d+", strings.get("doi", "10.0")):
            fix = "It begins with '10.' and has no 'doi:' in front."
            raise self._error(f"'{strings['doi']}' is not a DOI", "doi", fix=fix)

    def _version(self):
        version = self.raw.get("version", 1)
        if type(version) is not int or version < 1:
            raise self._error(
                f"'version' has to be a positive integer, not {version!r}", "version"
            )
        return version

    def _figure(self):
        figure = self.raw.get("figure")
        if figure is not None and not isinstance(figure, str | dict):
            raise self._error("'figure' has to be a text or a table", "figure")
        return figure or None  # an empty table says nothing

    def _table(self, name, read_entry):
        table = self.raw.get(name, {})
        if not isinstance(table, dict):
            fix = f"Write [{name}] and one line for each."
            raise self._error(f"'{name}' has to be a table", name, fix=fix)
        result = {}
        for key, value in table.items():
            try:
                Equations.check_identifier(key)
            except (SyntaxError, ValueError) as error:
                raise self._error(str(error.args[0]), key, name) from None
            result[key] = read_entry(key, value)
        return result

    def _parameter(self, key, value):
        if not isinstance(value, dict):
            fix = f'Write {key} = {{value = "...", source = "..."}}.'
            raise self._error(f"'{key}' has no source", key, "parameters", fix)
        for part in value:
            if part not in ("value", "source"):
                known = ("value", "source")
                what = f"part of '{key}'"
                raise self._unknown(part, known, what, key, "parameters")
        for part in ("value", "source"):
            if part not in value:
                raise self._error(f"'{key}' has no {part}", key, "parameters")
        source = value["source"]
        if not isinstance(source, str) or not source.strip():
            fix = "Say where the value comes from."
            raise self._error(f"'{key}' has an empty source", key, "parameters", fix)
        text = self._number(value["value"], key, "parameters")
        return Entry(self._evaluate(text, key, "parameters"), text, source.strip())

    def _number(self, value, key, table):
        if type(value) in (int, float):
            return repr(value)
        if not isinstance(value, str):
            fix = 'Write a number or a text such as "2*nS".'
            raise self._error(f"'{key}' is not a value: {value!r}", key, table, fix)
        return value.strip()

    def _evaluate(self, text, key, table):
        try:
            return evaluate(text)
        except (ValueSyntaxError, DimensionMismatchError) as error:
            line, column = self.place(key, table)
            found = self.source.lines[line - 1].find(text)
            offset = getattr(error, "column", None)
            if found >= 0 and offset:
                column = found + offset
            reason = f"the value '{text[:60]}' of '{key}': {error}"
            raise self.source.error(reason, line, column) from None

    def _initial(self, key, value):
        return self._number(value, key, "initial")

    def _external(self, key, value):
        if not isinstance(value, str):
            fix = 'Write a unit, such as "volt".'
            raise self._error(f"'{key}' has no unit", key, "external", fix)
        try:
            return dimensions_of_unit(value)
        except ValueSyntaxError as error:
            reason = f"the unit of '{key}': {error}"
            raise self._error(reason, key, "external") from None
