"""Numbers for the constants that a plasticity rule uses."""

import numpy as np
import sympy as sp
from brian2.core.variables import Constant

from ..codegen.straightline import names_in, symbol
from .rule import ProjectionError

__all__ = ["constants_of"]


def constants_of(projection, run_namespace):
    """
    Symbols of external names: their values, in base units.

    Raises
    ------
    ProjectionError
        If a name is a variable of the group instead of a constant.
    """
    rule, group = projection.rule, projection.source.whole
    names = set()
    for e in [*rule.rates.values(), *rule.jumps.values(), *rule.releases]:
        names |= names_in(e)
    names -= {*rule.plastic, *projection.source_parameters, "t", "dt"}
    found = {}
    for name in sorted(names):
        if name in (projection.namespace or {}):
            value = projection.namespace[name]
        else:
            variable = group.resolve_all([name], run_namespace, {name})[name]
            if not isinstance(variable, Constant):
                raise ProjectionError(
                    f"The plasticity of {projection.name!r} uses '{name}', which must "
                    "be a constant, or a parameter of the projection's model."
                )
            value = variable.get_value()
        found[symbol(name)] = sp.Float(float(np.asarray(value)), 17)
    return found
