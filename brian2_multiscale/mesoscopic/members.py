"""What the populations of a group consist of, as a group of their own."""

import numpy as np
from brian2.core.variables import Variables
from brian2.groups.group import Group
from brian2.groups.neurongroup import to_start_stop
from brian2.groups.subgroup import Subgroup

__all__ = ["Members"]


class Members(Group):
    """
    Elements of all populations of a group, those of the first population first.

    Parameters
    ----------
    group : Group
        The populations; clock and place in the schedule are theirs.
    sizes : sequence of int
        Number of elements of every population.
    name : str
    """

    def __init__(self, group, sizes, name):
        self.codeobj_class = group.codeobj_class
        self.group = group
        Group.__init__(
            self,
            clock=group.clock,
            when=group.when,
            order=group.order,
            namespace=group.namespace,
            name=name,
        )
        total = int(sum(sizes))
        self._N, self.start, self.stop = total, 0, total
        self.events = {}  # subgroups look for them
        self.variables = v = Variables(self)
        v.add_constant("N", total)
        v.add_arange("i", total, constant=True, read_only=True)
        v.create_clock_variables(group.clock)
        v.add_array(
            "population",
            total,
            dtype=np.int32,
            values=np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
            constant=True,
            read_only=True,
        )

    def __getitem__(self, item):
        return Subgroup(self, *to_start_stop(item, self._N))

    def __len__(self):
        return self._N
