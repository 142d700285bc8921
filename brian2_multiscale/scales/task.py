"""What the simulations of a comparison need, in a form that other processes get."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2.core.namespace import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, DEFAULT_UNITS
from brian2.equations.codestrings import Expression
from brian2.equations.equations import (
    PARAMETER,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.input.timedarray import TimedArray
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DimensionMismatchError, get_dimensions
from brian2.utils.stringtools import get_identifiers

from ..arguments import as_equations
from ..codegen.arrays import unit_name
from ..matrices import with_unit

__all__ = ["Task", "TimedValues", "constants_of", "driven_model", "unpacked"]


@dataclass
class Task:
    """
    One model at one scale, and the seeds of its runs; times are in seconds.

    Attributes
    ----------
    arguments : dict
        Of `population`, without the scale.
    constants : dict
        What the strings refer to.
    values : dict
        Parameters and initial values of the group.
    projections : list of dict
        Arguments of `Projection`, from the group to itself.
    connect : callable or None
        Makes further objects for the group.
    target : str
        Code generation target, 'cpp_standalone' for C++ programs.
    """

    scale: str
    arguments: dict
    constants: dict
    values: dict
    projections: list
    connect: Any
    duration: float
    warmup: float
    bin: float
    dt: float
    target: str
    seeds: list = field(default_factory=list)


@dataclass
class TimedValues:
    """A `TimedArray`, which cannot be pickled itself."""

    values: np.ndarray
    dim: Any
    dt: float

    @classmethod
    def of(cls, array):
        return cls(np.asarray(array.values), array.dim, float(array.dt))

    def make(self):
        return TimedArray(with_unit(self.values, self.dim), dt=self.dt * second)


def driven_model(model, drive, populations):
    """
    A model with the parameters of the drive as functions of time.

    Parameters
    ----------
    model : str or `Equations`
    drive : dict or None
        By parameter of the model: a number with unit (or one per population), a
        `TimedArray` (of time, or time and population), or an expression.
    populations : int

    Returns
    -------
    model : `Equations`
    values : dict
        Parameters that keep their equation.
    constants : dict
        What the new equations refer to.
    """
    model = as_equations(model)
    if drive is not None and not isinstance(drive, Mapping):
        raise TypeError(
            "drive must be a dict of parameters of the model and their values, "
            f"expressions or TimedArrays, got {drive!r}."
        )
    values, constants, expressions = {}, {}, {}
    for name, value in (drive or {}).items():
        _check_parameter(name, model)
        if isinstance(value, str):
            expressions[name] = value
        elif isinstance(value, TimedArray):
            table = f"drive_of_{name}"
            constants[table] = TimedValues.of(value)
            _check_unit(f"drive[{name!r}]", value.dim, model[name].dim)
            indices = "t, i" if value.values.ndim == 2 else "t"
            _check_columns(name, value, populations)
            expressions[name] = f"{table}({indices})"
        else:
            values[name] = per_population(f"drive[{name!r}]", value, populations)
            _check_unit(f"drive[{name!r}]", get_dimensions(value), model[name].dim)
    return _with_expressions(model, expressions), values, constants


def _check_parameter(name, model):
    parameters = [n for n, e in model.items() if e.type == PARAMETER]
    if name not in parameters:
        raise ValueError(
            f"drive has {name!r}, which is no parameter of the model; these are "
            f"{sorted(parameters)}. Write '{name} : <unit>' into the model."
        )


def _check_unit(what, found, expected):
    if found is not expected:
        raise DimensionMismatchError(
            f"{what} must have the unit {unit_name(expected)}", found
        )


def _check_columns(name, array, populations):
    shape = array.values.shape
    if len(shape) == 2 and shape[1] != populations:
        raise ValueError(
            f"drive[{name!r}] must have one column for each of the {populations} "
            f"populations, got the shape {shape}."
        )


def per_population(what, value, populations):
    """One number, or one for each population."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"{what} must be a number with unit, one per population, an expression or "
            f"a TimedArray, got {value!r}."
        ) from None
    if array.shape not in ((), (populations,)) or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{what} must be one finite value or {populations} of them, got {value}."
        )
    return value


def _with_expressions(model, expressions):
    single = []
    for name, eq in model.items():
        if name in expressions:
            code = Expression(expressions[name])
            eq = SingleEquation(SUBEXPRESSION, name, eq.dim, eq.var_type, code)
        single.append(eq)
    return Equations(single)


def constants_of(strings, namespace):
    """
    What strings refer to, as far as the namespace has it, ready to be pickled.

    Raises
    ------
    TypeError
        If something cannot be sent to another process.
    """
    known = {*DEFAULT_CONSTANTS, *DEFAULT_FUNCTIONS, *DEFAULT_UNITS}
    names = set().union(*(get_identifiers(s) for s in strings)) - known
    found = {}
    for name in sorted(names & set(namespace)):
        value = namespace[name]
        if isinstance(value, TimedArray):
            found[name] = TimedValues.of(value)
            continue
        try:
            pickle.dumps(value)
        except Exception as error:
            raise TypeError(
                f"The strings use '{name}', but {value!r} cannot be sent to another "
                "process. Use a number with unit, an array or a TimedArray."
            ) from error
        found[name] = value
    return found


def unpacked(constants):
    """Constants as a namespace of Brian2."""
    return {
        name: value.make() if isinstance(value, TimedValues) else value
        for name, value in constants.items()
    }
