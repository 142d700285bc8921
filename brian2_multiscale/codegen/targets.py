"""Own code-generation templates, chosen late, for numpy, Cython and C++ standalone.

Brian2 looks for a template in the `Templater` of the code-object class.  The classes
here are Brian2's own with a `Templater` that looks into this package first, so that
Brian2's templates stay available and nothing in Brian2 is patched.  Which class is
used is decided when the code object is made, because the target can still be changed
(``prefs.codegen.target``, `set_device`) between building a model and running it.
"""

import os
import shutil

from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.core.base import BrianObjectException
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.device import get_device

__all__ = ["ExportsArrays", "OwnTemplates", "check_tools", "target_class"]


def _with_own_templates(base, folder):
    templater = base.templater.derive(
        "brian2_multiscale.codegen", templates_dir=f"templates/{folder}"
    )
    members = {"templater": templater}
    if hasattr(base, "run_block"):
        members["run_block"] = _run_block(base)
    return type(f"Multiscale{base.__name__}", (base,), members)


def _run_block(base):
    def run_block(self, block):
        try:
            return base.run_block(self, block)
        except BrianObjectException as error:
            # Numbers are to blame, not code: the message of codegen/guard.py says all
            if isinstance(error.__cause__, FloatingPointError):
                raise error.__cause__ from None
            if isinstance(error.__cause__, ZeroDivisionError):
                self.namespace.get("_divided_by_zero", int)()
            raise

    return run_block


_TARGETS = {
    NumpyCodeObject: _with_own_templates(NumpyCodeObject, "numpy"),
    CythonCodeObject: _with_own_templates(CythonCodeObject, "cython"),
    CPPStandaloneCodeObject: _with_own_templates(
        CPPStandaloneCodeObject, "cpp_standalone"
    ),
}


def target_class(codeobj_class=None):
    """Return the code-object class with this package's templates.

    Parameters
    ----------
    codeobj_class : class, optional
        What the user asked for; by default the class the active device would use
        (``prefs.codegen.target`` in runtime mode).

    Returns
    -------
    class
        A subclass of `NumpyCodeObject`, `CythonCodeObject` or
        `CPPStandaloneCodeObject` whose ``templater`` finds the templates of this
        package and, behind them, those of Brian2.

    Raises
    ------
    NotImplementedError
        If there are no templates for the target. It never falls back to another one.
    RuntimeError
        If the target needs a C++ compiler (or make) and there is none.

    Notes
    -----
    Call it when the code object is created (in ``before_run``), not earlier: the
    device and the preferences may still change.
    """
    base = get_device().code_object_class(codeobj_class)
    if base in _TARGETS.values():
        return base
    if base in _TARGETS:
        check_tools(base)
        return _TARGETS[base]
    supported = ", ".join(
        sorted(repr(cls.class_name or "cpp_standalone") for cls in _TARGETS)
    )
    raise NotImplementedError(
        f"brian2_multiscale has no templates for the code generation target "
        f"{base.class_name or base.__name__!r} ({base.__name__}); supported are "
        f"{supported}. Set prefs.codegen.target = 'cython' or 'numpy', or use "
        "set_device('cpp_standalone')."
    )


def check_tools(base):
    """Raise a `RuntimeError` if a code-object class needs tools that are missing."""
    # What Brian2 says much later is the output of a failed build.
    if base is NumpyCodeObject or os.name == "nt":
        return
    compilers = [os.environ.get("CXX") or "g++", "c++", "clang++"]
    needed = [("C++ compiler", compilers)]
    if base is CPPStandaloneCodeObject:
        needed.append(("make", ["make"]))
    for what, names in needed:
        if not any(shutil.which(name.split()[0]) for name in names):
            raise RuntimeError(
                f"The target {base.class_name or 'cpp_standalone'!r} needs a {what}; "
                f"found none of {', '.join(names)}. Install one (Debian: apt-get "
                "install g++ make; conda: cxx-compiler make) or run without "
                "compilation: prefs.codegen.target = 'numpy' and no set_device."
            )


def _check_compiled(code, owner):
    """Brian2 goes on without code that Cython cannot translate: all results are 0."""
    compiled = getattr(code, "compiled_code", {})
    if isinstance(code, CythonCodeObject) and compiled.get("run", code) is None:
        raise RuntimeError(
            f"Cython could not translate the code of {owner.name!r}; its message is "
            "above. Please report it; prefs.codegen.target = 'numpy' does without."
        )


class OwnTemplates:
    """Mix-in for a `CodeRunner` that uses a template of this package.

    Put it in front: ``class Pool(OwnTemplates, CodeRunner, Group)``. The object's
    ``codeobj_class`` stays what the user gave, so that the same object can run on
    another target later.
    """

    def create_default_code_object(self, run_namespace):
        user_choice = self.codeobj_class
        self.codeobj_class = target_class(user_choice)
        try:
            code = super().create_default_code_object(run_namespace)
        finally:
            self.codeobj_class = user_choice
        _check_compiled(code, self)
        return code


class ExportsArrays:
    """Mix-in for a `Group` with indices that only exist within generated code."""

    def get_states(self, vars=None, *args, **kwds):
        """As Brian2's, which does not leave out what cannot be read from outside."""
        if vars is None:
            found, index = self.variables, self.variables.indices
            arrays = [n for n, v in found.items() if hasattr(v, "size")]
            own = [n for n in arrays if index[n] in ("_idx", "0")]
            vars = sorted(n for n in own if not n.startswith("_"))
        kwds["level"] = kwds.get("level", 0) + 1
        return super().get_states(vars, *args, **kwds)
