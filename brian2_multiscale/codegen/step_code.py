"""Abstract code that chooses the template it is put into."""

from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.device import get_device

from .targets import target_class

__all__ = ["StepCode"]


class StepCode:
    """Abstract code of a time step, as a function of Brian2's state updater.

    In C++ standalone mode the state updater is given a template with a loop that
    compilers can vectorise (several times faster for kinetic schemes); on all other
    targets it keeps Brian2's own.

    Parameters
    ----------
    code : str
        Abstract code; also ``str()`` of the object.
    states : tuple of str
        The variables that it writes.
    """

    template = "multiscale_independent_stateupdate"

    def __init__(self, code, states):
        self.code, self.states = code, states

    def __str__(self):
        return self.code

    def __call__(self, updater):
        choice = updater.__dict__.setdefault(
            "_choice_of_brian2", (updater.template, updater.codeobj_class)
        )
        updater.template, updater.codeobj_class = choice
        base = get_device().code_object_class(updater.codeobj_class)
        if base is CPPStandaloneCodeObject and self._independent(updater.group):
            updater.codeobj_class = target_class(base)
            updater.template = self.template
        return self.code

    def _independent(self, group):
        """Whether no written array is also read at other places (linked variables)."""
        variables = group.variables
        written = {id(variables[name]) for name in self.states}
        names = {name for name in variables if id(variables[name]) in written}
        return len({variables.indices[name] for name in names}) <= 1
