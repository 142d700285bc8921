"""
Densities and particles: synchronous events of integrate-and-fire neurons
=========================================================================

After Du, Xie and Zhou (2023), A synchronization-capturing multi-scale solver to the
noisy integrate-and-fire neuron networks, arXiv:2305.05915, doi:10.1137/23M1573276.

A population of noisy integrate-and-fire neurons with instantaneous coupling fires a
finite part of its neurons at once when the input synchronises it. A Fokker-Planck
equation in which the coupling is a drift fails there; the paper goes over to particles
while this lasts, and back. Here the same strings are used for

- particles: `NeuronGroup` and `Cascade`, with an exact step for the membrane;
- density: `DensityGroup`, which jumps through events and needs no particles;
- hybrid: `HybridGroup`, the density while it is quiet and particles in events;
- stochastic: the density of a finite number of neurons.

Of the paper are the hybrid and the three kinds of input: weak coupling, a pulse, a
periodic current. The parameters are ours, and so are all numbers: we had only the
abstract of the paper at hand, so that nothing here is to be compared with its figures
and tables. Times are in units of the membrane time constant.

Prints and asserts the numbers, draws results/Du_Xie_Zhou_2023.png. Takes four to five
minutes of CPU time, most of it for particles and compilers.
"""

import os
import shutil
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import *
from du_populations import SCALES, TAU, Population

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
HAS_COMPILER = bool([c for c in COMPILERS if shutil.which(c)])
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ or not HAS_COMPILER
COLOURS = {
    "particles": "0.6",
    "density": "#0072B2",
    "hybrid": "#D55E00",
    "stochastic": "#009E73",
    "one step late": "#CC79A7",
    "only a drift": "#E69F00",
}

STEP = 2e-3 if SHORT else 5e-4
N = 2000 if SHORT else 10_000
PULSE = 2.0 if SHORT else 4.0  # begins; until then it settles
CYCLE, CYCLES = 1.5, 2 if SHORT else 6

PROBLEMS = {
    "A": dict(
        drive="0",
        a=1.0,
        coupling=0.5,
        v_th=2.0,
        v_r=1.0,
        initial=(0.0, 0.25),
    ),
    "B": dict(
        drive=f"0.6 + 3*int(now > {PULSE}*tau)*int(now < {PULSE + 0.1}*tau)",
        a=0.02,
        coupling=0.7,
        initial=(0.57, 0.02),
    ),
    "C": dict(
        drive=f"0.8 + 0.5*sin(2*pi*now/({CYCLE}*tau))",
        a=0.02,
        coupling=0.7,
        initial=(0.5, 0.02),
    ),
}
# The pulse brings nearly all neurons through a narrow event: twice the usual bins
BINS = {"A": {}, "B": {} if SHORT else {"bins": 142}, "C": {}}
DURATION = max(CYCLES * CYCLE, PULSE + 0.5)
# Time steps at which coupling within the step and one step later are compared
LATE_STEPS = (4e-3, 8e-3) if SHORT else (1e-3, 4e-3, 8e-3)

# Sizes of events: kicks, and those whose size is known
SIZES = {0.10: 0.0130, 0.15: 0.0750, 0.16: 0.9920, 0.20: 0.9943}
KICKS = sorted({*SIZES, *(() if SHORT else np.round(np.arange(0.02, 0.3, 0.02), 2))})
SETTLE = 2.0 if SHORT else 5.0
N_KICKED = 1000 if SHORT else 4000

BANDS = [(0.15, 0.55), (0.55, 1.05), (1.05, 1.65), (4, 8), (60, 200)]
SPECTRUM = [0.873, 1.567, 1.587, 1.140, 0.985]  # over rate/N
NOISY = dict(drive="0.9", a=0.1, coupling=0.3, initial=(0.4, 0.05))
N_NOISY, COPIES, BLOCK = 1000, 1 if SHORT else 4, 20.0
LENGTH = 4.0 if SHORT else 121.0

NUMBERS = (1000,) if SHORT else (1000, 10_000, 100_000, 1_000_000)
ENDS = NUMBERS[:: max(len(NUMBERS) - 1, 1)]
# Of what does not depend on N the first and the last are enough
COSTS = {"particles": NUMBERS, "hybrid": NUMBERS, "density": ENDS, "stochastic": ENDS}
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


# -- simulations -----------------------------------------------------------------------
def begin(step):
    """A fresh network: compiled C++ or, for short runs, numpy."""
    if SHORT:
        prefs.codegen.target = "numpy"
    else:
        device.reinit()
        device.activate()
        set_device("cpp_standalone", build_on_run=False)
        # Brian2 2.9 starts as many compilers as there are files.
        prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]
    defaultclock.dt = step * TAU
    seed(1)


def simulate(name, populations, duration):
    """CPU seconds by beginning of the name of an object."""
    network = Network([part for p in populations for part in p.parts])
    network.run(duration * TAU, profile=True)
    if not SHORT:
        directory = RESULTS / f"du_{name}"
        device.build(directory=str(directory), with_output=False)
    spent = {n: float(s) for n, s in network.profiling_info}
    print(f"{name}: {sum(list(spent.values())):.1f} s", flush=True)
    return spent


def finish(name):
    if not SHORT:
        shutil.rmtree(RESULTS / f"du_{name}")


def three_problems():
    """Fractions that fire, events and modes by problem and scale; cost of delays."""
    begin(STEP)
    made = {
        (problem, scale): Population(
            scale, N, name=f"{scale}_{problem}", **parameters, **BINS[problem]
        )
        for problem, parameters in PROBLEMS.items()
        for scale in SCALES
    }
    for step in LATE_STEPS:
        dt = step * TAU
        ways = {"jump": {}, "late": {"delay": dt}, "drift": {"drift": True}}
        for way, more in ways.items():
            name = f"{way}_{round(step * 1e4)}"
            made[way, step] = Population(
                "density", N, name=name, dt=dt, **more, **PROBLEMS["C"]
            )
    simulate("problems", made.values(), DURATION)
    found = {}
    for key, population in made.items():
        step = STEP if key[0] in PROBLEMS else key[1]
        fired = population.fired(step * TAU)[0]
        events = modes = None
        if population.scale != "particles":
            times = np.asarray(population.events.t / TAU)
            events = times, np.asarray(population.events.event_size)
        if population.scale == "hybrid":
            modes = np.asarray(population.mode.mode)[0]
        found[key] = fired, events, modes
    finish("problems")
    return found


def kicked():
    """Fractions that fire in the step of a kick, by scale."""
    begin(STEP)
    parameters = PROBLEMS["B"] | {"drive": "0.6"}
    made = {}
    for scale in ("particles", "density", "stochastic"):
        p = Population(
            scale, [N_KICKED] * len(KICKS), name=f"{scale}_kicked", **parameters
        )
        counts = p.sizes if scale == "particles" else 1
        p.group.kick = np.repeat(KICKS, counts)
        p.group.run_regularly(
            f"v += kick*int(abs(t - {SETTLE}*tau) < 0.5*dt)", name=f"{scale}_kick"
        )
        made[scale] = p
    simulate("kicks", made.values(), SETTLE + 5 * STEP)
    place = round(SETTLE / STEP)
    found = {}
    for scale, p in made.items():
        fired = p.fired(STEP * TAU)
        # Less what fires anyway
        found[scale] = fired[:, place] - fired[:, max(place - 200, 0) : place].mean(1)
    finish("kicks")
    return found


def fluctuations():
    """Power of the activity over that of independent neurons, and rates, by scale."""
    step = 1e-3
    begin(step)
    made = {
        scale: Population(scale, [N_NOISY] * COPIES, name=f"{scale}_noisy", **NOISY)
        for scale in ("particles", "stochastic")
    }
    simulate("noise", made.values(), LENGTH)
    found = {}
    for scale, p in made.items():
        fired = p.fired(step * TAU)[:, round(1 / step) :]
        samples = round((BLOCK if not SHORT else LENGTH - 1) / step)
        blocks = fired[:, : fired.shape[1] // samples * samples].reshape(-1, samples)
        rate = blocks.mean() / step
        window = np.hanning(samples)
        power = np.abs(np.fft.rfft((blocks / step - rate) * window)) ** 2
        power *= step / np.sum(window**2) / (rate / N_NOISY)
        frequency = np.fft.rfftfreq(samples, step)
        found[scale] = rate, frequency, power
    finish("noise")
    return found


def costs():
    """CPU seconds for one time constant of problem C, by scale and N."""
    begin(1e-3)
    made = {
        f"{scale}_{number}": Population(
            scale, number, name=f"{scale}_{number}", **PROBLEMS["C"]
        )
        for scale, numbers in COSTS.items()
        for number in numbers
    }
    spent = simulate("costs", made.values(), 0.2 if SHORT else CYCLE)
    found = {}
    for name in made:
        own = [s for n, s in spent.items() if n.startswith(f"{name}_") or n == name]
        found[name] = sum(own) / (0.2 if SHORT else CYCLE)
    finish("costs")
    return found


# -- numbers ---------------------------------------------------------------------------
def half_fired(fired, step):
    """When half of the neurons have fired."""
    total = np.append(0, np.cumsum(fired))
    return np.interp(0.5, total, step * np.arange(len(total)))


def between(fired, begin, end):
    return fired[round(begin / STEP) : round(end / STEP)].sum()


def check_problems(found):
    print(f"\n{'':52}{'found':>10}{'expected':>10}")
    for scale in SCALES:
        # Particles and what becomes particles: five standard errors are added
        few = 0 if scale == "density" else 5 * N**-0.5
        fired, events, modes = found["A", scale]
        check(f"A, {scale}: spikes until 3", between(fired, 0, 3), 0.37286,
              2 * STEP + 0.6 * few)  # fmt: skip
        if events is not None:
            check(f"A, {scale}: events", len(events[0]), 0, 0)
        if modes is not None:
            check(f"A, {scale}: steps as particles", np.sum(modes), 0, 0)
        fired, events, modes = found["B", scale]
        around = between(fired, PULSE - 0.1, PULSE + 0.4)
        check(f"B, {scale}: spikes around the pulse", around, 1.0120,
              2 * STEP + 0.3 * few)  # fmt: skip
        begin = round((PULSE - 0.1) / STEP)
        half = 0.9 + half_fired(fired[begin:], STEP)
        check(f"B, {scale}: half fired at", half, 1.0526, 4 * STEP + 0.1 * few)
        if events is not None:
            check(f"B, {scale}: events", len(events[0]), 1, 0)
        fired, events, modes = found["C", scale]
        last = between(fired, (CYCLES - 1) * CYCLE, CYCLES * CYCLE)
        expected = 1.0440 if SHORT else 1.0512
        check(f"C, {scale}: spikes in the last cycle", last, expected,
              2 * STEP + 0.3 * few)  # fmt: skip
        half = half_fired(fired, STEP)
        check(f"C, {scale}: first half fired at", half, 0.4657, 4 * STEP + 0.3 * few)
        if events is not None:
            count = np.count_nonzero(events[0] < CYCLES * CYCLE)
            check(f"C, {scale}: events", count, CYCLES, 0)
        if modes is not None:
            switches = np.count_nonzero(np.diff(modes) > 0)
            check(f"C, {scale}: times that it becomes particles", switches, CYCLES, 0)
    means = [0.0463, 0.1096, 0.1304, 0.1363, 0.1376]
    means += [0.1375, 0.1370, 0.1365, 0.1361, 0.1357]
    fired = found["A", "density"][0][: round(3 / STEP)]
    rates = fired.reshape(10, -1).sum(1) / 0.3
    check("A, density: largest error of ten mean rates",
          np.abs(rates - means).max(), 0, 0.5 * STEP + 1e-4)  # fmt: skip
    print("\nC, spikes in the last cycle: coupling within the step, late, as drift")
    for step in LATE_STEPS:
        row = [last_cycle(found, way, step) for way in ("jump", "late", "drift")]
        print(f"  dt = {step:<8}{row[0]:8.4f}{row[1]:8.4f}{row[2]:8.4f}")


def last_cycle(found, way, step):
    fired = found[way, step][0]
    return fired[round((CYCLES - 1) * CYCLE / step) :][: round(CYCLE / step)].sum()


def check_kicks(found):
    print()
    for kick, size in SIZES.items():
        k = KICKS.index(kick)
        check(f"kick {kick}, density: fired", found["density"][k], size,
              (8e-3 if SHORT else 1e-3))  # fmt: skip
        for scale in ("particles", "stochastic"):
            if kick not in (0.15, 0.16):  # small populations do either at the fold
                error = 6 * np.sqrt(size * (1 - size) / N_KICKED)
                error *= 4 if size < 0.5 else 1
                check(f"kick {kick}, {scale}: fired", found[scale][k], size,
                      error + 2e-3)  # fmt: skip


def band_powers(frequency, power):
    """Mean in every band and its relative standard error."""
    rows = []
    for low, high in BANDS:
        values = power[:, (frequency >= low) & (frequency < high)]
        rows.append((values.mean(), 1 / np.sqrt(max(values.size / 2, 1))))
    return rows


def check_fluctuations(found):
    print()
    for scale, (rate, frequency, power) in found.items():
        check(f"rate, {scale}", rate, 0.6272, 0.02 if SHORT else 0.003)
        for band, expected, (mean, error) in zip(
            BANDS, SPECTRUM, band_powers(frequency, power), strict=True
        ):
            if SHORT and band[0] < 50:  # too few periods
                continue
            check(f"power over rate/N at {band[0]}-{band[1]}, {scale}", mean, expected,
                  expected * (3 * error + 0.04))  # fmt: skip


def print_costs(found):
    print("\nCPU seconds per time constant of problem C, dt = 0.001")
    for scale, numbers in COSTS.items():
        row = "".join(f"{found[f'{scale}_{n}']:12.5f}" for n in numbers)
        print(f"  {scale:<12}{row}   (N = {', '.join(map(str, numbers))})")


# -- picture ---------------------------------------------------------------------------
def draw(problems, kicks, noise, spent, path):
    plt.rcParams.update(
        {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(3, 3, figsize=(11, 9), layout="constrained")
    panels = {
        "weak coupling": lambda axis: draw_weak(axis, problems),
        "pulse": lambda axis: draw_pulse(axis, problems),
        "periodic current": lambda axis: draw_periodic(axis, problems),
        "first event": lambda axis: draw_event(axis, problems),
        "coupling within the step, late, as a drift": lambda axis: draw_late(
            axis, problems
        ),
        "size of the event that a kick causes": lambda axis: draw_sizes(axis, kicks),
        "fluctuations of 1000 neurons": lambda axis: draw_noise(axis, noise),
        "cost of the periodic problem": lambda axis: draw_costs(axis, spent),
    }
    for letter, axis, (title, panel) in zip(
        "abcdefgh", axes.flat, panels.items(), strict=False
    ):
        panel(axis)
        axis.set_title(f"{letter}   {title}", loc="left", fontsize=9)
    names = [*SCALES, "stochastic", "one step late", "only a drift"]
    lines = [plt.Line2D([], [], color=COLOURS[n], lw=2.5) for n in names]
    names[0] = f"particles ({N} in a-c)"
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(lines, names, loc="center", frameon=False, fontsize=10)
    figure.savefig(path, dpi=100)
    print(f"Figure: {path}")


def rate_in_bins(fired, step, width):
    """Rate and middle of bins."""
    inside = round(width / step)
    whole = len(fired) // inside * inside
    rates = fired[:whole].reshape(-1, inside).sum(1) / (inside * step)
    return (np.arange(len(rates)) + 0.5) * inside * step, rates


def style(scale):
    dashes = {"ls": (0, (4, 4))} if scale == "hybrid" else {}  # density below it
    return {"color": COLOURS[scale], "lw": 3 if scale == "particles" else 1.2} | dashes


def draw_weak(axis, problems):
    for scale in SCALES:
        axis.plot(*rate_in_bins(problems["A", scale][0], STEP, 0.04), **style(scale))
    axis.set(xlim=(0, 3), ylim=(0, None), xlabel="time (τ)", ylabel="rate (1/τ)")


def draw_pulse(axis, problems):
    for scale in SCALES:
        fired = problems["B", scale][0][round((PULSE - 0.1) / STEP) :]
        times = (np.arange(len(fired)) + 1) * STEP + 0.9
        axis.plot(times, np.cumsum(fired), **style(scale))
    axis.axvspan(1, 1.1, color="0.93", lw=0)
    axis.text(1.08, 0.5, "input", ha="center", color="0.4")
    axis.set(xlim=(0.98, 1.2), xlabel="time (τ)", ylabel="spikes per neuron")


def draw_periodic(axis, problems):
    for scale in SCALES:
        fired, _, modes = problems["C", scale]
        axis.semilogy(*rate_in_bins(fired, STEP, 0.02), **style(scale))
        if modes is not None:
            times = np.arange(len(modes)) * STEP
            axis.fill_between(
                times, 1e-3, 200, where=modes > 0, color=COLOURS[scale], alpha=0.3, lw=0
            )
    axis.set(xlim=(0, 4.5), ylim=(1e-3, 200), xlabel="time (τ)", ylabel="rate (1/τ)")


def draw_event(axis, problems):
    for scale in SCALES:
        fired = problems["C", scale][0]
        axis.plot(np.arange(1, len(fired) + 1) * STEP, np.cumsum(fired), **style(scale))
    for step in LATE_STEPS[-2:]:
        fired = problems["late", step][0]
        times = np.arange(1, len(fired) + 1) * step
        axis.plot(times, np.cumsum(fired), ".-", ms=4, **style("one step late"))
        place = np.searchsorted(np.cumsum(fired), 0.3 + 0.3 * (step == LATE_STEPS[-1]))
        axis.annotate(
            f"dt = {step}", (times[place], np.cumsum(fired)[place]), (6, -3),
            textcoords="offset points", color=COLOURS["one step late"],
        )  # fmt: skip
    axis.set(
        xlim=(0.42, 0.6), ylim=(0, 1.1), xlabel="time (τ)", ylabel="spikes per neuron"
    )


def draw_late(axis, problems):
    names = {"jump": "density", "late": "one step late", "drift": "only a drift"}
    for way, name in names.items():
        values = [last_cycle(problems, way, step) for step in LATE_STEPS]
        axis.plot(LATE_STEPS, values, "o-", ms=4, color=COLOURS[name])
    axis.axhline(1.0512, color="0.7", lw=0.8, zorder=0)
    axis.set(xlabel="time step (τ)", ylabel="spikes in the last cycle", xlim=(0, None))


def draw_sizes(axis, kicks):
    axis.plot(KICKS, kicks["density"], "-", color=COLOURS["density"])
    for scale, symbol in (("particles", "o"), ("stochastic", "x")):
        size = 8 if scale == "particles" else 4
        axis.plot(
            KICKS, kicks[scale], symbol, color=COLOURS[scale], ms=size, mfc="none"
        )
    axis.set(xlabel="kick (of 1 from reset to threshold)", ylabel="fraction that fires")
    axis.text(0.98, 0.45, f"N = {N_KICKED}", transform=axis.transAxes, ha="right")


def draw_noise(axis, noise):
    edges = np.geomspace(0.1, 400, 40)
    for scale, (_, frequency, power) in noise.items():
        mean = power.mean(0)
        inside = [(frequency >= low) & (frequency < high)
                  for low, high in zip(edges[:-1], edges[1:], strict=True)]  # fmt: skip
        shown = [(frequency[k].mean(), mean[k].mean()) for k in inside if k.any()]
        axis.semilogx(*np.transpose(shown), **style(scale))
    for (low, high), expected in zip(BANDS, SPECTRUM, strict=True):
        axis.plot([low, high], [expected] * 2, "k-", lw=1)
    axis.set(xlabel="frequency (1/τ)", ylabel="power of the activity · N / rate")
    axis.set_ylim(0, 2)


def draw_costs(axis, spent):
    for scale, numbers in COSTS.items():
        seconds = [spent[f"{scale}_{n}"] for n in numbers]
        axis.loglog(numbers, seconds, "o-", color=COLOURS[scale], ms=4)
    axis.set(xlabel="number of neurons", ylabel="CPU seconds per τ")


def main():
    started = time.time()
    RESULTS.mkdir(parents=True, exist_ok=True)
    problems = three_problems()
    check_problems(problems)
    kicks = kicked()
    check_kicks(kicks)
    noise = fluctuations()
    check_fluctuations(noise)
    spent = costs()
    print_costs(spent)
    path = RESULTS / "Du_Xie_Zhou_2023.png"
    draw(problems, kicks, noise, spent, path)
    print(f"Took {time.time() - started:.0f} s.")
    assert not failures, failures


if __name__ == "__main__":
    main()
