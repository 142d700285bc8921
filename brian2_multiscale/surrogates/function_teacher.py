"""A Python function, or recorded data, in the place of a Brian2 model."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2.units.allunits import second

from .custom_stimulus import describe_function

__all__ = ["FunctionTeacher", "check_result", "fingerprint"]


@dataclass
class FunctionTeacher:
    """
    Calls a function of the user; the same methods as `Teacher`.

    Attributes
    ----------
    function : callable
        ``function(signals, step)``: an array of the shape (samples, trials, inputs) in
        base units and the length of a sample in seconds, to (samples, trials, outputs).
    inputs, outputs : tuple of str
    step : float
    rest : dict of str to float
    recorded : str
        Of recorded data their hash; empty with a function.
    """

    function: Any
    inputs: tuple
    outputs: tuple
    step: float
    rest: dict = field(default_factory=dict)
    recorded: str = ""

    def simulate(self, signals, random_seed=0, report=None):
        """Answers to signals; see `Teacher.simulate`."""
        if self.function is None:
            raise ValueError(
                "This task has recorded signals only: there is no model that could "
                "answer to other ones."
            )
        result = self.function(np.array(signals), self.step)
        expected = (*signals.shape[:2], len(self.outputs))
        return check_result(self.function, result, expected)

    def describe(self):
        """What determines the answers, JSON-able."""
        function = self.function and describe_function(self.function)
        found = {**vars(self), "function": function, "rest": None}
        if not self.recorded:
            del found["recorded"]
        return found

    def settle(self, longest):
        """Outputs after a long time with the inputs at rest; see `equilibrium`."""
        samples = max(int(round(longest / self.step)), 10)
        rest = [self.rest[name] for name in self.inputs]
        signals = np.broadcast_to(rest, (samples, 1, len(rest)))
        found = self.simulate(signals)[:, 0]
        size = np.abs(found).max(axis=0)
        moved = np.ptp(found[-max(samples // 3, 2) :], axis=0) > 1e-6 * size
        if moved.any() or not np.isfinite(found).all():
            raise ValueError(
                f"With its inputs at rest {self.function} is not in equilibrium after "
                f"{longest * second}: its output goes from {found[-2]} to {found[-1]}. "
                "Allow more time (settle=...), or give the outputs that count as rest: "
                "rest={'output': value}."
            )
        return dict(zip(self.outputs, found[-1].tolist(), strict=True))


def fingerprint(arrays):
    """SHA-256 of numbers: other recordings are another task."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype=float).tobytes())
    return digest.hexdigest()


def check_result(function, result, expected):
    """Real numbers of the expected shape, as an array."""
    try:
        values = np.asarray(result, dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.shape != expected:
        raise ValueError(
            f"{function} must return an array of numbers of the shape (samples, "
            f"trials, outputs) = {expected}, got {np.shape(result)}."
        )
    return values
