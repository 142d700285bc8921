"""Numbers that are given with or without a unit."""

from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

from ..arguments import check_numbers

__all__ = ["base_numbers", "check_unit"]


def check_unit(name, value, dim, kind=None):
    """
    Refuse a unit that is not that of a variable; plain numbers are in base units.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
    dim : `Dimension`
    kind : str, optional
        What it must be, for the message.

    Raises
    ------
    DimensionMismatchError, TypeError
        If it has another unit, or several.
    """
    if _has_unit(name, value):
        plain = "numbers without unit" if dim is DIMENSIONLESS else None
        check_numbers(name, value, get_unit(dim), kind or plain)


def base_numbers(name, value, dim, kind=None):
    """Numbers as an array of float in base units (see `check_unit`)."""
    check_unit(name, value, dim, kind)
    return check_numbers(name, value, None)


def _has_unit(name, value):
    if not hasattr(value, "dim") and not isinstance(value, list | tuple):
        return False
    try:
        return get_dimensions(value) is not DIMENSIONLESS
    except DimensionMismatchError as error:
        raise TypeError(
            f"{name} must be numbers of one unit, got {value!r}."
        ) from error
    except (TypeError, ValueError):  # no numbers
        return True
