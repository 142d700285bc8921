"""The density of voltages as a group of bins."""

import numpy as np

from ..mesoscopic.members import Members

__all__ = ["Density", "PartOfGroup"]


class PartOfGroup(Members):
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
        grids, variable = group.grids, group.noisy.name
        super().__init__(group, [grid.cells for grid in grids], name)
        dim = group.variables[variable].dim
        v = self.variables
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
        self._enable_group_attributes()

    def of(self, population):
        """The bins of one population."""
        first = int(sum(grid.cells for grid in self.group.grids[:population]))
        return self[first : first + self.group.grids[population].cells]

    def __repr__(self):
        return f"<Density {self.name!r}: {self._N} bins>"
