"""What does short-term plasticity cost in a population, and in its neurons?

5000 excitatory neurons, connected to one another with probability 0.1 (2.5 million
synapses) by depressing and facilitating synapses, time step 0.1 ms: as neurons, with a
state per synapse or per presynaptic neuron, and as one mesoscopic population. CPU time
of the simulation loop in C++ standalone, one thread, with a monitor of the rate.
"""

from statistics import median

import numpy as np
from _measure import Binary, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

NEURONS, P = 5000, 0.1
STEP, DELAY, DURATION = 0.1 * ms, 1.5 * ms, 2 * second
CONSTANTS = {"tau_m": 20 * ms, "tau_s": 3 * ms}
MODEL = """
dv/dt = (14*mV - v)/tau_m + h/tau_s : volt (unless refractory)
dh/dt = -h/tau_s : volt
rho = 10*Hz*exp((v - 15*mV)/(2.5*mV)) : Hz
"""
FIRING = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV",
    "refractory": 4 * ms,
    "method": "exact",
    "namespace": CONSTANTS,
}
STP = """
du/dt = (U - u)/tau_f : 1 (event-driven)
dx/dt = (1 - x)/tau_d : 1 (event-driven)
U : 1
tau_f : second
tau_d : second
"""
RELEASE = """
h_post += w*u*x
x -= u*x
u += U*(1 - u)
"""
VALUES = {"U": 0.2, "tau_f": 100 * ms, "tau_d": 100 * ms}
WEIGHT = 10 * mV / NEURONS / P  # divided by U where plasticity takes it away again


# -- models ----------------------------------------------------------------------
def neurons(plastic, per_synapse=False):
    defaultclock.dt = STEP
    group = NeuronGroup(NEURONS, MODEL, **FIRING, name="neurons")
    monitor = PopulationRateMonitor(group, name="seen")
    make = synapses_with_state if per_synapse else project
    return Network(group, monitor, make(group, plastic, P))


def population(plastic, p=1.0, order=2, closure="cohort"):
    defaultclock.dt = STEP
    group = MesoscopicGroup(
        NEURONS, MODEL, **FIRING, closure_order=order, name="neurons"
    )
    monitor = StateMonitor(group, "A", record=True, name="seen")
    return Network(group, monitor, project(group, plastic, p, closure))


def project(group, plastic, p, closure="cohort"):
    return Projection(
        group,
        group,
        STP if plastic else "",
        RELEASE if plastic else "h_post += w",
        weights=WEIGHT * P / p / (VALUES["U"] if plastic else 1),
        p=p,
        delay=DELAY,
        parameters=VALUES if plastic else None,
        closure=closure,
        name="synapses",
    )


def synapses_with_state(group, plastic, p):
    shared = STP.replace(": 1\ntau", ": 1 (shared)\ntau").replace(
        "second", "second (shared)"
    )
    synapses = Synapses(
        group,
        group,
        shared,
        on_pre=RELEASE,
        delay=DELAY,
        name="synapses",
        namespace={**CONSTANTS, "w": WEIGHT / VALUES["U"]},
    )
    synapses.connect(p=p)
    for name, value in VALUES.items():
        setattr(synapses, name, value)
    synapses.u, synapses.x = VALUES["U"], 1
    return synapses


MODELS = {
    "neurons, static synapses": lambda: neurons(False),
    "neurons, plasticity per synapse": lambda: neurons(True, per_synapse=True),
    "neurons, plasticity per presynaptic neuron": lambda: neurons(True),
    "population, static synapses": lambda: population(False),
    "population, plasticity of order 1": lambda: population(True, order=1),
    "population, plasticity of order 2": lambda: population(True),
    "population, plasticity, Poisson closure": lambda: population(
        True, closure="poisson"
    ),
    "population, random wiring, static": lambda: population(False, p=P),
    "population, random wiring, plasticity": lambda: population(True, p=P),
}


# -- tables ----------------------------------------------------------------------
def rate(program):
    """Hz, after the first half of a second."""
    (path,) = [
        path
        for name in ("A", "rate")
        for path in (program.folder / "results").glob(f"_dynamic_array_seen_{name}_*")
    ]
    return np.fromfile(path)[round(0.5 * second / STEP) :].mean()


def main():
    options = arguments(__doc__)
    programs = {
        name: Binary(f"plasticity_{k}", build, DURATION)
        for k, (name, build) in enumerate(MODELS.items())
    }
    times = in_turn(programs, options.repeats)
    per_synapse = median(times["neurons, plasticity per synapse"])
    rows = []
    for name, seconds in times.items():
        static = name.split(",")[0] + ", static synapses"
        if "random wiring" in name:
            static = "population, random wiring, static"
        cost = median(seconds)
        rows.append(
            [
                name,
                f"{cost / float(DURATION) * 1e3:.1f}",
                f"{cost / median(times[static]):.2f}",
                f"{per_synapse / cost:.1f}",
                f"{rate(programs[name]):.2f}",
            ]
        )
    header = ["", "CPU ms per simulated second", "this / static", "per synapse / this"]
    table = markdown([*header, "rate (Hz)"], rows)
    finish(options, "Short-term plasticity in populations and neurons", table)


if __name__ == "__main__":
    main()
