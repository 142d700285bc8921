"""
Independent populations with Tsodyks-Markram synapses, as neurons or as populations.

What Schmutz_Gerstner_Schwalger_2020.py simulates. Both scales have the same strings:
membrane, threshold and synapses. All populations of a kind are one group, which has the
parameters of each in arrays, so that a whole study is compiled once.
"""

import os
from dataclasses import dataclass

import numpy as np
from brian2 import *

from brian2_multiscale import MesoscopicGroup, Projection

CONSTANTS = {
    "tau_m": 20 * ms,
    "tau_s": 3 * ms,
    "theta": 15 * mV,
    "Delta_u": 2.5 * mV,
    "c": 10 * Hz,
}
# Y: fraction of the vesicles released, per time and neuron, filtered by the synapse. J
# is how far one volley of all vesicles of all neurons would charge the membrane.
MODEL = """
dv/dt = (mu - v)/tau_m + J*Y : volt (unless refractory)
dY/dt = -Y/tau_s : Hz
rho = c*exp((v - theta)/Delta_u) : Hz
mu : volt (constant)
J : volt (constant)
"""
RELEASE = """
du/dt = (U - u)/tau_F : 1 (event-driven)
dx/dt = (1 - x)/tau_D : 1 (event-driven)
U : 1
a : 1
tau_F : second
tau_D : second
"""
# The amount that was there before the jump of u is released.
ON_PRE = """
Y_post += w*u*x
x -= u*x
u += a*(1 - u)
"""
NEURON = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV",
    "refractory": 4 * ms,
    "method": "exact",
    "namespace": CONSTANTS,
}
DELAY = 1 * ms


@dataclass
class Population:
    """What one population of neurons and its synapses are."""

    N: int
    mu: float  # mV
    U: float
    tau_D: float  # ms
    tau_F: float = 0.0  # ms; no facilitation if zero
    J: float = 0.0  # mV

    @property
    def synapse(self):
        facilitates = self.tau_F > 0
        return {
            "U": self.U,
            "a": self.U if facilitates else 0.0,
            "tau_D": self.tau_D * 1e-3,
            "tau_F": (self.tau_F if facilitates else 1.0) * 1e-3,
        }


def gather(populations):
    """Arrays with one value per population, by parameter."""
    values = {k: [p.synapse[k] for p in populations] for k in populations[0].synapse}
    values = {k: np.array(v) for k, v in values.items()}
    for name in ("tau_D", "tau_F"):
        values[name] = values[name] * second
    return values


def spiking(name, populations, dt, record, counts=None):
    """
    Every neuron on its own; objects, and a dict of monitors.

    Full wiring within each population: all its neurons have the same input, which is
    added up in a hub and handed to them when it arrives. (Synapses from all to all
    would do the same, N times slower.)
    """
    sizes = np.array([p.N for p in populations])
    first, which = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)
    hub = NeuronGroup(len(sizes), "Y : Hz\nfired : 1", dt=dt, name=f"{name}_hub")
    model = MODEL + "arrived : Hz (linked)\n"
    neurons = NeuronGroup(len(which), model, dt=dt, name=name, **NEURON)
    neurons.arrived = linked_var(hub, "Y", index=which)
    neurons.mu = np.array([p.mu for p in populations])[which] * mV
    neurons.J = np.array([p.J for p in populations])[which] * mV
    synapses = Synapses(
        neurons,
        hub,
        RELEASE + "w : Hz",
        on_pre=ON_PRE + "fired_post += 1",
        delay=DELAY,
        dt=dt,
        method="exact",
        name=f"{name}_synapses",
    )
    synapses.connect(i=np.arange(len(which)), j=which)
    for parameter, values in gather(populations).items():
        setattr(synapses, parameter, values[which])
    synapses.w = 1 / sizes[which] / CONSTANTS["tau_s"]
    synapses.u, synapses.x = gather(populations)["U"][which], 1
    deliver = neurons.run_regularly("Y += arrived", when="synapses", order=1, dt=dt)
    empty = hub.run_regularly("Y = 0*Hz", when="synapses", order=2, dt=dt)
    monitors = {"Y": StateMonitor(neurons, "Y", first, dt=record, name=f"{name}_Y")}
    if counts is not None:
        monitors["fired"] = StateMonitor(
            hub, "fired", np.arange(len(sizes)), dt=counts, name=f"{name}_counts"
        )
    objects = [hub, neurons, synapses, deliver, empty, *monitors.values()]
    return objects, monitors


def mesoscopic(name, populations, dt, record, counts=None, order=2, closure="cohort"):
    """The same populations without neurons; objects, and a dict of monitors."""
    sizes = np.array([p.N for p in populations])
    group = MesoscopicGroup(
        sizes,
        MODEL + "fired : 1",
        closure_order=order,
        dt=dt,
        name=name,
        **NEURON,
    )
    group.mu = np.array([p.mu for p in populations]) * mV
    group.J = np.array([p.J for p in populations]) * mV
    projection = Projection(
        group,
        group,
        RELEASE,
        ON_PRE,
        weights=np.diag(1 / sizes) / CONSTANTS["tau_s"],
        parameters=gather(populations),
        delay=DELAY,
        closure=closure,
        name=f"{name}_synapses",
    )
    everyone = np.arange(len(sizes))
    monitors = {"Y": StateMonitor(group, "Y", everyone, dt=record, name=f"{name}_Y")}
    objects = [group, projection]
    if counts is not None:
        objects.append(group.run_regularly("fired += n", when="synapses", dt=dt))
        monitors["fired"] = StateMonitor(
            group, "fired", everyone, dt=counts, name=f"{name}_counts"
        )
    return [*objects, *monitors.values()], monitors


def simulate(models, duration, directory=None, seed_value=1):
    """
    Run ``{name: (objects, monitors)}`` in one network.

    Returns
    -------
    dict
        Arrays (populations, samples) of every monitor, in base units.
    dict
        CPU seconds by name of the model.
    """
    seed(seed_value)
    network = Network([o for objects, _ in models.values() for o in objects])
    network.run(duration, profile=True)
    if directory is not None:
        device.build(directory=str(directory), with_output=False)
    found = {
        name: {k: np.array(getattr(m, k)) for k, m in monitors.items()}
        for name, (_, monitors) in models.items()
    }
    seconds = dict.fromkeys(models, 0.0)
    for entry, spent in network.profiling_info:
        owner = max((n for n in models if entry.startswith(n)), key=len, default=None)
        if owner:
            seconds[owner] += float(spent)
    return found, seconds


def begin(compiled):
    """A fresh device: compiled C++ or, for short runs, numpy."""
    if not compiled:
        prefs.codegen.target = "numpy"
        return
    device.reinit()
    device.activate()
    set_device("cpp_standalone", build_on_run=False)
    # Brian2 2.9 starts as many compilers as there are files.
    prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
