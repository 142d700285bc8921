"""
One cortical column at every scale
==================================

The column of Potjans and Diesmann (2014), eight populations of four layers, simulated

* spiking: every neuron, every synapse;
* mesoscopic: eight populations, at a cost that does not depend on their size;
* mixed: layer 5 spiking, the others mesoscopic, coupled in both directions.

The strings are the same at every scale; a list of eight words says which population is
simulated how. Then comes physiology:

* depressing: excitatory synapses depress, at every scale, by one equation;
* receptors: layer 5, the one "we care about", gets conductances in addition. All its
  excitatory input, from its own neurons and from the mesoscopic layers, goes through
  tables of published AMPA and NMDA receptors.

Sources: sizes, probabilities and weights are those of Potjans and Diesmann, drive and
escape noise those of Schwalger, Deger and Gerstner (2017); see
frompapers/Schwalger_Deger_Gerstner_2017.py. Depression (U = 0.5, 800 ms) is that of
Tsodyks and Markram (1997, doi:10.1073/pnas.94.2.719) as in NEST's tsodyks2_synapse. The
receptors are mechanism files with sources of their own. Chosen for this demonstration:
that all excitatory synapses depress alike, how their weights make up for it, and that
NMDA receptors carry a fifth of the charge.

A fifth of the neurons is simulated, with five times stronger synapses, so that there is
a spiking column to compare with. Takes seven minutes of CPU time with a C++ compiler,
half of them to compile. Prints and asserts the numbers, draws
results/column_at_every_scale.png.
"""

import os
import shutil
import time
from collections import namedtuple
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *

from brian2_multiscale import *

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
HAS_COMPILER = bool([c for c in COMPILERS if shutil.which(c)])
# Short: with numpy, which needs no minutes to compile
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ or not HAS_COMPILER

SCALE = 0.1 if SHORT else 0.2  # of the number of neurons
STEP = (0.5 if SHORT else 0.1) * ms
SETTLED = 0.25 if SHORT else 2.0  # seconds that are left out
REST = 0.5 if SHORT else 20.0  # seconds without pulses
PULSES, EVERY, LENGTH = (1 if SHORT else 4), 0.25, 0.03
DURATION = SETTLED + REST + PULSES * EVERY
BIN, BLOCK = 1e-3, (0.25 if SHORT else 0.5)  # seconds
# How far rates may be from those of the spiking column; with two random wirings the
# largest differences were 0.047, 0.111 (L5E) and 0.076.
RATES_WITHIN = {"static": 0.06, "depressing": 0.13, "receptors": 0.11}
OCTAVES = 2.0 ** np.arange(2 if SHORT else 1, 9)  # Hz

# -- the column ----------------------------------------------------------------------
NAMES = "L2/3E L2/3I L4E L4I L5E L5I L6E L6I".split()
N = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
MU = np.array([19.149, 20.362, 30.805, 28.069, 29.437, 29.330, 34.932, 32.081])  # mV
THALAMUS = np.array([0, 0, 15, 9.45, 0, 0, 7.81, 2.99])  # mV, during a pulse
# One row per source, one column per target
P = np.array(
    [
        [0.1009, 0.1346, 0.0077, 0.0691, 0.1004, 0.0548, 0.0156, 0.0364],
        [0.1689, 0.1371, 0.0059, 0.0029, 0.0622, 0.0269, 0.0066, 0.0010],
        [0.0437, 0.0316, 0.0497, 0.0794, 0.0505, 0.0257, 0.0211, 0.0034],
        [0.0818, 0.0515, 0.1350, 0.1597, 0.0057, 0.0022, 0.0166, 0.0005],
        [0.0323, 0.0755, 0.0067, 0.0033, 0.0831, 0.0600, 0.0572, 0.0277],
        [0.0000, 0.0000, 0.0003, 0.0000, 0.3726, 0.3158, 0.0197, 0.0080],
        [0.0076, 0.0042, 0.0453, 0.1057, 0.0204, 0.0086, 0.0396, 0.0658],
        [0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.2252, 0.1443],
    ]
)
EXCITATORY = np.arange(8) % 2 == 0
LAYER_5 = np.isin(np.arange(8), (4, 5))
WEIGHT = np.where(EXCITATORY[:, None], 0.1756, -0.7024) * np.ones(8)  # mV
WEIGHT[2, 0] *= 2  # L4E to L2/3E
SIZES = np.round(SCALE * N).astype(int)

MODEL = """
dv/dt = (mu + thalamus*pulse(t) - v)/tau_m + h/tau_s : volt (unless refractory)
dh/dt = -h/tau_s : volt
rho = c*exp((v - theta)/Delta_u) : Hz
mu : volt
thalamus : volt
"""
FIRING = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV",
    "refractory": 2 * ms,
}
CONSTANTS = {
    "tau_m": 10 * ms,
    "tau_s": 0.5 * ms,
    "theta": 15 * mV,  # above rest
    "Delta_u": 5 * mV,
    "c": 10 * Hz,
    "tau_d": 800 * ms,
    "C": 250 * pF,
    "V_rest": -65 * mV,
}
DELAY = 1.5 * ms

SCALES = {
    "spiking": ["spiking"] * 8,
    "mesoscopic": ["mesoscopic"] * 8,
    "mixed": ["mesoscopic"] * 4 + ["spiking"] * 2 + ["mesoscopic"] * 2,
}
COLUMNS = [*product(("static", "depressing"), SCALES)]
COLUMNS += [("receptors", "spiking"), ("receptors", "mixed")]
if SHORT:
    COLUMNS = [*COLUMNS[:3], ("receptors", "mixed")]

# -- depression ----------------------------------------------------------------------
DEPRESSION = "dx/dt = (1 - x)/tau_d : 1 (event-driven)"
USED = np.where(EXCITATORY, 0.5, 0)  # fraction of resources that a spike uses up
# So strong that they are, at the rates (Hz) to which the paper fitted mu, what they
# were without depression; x is then what it is on average for Poisson spikes.
FITTED = np.array([0.974, 2.861, 4.673, 5.650, 8.141, 9.013, 0.988, 7.530])
RESOURCES = 1 / (1 + USED * FITTED * 0.8)

# -- receptors -----------------------------------------------------------------------
AMPA = Mechanism("ampa_robert_howe")
NMDA = Mechanism("nmda_ambert", suffix="_nmda", rename={"v": "V"})
DETAILED = (
    Equations(
        """
dv/dt = (mu + thalamus*pulse(t) - v)/tau_m + h/tau_s - (g + g_nmda)*V/C
    : volt (unless refractory)
dh/dt = -h/tau_s : volt
rho = c*exp((v - theta)/Delta_u) : Hz
V = v + V_rest : volt
mu : volt
thalamus : volt
g : siemens
Open_nmda : 1
"""
    )
    + NMDA.readout  # g_nmda from Open_nmda and V, with magnesium block
)
NMDA_SHARE = 0.2  # of the charge that spikes at 5 Hz bring to a neuron at threshold


def thalamic_pulses():
    """1 during a pulse; the first one comes after the time at rest."""
    times = np.arange(round(DURATION / BIN)) * BIN - SETTLED - REST
    on = (times > -BIN / 2) & (times % EVERY < LENGTH - BIN / 2)
    return TimedArray(np.append(on.astype(float), 0), dt=BIN * second, name="pulse")


def receptor_weights(tables):
    """AMPA and NMDA receptors (in those of the files) for a synapse of 1 mV."""
    rate, length, dt = 5, 100, 0.5e-3  # Hz, s, s
    train = np.sort(np.random.default_rng(1).uniform(0, length, rate * length))
    times = np.arange(round(length / dt)) * dt
    ampa, nmda = (
        np.mean(t.response(train * second, times * second)) / (rate * Hz)
        for t in tables
    )
    V = CONSTANTS["V_rest"] + CONSTANTS["theta"]
    readout = NMDA.readout["g_nmda"].expr.code
    open_channel = eval(readout, NMDA.namespace | {"V": V, "Open_nmda": 1, "exp": exp})
    charges = ampa * -V, nmda * open_channel * -V
    return [
        float(share * CONSTANTS["C"] * mV / charge)
        for share, charge in zip((1 - NMDA_SHARE, NMDA_SHARE), charges, strict=True)
    ]


# -- networks ------------------------------------------------------------------------
Part = namedtuple("Part", "group populations detailed")
CELL = ["v", "g", "g_nmda"]  # recorded of one neuron


def make_column(kind, scale, constants, tables):
    """Parts, synapses, and what records them."""
    name = f"{kind}_{scale}"
    parts = make_parts(SCALES[scale], kind == "receptors", name, constants)
    synapses = []
    for k, (source, target) in enumerate(product(parts, parts)):
        pair = source, target, f"{name}_synapses{k}", constants
        synapses.append(project(*pair, depress=kind != "static"))
        if target.detailed:
            synapses.append(tabulated(*pair, tables))
    return parts, synapses, make_monitors(parts)


def make_monitors(parts):
    """Numbers of spikes by part; spikes; a cell with receptors."""
    counts, others = [], []
    for group, _, detailed in parts:
        record = {"record": True, "when": "end", "order": 9}
        counts.append(StateMonitor(group, "n", **record, name=f"{group.name}_counts"))
        if isinstance(group, SpikingGroup):
            others.append(SpikeMonitor(group.spikes, name=f"{group.name}_spiked"))
        if detailed:
            name = f"{group.name}_cell"
            others.append(StateMonitor(group.neurons, CELL, record=[0], name=name))
    return counts, others


def make_parts(scales, detailed, name, constants):
    """One group for all populations that are simulated in the same way."""
    ways = list(zip(scales, LAYER_5 & detailed, strict=True))
    parts = []
    for scale, in_detail in dict.fromkeys(ways):
        chosen = np.array([way == (scale, in_detail) for way in ways])
        group = population(
            SIZES[chosen].tolist(),
            DETAILED if in_detail else MODEL,
            **FIRING,
            method="exponential_euler" if in_detail else "exact",
            scale=scale,
            namespace=constants | NMDA.namespace,
            name=f"{name}_{scale}" + ("_layer5" if in_detail else ""),
        )
        group.mu, group.thalamus = MU[chosen] * mV, THALAMUS[chosen] * mV
        parts.append(Part(group, np.flatnonzero(chosen), in_detail))
    return parts


def project(source, target, name, constants, depress):
    """All synapses between two parts, except those that have receptors."""
    i, j = source.populations, target.populations
    p, weights = P[np.ix_(i, j)], WEIGHT[np.ix_(i, j)] / SCALE
    if target.detailed:
        p = np.where(EXCITATORY[i, None], 0, p)
    rule = {"on_pre": "h_post += w"}
    if depress:
        weights = weights / RESOURCES[i, None]
        rule = {
            "model": DEPRESSION + "\nU : 1",
            "on_pre": "h_post += w*x; x -= U*x",
            "parameters": {"U": USED[i]},
        }
    return Projection(
        source.group,
        target.group,
        **rule,
        p=p,
        weights=weights * mV,
        delay=DELAY,
        namespace=constants,
        name=name,
    )


def tabulated(source, target, name, constants, tables):
    """Excitatory synapses with receptors, on single neurons."""
    axons, cells = source.group.spikes, target.group.neurons
    ampa, nmda = receptor_weights(tables)
    synapses = TabulatedSynapses(
        axons,
        cells,
        dict(zip(("g", "Open_nmda"), tables, strict=True)),
        model=DEPRESSION + "\nw : 1",
        on_pre="released = x; x -= U*x",
        weight={"g": "ampa*w*released", "Open_nmda": "nmda*w*released"},
        delay=DELAY,
        namespace=constants | {"U": USED[0], "ampa": ampa, "nmda": nmda},
        name=f"{name}_receptors",
    )
    # The populations of all axons and cells, and which of them are connected
    pre, post = (
        np.repeat(p.populations, SIZES[p.populations]) for p in (source, target)
    )
    rng = np.random.default_rng(1)
    p = np.where(EXCITATORY[:, None], P, 0)
    chosen = [rng.random(len(post)) < p[k][post] for k in pre]
    i = np.repeat(np.arange(len(pre)), [row.sum() for row in chosen])
    j = np.concatenate([np.flatnonzero(row) for row in chosen])
    synapses.connect(i=i, j=j)
    synapses.w = (WEIGHT / SCALE / RESOURCES[:, None])[pre[i], post[j]]
    synapses.x = 1
    return synapses


def simulate():
    """What was recorded of every column, by kind and scale."""
    if not SHORT:
        set_device("cpp_standalone", build_on_run=False)
        # Brian2 2.9 starts as many compilers as there are files.
        prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
    else:
        prefs.codegen.target = "numpy"
    seed(1)
    defaultclock.dt = STEP
    constants = CONSTANTS | {"pulse": thalamic_pulses()}
    tables = [tabulate(receptor, rates=(2, 100) * Hz) for receptor in (AMPA, NMDA)]
    columns = {key: make_column(*key, constants, tables) for key in COLUMNS}
    network = Network()
    for parts, synapses, monitors in columns.values():
        network.add([part.group for part in parts], synapses, monitors)
    network.run(DURATION * second, report="text", profile=True)
    if not SHORT:
        device.build(directory=None, with_output=False)
    profile = {name: t / second for name, t in network.profiling_info}
    return {key: Recorded(key, c, profile) for key, c in columns.items()}


# -- statistics ----------------------------------------------------------------------
class Recorded:
    """
    What is left of a column after the run.

    Attributes
    ----------
    activity : spikes per neuron and second (bins, populations)
    spikes : index within the population and time, by population that is spiking
    cell : what was recorded of a neuron with receptors, or None
    cost : CPU seconds per simulated second, without what records
    """

    def __init__(self, key, column, profile):
        parts, _, (counts, others) = column
        total = np.zeros((round(DURATION / BIN), 8))
        self.spikes, self.cell = {}, None
        for part, monitor in zip(parts, counts, strict=True):
            n = np.asarray(monitor.n)
            total[:, part.populations] = n.reshape(len(n), len(total), -1).sum(-1).T
        self.activity = total / SIZES / BIN
        for monitor in others:
            if isinstance(monitor, StateMonitor):
                seen = {n: np.asarray(getattr(monitor, n))[0] for n in CELL}
                self.cell = {"t": np.asarray(monitor.t), **seen}
            else:
                self._sort(
                    monitor, [p for p in parts if p.group.spikes is monitor.source]
                )
        recording = ("_counts", "_spiked", "_cell")
        seconds = [
            t
            for name, t in profile.items()
            if name.startswith("_".join(key))
            and not name.partition("_codeobject")[0].endswith(recording)
        ]
        self.cost = np.sum(seconds) / DURATION

    def _sort(self, monitor, parts):
        populations = parts[0].populations
        edges = np.concatenate([[0], np.cumsum(SIZES[populations])])
        i, t = np.asarray(monitor.i), np.asarray(monitor.t)
        for k, population in enumerate(populations):
            own = (i >= edges[k]) & (i < edges[k + 1])
            self.spikes[population] = i[own] - edges[k], t[own]

    def at_rest(self):
        """Blocks without pulses (blocks, bins, populations)."""
        first = round(SETTLED / BIN)
        rest = self.activity[first : first + round(REST / BIN)]
        return rest.reshape(-1, round(BLOCK / BIN), 8)

    def rates(self):
        """Mean rates at rest (Hz) and their standard errors."""
        return mean_and_error(self.at_rest().mean(1))

    def spectrum(self, edges):
        """Power between frequencies, relative to that of Poisson spikes, and error."""
        blocks = self.at_rest()
        window = np.hanning(blocks.shape[1])[:, None]
        fourier = np.fft.rfft((blocks - blocks.mean((0, 1))) * window, axis=1)
        power = np.abs(fourier) ** 2 * BIN / np.sum(window**2)
        power /= blocks.mean((0, 1)) / SIZES
        # Frequencies are whole numbers
        index = np.digitize(np.fft.rfftfreq(blocks.shape[1], BIN) + 0.5, edges) - 1
        bands = [power[:, index == k].mean(1) for k in range(len(edges) - 1)]
        return mean_and_error(np.stack(bands, 1))


def mean_and_error(samples):
    """Mean over the first axis and its standard error."""
    return samples.mean(0), samples.std(0, ddof=1) / np.sqrt(len(samples))


def spectral_ratios(found, kind, scale):
    """Power in octaves as a multiple of the spiking one, and standard error."""
    (here, e), (there, f) = (
        found[kind, s].spectrum(OCTAVES) for s in (scale, "spiking")
    )
    ratio = here / there
    return ratio, ratio * np.hypot(e / here, f / there)


# -- output --------------------------------------------------------------------------
def print_rates(found):
    print("\nRates at rest (Hz), below them their standard errors; CPU s per second")
    print(f"  {'':<26}" + "".join(f"{name:>8}" for name in NAMES) + "     CPU")
    for key, column in found.items():
        mean, error = column.rates()
        row = "".join(f"{x:8.3f}" for x in mean)
        print(f"  {', '.join(key):<26}{row}{column.cost:8.3f}")
        print(f"  {'':<26}" + "".join(f"{x:8.3f}" for x in error))


def print_spectra(found):
    print("\nPower of the activity, relative to spiking: mean over populations, range")
    octaves = [f"{a:g}-{b:g} Hz" for a, b in zip(OCTAVES, OCTAVES[1:], strict=False)]
    print(f"  {'':<26}" + "".join(f"{octave:>18}" for octave in octaves))
    for kind, scale in found:
        if scale == "spiking" or (kind, "spiking") not in found:
            continue
        ratio, _ = spectral_ratios(found, kind, scale)
        row = [f"{r.mean():.2f} ({r.min():.2f}-{r.max():.2f})" for r in ratio]
        print(f"  {kind + ', ' + scale:<26}" + "".join(f"{x:>18}" for x in row))


# -- figure --------------------------------------------------------------------------
COLOURS = {"spiking": "0.45", "mesoscopic": "#0072B2", "mixed": "#D55E00"}
LANES = ("#0072B2", "#CC3311")  # excitatory, inhibitory
SHOWN = 300  # neurons of a population
ONSET = SETTLED + REST  # of the first pulse, s
WINDOW = ONSET - 0.1, ONSET + 0.2


def draw(found, path):
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    kind = "static" if SHORT else "depressing"
    figure = plt.figure(figsize=(11, 10), layout="constrained")
    rows = figure.subfigures(3, height_ratios=(5, 2, 2))
    lanes = rows[0].subplots(1, 3, sharey=True)
    rates, costs = rows[1].subplots(1, 2)
    *spectra, cell = rows[2].subplots(1, 3, width_ratios=(1, 1, 2))
    for axis, scale in zip(lanes, SCALES, strict=True):
        draw_lanes(axis, found, kind, scale)
    draw_rates(rates, found, kind)
    draw_costs(costs, found)
    for axis, population in zip(spectra, (2, 4), strict=True):
        draw_spectrum(axis, found, kind, population)
    spectra[0].set_ylabel("power / Poisson spikes")
    draw_cell(cell, found["receptors", "mixed"])
    axes = [*lanes, rates, costs, *spectra, cell]
    for letter, axis in zip("abcdefgh", axes, strict=True):
        axis.set_title(f"{letter}   {axis.get_title(loc='left')}", loc="left")
    figure.savefig(path, dpi=110)
    print(f"\nFigure: {path}")


def in_window(times):
    return (times > WINDOW[0]) & (times < WINDOW[1])


def draw_lanes(axis, found, kind, scale):
    """Spikes of populations that are spiking, activity of the others."""
    column = found[kind, scale]
    times = (np.arange(len(column.activity)) + 0.5) * BIN
    seen = in_window(times)
    tops = [found[kind, s].activity[seen].max(0) for s in ("mesoscopic", "mixed")]
    tops = np.max(tops, axis=0)
    for k in range(8):
        base, style = 7 - k, {"color": LANES[k % 2]}
        if k in column.spikes:
            i, t = column.spikes[k]
            chosen = in_window(t) & (i < SHOWN)
            y = base + 0.82 * i[chosen] / min(SHOWN, SIZES[k])
            axis.plot((t[chosen] - ONSET) * 1e3, y, ".", ms=2, mew=0, **style)
        else:
            y = base + 0.82 * column.activity[seen, k] / tops[k]
            x = (times[seen] - ONSET) * 1e3
            axis.fill_between(x, base, y, lw=0, step="mid", zorder=2, **style)
    axis.axvspan(0, LENGTH * 1e3, color="#FBEFD5", lw=0, zorder=0)
    axis.set_yticks(7.4 - np.arange(8), NAMES)
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)
    limits = [(t - ONSET) * 1e3 for t in WINDOW]
    axis.set(xlabel="time from the thalamic pulse (ms)", xlim=limits, ylim=(-0.05, 8))
    axis.set_title(f"{scale}: {TITLES[scale]}", loc="left")


TITLES = {
    "spiking": f"{SIZES.sum():,} neurons".replace(",", " "),
    "mesoscopic": "8 populations",
    "mixed": f"{SIZES[LAYER_5].sum():,} neurons".replace(",", " ") + ", 6 populations",
}


def draw_rates(axis, found, kind):
    width = 0.27
    for k, scale in enumerate(SCALES):
        mean, error = found[kind, scale].rates()
        style = {"color": COLOURS[scale], "label": scale, "error_kw": {"lw": 1}}
        x = np.arange(8) + (k - 1) * width
        axis.bar(x, mean, 0.95 * width, yerr=2 * error, **style)
    axis.set_xticks(range(8), NAMES)
    axis.set(ylabel="rate (Hz)", ylim=(0, 13))
    axis.set_title(f"rates at rest, {kind} synapses", loc="left")
    axis.legend(loc="upper left", frameon=False, ncols=3)


def draw_costs(axis, found):
    for k, ((_, scale), column) in enumerate(found.items()):
        axis.barh(-k, column.cost, color=COLOURS[scale])
        axis.text(column.cost, -k, f" {column.cost:.2f}", va="center")
    axis.set_yticks(-np.arange(len(found)), [", ".join(key) for key in found])
    axis.tick_params(left=False)
    axis.set_title("CPU seconds per simulated second", loc="left")


def draw_spectrum(axis, found, kind, population):
    edges = np.unique(np.round(np.geomspace(2, 500, 22) / 4) * 4) + 2
    middle = np.sqrt(edges[1:] * edges[:-1])
    for scale in SCALES:
        mean, error = (x[:, population] for x in found[kind, scale].spectrum(edges))
        style = {"color": COLOURS[scale], "label": scale}
        if scale == "spiking":
            axis.errorbar(middle, mean, 2 * error, fmt="o", ms=3, lw=0.8, **style)
        else:
            axis.plot(middle, mean, lw=1.2, **style)
            band = mean - 2 * error, mean + 2 * error
            axis.fill_between(middle, *band, color=COLOURS[scale], alpha=0.25, lw=0)
    axis.set(xscale="log", yscale="log", xlabel="frequency (Hz)")
    axis.set_xticks((4, 20, 100, 500), ("4", "20", "100", "500"))
    axis.minorticks_off()
    axis.set_title(f"spectrum of {NAMES[population]}", loc="left")


def draw_cell(axis, column):
    """A neuron of layer 5 with receptors."""
    seen = in_window(column.cell["t"])
    times = (column.cell["t"][seen] - ONSET) * 1e3
    ampa, nmda, v = (column.cell[n][seen] for n in ("g", "g_nmda", "v"))
    axis.plot(times, ampa / nS, color="#0072B2", lw=1, label="AMPA")
    axis.plot(times, nmda / nS, color="#009E73", lw=1, label="NMDA")
    axis.set(xlabel="time from the thalamic pulse (ms)", ylabel="conductance (nS)")
    axis.set(xlim=(times[0], times[-1]), ylim=(0, 1.25 * max(ampa / nS)))
    axis.legend(loc="upper left", frameon=False, ncols=2)
    axis.axvspan(0, LENGTH * 1e3, color="#FBEFD5", lw=0, zorder=0)
    voltage = axis.twinx()
    voltage.plot(times, v / mV, color="0.6", lw=0.8)
    voltage.set(ylabel="voltage above rest (mV)", ylim=(-60, 40))
    voltage.set_yticks((0, 30))
    axis.set_title("receptors, mixed: a neuron of L5E", loc="left")


# -- checks --------------------------------------------------------------------------
def check_rates(found):
    for kind, scale in found:
        if (kind, "spiking") not in found:
            continue
        rates, spiking = (found[kind, s].rates()[0] for s in (scale, "spiking"))
        limit = 0.35 if SHORT else RATES_WITHIN[kind]
        assert np.all(np.abs(rates / spiking - 1) < limit), (
            kind,
            scale,
            rates / spiking,
        )


def check_spectra(found):
    """Every octave of every population, within five standard errors."""
    for kind, scale in found:
        if scale == "spiking":
            continue
        ratio, error = spectral_ratios(found, kind, scale)
        assert np.all(np.abs(ratio - 1) < 5 * error + 0.1), (kind, scale, ratio)


def check_costs(found):
    for kind, scale in found:
        factor = {"spiking": 1, "mixed": 1.5, "mesoscopic": 4}[scale]
        assert found[kind, scale].cost * factor <= found[kind, "spiking"].cost


def main():
    started = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    found = simulate()
    print_rates(found)
    print_spectra(found)
    draw(found, RESULTS / "column_at_every_scale.png")
    check_rates(found)
    if not SHORT:
        check_spectra(found)
        check_costs(found)
    print(f"Took {time.time() - started:.0f} s.")


if __name__ == "__main__":
    main()
