"""The values of a mechanism: defaults of the file and those of the user."""

import math
from dataclasses import dataclass
from difflib import get_close_matches

from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)

from ..arguments import check_number
from .checks import statement_lines
from .values import unit_text

__all__ = ["Parameter"]


@dataclass(frozen=True)
class Parameter:
    """
    A value and where it comes from.

    Attributes
    ----------
    name : str
        As in the equations.
    value : float or `Quantity`
    source : str
        Publication and place, or "given by the user" with the default's source.
    """

    name: str
    value: object
    source: str


def dimensions_of(file, name):
    """Dimensions of a parameter: of its line, else of its default."""
    if name in file.body.equations:
        return file.body.equations[name].dim
    return get_dimensions(file.head.parameters[name].value)


def settable(file):
    """
    Names that a keyword may set: all with a default, and parameter lines.

    Not those that a statement assigns: they are memory, not parameters.
    """
    lines = file.body.equations.parameter_names - assigned(file)
    return {*file.head.parameters, *(n for n in lines if n not in file.states)}


def assigned(file):
    """Names that the statements of a file assign."""
    lines = [s for k in ("on_pre", "reset") for s in statement_lines(file.head.get(k))]
    return {file.statement("on_pre", line)[0] for line in lines}


def resolve(file, given):
    """
    Return the value and source of every parameter, by its name in the file.

    Parameters
    ----------
    file : `MechanismFile`
    given : dict
        Values that replace the defaults.

    Raises
    ------
    DimensionMismatchError
        If a value has the wrong unit.
    MechanismError
        If a value is not a finite number.
    """
    result = {n: (e.value, e.source) for n, e in file.head.parameters.items()}
    for name, value in given.items():
        source = "given by the user"
        if name in file.head.parameters:
            entry = file.head.parameters[name]
            source += f" (default {entry.text}: {entry.source})"
        result[name] = _checked(file, name, value), source
    return result


def _checked(file, name, value):
    mechanism = file.head.get("name")
    expected = dimensions_of(file, name)
    unit = unit_text(expected)
    try:
        number = check_number(name, value, None)
    except TypeError:
        fix = f"Give one number with unit {unit}"
        fix += f", or vary='{name}' to set it for each neuron or synapse."
        raise file.source.error(f"'{name}' cannot be {value!r}", fix=fix) from None
    if get_dimensions(value) is not expected:
        raise DimensionMismatchError(
            f"The parameter '{name}' of '{mechanism}' was given {value!r}, but its "
            f"unit is {unit}. Multiply the number by a unit of that dimension",
            get_dimensions(value),
            expected,
        )
    if not math.isfinite(number):
        raise file.source.error(
            f"'{name}' cannot be {value!r}", fix="It must be finite."
        )
    if expected is DIMENSIONLESS:
        return number
    return Quantity.with_dimensions(number, expected)


def unknown(file, name, known):
    """Return the error for a keyword that names no parameter."""
    near = get_close_matches(name, known, n=2)
    fix = f"Did you mean {' or '.join(near)}? " if near else ""
    fix += f"Its parameters are {', '.join(sorted(known)) or 'none'}."
    return file.source.error(f"there is no parameter '{name}'", fix=fix)
