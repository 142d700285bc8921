"""Suffixes and new names for what a mechanism defines or uses."""

from difflib import get_close_matches

from brian2.equations.equations import Equations
from brian2.utils.stringtools import word_substitute

__all__ = ["Renaming"]


class Renaming:
    """
    New names for the names of a mechanism.

    Names that the mechanism defines get the suffix; those that it only uses (a
    membrane potential, a transmitter) keep theirs unless ``rename`` says otherwise.

    Parameters
    ----------
    file : `MechanismFile`
    suffix : str
    rename : dict
        Old to new name.

    Raises
    ------
    MechanismError
        If a new name is no identifier or already in use.
    """

    def __init__(self, file, suffix, rename):
        self._file = file
        new = {name: name + suffix for name in file.names}
        new.update({k: v for k, v in rename.items() if k in new or k in file.external})
        self.new = {old: name for old, name in new.items() if old != name}
        self._check()

    def _check(self):
        file = self._file
        kept = {*file.names, *file.external}
        targets = list(self.new.values())
        for old, new in self.new.items():
            try:
                Equations.check_identifier(new)
            except (SyntaxError, ValueError, TypeError) as error:
                reason = f"'{old}' cannot be renamed to {new!r}: {error.args[0]}"
                raise file.source.error(reason) from None
            # Brian2 substitutes one name after the other: no chains.
            if new in kept or targets.count(new) > 1:
                reason = f"'{old}' cannot be renamed to '{new}', which is in use"
                raise file.source.error(reason, fix="Choose another suffix or name.")

    def name(self, name):
        """Return the new name."""
        return self.new.get(name, name)

    def text(self, text):
        """Return a text with the new names, None for None."""
        return None if text is None else word_substitute(text, self.new)

    def equations(self, equations):
        """Return equations with the new names."""
        return equations.substitute(**self.new) if self.new else equations


def check_rename(file, rename, known):
    """
    Check that every name to be renamed exists.

    Raises
    ------
    MechanismError
        Naming the nearest name.
    """
    for old in rename:
        if old not in known:
            near = get_close_matches(str(old), known, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else None
            raise file.source.error(f"there is no '{old}' to rename", fix=fix)
