"""The neurons of a cascade: what it can work on, and its populations."""

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.groups.neurongroup import NeuronGroup, Thresholder
from brian2.groups.subgroup import Subgroup
from brian2.spatialneuron.spatialneuron import SpatialNeuron

from ..mesoscopic.subgroup import whole_of

__all__ = ["check_group", "check_variable", "parts_of", "pieces"]


def parts_of(group):
    """The group, or its subgroups, as a list."""
    parts = list(group) if isinstance(group, (list, tuple)) else [group]
    for part in parts:
        if not isinstance(part, (NeuronGroup, Subgroup)):
            raise TypeError(
                "As its group a cascade needs a NeuronGroup, a part of one, or a list "
                f"of parts of one; got {part!r}."
            )
    if not parts:
        raise ValueError(f"As its group a cascade needs at least one, got {group!r}.")
    if len({id(whole_of(part)) for part in parts}) != 1:
        names = [part.name for part in parts]
        raise ValueError(
            f"The populations of a cascade must be subgroups of one NeuronGroup; "
            f"{names} are not. Make one group and take parts of it, group[:800]."
        )
    return parts


def check_group(group):
    if not isinstance(group, NeuronGroup) or isinstance(group, SpatialNeuron):
        raise TypeError(f"A cascade needs a NeuronGroup, not {group!r}.")
    if "spike" not in group.events:
        raise ValueError(
            f"{group.name!r} has no threshold; give it one, threshold='v > ...'."
        )
    present = group.thresholder["spike"]
    if hasattr(present, "on_pre"):
        raise ValueError(
            f"{group.name!r} has a cascade already, {present.name!r}. For several "
            "populations give one Cascade the list of them, and a matrix of weights."
        )
    if type(present) is not Thresholder:
        raise TypeError(
            f"{group.name!r} finds its spikes in a way of its own "
            f"({type(present).__name__}), which a cascade cannot replace."
        )


def check_variable(group, name):
    """It must be a number per neuron that can be written to."""
    equation = group.equations.get(name) if name in group.equations.names else None
    kinds = (DIFFERENTIAL_EQUATION, PARAMETER)
    if equation is None or equation.type not in kinds:
        raise ValueError(
            f"on_pre changes '{name}_post', but {group.name!r} has no variable "
            f"'{name}' with an equation of its own (variables: "
            f"{sorted(group.equations.names)})."
        )
    unusable = {"shared", "constant", "linked"} & set(equation.flags)
    if unusable or not np.issubdtype(group.variables[name].dtype, np.floating):
        raise ValueError(
            f"'{name}' of {group.name!r} cannot be changed by spikes, because it is "
            f"{' and '.join(sorted(unusable)) or 'no floating point number'}."
        )


def pieces(parts, size):
    """
    Cut a group into populations and the stretches between them.

    Returns
    -------
    first : ndarray
        First neuron of each piece, and the end.
    numbers : ndarray
        Which of the parts it is; -1 for neurons between.
    """
    order = sorted(range(len(parts)), key=lambda k: parts[k].start)
    first, numbers = [0], []
    for k in order:
        start, stop = int(parts[k].start), int(parts[k].stop)
        if start < first[-1]:
            raise ValueError(
                f"The populations of a cascade must not have neurons in common, as "
                f"{parts[k].name!r} has with another."
            )
        if start > first[-1]:
            first.append(start)
            numbers.append(-1)
        first.append(stop)
        numbers.append(k)
    if first[-1] < size:
        first.append(size)
        numbers.append(-1)
    return np.array(first, dtype=np.int32), np.array(numbers)
