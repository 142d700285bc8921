"""Sources and targets of projections: populations or single neurons."""

from dataclasses import dataclass

import numpy as np
from brian2.core.spikesource import SpikeSource
from brian2.groups.group import Group

from ..density.group import DensityGroup
from ..mesoscopic.group import MesoscopicGroup
from ..mesoscopic.spikes import PopulationSpikes
from ..mesoscopic.subgroup import whole_of

__all__ = ["End", "find_source", "find_target"]


@dataclass
class End:
    """
    One end of a projection.

    Attributes
    ----------
    group : Group
        As given, a subgroup for example.
    whole : Group
        The group that it is a part of.
    populations : ndarray of int or None
        Indices of populations of a `MesoscopicGroup` or `DensityGroup`; None for single
        neurons.
    """

    group: Group
    whole: Group
    populations: np.ndarray | None

    @property
    def is_population(self):
        return self.populations is not None

    @property
    def has_cohorts(self):
        return isinstance(self.whole, MesoscopicGroup)

    @property
    def size(self):
        """Number of rows or columns of a matrix of weights."""
        return len(self.populations) if self.is_population else 1


def _end(group):
    whole = whole_of(group)
    if isinstance(whole, MesoscopicGroup | DensityGroup):
        start = getattr(group, "start", 0)
        stop = getattr(group, "stop", len(whole))
        return End(group, whole, np.arange(int(start), int(stop)))
    return End(group, whole, None)


def find_source(group):
    """Check a source and say what it is."""
    end = _end(group) if isinstance(group, Group) else None
    if end is not None and (end.is_population or isinstance(end.whole, SpikeSource)):
        if isinstance(end.whole, PopulationSpikes):
            raise TypeError(
                "source is the spikes of populations; give their group itself to "
                "a Projection, which keeps the plasticity of its neurons. (Spikes are "
                "for ordinary Synapses.)"
            )
        return end
    raise TypeError(
        "source must emit spikes (MesoscopicGroup, DensityGroup, NeuronGroup, "
        f"PoissonGroup, SpikeGeneratorGroup or a part of one), got {group!r}."
    )


def find_target(group):
    """Check a target and say what it is."""
    if isinstance(group, Group) and not isinstance(whole_of(group), PopulationSpikes):
        return _end(group)
    raise TypeError(
        "target must be a group with variables (MesoscopicGroup, DensityGroup, "
        f"NeuronGroup or a part of one), got {group!r}."
    )
