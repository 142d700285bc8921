"""Networks that `DifferentiableNetwork` and Brian2 both simulate."""

import numpy as np
from brian2 import (
    NeuronGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    linked_var,
    ms,
    mV,
    nA,
    nF,
    nS,
    uS,
)

__all__ = ["HH", "MODELS", "hodgkin_huxley", "monitors_of", "recorded"]

HH = """
dv/dt = (I + gl*(El - v) + gNa*m**3*h*(ENa - v) + gK*n**4*(EK - v))/C : volt
dm/dt = am*(1 - m) - bm*m : 1
dh/dt = ah*(1 - h) - bh*h : 1
dn/dt = an*(1 - n) - bn*n : 1
am = speed*1.28/ms/exprel((13*mV - v + VT)/(4*mV)) : Hz
bm = 1.4/ms/exprel((v - VT - 40*mV)/(5*mV)) : Hz
ah = .128*exp((17*mV - v + VT)/(18*mV))/ms : Hz
bh = 4/(1 + exp((40*mV - v + VT)/(5*mV)))/ms : Hz
an = .16/ms/exprel((15*mV - v + VT)/(5*mV)) : Hz
bn = .5*exp((10*mV - v + VT)/(40*mV))/ms : Hz
I : amp
speed : 1
gl : siemens
gNa : siemens
gK : siemens
VT : volt
El : volt
EK : volt
ENa : volt
C : farad
"""
HH_VALUES = {
    "gl": 8.36 * nS,
    "gNa": 24.7 * uS,
    "gK": 5.81 * uS,
    "VT": -55.3 * mV,
    "El": -65 * mV,
    "EK": -90 * mV,
    "ENa": 50 * mV,
    "C": 0.2 * nF,
    "speed": 1,
}


def hodgkin_huxley(method="exponential_euler", size=3, model=HH):
    """Neurons with different currents; the last one spikes."""
    group = NeuronGroup(
        size,
        model,
        method=method,
        threshold="v > -20*mV",
        refractory="v > -20*mV",
        dt=0.02 * ms,
        name="hh",
    )
    for name, value in HH_VALUES.items():
        setattr(group, name, value)
    group.v, group.h = -65 * mV, 0.6
    group.I = np.linspace(0, 0.6, size) * nA
    return [group], {group: ["v", "m", "spikes"]}


def _random(low, high, size):
    return np.random.RandomState(7).uniform(low, high, size)


def spike_source(size=20, number=150, steps=500):
    """Spikes at random times."""
    chosen = np.random.RandomState(3).permutation(size * steps)[:number]
    return SpikeGeneratorGroup(size, chosen % size, chosen // size * 0.1 * ms)


def integrate_and_fire():
    """Delays that differ, refractoriness, sparse wiring, kicks of the voltage."""
    group = NeuronGroup(
        50,
        """dv/dt = (I0 + g - v)/tau : volt (unless refractory)
           dg/dt = -g/(5*ms) : volt
           drive = I0 + g : volt
           I0 : volt
           tau : second""",
        threshold="v > 10*mV",
        reset="v = 0*mV",
        refractory=2 * ms,
        method="euler",
        name="lif",
    )
    group.v, group.I0 = _random(0, 10, 50) * mV, _random(8, 16, 50) * mV
    group.tau = _random(10, 20, 50) * ms
    currents = Synapses(group, group, "w : volt", on_pre="g_post += w")
    currents.connect(p=0.1)
    currents.w = _random(-1.2, 2.8, len(currents)) * mV
    currents.delay = _random(0, 3, len(currents)) * ms
    kicks = Synapses(group, group, "w : volt", on_pre="v_post += w", delay=1.5 * ms)
    kicks.connect(p=0.3)
    kicks.w = _random(-0.15, 0.35, len(kicks)) * mV
    return [group, currents, kicks], {group: ["v", "g", "drive", "spikes"]}


def cuba(conductances=False):
    """Vogels and Abbott (2005), with 100 neurons."""
    drive = "ge + gi"
    if conductances:
        drive = "ge*(0*mV - v) + gi*(-80*mV - v)"
    unit = "1" if conductances else "volt"
    group = NeuronGroup(
        100,
        f"""dv/dt = ({drive} - (v + 49*mV))/(20*ms) : volt (unless refractory)
            dge/dt = -ge/(5*ms) : {unit}
            dgi/dt = -gi/(10*ms) : {unit}""",
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * ms,
        method="exponential_euler" if conductances else "exact",
        name="neurons",
    )
    group.v = _random(-60, -50, 100) * mV
    namespace = {"we": 0.2, "wi": 2.0} if conductances else {"we": 6 * mV, "wi": 9 * mV}
    sign = "+=" if conductances else "-="
    excite = Synapses(group[:80], group, on_pre="ge_post += we", namespace=namespace)
    excite.connect(p=0.1)
    inhibit = Synapses(
        group[80:], group, on_pre=f"gi_post {sign} wi", namespace=namespace
    )
    inhibit.connect(p=0.1)
    return [group, excite, inhibit], {group: ["v", "ge", "gi", "spikes"]}


def coba():
    return cuba(conductances=True)


SHORT_TERM = """
w : 1
U : 1
tau_f : second
tau_d : second
du/dt = -u/tau_f : 1 (event-driven)
dx/dt = (1 - x)/tau_d : 1 (event-driven)
"""
SHORT_TERM_EVENT = "u += U*(1 - u); g_post += w*u*x; x -= u*x"


def short_term_plasticity():
    """Tsodyks-Markram synapses, plastic weights, and a sum over synaptic states."""
    source = spike_source()
    group = NeuronGroup(
        10,
        """dv/dt = (g*(60*mV - v) - v + extra)/tau : volt (unless refractory)
           dg/dt = -g/(5*ms) : 1
           extra : volt
           tau : second""",
        threshold="v > 10*mV",
        reset="v -= 10*mV",
        refractory="2*ms + i*.1*ms",
        method="exponential_euler",
        name="target",
    )
    group.tau = 10 * ms
    plastic = Synapses(
        source, group, SHORT_TERM, on_pre=SHORT_TERM_EVENT, delay=0.5 * ms
    )
    plastic.connect(p=0.5)
    number = len(plastic)
    plastic.w, plastic.U = _random(0, 1, number), _random(0.2, 0.4, number)
    plastic.tau_f, plastic.tau_d = _random(50, 100, number) * ms, 100 * ms
    plastic.x = 1
    learning = Synapses(
        group,
        group,
        """w : 1
           ds/dt = -s/(10*ms) : 1 (clock-driven)
           extra_post = w*s*mV : volt (summed)""",
        on_pre="s += .1",
        on_post="w *= .99",
        method="exact",
        name="learning",
    )
    learning.connect(p=0.5)
    learning.w = _random(0, 1, len(learning))
    record = {group: ["v", "g", "extra", "spikes"], learning: ["w", "s"]}
    return [source, group, plastic, learning], record


def spike_timing():
    """Song, Miller and Abbott (2000): traces of both sides, event-driven."""
    source = spike_source(size=30, number=400)
    group = NeuronGroup(
        2,
        "dv/dt = -v/(10*ms) : 1",
        threshold="v > 1",
        reset="v = 0",
        method="exact",
        name="learner",
    )
    synapses = Synapses(
        source,
        group,
        """w : 1
           da/dt = -a/(20*ms) : 1 (event-driven)
           db/dt = -b/(15*ms) : 1 (event-driven)""",
        on_pre="v_post += w; a += .02; w = clip(w + b, 0, 1)",
        on_post="b -= .01; w = clip(w + a, 0, 1)",
        name="plastic",
    )
    synapses.connect()
    synapses.w = _random(0, 0.4, len(synapses))
    synapses.pre.delay = "2*ms*rand()"
    synapses.post.delay = 1 * ms
    return [source, group, synapses], {group: ["v", "spikes"], synapses: ["w"]}


def everything_else():
    """Shared, linked and whole numbers, several events, tables of time, kinks."""
    random = np.random.RandomState(5)
    wave = TimedArray(random.rand(30, 3) * mV, dt=1 * ms)
    other = TimedArray(random.rand(7) * mV, dt=0.4 * ms)
    clockwork = NeuronGroup(2, "y : 1 (shared)\nz : 1\nk : integer", name="clockwork")
    clockwork.z = [1, 2]
    clockwork.run_regularly("y += .1")
    clockwork.run_regularly("z *= .99; k += 1", when="end")
    group = NeuronGroup(
        3,
        """dv/dt = (wave(t, i) + other(t) + clip(v, 0*mV, .2*mV) + c*.3 + link*.1*mV
                    + floor(v/mV)*.1*mV - v)/tau : volt
           c = wave(t, i)*2 + v : volt (constant over dt)
           link : 1 (linked)
           tau : second (constant)
           count : 1""",
        method="heun",
        threshold="v > .9*mV",
        reset="v = 0*mV; count += 1",
        events={"low": "v < .3*mV and v > .1*mV"},
        namespace={"wave": wave, "other": other},
        name="group",
    )
    group.link = linked_var(clockwork, "z", index=[0, 1, 0])
    group.tau = [5, 6, 7] * ms
    group.run_on_event("low", "count += .01")
    synapses = Synapses(
        group,
        group,
        on_pre={"a": "v_post += .05*mV", "b": "v_post -= .02*mV*(1 + v_pre/mV)"},
        on_event={"a": "low", "b": "spike"},
        delay={"a": 0.2 * ms},
    )
    synapses.connect(condition="i != j")
    synapses.b.delay = "i*ms"
    record = {group: ["v", "c", "spikes", "count", "link"], clockwork: ["y", "z", "k"]}
    return [clockwork, group, synapses], record


MODELS = {
    "hh": hodgkin_huxley,
    "lif": integrate_and_fire,
    "cuba": cuba,
    "coba": coba,
    "stp": short_term_plasticity,
    "stdp": spike_timing,
    "rest": everything_else,
}


def monitors_of(record):
    """Brian2's monitors of the same variables, by name."""
    found = {}
    for group, names in record.items():
        for name in names:
            if name == "spikes":
                monitor = SpikeMonitor(group)
            else:
                monitor = StateMonitor(group, name, record=True)
            found[f"{group.name}.{name}"] = monitor
    return found


def recorded(monitor, name, shape, dt):
    """What a monitor has, as (steps, n)."""
    if not isinstance(monitor, SpikeMonitor):
        return np.array(getattr(monitor, name.split(".")[1] + "_")).T
    table = np.zeros(shape)
    table[np.round(np.asarray(monitor.t_) / dt).astype(int), monitor.i] = 1
    return table
