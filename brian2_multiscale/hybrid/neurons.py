"""The neurons of hybrid populations."""

import numpy as np

from ..density.density import PartOfGroup

__all__ = ["Neurons"]


class Neurons(PartOfGroup):
    """
    The neurons of a `HybridGroup`, those of the first population first.

    Its variables are the voltage (under its name in the model; `nan` while the
    population is a density) and `population`.
    """

    def __init__(self, group, name):
        super().__init__(group, group.sizes, name)
        variable = group.noisy.name
        self.variables.add_array(
            variable,
            self._N,
            dimensions=group.variables[variable].dim,
            dtype=np.float64,
            values=np.full(self._N, np.nan),
            read_only=True,
        )
        self._enable_group_attributes()

    def __repr__(self):
        return f"<Neurons {self.name!r}: {self._N}>"
