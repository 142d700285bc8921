"""Some of the populations of a group."""

from brian2.groups.subgroup import Subgroup

from .access import population_range

__all__ = ["PopulationSubgroup", "whole_of"]


def whole_of(group):
    """The group that a subgroup is a part of; a group itself."""
    # The attribute `source` of a subgroup is a weak proxy
    return group.source.before_run.__self__ if isinstance(group, Subgroup) else group


class PopulationSubgroup(Subgroup):
    """Some of the populations of a group of populations."""

    def __getitem__(self, item):
        start, stop = population_range(self, item, self._N)
        return whole_of(self)[self.start + start : self.start + stop]

    @property
    def spikes(self):
        """The neurons of these populations as a source of spikes."""
        group = whole_of(self)
        first = sum(group.sizes[: self.start])
        return group.spikes[first : first + sum(group.sizes[self.start : self.stop])]
