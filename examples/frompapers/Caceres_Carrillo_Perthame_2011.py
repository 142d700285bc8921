"""
Blow-up of excitatory populations, and what comes after it
==========================================================

After Cáceres, Carrillo and Perthame (2011), Analysis of nonlinear noisy integrate &
fire neuron models: blow-up and steady states, J Math Neurosci 1:7,
doi:10.1186/2190-8567-1-7.

They study ``dv/dt = -v + b*r + sqrt(2a)*noise`` with the rate r of the population
itself. The equation for the density of voltages has one, two or no stationary states,
and its solution ends in finite time ("blow-up") if the coupling is strong or the
voltages are close to the threshold: the rate becomes infinite. Nothing ends in the
network: a finite part of its neurons fires at once. `DensityGroup` computes that part
and goes on.

We had only the abstract of the paper at hand: threshold 2, reset 1, a = 1, the initial
values and all numbers are ours, and nothing here is to be compared with its figures.
Neurons that fire in an event ignore the kicks of the others (``mfe_reset='clamp'``):
all can fire although b exceeds the distance from reset to threshold. Times are in units
of the membrane time constant.

Prints and asserts the numbers, draws results/Caceres_Carrillo_Perthame_2011.png. Takes
one or two minutes, most of it for the compiler.
"""

import os
import shutil
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *
from du_populations import TAU, Population
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from brian2_multiscale import *

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
HAS_COMPILER = bool([c for c in COMPILERS if shutil.which(c)])
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ or not HAS_COMPILER

V_TH, V_R, A = 2.0, 1.0, 1.0
MODEL = """
dv/dt = -v/tau + sqrt(2*a/tau)*xi : 1
middle : 1
variance : 1
"""
SPACE = {"tau": TAU, "a": A, "v_th": V_TH, "v_r": V_R}

# Far from the threshold at the beginning; then strong coupling; then close to it
FAR, CLOSE = (-1.0, 0.5), (1.5, 0.005)
SETTLING = [-1.5, 0.5, 1.0, 1.5]
STRONG = [3.0] if SHORT else [2.0, 2.25, 2.5, 3.0, 3.5, 4.0, 5.0]
BLOW_UP = [(1.5, CLOSE), *((b, FAR) for b in STRONG)]
LONG, LONG_STEP = (4.5, 5e-3) if SHORT else (10.0, 1e-3)
DURATION, STEP = (3.95, 2e-3) if SHORT else (4.6, 1e-4)
SNAPSHOT = 0.02
N_PARTICLES = 2000 if SHORT else 20_000
STATIONARY = {-1.5: [0.093116], 0.5: [0.134775], 1.0: [0.156207]}
STATIONARY |= {1.5: [0.192364, 2.28913], 3.0: []}
SHADES = plt.cm.viridis(np.linspace(0, 0.9, 5))
COLOURS = dict(zip((-1.5, 0.5, 1.0, 1.5, 3.0), SHADES, strict=True))
failures = []


def check(label, found, expected, tolerance):
    """Print a number beside what is expected; collect what is wrong."""
    wrong = not abs(found - expected) <= tolerance
    print(
        f"{label:<52}{found:10.4f}{expected:10.4f} ± {tolerance:.4f}"
        + ("  WRONG" if wrong else "")
    )
    if wrong:
        failures.append(label)


# -- the closed form -------------------------------------------------------------------
def rate_of(mean):
    """Rate of uncoupled neurons with this mean drive (Siegert)."""
    low, high = ((v - mean) / np.sqrt(2 * A) for v in (V_R, V_TH))
    return 1 / (np.sqrt(np.pi) * quad(lambda u: erfcx(-u), low, high)[0])


def stationary_rates(b):
    """All rates at which neurons with coupling b can go on firing."""
    rates = np.geomspace(1e-3, 50, 400)
    excess = [r - rate_of(b * r) for r in rates]
    return [
        brentq(lambda r: r - rate_of(b * r), rates[k], rates[k + 1], xtol=1e-13)
        for k in np.flatnonzero(np.diff(np.sign(excess)))
    ]


# -- simulations -----------------------------------------------------------------------
def densities(name, couplings, initial, step):
    """One population per coupling, each coupled to itself only, and monitors."""
    group = DensityGroup(
        [1000] * len(couplings), MODEL, threshold="v > v_th", reset="v = v_r",
        mfe_reset="clamp", namespace=SPACE, dt=step * TAU, name=name,
    )  # fmt: skip
    group.middle, group.variance = np.transpose(initial)
    group.p = "exp(-(v - middle)**2/(2*variance))"
    coupling = Projection(
        group, group, on_pre="v_post += w", weights=np.diag(couplings) / 1000,
        name=f"{name}_coupling",
    )  # fmt: skip
    activity = StateMonitor(group, "A", record=True, when="end", name=f"{name}_A")
    events = EventMonitor(group, "mfe", "event_size", name=f"{name}_events")
    return group, coupling, activity, events


def simulate():
    if SHORT:
        prefs.codegen.target = "numpy"
    else:
        set_device("cpp_standalone", build_on_run=False)
        # Brian2 2.9 starts as many compilers as there are files.
        prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
    seed(1)
    defaultclock.dt = 1e-3 * TAU
    settling = densities("settling", SETTLING, [FAR] * len(SETTLING), LONG_STEP)
    couplings, initial = zip(*BLOW_UP, strict=True)
    strong = densities("strong", couplings, initial, STEP)
    pictures = StateMonitor(
        strong[0].density, "p", record=True, dt=SNAPSHOT * TAU, name="pictures"
    )
    particles = Population(
        "particles", N_PARTICLES, drive="0", a=A, coupling=3.0, initial=FAR,
        v_th=V_TH, v_r=V_R, clamp=True, name="particles",
    )  # fmt: skip
    network = Network(*settling, *strong, pictures, *particles.parts)
    if SHORT:
        network.run(DURATION * TAU)
    else:
        network.run(LONG * TAU)
        directory = RESULTS / "caceres"
        device.build(directory=str(directory), with_output=False)
    _, _, activity, events = strong
    found = {
        "settling": np.asarray(settling[2].A) * float(TAU),
        "rate": np.asarray(activity.A) * float(TAU),
        "times": np.asarray(events.t / TAU) + STEP,
        "sizes": np.asarray(events.event_size),
        "which": np.asarray(events.i),
        "p": np.asarray(pictures.p),
        "v": np.asarray(strong[0].density.v),
        "population": np.asarray(strong[0].density.population),
        "particles": particles.fired(1e-3 * TAU)[0] / 1e-3,
    }
    if not SHORT:
        shutil.rmtree(directory)
    return found


# -- numbers ---------------------------------------------------------------------------
def of(found, population):
    """Times and sizes of the events of a population, and its rate."""
    own = found["which"] == population
    return found["times"][own], found["sizes"][own], found["rate"][population]


def check_all(found):
    print(f"{'':52}{'found':>10}{'expected':>10}")
    for b, expected in STATIONARY.items():
        rates = stationary_rates(b)
        check(f"b = {b}: number of stationary states", len(rates), len(expected), 0)
        for rate, known in zip(rates, expected, strict=False):
            check(f"b = {b}: stationary rate", rate, known, 5e-6 * (1 + known))
    for k, b in enumerate(SETTLING):
        rate = STATIONARY[b][0]
        check(f"b = {b}: rate in the end", found["settling"][k, -1], rate,
              (8e-2 if SHORT else 1e-3) * rate)  # fmt: skip
    times, sizes, rate = of(found, 0)
    check("close, b = 1.5: events", len(times), 1, 0)
    check("close, b = 1.5: time of the event", times[0], 0.0406, 3 * STEP + 4e-4)
    check("close, b = 1.5: fraction that fires", sizes[0], 1, 1e-3)
    late = rate[round(2.8 / STEP) : round(3 / STEP)].mean()
    check("close, b = 1.5: mean rate in (2.8, 3)", late, 0.2302, 3e-4)
    times, sizes, rate = of(found, BLOW_UP.index((3.0, FAR)))
    times = times[sizes > 0.5]
    # First order: 9 time steps late
    check("far, b = 3: time of the first event", times[0], 3.418, 1e-3 + 10 * STEP)
    check("far, b = 3: first interval", times[1] - times[0], 0.2265, 4 * STEP + 4e-4)
    check("far, b = 3: second interval", times[2] - times[1], 0.2310, 5 * STEP + 4e-4)
    check("far, b = 3: fraction that fires", sizes.max(), 1, 1e-3)
    particles = np.flatnonzero(found["particles"] > 500) * 1e-3
    print(f"far, b = 3: {N_PARTICLES} particles, large events at {particles[:4]}")
    check("far, b = 3: first event of particles", particles[0], times[0],
          5 * STEP + 5 * N_PARTICLES**-0.5)  # fmt: skip
    print("First events by coupling, far:")
    for k, (b, _) in enumerate(BLOW_UP[1:], start=1):
        times, sizes, _ = of(found, k)
        print(f"  b = {b}: {times[:4].round(4)} {sizes[:4].round(4)}")


# -- picture ---------------------------------------------------------------------------
def draw(found, path):
    plt.rcParams.update(
        {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    far = BLOW_UP.index((3.0, FAR))
    panels = {
        "stationary states: crossings of the diagonal": draw_stationary,
        "start far from threshold, b up to 1.5": draw_settling,
        "start close to threshold, b = 1.5": lambda axis, f: draw_rate(
            axis, f, 0, (-0.1, 3)
        ),
        "densities of c": lambda axis, f: draw_densities(
            axis, f, 0, (0.0, 0.04, 0.06, 0.2, 2.8)
        ),
        "start far from threshold, b = 3": lambda axis, f: draw_rate(
            axis, f, far, (2.8, min(DURATION, 4.3))
        ),
        "densities of e": lambda axis, f: draw_densities(
            axis, f, far, (1.0, 3.4, 3.44, 3.52, 3.62)
        ),
    }
    for letter, axis, (title, panel) in zip(
        "abcdef", axes.flat, panels.items(), strict=True
    ):
        panel(axis, found)
        axis.set_title(f"{letter}   {title}", loc="left", fontsize=9)
    figure.savefig(path, dpi=100)
    print(f"Figure: {path}")


def draw_stationary(axis, found):
    rates = np.geomspace(0.02, 20, 200)
    axis.plot(rates, rates, color="0.7", lw=0.8)
    for b, expected in STATIONARY.items():
        axis.loglog(rates, [rate_of(b * r) for r in rates], color=COLOURS[b], lw=1.2)
        axis.plot(expected, expected, "o", color=COLOURS[b], ms=5, label=f"b = {b:g}")
    axis.set(
        xlabel="rate that the coupling gets (1/τ)", ylabel="rate that follows (1/τ)"
    )
    axis.set(xlim=(0.03, 20), ylim=(0.03, 50))
    axis.legend(frameon=False, loc="upper left")


def draw_settling(axis, found):
    for k, b in enumerate(SETTLING):
        rate = found["settling"][k]
        times = np.arange(len(rate)) * LONG_STEP
        axis.plot(times, rate, color=COLOURS[b], lw=1.2)
        axis.axhline(STATIONARY[b][0], color=COLOURS[b], lw=0.8, ls=":")
        axis.annotate(
            f"b = {b:g}", (times[-1], rate[-1]), (-4, 3), ha="right",
            textcoords="offset points", color=COLOURS[b],
        )  # fmt: skip
    axis.set(
        xlim=(0, times[-1]), ylim=(0, 0.22), xlabel="time (τ)", ylabel="rate (1/τ)"
    )


def draw_rate(axis, found, population, limits):
    times, sizes, rate = of(found, population)
    b = BLOW_UP[population][0]
    if population:
        particles = found["particles"][: round(DURATION / 1e-3)]
        shown = particles.reshape(-1, 10).mean(1)  # few spikes in a time step
        axis.semilogy((np.arange(len(shown)) + 0.5) * 0.01, shown, color="0.75", lw=3)
    axis.semilogy(np.arange(len(rate)) * STEP, rate, color=COLOURS[b], lw=1.2)
    for time_, size in zip(times[sizes > 0.5], sizes[sizes > 0.5], strict=True):
        axis.plot([time_] * 2, [1e-2, 500], color="#D55E00", lw=1)
        if limits[0] < time_ < limits[1]:
            axis.text(time_, 600, f"{100 * size:.0f} %", color="#D55E00", fontsize=7)
    if population:
        axis.text(2.84, 0.02, f"grey: {N_PARTICLES} particles")
    axis.set(xlim=limits, ylim=(1e-2, 1500), xlabel="time (τ)", ylabel="rate (1/τ)")


def draw_densities(axis, found, population, times):
    own = found["population"] == population
    v = found["v"][own]
    shades = plt.cm.viridis(np.linspace(0, 0.85, len(times)))
    for moment, shade in zip(times, shades, strict=True):
        k = round(moment / SNAPSHOT)
        axis.plot(v, found["p"][own, k], color=shade, lw=1.2, label=f"t = {moment:g}")
    axis.set(xlim=(-3, 2), ylim=(5e-3, 50), yscale="log")
    axis.set(xlabel="voltage", ylabel="probability density")
    axis.axvline(V_R, color="0.7", lw=0.8, zorder=0)
    axis.legend(frameon=False, loc="upper left")


def main():
    started = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    found = simulate()
    check_all(found)
    path = RESULTS / "Caceres_Carrillo_Perthame_2011.png"
    draw(found, path)
    print(f"Took {time.time() - started:.0f} s.")
    assert not failures, failures


if __name__ == "__main__":
    main()
