"""Where the parameters of populations and projections are."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.units.fundamentalunits import Quantity

from ...arguments import check_number
from ...codegen.directional import derivative_name
from ...kinetics.differentiation import NotDifferentiableError
from ...mesoscopic.group import MesoscopicGroup
from ...mesoscopic.subgroup import whole_of
from ...projections.poisson import PoissonPlasticity
from ...projections.populations import PopulationsToPopulations
from ...projections.projection import Projection

__all__ = ["Place", "check_plasticity", "find_places"]


@dataclass(frozen=True)
class Place:
    """
    Elements of an array that one parameter stands for.

    Attributes
    ----------
    label : str
        Name of the parameter.
    holder : Group
        Whose variable it is: a group, or the coupling of a projection.
    variable : str
        Its name there.
    chosen : ndarray of bool
        Elements of the array.
    """

    label: str
    holder: object
    variable: str
    chosen: np.ndarray

    @property
    def dim(self):
        return self.holder.variables[self.variable].dim

    @property
    def value(self):
        """The present value in base units, the same for all elements."""
        values = self._array(self.variable)[self.chosen]
        if np.ptp(values):
            raise ValueError(
                f"parameters: '{self.label}' stands for {len(values)} values that "
                f"differ, {Quantity(values, dim=self.dim)}; choose one by its index: "
                f"(object, '{self.variable}', 0)."
            )
        return float(values[0])

    def _array(self, variable):
        values = np.ravel(self.holder.variables[variable].get_value())
        return np.broadcast_to(values, self.chosen.shape)

    def set(self, value):
        """Give all elements a value, in base units or as a `Quantity`."""
        value = check_number(self.label, value, None)
        self._write(self.variable, value)

    def _write(self, variable, value):
        array = self.holder.variables[variable]
        values = np.where(self.chosen, value, self._array(variable))
        array.set_value(values[0] if array.scalar else values)

    @property
    def array(self):
        """All values of the variable, also those that are not chosen."""
        return np.array(self.holder.variables[self.variable].get_value())

    def restore(self, array):
        """Give the whole variable the values that `array` had."""
        self.holder.variables[self.variable].set_value(array)

    def overlaps(self, other):
        """Whether both stand for the same element."""
        same = self.holder is other.holder and self.variable == other.variable
        return same and bool(np.any(self.chosen & other.chosen))

    def move(self, direction, rate):
        """Set how fast the elements move in a direction."""
        self._write(derivative_name(self.variable, direction), rate)


def find_places(parameters):
    """
    The places of parameters.

    Parameters
    ----------
    parameters : dict of str to tuple
        ``(group, variable)``, ``(group, variable, population)``, ``(projection,
        variable)`` or ``(projection, variable, source, target)``.

    Returns
    -------
    dict of str to `Place`

    Raises
    ------
    TypeError, IndexError
    ValueError
        Also if two parameters stand for the same value.
    NotDifferentiableError
        For a delay, and for what has no derivative in this version.
    """
    places = {label: _find(label, spec) for label, spec in parameters.items()}
    for one, other in combinations(places.values(), 2):
        if one.overlaps(other):
            raise ValueError(
                f"parameters: '{one.label}' and '{other.label}' overlap: both stand "
                "for the same element of a variable, which can have one value only. "
                "Leave one of them out, or choose other elements by index: (object, "
                "'name', 0)."
            )
    return places


def _find(label, spec):
    if not isinstance(spec, tuple) or len(spec) < 2 or not isinstance(spec[1], str):
        raise TypeError(
            f"parameters['{label}'] must be (group, 'variable') or (projection, 'w'), "
            f"perhaps with indices behind, got {spec!r}."
        )
    owner, variable, *index = spec
    if isinstance(owner, Projection):
        return _of_projection(label, owner, variable, tuple(index))
    if not isinstance(whole_of(owner), MesoscopicGroup):
        raise TypeError(
            f"parameters['{label}'] must belong to a MesoscopicGroup or a Projection, "
            f"got {owner!r}."
        )
    return _of_group(label, owner, variable, tuple(index))


def _of_group(label, owner, variable, index):
    group = whole_of(owner)
    known = [n for n in group.equations.parameter_names if n not in ("n", "A")]
    known = [n for n in known if n != "A_expected" and n not in group.cohort_names]
    if variable not in known:
        raise ValueError(
            f"parameters['{label}']: '{variable}' is no parameter of {group.name!r}; "
            f"it has {sorted(known)}. Declare it in the model: '{variable} : unit'."
        )
    part = slice(getattr(owner, "start", 0), getattr(owner, "stop", len(group)))
    chosen = np.zeros(len(group), dtype=bool)
    chosen[np.arange(len(group))[part][index or slice(None)]] = True
    if group.variables[variable].scalar and not chosen.all():
        raise ValueError(
            f"parameters['{label}']: '{variable}' of {group.name!r} is one value for "
            f"all populations; leave out the index, (group, '{variable}'), or the flag "
            "(shared) in the model."
        )
    return Place(label, group, variable, chosen)


def _of_projection(label, projection, variable, index):
    way = projection.way
    if variable == "delay":
        raise NotDifferentiableError(
            f"parameters['{label}']: the delay of {projection.name!r} is a whole "
            "number of time steps, which has no derivative. Fit it by a search over "
            "its values."
        )
    if not isinstance(way, PopulationsToPopulations) or way.at_once:
        raise NotDifferentiableError(
            f"parameters['{label}']: {projection.name!r} does not connect populations "
            "of MesoscopicGroups, whose input has derivatives."
        )
    if variable in projection.source_parameters:
        return _of_plasticity(label, projection, variable, index)
    array = way.coupling.variables.get(variable)
    known = [
        *projection.pair_parameters,
        *(["w"] if projection.weights is not None else []),
    ]
    if variable not in known or not isinstance(array, ArrayVariable):
        known += [*projection.source_parameters]
        raise ValueError(
            f"parameters['{label}']: '{variable}' is no parameter of "
            f"{projection.name!r}; it has {sorted(known)}. Constants of its strings "
            "are none: declare them in its model and give parameters={...}."
        )
    matrix = np.zeros(projection.shape, dtype=bool)
    matrix[index or slice(None)] = True
    chosen = matrix[way.pairs]
    if not chosen.any():
        raise ValueError(
            f"parameters['{label}']: {projection.name!r} has no synapses there (p or "
            "the weight is 0)."
        )
    return Place(label, way.coupling, variable, chosen)


def check_plasticity(projection):
    """Refuse plasticity without derivatives."""
    if isinstance(projection.way.plasticity, PoissonPlasticity):
        raise NotDifferentiableError(
            f"The plasticity of {projection.name!r} has closure='poisson', which has "
            "no derivatives; use closure='cohort'."
        )


def _of_plasticity(label, projection, variable, index):
    check_plasticity(projection)
    plasticity = projection.way.plasticity
    group, name = plasticity.group, f"_{plasticity.prefix}_{variable}"
    chosen = np.zeros(len(group), dtype=bool)
    chosen[projection.source.populations[index or slice(None)]] = True
    return Place(label, group, name, chosen)
