"""How many compilers work on a C++ program at once."""

import os
from contextlib import contextmanager

from brian2.core.preferences import prefs

__all__ = ["one_compiler_per_core"]


@contextmanager
def one_compiler_per_core():
    """Brian2 2.9 would start as many compilers as there are files."""
    before = prefs.devices.cpp_standalone.extra_make_args_unix
    prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count() or 1}"]
    try:
        yield
    finally:
        prefs.devices.cpp_standalone.extra_make_args_unix = before
