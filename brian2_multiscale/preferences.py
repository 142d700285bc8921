"""Preferences ``prefs.multiscale.*``."""

from collections.abc import Sequence
from pathlib import Path

from brian2.core.preferences import BrianPreference, prefs

__all__ = ["PREFERENCES"]


def _is_list_of_folders(value):
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str | bytes)
        and all(isinstance(v, str | Path) for v in value)
    )


#: Everything that is registered below ``prefs.multiscale``.
PREFERENCES = {
    "equations_path": BrianPreference(
        default=[],
        docs="""
        Folders in which `Mechanism` looks for mechanism files (``*.eqs``, at any
        depth), before the environment variable ``BRIAN2_EQUATIONS``, other installed
        packages and the built-in files.
        """,
        validator=_is_list_of_folders,
    ),
    "table_cache": BrianPreference(
        default="",
        docs="""
        Folder in which `tabulate` keeps tables; empty for ``brian2_multiscale/tables``
        in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``).
        """,
        validator=lambda value: isinstance(value, str | Path),
    ),
}


def _register():
    # A second import (reload, another copy on the path) must keep the user's values.
    if "multiscale" not in prefs.pref_register:
        prefs.register_preferences(
            "multiscale", "Preferences of brian2_multiscale", **PREFERENCES
        )


_register()
