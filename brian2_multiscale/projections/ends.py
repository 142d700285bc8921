"""Sources and targets of projections: populations or single neurons."""

from dataclasses import dataclass

import numpy as np
from brian2.core.spikesource import SpikeSource
from brian2.groups.group import Group

from ..density.group import DensityGroup
from ..mesoscopic.group import MesoscopicGroup
from ..mesoscopic.spikes import PopulationSpikes
from ..mesoscopic.subgroup import whole_of
from ..spiking.group import SpikingGroup

__all__ = ["End", "find_source", "find_target"]


@dataclass
class End:
    """
    One end of a projection.

    Attributes
    ----------
    group : Group
        As given, a subgroup for example; the neurons of a `SpikingGroup`.
    whole : Group
        The group that it is a part of.
    populations : ndarray of int or None
        Indices of populations of a `MesoscopicGroup` or `DensityGroup`; None for single
        neurons.
    edges : ndarray of int or None
        Single neurons: where the populations begin in `group`, and where the last ends.
    first : int or None
        Index of the first population if the neurons have a variable ``population``.
    owner : `SpikingGroup` or None
        Whose neurons these are.
    """

    group: Group
    whole: Group
    populations: np.ndarray | None
    edges: np.ndarray | None = None
    first: int | None = None
    owner: SpikingGroup | None = None

    @property
    def is_population(self):
        return self.populations is not None

    @property
    def has_cohorts(self):
        return isinstance(self.whole, MesoscopicGroup)

    @property
    def size(self):
        """Number of rows or columns of a matrix of weights."""
        return len(self.populations) if self.is_population else len(self.edges) - 1

    @property
    def sizes(self):
        """Number of neurons of every population."""
        if self.is_population:
            return np.asarray(self.whole.sizes)[self.populations]
        return np.diff(self.edges)


def _end(group):
    whole = whole_of(group)
    start = int(getattr(group, "start", 0))
    stop = int(getattr(group, "stop", len(whole)))
    if isinstance(whole, MesoscopicGroup | DensityGroup):
        return End(group, whole, np.arange(start, stop))
    if isinstance(whole, SpikingGroup):
        edges = np.concatenate([[0], np.cumsum(whole.sizes)])[start : stop + 1]
        neurons = whole.neurons
        if (start, stop) != (0, len(whole)):
            neurons = neurons[int(edges[0]) : int(edges[-1])]
        return End(neurons, whole.neurons, None, edges - edges[0], start, whole)
    return End(group, whole, None, np.array([0, stop - start]))


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
        "source must emit spikes (MesoscopicGroup, DensityGroup, SpikingGroup, "
        "NeuronGroup, PoissonGroup, SpikeGeneratorGroup or a part of one), got "
        f"{group!r}."
    )


def find_target(group):
    """Check a target and say what it is."""
    if isinstance(group, Group) and not isinstance(whole_of(group), PopulationSpikes):
        return _end(group)
    raise TypeError(
        "target must be a group with variables (MesoscopicGroup, DensityGroup, "
        f"SpikingGroup, NeuronGroup or a part of one), got {group!r}."
    )
