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


def _is_switch(value):
    # Brian2's registries stay as they are in programs that never set it
    if value is True:
        from .codegen import fast_methods, fast_timed_array

        fast_methods.install()
        fast_timed_array.install()
    return isinstance(value, bool)


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
    "fast_equations": BrianPreference(
        default=False,
        docs="""
        Whether state updates of `NeuronGroup` and `Synapses` in C++ standalone mode
        take a form that compilers turn into vector instructions, with the vector
        functions (``exp``, ``sin``, ``tanh``...) of glibc where there are such (GCC on
        x86-64): three to seven times faster for models that spend their time there,
        equal to rounding errors. Models with random numbers in their equations, GSL
        methods and all other targets stay as they are. Set it before the first `run`
        of a group. See :doc:`/performance`.
        """,
        validator=_is_switch,
    ),
}


def _register():
    # A second import (reload, another copy on the path) must keep the user's values.
    if "multiscale" not in prefs.pref_register:
        prefs.register_preferences(
            "multiscale", "Preferences of brian2_multiscale", **PREFERENCES
        )


_register()
