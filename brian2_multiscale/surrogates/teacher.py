"""A Brian2 model that is driven by given signals: what a surrogate learns from."""

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2.core.functions import Function
from brian2.core.network import Network
from brian2.devices.device import RuntimeDevice, get_device, seed
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    Equations,
    SingleEquation,
)
from brian2.groups.neurongroup import NeuronGroup
from brian2.input.timedarray import TimedArray
from brian2.monitors.statemonitor import StateMonitor
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions
from scipy.signal import resample_poly

from ..scales.simulate import quiet
from ..scales.task import constants_of, unpacked
from .custom_stimulus import describe_function

__all__ = ["Teacher", "driven_equations"]

# Names stay the same so that compiled code is found again
_NAME = "surrogate_teacher"


@dataclass
class Teacher:
    """
    A model in Brian2 and how it is run; times in seconds, values in base units.

    Attributes
    ----------
    equations : `Equations`
        In which the inputs are parameters.
    inputs, outputs : tuple of str
    options : dict
        Of `NeuronGroup`: method, threshold, reset, refractory, ...
    constants : dict
        What the strings refer to.
    initial : dict
        Values of variables in the beginning: numbers with units, or strings.
    step, dt : float
        Of a sample, and of the integration.
    held : bool
        See `SurrogateTask`.
    connect : callable or None
        Makes further objects for the group.
    """

    equations: Any
    inputs: tuple
    outputs: tuple
    options: dict
    constants: dict
    initial: dict
    step: float
    dt: float
    held: bool
    connect: Any = None
    rest: dict = field(default_factory=dict)
    state: dict = field(default_factory=dict)

    @property
    def substeps(self):
        return round(self.step / self.dt)

    def simulate(self, signals, random_seed=0, report=None):
        """
        Run the model, one neuron per trial, from the state of rest.

        Parameters
        ----------
        signals : ndarray, shape (samples, trials, inputs)
            In base units.
        random_seed : int, optional
            For models with random numbers.
        report : str, optional
            As in `Network.run`.

        Returns
        -------
        ndarray, shape (samples, trials, outputs)
        """
        samples, trials = signals.shape[:2]
        with undisturbed(random_seed):
            group = self.group(trials)
            self._start(group, signals)
            self._drive(group, signals)
            monitor = self._monitor(group)
            network = Network(group, *self.others(group), monitor)
            extra = self.dt if self.held else 0.0
            duration = (samples * self.step + extra) * second
            network.run(duration, namespace={}, report=report)
        skipped = 1 if self.held else 0
        values = [getattr(monitor, name + "_")[:, skipped:] for name in self.outputs]
        return np.stack(values, axis=-1).transpose(1, 0, 2)

    def group(self, count):
        """A group of neurons that is not started."""
        constants = unpacked(self.constants)
        group = NeuronGroup(
            count,
            self.equations,
            namespace=constants,
            dt=self.dt * second,
            name=_NAME,
            **self.options,
        )
        for name in self.inputs:
            group.variables[name].get_value()[:] = self.rest.get(name, 0.0)
        # Expressions come last: they may use the numbers
        values = self.initial
        for name in sorted(values, key=lambda n: isinstance(values[n], str)):
            setattr(group, name, values[name])
        return group

    def others(self, group):
        return list(self.connect(group) or []) if self.connect is not None else []

    def _start(self, group, signals):
        for name, value in self.state.items():
            group.variables[name].get_value()[:] = value
        for k, name in enumerate(self.inputs):
            group.variables[name].get_value()[:] = signals[0, :, k]

    def _drive(self, group, signals):
        """Sets the inputs before anything else of a step is computed."""
        if not self.held and self.substeps > 1:
            signals = self._resampled(signals)
        dt = (self.step if self.held else self.dt) * second
        lines = []
        for k, name in enumerate(self.inputs):
            values = Quantity(signals[..., k].copy(), dim=group.variables[name].dim)
            array = TimedArray(values, dt=dt, name=f"{_NAME}_given_{k}")
            group.namespace[f"surrogate_given_{k}"] = array
            lines.append(f"{name} = surrogate_given_{k}(t, i)")
        # Later than the monitor, which reads the end of the sample before
        when = {"when": "before_start", "order": -1, "dt": dt}
        group.run_regularly("\n".join(lines), name=f"{_NAME}_drive", **when)

    def _resampled(self, signals):
        rest = np.array([self.rest.get(name, 0.0) for name in self.inputs])
        return rest + resample_poly(signals - rest, self.substeps, 1, axis=0)

    def _monitor(self, group):
        when = {"when": "before_start", "order": -2} if self.held else {"when": "end"}
        step = self.step * second
        return StateMonitor(group, self.outputs, record=True, dt=step, **when)

    @property
    def state_variables(self):
        """Names of the variables with differential equations."""
        items = self.equations.items()
        return [name for name, eq in items if eq.type == DIFFERENTIAL_EQUATION]

    def settle(self, longest):
        """Find the state of rest, with which trials begin; see `equilibrium`."""
        from .equilibrium import settle  # which knows teachers

        self.state, outputs = settle(self, longest)
        return outputs

    def describe(self):
        """What determines the answers, JSON-able."""
        values = {n: _text(v) for n, v in sorted(self.constants.items())}
        return {
            "equations": str(self.equations),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "options": {n: _text(v) for n, v in sorted(self.options.items())},
            "constants": values,
            "initial": {n: _text(v) for n, v in sorted(self.initial.items())},
            "connect": self.connect and describe_function(self.connect),
            "step": self.step,
            "dt": self.dt,
            "held": self.held,
        }

    def __getstate__(self):
        # An error names what cannot be sent to another process
        constants = constants_of(list(self.constants), self.constants)
        return {**vars(self), "constants": constants}


def _text(value):
    if isinstance(value, TimedArray):
        digest = hashlib.sha256(np.ascontiguousarray(value.values).tobytes())
        return f"TimedArray {digest.hexdigest()} {value.dim!r} {float(value.dt)!r}"
    if isinstance(value, Function):
        return f"function {value.pyfunc and describe_function(value.pyfunc)}"
    if callable(value):
        return describe_function(value)
    try:
        numbers = np.asarray(value, dtype=float).tolist()
    except (TypeError, ValueError):
        return str(value)
    return f"{numbers!r} {get_dimensions(value)!r}"


@contextmanager
def undisturbed(random_seed):
    """Random numbers of our own; those of the user go on afterwards as before."""
    check_runtime()
    device = get_device()
    state = device.get_random_state()
    try:
        seed(random_seed)
        with quiet():
            yield
    finally:
        device.set_random_state(state)


def check_runtime():
    """Data are computed while Python runs, not in a program that is built later."""
    if not isinstance(get_device(), RuntimeDevice):
        raise RuntimeError(
            "The model of a SurrogateTask runs in Python: make the task and its data "
            "(task.data(), train(...)) before set_device('cpp_standalone'), or in a "
            "script of its own that saves the trained surrogate."
        )


def driven_equations(equations, units):
    """
    Equations in which the inputs are parameters that are set sample by sample.

    Parameters
    ----------
    equations : `Equations`
    units : dict of str to `Dimension`
        Of the inputs.

    Returns
    -------
    `Equations`
    """
    others = [eq for name, eq in equations.items() if name not in units]
    # Constant during a step, as the method 'exact' asks for
    inputs = [
        SingleEquation(PARAMETER, name, dim, flags=["constant"])
        for name, dim in units.items()
    ]
    return Equations([*others, *inputs])
