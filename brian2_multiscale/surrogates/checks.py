"""Checks of what surrogates are used with."""

import ast
from collections.abc import Mapping
from textwrap import dedent

import numpy as np
from brian2.equations.equations import Equations

from ..mesoscopic.setup import read_code
from ..spiking.checks import check_refractory
from .signals import Signal

__all__ = [
    "check_input",
    "check_different",
    "check_signals",
    "check_spiking",
    "check_task",
    "check_variables",
    "shape_text",
]


def check_signals(name, value):
    """Inputs or outputs of a surrogate, as a tuple."""
    known = isinstance(value, list | tuple) and len(value) > 0
    if not known or not all(isinstance(one, Signal) for one in value):
        raise TypeError(f"{name} must be a list of at least one Signal, got {value!r}.")
    return tuple(value)


def check_different(names):
    """Names of all inputs and outputs."""
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(
            f"Inputs and outputs must have different names, {', '.join(twice)} is "
            "there twice."
        )


def check_variables(names):
    """Names of signals that are to be variables of a group."""
    for name in names:
        try:
            Equations.check_identifier(name)
        except (SyntaxError, TypeError) as error:
            raise ValueError(f"{name!r} cannot be a variable: {error}") from None


def check_spiking(threshold, reset, refractory):
    """Strings of a group, before Brian2 sees them; returns the refractoriness."""
    if threshold is not None:
        read_code("threshold", threshold, lambda t: ast.parse(t.strip(), mode="eval"))
    if reset is not None:
        read_code("reset", reset, lambda text: ast.parse(dedent(text)))
    return check_refractory(refractory)


def check_task(task):
    """A task: its data, and what they are."""
    if not all(hasattr(task, name) for name in ("data", "splits", "dims")):
        raise TypeError(f"task must be a SurrogateTask, got {task!r}.")
    return task


def shape_text(value):
    """The shape of an array for a message, or a single number itself."""
    return f"the shape {np.shape(value)}" if np.ndim(value) else repr(value)


def check_input(signals, given):
    """Expressions for inputs as a dictionary; one string if there is one input."""
    names = [signal.name for signal in signals]
    if given is None:
        return {}
    if isinstance(given, str) and len(names) == 1:
        given = {names[0]: given}
    if not isinstance(given, Mapping) or not all(
        isinstance(text, str) for text in given.values()
    ):
        raise TypeError(
            "input must be an expression, or with several inputs a dictionary such as "
            f"{{{names[0]!r}: '...'}}, got {given!r}."
        )
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(
            f"input has expressions for {', '.join(map(repr, unknown))}; the surrogate "
            f"has the inputs {', '.join(map(repr, names))}."
        )
    return dict(given)
