"""Arguments of tasks: stimuli, units and recorded signals."""

from collections.abc import Mapping

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_dimensions,
)

from ..arguments import check_numbers, check_positive
from ..codegen.arrays import unit_name
from .stimulus import Stimulus, recipe_list

__all__ = [
    "input_units",
    "positive_time",
    "recorded",
    "signal_units",
    "task_recipes",
]


def positive_time(name, value):
    """A positive, finite time in seconds."""
    return check_positive(name, value, second, "a time")


def input_units(stimuli, through, inputs):
    """Units of inputs that the equations do not declare: those of what drives them."""
    if through is not None:
        return _stage_units(through, inputs)
    if isinstance(stimuli, Mapping):
        _check_names("stimuli", stimuli, inputs)
        return {n: recipe_list("stimuli", s)[0].dim for n, s in stimuli.items()}
    return recipe_list("stimuli", stimuli)[0].dim


def _stage_units(through, inputs):
    if isinstance(through, Mapping | str) or not (
        callable(through) or hasattr(through, "simulate")
    ):
        raise TypeError(
            f"through must be a SurrogateTask or a function, got {through!r}. Make a "
            "task of a mechanism or of equations: through=SurrogateTask(...)."
        )
    outputs = getattr(through, "outputs", ())
    pairs = zip(inputs, outputs, strict=False)  # numbers are compared later
    return {name: through.dims[output] for name, output in pairs}


def _check_names(what, given, inputs):
    if set(given) != set(inputs):
        raise ValueError(f"{what} must be for {inputs}, got {tuple(given)}.")


def task_recipes(what, given, inputs, dims, step):
    """
    Recipes per input, checked.

    Parameters
    ----------
    what : str
        Name of the argument.
    given : `Stimulus`, list or dict
    inputs : tuple of str
    dims : dict of str to `Dimension` or None
        What they must have; None is anything.
    step : float

    Returns
    -------
    dict of str to tuple of `Stimulus`
    """
    if not isinstance(given, Mapping):
        if len(inputs) > 1:
            raise TypeError(
                f"{what} must be a dict of the inputs {inputs} and their stimuli, got "
                f"{given!r}."
            )
        given = {inputs[0]: given}
    _check_names(what, given, inputs)
    recipes = {n: recipe_list(f"{what}[{n!r}]", given[n]) for n in inputs}
    for name, several in recipes.items():
        for one in several:
            _check(what, one, name, dims[name], step)
    return recipes


def _check(what, stimulus: Stimulus, name, dim, step):
    if dim is not None and stimulus.dim is not dim:
        raise DimensionMismatchError(
            f"The amplitude of {type(stimulus).__name__} in {what} must have the unit "
            f"of the input {name!r}, {unit_name(dim)}",
            stimulus.dim,
        )
    stimulus.check(step)


def signal_units(what, given):
    """Dimensions by name."""
    if not isinstance(given, Mapping) or not given:
        raise TypeError(
            f"{what} must be a dict of names and units such as {{'x': metre}}, got "
            f"{given!r}."
        )
    for name, unit in given.items():
        known = isinstance(unit, Quantity) or np.ndim(unit) == 0 and unit == 1
        if not known:
            raise TypeError(
                f"{what}[{name!r}] must be a unit (volt, Hz, 1, ...), got {unit!r}."
            )
    return {name: get_dimensions(unit) for name, unit in given.items()}


def recorded(what, given):
    """Signals of a dict as one finite array (samples, trials, names)."""
    if not isinstance(given, Mapping) or not given:
        raise TypeError(
            f"{what} must be a dict of names and arrays (samples, trials), got "
            f"{given!r}."
        )
    arrays = [check_numbers(f"{what}[{n!r}]", v, None) for n, v in given.items()]
    if len({a.shape for a in arrays}) > 1 or arrays[0].ndim != 2:
        raise ValueError(
            f"{what} must be arrays of one shape (samples, trials), got the shapes "
            f"{dict(zip(given, [a.shape for a in arrays], strict=True))}."
        )
    stacked = np.stack(arrays, axis=-1)
    if not np.isfinite(stacked).all():
        raise ValueError(f"{what} must be finite, they have nan or infinite values.")
    return stacked
