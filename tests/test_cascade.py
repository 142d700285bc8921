"""Spikes that cause spikes in the same step: against brute force, and in networks."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    NeuronGroup,
    PoissonGroup,
    PopulationRateMonitor,
    SpatialNeuron,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    run,
    second,
)
from brian2.core.base import BrianObjectException
from brian2.spatialneuron.morphology import Soma
from brian2.units import um
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq
from targets import TARGETS, run_on_targets

from brian2_multiscale.numerics.cascade import FIRED, NEVER, cascade
from brian2_multiscale.spiking import Cascade

DT = 0.1 * ms
STEPS = 150


# -- brute force ---------------------------------------------------------------------
def brute_force(gap, able, population, kicks, inclusive):
    """
    Who fires: all neurons are looked at again after every generation.

    ``kicks[a][b]``: what a spike in a does to b. Population -1 is not coupled.
    """
    reached = np.less_equal if inclusive else np.less
    fires, before = able & reached(gap, 0), None
    while before is None or fires.sum() > before.sum():
        before = fires
        fires = able & reached(gap, _shift(fires, population, np.maximum(kicks, 0)))
    return fires, _shift(fires, population, np.asarray(kicks))


def _shift(fires, population, kicks):
    coupled = population >= 0
    spikes = np.bincount(population[fires & coupled], minlength=len(kicks))
    return np.where(coupled, (spikes @ kicks)[population], 0)


def random_case(seed, size, strength, populations):
    """Voltages near threshold on a grid of binary fractions, so that ties are exact."""
    rng = np.random.default_rng(seed)
    gap = np.round(rng.exponential(size=size) * 1024 - 20) / 1024
    able = rng.random(size) < 0.9
    population = np.sort(rng.integers(0, populations, size))
    kicks = rng.normal(0.5, 1, (populations, populations)) * strength / size
    return gap, able, population, np.round(kicks * 2**20) / 2**20


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 400),
    strength=st.floats(0, 3),
    populations=st.integers(1, 4),
    inclusive=st.booleans(),
)
@example(seed=1, size=400, strength=3.0, populations=1, inclusive=True)
def test_smallest_set_of_spikes(seed, size, strength, populations, inclusive):
    gap, able, population, kicks = random_case(seed, size, strength, populations)
    expected, moved = brute_force(gap, able, population, kicks, inclusive)
    direct = able & (gap <= 0 if inclusive else gap < 0)
    given_gap = np.where(direct, FIRED, np.where(able, gap, NEVER))
    first = np.searchsorted(population, np.arange(populations + 1))
    fired, reach, shift = cascade(given_gap, first, kicks, inclusive)
    counts = np.bincount(population[expected], minlength=populations)
    np.testing.assert_array_equal(fired, counts)
    np.testing.assert_allclose(shift[population], moved, rtol=1e-12, atol=1e-15)
    reached = np.less_equal if inclusive else np.less
    np.testing.assert_array_equal(reached(given_gap, reach[population]), expected)


@pytest.mark.parametrize("inclusive, expected", [(False, 1), (True, 3)])
def test_exactly_to_the_threshold(inclusive, expected):
    """One spike of 1/4 brings the next neuron exactly to its threshold."""
    gap = np.array([FIRED, 0.25, 0.5, 1.0])
    fired, reach, shift = cascade(gap, [0, 4], [0.25], inclusive)
    assert fired == expected
    assert shift == 0.25 * expected


def test_long_chain():
    """Every spike causes just one other: as many generations as neurons."""
    gap = np.concatenate([[FIRED], (np.arange(1, 500) - 0.5) / 500])
    for number in (500, 300):
        gap[number:] += 0.002
        shuffled = np.random.default_rng(1).permutation(gap)
        fired, _, _ = cascade(shuffled, [0, 500], 0.002)
        assert fired == number


# -- networks against brute force ----------------------------------------------------
rng = np.random.default_rng(5)
SIZE = 120
SIZES = [30, 10, 50, 30]
POPULATION = np.repeat([0, -1, 1, 2], SIZES)  # ten neurons are not coupled
# The last one does not excite itself: what it just reaches, it does not pass
KICKS = np.array([[5, 3, 0], [1, 3, 4], [-2, -3, 0]]) / 256
# Multiples of one binary fraction, so that neurons often meet the threshold exactly
DRIVE = rng.integers(1, 15, SIZE) / 256
LIMIT = 1 + rng.integers(-20, 20, SIZE) / 256
START = rng.integers(0, 250, SIZE) / 256


def coupled_group(name, sign=">", silence=0, frozen=True):
    """Three populations; ``frozen``: refractory neurons do not move."""
    defaultclock.dt = DT
    model = "v : 1"
    if silence and frozen:
        model = "dv/dt = 0/second : 1 (unless refractory)"
    group = NeuronGroup(
        SIZE,
        f"{model}\nlimit : 1\ndrive : 1",
        threshold=f"v {sign} limit" if sign[0] == ">" else f"limit {sign} v",
        reset="v -= 1",
        refractory=silence * DT if silence else False,
        method="euler",
        name=name,
    )
    group.v, group.limit, group.drive = START, LIMIT, DRIVE
    # After the state update, which ends refractory periods
    group.run_regularly("v += drive", when="groups", order=1, name=f"{name}_drive")
    # The order of populations is free
    parts, order = [group[90:], group[:30], group[40:90]], [2, 0, 1]
    weights = KICKS[np.ix_(order, order)]
    Cascade(parts, "v_post += w", weights=weights, name=f"{name}_cascade")
    return group


def brute_force_run(sign=">", silence=0, frozen=True):
    """The same, with results as the monitors give them."""
    inclusive = "=" in sign
    v, ready = START.copy(), np.zeros(SIZE, dtype=int)
    found = {key: [] for key in ("i", "t", "v", "rate", "state")}
    for step in range(STEPS):
        able = ready <= step
        moves = able if frozen else np.ones(SIZE, dtype=bool)
        v[moves] += DRIVE[moves]
        fires, shift = brute_force(LIMIT - v, able, POPULATION, KICKS, inclusive)
        v[moves] += shift[moves]
        found["i"].extend(np.flatnonzero(fires))
        found["t"].extend([step] * fires.sum())
        found["v"].extend(v[fires])
        v[fires] -= 1
        ready[fires] = step + silence
        found["rate"].append(fires.sum() / SIZE)
        found["state"].append(v.copy())
    return {key: np.array(values) for key, values in found.items()}


def spike_readers(name, spikes):
    return {
        f"{name}_i": lambda: spikes.i,
        f"{name}_t": lambda: np.round(spikes.t / DT),
        f"{name}_v": lambda: spikes.v,
    }


def reaching():
    """Without refractory period: exactly to the threshold is enough."""
    group = coupled_group("cascade_reaching", ">=")
    spikes = SpikeMonitor(group, "v", name="cascade_reaching_spikes")
    return [group, spikes], spike_readers("reaching", spikes)


def silent():
    """With refractory period, and everything that can be attached to a group."""
    group = coupled_group("cascade_silent", ">", 5)
    spikes = SpikeMonitor(group, "v", name="cascade_silent_spikes")
    rate = PopulationRateMonitor(group, name="cascade_silent_rate")
    state = StateMonitor(
        group, "v", record=True, when="end", name="cascade_silent_state"
    )
    counter = NeuronGroup(1, "count : 1", name="cascade_counter")
    synapses = Synapses(
        group[20:], counter, on_pre="count_post += 1", name="cascade_synapses"
    )
    synapses.connect()
    objects = [group, spikes, rate, state, counter, synapses]
    readers = {
        **spike_readers("silent", spikes),
        "silent_rate": lambda: rate.rate * DT,
        "silent_state": lambda: state.v.T,
        "silent_count": lambda: counter.count,
    }
    return objects, readers


# -- the fold ------------------------------------------------------------------------
# Neurons with I = 0.6, threshold 1, reset 0, noise a = 0.02 and coupling b = 0.7, in
# their stationary state; time in membrane time constants
COUPLING, CURRENT, NOISE = 0.7, 0.6, 0.02
EXTERNAL = [0.10, 0.15, 0.16, 0.20]
# Share that fires after such a kick to all: density method, infinitely many neurons
EVENTS = [0.0130, 0.0750, 0.9920, 0.9943]
SAMPLED = 10_000


def stationary_quantiles(count):
    v = np.linspace(-1, 1, 20001)

    def density(rate):
        weight = np.exp((v - CURRENT - COUPLING * rate) ** 2 / (2 * NOISE))
        flux = cumulative_trapezoid(weight * (v >= 0), v, initial=0)
        return rate / NOISE * (flux[-1] - flux) / weight

    rate = brentq(lambda r: np.trapezoid(density(r), v) - 1, 1e-4, 0.1)
    mass = cumulative_trapezoid(density(rate), v, initial=0)
    return np.interp((np.arange(count) + 0.5) / count, mass / mass[-1], v)


def kicked():
    """One population per kick, not coupled to each other; single precision."""
    group = NeuronGroup(
        SAMPLED * len(EXTERNAL),
        "v : 1",
        threshold="v > 1",
        reset="",
        dtype=np.float32,
        name="cascade_fold",
    )
    voltages = stationary_quantiles(SAMPLED)
    group.v = np.concatenate([voltages + kick for kick in EXTERNAL])
    edges = np.arange(len(EXTERNAL) + 1) * SAMPLED
    parts = [group[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    Cascade(
        parts,
        f"v_post += w*{COUPLING}/N_pre",
        weights=np.eye(len(parts)),
        name="cascade_of_fold",
    )
    # Everybody who fires stays above the threshold: count the first step only
    spikes = SpikeMonitor(group, name="cascade_fold_spikes")
    first = lambda: np.bincount(spikes.i[spikes.t < DT / 2] // SAMPLED)  # noqa: E731
    return [group, spikes], {"fold": lambda: first() / SAMPLED}


@pytest.fixture(scope="module")
def results():
    return run_on_targets([silent, reaching, kicked], STEPS * DT, TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_refractory_network(results, target):
    found, expected = results[target], brute_force_run(">", 5)
    check_run(found, "silent", expected)
    assert found["silent_count"] == np.sum(expected["i"] >= 20)
    np.testing.assert_allclose(found["silent_rate"], expected["rate"], rtol=1e-12)
    np.testing.assert_array_equal(found["silent_state"], expected["state"])


@pytest.mark.parametrize("target", TARGETS)
def test_network_that_reaches_its_threshold(results, target):
    expected = brute_force_run(">=")
    check_run(results[target], "reaching", expected)
    assert not np.array_equal(expected["rate"], brute_force_run(">")["rate"])


def check_run(found, name, expected):
    assert expected["rate"].max() > 0.25
    for key in "itv":
        np.testing.assert_array_equal(found[f"{name}_{key}"], expected[key])


@pytest.mark.parametrize("target", TARGETS)
def test_fold(results, target):
    """A kick of 0.15 has little effect, one of 0.16 makes everybody fire."""
    np.testing.assert_allclose(results[target]["fold"], EVENTS, rtol=0, atol=6e-4)


@pytest.mark.parametrize(
    "rule", [("<",), ("<=", 0), ("<", 5, True), (">", 15, False)], ids=str
)
def test_forms_of_thresholds(rule):
    """Threshold turned round; refractory neurons that are moved all the same."""
    group = coupled_group("cascade_form", *rule)
    spikes = SpikeMonitor(group, "v")
    part = SpikeMonitor(group[50:60])
    Network(group, spikes, part).run(STEPS * DT)
    expected = brute_force_run(*rule)
    readers = spike_readers("form", spikes)
    check_run({key: read() for key, read in readers.items()}, "form", expected)
    inside = (expected["i"] >= 50) & (expected["i"] < 60)
    np.testing.assert_array_equal(part.i, expected["i"][inside] - 50)


# -- limits --------------------------------------------------------------------------
LEAKY = """
dv/dt = (current - v)/(20*ms) : volt (unless refractory)
current : volt (constant)
b : volt (shared)
most : volt (shared, constant)
"""


def leaky_group(size=80, reset="v = 0*mV", refractory=False, name="leaky", **arguments):
    defaultclock.dt = DT
    group = NeuronGroup(
        size,
        LEAKY if refractory else LEAKY.replace("(unless refractory)", ""),
        threshold="v > 20*mV",
        reset=reset,
        refractory=refractory,
        method="exact",
        name=name,
        **arguments,
    )
    generator = np.random.default_rng(3)
    group.current = generator.uniform(18, 26, size) * mV
    group.v = generator.uniform(0, 20, size) * mV
    return group


def spikes_of(group, *objects, duration=60 * ms):
    monitor = SpikeMonitor(group)
    Network(group, monitor, *objects).run(duration, namespace={"mV": mV, "ms": ms})
    return np.array([monitor.i, np.round(monitor.t / DT)])


@pytest.mark.parametrize("refractory", [False, 2 * ms])
@pytest.mark.parametrize("on_pre", ["v_post += 0*mV", "v_post += b"])
def test_no_coupling_is_no_cascade(on_pre, refractory):
    """Spike for spike what the group does by itself, with noisy input."""
    groups, objects = [], []
    source = PoissonGroup(200, 50 / second, name="noisy_source")
    for name in ("without", "coupled"):
        group = leaky_group(refractory=refractory, name=name)
        synapses = Synapses(source, group, on_pre="v_post += 0.5*mV")
        synapses.connect(j="(i + k) % N_post for k in range(5)")
        groups.append(group)
        objects += [synapses]
    Cascade(groups[1], on_pre)
    monitors = [SpikeMonitor(group) for group in groups]
    Network(source, *groups, *objects, *monitors).run(60 * ms)
    assert len(monitors[0].i) > 150
    np.testing.assert_array_equal(monitors[0].i, monitors[1].i)
    np.testing.assert_array_equal(monitors[0].t, monitors[1].t)


def test_inhibition_comes_last():
    """It prevents no spike of the step, and moves who has fired as well."""
    group = NeuronGroup(4, "v : 1", threshold="v > 1", reset="v -= 1")
    group.v = [1.5, 0.95, 0.85, 0.2]
    Cascade([group[:1], group[1:]], "v_post -= w", weights=[[0, -0.1], [1, 0.25]])
    spikes = SpikeMonitor(group)
    Network(group, spikes).run(DT)
    assert spikes.i[:].tolist() == [0, 1]
    np.testing.assert_allclose(group.v, [1.5 - 1 - 1, -0.2, 0.7, 0.05], atol=1e-15)


@pytest.mark.parametrize("reset, after", [("v -= 1", 0.3), ("v = 0", 0.0)])
def test_reset_after_all_kicks(reset, after):
    """A fixed value forgets the kicks; a shift keeps them."""
    group = NeuronGroup(4, "v : 1", threshold="v > 1", reset=reset)
    group.v = [1.1, 0.9, 0.5, 0.99]
    # N is the number of neurons that are coupled
    Cascade(group[:3], "v_post += 0.3/N")
    Network(group).run(DT)
    np.testing.assert_allclose(group.v, [after, 0.1 if after else 0, 0.7, 0.99])


def test_refractory_at_once():
    """Input of other synapses in the step of the spike does not reach the neuron."""
    model = "dv/dt = 0/second : 1 (unless refractory)"
    groups = [
        NeuronGroup(3, model, threshold="v > 1", reset="v -= 1", refractory=1 * ms)
        for _ in range(2)
    ]
    synapses = Synapses(*groups, on_pre="v_post += 0.4")
    synapses.connect(j="i")
    groups[0].v = 2
    groups[1].v = [1.5, 0.9, 0.5]
    Cascade(groups[1], "v_post += 0.2")
    Network(*groups, synapses).run(DT)
    np.testing.assert_allclose(groups[1].v, [0.9, 0.3, 1.3], rtol=1e-15)
    assert groups[1].not_refractory[:].tolist() == [False, False, True]


def test_kicks_follow_shared_variables():
    """The coupling may change during a run."""
    group = leaky_group(name="shared_coupling")
    group.run_regularly("b = 15*mV*int(t > 30*ms)", dt=DT)
    Cascade(group, "v_post += b_pre/N_post")
    cells, steps = spikes_of(group)
    largest = np.bincount(steps.astype(int), minlength=600)
    assert largest[:300].max() < 10 < 40 < largest[301:].max()


# -- networks ------------------------------------------------------------------------
@pytest.mark.parametrize("refractory", [False, 2 * ms])
def test_runs_can_be_divided_and_repeated(refractory):
    group = leaky_group(refractory=refractory, name="divided")
    group.b = 12 * mV
    cascade_of_group = Cascade(group, "v_post += b/N")
    monitor = SpikeMonitor(group)
    # The cascade may be named, but need not
    network = Network(group, monitor, cascade_of_group)
    network.store()
    found = []
    for parts in ([60], [20, 40]):
        network.restore()
        for part in parts:
            network.run(part * ms, namespace={"ms": ms, "mV": mV})
        found.append(np.array([monitor.i, monitor.t / ms]))
    assert found[0].shape[1] > 150
    np.testing.assert_array_equal(found[0], found[1])


def test_magic_network():
    group = leaky_group(name="magic_group")
    group.b = 12 * mV
    Cascade(group, "v_post += b/N")
    monitor = SpikeMonitor(group)
    run(60 * ms)
    again = leaky_group(name="explicit_group")
    again.b = 12 * mV
    Cascade(again, "v_post += b/N")
    np.testing.assert_array_equal(monitor.i, spikes_of(again)[0])
    assert np.bincount(np.round(monitor.t / DT).astype(int)).max() > 40


def test_place_in_the_schedule():
    group = leaky_group(name="scheduled")
    group.set_event_schedule("spike", when="before_resets", order=3)
    made = Cascade(group, "v_post += 0.1*mV")
    assert (made.when, made.order) == ("before_resets", 3)
    assert group.thresholder["spike"] is made
    monitor = SpikeMonitor(group)
    assert (monitor.when, monitor.order) == ("before_resets", 4)
    assert "v_post += 0.1*mV" in repr(made)


# -- bad input -----------------------------------------------------------------------
def group_with(model="v : volt", threshold="v > 1*mV", size=10, **arguments):
    return NeuronGroup(size, model, threshold=threshold, reset="", **arguments)


@pytest.mark.parametrize(
    "threshold",
    [
        "v > 1*mV and v < 2*mV",
        "0*mV < v < 1*mV",
        "v < 1*mV",
        "v == 1*mV",
        "not v < 1*mV",
        "2*v > 1*mV",
        "x > 1*mV",
        "v > 0.5*v",
        "v > half",
        "rand() < 0.1",
    ],
)
def test_conditions_that_are_no_threshold(threshold):
    group = group_with("v : volt\nx : volt\nhalf = v/2 : volt", threshold)
    with pytest.raises(ValueError, match="threshold"):
        Cascade(group, "v_post += 1*mV")


@pytest.mark.parametrize(
    "on_pre, match",
    [
        ("v_post = 1*mV", "must add to"),
        ("v_post *= 2", "must add to"),
        ("v += 1*mV", "must add to"),
        ("v_post += 1*mV; x_post += 1*mV", "one statement"),
        ("", "one statement"),
        ("y_post += 1*mV", "no variable 'y'"),
        ("i_post += 1", "no variable 'i'"),
        ("half_post += 1*mV", "no variable 'half'"),
        ("common_post += 1*mV", "shared"),
        ("fixed_post += 1*mV", "constant"),
        ("number_post += 1", "floating point"),
        ("x_post += 1*mV", "'x > ...'"),
        ("v_post += x", "'x' differs"),
        ("v_post += x_post", "'x_post' differs"),
        ("v_post += half", "'half' differs"),
    ],
)
def test_statements_that_are_no_kick(on_pre, match):
    group = group_with(
        """v : volt
           x : volt
           half = v/2 : volt
           common : volt (shared)
           fixed : volt (constant)
           number : integer"""
    )
    with pytest.raises(ValueError, match=match):
        Cascade(group, on_pre)


@pytest.mark.parametrize(
    "on_pre, arguments, error, match",
    [
        ("v_post += 1", {}, DimensionMismatchError, "unit volt"),
        ("v_post += w", {"weights": 3}, DimensionMismatchError, "unit volt"),
        ("v_post += nothing", {}, KeyError, "nothing"),
        ("v_post += nan*mV", {}, ValueError, "finite"),
        ("v_post += rand()*mV", {}, ValueError, "random"),
    ],
)
def test_kicks_that_make_no_sense(on_pre, arguments, error, match):
    group = group_with()
    Cascade(group, on_pre, **arguments)
    namespace = {"mV": mV, "nan": np.nan}
    with pytest.raises(BrianObjectException) as caught:
        Network(group).run(DT, namespace=namespace)
    assert isinstance(caught.value.__cause__, error)
    assert match in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "on_pre, weights, match",
    [
        ("v_post += w", [[1, 2]] * mV, "matrix of shape"),
        ("v_post += w", np.nan * mV, "finite"),
        ("v_post += 1*mV", 1 * mV, "does not use them"),
        ("v_post += w*x", 1 * mV, "'w'"),
    ],
)
def test_weights_that_do_not_fit(on_pre, weights, match):
    model = "v : volt\nx : 1 (shared)"
    group = group_with(model + "\nw : 1 (shared)" if match == "'w'" else model)
    with pytest.raises(ValueError, match=match.replace("'w'", "call them w")):
        Cascade(group, on_pre, weights=weights)


def test_groups_without_threshold():
    with pytest.raises(ValueError, match="no threshold"):
        Cascade(NeuronGroup(3, "v : 1"), "v_post += 1")


@pytest.mark.parametrize("kind", ["poisson", "part", "spatial", "number", "synapses"])
def test_groups_of_another_kind(kind):
    if kind in ("poisson", "part"):
        source = PoissonGroup(5, 1 / second)
        group = source[:2] if kind == "part" else source
    elif kind == "spatial":
        group = SpatialNeuron(
            Soma(10 * um),
            "Im = 0*amp/meter**2 : amp/meter**2",
            threshold="v > 0*mV",
            refractory=1 * ms,
        )
    else:
        group = 5 if kind == "number" else Synapses(group_with(), on_pre="v += 1*mV")
    with pytest.raises(TypeError, match="needs a NeuronGroup"):
        Cascade(group, "v_post += 1*mV")


def test_one_cascade_per_group():
    group = group_with()
    Cascade(group[:5], "v_post += 1*mV")
    with pytest.raises(ValueError, match="has a cascade already"):
        Cascade(group[5:], "v_post += 1*mV")


def test_populations_of_two_groups():
    one, other = group_with(), group_with()
    with pytest.raises(ValueError, match="subgroups of one NeuronGroup"):
        Cascade([one[:5], other[5:]], "v_post += 1*mV")


def test_populations_with_common_neurons():
    group = group_with()
    with pytest.raises(ValueError, match="in common"):
        Cascade([group[:6], group[5:]], "v_post += 1*mV")


@pytest.mark.parametrize(
    "reset, refractory, wrong",
    [
        ("v -= 20*mV", False, True),
        ("v = v - height", False, True),
        ("v -= b", False, False),
        ("v -= 30*mV", False, False),
        ("v = 0*mV", False, False),
        ("v -= 20*mV", 2 * ms, False),
    ],
)
@pytest.mark.parametrize("kick", ["25*mV/N", "most/N"])
def test_kicks_that_make_neurons_fire_twice(reset, refractory, wrong, kick):
    group = leaky_group(reset=reset, refractory=refractory)
    group.most = 25 * mV
    Cascade(group, f"v_post += {kick}")
    network, namespace = Network(group), {"mV": mV, "ms": ms, "height": 20 * mV}
    if not wrong:
        network.run(DT, namespace=namespace)
        return
    with pytest.raises(BrianObjectException) as caught:
        network.run(DT, namespace=namespace)
    assert "fire twice" in str(caught.value.__cause__)
