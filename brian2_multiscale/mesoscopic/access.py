"""How populations are addressed: by their index, not by that of their neurons."""

import numpy as np
from brian2.groups.neurongroup import to_start_stop
from brian2.utils.logger import get_logger
from brian2.utils.stringtools import get_identifiers

__all__ = ["PopulationAccess", "population_range"]

logger = get_logger(__name__)

_RANDOM = {"rand", "randn", "poisson"}


def population_range(group, item, count):
    """
    First and last of the populations that an index or slice means.

    Raises
    ------
    IndexError
        If there are not so many, as when neurons are meant.
    """
    last = item.stop if isinstance(item, slice) else np.max(item, initial=0)
    first = item.start if isinstance(item, slice) else 0
    for number, limit in ((last, count), (first, count - 1)):
        if isinstance(number, int | np.integer) and number > limit:
            raise IndexError(
                f"{group.name!r} has {count} population{'s' * (count != 1)}, and its "
                f"parts are populations, not neurons: got [{_text(item)}]. Make "
                "populations by N=[3200, 800], for example; single neurons are in its "
                "attribute 'spikes'."
            )
    return to_start_stop(item, count)


def _text(item):
    if not isinstance(item, slice):
        return str(item)
    return ":".join("" if x is None else str(x) for x in (item.start, item.stop))


class PopulationAccess:
    """Mix-in for groups with one element per population."""

    def __setattr__(self, key, value, level=0):
        if "_group_attribute_access_active" in self.__dict__ and key in self.variables:
            _check_value(self, key, value)
        super().__setattr__(key, value, level=level + 1)


def _check_value(group, key, value):
    if isinstance(value, str):
        if get_identifiers(value) & _RANDOM:
            logger.warn(
                f"'{key}' of {group.name!r} is one value per population: with "
                f"'{value}' all neurons of a population get the same random number. "
                "Use group.neurons (SpikingGroup), group.p (DensityGroup), or let the "
                "populations settle.",
                "one_random_number",
                once=True,
            )
        return
    given, count = np.shape(value), len(group)
    if len(given) == 1 and given[0] not in (1, count):
        raise ValueError(
            f"'{key}' of {group.name!r} is one value per population, {count} in all, "
            f"got {given[0]} values."
        )
