"""Units of what a `GradientFitter` is given, before anything is made of it."""

from itertools import product

from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_UNITS
from brian2.equations.equations import DIFFERENTIAL_EQUATION
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

from ...mechanisms.values import unit_text
from ..threshold import threshold_distance

__all__ = ["check_units", "distance_dimension"]


def distance_dimension(fitter, namespace):
    """Dimension of the distance from threshold."""
    if fitter.threshold is None:
        return DIMENSIONLESS
    distance = sympy_to_str(threshold_distance(fitter.threshold))
    try:
        found = _dimension(distance, _known(fitter, namespace, fitter.data.dimensions))
    except DimensionMismatchError as error:
        raise DimensionMismatchError(
            f"threshold={fitter.threshold!r} compares different units: {error.desc}",
            *error.dims,
        ) from None
    return DIMENSIONLESS if found is None else found


def check_units(fitter, namespace):
    """
    Refuse equations whose units do not fit together.

    If another unit of an input would mend that, the error says so.
    """
    inputs = fitter.data.dimensions
    clash = _clash(fitter, _known(fitter, namespace, inputs))
    if clash is None:
        return
    for name in fitter.data.stimuli:
        for dim in _candidates(fitter, namespace):
            known = _known(fitter, namespace, {**inputs, name: dim})
            if _clash(fitter, known) is None:
                given, wanted = (unit_text(d) for d in (inputs[name], dim))
                raise DimensionMismatchError(
                    f"input[{name!r}] has the unit '{given}', but the model needs "
                    f"'{wanted}' there: give values in that unit"
                )
    raise clash


def _clash(fitter, known):
    """An error about the first equation whose units do not fit, or None."""
    for name, equation in fitter.equations.items():
        if equation.expr is None:
            continue
        wanted = equation.dim
        if equation.type == DIFFERENTIAL_EQUATION:
            wanted = wanted / second.dim
        try:
            found = _dimension(equation.expr.code, known)
        except DimensionMismatchError as error:
            text = f"The equation of {name!r}: {error.desc}"
            return DimensionMismatchError(text, *error.dims)
        if found is not None and found is not wanted:
            given, needed = (unit_text(d) for d in (found, wanted))
            return DimensionMismatchError(
                f"The equation of {name!r} has the unit '{given}' on its right side, "
                f"which must be '{needed}'"
            )
    return None


def _dimension(code, known):
    """Of an expression; None where only a group knows it."""
    try:
        return parse_expression_dimensions(code, known)
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError):
        return None


def _known(fitter, namespace, inputs):
    """What names in the strings refer to, as far as units go."""
    own = {n: e.dim for n, e in fitter.equations.items()}
    own |= {n: inputs[n] for n in fitter.data.stimuli}
    own |= dict.fromkeys(("t", "dt", "lastspike"), second.dim)
    own["not_refractory"] = DIMENSIONLESS
    known = {**DEFAULT_CONSTANTS, **DEFAULT_UNITS, **DEFAULT_FUNCTIONS, **namespace}
    return known | {n: get_unit(dim) for n, dim in own.items()}


def _candidates(fitter, namespace):
    """Units that an input may have: of other names, their products and ratios."""
    found = {DIMENSIONLESS, second.dim, *(e.dim for e in fitter.equations.values())}
    found |= {get_dimensions(v) for v in namespace.values() if not callable(v)}
    simple = sorted(found, key=str)
    ratios = [a / b for a, b in product(simple, simple)]
    products = [a * b for a, b in product(simple, simple)]
    return [*simple, *ratios, *products]
