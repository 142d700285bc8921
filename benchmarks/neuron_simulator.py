"""The same receptors in the NEURON simulator, with NMODL text made from the reactions.

One cell, 1000 synapses, 10 Hz, time step 0.1 ms. NEURON solves the scheme in its
KINETIC block with METHOD sparse; the transmitter of each synapse is a function of its
newest spikes. Microseconds of CPU time per synapse and simulated second, without the
cell. NEURON delivers a spike up to half a time step early, which changes peaks by a few
per cent.

Needs the extra 'benchmark' (the package neuron) and a C++ compiler.
"""

import functools
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import table_against_kinetic as ours
from _measure import BUILDS, Binary, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

RECEPTORS = {"AMPA": "ampa_robert_howe", "NMDA": "nmda_ambert"}
SYNAPSES, RATE, MILLISECONDS = 1000, 10, 1000.0
FOLDER = BUILDS / "nmodl"

#: Measured earlier, on another run and other text: the NMODL of ModelDB 267103.
EARLIER = {
    "AMPA": {
        "look-up table": "359-424",
        "derivimplicit": "98-103 thousand",
        "sparse": "14.1 thousand",
    },
    "NMDA": {
        "look-up table": "735-774",
        "derivimplicit": "73-78 thousand",
        "sparse": "12.8-13.0 thousand",
    },
}

NMODL = """
NEURON {{
    POINT_PROCESS {name}
    NONSPECIFIC_CURRENT i
    RANGE g, glu
}}
UNITS {{
    (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) (mM) = (milli/liter)
}}
PARAMETER {{
{parameters}
}}
ASSIGNED {{ v (mV) i (nA) g (uS) glu (mM) count {pulses} }}
STATE {{ {states} }}
INITIAL {{
    count = 0
    glu = 0
{initial}
}}
BREAKPOINT {{
    glu = cleft(t)
    SOLVE scheme METHOD sparse
    g = {output}
    i = g*v
}}
KINETIC scheme {{
{reactions}
    CONSERVE {conserved} = 1
}}
FUNCTION one_pulse(age (ms)) {{
    LOCAL u
    u = 1/(1 + clearance*age)
    one_pulse = C_0*u*exp(-kappa*u)
}}
FUNCTION cleft(now (ms)) {{
    cleft = 0
{sum}
}}
NET_RECEIVE (weight) {{
{shift}
    t1 = t
    if (count < 9) {{ count = count + 1 }}
}}
"""


# -- NMODL from a mechanism ------------------------------------------------------
def number(quantity):
    """The value in the units of NEURON: ms, mM, uS."""
    for unit in (1, 1 / ms, 1 / (mM * ms), mM, usiemens):
        if have_same_dimensions(quantity, unit):
            return float(quantity / unit)
    raise ValueError(f"{quantity} has no unit that the script knows.")


def two_way(reactions):
    """``~ A <-> B (forward, backward)`` for every pair of states."""
    rates = {(a, b): rate for a, b, rate in reactions}
    pairs = {tuple(sorted(pair)) for pair in rates}
    return [
        f"    ~ {a} <-> {b} ({rates.get((a, b), 0)}, {rates.get((b, a), 0)})"
        for a, b in sorted(pairs)
    ]


def nmodl(receptor):
    """The text of a point process."""
    mechanism = Mechanism(RECEPTORS[receptor])
    transmitter = mechanism.transmitter.namespace
    used = mechanism.scheme.names - {"glu"}
    constants = {n: number(v) for n, v in mechanism.namespace.items() if n in used}
    molecules = transmitter["n_molecules"] / transmitter["N_A"]
    volume = (
        4 * np.pi * transmitter["D_glu"] * transmitter["h_cleft"] * transmitter["t_0"]
    )
    constants["C_0"] = number(molecules / volume)
    spread = transmitter["r_cleft"] ** 2 / (
        4 * transmitter["D_glu"] * transmitter["t_0"]
    )
    constants |= {"kappa": float(spread), "clearance": number(transmitter["clearance"])}
    output = {"AMPA": "2e-6*(9*O2 + 15*O3 + 21*O4)", "NMDA": "40e-6*(Open1 + Open2)"}
    states = mechanism.scheme.states
    return NMODL.format(
        name=receptor + "_scheme",
        parameters="\n".join(f"    {n} = {v!r}" for n, v in constants.items()),
        pulses=" ".join(f"t{k} (ms)" for k in range(1, 10)),
        states=" ".join(states),
        initial="\n".join(f"    {s} = {mechanism.initial[s]!r}" for s in states),
        output=output[receptor],
        reactions="\n".join(two_way(mechanism.scheme.reactions)),
        conserved=" + ".join(states),
        sum="\n".join(
            f"    if (count >= {k}) {{ cleft = cleft + one_pulse(now - t{k}) }}"
            for k in range(1, 10)
        ),
        shift="\n".join(f"    t{k} = t{k - 1}" for k in range(9, 1, -1)),
    )


def compile_nmodl():
    """Translate and compile the mechanisms with NEURON's own program."""
    try:
        version("neuron")
    except PackageNotFoundError:
        raise SystemExit(
            "neuron is missing: pip install 'brian2-multiscale[benchmark]'"
        ) from None
    FOLDER.mkdir(parents=True, exist_ok=True)
    for receptor in RECEPTORS:
        (FOLDER / f"{receptor.lower()}.mod").write_text(nmodl(receptor))
    beside = Path(sys.executable).with_name("nrnivmodl")
    program = str(beside) if beside.exists() else "nrnivmodl"
    done = subprocess.run([program], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"nrnivmodl failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )


def loaded():
    """NEURON's ``h`` with the compiled mechanisms."""
    from neuron import h, load_mechanisms

    load_mechanisms(str(FOLDER))
    h.load_file("stdrun.hoc")
    return h


# -- measurements ----------------------------------------------------------------
def cell(h, receptor):
    """A callable that simulates one passive cell and returns the CPU time (s)."""
    soma = h.Section(name="soma")
    soma.insert("pas")
    rng = np.random.default_rng(5)
    synapses, connections, trains = [], [], []
    for _ in range(SYNAPSES if receptor else 0):
        synapse = getattr(h, receptor + "_scheme")(soma(0.5))
        connection = h.NetCon(None, synapse)
        connection.weight[0] = 1
        count = rng.poisson(RATE * MILLISECONDS / 1000)
        trains.append(np.sort(rng.uniform(0, MILLISECONDS, count)))
        synapses.append(synapse)
        connections.append(connection)

    def events():
        for connection, train in zip(connections, trains, strict=True):
            for spike in train:
                connection.event(float(spike))

    handler = h.FInitializeHandler(events)

    def run():
        h.dt, h.steps_per_ms = 0.1, 10
        h.finitialize(-65)
        began = time.process_time()
        h.continuerun(MILLISECONDS)
        return time.process_time() - began

    run.alive = (soma, synapses, connections, handler)
    return run


def first_peak(h, receptor):
    """Largest output after one spike, in uS."""
    soma = h.Section(name="alone")
    synapse = getattr(h, receptor + "_scheme")(soma(0.5))
    connection = h.NetCon(None, synapse)
    handler = h.FInitializeHandler(lambda: connection.event(1.0))
    trace = h.Vector().record(synapse._ref_g)
    h.dt, h.steps_per_ms = 0.1, 10
    h.finitialize(-65)
    h.continuerun(100)
    del handler
    return float(trace.max())


def in_neuron(what):
    """Another process, because NEURON simulates all cells that a process has."""
    command = [sys.executable, __file__, "--worker", what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def worker(what):
    h = loaded()
    task, _, receptor = what.partition(":")
    print(first_peak(h, receptor) if task == "peak" else cell(h, receptor)())


def our_peak(receptor):
    """The same by our kinetic method with the same step."""
    times = np.arange(0, 100, 0.1) * ms
    output = Mechanism(RECEPTORS[receptor]).simulate(
        [1] * ms, times, dt=0.1 * ms, method="kinetic"
    )
    return float(np.max(output / {"AMPA": usiemens, "NMDA": 1 / 40e-6}[receptor]))


def our_programs(receptor):
    """C++ programs for as many synapses as the cell has, each with its own train."""
    ours.SYNAPSES = ours.AXONS = SYNAPSES
    cases = {
        "kinetic": (ours.kinetic_per_synapse, 5),
        "table": (ours.table_per_axon, 20),
        "nothing": (ours.no_synapses, 20),
    }
    programs = {}
    for case, (model, seconds) in cases.items():
        build = functools.partial(model, receptor, SYNAPSES, seconds * second)
        programs[case] = Binary(f"cell-{receptor}-{case}", build, seconds * second)
    return programs


def costs(receptor, repeats):
    """Median microseconds per synapse-second by case."""
    programs = our_programs(receptor)
    runs = {
        "NEURON": lambda: in_neuron("cell:" + receptor),
        "NEURON nothing": lambda: in_neuron("cell:"),
        **programs,
    }
    times = {name: np.array(t) for name, t in in_turn(runs, repeats).items()}
    per_second = {n: times[n] / programs[n].duration for n in programs}
    per_second["NEURON"] = (
        (times["NEURON"] - times["NEURON nothing"]) * 1e3 / MILLISECONDS
    )
    for name in ("kinetic", "table"):
        per_second[name] = per_second[name] - per_second["nothing"]
    scale = 1e6 / SYNAPSES
    return {
        n: scale * float(np.median(per_second[n]))
        for n in ("NEURON", "kinetic", "table")
    }


def rows(receptor, repeats):
    found = costs(receptor, repeats)
    names = {
        "NEURON": "NEURON, METHOD sparse, this NMODL",
        "kinetic": "ours, method='kinetic', transmitter per synapse",
        "table": "ours, table, one synapse per axon",
    }
    lines = [
        [names[n], f"{cost:.3g}", f"{found['NEURON'] / cost:.3g}"]
        for n, cost in found.items()
    ]
    earlier = [
        [f"NEURON, {n} (measured earlier)", t, "-"]
        for n, t in EARLIER[receptor].items()
    ]
    return markdown(
        [receptor, "us per synapse-second", "NEURON sparse / this"], lines + earlier
    )


if __name__ == "__main__":
    if "--worker" in sys.argv:
        worker(sys.argv[-1])
        raise SystemExit
    options = arguments(__doc__)
    compile_nmodl()
    parts = []
    for receptor in RECEPTORS:
        peak = in_neuron("peak:" + receptor) / our_peak(receptor)
        parts.append(f"{receptor}: peak after one spike, NEURON/ours = {peak:.4f}")
        parts.append(rows(receptor, options.repeats))
    parts.append(f"NEURON {version('neuron')}.")
    finish(options, "Against the NEURON simulator", *parts)
