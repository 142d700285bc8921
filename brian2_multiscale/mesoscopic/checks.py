"""Bad input of mesoscopic populations, refused before anything runs."""

import numbers

import numpy as np
from brian2.core.functions import Function
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity

from ..arguments import check_numbers
from ..codegen.straightline import names_in, parse_expression
from ..kinetics.differentiation import NotDifferentiableError
from .expansion import expand_subexpressions

__all__ = [
    "check_differentiable",
    "check_names",
    "check_sizes",
    "check_stateless",
    "check_time",
]

#: Names that populations and cohorts have anyway
RESERVED = (
    "n",
    "A",
    "A_expected",
    "population",
    "survivors",
    "survivors_variance",
    "escape_rate",
    "lastspike",
)


#: Attributes that are no variables
ATTRIBUTES = (
    "closure_order",
    "cohorts",
    "directions",
    "hazard",
    "memory_in_steps",
    "noise",
    "passengers",
    "refractory_expression",
    "rule",
    "sizes",
    "updater",
    "variables_by_kind",
)


def check_sizes(N):
    """Sizes of the populations as a list of int."""
    if isinstance(N, Quantity) and N.dim is not DIMENSIONLESS:
        raise ValueError(f"N must be a whole number without unit, got {N!r}.")
    sizes = _listed(N)
    if not sizes:
        raise ValueError(
            f"N must be a number of neurons or a list of them, got none in {N!r}."
        )
    for size in sizes:
        if not isinstance(size, numbers.Real) or isinstance(size, bool):
            raise TypeError(
                "N must be a number of neurons or a list of them (one per "
                f"population), got {N!r}."
            )
        if not 1 <= size < np.inf or size != int(size):
            raise ValueError(
                f"N must be a whole number of neurons, at least 1, got {size!r}."
            )
        if size > 2**31 - 1:
            raise ValueError(f"N must be smaller than 2**31, got {size!r}.")
    return [int(size) for size in sizes]


def _listed(sizes):
    """The elements of a list or array, as they are."""
    if isinstance(sizes, np.ndarray) and sizes.ndim < 2:
        sizes = sizes.ravel().tolist()
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


def check_names(equations):
    """Refuse names that populations or cohorts need for themselves."""
    taken = {*RESERVED, *ATTRIBUTES}
    for name in equations.names:
        if name in taken or name.startswith(("var_", "cov_")):
            raise ValueError(
                f"The model must not define a variable '{name}': that is a variable or "
                "attribute of populations or cohorts. Call it by another name."
            )
    for name, eq in equations.items():
        if eq.type == PARAMETER and "linked" in eq.flags:
            raise NotImplementedError(
                f"'{name}' is a linked variable; link to it from the other side, or "
                "write to it with run_regularly."
            )
        if eq.type == DIFFERENTIAL_EQUATION and "shared" in eq.flags:
            raise ValueError(f"The differential equation of '{name}' cannot be shared.")


def check_time(name, value, positive=True):
    """A time in seconds."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be a single time, got {value!r}.")
    number = check_numbers(name, value, second, "a time")
    if number.ndim > 0:
        raise TypeError(f"{name} must be a single time, got {value!r}.")
    number = float(number)
    if not np.isfinite(number) or number < 0 or (positive and number == 0):
        kind = "positive" if positive else "zero or positive"
        raise ValueError(f"{name} must be a {kind}, finite time, got {value}.")
    return number


def check_stateless(variables):
    """Refuse random functions, which would be the same for a whole cohort."""
    for name, variable in variables.items():
        if isinstance(variable, Function) and not variable.stateless:
            raise ValueError(
                f"The model calls {name}(), which gives every neuron another random "
                "number at every step; a population cannot follow that. Use white "
                "noise (xi, with closure_order=2) or a hazard."
            )


def check_differentiable(group, moving):
    """Refuse derivatives that do not exist, of what does not change smoothly."""
    if group.noise:
        raise NotDifferentiableError(
            f"The populations of {group.name!r} fire random whole numbers of spikes, "
            "which have no derivative; make the group with noise=False (infinitely "
            "many neurons)."
        )
    period = parse_expression(group.refractory_expression)
    used = names_in(expand_subexpressions(period, group.user_equations)) & set(moving)
    if used:
        raise NotDifferentiableError(
            f"The refractory period '{group.refractory_expression}' of {group.name!r} "
            f"depends on {sorted(used)}; it is a whole number of time steps, which has "
            "no derivative. Fit it by a search over its values."
        )
