"""Groups and their variables, as synapses see them."""

import sympy as sp
from brian2.groups.subgroup import Subgroup

from ...codegen.straightline import symbol

__all__ = ["reached", "refer", "whole"]


def whole(group):
    """The group that a subgroup is a part of, or the group."""
    group = group.source if isinstance(group, Subgroup) else group
    # Subgroups only have a proxy, which 'is' does not take for the group
    return group.__repr__.__self__


def refer(synapses, group, value, suffix):
    """
    Let synapses read a variable of a group.

    Parameters
    ----------
    synapses : `Synapses`
    group : `Group`
        The whole one.
    value : sympy expression
        A symbol, the name of the variable; numbers stay what they are.
    suffix : str
        ``'_pre'`` or ``'_post'``; anything else for shared variables of other groups.

    Returns
    -------
    sympy expression
        The name among the variables of the synapses, or the number.
    """
    value = sp.sympify(value)
    if not value.is_Symbol:
        return value
    name = f"{value.name}{suffix}"
    if name not in synapses.variables:
        variable = group.variables[value.name]
        index = "0" if variable.scalar else f"{suffix}synaptic_idx"
        synapses.variables.add_reference(name, group, value.name, index=index)
    return symbol(name)


def reached(start, links):
    """All that can be reached from some names; links are pairs (to, from)."""
    found, size = set(start), -1
    while len(found) > size:
        size = len(found)
        found |= {m for m, n in links if n in found}
    return found
