"""Densities of the voltage from the strings of a `NeuronGroup`."""

import numpy as np
import pytest
from brian2 import (
    EventMonitor,
    Network,
    NetworkOperation,
    NeuronGroup,
    PopulationRateMonitor,
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
from density_models import Density, half_fired
from targets import TARGETS, assert_targets_agree, run_on_targets

from brian2_multiscale import Projection
from brian2_multiscale.density import DensityGroup
from brian2_multiscale.numerics.density import siegert_rate, stationary

TAU = 1 * second
LEAKY = "dv/dt = (I - v)/tau + sqrt(2*a/tau)*xi : 1 (unless refractory)\nI : 1\na : 1"
RESET = {"threshold": "v > 1", "reset": "v = 0"}
BUILT = {"tau": TAU}


def leaky(sizes, dt, a=0.02, drive=0.0, model=LEAKY, **arguments):
    """Populations of leaky neurons, in units of their time constant."""
    defaultclock.dt = dt * second
    arguments = {**RESET, "namespace": BUILT, **arguments}
    group = DensityGroup(sizes, model, **arguments)
    for name, value in (("I", drive), ("a", a)):
        if name in group.equations.names and name not in group.equations.subexpr_names:
            setattr(group, name, value)
    return group


def coupled(group, strength, **arguments):
    """A projection that kicks by `strength` in total when all neurons fire."""
    weights = np.diag(np.broadcast_to(strength, len(group)) / np.array(group.sizes))
    return Projection(group, group, on_pre="v_post += w", weights=weights, **arguments)


def spikes(group, duration, *objects):
    """Fraction of every population that fires in each step."""
    monitor = StateMonitor(group, "n", True, when="end")
    run(Network(group, monitor, *objects), duration)
    return np.asarray(monitor.n) / np.array(group.sizes)[:, None]


def run(network, duration):
    network.run(duration * second, namespace={})


def masses(group, density=None):
    """What is in the bins of every population."""
    density = np.asarray(group.p if density is None else density)
    ends = np.cumsum([grid.cells for grid in group.grids])
    parts = np.split(density, ends[:-1])
    return [p.sum() * g.width for p, g in zip(parts, group.grids, strict=True)]


def moments(group):
    """Mean and variance of the voltage of the only population."""
    grid = group.grids[0]
    masses = np.asarray(group.p) * grid.width
    mean = masses @ grid.centres
    return mean, masses @ (grid.centres - mean) ** 2


def twin(group, population=0, **arguments):
    """The same population as arrays, without Brian2."""
    assert group.density is not None  # makes the grids
    grid = group.grids[population]
    return Density(
        threshold=grid.top,
        reset=grid.reset,
        dt=float(group.clock.dt),
        bins=grid.cells - grid.reset_cell - 1,
        bottom=grid.reset - (grid.reset_cell - 0.5) * grid.width,
        **arguments,
    )


# -- the regression table through the strings ------------------------------------------
def test_a_subcritical():
    group = leaky(1000, 5e-3, a=1, threshold="v > 2", reset="v = 1", v_min=-5)
    other = twin(group, diffusion=1, coupling=0.5).normal(0, 0.25)
    group.p = other.density
    found = spikes(group, 3, coupled(group, 0.5))[0]
    np.testing.assert_allclose(found, other.run(3), rtol=1e-9)
    assert found.sum() == pytest.approx(0.37286, rel=3e-3)
    expected = [0.0463, 0.1096, 0.1304, 0.1363, 0.1376]
    expected += [0.1375, 0.1370, 0.1365, 0.1361, 0.1357]
    rates = found.reshape(10, -1).sum(axis=1) / 0.3
    np.testing.assert_allclose(rates, expected, atol=1.2e-3)
    assert masses(group)[0] == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("reset, expected", [("clamp", 1.0112), ("shift", 1.0120)])
def test_b_pulse(reset, expected):
    """Stationary, then a pulse of 0.1."""
    pulse = TimedArray([0.6] + [3.6] * 1 + [0.6] * 8, dt=0.1 * second)
    model = "dv/dt = (pulse(t) - v)/tau + sqrt(2*0.02/tau)*xi : 1"
    names = {**BUILT, "pulse": pulse}
    changes = {"mfe_reset": reset, "v_min": -0.6, "namespace": names}
    group = leaky(1000, 1e-3, model=model, **changes)
    other = twin(group, coupling=0.7, drive=0.6, physical=int(reset == "shift"))
    other.settled()
    group.p = other.density
    events = EventMonitor(group, "mfe", "event_size")
    objects = coupled(group, 0.7), events
    # A density has settled without knowing how much fired in the step before
    found = spikes(group, 0.5, *objects)[0]
    expected_spikes = other.run(0.5, lambda t: pulse(t * second))
    np.testing.assert_allclose(found, expected_spikes, rtol=1e-8)
    assert found.sum() == pytest.approx(expected, abs=2.5e-3)
    assert half_fired(found, 1e-3) + 0.9 == pytest.approx(1.0526, abs=1.5e-3)
    assert len(events.t) == 1
    assert 0.5 < events.event_size[0] < 1


PERIODIC = """
dv/dt = (drive - v)/tau + sqrt(2*0.02/tau)*xi : 1
drive = 0.8 + 0.5*sin(2*pi*t/(1.5*tau)) : 1
"""


def test_c_periodic():
    """An event per cycle; the fifth cycle is that of the table."""
    for reset, last in (("clamp", 1.0256), ("shift", 1.0512)):
        group = leaky(500, 2.5e-3, model=PERIODIC, mfe_reset=reset, v_min=-0.2)
        group.p = "exp(-(v - 0.5)**2/(2*0.02))"
        events = EventMonitor(group, "mfe", "event_size")
        found = spikes(group, 7.5, coupled(group, 0.7), events)[0]
        assert len(events.t) == 5
        assert half_fired(found, 2.5e-3) == pytest.approx(0.4662, abs=3e-3)
        assert found[-600:].sum() == pytest.approx(last, abs=2e-3)
        assert masses(group)[0] == pytest.approx(1, abs=1e-10)


def test_parts_of_a_population_are_the_population():
    """An event begins in the same step, although several are solved by iteration."""
    found = {}
    for sizes in ((1000,), (300, 700)):
        group = leaky(list(sizes), 2.5e-3, model=PERIODIC, v_min=-0.2)
        group.p = "exp(-(v - 0.5)**2/(2*0.02))"
        projection = Projection(group, group, on_pre="v_post += w", weights=0.7 / 1000)
        fired = spikes(group, 0.6, projection)
        found[len(sizes)] = np.array(sizes) @ fired / 1000
    assert found[1].max() > 0.5
    np.testing.assert_allclose(found[2], found[1], atol=1e-9)


KICKS = {0.10: 0.0130, 0.15: 0.0750, 0.16: 0.9920, 0.20: 0.9943}


@pytest.fixture
def quiet():
    """Four populations in the stationary state of problem B."""
    group = leaky([1000] * 4, 1e-3, drive=0.6, v_min=-0.6)
    other = twin(group, coupling=0.7, drive=0.6)
    rate = other.settled()
    group.p = np.tile(other.density, 4)
    return group, rate


def test_d_the_fold(quiet):
    """What is added to the voltage is a kick; in one step, spikes of all generations.

    Between 0.15 and 0.16 the size of the cascade jumps.
    """
    group, rate = quiet
    events = EventMonitor(group, "mfe", "event_size")
    n = StateMonitor(group, "n", True, when="end")
    network = Network(group, coupled(group, 0.7), events, n)
    run(network, 1e-3)
    group.v += np.array([*KICKS])
    run(network, 1e-3)
    found = np.asarray(n.n)[:, 1] / 1000
    assert events.i[:].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(events.event_size, [*KICKS.values()], atol=1e-3)
    # Then drift and noise go on from voltages close to the threshold
    rest = found - events.event_size
    assert np.all((rate * 1e-4 < rest) & (rest < 4e-3))


def test_d_sparse(quiet):
    """Fifty synapses per neuron: kicks differ between neurons."""
    group, _ = quiet
    loop = Projection(
        group, group, on_pre="v_post += w", weights=np.eye(4) * 0.7 / 50, p=0.05
    )
    events = EventMonitor(group, "mfe", "event_size")
    network = Network(group, loop, events)
    run(network, 1e-3)
    group.v += np.array([0.15, 0.13, 0, 0])
    run(network, 1e-3)
    assert events.i[:2].tolist() == [0, 1]
    np.testing.assert_allclose(events.event_size[:2], [0.9871, 0.0359], atol=3e-4)


def test_g_refractory():
    """A period for each population, from a parameter."""
    model = f"{LEAKY}\nperiod : second"
    changes = {"refractory": "period", "model": model, "v_min": -1.6}
    group = leaky([1000] * 3, 5e-3, a=0.1, drive=0.9, **changes)
    group.period = [0.05, 0.1, 0.3] * second
    found = spikes(group, 8, coupled(group, 0.3))[:, -1] / 5e-3
    expected = [0.60141, 0.57811, 0.50335]
    np.testing.assert_allclose(found, expected, rtol=1.5e-3)
    for rate, period in zip(expected, (0.05, 0.1, 0.3), strict=True):
        assert siegert_rate(0.9 + 0.3 * rate, 0.1**0.5, 1, 0, 1, period) == (
            pytest.approx(rate, rel=1e-4)
        )


EXPONENTIAL = """
dv/dt = (I + upstroke - v)/tau + strength*xi : 1
upstroke = Delta*exp((v - 1)/Delta) : 1
strength = sqrt(2*0.1/tau) : Hz**0.5
I : 1
Delta : 1 (shared)
"""


def test_h_exponential():
    """Any drift; subexpressions and shared parameters."""
    changes = {"threshold": "2.5 < v", "model": EXPONENTIAL, "bins": 150}
    group = leaky([100] * 3, 0.01, drive=[0.5, 0.8, 1.2], **changes, v_min=-1.6)
    group.Delta = 0.15
    found = spikes(group, 12)[:, -1] / 0.01
    # Who fires waits for the next step
    rates = 1 / (1 / found - 0.01)
    np.testing.assert_allclose(rates, [0.04876, 0.18596, 0.44648], rtol=1e-3)


def test_i_delay():
    """Three delays in one group.

    In the table a delay is that between two steps; that of a projection starts, as in
    Brian2, at the end of the step.
    """
    group = leaky([200] * 3, 2.5e-3, model=PERIODIC, v_min=-0.2)
    group.p = "exp(-(v - 0.5)**2/(2*0.02))"
    steps = [2, 8, 40]
    loop = coupled(group, 0.7, delay=np.diag([k - 1 for k in steps]) * 2.5 * ms)
    start = np.split(np.array(group.p), 3)
    found = spikes(group, 0.8, loop)
    half = [half_fired(f, 2.5e-3) for f in found]
    np.testing.assert_allclose(half, [0.5015, 0.5575, 0.7195], atol=4e-3)
    times = (np.arange(320) + 0.5) * 2.5e-3
    for k, delay in enumerate(steps):
        # Kicks from outside: who fires loses what exceeds the threshold
        other, past = twin(group, k, physical=0), [0.0] * delay
        other.density = start[k]
        for t in times:
            drive = 0.8 + 0.5 * np.sin(2 * np.pi * t / 1.5)
            past.append(other.step(drive, kick=0.7 * past[-delay]))
        np.testing.assert_allclose(found[k], past[delay:], rtol=1e-7, atol=1e-14)


# -- drift and noise -------------------------------------------------------------------
def test_multiplicative_noise():
    """As Stratonovich meant: ``p ~ 1/g exp(2 int f/g^2)``."""
    model = "dv/dt = -v/tau + sqrt(0.2/tau)*sqrt(1 + v**2)*xi : 1"
    errors = []
    for bins in (60, 120):
        changes = {"threshold": "v > 6", "bins": bins, "v_min": -6}
        group = leaky(10, 0.5, model=model, **changes)
        spikes(group, 60)
        v = group.grids[0].centres
        expected = (1 + v**2) ** -5.5
        expected /= expected.sum() * group.grids[0].width
        errors.append(np.abs(np.asarray(group.p) - expected).max() / expected.max())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    # Ito's would be (1 + v**2)**-6, 8 % higher in the middle
    ito = (1 + v**2) ** -6.0
    assert abs(ito.max() / (ito.sum() * group.grids[0].width) / expected.max() - 1) > (
        10 * errors[1]
    )


def test_two_sources_of_noise_add_up():
    model = "dv/dt = (1 - v)/tau + 0.3*xi_1*sqrt(1/tau) + 0.4*xi_2*sqrt(1/tau) : 1"
    names = {"threshold": "v > 5", "v_min": -3, "bins": 200}
    group = leaky(10, 0.5, model=model, **names)
    spikes(group, 20)
    mean, variance = moments(group)
    assert mean == pytest.approx(1, abs=1e-6)
    assert variance == pytest.approx(0.25 / 2, rel=2e-3)


UNITS = """
dv/dt = (mu - v)/(20*ms) + 3*mV*xi*sqrt(2/(20*ms)) : volt (unless refractory)
mu : volt
"""
PURE = """
dv/dt = (mu - v)/(20*ms) + 0.3*xi*sqrt(2/(20*ms)) : 1 (unless refractory)
mu : 1
"""


def test_units():
    """Volts and pure numbers: the same spikes."""
    defaultclock.dt = 0.2 * ms
    common = {"refractory": 2 * ms, "namespace": {}}
    limits = {"threshold": "v > 10*mV", "reset": "v = 0*mV"}
    volts = DensityGroup([80, 50], UNITS, **limits, **common)
    numbers = DensityGroup([80, 50], PURE, **RESET, **common)
    volts.mu, numbers.mu = [9, 11] * mV, [0.9, 1.1]
    volts.p, numbers.p = "exp(-(v - 5*mV)**2/mV**2)", "exp(-(10*v - 5)**2)"
    kicks = {"on_pre": "v_post += w", "p": [[1, 0.3], [0, 1]]}
    a = Projection(volts, volts, weights=0.02 * mV, **kicks)
    b = Projection(numbers, numbers, weights=0.002, **kicks)
    found = [StateMonitor(g, ["n", "v"], True) for g in (volts, numbers)]
    Network(volts, numbers, a, b, *found).run(50 * ms)
    assert found[0].n.max() > 0.3
    np.testing.assert_allclose(found[0].n, found[1].n, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found[0].v / (10 * mV), found[1].v, rtol=1e-9)
    in_numbers = np.asarray(volts.p) * float(10 * mV)
    np.testing.assert_allclose(in_numbers, np.asarray(numbers.p), rtol=1e-8)


@pytest.mark.parametrize("refractory", [False, "period"])
def test_populations_are_separate_groups(refractory):
    model = f"{LEAKY}\nperiod : second\nv_t : 1\nv_r : 1"
    limits = {"threshold": "v > v_t", "reset": "v = v_r", "refractory": refractory}
    values = {"a": [0.05, 0.1, 0.02], "v_t": [1, 1.5, 2]}
    values |= {"v_r": [0, -0.5, 0.2], "period": [0.01, 0.03, 0.1] * second}
    values |= {"v": [0.7, 0.9, 1.4]}
    values["I"] = [1.2, 1.5, 2.2]
    sizes = [100, 1, 10**9]
    together = leaky(sizes, 0.01, model=model, **limits)
    alone = [leaky(n, 0.01, model=model, **limits) for n in sizes]
    for name, value in values.items():
        setattr(together, name, value)
        for k, group in enumerate(alone):
            setattr(group, name, value[k])
    every = coupled(together, 0.3)
    found = spikes(together, 2, every)
    assert found.sum(axis=1).min() > 0.5
    for k, group in enumerate(alone):
        one = spikes(group, 2, coupled(group, 0.3))[0]
        np.testing.assert_allclose(found[k], one, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    "threshold, reset",
    [
        ("v > v_t", "v -= v_t - v_r"),
        ("v >= v_t", "v = v_r + 0*I"),
        ("v_t < v", "v = 2*v_r\nv = v/2"),
        ("v - v_t > 0", "v += v_r - v_t"),
        ("2*v > 2*v_t", "v = v_r"),
        ("high > 3*v_t", "v = v_r"),
    ],
)
def test_strings_that_mean_the_same(threshold, reset):
    model = f"{LEAKY}\nhigh = 3*v : 1"
    names = {**BUILT, "v_t": 1, "v_r": 0.25}
    changes = {"threshold": threshold, "reset": reset, "namespace": names}
    groups = [
        leaky(10, 0.01, 0.02, 1.2, model=model, **changes),
        leaky(10, 0.01, 0.02, 1.2, reset="v = 0.25"),
    ]
    for group in groups:
        group.v = 0.8
    found = [spikes(g, 0.5, coupled(g, 0.3))[0] for g in groups]
    assert found[0].sum() > 0.1
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-15)


# -- common variables ------------------------------------------------------------------
MOVING = {
    "equation": ("dv/dt = s/tau{}\nds/dt = -s/tau : 1", 1 - np.exp(-1.6)),
    "time": ("dv/dt = sin(3*t/tau)/tau{}", (1 - np.cos(4.8)) / 3),
}


@pytest.mark.parametrize("kind", MOVING)
def test_order_of_what_drives(kind):
    """Without a leak the mean is the integral of the drive: of second order."""
    model, exact = MOVING[kind]
    model = model.format(" + 0.2*xi*sqrt(1/tau) : 1")
    errors = []
    for dt in (0.2, 0.1):
        limits = {"threshold": "v > 5", "v_min": -3, "bins": 200}
        group = leaky(10, dt, model=model, **limits, common_method="exact")
        if kind == "equation":
            group.s = 1
        spikes(group, 1.6)
        errors.append(abs(float(group.v[0]) - exact))
    assert errors[1] < 1e-2
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_common_variables():
    """An ODE, a parameter, a `TimedArray` and subexpressions of them, as one drive."""
    model = """
    dv/dt = (total - v)/tau + sqrt(2*0.05/tau)*xi : 1
    ds/dt = (c - s)/(0.3*tau) : 1
    dc/dt = -c/(0.5*tau) : 1
    total = shape(t, i) + both*0.5 : 1
    both = s + I : 1
    I : 1
    """
    steps = np.array([[0.5, 1.5], [1.2, 0.2]])
    names = {**BUILT, "shape": TimedArray(steps, dt=0.4 * second)}
    group = leaky([50, 70], 0.01, drive=[0.4, 0.8], model=model, namespace=names)
    group.c = [1, 2]
    other = [twin(group, k, diffusion=0.05) for k in range(2)]
    group.p = np.concatenate([o.normal(0.2, 0.01).density for o in other])
    monitor = StateMonitor(group, "s", True)
    found = spikes(group, 0.8, monitor)
    ends = np.concatenate([np.asarray(monitor.s), np.asarray(group.s)[:, None]], axis=1)
    middle = (ends[:, 1:] + ends[:, :-1]) / 2
    drives = steps.repeat(40, axis=0).T + 0.5 * (middle + np.array([[0.4], [0.8]]))
    for k, o in enumerate(other):
        expected = [o.step(x) for x in drives[k]]
        np.testing.assert_allclose(found[k], expected, rtol=1e-8, atol=1e-15)
    assert found.sum(axis=1).min() > 0.01


# -- what can be read and written ------------------------------------------------------
def test_activity_and_events():
    group = leaky([500, 200], 2e-3, drive=1.2, v_min=-0.5)
    group.v = [0.5, 0.3]
    names = ["n", "A", "A_expected", "event_size"]
    monitor = StateMonitor(group, names, True, when="end")
    events = EventMonitor(group, "mfe", "event_size")
    weights = np.diag([0.8 / 500, 0])
    loop = Projection(group, group, on_pre="v_post += w", weights=weights)
    Network(group, monitor, events, loop).run(1 * second)
    found = {name: np.asarray(getattr(monitor, name)) for name in names}
    fractions = found["n"] / np.array([[500], [200]])
    np.testing.assert_allclose(found["A"], fractions / 2e-3, rtol=1e-12)
    assert np.all(found["A_expected"] <= found["A"] * (1 + 1e-12))
    np.testing.assert_allclose(found["A_expected"][1], found["A"][1], rtol=1e-12)
    happened = np.argwhere(found["event_size"].T > 0)
    assert len(happened) and np.all(happened[:, 1] == 0)
    np.testing.assert_allclose(events.t / second, happened[:, 0] * 2e-3)
    np.testing.assert_array_equal(events.i, happened[:, 1])
    sizes = found["event_size"].T[tuple(happened.T)]
    np.testing.assert_array_equal(events.event_size, sizes)
    assert np.all(sizes <= fractions.T[tuple(happened.T)])


def test_the_density_can_be_recorded():
    group = leaky([50, 20], 0.01, drive=[0.5, 1.5], a=[0.02, 0.05])
    group.p = "exp(-(v - 0.3*(1 + i))**2/0.02)"
    monitor = StateMonitor(group.density, "p", record=True, when="end")
    part = StateMonitor(group[1:].density, "p", record=[0, 5], when="end")
    mean = StateMonitor(group, "v", record=True, when="end")
    spikes(group, 0.2, monitor, part, mean)
    density, grids = np.asarray(monitor.p), group.grids
    first = grids[0].cells
    assert len(group.density) == first + grids[1].cells == len(group.p)
    np.testing.assert_array_equal(part.p, density[[first, first + 5]])
    np.testing.assert_array_equal(density[:, -1], group.p)
    assert group.density.population[:].tolist() == [0] * first + [1] * grids[1].cells
    assert np.asarray(group.density.of(1).v)[-1] + grids[1].width / 2 == pytest.approx(
        1
    )
    for k, own in enumerate((slice(first), slice(first, None))):
        width = grids[k].width
        np.testing.assert_allclose(density[own].sum(axis=0) * width, 1, atol=1e-10)
        assert density.min() >= 0
        expected = np.asarray(group.density.v)[own] @ density[own] * width
        np.testing.assert_allclose(np.asarray(mean.v)[k], expected, atol=1e-12)


def test_mean_and_mass_with_refractory_neurons():
    """They wait at the reset; density and refractory ones are all neurons."""
    limits = {"reset": "v = 0.25", "refractory": 0.2 * second}
    group = leaky(50, 0.01, drive=2, **limits, v_min=-0.5)
    recent = []

    def look():
        recent.append(float(group.n[0]) / 50)
        mass = masses(group)[0]
        ring = np.asarray(group.updater.variables["_ring"].get_value())
        assert mass + ring.sum() == pytest.approx(1, abs=1e-10)
        assert ring.sum() == pytest.approx(sum(recent[-20:]), abs=1e-10)
        grid = group.grids[0]
        inside = np.asarray(group.p) @ grid.centres * grid.width
        expected = inside + ring.sum() * 0.25
        assert float(group.v[0]) == pytest.approx(expected, abs=1e-10)

    Network(group, NetworkOperation(look, when="end")).run(1.5 * second)
    assert max(recent) > 0.02


def test_setting_the_density():
    group = leaky([10, 20], 0.01, a=[0.02, 0.05])
    group.I = [0.1, 0.6]
    group.p = "exp(-(v - I)**2/0.01)*(v > 0)"
    cells = [grid.cells for grid in group.grids]
    v = np.asarray(group.density.v)
    drive = np.repeat([0.1, 0.6], cells)
    shape = np.exp(-((v - drive) ** 2) / 0.01) * (v > 0)
    for part in (slice(cells[0]), slice(cells[0], None)):
        expected = shape[part] / shape[part].sum()
        found = np.asarray(group.p)[part]
        np.testing.assert_allclose(found / found.sum(), expected, rtol=1e-12)
    np.testing.assert_allclose(masses(group), 1, rtol=1e-12)
    means = np.array(
        [
            s @ v_ / s.sum()
            for s, v_ in zip(
                np.split(shape, cells[:1]), np.split(v, cells[:1]), strict=True
            )
        ]
    )
    np.testing.assert_allclose(group.v, means, rtol=1e-12)
    before = np.array(group.p)
    group.p = 7 * before  # normalised
    np.testing.assert_allclose(group.p, before, rtol=1e-12)
    group.p = 1
    np.testing.assert_allclose(masses(group), 1, rtol=1e-12)


def test_all_neurons_start_at_the_voltage_of_the_group():
    group = leaky([1, 1], 1e-4, v_min=-0.6)
    group.v = [0.3, -0.125]
    spikes(group, 1e-4)
    np.testing.assert_allclose(group.v, [0.3, -0.125], atol=1e-4)
    for grid, p in zip(group.grids, np.split(np.asarray(group.p), 2), strict=True):
        assert np.sum(p * grid.width > 0.02) <= 4


@pytest.mark.parametrize("kick", [0.004, 0.3, -0.004, -0.3])
def test_kicks_move_the_density(kick):
    """By less or more than a bin; from outside or regularly."""
    groups = [leaky(10, 1e-4, v_min=-1.5) for _ in range(3)]
    regular = groups[2].run_regularly(f"v += {kick}*int(t < 0.05*ms)")
    networks = [Network(g) for g in groups]
    for group, network in zip(groups, networks, strict=True):
        group.p = "exp(-(v - 0.2)**2/(2*0.005))"
        run(network, 1e-4)
    groups[0].v += kick
    assert float(groups[0].v[0] - groups[1].v[0]) == pytest.approx(kick)
    assert regular.when == "start"
    for network in networks:
        run(network, 1e-4)
    (mean, var), (mean_0, var_0), (mean_2, var_2) = (moments(g) for g in groups)
    assert mean - mean_0 == pytest.approx(kick, rel=2e-3)
    assert mean_2 == pytest.approx(mean, abs=1e-4 * abs(kick) + 1e-9)
    # Relocation adds a variance of at most a quarter of a squared bin; what is less
    # than a bin is a drift in this step
    width = groups[0].grids[0].width
    allowed = width**2 / 4 if abs(kick) > width else abs(kick) * (width + abs(kick))
    for found in (var, var_2):
        assert abs(found - var_0) < allowed
    assert masses(groups[0])[0] == pytest.approx(1, abs=1e-12)


def test_a_voltage_that_is_set_is_a_kick():
    """`v` reads as the mean: setting it moves everybody."""
    group = leaky(10, 1e-4, v_min=-1)
    network = Network(group)
    group.p = "exp(-(v - 0.2)**2/(2*0.005))"
    before = moments(group)[1]
    run(network, 1e-4)
    group.v = 0.5
    run(network, 1e-4)
    mean, variance = moments(group)
    assert mean == pytest.approx(0.5, abs=1e-3)
    assert variance == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("method", ["density", "stochastic"])
def test_two_runs_are_one(method):
    traces, ends = [], []
    for parts in ([0.6], [0.25, 0.35], "restored"):
        limits = {"refractory": 0.05 * second, "method": method}
        group = leaky(100, 0.01, drive=1.2, **limits, name=f"parts_{len(traces)}")
        group.v = 0.7
        loop = coupled(group, 0.9)
        monitor = StateMonitor(group, "n", True, when="end")
        network = Network(group, loop, monitor)
        seed(5)
        if parts == "restored":
            run(network, 0.25)
            network.store()
            run(network, 0.5)
            network.restore(restore_random_state=True)
            parts = [0.35]
        for part in parts:
            run(network, part)
        traces.append(np.asarray(monitor.n)[0])
        ends.append(np.array(group.p))
    assert traces[0].max() > 1
    for trace, end in zip(traces[1:], ends[1:], strict=True):
        np.testing.assert_array_equal(trace, traces[0])
        np.testing.assert_array_equal(end, ends[0])


def test_store_before_the_first_run():
    """The state at the beginning is stored as well."""
    group = leaky(100, 0.01, drive=1.2)
    group.p = "exp(-(v - 0.5)**2/0.02)"
    network = Network(group)
    network.store()
    found = []
    for _ in range(2):
        network.restore()
        run(network, 0.3)
        found.append(np.array(group.p))
    np.testing.assert_array_equal(*found)


# -- single spikes ---------------------------------------------------------------------
def test_spikes_of_the_neurons():
    """Whole numbers that keep up with `n`; of several populations, and of a part."""
    seed(3)
    limits = {"refractory": 0.05 * second, "drive": [1.2, 2.0, 1.5]}
    group = leaky([300, 200, 5], 0.005, **limits)
    n = StateMonitor(group, "n", True, when="end")
    spiking, rate = SpikeMonitor(group.spikes), PopulationRateMonitor(group.spikes)
    part = SpikeMonitor(group[1:].spikes)
    target = NeuronGroup(1, "x : 1")
    synapses = Synapses(group.spikes, target, on_pre="x_post += 1")
    synapses.connect()
    spikes(group, 2, n, spiking, rate, part, target, synapses)
    steps = np.round(spiking.t / (5 * ms)).astype(int)
    population = np.asarray(group.spikes.population)[spiking.i]
    sums = np.zeros((3, 400))
    np.add.at(sums, (population, steps), 1)
    behind = np.cumsum(np.asarray(n.n) - sums, axis=1)
    assert behind.min() > -1e-4 and behind.max() < 1
    assert sums.sum(axis=1).min() > 2
    assert target.x[0] == spiking.num_spikes == len(spiking.i)
    assert part.num_spikes == np.sum(population > 0)
    assert np.array_equal(part.i, spiking.i[population > 0] - 300)
    np.testing.assert_allclose(np.asarray(rate.rate) * 0.005 * 505, sums.sum(axis=0))


def test_stochastic_spikes_are_those_of_the_population():
    seed(3)
    group = leaky([300, 20], 0.005, drive=1.2, method="stochastic")
    n = StateMonitor(group, "n", True, when="end")
    spiking = SpikeMonitor(group.spikes)
    spikes(group, 1, n, spiking, coupled(group, 0.5))
    counts = np.asarray(n.n)
    np.testing.assert_array_equal(counts, np.round(counts))
    steps = np.round(spiking.t / (5 * ms)).astype(int)
    sums = np.bincount(steps, minlength=200)
    np.testing.assert_array_equal(sums, counts.sum(axis=0))
    np.testing.assert_allclose(masses(group), 1, atol=1e-10)


def test_stochastic_populations_follow_the_density():
    """Many neurons: the density, up to fluctuations of known size.

    Spikes of independent neurons are at most as variable as those of Poisson
    processes: the error of the mean over the last 2.5 of 200 populations of 1000.
    """
    seed(8)
    changes = {"a": 0.1, "drive": 0.9, "v_min": -1.6, "refractory": 0.1 * second}
    one = leaky(1000, 0.02, **changes)
    many = leaky([1000] * 40, 0.02, method="stochastic", **changes)
    found = spikes(many, 5, coupled(many, 0.3))[:, 125:]
    expected = spikes(one, 5, coupled(one, 0.3))[0, 125:]
    error = np.sqrt(expected.sum() / 40_000)
    assert abs(found.mean(axis=0).sum() - expected.sum()) < 4 * error
    assert error < 0.01 * expected.sum()
    # Variance between populations of the spikes of one step: binomial
    variance = found.var(axis=0).mean() / (expected.mean() / 1000)
    assert variance == pytest.approx(1, abs=5 * np.sqrt(2 / 40 / 125) * 1.5)


# -- neurons whose threshold is tested at time steps -----------------------------------
@pytest.mark.parametrize("refractory", [0, 3])
def test_match_dt(refractory):
    """Euler's method at dt = 0.1 ms, tau = 20 ms: 4 % less than continuous time."""
    defaultclock.dt = 0.1 * ms
    model = "dv/dt = (0.9 - v)/(20*ms) + sqrt(2*0.1/(20*ms))*xi : 1 (unless refractory)"
    period = refractory * ms if refractory else False
    limits = {**RESET, "refractory": period, "namespace": {}}
    number = 4000
    neurons = NeuronGroup(number, model, method="euler", **limits)
    seed(4)
    neurons.v = "rand()*0.8"
    counts = SpikeMonitor(neurons, record=False)
    network = Network(neurons, counts)
    network.run(100 * ms)
    before = counts.num_spikes
    network.run(300 * ms)
    rate = (counts.num_spikes - before) / (number * 0.3)
    # Intervals with a coefficient of variation below 0.8
    error = 0.8 / np.sqrt(rate * 0.3 * number)
    found = {}
    for match in (True, False):
        group = DensityGroup(1, model, match_dt=match, v_min=-1.6, **limits)
        monitor = StateMonitor(group, "A", True, when="end")
        Network(group, monitor).run(150 * ms)
        found[match] = float(monitor.A[0, -1])
    # Who fires without a refractory period waits for the next step
    away = max(refractory * 1e-3, 1e-4)
    continuous = siegert_rate(0.9, 0.1**0.5, 1, 0, 0.02, away)
    assert error < 0.006
    assert found[True] == pytest.approx(rate, rel=3.5 * error + 3e-3)
    assert found[False] == pytest.approx(continuous, rel=2e-3)
    if not refractory:
        assert rate / found[False] - 1 == pytest.approx(-0.043, abs=4 * error)
    assert found[False] / rate - 1 > 5 * error


def test_match_dt_raises_the_threshold():
    group = leaky([1, 1], 0.01, a=[0.1, 0.4], match_dt=True)
    tops = [grid.top for grid in group.grids] if group.density is not None else None
    expected = 1 + 0.5825971579390107 * np.sqrt(2 * np.array([0.1, 0.4]) * 0.01)
    np.testing.assert_allclose(tops, expected, rtol=1e-12)
    assert [grid.reset for grid in group.grids] == [0, 0]


@pytest.mark.parametrize("match", [False, True])
def test_length_of_the_refractory_period(match):
    """All fire at once and return after whole steps."""
    changes = {"refractory": 0.05 * second, "match_dt": match, "v_min": -1}
    group = leaky(1, 0.01, drive=0, **changes)
    inside = []
    operation = NetworkOperation(lambda: inside.append(masses(group)[0]), when="end")
    network = Network(group, operation)
    run(network, 0.01)
    group.v += 3
    run(network, 0.1)
    expected = [1] + [0] * 5 + [1] * 5
    np.testing.assert_allclose(inside, expected, atol=1e-10)


# -- grids -----------------------------------------------------------------------------
def test_automatic_grids_are_fine_enough():
    """Rates against the closed form for noise from weak to strong."""
    a = np.array([0.002, 0.02, 0.2, 2.0])
    group = leaky([1] * 4, 0.02, a=a, drive=1.1)
    found = spikes(group, 12)[:, -1] / 0.02
    # A density without refractory period waits for the rest of the step
    for k, noise in enumerate(a):
        rate = siegert_rate(1.1, noise**0.5, 1, 0, 1)
        assert found[k] / (1 - 0.02 * found[k] / 1) == pytest.approx(rate, rel=0.05)
        grid = group.grids[k]
        absent = stationary(
            grid.width, grid.reset_cell, 1.1 - grid.faces, np.full(grid.cells, noise)
        )[0]
        assert absent == pytest.approx(rate, rel=2e-3)


def test_bins_and_lower_end():
    group = leaky([1, 1], 0.01, a=[0.02, 0.5], drive=[0.5, -1], bins=37, v_min=-2.5)
    assert group.density is not None
    for grid in group.grids:
        assert grid.cells - grid.reset_cell - 1 == 37
        assert grid.faces[-1] == 1
        assert grid.centres[grid.reset_cell] == pytest.approx(0, abs=1e-14)
        assert grid.width == pytest.approx(1 / 37.5)
        bottom = grid.faces[0] - grid.width
        assert -2.5 - grid.width < bottom <= -2.5 + 1e-12


def test_substeps():
    """Parts of a step where the coupling changes the rate quickly: in an event."""
    found = {}
    for parts in (1, 6):
        changes = {"drive": 1.2, "v_min": -0.5, "substeps": parts}
        group = leaky(500, 0.01, **changes)
        options = {"coupling": 0.7, "drive": 1.2, "substeps": parts}
        other = twin(group, **options).normal(0.6, 0.01)
        group.p = other.density
        found[parts] = spikes(group, 1, coupled(group, 0.7))[0]
        np.testing.assert_allclose(found[parts], other.run(1), rtol=1e-8, atol=1e-15)
    change = np.abs(found[6] - found[1])
    assert change.max() > 1e-3
    # Before that nothing has to be divided
    assert np.all(change[:20] == 0)


# -- targets ---------------------------------------------------------------------------
BUSY = """
dv/dt = (drive - v)/tau + sqrt(2*a/tau)*(1 + 0.1*v**2)*xi : volt**0 (unless refractory)
drive = I + s + 0.3*wave(t) - 0.1*exp(-v) : 1
ds/dt = -s/(0.1*tau) : 1
I : 1
a : 1
period : second
"""
WAVE = {"wave": TimedArray([0, 1, -1, 2], dt=0.1 * second, name="busy_wave")}


def busy(name, **changes):
    limits = {"refractory": "period", **changes}
    names = {**BUILT, **WAVE}
    model = {"model": BUSY, "namespace": names, "name": name, "v_min": -1}
    group = leaky([500, 300, 200], 0.01, **model, **limits)
    group.I, group.a = [1.1, 0.7, 1.3], [0.03, 0.05, 0.1]
    group.period = [0.02, 0.05, 0.1] * second
    group.v = [0.5, 0, 0.2]
    return group


def watched(group, *more):
    names = ["n", "A", "A_expected", "event_size", "v", "s"]
    names = [n for n in names if n in group.variables]
    monitor = StateMonitor(group, names, True, name=f"{group.name}_monitor")
    events = EventMonitor(group, "mfe", "event_size", name=f"{group.name}_events")
    key = group.name
    readers = {f"{key}_{n}": lambda n=n: getattr(monitor, n) for n in names}
    readers[f"{key}_p"] = lambda: group.density.p[:]
    readers[f"{key}_event_t"] = lambda: events.t[:]
    readers[f"{key}_event_i"] = lambda: events.i[:]
    readers[f"{key}_sizes"] = lambda: events.event_size[:]
    return [group, monitor, events, *more], readers


def refractory_network():
    """Sparse and dense loops, excitation and inhibition, delayed input, kicks."""
    group = busy("busy_refractory")
    strength = np.array([[0.8, 0.5, 0.2], [0.3, 0.4, 0], [-0.3, 0, -0.5]])
    loop = Projection(
        group,
        group,
        on_pre="v_post += w",
        weights=strength / np.array([[500], [300], [200]]),
        p=[[1, 0.2, 0.3], [0.1, 1, 0], [1, 0, 0.1]],
        name="busy_loop",
    )
    later = Projection(
        group,
        group,
        on_pre="s_post += w",
        weights=1e-3,
        delay=0.03 * second,
        name="busy_later",
    )
    kicks = group.run_regularly(
        "v += 0.3*i", dt=0.15 * second, name="busy_refractory_kicks"
    )
    return watched(group, loop, later, kicks)


def physical_network():
    """Without a refractory period, in volts, with sub-steps and a density given."""
    defaultclock.dt = 10 * ms
    model = UNITS.replace("20*ms", "tau").replace(" (unless refractory)", "")
    limits = {"threshold": "v > 10*mV", "reset": "v -= 10*mV", "v_min": -9 * mV}
    group = DensityGroup(
        [100, 200], model, **limits, namespace=BUILT, substeps=6, name="busy_physical"
    )
    group.mu = [15, 12] * mV
    group.p = "exp(-(v - 8*mV)**2/(2*mV)**2)"
    strength = np.array([[7, -1], [2, 4]]) * mV / np.array([[100], [200]])
    loop = Projection(
        group, group, on_pre="v_post += w", weights=strength, name="busy_physical_loop"
    )
    return watched(group, loop)


def spiking_network():
    """The neurons of a density, and those of a subgroup."""
    group = busy("busy_spiking", method="density", match_dt=True)
    monitor = SpikeMonitor(group.spikes, name="busy_all")
    part = SpikeMonitor(group[:1].spikes, name="busy_part")
    objects, readers = watched(group, monitor, part)
    readers["busy_spikes_t"] = lambda: np.sort(monitor.t[:])
    readers["busy_part_count"] = lambda: part.num_spikes
    return objects, readers


def random_network():
    """Whole numbers of spikes; each target draws its own."""
    limits = {"refractory": 0.1 * second, "method": "stochastic", "v_min": -1.5}
    group = leaky([200] * 30, 0.01, a=0.1, drive=1, **limits, name="busy_random")
    group.v = 0.5
    loop = coupled(group, 0.3, name="busy_random_loop")
    n = StateMonitor(group, "n", True, when="end", name="busy_random_n")
    emitted = SpikeMonitor(group.spikes, name="busy_random_monitor")
    ring = lambda: np.asarray(group.updater.variables["_ring"].get_value())  # noqa: E731
    readers = {
        "random_n": lambda: n.n,
        "random_spikes": lambda: np.bincount(
            np.round(emitted.t / (10 * ms)).astype(int), minlength=50
        ),
        "random_mass": lambda: (
            np.array(masses(group, group.density.p[:]))
            + ring().reshape(30, -1).sum(axis=1)
        ),
    }
    return [group, loop, n, emitted], readers


@pytest.fixture(scope="module")
def results():
    builders = [refractory_network, physical_network, spiking_network, random_network]
    return run_on_targets(builders, 0.5 * second, TARGETS)


def test_targets_agree(results):
    same = {
        target: {k: v for k, v in found.items() if not k.startswith("random_")}
        for target, found in results.items()
    }
    assert_targets_agree(same, rtol=1e-9)
    found = results["numpy"]
    for name in ("busy_refractory", "busy_physical"):
        assert found[f"{name}_n"].max() > 50
        assert len(found[f"{name}_sizes"]) > 1
        assert found[f"{name}_p"].min() >= 0
    assert found["busy_spikes_t"].size > found["busy_part_count"] > 20


@pytest.mark.parametrize("target", TARGETS)
def test_random_numbers_of_spikes(results, target):
    found = results[target]
    counts = found["random_n"]
    np.testing.assert_allclose(counts, np.round(counts), rtol=1e-12)
    np.testing.assert_allclose(counts.sum(axis=0), found["random_spikes"], rtol=1e-12)
    np.testing.assert_allclose(found["random_mass"], 1, atol=1e-10)
    # Thirty populations on each target
    each = [results[t]["random_n"].sum(axis=1) for t in ("numpy", target)]
    (mean, error), (other, more) = ((e.mean(), e.std() / 30**0.5) for e in each)
    assert abs(mean - other) < 4.5 * np.hypot(error, more)
    assert 0 < error < 0.04 * mean
