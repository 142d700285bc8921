"""Models and data of the tests of fits."""

import numpy as np
from brian2 import (
    Hz,
    Mohm,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    ms,
    mV,
    nA,
    nF,
    second,
    uS,
)

# Traub-Miles (design of Wang et al. 2024)
GATES = """
dm/dt = am*(1 - m) - bm*m : 1
dn/dt = an*(1 - n) - bn*n : 1
dh/dt = ah*(1 - h) - bh*h : 1
am = 1.28/ms/exprel(-(v - VT - 13*mV)/(4*mV)) : Hz
bm = 1.4/ms/exprel((v - VT - 40*mV)/(5*mV)) : Hz
ah = 0.128/ms*exp((17*mV - v + VT)/(18*mV)) : Hz
bh = 4/ms/(1 + exp((40*mV - v + VT)/(5*mV))) : Hz
an = 0.16/ms/exprel(-(v - VT - 15*mV)/(5*mV)) : Hz
bn = 0.5/ms*exp((10*mV - v + VT)/(40*mV)) : Hz
"""
HH = (
    """
dv/dt = (gl*(-65*mV - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)/C : volt
gl : siemens
gNa : siemens
gK : siemens
VT : volt
"""
    + GATES
)
HH_VALUES = {"gl": 8.36e-3 * uS, "gNa": 24.7 * uS, "gK": 5.81 * uS, "VT": -55.31 * mV}
HH_NAMESPACE = {"C": 0.2 * nF}

GIF = """
dv/dt = (-(v + 70*mV) + R*(I + I1))/tau : volt
dvth/dt = a*(v + 70*mV) - b*(vth + 50*mV) : volt
dI1/dt = -k1*I1 : amp
a : Hz
b : Hz
R : ohm
tau : second
"""
GIF_RESET = "v = -70*mV; I1 = I1 - 0.1*nA; vth = clip(vth, -60*mV, 1*volt)"
GIF_VALUES = {"a": 5 * Hz, "b": 10 * Hz, "R": 20 * Mohm, "tau": 20 * ms}
GIF_NAMESPACE = {"k1": 50 * Hz}


def record(
    model, values, currents, dt, start, namespace, method="exponential_euler", **kw
):
    """Recorded potentials and spikes of a model with known values."""
    array = TimedArray(currents.T, dt=dt)
    group = NeuronGroup(
        len(currents),
        model + "I = currents(t, i) : amp",
        method=method,
        dt=dt,
        namespace={**namespace, "currents": array},
        **kw,
    )
    for name, value in {**values, **start}.items():
        setattr(group, name, value)
    monitors = [StateMonitor(group, "v", record=True)]
    if "threshold" in kw:
        monitors.append(SpikeMonitor(group))
    Network(group, *monitors).run(currents.shape[1] * dt)
    trains = monitors[1].spike_trains() if "threshold" in kw else {}
    return monitors[0].v, [trains[k] for k in sorted(trains)]


def hodgkin_huxley(steps=600, dt=0.02 * ms):
    """Three trials with spikes, and their currents."""
    currents = np.zeros((3, steps)) * nA
    for k, size in enumerate([0.2, 0.6, 1.2]):
        currents[k, 50:400] = size * nA
    start = {"v": -65 * mV}
    v, _ = record(HH, HH_VALUES, currents, dt, start, HH_NAMESPACE)
    return currents, v


def integrate_and_fire(duration=0.2 * second, dt=0.1 * ms, refractory=2 * ms):
    """Three trials with spikes, and their currents."""
    steps = round(float(duration / dt))
    currents = np.zeros((3, steps)) * nA
    for k, size in enumerate([1.6, 2.2, 3.0]):
        currents[k, steps // 10 : 9 * steps // 10] = size * nA
    v, trains = record(
        GIF,
        GIF_VALUES,
        currents,
        dt,
        {"v": -70 * mV, "vth": -50 * mV},
        GIF_NAMESPACE,
        threshold="v > vth",
        reset=GIF_RESET,
        refractory=refractory,
    )
    return currents, v, trains
