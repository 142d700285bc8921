"""Populations that are densities while quiet and neurons while they synchronise."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    EventMonitor,
    Hz,
    Network,
    NeuronGroup,
    PopulationRateMonitor,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    mV,
    second,
    seed,
)
from brian2.core.base import BrianObjectException
from density_models import Density, half_fired
from targets import TARGETS, run_on_targets

from brian2_multiscale import Cascade, DensityGroup, HybridGroup, Projection
from brian2_multiscale.numerics.density import siegert_rate
from brian2_multiscale.projections import ProjectionError

TAU = 1 * second
LEAKY = "dv/dt = (I - v)/tau + sqrt(2*a/tau)*xi : 1 (unless refractory)"
RESET = {"threshold": "v > 1", "reset": "v = 0"}


def leaky(sizes, dt, a=0.02, drive=0.0, model=LEAKY, kind=HybridGroup, **arguments):
    """Populations of leaky neurons, in units of their time constant."""
    defaultclock.dt = dt * second
    names = {"tau": TAU, "a": a, "I": drive}
    return kind(sizes, model, **{**RESET, "namespace": names, **arguments})


def coupled(group, strength, **arguments):
    """A projection that kicks by `strength` in total when all neurons fire."""
    weights = np.diag(np.broadcast_to(strength, len(group)) / np.array(group.sizes))
    return Projection(group, group, on_pre="v_post += w", weights=weights, **arguments)


def start_stationary(group, coupling, drive):
    """All populations in the stationary state of the densities."""
    assert group.density is not None  # makes the grids
    grid = group.grids[0]
    state = Density(
        bins=grid.cells - grid.reset_cell - 1,
        bottom=grid.reset - (grid.reset_cell - 0.5) * grid.width,
        coupling=coupling,
        drive=drive,
        dt=float(group.clock.dt),
    )
    rate = state.settled()
    group.p = np.tile(state.density, len(group))
    return rate


class Watched:
    """What a group did: fractions that fire, modes, events.

    If there is a `kick`: what follows it; one step comes before.
    """

    def __init__(self, group, duration, *objects, kick=None):
        names = ["n", "mode"] if hasattr(group, "mode") else ["n"]
        state = StateMonitor(group, names, True, when="end")
        events = EventMonitor(group, "mfe", "event_size")
        seed(1)
        network = Network(group, state, events, *objects)
        start = 0
        if kick is not None:
            network.run(group.clock.dt, namespace={})
            group.v += kick
            start = 1
        network.run(duration * second, namespace={})
        self.fired = np.asarray(state.n)[:, start:] / np.array(group.sizes)[:, None]
        self.modes = np.asarray(state.mode)[:, start:] if len(names) > 1 else None
        self.sizes, self.times = np.array(events.event_size), np.array(events.t)

    @property
    def changes(self):
        """Steps at which neurons were made, and at which they were given up."""
        steps = np.diff(np.append(0, self.modes[0]))
        return np.flatnonzero(steps > 0), np.flatnonzero(steps < 0)


def agree(found, expected, steps, alarm=4.5, bias=0.0):
    """Mean of counts against a number, by the spread of blocks of steps."""
    blocks = found[: len(found) // steps * steps].reshape(-1, steps).mean(axis=1)
    assert len(blocks) >= 20
    error = blocks.std(ddof=1) / len(blocks) ** 0.5
    # 4.5 standard errors with 19 degrees of freedom: one false alarm in 4000
    allowed = alarm * error + bias * expected
    assert allowed < 0.15 * expected
    assert blocks.mean() == pytest.approx(expected, abs=allowed)


# -- the regression table --------------------------------------------------------------
def test_a_no_switch_when_quiet():
    """Then it is a density, to the last digit."""
    found = []
    for kind in (HybridGroup, DensityGroup):
        limits = {"threshold": "v > 2", "reset": "v = 1"}
        group = leaky(1000, 2e-3, a=1.0, kind=kind, **limits)
        group.p = "exp(-v**2/0.5)"
        found.append(Watched(group, 3, coupled(group, 0.5)))
    hybrid, density = found
    assert not hybrid.modes.any() and not len(hybrid.sizes)
    np.testing.assert_array_equal(hybrid.fired, density.fired)
    assert hybrid.fired.sum() == pytest.approx(0.37286, rel=1.5e-3)


PULSE = "dv/dt = (I - v + 3*int(t > 0.1*tau)*int(t < 0.2*tau))/tau + sqrt(2*a/tau)*xi"


@pytest.mark.parametrize("reset, expected", [("shift", 1.0120), ("clamp", 1.0112)])
@pytest.mark.filterwarnings("ignore")
def test_b_pulse(reset, expected):
    group = leaky(
        5000, 1e-3, drive=0.6, model=f"{PULSE} : 1", v_min=-0.6, mfe_reset=reset
    )
    start_stationary(group, 0.7, 0.6)
    found = Watched(group, 0.5, coupled(group, 0.7))
    assert found.fired.sum() == pytest.approx(expected, abs=2e-3)
    up, down = found.changes
    assert len(up) == len(down) == len(found.sizes) == 1
    assert 100 < up < found.times * 1e3 < down < 200
    assert found.sizes == pytest.approx(0.89, abs=0.03)
    assert half_fired(found.fired[0], 1e-3) == pytest.approx(0.1526, abs=1.5e-3)


PERIODIC = "dv/dt = (0.8 + 0.5*sin(2*pi*t/(1.5*tau)) - v)/tau + sqrt(2*a/tau)*xi : 1"


@pytest.mark.parametrize("reset, expected", [("shift", 1.0512), ("clamp", 1.0256)])
def test_c_periodic(reset, expected):
    """One event per cycle, and one switch each way."""
    group = leaky(4000, 2e-3, model=PERIODIC, mfe_reset=reset)
    group.p = "exp(-(v - 0.5)**2/(2*0.02))"
    found = Watched(group, 6, coupled(group, 0.7))
    up, down = found.changes
    assert len(up) == len(down) == len(found.sizes) == 4
    assert np.all(up < found.times * 500) and np.all(found.times * 500 < down)
    assert found.modes.mean() < 0.08
    cycles = found.fired.reshape(4, -1).sum(axis=1)
    # The last three: the first one knows how it began
    assert cycles[1:].mean() == pytest.approx(expected, rel=6e-3)
    # Half of the neurons; some steps of spread between seeds
    assert half_fired(found.fired[0], 2e-3) == pytest.approx(0.4657, abs=0.01)


def test_d_kicks():
    """The fold of the size of events between kicks of 0.15 and 0.16."""
    sizes = {0.10: 0.0130, 0.15: 0.0750, 0.16: 0.9920, 0.20: 0.9943}
    group = leaky([20_000] * 4, 1e-3, drive=0.6, v_min=-0.6)
    start_stationary(group, 0.7, 0.6)
    found = Watched(group, 1e-3, coupled(group, 0.7), kick=[*sizes])
    assert found.modes.all()
    # A spike more makes ten more just before the fold
    np.testing.assert_allclose(found.sizes, [*sizes.values()], atol=1.5e-3)


def test_small_kicks_need_no_neurons():
    for share in (0.9, -0.9, 1.1, -1.1):
        group = leaky(1000, 1e-3, drive=0.6, v_min=-0.6)
        start_stationary(group, 0.7, 0.6)
        kick = share * group.grids[0].width
        found = Watched(group, 1e-3, coupled(group, 0.7), kick=kick)
        assert found.modes[0, 0] == (abs(share) > 1)


def test_g_refractory_neurons():
    """Neurons all the time, with a period for each population."""
    model = f"{LEAKY}\nperiod : second"
    changes = {"refractory": "period", "model": model, "v_min": -1.6}
    group = leaky([1500] * 3, 1e-2, a=0.1, drive=0.9, switch_up=0 * Hz, **changes)
    group.period = [0.05, 0.1, 0.3] * second
    found = Watched(group, 24, coupled(group, 0.3))
    assert found.modes.all()
    rates = [0.60141, 0.57811, 0.50335]
    for fired, rate in zip(found.fired, rates, strict=True):
        agree(fired[400:] / 1e-2, rate, 100)


EXPONENTIAL = """
dv/dt = (I - v + 0.15*exp((v - 1)/0.15))/tau + sqrt(2*a/tau)*xi : 1
I : 1
"""


def test_h_exponential_upstroke():
    """Drift that is not linear, with a threshold far beyond where neurons turn back."""
    limits = {"threshold": "v > 2.5", "reset": "v = 0"}
    group = leaky(
        [1500] * 3, 1e-2, a=0.1, model=EXPONENTIAL, switch_up=0 * Hz, **limits
    )
    group.I = [0.5, 0.8, 1.2]
    found = Watched(group, 24)
    for fired, rate in zip(found.fired, [0.04876, 0.18596, 0.44648], strict=True):
        # Neurons wait for the rest of the step in which they fire
        agree(fired[400:] / 1e-2, rate, 100, bias=0.01)


# -- neurons and density agree ---------------------------------------------------------
@pytest.mark.parametrize("match", [False, True])
@pytest.mark.parametrize("physical", [False, True])
def test_rate_of_neurons_is_that_of_the_density(match, physical):
    """Bridges also with `match_dt`: the threshold has been raised for both."""
    changes = {"a": 0.1, "drive": 0.9, "match_dt": match, "v_min": -1.6}
    if not physical:
        changes["refractory"] = 0.1 * second
    rates = []
    for kind in (DensityGroup, HybridGroup):
        if kind is HybridGroup:
            changes["switch_up"] = 0 * Hz
        group = leaky(3000, 1e-2, kind=kind, **changes)
        rates.append(Watched(group, 24, coupled(group, 0.3)).fired[0] / 1e-2)
    expected = rates[0][-1]
    away = 0.01 if physical else 0.1
    top = 1 + 0.5826 * np.sqrt(2 * 0.1 * 1e-2) * match
    drive = 0.9 + 0.3 * expected
    continuous = siegert_rate(drive, 0.1**0.5, top, 0, 1, away)
    assert expected == pytest.approx(continuous, rel=3e-3)
    # A density without refractory period is away for the rest of the step
    agree(rates[1][400:], expected, 100, bias=0.01 if physical else 0)


def test_the_raised_threshold_is_that_of_tests_at_time_steps():
    """Counts of spikes against neurons with cascades: mean and variance."""
    dt, size, coupling, count = 5e-3, 400, 0.3, 4
    changes = {"a": 0.1, "drive": 0.9, "match_dt": True, "v_min": -1.6}
    period = 0.1 * second
    group = leaky([size] * count, dt, refractory=period, switch_up=0 * Hz, **changes)
    group.v = 0.3
    hybrid = Watched(group, 32, coupled(group, coupling)).fired
    neurons = NeuronGroup(
        size * count,
        LEAKY,
        refractory=period,
        method="euler",
        namespace={"tau": TAU, "a": 0.1, "I": 0.9},
        **RESET,
    )
    neurons.v = 0.3
    parts = [neurons[k * size : (k + 1) * size] for k in range(count)]
    Cascade(parts, f"v_post += w*{coupling}/{size}", weights=np.eye(count))
    monitors = [PopulationRateMonitor(part) for part in parts]
    Network(neurons, *monitors).run(32 * second, namespace={})
    plain = np.array([m.rate / Hz for m in monitors]) * dt
    windows = [f[:, 400:].reshape(-1, 100).sum(axis=1) for f in (hybrid, plain)]
    found, expected = windows
    error = np.hypot(found.std(), expected.std()) / len(found) ** 0.5
    assert error < 0.01 * expected.mean()
    # One false alarm in 10^4, and what the shift of the threshold leaves
    assert found.mean() == pytest.approx(expected.mean(), abs=4 * error, rel=0.01)
    # The logarithm of a variance has a standard error of sqrt(2/numbers)
    ratio = np.log(found.var() / expected.var())
    assert abs(ratio) < 4 * np.sqrt(4 / len(found))
    # More than that of independent neurons, and than that of a density
    assert found.var() > 1.5 * 0.3 * found.mean() / size


@pytest.mark.parametrize("size", [30, 3000])
def test_neurons_take_over_from_a_density_and_back(size):
    """With refractory neurons: nobody is lost, and nobody returns early."""
    silent = 40
    model = LEAKY + "\nperiod : second"
    group = leaky(
        size, 5e-3, 0.05, 1.2, model=model, refractory="period", v_min=-1, hold=50 * ms
    )
    group.period = silent * 5 * ms
    density = StateMonitor(group.density, "p", True, when="end")
    voltage = StateMonitor(group.neurons, "v", True, when="end")
    group.run_regularly("v += 0.1*int(abs(t - 1.5*tau) < 0.0025*tau)", when="end")
    found = Watched(group, 2, density, voltage)
    up, down = found.changes
    assert up[0] == 301
    inside = density.p.sum(axis=0) * group.grids[0].width
    # Who fired in the last steps is away, whatever has happened in between
    away = [
        np.convolve(found.fired[0], np.ones(steps))[: len(inside)]
        for steps in (silent - 1, silent, silent + 1)
    ]
    early = slice(0, up[0])
    np.testing.assert_allclose(inside[early], 1 - away[1][early], atol=1e-10)
    # Sampling moves half a neuron; neurons are in the bins when their last silent step
    # ends, and half of them wait one step longer
    assert np.all(inside <= 1 - away[0] + 1 / size + 1e-9)
    assert np.all(inside >= 1 - away[2] - 1 / size - 1e-9)
    v = np.asarray(voltage.v)
    modes = found.modes[0].astype(bool)
    assert np.isnan(v[:, ~modes]).all() and np.isfinite(v[:, modes]).all()
    # What neurons do before and after
    assert down[0] < len(modes) - 2
    assert found.fired[0, up[0] :].sum() > 0.1


def test_density_follows_the_neurons():
    """Mean and mass of what is read, and whole numbers of spikes."""
    group = leaky(700, 5e-3, 0.1, 0.9, switch_up=0 * Hz)
    voltage = StateMonitor(group.neurons, "v", True, when="end")
    density = StateMonitor(group.density, "p", True, when="end")
    mean = StateMonitor(group, "v", True, when="end")
    found = Watched(group, 1, voltage, density, mean, coupled(group, 0.4))
    spikes = found.fired[0] * 700
    np.testing.assert_allclose(spikes, np.round(spikes), atol=1e-9)
    np.testing.assert_allclose(mean.v[0], voltage.v.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(density.p.sum(axis=0) * group.grids[0].width, 1)


# -- input -----------------------------------------------------------------------------
COMMON = """
dv/dt = (I + s + drive(t) - v)/tau + sqrt(2*a/tau)*xi : 1
ds/dt = (0.4*c - s)/(0.3*tau) : 1
c : 1
"""


@pytest.mark.parametrize("slope", ["", " - 0*v**3"])
def test_common_variables(slope):
    """Without threshold the mean and the variance are known."""
    dt = 0.02
    drive = TimedArray(np.sin(np.arange(4)), dt=0.5 * second)
    names = {"tau": TAU, "a": 0.02, "I": 0.3, "drive": drive}
    limits = {"threshold": "v > 6", "v_min": -6, "bins": 400, "namespace": names}
    model = COMMON.replace("- v)", f"- v{slope})")
    means = []
    for kind in (DensityGroup, HybridGroup):
        forced = {"switch_up": 0 * Hz} if kind is HybridGroup else {}
        group = leaky([4000] * 2, dt, model=model, kind=kind, **limits, **forced)
        group.c = [0, 1]
        state = StateMonitor(group, "v", True, when="end")
        Watched(group, 2, state)
        means.append(np.asarray(state.v))
    error = 5 * np.sqrt(0.02 / 4000)
    np.testing.assert_allclose(means[1], means[0], atol=error)
    assert np.ptp(means[0]) > 50 * error


@pytest.mark.parametrize("model", [LEAKY, LEAKY.replace("- v)", "- v - 0*v**3)")])
def test_private_input_is_noise_of_the_neurons(model):
    """Every neuron hears a tenth of the spikes of another population."""
    dt, number, weight = 0.01, 1000, 0.02
    source = leaky(number, dt, 0.1, 1.5, kind=DensityGroup, name="private_source")
    limits = {"threshold": "v > 6", "v_min": -6, "bins": 400, "switch_up": 0 * Hz}
    group = leaky(4000, dt, 0.02, model=model, **limits)
    on_pre = f"v_post += {weight}"
    private = Projection(source, group, on_pre=on_pre, p=0.1, delay=10 * ms)
    fired = StateMonitor(source, "n", True, when="end")
    voltage = StateMonitor(group.neurons, "v", True, when="end")
    Watched(group, 5, source, private, fired, voltage)
    # Delayed by one step, seen by the group in the next one
    arrived = np.append([0, 0], fired.n[0, :-2])
    mean, spread, moments = 0.0, 0.0, []
    for count in arrived:
        mean = (mean + 0.1 * weight * count) * np.exp(-dt)
        private = 0.1 * 0.9 * weight**2 * count
        more = (0.02 + private / (2 * dt)) * (1 - np.exp(-2 * dt))
        spread = spread * np.exp(-2 * dt) + more
        moments.append([mean, spread])
    mean, spread = np.transpose(moments)
    assert spread[-1] > 1.4 * 0.02
    # About ten independent moments: one false alarm in 10^4
    error = 4.5 * np.sqrt(spread / 4000)
    assert np.all(np.abs(voltage.v.mean(axis=0) - mean) < error + 1e-9)
    found = voltage.v.var(axis=0)
    assert np.all(np.abs(found / spread - 1) < 5.5 * np.sqrt(2 / 4000))


def test_inhibition_and_excitation():
    """Two populations, in an event and after it, against densities."""
    weights = np.array([[0.5, 0.3], [-0.4, -0.2]])
    totals = []
    for kind in (DensityGroup, HybridGroup):
        group = leaky([4000, 4000], 2e-3, 0.02, 0.6, kind=kind, v_min=-1)
        start_stationary(group, 0.0, 0.6)
        loop = Projection(group, group, on_pre="v_post += w", weights=weights / 4000)
        found = Watched(group, 0.6, loop, kick=[0.35, 0.0])
        totals.append([found.sizes[0], *found.fired.sum(axis=1)])
    up, down = found.changes
    assert len(up) == len(down) == 1
    assert totals[0][0] > 0.3
    np.testing.assert_allclose(totals[1], totals[0], atol=8e-3)


@pytest.mark.parametrize("delay", [0, 5])
def test_input_from_neurons(delay):
    """A spike of one neuron moves everybody, when it arrives."""
    group = leaky(1000, 1e-3, drive=0.6, v_min=-0.6)
    start_stationary(group, 0.0, 0.6)
    source = SpikeGeneratorGroup(1, [0], [10] * ms)
    wiring = Projection(source, group, on_pre="v_post += 0.1", delay=delay * ms)
    mean = StateMonitor(group, "v", True, when="end")
    found = Watched(group, 0.02, source, wiring, mean)
    step = 11 + delay
    assert found.changes[0].tolist() == [step]
    jump = np.diff(mean.v[0])
    # The mean follows at once what synapses add; the neurons, in the next step
    assert jump[step - 1 - 1] == pytest.approx(0.1, abs=2e-3)
    assert np.abs(np.delete(jump, [step - 2, step - 1])).max() < 2e-3


def test_output_to_neurons():
    """Virtual neurons of the group in ordinary synapses."""
    group = leaky(2000, 2e-3, model=PERIODIC)
    group.p = "exp(-(v - 0.5)**2/(2*0.02))"
    target = NeuronGroup(50, "heard : 1")
    synapses = Synapses(group.spikes, target, on_pre="heard += 1")
    synapses.connect(p=0.1)
    late = NeuronGroup(3, "heard : 1")
    delayed = Projection(group, late, on_pre="heard_post += 1", delay=6 * ms)
    spikes = SpikeMonitor(group.spikes)
    rate = PopulationRateMonitor(group.spikes)
    everything = synapses, target, late, delayed, spikes, rate, coupled(group, 0.7)
    found = Watched(group, 0.8, *everything)
    step = np.round(spikes.t / (2 * ms)).astype(int)
    counts = np.bincount(step, minlength=400)
    total = np.cumsum(found.fired[0] * 2000)
    np.testing.assert_array_equal(np.cumsum(counts), np.floor(total + 1e-6))
    np.testing.assert_allclose(rate.rate / Hz * 2e-3 * 2000, counts)
    # In a step nobody fires twice
    assert len({*zip(step, spikes.i, strict=True)}) == len(step)
    fan = np.bincount(synapses.i, minlength=2000)
    assert np.sum(target.heard) == fan[spikes.i].sum() > 5000
    np.testing.assert_allclose(late.heard, total[-4], atol=1)


# -- networks --------------------------------------------------------------------------
def event_group(name):
    group = leaky(300, 2e-3, model=PERIODIC, name=name)
    group.p = "exp(-(v - 0.5)**2/(2*0.02))"
    return group, coupled(group, 0.7, name=f"{name}_loop")


def test_runs_can_be_divided_and_repeated():
    """Before the event, while there are neurons, and after it."""
    found = []
    for parts in ([700], [300, 164, 236]):
        group, loop = event_group("divided")
        state = StateMonitor(group, ["n", "mode", "v"], True, when="end")
        network = Network(group, loop, state)
        seed(2)
        for part in parts:
            network.run(part * 2e-3 * second, namespace={})
        found.append([np.array(state.n), np.array(state.mode), np.array(state.v)])
    assert found[0][1][0, 463] == 1 or found[0][1].sum() > 0
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("before", [0, 100, 228])
def test_store_and_restore(before):
    """Also before the first run, and in the middle of an event."""
    group, loop = event_group("stored")
    network = Network(group, loop)
    if before:
        network.run(before * 2e-3 * second, namespace={})
    assert group.mode[0] == (before == 228)
    network.store()
    found = []
    for _ in range(2):
        network.restore()
        state = StateMonitor(group, ["n", "v"], True, when="end")
        seed(4)
        network.add(state)
        network.run(0.6 * second, namespace={})
        network.remove(state)
        found.append([np.array(state.n), np.array(state.v)])
    assert found[0][0].sum() > 200
    np.testing.assert_array_equal(found[0], found[1])


def test_units():
    """In millivolts as without units."""
    plain, loop = event_group("without_units")
    expected = Watched(plain, 0.8, loop)
    names = {"tau": TAU, "a": 0.02 * (10 * mV) ** 2}
    group = HybridGroup(
        300,
        PERIODIC.replace("0.8 + 0.5*", "8*mV + 5*mV*").replace(": 1", ": volt"),
        threshold="v > 10*mV",
        reset="v = 0*mV",
        namespace=names | {"mV": mV},
    )
    group.p = "exp(-(v - 5*mV)**2/(2*0.02*(10*mV)**2))"
    weight = 0.7 / 300 * 10 * mV
    loop = Projection(group, group, on_pre="v_post += w", weights=weight)
    found = Watched(group, 0.8, loop)
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_allclose(found.fired, expected.fired, rtol=1e-6, atol=1e-12)
    assert np.isnan(group.neurons.v[:]).all()
    assert group.neurons.v.dim == mV.dim


# -- the choice of the mode ------------------------------------------------------------
def test_rates_that_switch():
    """Up at once, down after a while."""
    pulse = "dv/dt = (I + 2*int(t > 0.2*tau)*int(t < 0.5*tau) - v)/tau"
    model = f"{pulse} + sqrt(2*a/tau)*xi : 1"
    changes = {"switch_up": 1 * Hz, "switch_down": 0.5 * Hz, "hold": 0.1 * second}
    group = leaky(2000, 5e-3, 0.05, 0.5, model=model, **changes)
    assert group.hold_steps == 20
    found = Watched(group, 1.5)
    up, down = found.changes
    rates = found.fired[0] / 5e-3
    assert len(up) == len(down) == 1
    assert np.all(rates[: up[0]] < 1)
    smooth = rates[up[0]]
    quiet = 0
    for step in range(up[0], down[0]):
        smooth += 0.2 * (rates[step] - smooth)
        quiet = quiet + 1 if smooth <= 0.5 else 0
    assert 18 <= quiet <= 21


def test_always_neurons():
    """Zero is the rate from which on there are always neurons, also without spikes."""
    group = leaky(50, 5e-3, drive=-1, switch_up=0 * Hz)
    assert Watched(group, 0.5).modes.all()
    assert leaky(50, 5e-3, switch_up=30 * Hz).switch_down == 15
    assert leaky(50, 5e-3).switch_up is None


def test_neurons_as_a_group():
    group = leaky([30, 20], 5e-3, drive=0.5, switch_up=0 * Hz)
    neurons = group.neurons
    assert len(neurons) == 50 and group.neurons is neurons
    assert neurons.population[:].tolist() == [0] * 30 + [1] * 20
    some = StateMonitor(neurons, "v", record=[0, 31], when="end")
    rest = StateMonitor(neurons[30:], "v", record=True, when="end")
    assert np.isnan(neurons.v[:]).all()
    Watched(group, 0.1, some, rest)
    np.testing.assert_array_equal(some.v[1], rest.v[1])
    assert len(np.unique(neurons.v[:])) == 50
    with pytest.raises(TypeError, match="read-only"):
        neurons.v = 0


# -- bad input -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ({"switch_up": 5}, DimensionMismatchError, "switch_up must be a rate"),
        ({"switch_down": 5 * ms}, DimensionMismatchError, "switch_down must be a rate"),
        ({"switch_up": -5 * Hz}, ValueError, "switch_up must be one finite rate"),
        ({"switch_up": np.inf * Hz}, ValueError, "switch_up must be one finite rate"),
        ({"switch_up": [5, 6] * Hz}, ValueError, "switch_up must be one finite rate"),
        ({"switch_up": "5*Hz"}, TypeError, "switch_up must be a rate"),
        (
            {"switch_up": 5 * Hz, "switch_down": 6 * Hz},
            ValueError,
            "less than switch_down",
        ),
        ({"hold": 5 * Hz}, DimensionMismatchError, "hold must be a time"),
        ({"hold": -5 * ms}, ValueError, "hold must be a positive"),
        ({"hold": "5*ms"}, TypeError, "hold must be a single time"),
        ({"method": "stochastic"}, ValueError, "method must be 'density'"),
        ({"model": f"{LEAKY}\nmode : 1"}, ValueError, "must not define .* 'mode'"),
        (
            {"model": f"{LEAKY}\nneurons : 1"},
            ValueError,
            "must not define .* 'neurons'",
        ),
        ({"model": 3}, TypeError, "model must be"),
        ({"N": 0}, ValueError, "."),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        leaky(**{"sizes": arguments.pop("N", 10), "dt": 1e-3, **arguments})


def test_no_sparse_kicks_at_once():
    group = leaky(100, 1e-3)
    with pytest.raises(ProjectionError, match=r"'sparse' is sparse .*all-to-all"):
        Projection(group, group, on_pre="v_post += 0.01", p=0.5, name="sparse")
    # With a delay or to others they are input like any other
    Projection(group, group, on_pre="v_post += 0.01", p=0.5, delay=1 * ms)
    Projection(leaky(100, 1e-3), group, on_pre="v_post += 0.01", p=0.5)
    Projection(group, leaky(100, 1e-3), on_pre="v_post += 0.01", p=0.5)


def test_no_endless_firing():
    group = leaky(100, 1e-3)
    with pytest.raises(BrianObjectException) as info:
        Watched(group, 1e-3, coupled(group, 1.1))
    assert "neurons would fire for ever" in str(info.value.__cause__)


# -- targets ---------------------------------------------------------------------------
STEP = 2 * ms
DURATION = 0.8 * second
SIZE = 2000
tau, a = TAU, 0.02
I = 0.6  # noqa: E741


def on_target(name, sizes, model, **arguments):
    """Constants come from this module: see `run_on_targets`."""
    defaultclock.dt = STEP
    return HybridGroup(sizes, model, name=name, **{**RESET, **arguments})


def readers_of(name, **values):
    return {f"{name}_{key}": value for key, value in values.items()}


def periodic_network():
    group = on_target("hybrid_periodic", SIZE, PERIODIC)
    group.p = "exp(-(v - 0.5)**2/(2*0.02))"
    loop = coupled(group, 0.7, name="hybrid_periodic_loop")
    names = ["n", "mode", "v", "A_expected"]
    state = StateMonitor(group, names, True, when="end", name="hybrid_periodic_state")
    few = {"record": [0, 7, SIZE - 1], "when": "end", "name": "hybrid_periodic_few"}
    some = StateMonitor(group.neurons, "v", **few)
    events = EventMonitor(group, "mfe", "event_size", name="hybrid_periodic_events")
    spikes = SpikeMonitor(group.spikes, name="hybrid_periodic_raster")
    rate = PopulationRateMonitor(group.spikes, name="hybrid_periodic_rate")
    readers = readers_of(
        "periodic",
        n=lambda: state.n[0],
        mode=lambda: state.mode[0],
        v=lambda: state.v[0],
        expected=lambda: state.A_expected[0],
        some=lambda: some.v,
        events=lambda: events.event_size,
        spikes=lambda: np.bincount(np.round(spikes.t / STEP).astype(int)),
        rate=lambda: rate.rate / Hz,
    )
    return [group, loop, state, some, events, spikes, rate], readers


MIXED = """
dv/dt = (I + extra + s + J(t) - v)/tau + sqrt(2*a*wide/tau)*xi : 1 (unless refractory)
ds/dt = (0.3 - s)/(0.3*tau) : 1
extra : 1
wide : 1
period : second
"""
J = TimedArray([0.1, 0.3, 0.2, 0.4], dt=0.2 * second)


def mixed_populations(kind, name, **arguments):
    """Excitation, inhibition, private input, common variables, refractory periods."""
    defaultclock.dt = STEP
    group = kind(
        [SIZE, SIZE // 2],
        MIXED,
        refractory="period",
        v_min=-2,
        name=name,
        **RESET,
        **arguments,
    )
    group.extra, group.wide, group.period = [0.4, 0.2], [2, 4], [20, 50] * ms
    scaled = np.array([[0.3, 0.2], [-0.2, -0.1]]) / np.array([[SIZE], [SIZE // 2]])
    loop = Projection(
        group, group, on_pre="v_post += w", weights=scaled, name=f"{name}_loop"
    )
    sparse = Projection(
        group[:1],
        group,
        on_pre=f"v_post += {1 / SIZE}",
        p=0.1,
        delay=2 * STEP,
        name=f"{name}_sparse",
    )
    state = StateMonitor(group, ["n", "v"], True, when="end", name=f"{name}_state")
    return group, [group, loop, sparse, state], state


def mixed_network():
    group, objects, state = mixed_populations(
        HybridGroup, "hybrid_mixed", switch_up=0 * Hz
    )
    every = {"record": True, "when": "end", "name": "hybrid_mixed_all"}
    voltage = StateMonitor(group.neurons, "v", **every)
    readers = readers_of(
        "mixed", n=lambda: state.n, v=lambda: state.v, all=lambda: voltage.v
    )
    return [*objects, voltage], readers


CURVED = """
dv/dt = (1.8 - v + 0.15*exp((v - 1)/0.15))/tau
        + 0.4*sqrt((1 + v**2)/tau)*xi : 1
"""
UPSTROKE = {"threshold": "v > 2", "reset": "v = 0", "v_min": -2, "bins": 200}


def curved_network():
    """Drift and noise that depend on the voltage."""
    group = on_target("hybrid_curved", SIZE, CURVED, switch_up=0 * Hz, **UPSTROKE)
    state = StateMonitor(group, "n", True, when="end", name="hybrid_curved_state")
    return [group, state], readers_of("curved", n=lambda: state.n[0])


def kicked_network():
    """Kicks from a neuron, below and above the fold, from rest."""
    model = "dv/dt = (I - v)/tau + sqrt(2*a/tau)*xi : 1"
    group = on_target("hybrid_kicked", [SIZE] * 2, model, v_min=-0.6)
    start_stationary(group, 0.7, 0.6)
    loop = coupled(group, 0.7, name="hybrid_kicked_loop")
    source = SpikeGeneratorGroup(1, [0], [100] * ms, name="hybrid_kicked_source")
    weights = np.array([[0.10, 0.20]])
    wiring = Projection(
        source, group, on_pre="v_post += w", weights=weights, name="hybrid_kicked_input"
    )
    listener = NeuronGroup(1, "heard : 1", name="hybrid_kicked_listener")
    synapses = Synapses(
        group.spikes, listener, on_pre="heard += 1", name="hybrid_kicked_output"
    )
    synapses.connect()
    state = StateMonitor(
        group, ["n", "mode"], True, when="end", name="hybrid_kicked_state"
    )
    objects = [group, loop, source, wiring, listener, synapses, state]
    readers = readers_of(
        "kicked",
        n=lambda: state.n,
        mode=lambda: state.mode[0],
        heard=lambda: listener.heard[0],
    )
    return objects, readers


@pytest.fixture(scope="module")
def results():
    models = [periodic_network, mixed_network, curved_network, kicked_network]
    return run_on_targets(models, DURATION, TARGETS, name="test_hybrid")


def test_targets_agree_until_there_are_neurons(results):
    first = results["numpy"]
    up = np.flatnonzero(first["periodic_mode"])[0]
    assert 200 < up < 240
    for target in TARGETS[1:]:
        other = results[target]
        assert np.flatnonzero(other["periodic_mode"])[0] == up
        for key in ("n", "v", "expected"):
            name = f"periodic_{key}"
            np.testing.assert_allclose(other[name][:up], first[name][:up], rtol=1e-9)
        np.testing.assert_allclose(
            other["kicked_n"][:, :51], first["kicked_n"][:, :51], rtol=1e-9
        )


@pytest.mark.parametrize("target", TARGETS)
def test_event_on_targets(results, target):
    found = {k[9:]: v for k, v in results[target].items() if k.startswith("periodic")}
    modes = found["mode"].astype(bool)
    assert np.count_nonzero(np.diff(modes)) == 2
    assert np.isnan(found["some"][:, ~modes]).all()
    assert np.isfinite(found["some"][:, modes]).all()
    assert len(found["events"]) == 1
    assert found["events"][0] == pytest.approx(0.85, abs=0.06)
    total = np.cumsum(found["n"])
    assert total[-1] / SIZE == pytest.approx(1.01, abs=0.02)
    assert half_fired(found["n"] / SIZE, 2e-3) == pytest.approx(0.4657, abs=0.01)
    spikes = np.append(found["spikes"], np.zeros(400 - len(found["spikes"])))
    np.testing.assert_array_equal(np.cumsum(spikes), np.floor(total + 1e-6))
    np.testing.assert_allclose(found["rate"] * 2e-3 * SIZE, spikes)
    whole = found["n"][modes]
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-6)


@pytest.fixture(scope="module")
def densities():
    """The same networks as densities."""
    group, objects, state = mixed_populations(DensityGroup, "density_mixed")
    Network(objects).run(DURATION)
    defaultclock.dt = STEP
    curved = DensityGroup(1, CURVED, **UPSTROKE)
    counts = StateMonitor(curved, "n", True, when="end")
    Network(curved, counts).run(DURATION)
    return np.asarray(state.n), np.asarray(state.v), np.asarray(counts.n[0])


@pytest.mark.parametrize("target", TARGETS)
def test_mixed_populations_on_targets(results, densities, target):
    found, (number, mean, _) = results[target], densities
    total, expected = found["mixed_n"].sum(axis=1), number.sum(axis=1)
    # Coupled spikes vary a little more than those of a Poisson process
    assert np.all(np.abs(total - expected) < 6 * np.sqrt(expected))
    assert np.all(expected > 200)
    spread = np.sqrt(0.08 / np.array([[SIZE], [SIZE // 2]]))
    assert np.all(np.abs(found["mixed_v"] - mean) < 6 * spread)
    parts = found["mixed_all"][:SIZE], found["mixed_all"][SIZE:]
    means = [part.mean(axis=0) for part in parts]
    # Delayed input, which moves the neurons in the next step, is in one but not in the
    # other
    np.testing.assert_allclose(found["mixed_v"], means, rtol=0, atol=2e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_curved_drift_on_targets(results, densities, target):
    expected = densities[2].sum() * SIZE
    assert expected > 350
    total = results[target]["curved_n"].sum()
    assert abs(total - expected) < 4.5 * np.sqrt(expected) + 0.005 * expected


@pytest.mark.parametrize("target", TARGETS)
def test_kicks_on_targets(results, target):
    number, modes = results[target]["kicked_n"], results[target]["kicked_mode"]
    assert np.flatnonzero(modes)[0] == 51
    np.testing.assert_allclose(number[:, 51] / SIZE, [0.013, 0.994], atol=4e-3)
    heard = results[target]["kicked_heard"]
    assert heard == np.floor(number.sum(axis=1) + 1e-6).sum()
