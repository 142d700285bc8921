"""
The same network three times: kinetic receptors, tables, exponentials.

2400 excitatory and 600 inhibitory neurons, driven by their own spikes and by 600 axons
that replay the spike trains of 2, 10 and 50 Hz which NEURON was run with (three axons
as they are, the others each with a shift of its own). The excitatory synapses have AMPA
(16 states) and NMDA receptors (15 states):

* kinetic: the reaction schemes, solved in every time step (``method='kinetic'``, second
  order, whose error at 0.1 ms is as small as that of the tables),
* table: `TabulatedSynapses`, one look-up per spike,
* exponentials: a bi-exponential AMPA and a tri-exponential NMDA conductance, fitted to
  the response to a single spike.

The synapses of an axon have one delay, so the kinetic network solves the schemes once
per axon and not at each synapse, which would take some minutes. Three probe neurons get
one synapse each, from the unshifted trains, and are compared with the converged
solution of the schemes.

Prints all numbers, fails if one is not what it should be, draws results/demo.png. The
network itself is in demo_networks.py. Takes one to three minutes, mostly for compiling;
without a C++ compiler a small network runs in Python.
"""

import os
import time
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *
from demo_networks import (
    DELAY,
    DURATION,
    HAS_COMPILER,
    INHIBITORY,
    N_AXONS,
    N_E,
    N_SYNAPSES,
    PROBES,
    RELAYS,
    ROOT,
    SHORT,
    fit_exponentials,
    input_spikes,
    make_network,
    make_wiring,
    reference_trains,
)

from brian2_multiscale import *

RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
KINDS = ("kinetic", "table", "exponentials")
COLOURS = {"kinetic": "#999999", "table": "#0072B2", "exponentials": "#D55E00"}


# -- running and measuring -----------------------------------------------------------
def run_all(networks):
    """Run them one after the other; CPU seconds by network and object."""
    for kind, (network, *_) in networks.items():
        if SHORT:
            print(f"Network with {kind}:", flush=True)
        network.run(DURATION, report="text", profile=True)
    if not SHORT:
        print("Compiling, about a minute ...", flush=True)
        device.build(directory=str(RESULTS / "demo_code"), run=False, with_output=False)
        device.run(directory=str(RESULTS / "demo_code"), with_output=True)
    return {
        kind: {
            name.removesuffix("_codeobject"): float(seconds)
            for name, seconds in network.profiling_info
            if name.startswith(kind)
        }
        for kind, (network, *_) in networks.items()
    }


def nrmse(reference, values):
    return np.sqrt(np.sum((reference - values) ** 2) / np.sum(reference**2))


def compare_probes(networks, rates):
    """Traces and their NRMSE against the converged schemes, by kind, receptor, rate."""
    mechanisms = {
        "AMPA": (Mechanism("ampa_robert_howe"), "g_ampa"),
        "NMDA": (Mechanism("nmda_ambert"), "Open_nmda"),
    }
    # Steps from a spike until what it caused is recorded: summed variables, pools
    # and monitors each take what the step before has left.
    lags = {"kinetic": 2, "table": 2, "exponentials": 1}
    traces, errors = defaultdict(dict), {}
    for kind, (_, spikes, monitor, _) in networks.items():
        times = np.array(monitor.t)
        for k, rate in enumerate(rates):
            arrivals = spikes.spike_trains()[RELAYS[k]] + DELAY + lags[kind] * 0.1 * ms
            for receptor, (mechanism, variable) in mechanisms.items():
                # Half a nanosecond keeps rounding from moving a sample over a spike.
                reference = mechanism.simulate(arrivals, (times + 5e-10) * second)
                reference = np.asarray(reference)
                values = np.asarray(getattr(monitor, variable)[k])
                traces[receptor, rate][kind] = times, reference, values
                errors[kind, receptor, rate] = nrmse(reference, values)
    return traces, errors


def synapse_cost(costs, kind):
    """CPU seconds of all that only serves the excitatory synapses."""
    own = {
        "kinetic": ("kinetic_receptors", "kinetic_synapses"),
        "table": ("table_synapses", "table_neurons_g_ampa", "table_neurons_Open_nmda"),
        "exponentials": ("exponentials_synapses",),
    }[kind]
    total = sum([s for name, s in costs[kind].items() if name.startswith(own)])
    if kind == "exponentials":  # their decays are part of the neurons' equations
        updater = "neurons_stateupdater"
        with_decays = costs["exponentials"][f"exponentials_{updater}"]
        total += max(0, with_decays - costs["table"][f"table_{updater}"])
    return total


def rates_of(spikes, members):
    count = np.isin(np.array(spikes.i), members).sum()
    return count / len(members) / (DURATION / second)


def population_rate(spikes, width=0.01):
    """Rate of the excitatory neurons (Hz) in bins of ``width`` seconds."""
    edges = np.arange(0, DURATION / second + width / 2, width)
    times = np.array(spikes.t)[np.array(spikes.i) < N_E]
    return edges[:-1] + width / 2, np.histogram(times, edges)[0] / N_E / width


# -- report --------------------------------------------------------------------------
def print_report(errors, costs, networks, tables, rates):
    print("\nNRMSE of a single synapse in the running network, dt = 0.1 ms")
    print(" " * 24 + "".join(f"{rate:>7} Hz" for rate in rates))
    for receptor in ("AMPA", "NMDA"):
        for kind in KINDS:
            row = "".join(f"{errors[kind, receptor, rate]:10.4f}" for rate in rates)
            print(f"  {receptor}, {kind:<16}{row}")
    print("\nFiring rates (Hz)       excitatory  inhibitory")
    for kind in KINDS:
        spikes = networks[kind][1]
        found = [rates_of(spikes, who) for who in (np.arange(N_E), INHIBITORY)]
        print(f"  {kind:<20}{found[0]:12.2f}{found[1]:12.2f}")
    per_synapse = 1e6 / N_SYNAPSES / (DURATION / second)
    cost = {kind: synapse_cost(costs, kind) * per_synapse for kind in KINDS}
    solving = costs["kinetic"]["kinetic_receptors_stateupdater"]
    cost["receptor"] = solving * per_synapse * N_SYNAPSES / (N_E + N_AXONS)
    print(f"\nCPU time of the {N_SYNAPSES} AMPA + NMDA synapses")
    print("                      us per synapse and    network with all neurons,")
    print("                      simulated second      s per simulated second")
    for kind in KINDS:
        everything = sum(list(costs[kind].values())) / (DURATION / second)
        more = "  (more spikes)" if kind == "exponentials" else ""
        print(f"  {kind:<20}{cost[kind]:12.2f}{everything:24.2f}{more}")
    print(f"  a receptor pair of its own for each synapse{cost['receptor']:8.0f} us")
    at_each, per_axon = (cost[k] / cost["table"] for k in ("receptor", "kinetic"))
    print("Speed-up of the synapses by tables, against method='kinetic' of order 2")
    print(f"  with a receptor pair for each synapse{at_each:14.0f}")
    print(f"  with a receptor pair for each axon, as here{per_axon:8.0f}")
    print("\nMemory")
    for receptor, table in tables.items():
        print(f"  {receptor} {table!r}")
    for kind, state in state_bytes(networks, tables).items():
        print(f"  state, {kind:<26}{state / 1e6:8.2f} MB")
    return cost


def state_bytes(networks, tables):
    """Bytes of the variables that change; weights and wiring are the same for all."""
    receptors = networks["kinetic"][3][1]
    synapses = networks["table"][3][0]
    pooled = len(tables["AMPA"].time_constants) + len(tables["NMDA"].time_constants)
    n_all = PROBES[-1] + 1
    return {
        "kinetic (at each synapse)": 8 * own_variables(receptors) * N_SYNAPSES,
        "kinetic (once per axon)": 8 * own_variables(receptors) * (N_E + N_AXONS),
        "table": 8 * n_all * (own_variables(synapses.terminals) + pooled),
        "exponentials": 8 * n_all * 5,
    }


def own_variables(group):
    """Number of variables per synapse, without the wiring."""
    return len([e for e in group.equations.values() if e.type != "subexpression"])


def draw(traces, errors, networks, cost, rates, path):
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    draw_trace(axes[0, 0], traces["AMPA", rates[-1]], 1e12, "AMPA conductance (pS)")
    axes[0, 0].set_xlim(0, 200)
    axes[0, 0].set_ylim(top=1.5 * axes[0, 0].get_ylim()[1])
    label = "NMDA open probability (10⁻³)"
    draw_trace(axes[0, 1], traces["NMDA", rates[-1]], 1e3, label)
    axes[0, 0].legend(loc="upper right", frameon=False)
    draw_errors(axes[0, 2], errors, rates)
    draw_raster(axes[1, 0], networks)
    draw_rates(axes[1, 1], networks)
    draw_costs(axes[1, 2], cost)
    titles = [
        f"one synapse, {rates[-1]} Hz train",
        f"the same synapse, {rates[-1]} Hz train",
        "error of one synapse",
        "spikes of 40 excitatory neurons",
        "excitatory population",
        "cost of an AMPA + NMDA synapse",
    ]
    for axis, letter, title in zip(axes.flat, "abcdef", titles, strict=True):
        axis.set_title(f"{letter}   {title}", loc="left", fontsize=10)
    figure.savefig(path, dpi=150)
    print(f"\nFigure: {path}")


STYLES = {
    "kinetic": {"color": COLOURS["kinetic"], "lw": 3.5},
    "table": {"color": COLOURS["table"], "lw": 1.2},
    "exponentials": {"color": COLOURS["exponentials"], "lw": 1.2},
}


def draw_trace(axis, traces, factor, label):
    for kind in ("kinetic", "exponentials", "table"):
        times, reference, values = traces[kind]
        shown = reference if kind == "kinetic" else values
        name = "kinetic, converged" if kind == "kinetic" else kind
        axis.plot(times * 1e3, factor * shown, label=name, **STYLES[kind])
    axis.set(xlabel="time (ms)", ylabel=label)


def draw_errors(axis, errors, rates):
    positions = np.arange(2 * len(rates)) + np.repeat([0, 0.6], len(rates))
    for k, kind in enumerate(KINDS):
        heights = [errors[kind, r, rate] for r in ("AMPA", "NMDA") for rate in rates]
        label = "kinetic, dt = 0.1 ms" if kind == "kinetic" else kind
        places = positions + 0.27 * (k - 1)
        axis.bar(places, heights, 0.25, color=COLOURS[kind], label=label)
    axis.set_yscale("log")
    axis.set_ylim(1e-4, 30)
    axis.set_xticks(positions, [str(rate) for rate in rates] * 2)
    axis.set(xlabel="AMPA             rate (Hz)             NMDA", ylabel="NRMSE")
    axis.legend(
        loc="upper center",
        ncols=3,
        frameon=False,
        columnspacing=0.8,
        handlelength=1,
        fontsize=8,
    )


def draw_raster(axis, networks, count=40):
    chosen = np.linspace(0, N_E - 1, count).astype(int)
    for k, kind in enumerate(KINDS):
        spikes = networks[kind][1]
        neuron, times = np.array(spikes.i), np.array(spikes.t)
        for row, which in enumerate(chosen):
            at = times[neuron == which] * 1e3
            axis.plot(
                at,
                np.full(len(at), -k * 1.15 * count - row),
                "|",
                ms=3,
                color="k" if kind == "kinetic" else COLOURS[kind],
            )
    centres = [-k * 1.15 * count - count / 2 for k in range(3)]
    axis.set_yticks(centres, KINDS, rotation=90, va="center")
    axis.tick_params(axis="y", length=0)
    axis.set(xlabel="time (ms)", xlim=(0, DURATION / ms))


def draw_rates(axis, networks):
    for kind in KINDS:
        times, rate = population_rate(networks[kind][1])
        axis.plot(times * 1e3, rate, label=kind, **STYLES[kind])
    axis.set(xlabel="time (ms)", ylabel="firing rate (Hz)", xlim=(0, DURATION / ms))
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    axis.legend(loc="upper center", ncols=3, frameon=False)


def draw_costs(axis, cost):
    bars = [
        ("kinetic,\nat each\nsynapse", cost["receptor"], COLOURS["kinetic"]),
        ("kinetic,\nonce per\naxon", cost["kinetic"], COLOURS["kinetic"]),
        ("table", cost["table"], COLOURS["table"]),
        ("exponentials", cost["exponentials"], COLOURS["exponentials"]),
    ]
    axis.bar(range(4), [b[1] for b in bars], 0.6, color=[b[2] for b in bars])
    for k, (_, value, _) in enumerate(bars):
        axis.text(
            k,
            1.15 * value,
            f"{value:.2g}" if value < 10 else f"{value:.0f}",
            ha="center",
        )
    axis.set_yscale("log")
    axis.set_ylim(0.3 * bars[-1][1], 5 * bars[0][1])
    axis.set_xticks(range(4), [b[0] for b in bars])
    axis.set_ylabel("CPU time (µs) per simulated second")


def check(errors, networks, cost):
    """Bounds that hold with room to spare."""
    for (kind, receptor, rate), error in errors.items():
        if kind != "exponentials":
            assert error <= 0.05, f"NRMSE of {kind}, {receptor}, {rate} Hz: {error:.3g}"
    rate = {kind: rates_of(networks[kind][1], np.arange(N_E)) for kind in KINDS}
    # Not the same spikes: a network like this is chaotic.
    difference = rate["table"] / rate["kinetic"] - 1
    assert abs(difference) <= (0.5 if SHORT else 0.1), f"firing rates: {rate}"
    speed_up = cost["receptor"] / cost["table"]
    assert SHORT or speed_up >= 56, f"tables are only {speed_up:.3g} times faster"


def main():
    started = time.time()
    # Brian2 tells for each state of a receptor that it takes time to integrate.
    BrianLogger.suppress_name("clock_driven")
    RESULTS.mkdir(parents=True, exist_ok=True)
    print("Tables and exponentials for both receptors", flush=True)
    names = {"AMPA": "ampa_robert_howe", "NMDA": "nmda_ambert"}
    options = {"rates": (2, 100) * Hz, "report": "text"}
    tables = {r: tabulate(name, **options) for r, name in names.items()}
    fits = {
        "AMPA": fit_exponentials(Mechanism(names["AMPA"]), 2, 100 * ms),
        "NMDA": fit_exponentials(Mechanism(names["NMDA"]), 3, 1 * second),
    }
    if SHORT:
        prefs.codegen.target = "numpy"
    else:
        set_device("cpp_standalone", build_on_run=False)
        # Brian2 2.9 starts as many compilers as there are files.
        prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
    if not HAS_COMPILER:
        print("No C++ compiler found: a small network in Python, costs mean little.")
    rng = np.random.default_rng(7)
    trains = reference_trains()
    inputs, wiring = input_spikes(rng, trains), make_wiring(rng)
    networks = {k: make_network(k, inputs, wiring, tables, fits) for k in KINDS}
    costs = run_all(networks)
    traces, errors = compare_probes(networks, list(trains))
    cost = print_report(errors, costs, networks, tables, list(trains))
    draw(traces, errors, networks, cost, list(trains), RESULTS / "demo.png")
    print(f"Took {time.time() - started:.0f} s.")
    check(errors, networks, cost)


if __name__ == "__main__":
    main()
