"""
A network that was told nothing of sodium or potassium fires like Hodgkin and Huxley.

The teacher is the squid axon of 1952. A `CompactSurrogate` with ``feedback`` sees the
current and its own last output, predicts by how much the potential changes in 50 us,
and goes on from there: spikes, refractoriness and the end of spiking at strong currents
are learned from traces of 100 ms. It is judged as Drakopoulos et al. (2021,
Supplementary Figure 6) judge theirs, by the number of spikes at steps of 0 to 100
uA/cm^2, but over 500 ms, and by the times of spikes for fluctuating currents.
(doi:10.1038/s42003-021-02341-5)

720 numbers after 90 s of training: 20 of 21 numbers of spikes are exact (at 40 uA/cm^2
there are 53 instead of 54); for noise half of the spikes come within 0.04 ms, 96 %
within 2 ms. Where it fails: the other 4 %, next to the threshold, are missing or come
at other times; for constant currents small errors of the period add up to 1 ms after
half a second (RMSE up to 15 mV); where the potential stays below -100 mV, which it has
hardly seen, it is 10 mV off.

Beside it run the equations with the same time step. In C++, per neuron and second,
Runge-Kutta takes 2.6 ms and is far more accurate, exponential Euler takes 1.2 ms and is
less accurate, the surrogate takes 1.0 ms; with ``prefs.multiscale.fast_equations`` the
equations take 0.5 and 0.3 ms. So for four equations that are known: integrate them. A
network is for recordings without equations (`SurrogateTask.from_data`), and for models
with many more variables than outputs.

Training needs JAX: pip install "brian2-multiscale[gradients]".
"""

import os
from tempfile import TemporaryDirectory

from brian2 import *

from brian2_multiscale import *
from brian2_multiscale.surrogates import (
    CompactSurrogate,
    SurrogateGroup,
    SurrogateTask,
    stimuli,
)
from brian2_multiscale.surrogates.training import train

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))
RESULTS = os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results")

DENSITY = uamp / cm**2
STEP = 50 * us
DURATION = (0.2 if SHORT else 0.5) * second
LEVELS = arange(0, 101, 5)
# Where repetitive firing begins
RHEOBASE = (5, 6, 6.5, 7, 8)
NOISES = 40
WINDOW = 2 * ms
axon = Mechanism("hodgkin_huxley")
TRUTH, NETWORK = "rk4, 25 us", "surrogate, 50 us"
METHODS = {
    TRUTH: ("rk4", 25 * us),  # the teacher
    "rk4, 50 us": ("rk4", STEP),
    "exponential Euler, 50 us": ("exponential_euler", STEP),
}
spiking = dict(threshold="v > 0*mV", refractory="v > 0*mV")


# -- learning --------------------------------------------------------------------------
def make_task():
    steps = stimuli.Steps(
        amplitude=(1 * DENSITY, 100 * DENSITY), length=(5 * ms, 100 * ms)
    )
    noise = stimuli.OrnsteinUhlenbeck(
        amplitude=(1 * DENSITY, 10 * DENSITY), spread="uniform",
        mean=(0 * DENSITY, 20 * DENSITY), time_constant=(1 * ms, 20 * ms),
    )  # fmt: skip
    pulses = stimuli.Pulses(
        amplitude=(2 * DENSITY, 40 * DENSITY), rate=(20 * Hz, 150 * Hz)
    )
    method, dt = METHODS[TRUTH]
    return SurrogateTask(
        axon, "I", "v", stimuli=[steps, noise, pulses], step=STEP, dt=dt, method=method,
        duration=100 * ms, trials=48 if SHORT else 96, validation_trials=24,
    )  # fmt: skip


def learn():
    architecture = CompactSurrogate(units=8, blocks=2, gated=True, feedback=True)
    return train(
        make_task(), architecture, steps=500 if SHORT else 3000, batch=16,
        slowest=20 * ms, report="text",
    )  # fmt: skip


# -- the same currents for all ---------------------------------------------------------
def currents():
    """Steps from 10 ms on, then fluctuating currents: (samples, neurons)."""
    count, random = round(DURATION / STEP), np.random.default_rng(1)
    levels = array([*LEVELS, *RHEOBASE]) * float(DENSITY)
    steps = outer(arange(count) * STEP >= 10 * ms, levels)
    noise = stimuli.OrnsteinUhlenbeck(
        amplitude=(2 * DENSITY, 10 * DENSITY), mean=(2 * DENSITY, 18 * DENSITY),
        time_constant=(2 * ms, 15 * ms),
    )  # fmt: skip
    drawn = [noise.draw(random, count, float(STEP)) for _ in range(NOISES)]
    return hstack([steps, transpose(drawn)]) * amp / metre**2


def neurons(name, count, surrogate):
    """The equations with one of the methods, or the surrogate."""
    if name == NETWORK:
        return SurrogateGroup(count, surrogate, **spiking)
    method, dt = METHODS[name]
    group = NeuronGroup(
        count, axon.equations, method=method, dt=dt, namespace=axon.namespace, **spiking
    )
    axon.initialise(group)
    return group


def simulate(surrogate, signal):
    """Name to potentials in mV (neurons, samples) and to spike times per neuron."""
    current = TimedArray(signal, dt=STEP)  # noqa: F841 (used in a string)
    traces, times, spikes, net = {}, {}, {}, Network()
    for name in (*METHODS, NETWORK):
        group = neurons(name, signal.shape[1], surrogate)
        group.run_regularly("I = current(t, i)", dt=STEP)
        traces[name] = StateMonitor(group, "v", record=True, dt=STEP)
        spikes[name] = SpikeMonitor(group)
        net.add(group, traces[name], spikes[name])
    net.run(DURATION, report="text")
    for name, monitor in spikes.items():
        traces[name] = traces[name].v / mV
        # The time of a spike is that at which its step begins
        middle = monitor.source.dt / 2
        trains = monitor.spike_trains().values()
        times[name] = [(train + middle) / ms for train in trains]
    return traces, times


# -- judging ---------------------------------------------------------------------------
def time_errors(reference, found):
    """From every spike of the reference to the nearest that was found (ms)."""
    if not len(found):
        return np.full(len(reference), inf)
    differences = subtract.outer(found, reference)
    nearest = abs(differences).argmin(axis=0)
    return differences[nearest, arange(len(reference))]


def gamma(reference, found):
    """
    Coincidences beyond those by chance: 0 for a Poisson process, 1 for equal trains.

    Kistler, Gerstner and van Hemmen (1997), doi:10.1162/neco.1997.9.5.1015.
    """
    hits = sum(abs(time_errors(reference, found)) <= WINDOW / ms)
    chance = 2 * len(found) * float(WINDOW / DURATION)
    total = 0.5 * (len(reference) + len(found))
    return (hits - chance * len(reference)) / (total * (1 - chance))


def judge(name, traces, times):
    """Errors of something against the equations with the finest step."""
    steps, rheobase = arange(len(LEVELS)), len(LEVELS) + arange(len(RHEOBASE))
    noises = slice(len(LEVELS) + len(RHEOBASE), None)
    counts, wanted = (array([len(train) for train in times[n]]) for n in (name, TRUTH))
    rmse = sqrt(mean((traces[name] - traces[TRUTH]) ** 2, axis=1))
    pairs = list(zip(times[TRUTH][noises], times[name][noises], strict=True))
    errors = abs(concatenate([time_errors(*pair) for pair in pairs]))
    found = {
        "wrong": sum(counts[steps] != wanted[steps]),
        "wrong at rheobase": sum(counts[rheobase] != wanted[rheobase]),
        "errors": errors,
        "coincident": mean(errors <= WINDOW / ms),
        "median": median(errors),
        "gamma": mean([gamma(*pair) for pair in pairs if len(pair[0])]),
        "counts": counts,
    }
    print(f"{name}, spikes {' '.join(map(str, counts[steps]))}")
    print(f"{name}, spikes at rheobase {' '.join(map(str, counts[rheobase]))}")
    print(f"{name}, RMSE at steps (mV) {' '.join(f'{x:.1f}' for x in rmse[steps])}")
    print(
        f"{name}, noise: {counts[noises].sum()} spikes, gamma {found['gamma']:.3f}, "
        f"{100 * found['coincident']:.1f} % within 2 ms, half within "
        f"{found['median']:.3f} ms, 90 % within {percentile(errors, 90):.3f} ms, "
        f"RMSE {sqrt(mean(rmse[noises] ** 2)):.1f} mV\n"
    )
    return found


def cost(name, surrogate, fast=False, count=200):
    """CPU time of the C++ program in ms, per neuron and second."""
    set_device("cpp_standalone", build_on_run=False)
    device.reinit()
    device.activate(build_on_run=False)
    prefs.multiscale.fast_equations = fast
    group = neurons(name, count, surrogate)
    group.I = "i*20*uA/cm**2/N"
    net = Network(group, SpikeMonitor(group))
    net.run(1 * second)
    with TemporaryDirectory() as folder:
        device.build(folder, run=False)
        before = os.times().children_user
        device.run(folder, with_output=False, run_args=[])
        used = os.times().children_user - before
    prefs.multiscale.fast_equations = False
    set_device("runtime")
    print(f"{name}{', fast_equations' * fast}: CPU {1000 * used / count:.2f} ms")
    return used


def draw(traces, found):
    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
    time = arange(traces[TRUTH].shape[1]) * STEP / ms
    levels = [*LEVELS, *RHEOBASE]
    shown = {
        "10": (levels.index(10), 10, 60),
        "80": (levels.index(80), 10, 60),
        "6.5": (levels.index(6.5), 100, 200),
        "fluctuating": (len(levels) + 3, 0, 150),
    }
    places = [*axes[0], axes[1, 0]]
    for axis, (title, (neuron, start, end)) in zip(places, shown.items(), strict=True):
        some = (time >= start) & (time < end)
        axis.plot(time[some], traces[TRUTH][neuron, some], "0.7", lw=3, label=TRUTH)
        axis.plot(time[some], traces[NETWORK][neuron, some], "C3", lw=1, label=NETWORK)
        axis.set(xlabel="time (ms)", ylabel="v (mV)", ylim=(-95, 60))
        axis.set_title(f"{title} $\\mu$A/cm$^2$" if title[0] != "f" else title)
    axes[0, 1].legend()
    for name, color in zip(found, ("0.7", "C0", "C1", "C3"), strict=True):
        width = 4 if name == TRUTH else 1.2
        counts = found[name]["counts"][: len(LEVELS)]
        axes[1, 1].plot(LEVELS, counts, ".-", c=color, lw=width, label=name)
        if name != TRUTH:
            errors = sort(found[name]["errors"])
            fractions = linspace(0, 1, len(errors))
            axes[1, 2].semilogx(errors, fractions, c=color, label=name)
    axes[1, 1].set(xlabel="step ($\\mu$A/cm$^2$)", ylabel=f"spikes in {DURATION}")
    axes[1, 2].set(xlabel="error of spike times (ms)", ylabel="fraction below")
    axes[1, 2].set(xlim=(5e-3, 30), title=f"fluctuating, {NOISES} currents")
    axes[1, 1].legend(loc="center right", fontsize=7)
    os.makedirs(RESULTS, exist_ok=True)
    figure.savefig(f"{RESULTS}/hodgkin_huxley_surrogate.png", dpi=150)


def check(found):
    """What was reached, with room for other machines."""
    surrogate = found[NETWORK]
    differences = abs(surrogate["counts"] - found[TRUTH]["counts"])
    if SHORT:
        assert max(differences[: list(LEVELS).index(50)]) <= 2, differences
        assert surrogate["gamma"] > 0.5 and surrogate["median"] < 1
        return
    assert surrogate["wrong"] <= 4 and surrogate["wrong at rheobase"] <= 2
    assert surrogate["gamma"] > 0.85 and surrogate["median"] < 0.1
    assert surrogate["gamma"] > found["exponential Euler, 50 us"]["gamma"]


def main():
    surrogate = learn()
    print(surrogate)
    traces, times = simulate(surrogate, currents())
    found = {name: judge(name, traces, times) for name in traces}
    draw(traces, found)
    if not SHORT:
        for name in list(METHODS)[1:]:
            cost(name, surrogate)
            cost(name, surrogate, fast=True)
        cost(NETWORK, surrogate)
    check(found)


if __name__ == "__main__":
    main()
