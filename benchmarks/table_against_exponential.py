"""What does a table cost in a network, compared with a plain exponential synapse?

1000 leaky integrate-and-fire neurons, 1e5 synapses (p = 0.1), 5 to 15 Hz, time step
0.1 ms: CPU time of the whole network per simulated second. Neurons without noise are as
cheap as neurons can be (1 ns per step in C++), so that their ratios are the largest to
expect; those with noise draw one normal number per step.
"""

import functools

import numpy as np
from _measure import Binary, InProcess, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

NEURONS, P = 1000, 0.1
DELAY = 1 * ms
SECONDS = {"C++ standalone": 5, "Cython": 2}

BLOCK = "block = 1/(1 + exp(-62*v/volt)/3.57) : 1"
CONSTANTS = {
    "tau_m": 20 * ms,
    "E_L": -70 * mV,
    "g_L": 10 * nS,
    "g_max": 1 * nS,
    "sigma": 0.5 * mV,
    "tau_ampa": 3 * ms,
    "tau_nmda": 60 * ms,
}


def neurons(receptors, conductances, noise=False):
    """Neurons whose synapses act, but too little to change when they spike."""
    current = " + ".join(conductances) or "0*nS"
    equations = f"dv/dt = (drive - v - ({current})/g_L*v)/tau_m"
    equations += noise * " + sigma*sqrt(2/tau_m)*xi" + " : volt (unless refractory)"
    equations += "\ndrive : volt (constant)\n" + "\n".join(receptors)
    group = NeuronGroup(
        NEURONS,
        equations,
        threshold="v > -50*mV",
        reset="v = E_L",
        refractory=2 * ms,
        method="euler",
        namespace=CONSTANTS,
        name="neuron",
    )
    period = 1 / np.random.default_rng(1).uniform(5, 15, NEURONS) * second
    rise = np.exp(-(period - 2 * ms) / CONSTANTS["tau_m"])
    group.drive = -70 * mV + 20 * mV / (1 - rise)
    group.v = np.random.default_rng(2).uniform(-70, -50, NEURONS) * mV
    return group


def connect(synapses, own_delays):
    chosen = np.random.default_rng(3).random((NEURONS, NEURONS)) < P
    synapses.connect(i=chosen.nonzero()[0], j=chosen.nonzero()[1])
    if own_delays:
        synapses.delay = np.random.default_rng(4).uniform(0.5, 1.5, chosen.sum()) * ms


def no_synapses(**_):
    return Network(neurons([], []))


def exponential(nmda=False, own_delays=False, noise=False):
    """One exponential per receptor, in the equations of the neurons."""
    group = neurons(
        ["dg_ampa/dt = -g_ampa/tau_ampa : siemens"]
        + nmda * ["ds_nmda/dt = -s_nmda/tau_nmda : 1", BLOCK],
        ["g_ampa"] + nmda * ["g_max*s_nmda*block"],
        noise,
    )
    synapses = Synapses(
        group,
        group,
        "w : 1",
        on_pre="g_ampa_post += w*nS" + nmda * "\ns_nmda_post += w",
        delay=None if own_delays else DELAY,
        name="synapse",
    )
    connect(synapses, own_delays)
    synapses.w = 1e-6
    return Network(group, synapses)


def table(nmda=False, own_delays=False, noise=False, tolerance=0.02):
    group = neurons(
        ["g_ampa : siemens"] + nmda * ["s_nmda : 1", BLOCK],
        ["g_ampa"] + nmda * ["g_max*s_nmda*block"],
        noise,
    )
    names = {"g_ampa": "ampa_robert_howe", "s_nmda": "nmda_ambert"}
    tables = {
        variable: tabulate(name, rates=(2, 100) * Hz, tolerance=tolerance)
        for variable, name in list(names.items())[: 1 + nmda]
    }
    synapses = TabulatedSynapses(
        group,
        group,
        tables,
        delay=None if own_delays else DELAY,
        heterogeneous_delays=own_delays,
        name="synapse",
    )
    connect(synapses, own_delays)
    synapses.w = 1e-6
    # Brian2's C++ device only knows synapses that a network names itself.
    terminals = [] if own_delays else [synapses.terminals]
    return Network(group, synapses, *terminals)


#: Case: (model, its options, compared with).
CASES = {
    "no synapses": (no_synapses, {}, None),
    "AMPA, exponential": (exponential, {}, None),
    "AMPA, table": (table, {}, "AMPA, exponential"),
    "AMPA, table, tolerance 0.05": (table, {"tolerance": 0.05}, "AMPA, exponential"),
    "AMPA, noise, exponential": (exponential, {"noise": True}, None),
    "AMPA, noise, table": (table, {"noise": True}, "AMPA, noise, exponential"),
    "AMPA + NMDA, exponentials": (exponential, {"nmda": True}, None),
    "AMPA + NMDA, tables": (table, {"nmda": True}, "AMPA + NMDA, exponentials"),
    "AMPA, own delays, exponential": (exponential, {"own_delays": True}, None),
    "AMPA, own delays, table": (
        table,
        {"own_delays": True},
        "AMPA, own delays, exponential",
    ),
}


def prepared(target, profile=False):
    """A callable per case that gives the CPU time of one run."""
    runs = {}
    duration = SECONDS[target] * second
    for case, (model, kwds, _) in CASES.items():
        build = functools.partial(model, **kwds)
        if target == "Cython":
            runs[case] = InProcess(build, duration)
        else:
            folder = "network-" + case.replace(", ", "-").replace(" ", "-")
            folder += "-profile" * profile
            runs[case] = Binary(folder, build, duration, profile)
    return runs


def table_of(times, seconds):
    """One line per case; ratios are medians over the rounds."""
    rows = []
    for case, (_, _, other) in CASES.items():
        cost = 1e3 * float(np.median(times[case])) / seconds
        ratio = np.array(times[case]) / np.array(times[other]) if other else None
        spread = f"{np.median(ratio):.2f}" if other else "-"
        rows.append([case, f"{cost:.1f}", spread])
    return markdown(["", "ms per simulated second", "ratio to exponentials"], rows)


def breakdown(runs):
    """CPU time of every code object (the clock adds about 0.4 us per call)."""
    rows = [
        [
            case,
            name.removesuffix("_codeobject"),
            f"{1e3 * t / SECONDS['C++ standalone']:.1f}",
        ]
        for case, run in runs.items()
        for name, t in run.profile.items()
    ]
    return markdown(["", "code object", "ms per simulated second"], rows)


if __name__ == "__main__":
    options = arguments(__doc__, profile="where the time goes, C++ standalone")
    parts = []
    if options.profile:
        parts.append(breakdown(prepared("C++ standalone", profile=True)))
    for target in [] if options.profile else list(SECONDS)[: 2 - options.quick]:
        times = in_turn(prepared(target), options.repeats)
        parts += [f"{target}:", table_of(times, SECONDS[target])]
    finish(options, "A table against exponential synapses in a network", *parts)
