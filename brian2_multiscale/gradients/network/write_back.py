"""Values of parameters for a user's own objects, in this or another network."""

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.synapses.synapses import Synapses

from ...codegen.arrays import unit_name
from .choices import owned

__all__ = ["arranged", "namesake"]


def namesake(obj, network):
    """
    The object of the same name in another network.

    Raises
    ------
    ValueError
        If it has no such object.
    """
    known = owned(network)
    if obj.name not in known:
        raise ValueError(
            f"network has no objects named {[obj.name]}; it has {sorted(known)}."
        )
    return known[obj.name]


def arranged(values, obj, trained, variable):
    """
    Values of an object in the order of the elements of its namesake.

    Parameters
    ----------
    values : ndarray
    obj : `Group`
    trained : `Group`
        Whose values these are; its synapses may be in another order.
    variable : str

    Raises
    ------
    ValueError
        If there is no such variable, or if there are other neurons or synapses.
    """
    found = getattr(obj, "variables", {}).get(variable)
    dim = trained.variables[variable].dim
    if not isinstance(found, ArrayVariable) or found.dim is not dim:
        raise ValueError(
            f"network: '{obj.name}' has no variable '{variable}' of the unit "
            f"{unit_name(dim)}."
        )
    if not values.ndim or obj is trained:
        return values
    if isinstance(trained, Synapses) and isinstance(obj, Synapses):
        return _by_pairs(values, obj, trained)
    if len(obj) != len(values):
        raise ValueError(
            f"network: '{obj.name}' has {len(obj)} elements, but {len(values)} were "
            "trained."
        )
    return values


def _by_pairs(values, obj, trained):
    pairs, theirs = _pairs(trained), _pairs(obj)
    if theirs is None:
        return values
    # Synapses of the same pair stay in their order
    order, their_order = np.lexsort(pairs), np.lexsort(theirs)
    if not np.array_equal(pairs[:, order], theirs[:, their_order]):
        raise ValueError(
            f"network: the {theirs.shape[1]} synapses of '{obj.name}' are between "
            f"other neurons than the {pairs.shape[1]} that were trained. Connect both "
            "by connect(i=..., j=...) with the same arrays."
        )
    found = np.empty_like(values)
    found[their_order] = values[order]
    return found


def _pairs(synapses):
    """Sources and targets, (2, n); None if they are not known before the build."""
    names = "_synaptic_pre", "_synaptic_post"
    try:
        return np.array([synapses.variables[n].get_value() for n in names])
    except NotImplementedError:
        return None
