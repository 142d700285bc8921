"""Brian2's variables as named arrays."""

import numpy as np
from brian2.core.clocks import Clock
from brian2.core.variables import ArrayVariable, Constant

from ...kinetics.differentiation import NotDifferentiableError

__all__ = ["Arrays", "is_event_space"]

# Times are kept in double precision: intervals are differences of them
_TIMES = ("lastspike", "lastupdate")


def is_event_space(variable):
    """Whether a variable lists the neurons that spiked (or had another event)."""
    name = variable.name
    return name.startswith("_") and name.endswith("space")


class Arrays:
    """
    Names and first values of all arrays that code refers to.

    Parameters
    ----------
    dtype : type
        Of numbers that are not whole.

    Attributes
    ----------
    initial : dict of str to ndarray
        In base units; events are 0 or 1 per neuron.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.initial = {}
        self._keys, self._variables = {}, {}

    def key(self, variable):
        """The name of an array, ``'group.variable'``; known afterwards."""
        if id(variable) not in self._keys:
            name = f"{getattr(variable.owner, 'name', 'free')}.{variable.name}"
            while name in self._variables:
                name += "_"
            self._keys[id(variable)] = name
            self._variables[name] = variable
            self.initial[name] = self._value(variable)
        return self._keys[id(variable)]

    def variable(self, key):
        """The variable behind a name."""
        return self._variables[key]

    def values(self, variable):
        """Present values of a variable, as they are in the network."""
        return np.array(variable.get_value())

    def _value(self, variable):
        if is_event_space(variable):
            return np.zeros(variable.size - 1, self.dtype)
        value = self.values(variable)
        if variable.scalar:
            value = value.reshape(())
        if value.dtype.kind == "f":
            return value.astype(self.type_of(variable))
        return value

    def type_of(self, variable):
        """The type that a variable has here."""
        if variable.dtype is None or np.dtype(variable.dtype).kind != "f":
            return np.dtype(variable.dtype or self.dtype)
        kept = variable.name in _TIMES or isinstance(variable.owner, Clock)
        return np.dtype(float) if kept else self.dtype

    def index(self, captured, name):
        """
        Through which array a name of captured code is indexed.

        Returns
        -------
        str or None
            None for all elements in order, '0' for a single number, or the name of
            an array of whole numbers.
        """
        index = captured.indices[name]
        if index == "0" or getattr(captured.variables[name], "scalar", False):
            return "0"
        if index == "_idx":
            return None
        variable = captured.variables[index]
        if isinstance(variable, Constant | ArrayVariable):
            return self.key(variable)
        raise NotDifferentiableError(
            f"'{name}' in the code of '{captured.runner.name}' is indexed in a way "
            "that is not known here."
        )
