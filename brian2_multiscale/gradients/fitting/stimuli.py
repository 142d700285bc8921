"""Stimuli of a fit in the code of a group: one column per trial."""

import numpy as np
from brian2.equations.codestrings import Expression
from brian2.equations.equations import SUBEXPRESSION, Equations, SingleEquation
from brian2.input.timedarray import TimedArray
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

__all__ = ["stimulus_arrays", "stimulus_equations", "timed", "value_at"]


def value_at(array):
    """Code for what an array has at the moment, for the trial of a neuron."""
    return f"{array}(t, fit_trial)"


def stimulus_equations(data):
    """What the names of inputs mean."""
    return Equations(
        [
            SingleEquation(
                SUBEXPRESSION,
                name,
                data.dimensions[name],
                expr=Expression(value_at(f"fit_input_{name}")),
            )
            for name in data.stimuli
        ]
    )


def stimulus_arrays(data):
    """By the names in `stimulus_equations`: values and dimensions."""
    return {
        f"fit_input_{name}": (values.T, data.dimensions[name])
        for name, values in data.stimuli.items()
    }


def timed(arrays, dt):
    """
    A namespace of values over time, and of numbers.

    Parameters
    ----------
    arrays : dict of str to tuple
        Values in base units, of shape (steps, trials) or numbers, and dimensions.
    dt : float
        In seconds.
    """
    return {
        # The name appears in generated code, which is then found again
        name: TimedArray(Quantity(values, dim=dim), dt=dt * second, name=name)
        if np.ndim(values)
        else Quantity(values, dim=dim)
        for name, (values, dim) in arrays.items()
    }
