"""Sources that fire when they are told to, and targets that add up what they get."""

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    second,
)

from brian2_multiscale.mesoscopic import MesoscopicGroup

__all__ = [
    "DT",
    "FACILITATING",
    "FIRING",
    "PLASTIC",
    "SHORT",
    "collector",
    "fire_at",
    "recorded",
    "releases",
]

DT = 0.5 * ms

#: All neurons fire in the steps in which ``train`` is 1
FIRING = """
dv/dt = -v/(10*ms) : 1
rho = train(t)/dt : Hz
"""

#: Short-term plasticity; ``U``, ``tau_d`` and ``tau_f`` belong to the source
PLASTIC = """
du/dt = (U - u)/tau_f : 1
dx/dt = (1 - x)/tau_d : 1
U : 1
tau_d : second
tau_f : second
"""
SHORT = """
h_post += w*u*x
x -= u*x
u += U*(1 - u)
"""
FACILITATING = {"U": 0.3, "tau_d": 40 * ms, "tau_f": 90 * ms}


def fire_at(kind, steps, number=10, name="source", noise=False):
    """
    A population or single neurons, all of which fire in these time steps.

    The probability to fire is 0 or 1; ``noise`` is only for populations whose spikes
    are wanted one by one.
    """
    defaultclock.dt = DT
    steps = np.asarray(steps)
    if kind == "neurons":
        indices = np.tile(np.arange(number), len(steps))
        times = np.repeat(steps, number) * DT
        return SpikeGeneratorGroup(number, indices, times, name=name)
    train = np.zeros(max(steps) + 2)
    train[steps] = 1
    return MesoscopicGroup(
        number,
        FIRING,
        threshold="rand() < rho*dt",
        reset="v = 0",
        method="exact",
        memory=20 * ms,
        noise=noise,
        namespace={"train": TimedArray(train, dt=DT, name=f"{name}_train")},
        name=name,
    )


def collector(kind, number=1, variables="h", name="target"):
    """Populations or single neurons that never fire and only add up their input."""
    defaultclock.dt = DT
    equations = "dv/dt = -v/(10*ms) : 1\nrho = 0*Hz : Hz\n"
    equations += "\n".join(f"{h} : 1" for h in variables.split())
    if kind == "neurons":
        return NeuronGroup(number, equations, method="exact", name=name)
    return MesoscopicGroup(
        [50] * number,
        equations,
        hazard="rho",
        reset="v = 0",
        method="exact",
        noise=False,
        name=name,
    )


def recorded(objects, groups, steps, variable="h"):
    """Run, and give what a variable of the groups gains in each step."""
    monitors = [StateMonitor(g, variable, record=True, when="end") for g in groups]
    network = Network(*objects, *groups, *monitors)
    network.run(steps * DT, namespace={})
    traces = np.concatenate([np.asarray(getattr(m, variable)) for m in monitors])
    return np.diff(traces, axis=1, prepend=0)


def releases(steps, U, tau_d, tau_f):
    """What the spikes of a neuron release: the recursion of Tsodyks and Markram."""
    u, x, last, result = U, 1.0, None, []
    for step in steps:
        interval = 0 if last is None else (step - last) * float(DT)
        x = 1 + (x - 1) * np.exp(-interval / float(tau_d / second))
        u = U + (u - U) * np.exp(-interval / float(tau_f / second))
        result.append(u * x)
        x, u, last = x - u * x, u + U * (1 - u), step
    return np.array(result)
