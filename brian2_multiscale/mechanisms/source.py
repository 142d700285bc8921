"""The text of a mechanism file and places in it."""

import re
from pathlib import Path

from .errors import MechanismError

__all__ = ["Source"]

# A mechanism is a page of text; more is a wrong file.
_LARGEST = 1_000_000


class Source:
    """
    The text of a mechanism file, able to say where something stands in it.

    Parameters
    ----------
    text : str
        The whole file.
    path : str or `~pathlib.Path`
        What error messages call it.
    """

    def __init__(self, text, path):
        self.text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.path = path
        self.lines = self.text.split("\n")

    @classmethod
    def read(cls, path):
        """
        Read a file.

        Raises
        ------
        MechanismError
            If it cannot be read, is not UTF-8 text, or is larger than a megabyte.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            reason = f"the file cannot be read ({error.strerror or error})"
            raise MechanismError(reason, path) from None
        if len(data) > _LARGEST:
            reason = f"{len(data)} bytes are too many for a mechanism file"
            raise MechanismError(reason, path, fix="Is it another kind of file?")
        try:
            return cls(data.decode("utf-8-sig"), path)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            fix = "Save it as UTF-8."
            raise MechanismError("not UTF-8 text", path, line, fix=fix) from None

    def error(self, reason, line=None, column=None, fix=None):
        """Return a `MechanismError` at a place in this file."""
        return MechanismError(reason, self.path, line, column, fix)

    def find(self, pattern, first=1, last=None):
        """
        Return (line, column) of the first match of a regular expression.

        Lines ``first`` to ``last`` are searched; (first, None) if there is none.
        """
        for number in range(first, (last or len(self.lines)) + 1):
            match = re.search(pattern, self.lines[number - 1])
            if match:
                return number, match.start() + 1
        return first, None

    def find_key(self, key, first, last, table=None):
        """Return (line, column) of a TOML key in the commented lines of a head."""
        if table is not None:
            first, _ = self.find(rf"^#\s*\[\s*{table}\s*\]", first, last)
        key = re.escape(key)
        pattern = rf"(?<=# )(\[\s*{key}\s*\]|[\"']?{key}[\"']?\s*[=.])"
        return self.find(pattern, first, last)
