"""How much faster is a table than the kinetic scheme that it was made from?

1e4 synapses at 10 Hz, time step 0.1 ms. All figures are microseconds of CPU time per
synapse and simulated second, without what the same network costs without synapses.
"""

import functools

import numpy as np
from _measure import Binary, InProcess, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

SYNAPSES, RATE, STEP = 10_000, 10 * Hz, 0.1 * ms
AXONS = TARGETS = 100
RECEPTORS = {"AMPA": "ampa_robert_howe", "NMDA": "nmda_ambert"}
UNIT = {"AMPA": "siemens", "NMDA": "1"}


# -- models ----------------------------------------------------------------------
def trains(axons, duration):
    """Poisson spikes, at most one per axon and step."""
    defaultclock.dt = STEP
    rng = np.random.default_rng(7)
    steps = int(round(float(duration / STEP)))
    count = rng.poisson(float(axons * RATE * duration))
    spikes = np.unique(rng.integers(steps * axons, size=count))
    return SpikeGeneratorGroup(
        axons, spikes % axons, spikes // axons * STEP, name="axon"
    )


def targets(receptor):
    return NeuronGroup(TARGETS, f"total : {UNIT[receptor]}", name="target")


def connect(synapses, axons):
    if axons == SYNAPSES:
        synapses.connect(i=np.arange(axons), j=np.arange(axons) % TARGETS)
    else:
        synapses.connect()
    synapses.w = 1


def mechanism(receptor, **options):
    # What follows from the output (NMDA: the magnesium block) is left to the target.
    omit = tuple(Mechanism(RECEPTORS[receptor]).readout.names)
    return Mechanism(RECEPTORS[receptor], omit=omit, **options)


def summed(model, receptor):
    return Equations(
        f"w : 1\ntotal_post = w*{model.output} : {UNIT[receptor]} (summed)"
    )


def kinetic_per_axon(receptor, axons, duration):
    """The transmitter is computed once per axon; synapses read one number."""
    model = mechanism(receptor, rename={"glu": "glu_now_pre"})
    transmitter = mechanism(receptor).transmitter
    source, target = trains(axons, duration), targets(receptor)
    terminal = NeuronGroup(
        axons,
        transmitter.equations + Equations("glu_now : mM"),
        namespace=transmitter.namespace,
        name="terminal",
    )
    terminal.run_regularly("glu_now = glu", when="before_groups", name="now")
    release = Synapses(
        source,
        terminal,
        on_pre=transmitter.on_pre,
        namespace=transmitter.namespace,
        name="release",
    )
    release.connect(j="i")
    synapses = Synapses(
        terminal,
        target,
        model.equations + summed(model, receptor),
        method="kinetic",
        namespace=model.namespace,
        name="kinetic",
    )
    connect(synapses, axons)
    model.initialise(synapses)
    return Network(source, terminal, release, target, synapses)


def kinetic_per_synapse(receptor, axons, duration):
    """The transmitter is computed in every synapse."""
    model = mechanism(receptor)
    source, target, transmitter = (
        trains(axons, duration),
        targets(receptor),
        model.transmitter,
    )
    synapses = Synapses(
        source,
        target,
        model.equations + transmitter.equations + summed(model, receptor),
        on_pre=transmitter.on_pre,
        method="kinetic",
        namespace={**model.namespace, **transmitter.namespace},
        name="kinetic",
    )
    connect(synapses, axons)
    model.initialise(synapses)
    return Network(source, target, synapses)


def table_per_axon(receptor, axons, duration):
    source, target = trains(axons, duration), targets(receptor)
    table = tabulate(RECEPTORS[receptor], rates=(2, 100) * Hz)
    synapses = TabulatedSynapses(source, target, table, "total", name="table")
    connect(synapses, axons)
    # Brian2's C++ device only knows synapses that a network names itself.
    return Network(source, target, synapses, synapses.terminals)


def table_per_synapse(receptor, axons, duration):
    """Every synapse has a delay of its own."""
    source, target = trains(axons, duration), targets(receptor)
    table = tabulate(RECEPTORS[receptor], rates=(2, 100) * Hz)
    synapses = TabulatedSynapses(
        source, target, table, "total", heterogeneous_delays=True, name="table"
    )
    connect(synapses, axons)
    synapses.delay = np.random.default_rng(3).uniform(0.5, 2, SYNAPSES) * ms
    return Network(source, target, synapses)


def no_synapses(receptor, axons, duration):
    return Network(trains(axons, duration), targets(receptor))


# -- measurements ----------------------------------------------------------------
#: Case: (model, axons, simulated seconds in C++ and in Cython).
CASES = {
    "kinetic, transmitter per axon": (kinetic_per_axon, AXONS, 1, 0.2),
    "kinetic, transmitter per synapse": (kinetic_per_synapse, AXONS, 1, None),
    "table, state per axon": (table_per_axon, AXONS, 10, 2),
    "table, state per synapse": (table_per_synapse, AXONS, 10, 2),
    "table, one synapse per axon": (table_per_axon, SYNAPSES, 10, None),
}
KINETIC = list(CASES)[:2]
EMPTY = {AXONS: f"{AXONS} axons alone", SYNAPSES: f"{SYNAPSES} axons alone"}


def standalone(receptor):
    """Compiled programs and their simulated seconds, by case."""
    empty = {name: (no_synapses, axons, 10, None) for axons, name in EMPTY.items()}
    found = {}
    for case, (model, axons, seconds, _) in {**empty, **CASES}.items():
        duration = seconds * second
        folder = f"{receptor}-{case}".replace(", ", "-").replace(" ", "-")
        build = functools.partial(model, receptor, axons, duration)
        found[case] = Binary(folder, build, duration), seconds
    return found


def runtime(receptor):
    """The same for Cython, where a case has a duration for it."""
    found = {}
    for case, (model, axons, _, seconds) in {
        EMPTY[AXONS]: (no_synapses, AXONS, None, 2),
        **CASES,
    }.items():
        if seconds:
            build = functools.partial(model, receptor, axons, seconds * second)
            found[case] = InProcess(build, seconds * second), seconds
    return found


def costs(programs, repeats):
    """Median microseconds per synapse-second by case."""
    times = in_turn({case: run for case, (run, _) in programs.items()}, repeats)
    per_second = {c: np.array(times[c]) / s for c, (_, s) in programs.items()}
    return {
        c: 1e6
        / SYNAPSES
        * float(np.median(per_second[c] - per_second[EMPTY[CASES[c][1]]]))
        for c in programs
        if c in CASES
    }


def table_of(found):
    """One line per case, with its speed relative to each kinetic variant."""
    kinetic = [k for k in KINETIC if k in found]
    rows = []
    for case, cost in found.items():
        ratios = ["-" if case in kinetic else f"{found[k] / cost:.0f}" for k in kinetic]
        rows.append([case, f"{cost:.3g}", *ratios])
    return markdown(
        ["", "us per synapse-second", *(f"{k} / this" for k in kinetic)], rows
    )


if __name__ == "__main__":
    options = arguments(__doc__)
    parts = []
    for receptor in RECEPTORS:
        parts.append(f"{receptor}, C++ standalone:")
        parts.append(table_of(costs(standalone(receptor), options.repeats)))
    if not options.quick:
        for receptor in RECEPTORS:
            parts.append(f"{receptor}, Cython:")
            parts.append(table_of(costs(runtime(receptor), options.repeats)))
    finish(options, "A table against its kinetic scheme", *parts)
