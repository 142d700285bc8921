"""The neurons of hybrid populations."""

import numpy as np
from brian2.core.variables import Variables
from brian2.groups.group import Group
from brian2.groups.neurongroup import to_start_stop
from brian2.groups.subgroup import Subgroup

from ..density.density import PartOfGroup

__all__ = ["Neurons"]


class Neurons(PartOfGroup):
    """
    The neurons of a `HybridGroup`, those of the first population first.

    Its variables are the voltage (under its name in the model; `nan` while the
    population is a density) and `population`.
    """

    def __init__(self, group, name):
        self.group = group
        total = int(sum(group.sizes))
        Group.__init__(
            self,
            clock=group.clock,
            when=group.when,
            order=group.order,
            namespace=group.namespace,
            name=name,
        )
        self._N, self.start, self.stop = total, 0, total
        self.events = {}  # subgroups look for them
        self.variables = v = Variables(self)
        v.add_constant("N", total)
        v.add_arange("i", total, constant=True, read_only=True)
        v.create_clock_variables(group.clock)
        variable = group.noisy.name
        v.add_array(
            variable,
            total,
            dimensions=group.variables[variable].dim,
            dtype=np.float64,
            values=np.full(total, np.nan),
            read_only=True,
        )
        populations = np.repeat(np.arange(len(group)), group.sizes).astype(np.int32)
        v.add_array(
            "population",
            total,
            dtype=np.int32,
            values=populations,
            constant=True,
            read_only=True,
        )
        self._enable_group_attributes()

    def __getitem__(self, item):
        return Subgroup(self, *to_start_stop(item, self._N))

    def __len__(self):
        return self._N

    def __repr__(self):
        return f"<Neurons {self.name!r}: {self._N}>"
