"""What stimuli pass before they reach the model: another model or a function."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2.units.fundamentalunits import DimensionMismatchError

from ..codegen.arrays import unit_name
from .custom_stimulus import describe_function

__all__ = ["FunctionStage", "TaskStage", "as_stage"]


@dataclass(frozen=True)
class TaskStage:
    """Another model, in the form of a task."""

    task: Any

    inputs = property(lambda self: self.task.inputs)
    dims = property(lambda self: self.task.dims)
    rest = property(lambda self: self.task.rest)

    def simulate(self, signals):
        return self.task.simulate(signals)

    def output_rest(self, names):
        """Rest of the inputs of the next model."""
        rest = self.task.rest
        return {n: rest[o] for n, o in zip(names, self.task.outputs, strict=True)}

    @property
    def recipe(self):
        return {"model": self.task.hash, "recipe": self.task.recipe}


@dataclass(frozen=True)
class FunctionStage:
    """A Python function ``function(signals, step)``."""

    function: Any
    inputs: tuple
    step: float
    outputs: int

    dims = property(lambda self: dict.fromkeys(self.inputs))
    rest = property(lambda self: dict.fromkeys(self.inputs, 0.0))

    def simulate(self, signals):
        found = np.asarray(self.function(np.array(signals), self.step), dtype=float)
        expected = (*signals.shape[:2], self.outputs)
        if found.shape != expected:
            raise ValueError(
                f"through={self.function} must return an array of the shape (samples, "
                f"trials, inputs of the model) = {expected}, got {found.shape}."
            )
        return found

    def output_rest(self, names):
        """What silence becomes in the end, after a second."""
        samples = max(round(1 / self.step), 2)
        found = self.simulate(np.zeros((samples, 1, len(self.inputs))))
        return dict(zip(names, found[-1, 0].tolist(), strict=True))

    @property
    def recipe(self):
        return {"function": describe_function(self.function)}


def as_stage(through, stimuli, inputs, dims, step):
    """
    What was given as `through`, as a stage or None.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If its outputs do not fit the inputs of the model.
    """
    if through is None:
        return None
    if hasattr(through, "simulate") and hasattr(through, "outputs"):
        return _checked(TaskStage(through), inputs, dims, step)
    names = tuple(stimuli) if isinstance(stimuli, dict) else ("stimulus",)
    return FunctionStage(through, names, step, len(inputs))


def _checked(stage, inputs, dims, step):
    task = stage.task
    if len(task.outputs) != len(inputs):
        raise ValueError(
            f"through has the outputs {task.outputs}, the model the inputs {inputs}: "
            "there must be as many."
        )
    if abs(float(task.step) - step) > 1e-9 * step:
        raise ValueError(
            f"through has steps of {task.step}, this task of {step} s: make them equal."
        )
    for output, name in zip(task.outputs, inputs, strict=True):
        if task.dims[output] is not dims[name]:
            raise DimensionMismatchError(
                f"The output {output!r} of through becomes the input {name!r}, which "
                f"has the unit {unit_name(dims[name])}",
                task.dims[output],
            )
    return stage
