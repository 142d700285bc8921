"""What hearing_to_spikes.py plays to the ear, and what it measures and draws.

Spikes are pairs of arrays (neuron, time in seconds).
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *

from brian2_multiscale.surrogates import sound

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))

FINE = 10 * us  # of the equations of hair cells, and of sound
STEP = 50 * us  # of everything else
PLACES = 12 if SHORT else 40
LEVEL = 65  # dB SPL
VOICE = 125 * Hz
SILENCE, LENGTH, PAUSE = 20 * ms, 130 * ms, 50 * ms
# Formants of men (Hz), Peterson and Barney (1952), doi:10.1121/1.1906875; two more
VOWELS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240)}
HIGHER = (3500, 4500)
if SHORT:
    VOWELS = {"a": VOWELS["a"]}
DURATION = SILENCE + len(VOWELS) * (LENGTH + PAUSE)

# Spontaneous and peak release (Verhulst et al. 2018), and our fibres per hair cell
FIBRES = {
    "HSR": (68.5 * Hz, 3000 * Hz, 13),
    "MSR": (10 * Hz, 1000 * Hz, 3),
    "LSR": (1 * Hz, 800 * Hz, 3),
}
PER_CELL = sum([number for *_, number in FIBRES.values()])
# Chance adds four standard deviations to these differences of numbers of spikes
TOLERANCES = {"HSR": 0.02, "MSR": 0.02, "LSR": 0.02, "bushy": 0.1, "octopus": 0.15}
BUSHY_PER_PLACE, OCTOPUS = 3, 20
BUSHY = BUSHY_PER_PLACE * PLACES

COLOURS = {"equations": "0.6", "surrogate": "#0072B2"}


def of_one_cell():
    """Spontaneous and peak release (Hz) of the fibres of a hair cell."""
    numbers = [number for *_, number in FIBRES.values()]
    values = np.array([(sp / Hz, peak / Hz) for sp, peak, _ in FIBRES.values()])
    return np.repeat(values, numbers, axis=0).T


# -- sound -----------------------------------------------------------------------------
def vowel(formants):
    """Harmonics of the voice, as strong as the resonances of the throat let them be."""
    count = round(LENGTH / FINE)
    t, whole = np.arange(count) * float(FINE), np.zeros(count)
    for frequency in np.arange(1, int(5 * kHz / VOICE)) * float(VOICE):
        gain = 1 / frequency
        for formant in formants + HIGHER:
            ratio, sharpness = frequency / formant, formant / (60 + 0.05 * formant)
            gain /= abs(1 - ratio**2 + 1j * ratio / sharpness)
        whole += gain * np.cos(2 * np.pi * frequency * t)
    calibrated = whole / np.std(whole) * sound.sound_pressure(LEVEL)
    return calibrated * np.clip(np.minimum(t, t[::-1]) / 10e-3, 0, 1)


def vowels():
    """Sound pressure every 10 us."""
    parts = [np.zeros(round(SILENCE / FINE))]
    for formants in VOWELS.values():
        parts += [vowel(formants) / pascal, np.zeros(round(PAUSE / FINE))]
    return np.concatenate(parts) * pascal


# -- measures --------------------------------------------------------------------------
def within(times, start=0 * ms, end=LENGTH):
    """Which spikes come at these times after the beginning of a vowel."""
    after = (times - float(SILENCE)) % float(LENGTH + PAUSE)
    late = times >= float(SILENCE)
    return late & (after >= float(start)) & (after < float(end))


def synchrony(times):
    """Vector strength with respect to the harmonic that spikes follow best."""
    harmonics = np.arange(1, 13)[:, np.newaxis] * float(VOICE)
    return np.max(np.abs(np.mean(np.exp(2j * np.pi * harmonics * times), axis=1)))


def by_place(places, times):
    """Numbers of spikes during vowels, and synchrony where there are enough for it."""
    heard = within(times)
    places, times = places[heard], times[heard]
    counts = np.bincount(places, minlength=PLACES)
    enough = np.flatnonzero(counts > 50)  # fewer look synchronous by chance
    return counts, {p: synchrony(times[places == p]) for p in enough}


def count(found):
    """Spikes of each kind of cell; of octopus cells those at the onset of a vowel."""
    (fibre, t), (cell, s) = found["fibres"], found["nucleus"]
    kind = np.repeat(list(FIBRES), [number for *_, number in FIBRES.values()])
    kind = kind[fibre[within(t)] % PER_CELL]
    counts = {name: np.sum(kind == name) for name in FIBRES}
    counts["bushy"] = np.sum(within(s) & (cell < BUSHY))
    counts["octopus"] = np.sum(within(s, end=30 * ms) & (cell >= BUSHY))
    return counts


def places(found):
    """Spikes and synchrony by place, of fibres and bushy cells."""
    (fibre, t), (cell, s) = found["fibres"], found["nucleus"]
    bushy = cell < BUSHY
    return {
        "fibres": by_place(fibre // PER_CELL, t),
        "bushy": by_place(cell[bushy] // BUSHY_PER_PLACE, s[bushy]),
    }


def error_of_potential(found):
    """Root mean square error over standard deviation, by place."""
    exact, surrogate = found["equations"]["v"], found["surrogate"]["v"]
    return np.sqrt(np.mean((surrogate - exact) ** 2, axis=1)) / np.std(exact, axis=1)


# -- report ----------------------------------------------------------------------------
def row(label, numbers, digits):
    print(f"  {label:<22}" + "".join([f"{x:9.{digits}f}" for x in numbers]))


def report(found):
    """Print rates, synchrony, errors and costs."""
    heard = len(VOWELS) * float(LENGTH)
    sizes = [PLACES * number * heard for *_, number in FIBRES.values()]
    sizes += [BUSHY * heard, OCTOPUS * len(VOWELS)]
    print("Rates during vowels (Hz), spikes of octopus cells per onset")
    print(" " * 24 + "".join([f"{name:>9}" for name in TOLERANCES]))
    for kind, f in found.items():
        row(f"rates, {kind}", np.array(list(f["counts"].values())) / sizes, 2)
    print("Synchrony with a harmonic of the voice: fibres, bushy cells at their places")
    for kind, f in found.items():
        fibres, bushy = (strength for _, strength in f["places"].values())
        pairs = [(fibres[p], strength) for p, strength in bushy.items()]
        row(f"synchrony, {kind}", np.mean(pairs, axis=0), 3)
    print("CPU seconds per second of sound: all, hair cells alone")
    for kind, f in found.items():
        row(f"cost, {kind}", f["cost"], 2)
    errors = error_of_potential(found)
    print("Error of the potential (%): mean of places, largest")
    row("error", [100 * errors.mean(), 100 * errors.max()], 1)


# -- picture ---------------------------------------------------------------------------
def draw(pressure, cf, found, path):
    """Left what is heard, right surrogate and equations."""
    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(3, 2, figsize=(11, 8), layout="constrained")
    draw_sound(axes[0, 0], pressure)
    draw_neurogram(axes[1, 0], cf, found["surrogate"])
    draw_raster(axes[2, 0], found["surrogate"])
    draw_potential(axes[0, 1], cf, found)
    draw_places(axes[1, 1], cf, found, "fibres")
    draw_places(axes[2, 1], cf, found, "bushy")
    titles = [
        "sound: " + ", ".join(VOWELS) + f", {LEVEL} dB SPL",
        "potential of one hair cell",
        "auditory nerve (surrogate hair cells)",
        "auditory nerve, during the vowels",
        "brain stem (surrogate hair cells)",
        "bushy cells, during the vowels",
    ]
    for axis, letter, title in zip(axes.flat, "abcdef", titles, strict=True):
        axis.set_title(f"{letter}   {title}", loc="left", fontsize=10)
    for axis in axes[:, 0]:
        axis.set_xlim(0, DURATION / ms)
    axes[2, 0].set_xlabel("time (ms)")
    figure.savefig(path, dpi=150)
    print(f"Figure: {path}")


def draw_sound(axis, pressure):
    samples = np.asarray(pressure)[::5]
    power, frequencies, times, image = axis.specgram(
        samples + 1e-9, 400, Fs=20, noverlap=380, cmap="Greys", scale="dB"
    )
    highest = 10 * np.log10(power.max())
    image.set_clim(highest - 60, highest)
    axis.set(ylabel="frequency (kHz)", ylim=(0, 5))


def draw_neurogram(axis, cf, found):
    """Rate of the fibres of each place in bins of 2 ms."""
    fibre, times = found["fibres"]
    bins = np.arange(0, DURATION / ms + 1e-6, 2)
    edges = bins, np.arange(PLACES + 1)
    counts, *_ = np.histogram2d(times * 1e3, fibre // PER_CELL, edges)
    rates = counts.T / PER_CELL / 2e-3
    image = axis.pcolormesh(bins, edges[1], rates, cmap="magma", vmax=600)
    plt.colorbar(image, ax=axis, label="rate (Hz)", pad=0.01)
    name_places(axis, cf)


def name_places(axis, cf):
    chosen = np.linspace(0, PLACES - 1, 5).astype(int)
    names = [f"{float(cf[p]) / 1e3:.2g}" for p in chosen]
    axis.set_yticks(chosen + 0.5, names)
    axis.set_ylabel("place (kHz)")


def draw_raster(axis, found):
    cell, times = found["nucleus"]
    for chosen, colour, name in (
        (cell < BUSHY, "k", "bushy"),
        (cell >= BUSHY, "#D55E00", "octopus"),
    ):
        axis.plot(times[chosen] * 1e3, cell[chosen], ".", ms=2, c=colour, label=name)
    axis.legend(loc="upper right", markerscale=4, ncols=2, frameon=False)
    axis.set(ylabel="cell, by place", ylim=(-3, 1.2 * (BUSHY + OCTOPUS)))


def draw_potential(axis, cf, found):
    """The place with the largest variation, at the first onset."""
    exact = found["equations"]["v"]
    place = np.argmax(np.std(exact, axis=1))
    times = np.arange(exact.shape[1]) * 0.05
    for kind, width in (("equations", 4), ("surrogate", 1.2)):
        axis.plot(times, found[kind]["v"][place], c=COLOURS[kind], lw=width, label=kind)
    axis.set(xlim=(15, 60), xlabel="time (ms)")
    axis.set_ylabel(f"potential (mV), {float(cf[place]):.0f} Hz")
    axis.set_ylim(top=exact[place].max() + 10)
    axis.legend(loc="upper right", ncols=2, frameon=False)


def draw_places(axis, cf, found, name):
    """Rate by place, and synchrony."""
    right = axis.twinx()
    number = PER_CELL if name == "fibres" else BUSHY_PER_PLACE
    heard = len(VOWELS) * float(LENGTH)
    frequencies = np.asarray(cf)
    for kind, width in (("equations", 4), ("surrogate", 1.2)):
        counts, strengths = found[kind]["places"][name]
        rates = counts / heard / number
        axis.plot(frequencies, rates, c=COLOURS[kind], lw=width, label=kind)
        places = list(strengths)
        size = 1.2 * width + 3
        right.plot(
            frequencies[places], list(strengths.values()), "o", c=COLOURS[kind], ms=size
        )
    axis.set_xscale("log")
    axis.set_xticks([200, 500, 1000, 2000, 5000], ["200", "500", "1k", "2k", "5k"])
    axis.minorticks_off()
    axis.set(xlabel="place (Hz)", ylabel="rate (Hz, lines)", ylim=(0, None))
    right.set(ylabel="synchrony (dots)", ylim=(0, 1))
    right.spines["right"].set_visible(True)
    axis.legend(loc="upper right", frameon=False)
