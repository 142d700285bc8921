"""Checks of arguments: each refuses a bad value by a message that names both."""

import numbers
from collections.abc import Mapping
from os import PathLike

import numpy as np
from brian2.codegen.codeobject import CodeObject
from brian2.core.clocks import Clock, DefaultClockProxy
from brian2.equations.equations import Equations
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    get_dimensions,
    get_unit,
)

# What an integer of generated code can be
_LARGEST = 2**31 - 1

__all__ = [
    "as_equations",
    "check_choice",
    "check_flag",
    "check_handed_on",
    "check_mapping",
    "check_method",
    "check_name",
    "check_names",
    "check_number",
    "check_numbers",
    "check_path",
    "check_positive",
    "check_whole",
]


def as_equations(model):
    """A model as `Equations`: they themselves, or a string."""
    if isinstance(model, str):
        return Equations(model)
    if isinstance(model, Equations):
        return model
    raise TypeError(f"model must be a string or Equations, got {model!r}.")


def check_flag(name, value):
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_choice(name, value, choices):
    """One of some strings, numbers or None."""
    if not any(_same(value, choice) for choice in choices):
        options = " or ".join(repr(c) for c in choices)
        raise ValueError(f"{name} must be {options}, got {value!r}.")
    return value


def _same(value, choice):
    # '==' alone would compare arrays, and take True for 1
    kind = numbers.Integral if isinstance(choice, int) else type(choice)
    return isinstance(value, kind) and not isinstance(value, bool) and value == choice


def check_whole(name, value, low=1, high=_LARGEST):
    """A whole number within limits, both included."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if not low <= value <= high:
        limits = f"from {low} to {high}" if low != 1 else f"positive, at most {high}"
        raise ValueError(f"{name} must be {limits}, got {value!r}.")
    return int(value)


def check_numbers(name, value, unit=1, kind=None):
    """
    Numbers with a unit.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        What was given for it.
    unit : `Quantity` or 1, optional
        With the dimensions that it must have; None allows all.
    kind : str, optional
        What it must be, for the message: ``'a time'``.

    Returns
    -------
    ndarray
        Of float, in base units; scalar, or of any shape.

    Raises
    ------
    TypeError
        If it is not made of real numbers (``True`` is none).
    DimensionMismatchError
        If it has another unit.
    """
    wanted = None if unit is None else get_dimensions(unit)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # lists of different lengths
        array = np.array(None)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {kind or 'a number'}, got {value!r}.")
    try:
        found = None if wanted is None else get_dimensions(value)
    except TypeError as error:  # a list of several units
        kind = kind or "a number"
        raise TypeError(
            f"{name} must be {kind} (all of one unit), got {value!r}."
        ) from error
    # As everywhere in Brian2, zero has any unit
    if wanted is not None and found is not wanted and np.any(array):
        asked = f"be {kind}" if kind else _unit_asked(wanted)
        raise DimensionMismatchError(f"{name} must {asked}, got {_short(value)}", found)
    return array.astype(float)


def _unit_asked(dim):
    if dim is DIMENSIONLESS:  # Brian2 would call it radian
        return "be a number without unit"
    return f"have the unit {get_unit(dim)!r}"


def _short(value):
    text = str(value)
    return text if len(text) < 200 else f"values of shape {np.shape(value)}"


def check_number(name, value, unit=1, kind=None):
    """One number with a unit, as a float in base units (see `check_numbers`)."""
    number = check_numbers(name, value, unit, kind)
    if number.ndim:
        raise TypeError(f"{name} must be a single number, got {value!r}.")
    return float(number)


def check_positive(name, value, unit=1, kind=None):
    """A positive, finite number, in base units."""
    number = check_number(name, value, unit, kind)
    if not 0 < number < np.inf:
        noun = (kind or "a number").removeprefix("a ")
        raise ValueError(f"{name} must be a positive, finite {noun}, got {value!r}.")
    return number


def check_names(name, value):
    """One name or several, as a tuple."""
    names = (value,) if isinstance(value, str) else value
    known = isinstance(names, list | tuple | set)
    if not known or not all(isinstance(n, str) for n in names):
        raise TypeError(f"{name} must be a name or a list of names, got {value!r}.")
    return tuple(names)


def check_name(name, value):
    """What an object or a variable can be called; ``'*'`` asks for a free number."""
    text = value[:-1] if isinstance(value, str) and value.endswith("*") else value
    if not isinstance(text, str) or not (text.isidentifier() and text.isascii()):
        raise ValueError(
            f"{name} must be made of letters, digits and underscores, got {value!r}."
        )
    return value


def check_path(name, value):
    """A path that is not empty."""
    if not isinstance(value, str | PathLike) or not str(value).strip():
        raise TypeError(f"{name} must be the path of a file, got {value!r}.")
    return value


def check_handed_on(
    name,
    namespace=None,
    dtype=None,
    dt=None,
    clock=None,
    order=0,
    codeobj_class=None,
    method_options=None,
):
    """
    Check arguments that are handed on to Brian2, which finds faults late or never.

    Parameters
    ----------
    name, namespace, dtype, dt, clock, order, codeobj_class, method_options :
        As in `NeuronGroup`.
    """
    check_name("name", name)
    check_mapping("namespace", namespace)
    _check_dtype(dtype)
    if dt is not None:
        step = check_numbers("dt", dt, second, "a time")
        if step.ndim or not 0 < step < np.inf:
            raise ValueError(f"dt must be one positive, finite time, got {dt}.")
    if clock is not None and not isinstance(clock, Clock | DefaultClockProxy):
        raise TypeError(f"clock must be a Clock or None, got {clock!r}.")
    if isinstance(order, bool) or not isinstance(order, numbers.Integral):
        raise TypeError(f"order must be a whole number, got {order!r}.")
    known = isinstance(codeobj_class, type) and issubclass(codeobj_class, CodeObject)
    if codeobj_class is not None and not known:
        raise TypeError(
            "codeobj_class must be a class of code objects (CythonCodeObject, say) or "
            f"None, got {codeobj_class!r}."
        )
    check_mapping("method_options", method_options)


def check_mapping(name, value):
    """Names and values, or None."""
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
        raise TypeError(f"{name} must be a dict of names and values, got {value!r}.")


def _check_dtype(dtype):
    types = dtype.values() if isinstance(dtype, Mapping) else [dtype]
    for one in types:
        try:
            # numpy would take a Quantity or an empty list for something
            known = one is None or isinstance(one, type | str | np.dtype)
            known = known and np.dtype(one).kind in "iufb"
        except TypeError:
            known = False
        if not known:
            raise TypeError(
                "dtype must be a type of numbers such as numpy.float32, or a dict of "
                f"variables and types, got {dtype!r}."
            )


def check_method(name, method):
    """Ways to integrate equations: names known to Brian2, or functions."""
    methods = method if isinstance(method, list | tuple) else [method]
    known = StateUpdateMethod.stateupdaters
    for one in methods:
        if isinstance(one, str) and one not in known:
            raise ValueError(
                f"{name} must be one of {sorted(known)}, or several of them; got "
                f"{method!r}."
            )
    usable = [
        isinstance(m, str) or callable(m) and not isinstance(m, type) for m in methods
    ]
    if not methods or not all(usable):
        raise TypeError(
            f"{name} must be a name such as 'euler', a function or a list of them, got "
            f"{method!r}."
        )
