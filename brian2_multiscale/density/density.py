"""The density of voltages as a group of bins."""

import numpy as np
from brian2.core.variables import Variables
from brian2.groups.group import Group
from brian2.groups.neurongroup import to_start_stop
from brian2.groups.subgroup import Subgroup

__all__ = ["Density", "PartOfGroup"]


class PartOfGroup(Group):
    """
    A group that its owner makes late, and stores and restores.

    A network could not restore what it had before there was this group.
    """

    @property
    def _full_state(self):
        raise AttributeError("_full_state")

    @property
    def _restore_from_full_state(self):
        raise AttributeError("_restore_from_full_state")


class Density(PartOfGroup):
    """
    Bins of the voltages of all populations of a `DensityGroup`, one after the other.

    Its variables can be recorded (``StateMonitor(group.density, 'p', record=True)``)
    and read: `p` (probability per voltage; that of neurons in a refractory period is
    not in it), the centre of a bin under the name of the variable of the model, and
    `population`.
    """

    def __init__(self, group, name):
        self.group = group
        Group.__init__(
            self,
            clock=group.clock,
            when=group.when,
            order=group.order,
            namespace=group.namespace,
            name=name,
        )
        grids, variable = group.grids, group.noisy.name
        dim = group.variables[variable].dim
        self._N = int(sum(grid.cells for grid in grids))
        self.start, self.stop = 0, self._N
        self.variables = v = Variables(self)
        v.add_constant("N", self._N)
        v.add_arange("i", self._N, constant=True, read_only=True)
        v.create_clock_variables(group.clock)
        v.add_array("p", self._N, dimensions=dim**-1, dtype=float, read_only=True)
        v.add_array(
            variable,
            self._N,
            dimensions=dim,
            dtype=float,
            values=np.concatenate([grid.centres for grid in grids]),
            constant=True,
            read_only=True,
        )
        sizes = [grid.cells for grid in grids]
        v.add_array(
            "population",
            self._N,
            dtype=np.int32,
            values=np.repeat(np.arange(len(grids)), sizes).astype(np.int32),
            constant=True,
            read_only=True,
        )
        self.events = {}  # subgroups look for them
        self._enable_group_attributes()

    def of(self, population):
        """The bins of one population."""
        first = int(sum(grid.cells for grid in self.group.grids[:population]))
        return self[first : first + self.group.grids[population].cells]

    def __getitem__(self, item):
        return Subgroup(self, *to_start_stop(item, self._N))

    def __len__(self):
        return self._N

    def __repr__(self):
        return f"<Density {self.name!r}: {self._N} bins>"
