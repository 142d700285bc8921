"""Surrogates and fast equations against Brian2's equations, all compiled."""

import numpy as np
from _measure import Binary, arguments, finish, in_turn, markdown
from brian2 import Equations, Network, NeuronGroup, TimedArray, ms, prefs, us

from brian2_multiscale import Mechanism
from brian2_multiscale.surrogates import Surrogate
from brian2_multiscale.surrogates.benchmark import benchmark
from brian2_multiscale.surrogates.weights.recipes import hair_cell_task

ADEX = """
dv/dt = (30*nS*(-70.6*mV - v) + 60*nS*mV*exp((v + 50.4*mV)/(2*mV)) + I - w)/(281*pF)
        : volt (unless refractory)
dw/dt = (4*nS*(v + 70.6*mV) - w)/(144*ms) : amp
I : amp
"""

# Traub and Miles, as in Brian2's example COBAHH, without synapses
HODGKIN_HUXLEY = """
dv/dt = (10*nS*(-60*mV - v) - 20*uS*m**3*h*(v - 50*mV) - 6*uS*n**4*(v + 90*mV)
         + I)/(200*pF) : volt
u = v + 63*mV : volt
dm/dt = (1.28/exprel((13*mV - u)/(4*mV))*(1 - m) - 1.4/exprel((u - 40*mV)/(5*mV))*m)/ms
        : 1
dh/dt = (0.128*exp((17*mV - u)/(18*mV))*(1 - h) - 4/(1 + exp((40*mV - u)/(5*mV)))*h)/ms
        : 1
dn/dt = (0.16/exprel((15*mV - u)/(5*mV))*(1 - n) - 0.5*exp((10*mV - u)/(40*mV))*n)/ms
        : 1
I : amp
"""


def adex(n=1000):
    strings = {"threshold": "v > -40*mV", "reset": "v = -70.6*mV; w += 0.08*nA"}
    group = NeuronGroup(n, ADEX, method="euler", refractory=2 * ms, **strings)
    group.v, group.I = "-70.6*mV", "0.5*nA + i*nA/N"
    return Network(group)


def hodgkin_huxley(n=1000):
    strings = {"threshold": "v > -20*mV", "refractory": 3 * ms}
    group = NeuronGroup(n, HODGKIN_HUXLEY, method="exponential_euler", **strings)
    group.v, group.I = "-65*mV", "i*nA/N"
    return Network(group)


def gates(n=1000, count=12):
    """Gates with parameters per neuron: many arrays in one loop."""
    current = " + ".join(f"G{k}*g{k}*({10 * k - 80}*mV - v)" for k in range(count))
    lines = [f"dv/dt = (-70*mV - v)/(10*ms) + {current} : volt"]
    for k in range(count):
        lines += [
            f"dg{k}/dt = (1/(1 + exp((h{k} - v)/(5*mV))) - g{k})/tau{k} : 1",
            f"h{k} : volt (constant)\ntau{k} : second (constant)",
            f"G{k} : Hz (constant)",
        ]
    group = NeuronGroup(n, "\n".join(lines), method="exponential_euler")
    for k in range(count):
        setattr(group, f"h{k}", "(-50 + 10*i/N)*mV")
        setattr(group, f"tau{k}", "(1 + 5*i/N)*ms")
        setattr(group, f"G{k}", "5*Hz")
    group.v = "-70*mV"
    return Network(group)


def hair_cells(n=201):
    cell = Mechanism("ihc_verhulst2018")
    times = np.arange(10_000)[:, None] * 10e-6
    values = 4e-7 * np.sin(2e3 * np.pi * times) * np.linspace(0, 1, n)
    # What drives the mechanism: here a function of time and channel
    equations = cell.equations + Equations("x = 1*metre*motion(t, i) : metre")
    group = NeuronGroup(
        n,
        equations,
        method=cell.method,
        namespace={**cell.namespace, "motion": TimedArray(values, dt=10 * us)},
        dt=10 * us,
    )
    for name, value in cell.initial.items():
        setattr(group, name, value)
    return Network(group)


#: Model, neurons, duration, steps
MODELS = {
    "inner hair cell, 201 channels": (hair_cells, 201, 300 * ms, 30_000),
    "AdEx, refractory": (adex, 1000, 1000 * ms, 10_000),
    "Hodgkin-Huxley, refractory": (hodgkin_huxley, 1000, 300 * ms, 3000),
    "12 gates with own parameters": (gates, 1000, 300 * ms, 3000),
}


def program(title, fast):
    build, _, duration, _ = MODELS[title]
    prefs.multiscale.fast_equations = fast
    return Binary(f"fast_{build.__name__}_{fast}", build, duration)


def fast_equations(repeats):
    """Nanoseconds per neuron and step of the whole loop."""
    runs = {(t, fast): program(t, fast) for t in MODELS for fast in (False, True)}
    prefs.multiscale.fast_equations = False
    times = in_turn(runs, repeats)
    rows = []
    for title, (_, n, _, steps) in MODELS.items():
        slow, fast = (
            1e9 * np.median(times[title, which]) / (n * steps)
            for which in (False, True)
        )
        rows.append([title, f"{slow:.3g}", f"{fast:.3g}", f"{slow / fast:.2f}"])
    head = ["ns per neuron and step", "as is", "fast_equations", "ratio"]
    return markdown(head, rows)


def hair_cell_surrogate(repeats, numbers):
    """The rows of `benchmark` for the hair cell that comes with the package."""
    surrogate = Surrogate.load("ihc_verhulst2018")
    found = benchmark(hair_cell_task(), surrogate, numbers, repeats=repeats)
    rows = [
        [row, *(f"{v:.3g}" for v in by_number.values())]
        for row, by_number in found.times.items()
    ]
    head = ["ms per channel and second", *(f"n = {n}" for n in found.numbers)]
    verdicts = str(found).splitlines()[-len(found.numbers) :]
    return "\n\n".join([markdown(head, rows), "  \n".join(verdicts)])


def main():
    options = arguments(__doc__)
    numbers = (201,) if options.quick else (1, 20, 201)
    finish(
        options,
        "Surrogates and fast equations",
        fast_equations(options.repeats),
        hair_cell_surrogate(options.repeats, numbers),
    )


if __name__ == "__main__":
    main()
