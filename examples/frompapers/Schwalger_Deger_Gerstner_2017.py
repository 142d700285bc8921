"""
A cortical column of 77,169 neurons as 8 mesoscopic populations
================================================================

After Schwalger, Deger and Gerstner (2017), Towards a theory of cortical columns: from
spiking neurons to interacting neural populations of finite size, PLoS Comput Biol
13:e1005507, doi:10.1371/journal.pcbi.1005507. The column is that of Potjans and
Diesmann (2014) with escape noise; parameters are those of the authors' code,
github.com/schwalger/mesopopdyn_microcircuit, without adaptation.

The strings for membrane, hazard and reset are the same for neurons and populations.
Compared are rates, spectra of the activity, and the response to 30 ms of thalamic
input, in two columns:

* mean-field, full size: every neuron gets weight * p from every spike, as in the paper.
* random, a fifth of the neurons: synapses exist with probability p. Their weights are
  five times as large, which leaves the mean input as it was, but now the neurons of a
  population differ in their input. A `Projection` with ``p`` takes that into account,
  the published theory (weight * p) does not.

Takes about four minutes with a C++ compiler. Prints and asserts the numbers, draws
results/Schwalger_Deger_Gerstner_2017.png.
"""

import os
import shutil
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *

from brian2_multiscale import *

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
HAS_COMPILER = bool([c for c in COMPILERS if shutil.which(c)])
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ or not HAS_COMPILER

STEP = 0.1 * ms
SETTLED = 0.5  # seconds that are left out
REST = 1.5 if SHORT else 10.0  # seconds without pulses
PULSES, EVERY, LENGTH = (4 if SHORT else 30), 0.25, 0.03
DURATION = SETTLED + REST + PULSES * EVERY
BIN = 1e-3  # seconds
SCALE = 0.2 if HAS_COMPILER else 0.1  # of the column with random synapses

NAMES = "L2/3E L2/3I L4E L4I L5E L5I L6E L6I".split()
N = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
MU = [19.149420, 20.362472, 30.804552, 28.068682, 29.436801, 29.329544, 34.932256]
MU += [32.081234]  # mV above rest
# Rates that the paper fitted mu to (Hz), and how strong the thalamus is (mV)
FITTED = np.array([0.974, 2.861, 4.673, 5.650, 8.141, 9.013, 0.988, 7.530])
THALAMUS = np.array([0, 0, 15, 9.45, 0, 0, 7.81, 2.99])
# One row per source, one column per target population
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
WEIGHT = np.tile([[0.1756], [-0.7024]], (4, 8))  # mV: area of the response to a spike
WEIGHT[2, 0] *= 2  # L4E to L2/3E

CONSTANTS = {
    "tau_m": 10 * ms,
    "tau_s": 0.5 * ms,
    "theta": 15 * mV,
    "Delta_u": 5 * mV,
    "c": 10 * Hz,
}
MEMBRANE = """
dv/dt = (mu + thalamus*pulse(t) - v)/tau_m + h/tau_s : volt (unless refractory)
rho = c*exp((v - theta)/Delta_u) : Hz
mu : volt
thalamus : volt
"""
CURRENT = "dh/dt = -h/tau_s : volt"
FIRING = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV",
    "refractory": 2 * ms,
    "method": "exact",
}
DELAY = 1.5 * ms
# The last one ignores that synapses are random
KINDS = ("spiking", "mesoscopic", "mesoscopic, weight * p")
COLOURS = dict(zip(KINDS, ("0.45", "#0072B2", "#D55E00"), strict=True))
BANDS = {"2-10": (2, 11), "20-40": (20, 41), "60-110": (60, 111), "250-400": (250, 401)}


# -- models --------------------------------------------------------------------------
def thalamic_pulses():
    """1 during a pulse; the first one comes after the time at rest."""
    times = np.arange(round(DURATION / BIN)) * BIN - SETTLED - REST
    on = (times > -BIN / 2) & (times % EVERY < LENGTH - BIN / 2)
    return TimedArray(np.append(on.astype(float), 0), dt=BIN * second, name="pulse")


def populations(scale, p, weights, name, namespace):
    """A mesoscopic column: its objects, the last of which records spike counts."""
    column = MesoscopicGroup(
        np.round(scale * N).astype(int),
        MEMBRANE + CURRENT,
        **FIRING,
        namespace=namespace,
        name=name,
    )
    column.mu, column.thalamus = MU * mV, THALAMUS * mV
    synapses = Projection(
        column,
        column,
        on_pre="h_post += w",
        weights=weights / scale * mV,
        p=p,
        delay=DELAY,
        name=f"{name}_synapses",
    )
    counts = StateMonitor(column, "n", record=True, when="end", name=f"{name}_counts")
    return column, synapses, counts


def neurons(scale, current, name, namespace):
    population = np.repeat(np.arange(8), np.round(scale * N).astype(int))
    group = NeuronGroup(
        len(population), MEMBRANE + current, **FIRING, namespace=namespace, name=name
    )
    group.mu, group.thalamus = np.take(MU, population) * mV, THALAMUS[population] * mV
    return group, population, SpikeMonitor(group, name=f"{name}_spikes")


def mean_field_neurons(name, namespace):
    """All neurons of a population get the same input, which is computed once."""
    # `average` has the same effect in a step as `h`, which decays meanwhile
    tau_m, tau_s = CONSTANTS["tau_m"], CONSTANTS["tau_s"]
    decay = np.exp(-STEP / tau_m)
    gain = tau_s / (tau_m - tau_s) * (decay - np.exp(-STEP / tau_s)) / (1 - decay)
    namespace = {**namespace, "gain": float(gain)}
    group, population, spikes = neurons(1, "h : volt (linked)", name, namespace)
    inputs = NeuronGroup(
        8,
        CURRENT + "\naverage = gain*h : volt",
        method="exact",
        order=1,  # after the membrane
        namespace=namespace,
        name=f"{name}_inputs",
    )
    group.h = linked_var(inputs, "average", index=population)
    synapses = Synapses(
        group, inputs, "w : volt", on_pre="h_post += w", delay=DELAY, name=f"{name}_syn"
    )
    i, j = np.nonzero(P[population] > 0)
    synapses.connect(i=i, j=j)
    synapses.w = (P * WEIGHT)[population[i], j] * mV
    return group, inputs, synapses, spikes


def random_neurons(name, namespace):
    group, population, spikes = neurons(SCALE, CURRENT, name, namespace)
    synapses = Synapses(
        group, group, "w : volt", on_pre="h_post += w", delay=DELAY, name=f"{name}_syn"
    )
    rng = np.random.default_rng(1)
    chosen = [rng.random(len(group)) < P[k][population] for k in population]
    i = np.repeat(np.arange(len(group)), [np.sum(row) for row in chosen])
    j = np.concatenate([np.flatnonzero(row) for row in chosen])
    synapses.connect(i=i, j=j)
    synapses.w = WEIGHT[population[i], population[j]] / SCALE * mV
    return group, synapses, spikes


def make_columns():
    """Objects by column and kind; the last of each is a monitor."""
    constants = {**CONSTANTS, "pulse": thalamic_pulses()}
    mean = P * WEIGHT
    columns = {
        ("random", KINDS[0]): random_neurons("random_neurons", constants),
        ("random", KINDS[1]): populations(SCALE, P, WEIGHT, "random_mesos", constants),
        ("random", KINDS[2]): populations(SCALE, 1, mean, "published", constants),
        ("mean-field", KINDS[1]): populations(1, 1, mean, "full_mesos", constants),
    }
    if not SHORT:
        columns["mean-field", KINDS[0]] = mean_field_neurons("full_neurons", constants)
    return columns


def simulate():
    """Activities (Hz; bins, populations) and CPU seconds by column and kind."""
    if HAS_COMPILER:
        set_device("cpp_standalone", build_on_run=False)
        # Brian2 2.9 starts as many compilers as there are files.
        prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
    else:
        prefs.codegen.target = "numpy"
    seed(1)
    defaultclock.dt = STEP
    columns = make_columns()
    network = Network(*columns.values())
    network.run(DURATION * second, report="text", profile=True)
    if HAS_COMPILER:
        device.build(directory=None, with_output=False)
    activities = {key: activity(objects) for key, objects in columns.items()}
    seconds = {key: cpu_time(network, objects) for key, objects in columns.items()}
    return activities, seconds


def activity(objects):
    """Spikes per neuron and second in bins, after the column has settled."""
    group, monitor = objects[0], objects[-1]
    bins = round(DURATION / BIN)
    if isinstance(monitor, SpikeMonitor):
        sizes = N if len(group) == N.sum() else np.round(SCALE * N).astype(int)
        population = np.searchsorted(np.cumsum(sizes), np.asarray(monitor.i), "right")
        index = np.floor(np.asarray(monitor.t) / BIN + 1e-6).astype(int)
        counts = np.bincount(8 * index + population, minlength=8 * bins)
        counts = counts.reshape(bins, 8)
    else:
        sizes = np.array(group.sizes)
        counts = np.asarray(monitor.n).reshape(8, bins, -1).sum(-1).T
    return counts[round(SETTLED / BIN) :] / sizes / BIN


def cpu_time(network, objects):
    """Seconds, without what records."""
    names = tuple(o.name for o in objects[:-1])
    times = [t / second for n, t in network.profiling_info if n.startswith(names)]
    return float(np.sum(times))


# -- statistics ----------------------------------------------------------------------
def mean_and_error(samples):
    """Mean over the first axis and its standard error."""
    return samples.mean(0), samples.std(0, ddof=1) / np.sqrt(len(samples))


def at_rest(a):
    """Blocks of half a second without pulses (blocks, bins, populations)."""
    return a[: round(REST / BIN)].reshape(-1, round(0.5 / BIN), 8)


def pulse_responses(a):
    """From 50 ms before each pulse (pulses, bins, populations)."""
    shift = round(0.05 / BIN)
    a = a[round(REST / BIN) - shift :][: round(PULSES * EVERY / BIN)]
    return a.reshape(PULSES, -1, 8)


def spectra(a, edges):
    """Power in bands, relative to that of independent spikes, and standard error."""
    blocks = at_rest(a)
    window = np.hanning(blocks.shape[1])[:, None]
    fourier = np.fft.rfft((blocks - blocks.mean((0, 1))) * window, axis=1)
    power = np.abs(fourier) ** 2 * BIN / np.sum(window**2)
    frequency = np.fft.rfftfreq(blocks.shape[1], BIN)
    index = np.digitize(frequency, edges) - 1
    bands = [power[:, index == k].mean(1) for k in range(len(edges) - 1)]
    return mean_and_error(np.stack(bands, 1))


def all_rates(activities):
    """Mean rate and standard error by column and kind."""
    return {key: mean_and_error(at_rest(a).mean(1)) for key, a in activities.items()}


def relative_spectrum(a, column, edges):
    """The spectrum as a multiple of that of independent Poisson spikes."""
    sizes = N if column == "mean-field" else np.round(SCALE * N)
    poisson = at_rest(a).mean((0, 1)) / sizes
    mean, error = spectra(a, edges)
    return mean / poisson, error / poisson


# -- output --------------------------------------------------------------------------
def print_row(label, values, form):
    print(f"  {label:<38}" + "".join(format(v, form) for v in values))


def print_rates(rates, seconds):
    print("\nRates (Hz), below them their standard errors")
    print_row("", NAMES, ">8")
    print_row("fitted in the paper", FITTED, "8.3f")
    for key in sorted(rates, reverse=True):
        mean, error = rates[key]
        print_row(", ".join(key[::-1]), mean, "8.3f")
        print_row(f"    {seconds[key]:.1f} CPU s", error, "8.3f")


def print_spectra(activities):
    print("\nPower of the activity, as a multiple of that of Poisson spikes")
    print_row("", NAMES, ">8")
    for name, edges in BANDS.items():
        for column, kind in activities:
            mean, _ = relative_spectrum(activities[column, kind], column, edges)
            print_row(f"{name} Hz, {kind}, {column}"[:38], mean[0], "8.2f")


def draw(activities, rates, path):
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = plt.figure(figsize=(11, 8.5), layout="constrained")
    axes = figure.subplot_mosaic("aabb;cdef;ghij")
    column = "random" if SHORT else "mean-field"
    draw_rates(axes["a"], rates, "mean-field", "mean-field synapses, full size")
    title = f"random synapses, {100 * SCALE:.0f} % of the neurons"
    draw_rates(axes["b"], rates, "random", title)
    for k, population in enumerate((0, 2, 4, 6)):
        draw_pulse(axes["cdef"[k]], activities, column, population)
        draw_spectrum(axes["ghij"[k]], activities, column, population)
    axes["c"].set_ylabel("activity (Hz)")
    axes["g"].set_ylabel("power / that of Poisson spikes")
    axes["g"].legend(loc="lower right", frameon=False)
    for letter, axis in axes.items():
        axis.set_title(f"{letter}   {axis.get_title(loc='left')}", loc="left")
    figure.savefig(path, dpi=150)
    print(f"\nFigure: {path}")


def draw_rates(axis, rates, column, title):
    kinds = [kind for kind in KINDS if (column, kind) in rates]
    width = 0.8 / len(kinds)
    for k, kind in enumerate(kinds):
        mean, error = rates[column, kind]
        x = np.arange(8) + (k - (len(kinds) - 1) / 2) * width
        style = {"color": COLOURS[kind], "label": kind, "error_kw": {"lw": 1}}
        axis.bar(x, mean, 0.95 * width, yerr=2 * error, **style)
    if column == "mean-field":
        x = np.arange(8)
        axis.plot(x, FITTED, "k_", ms=20, mew=1, label="fitted in the paper")
    axis.set_xticks(range(8), NAMES)
    axis.set(ylabel="rate (Hz)", ylim=(0, 14))
    axis.set_title(title, loc="left")
    axis.legend(loc="upper left", frameon=False)


def draw_pulse(axis, activities, column, population):
    """Mean over pulses; the band is two standard errors wide on either side."""
    for kind in KINDS[:2]:
        samples = pulse_responses(activities[column, kind])[:, :, population]
        mean, error = mean_and_error(samples)
        times = (np.arange(len(mean)) + 0.5) * BIN * 1e3 - 50
        colour = COLOURS[kind]
        axis.plot(times, mean, color=colour, lw=1.2, label=kind)
        band = mean - 2 * error, mean + 2 * error
        axis.fill_between(times, *band, color=colour, alpha=0.3, lw=0)
    axis.axvspan(0, LENGTH * 1e3, color="#E69F00", alpha=0.2, lw=0)
    axis.set(xlabel="time (ms)", xlim=(-20, 100))
    axis.set_ylim(bottom=0)
    axis.set_title(f"{NAMES[population]}, thalamic pulse", loc="left")


def draw_spectrum(axis, activities, column, population):
    edges = np.unique(np.round(np.geomspace(2, 500, 25) / 2) * 2 - 1)
    middle = np.sqrt((edges[1:] - 1) * (edges[:-1] + 1))  # frequencies are even
    for kind in KINDS[:2]:
        found = relative_spectrum(activities[column, kind], column, edges)
        mean, error = (x[:, population] for x in found)
        style = {"color": COLOURS[kind], "label": kind}
        if kind == "spiking":
            axis.errorbar(middle, mean, 2 * error, fmt="o", ms=3, lw=0.8, **style)
        else:
            axis.plot(middle, mean, lw=1.2, **style)
            band = mean - 2 * error, mean + 2 * error
            axis.fill_between(middle, *band, color=COLOURS[kind], alpha=0.3, lw=0)
    axis.axhline(1, color="0.7", lw=0.8, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylim=(0.3, 40))
    axis.set_xticks((2, 10, 50, 250), ("2", "10", "50", "250"))
    axis.set_yticks((1, 10), ("1", "10"))
    axis.minorticks_off()
    axis.set_title(f"{NAMES[population]}, spectrum at rest", loc="left")


# -- checks --------------------------------------------------------------------------
def check_rates(rates):
    mean, _ = rates["mean-field", "mesoscopic"]
    assert np.all(np.abs(mean / FITTED - 1) < (0.06 if SHORT else 0.025)), mean
    meso, published = (rates["random", kind][0] for kind in KINDS[1:])
    spiking, _ = rates["random", "spiking"]
    limit = 0.1 if not SHORT else 0.15 if HAS_COMPILER else 0.3
    assert np.all(np.abs(meso / spiking - 1) < limit), meso / spiking
    # L2/3, whose neurons fire only because their inputs fluctuate
    assert np.all(published[:2] / spiking[:2] < 0.9), published / spiking


def check_mean_field(activities, rates):
    """Populations against neurons, within 5 standard errors and half a percent."""
    both = [("mean-field", kind) for kind in KINDS[:2]]
    (spiking, s), (meso, m) = (rates[key] for key in both)
    assert np.all(np.abs(meso - spiking) < 5 * np.hypot(s, m) + 0.005 * spiking)
    for edges in BANDS.values():
        found = [relative_spectrum(activities[key], key[0], edges) for key in both]
        (spiking, s), (meso, m) = found
        assert np.all(np.abs(meso - spiking) < 5 * np.hypot(s, m) + 0.05 * spiking)
    responses = [mean_and_error(pulse_responses(activities[key])) for key in both]
    (spiking, s), (meso, m) = responses
    # The largest of 2000 bins: 5.5 standard errors
    error = np.hypot(s, m) + 0.02 * spiking + 0.01 * spiking.max(0)
    assert np.all(np.abs(meso - spiking) < 5.5 * error)


def main():
    started = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    activities, seconds = simulate()
    rates = all_rates(activities)
    print_rates(rates, seconds)
    print_spectra(activities)
    draw(activities, rates, RESULTS / "Schwalger_Deger_Gerstner_2017.png")
    check_rates(rates)
    if not SHORT:
        check_mean_field(activities, rates)
    print(f"Took {time.time() - started:.0f} s.")


if __name__ == "__main__":
    main()
