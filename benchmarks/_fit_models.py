"""The neurons of gradients.py in Brian2; needs nothing but Brian2. Not a benchmark."""

import atexit
import shutil
import tempfile

import numpy as np
from _fit_problems import PROBLEMS, currents
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    Quantity,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    mV,
    nA,
    prefs,
    uS,
)

__all__ = ["INITIAL", "MODELS", "UNITS", "Batch", "bounds", "cold_cache", "spiking"]

HODGKIN_HUXLEY = """
dv/dt = (gl*(-65*mV - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)/(0.2*nF)
        : volt
dm/dt = am*(1 - m) - bm*m : 1
dh/dt = ah*(1 - h) - bh*h : 1
dn/dt = an*(1 - n) - bn*n : 1
am = 1.28/ms/exprel((VT + 13*mV - v)/(4*mV)) : Hz
bm = 1.4/ms/exprel((v - VT - 40*mV)/(5*mV)) : Hz
ah = 0.128/ms*exp((VT + 17*mV - v)/(18*mV)) : Hz
bh = 4/ms/(1 + exp((VT + 40*mV - v)/(5*mV))) : Hz
an = 0.16/ms/exprel((VT + 15*mV - v)/(5*mV)) : Hz
bn = 0.5/ms*exp((VT + 10*mV - v)/(40*mV)) : Hz
gl : siemens (constant)
gNa : siemens (constant)
gK : siemens (constant)
VT : volt (constant)
"""
# The two currents of the published neuron are zero in what it is fitted to
INTEGRATE_AND_FIRE = """
dv/dt = (20*Mohm*I - v - 70*mV)/(20*ms) : volt
dtheta/dt = a*(v + 70*mV) - b*(theta + 50*mV) : volt
a : Hz (constant)
b : Hz (constant)
"""
MODELS = {"hh": HODGKIN_HUXLEY, "gif": INTEGRATE_AND_FIRE}
UNITS = {
    "hh": {"gl": uS, "gNa": uS, "gK": uS, "VT": mV},
    "gif": {"a": 1000 * Hz, "b": 1000 * Hz},
}
INITIAL = {"hh": {"v": -65 * mV}, "gif": {"v": -70 * mV, "theta": -50 * mV}}
# The lowest threshold holds between spikes, too
_SPIKES = {
    "threshold": "v > clip(theta, -60*mV, 1*volt)",
    "reset": "v = -70*mV\ntheta = clip(theta, -60*mV, 1*volt)",
}


def spiking(problem):
    """Threshold and reset, if there are any."""
    return _SPIKES if problem == "gif" else {}


def bounds(problem):
    """Of every parameter, with units."""
    numbers = (PROBLEMS[problem][k] for k in ("names", "low", "high"))
    return {
        name: [low, high] * UNITS[problem][name]
        for name, low, high in zip(*numbers, strict=True)
    }


def cold_cache():
    """Let Brian2 compile anew what it needs, once in this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    prefs.codegen.target = "cython"
    prefs.codegen.runtime.cython.cache_dir = folder


class Batch:
    """
    All trials of many points at once, in generated code.

    Called with points of shape (n, parameters), in the units of `PROBLEMS`, it gives
    the mean square differences (mV^2) from the traces of the true parameters.
    `network` is the class of the network.
    """

    def __init__(self, problem, n, network=Network):
        self.problem, self.n = problem, n
        values = currents(problem) * nA
        self.trials, steps = values.shape
        step = PROBLEMS[problem]["dt"] * ms
        defaultclock.dt, self.duration = step, steps * step
        self.group = NeuronGroup(
            n * self.trials,
            MODELS[problem] + f"I = stimulus(t, i % {self.trials}) : amp",
            method="exponential_euler",
            namespace={"stimulus": TimedArray(values.T, dt=step)},
            **spiking(problem),
        )
        for name, value in INITIAL[problem].items():
            setattr(self.group, name, value)
        self.monitor = StateMonitor(self.group, "v", record=True)
        self.network = network(self.group, self.monitor)
        if spiking(problem):
            self.spikes = SpikeMonitor(self.group)
            self.network.add(self.spikes)
        self.network.store()
        self.evaluations = 0
        self.target = None
        self.target = self.traces(np.tile(PROBLEMS[problem]["truth"], (n, 1)))[0]
        self.evaluations = 0

    def traces(self, points):
        """Potentials in mV, of shape (n, trials, time steps)."""
        self.network.restore()
        for name, column in zip(
            PROBLEMS[self.problem]["names"], np.transpose(points), strict=True
        ):
            unit = UNITS[self.problem][name]
            setattr(self.group, name, np.repeat(column, self.trials) * unit)
        self.network.run(self.duration)
        self.evaluations += self.n
        return (self.monitor.v / mV).reshape(self.n, self.trials, -1)

    def __call__(self, points):
        squares = (self.traces(points) - self.target) ** 2
        return squares.mean(axis=(1, 2))

    def recording(self):
        """What is fitted: traces, and spike times of every trial if it has any."""
        found = {"v": self.target * mV}
        if spiking(self.problem):
            self.traces(np.tile(PROBLEMS[self.problem]["truth"], (self.n, 1)))
            trains = self.spikes.spike_trains()
            found["spikes"] = [
                Quantity(trains[k], dim=ms.dim) for k in range(self.trials)
            ]
        return found
