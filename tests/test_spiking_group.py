"""Populations of single neurons: those of a `NeuronGroup`, seen as populations."""

import numpy as np
import pytest
from brian2 import (
    EventMonitor,
    Hz,
    Network,
    NeuronGroup,
    PoissonInput,
    PopulationRateMonitor,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    linked_var,
    ms,
    mV,
    seed,
    start_scope,
)
from targets import TARGETS, assert_targets_agree, run_on_targets

from brian2_multiscale import MesoscopicGroup, Projection, SpikingGroup
from brian2_multiscale.spiking import Cascade

DT = 0.25 * ms
SIZES = [30, 1, 20]
POPULATION = np.repeat(np.arange(3), SIZES)
FIRST = np.cumsum([0, *SIZES])

#: What may differ between populations: numbers of all kinds, `i`, a table
MODEL = """
dv/dt = (mu + level*mV + gain*wave + int(up)*mV + current + sums - v)/(10*ms)
        : volt (unless refractory)
dw/dt = -w/(30*ms) : 1
dcurrent/dt = -current/(5*ms) : volt
wave = 2*mV*table(t, i) : volt
mu : volt
level : integer
up : boolean
gain : 1 (shared)
v_th : volt (constant)
sums : volt
heard : 1
fired : integer
dslow/dt = (w - slow)/(50*ms) : 1
"""
FIRING = {
    "threshold": "v > v_th + w*mV",
    "reset": "v = 1*mV*i; w += 1.5; fired += 1",
    "refractory": "1*ms + 0.5*ms*i",
    "method": "euler",
    "dtype": {"heard": np.float32, "slow": np.float32},
}
VALUES = {
    "mu": [14, 18, 19] * mV,
    "level": np.array([1, -1, 2]),
    "up": np.array([True, False, True]),
    "gain": 0.7,
    "v_th": [10, 12, 11] * mV,
}
LATER = {"mu": [19, 12, 15] * mV, "level": np.array([0, 3, 1]), "gain": 0.4}
VARIABLES = ["v", "w", "current"]


def _names(name):
    values = np.random.default_rng(5).uniform(-1, 1, (80, 3))
    table = TimedArray(values, dt=1 * ms, name=f"{name}_table")
    return {"mV": mV, "ms": ms, "table": table}


def _set(group, values):
    """Parameters of the populations, or of neurons."""
    single = not isinstance(group, SpikingGroup)
    for key, value in values.items():
        each = single and np.ndim(value) > 0
        setattr(group, key, value[POPULATION] if each else value)


def spiking(name):
    defaultclock.dt = DT
    group = SpikingGroup(SIZES, MODEL, **FIRING, namespace=_names(name), name=name)
    _set(group, VALUES)
    group.neurons.v = "8*mV*sin(i)**2"
    return group


def by_hand(name):
    """The same as a `NeuronGroup`, with the population as a parameter."""
    defaultclock.dt = DT
    changes = {
        k: s.replace("*i", "*pop") if isinstance(s, str) else s
        for k, s in FIRING.items()
    }
    model = MODEL.replace("(t, i)", "(t, pop)") + "pop : integer"
    neurons = NeuronGroup(
        sum(SIZES), model, **changes, namespace=_names(name), name=name
    )
    neurons.pop = POPULATION
    _set(neurons, VALUES)
    neurons.v = "8*mV*sin(i)**2"
    return neurons


# -- models of all targets, and what they should be ------------------------------------
PULSES = np.sort(np.random.default_rng(8).permutation(158)[:60])


def kicked(make=spiking, name="kicked"):
    """All that may act on populations acts on each of their neurons."""
    group = make(name)
    source = SpikeGeneratorGroup(
        2, np.arange(60) % 2, PULSES * DT, name=f"{name}_source"
    )
    sine = NeuronGroup(1, "x = sin(t/(7*ms)) : 1", name=f"{name}_sine")
    single = make is by_hand
    chosen = np.flatnonzero(POPULATION != 1) if single else [0, 2]
    on_pre = "v_post += 1.2*mV; current_post -= 0.7*mV"
    constants = {"mV": mV, "ms": ms}
    pulses = Synapses(
        source, group, on_pre=on_pre, name=f"{name}_pulses", namespace=constants
    )
    pulses.connect(i=np.repeat([0, 1], len(chosen)), j=np.tile(chosen, 2))
    sums = Synapses(
        sine, group, "sums_post = 3*mV*x_pre : volt (summed)", name=f"{name}_sums"
    )
    sums.namespace.update(constants)
    sums.connect()
    code = f"current += 0.4*mV*({'pop' if single else 'i'} + 1)"
    group.run_regularly(code, dt=2 * ms, name=f"{name}_regular")
    objects = [group, source, sine, pulses, sums]
    spikes = SpikeMonitor(group if single else group.spikes, name=f"{name}_spikes")
    # Comes first by name: the order of the group has to be right by itself
    states = StateMonitor(
        group,
        VARIABLES if single else [*VARIABLES, "slow", "heard", "n", "A"],
        True,
        when="end",
        name=f"a_{name}_states",
    )
    readers = {f"{name}_{x}": lambda x=x: getattr(states, x) for x in VARIABLES}
    readers |= _spikes_of(spikes)
    if not single:
        objects.append(
            PoissonInput(group, "heard", 20, 400 * Hz, 1.0, when="synapses", order=2)
        )
        readers |= {
            f"{name}_{x}": lambda x=x: getattr(states, x)
            for x in ("slow", "heard", "n", "A")
        }
        readers |= {
            f"{name}_each_{x}": lambda x=x: getattr(group.neurons, x)[:]
            for x in (*VARIABLES, "slow", "heard", "level", "up", "gain")
        }
        readers[f"{name}_fired"] = lambda: group.fired[:]
    else:
        readers |= {
            f"{name}_each_{x}": lambda x=x: group.get_states([x])[x]
            for x in (*VARIABLES, "level", "up", "gain")
        }
    return [*objects, spikes, states], readers


def _spikes_of(monitor):
    name = monitor.name.removesuffix("_spikes")
    return {
        f"{name}_i": lambda: np.array(monitor.i),
        f"{name}_t": lambda: np.round(monitor.t / DT),
    }


ESCAPE = """
dv/dt = (mu - v)/(10*ms) : volt (unless refractory)
rho = 40*Hz*(1 + sin(t/(3*ms)))*exp((v - 10*mV)/(2*mV)) : Hz
mu : volt
"""
AFTER = "40*Hz*(1 + sin((t + dt)/(3*ms)))*exp((v - 10*mV)/(2*mV))"
RESET = {
    "reset": "v = 0*mV",
    "refractory": 1 * ms,
    "method": "exact",
    "namespace": {"mV": mV, "ms": ms, "Hz": Hz},
}


def escaping(make=spiking, name="escape"):
    """Escape noise of second order: the hazard before the step and after it."""
    defaultclock.dt = DT
    mu = np.array([14, 16, 18]) * mV
    if make is spiking:
        group = SpikingGroup(SIZES, ESCAPE, hazard="rho", name=name, **RESET)
        neurons, group.mu = group.neurons, mu
    else:
        threshold = f"rand() < 1 - exp(-dt*(before + {AFTER})/2)"
        group = NeuronGroup(
            sum(SIZES), ESCAPE + "before : Hz", threshold=threshold, name=name, **RESET
        )
        group.run_regularly(
            "before = rho", when="groups", order=-1, name=f"{name}_rate"
        )
        neurons, group.mu = group, mu[POPULATION]
    spikes = SpikeMonitor(neurons, name=f"{name}_spikes")
    readers = {f"{name}_each_v": lambda: neurons.v[:], f"{name}_v": lambda: group.v[:]}
    return [group, spikes], readers | _spikes_of(spikes)


def kicked_by_hand():
    return kicked(by_hand, "hand")


def escaping_by_hand():
    return escaping(by_hand, "escape_hand")


def phases(network):
    """New parameters between two runs; then escape noise with numbers of its own."""
    noise = [o for o in network.objects if o.name.startswith("escape")]

    def only(chosen):
        for thing in network.objects:
            thing.active = thing in chosen

    only([o for o in network.objects if o not in noise])
    network.run(20 * ms)
    for thing in network.objects:
        if thing.name in ("kicked", "hand"):
            _set(thing, LATER)
    network.run(20 * ms)
    only(noise)
    seed(7)
    parts = (40,) if any("hand" in o.name for o in noise) else (15, 25)
    for duration in parts:
        network.run(duration * ms)


@pytest.fixture(scope="module")
def results():
    return run_on_targets([kicked, escaping], phases, TARGETS)


@pytest.fixture(scope="module")
def expected():
    """In numpy: every target draws the same random numbers."""
    models = [kicked_by_hand, escaping_by_hand]
    return run_on_targets(models, phases, targets=["numpy"])["numpy"]


def _per_population(values):
    return np.array([part.mean(axis=0) for part in np.split(values, FIRST[1:-1])])


@pytest.mark.parametrize("target", TARGETS)
def test_neurons_are_those_of_a_neuron_group(results, expected, target):
    """Spike by spike, with inputs and new parameters."""
    found = results[target]
    assert len(np.unique(found["kicked_i"])) == sum(SIZES)
    for x in "it":
        np.testing.assert_array_equal(found[f"kicked_{x}"], expected[f"hand_{x}"])
    for x in (*VARIABLES, "level", "up", "gain"):
        theirs = np.asarray(expected[f"hand_each_{x}"], float)
        atol = 1e-11 * np.abs(theirs).max()
        np.testing.assert_allclose(
            found[f"kicked_each_{x}"], theirs, rtol=0, atol=atol, err_msg=x
        )


@pytest.mark.parametrize("target", TARGETS)
def test_means_are_those_of_the_neurons(results, expected, target):
    """At the end of every step. Pulses count for all until refractory ones are left."""
    found = results[target]
    quiet = np.setdiff1d(np.arange(160), PULSES)
    for x in VARIABLES:
        theirs = _per_population(expected[f"hand_{x}"])
        steps = quiet if x == "v" else slice(None)
        np.testing.assert_allclose(
            found[f"kicked_{x}"][:, steps],
            theirs[:, steps],
            rtol=0,
            atol=1e-11 * np.abs(theirs).max(),
        )
    assert found["kicked_each_slow"].dtype == np.float32
    np.testing.assert_allclose(
        found["kicked_slow"][:, -1],
        _per_population(found["kicked_each_slow"].astype(float)),
        rtol=1e-6,
    )
    spikes = np.bincount(found["kicked_i"], minlength=sum(SIZES))
    np.testing.assert_allclose(found["kicked_fired"], _per_population(spikes))


@pytest.mark.parametrize("target", TARGETS)
def test_counts_are_those_of_the_spikes(results, target):
    found = results[target]
    counts = np.zeros((3, 160))
    steps = found["kicked_t"].astype(int)
    np.add.at(counts, (POPULATION[found["kicked_i"]], steps), 1)
    np.testing.assert_array_equal(found["kicked_n"], counts)
    rate = counts / np.array(SIZES)[:, np.newaxis] / float(DT)
    np.testing.assert_allclose(found["kicked_A"], rate, rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_common_input_is_the_same_for_all(results, target):
    """A `PoissonInput` of 8 kHz for 40 ms: 320 spikes, within five deviations."""
    each, group = (results[target][f"kicked_{n}heard"] for n in ("each_", ""))
    assert each.dtype == np.float32
    for k, end in enumerate(FIRST[1:]):
        assert np.all(each[FIRST[k] : end] == each[FIRST[k]])
        # The last step's input comes with the next
        assert each[FIRST[k]] == group[k, -2]
    assert np.all(group == np.round(group))
    assert np.abs(group[:, -1] - 320).max() < 5 * 320**0.5
    assert len(np.unique(group[:, -1])) > 1


@pytest.mark.parametrize("target", TARGETS)
def test_escape_noise_is_that_of_a_neuron_group(results, expected, target):
    """With the same random numbers, in one run or in two."""
    found = results[target]
    for x in "it":
        theirs = expected[f"escape_hand_{x}"]
        np.testing.assert_array_equal(found[f"escape_{x}"], theirs)
    theirs = expected["escape_hand_each_v"]
    np.testing.assert_allclose(found["escape_each_v"], theirs, rtol=1e-12, atol=1e-17)
    theirs = _per_population(theirs)
    np.testing.assert_allclose(found["escape_v"], theirs, rtol=1e-12, atol=1e-17)
    counts = np.bincount(POPULATION[found["escape_i"]], minlength=3)
    assert counts[[0, 2]].min() > 30


def test_targets_agree(results):
    """All but the Poisson input."""
    found = {
        target: {k: v for k, v in values.items() if "heard" not in k}
        for target, values in results.items()
    }
    assert_targets_agree(found)


# -- laws ------------------------------------------------------------------------------
def counted(group, duration, seed_=3):
    """Numbers of spikes per step; for a `MesoscopicGroup` those that are expected."""
    counts = StateMonitor(group, "n", True, when="end")
    seed(seed_)
    Network(group, counts).run(duration, namespace={})
    return np.asarray(counts.n)


RATE = "0.3*Hz*(v/mV)**2*(1.2 + sin(t/(2*ms)))*(1 + i)"
RISING = {
    "model": f"dv/dt = (20*mV - v)/(8*ms) : volt\nrho = {RATE} : Hz",
    "reset": "v = -5*mV",
    "refractory": "2*ms*(1 + 2*i)",
    "namespace": {"mV": mV, "ms": ms, "Hz": Hz},
    "method": "exact",
}


@pytest.mark.parametrize(
    "rule", [{"hazard": "rho"}, {"threshold": "rand() < 1 - exp(-rho*dt)"}]
)
def test_law_of_escape_noise(rule):
    """Up to a quarter fires in a step: as infinitely many do, with binomial noise.

    Exact for both, in the same discrete time: 160 counts, false alarms 1e-5.
    """
    defaultclock.dt = 2 * ms
    size = 20_000
    limit = MesoscopicGroup(
        [size] * 2, **RISING, **rule, memory=400 * ms, noise=False, name="limit"
    )
    expected = counted(limit, 160 * ms)
    found = counted(SpikingGroup([size] * 2, **RISING, **rule, name="many"), 160 * ms)
    assert expected.max() > 0.2 * size
    chance = expected / size
    deviation = np.sqrt(size * chance * (1 - chance)) + 1e-9
    assert np.abs((found - expected) / deviation).max() < 5.5
    # The other rule is another law
    other = {"threshold": "rand() < rho*dt"}
    limit = MesoscopicGroup(
        [size] * 2, **RISING, **other, memory=400 * ms, noise=False, name="other"
    )
    assert np.abs((counted(limit, 160 * ms) - expected) / deviation).max() > 20


def test_renewal_process_of_second_order():
    """A hazard that rises linearly: intervals have the law of Rayleigh.

    With the trapezoid the steps are exact, and survivors at time steps exp(-a t**2/2).
    """
    defaultclock.dt = 2 * ms
    a, dt, size = 2000.0, 2e-3, 3000
    group = SpikingGroup(
        size,
        "dv/dt = 1 : second",
        hazard="a*v",
        reset="v = 0*second",
        namespace={"a": a * Hz**2},
        method="euler",
    )
    spikes = SpikeMonitor(group.spikes)
    seed(2)
    Network(group, spikes).run(400 * ms)
    intervals = np.concatenate([np.diff(t) for t in spikes.spike_trains().values()])
    steps = np.round(np.asarray(intervals) / dt).astype(int)
    # The first interval of each, which is not chosen by the end of the run
    first = np.round([t[0] / (2 * ms) for t in spikes.spike_trains().values()]) + 1
    assert len(first) == size and len(steps) > 10 * size
    k = np.arange(1, 30)
    survivors = np.exp(-a * (k * dt) ** 2 / 2)
    found = np.array([np.mean(first > n) for n in k])
    error = np.sqrt(survivors * (1 - survivors) / size) + 1e-3
    assert np.abs((found - survivors) / error).max() < 4.5
    # The rate of renewal theory; intervals vary by 0.52
    mean = dt * np.exp(-a * (np.arange(200) * dt) ** 2 / 2).sum()
    rate = spikes.num_spikes / (size * 0.4)
    late = np.asarray(spikes.t) > 0.1
    rate = late.sum() / (size * (0.4 - 0.1 - dt))
    assert rate * mean == pytest.approx(1, abs=4 * 0.52 / np.sqrt(late.sum()))


# -- a group as others -----------------------------------------------------------------
SIMPLE = """
dv/dt = (mu - v)/(10*ms) : volt (unless refractory)
mu : volt
"""
LIMITS = {
    "threshold": "v > 10*mV",
    "reset": "v = 0*mV",
    "refractory": 2 * ms,
    "method": "exact",
    "namespace": {"mV": mV, "ms": ms},
}


def simple(sizes=(4, 6), model=SIMPLE, **changes):
    defaultclock.dt = DT
    group = SpikingGroup(list(sizes), model, **{**LIMITS, **changes})
    group.mu = np.linspace(12, 18, len(sizes)) * mV
    return group


def test_the_group_brings_all_that_it_needs():
    """Also in the network that Brian2 collects by itself."""
    group = simple(name="collected")
    assert {o.name for o in Network(group).sorted_objects} == {
        f"collected{part}"
        for part in (
            "",
            "_inputs",
            "_means",
            "_neurons",
            "_neurons_stateupdater",
            "_neurons_spike_thresholder",
            "_neurons_spike_resetter",
        )
    }
    spikes = SpikeMonitor(group.spikes)
    network = Network(group, spikes)
    network.run(30 * ms)
    assert spikes.num_spikes > 10


def test_magic_network():
    start_scope()
    group = simple()
    spikes = SpikeMonitor(group.spikes)
    import brian2

    brian2.run(30 * ms)
    assert spikes.num_spikes > 10
    assert group.v[0] > 0 * mV


def test_monitors_of_the_spikes():
    group = simple()
    neurons = group.neurons
    assert group.spikes is neurons
    monitors = {
        "spikes": SpikeMonitor(group.spikes),
        "part": SpikeMonitor(group[1:2].spikes, "population"),
        "events": EventMonitor(group.spikes, "spike"),
        "rate": PopulationRateMonitor(group[1:].spikes),
    }
    neurons.v = "10*mV*i/N"
    counts = StateMonitor(group, "n", True, when="end")
    Network(group, counts, *monitors.values()).run(40 * ms)
    spikes, part = monitors["spikes"], monitors["part"]
    assert part.num_spikes == counts.n[1].sum() > 10
    assert np.all(np.asarray(part.population) == 1)
    theirs = np.asarray(spikes.i)[np.asarray(spikes.i) >= 4]
    np.testing.assert_array_equal(np.asarray(part.i) + 4, theirs)
    assert monitors["events"].num_events == spikes.num_spikes == counts.n.sum()
    rate = np.asarray(monitors["rate"].rate)
    np.testing.assert_allclose(rate, counts.n[1] / (6 * float(DT)))


def test_the_group_itself_is_no_source_of_spikes():
    group = simple(name="no_source")
    with pytest.raises(ValueError, match="'no_source' has populations.*'spikes'"):
        SpikeMonitor(group)
    with pytest.raises(ValueError, match="'spikes'"):
        Synapses(group, group, on_pre="v_post += 1*mV")


def test_parts_of_the_group():
    """A part is some populations, for reading, setting, inputs and parts of parts."""
    group = simple((4, 6, 3), SIMPLE + "h : 1")
    part = group[1:3]
    part.mu = [15, 16] * mV
    part[1:2].h = 5
    assert np.allclose(group.mu / mV, [12, 15, 16]) and group.h[2] == 5
    source = SpikeGeneratorGroup(1, [0], [1] * ms)
    pulse = Synapses(source, part, on_pre="h_post += 1")
    pulse.connect(j=0, i=0)
    projection = Projection(source, group[:1], on_pre="h_post += 3")
    Network(group, source, pulse, projection).run(3 * ms)
    # Synapses add to the population, projections to its neurons
    expected = np.repeat([3.0, 1.0, 5.0], [4, 6, 3])
    np.testing.assert_array_equal(group.neurons.h, expected)
    with pytest.raises(IndexError):
        group[2:5]


def test_neurons_may_be_set_one_by_one():
    """After the group was, which sets all of them."""
    group = simple()
    group.neurons.mu = "12*mV + i*mV"
    group.neurons.v = "0.5*i*mV"
    states = StateMonitor(group.neurons, "v", True)
    Network(group, states).run(2 * DT)
    mu = np.arange(10) + 12
    v = 0.5 * np.arange(10)
    np.testing.assert_allclose(states.v[:, 0] / mV, v)
    after = mu + (v - mu) * np.exp(-0.25 / 10)
    np.testing.assert_allclose(states.v[:, 1] / mV, after)


def test_voltages_of_the_group():
    """Set for all neurons of a population at once; or added to what they are."""
    group = simple()
    group.v = [3, 6] * mV
    np.testing.assert_allclose(group.v / mV, [3, 6])
    np.testing.assert_allclose(group.neurons.v / mV, np.repeat([3, 6], [4, 6]))
    network = Network(group)
    network.run(DT)
    decay = np.exp(-0.025)
    mu = np.array([12, 18])
    expected = mu + (np.array([3, 6]) - mu) * decay
    np.testing.assert_allclose(group.v / mV, expected)
    np.testing.assert_allclose(group.neurons.v / mV, np.repeat(expected, [4, 6]))
    group.neurons.v = "i*mV/2"
    group.v += [1, 2] * mV
    network.run(DT)
    mu, kick = np.repeat([[12, 18], [1, 2]], [4, 6], axis=1)
    expected = mu + (np.arange(10) / 2 + kick - mu) * decay
    np.testing.assert_allclose(group.neurons.v / mV, expected)


def test_refractory_neurons_are_left_out():
    """Where the variable says so, by kicks of the group as by those of neurons."""
    model = SIMPLE + "dw/dt = -w/(10*ms) : 1"
    group = simple((2,), model)
    group.neurons.v = [0, 20] * mV
    network = Network(group)
    network.run(DT)  # the second fires
    before = np.array(group.neurons.v)
    assert np.asarray(group.neurons.not_refractory).tolist() == [True, False]
    group.v += 1 * mV
    group.w += 1
    network.run(DT)
    gain = np.asarray(group.neurons.v) - before
    assert gain[0] > 0.9e-3 and gain[1] == 0
    np.testing.assert_allclose(group.neurons.w, np.exp(-0.025))


def test_means_can_be_linked_to():
    """In the next step, as variables of a `NeuronGroup`."""
    group = simple()
    follower = NeuronGroup(2, "x : volt (linked)\ny : volt")
    follower.x = linked_var(group, "v")
    follower.run_regularly("y = x", when="groups")
    seen = StateMonitor(follower, "y", True, when="end")
    means = StateMonitor(group, "v", True, when="end")
    Network(group, follower, seen, means).run(20 * ms)
    np.testing.assert_array_equal(seen.y[:, 1:], means.v[:, :-1])
    assert means.v.max() > 5 * mV


def test_groups_do_not_disturb_each_other():
    """Two groups of one population each and one of two: the same without noise."""
    groups = [simple((4, 6)), simple((4,)), simple((6,))]
    groups[2].mu = 18 * mV
    monitors = [StateMonitor(g, ["n", "v"], True, when="end") for g in groups]
    Network(*groups, *monitors).run(40 * ms)
    for x in ("n", "v"):
        both, *alone = (getattr(m, x) for m in monitors)
        np.testing.assert_array_equal(np.asarray(both), np.concatenate(alone))
    assert monitors[0].n.sum() > 20


@pytest.mark.parametrize("noisy", [False, True])
def test_store_and_restore(noisy):
    """With input on its way to the neurons."""
    model = SIMPLE.replace("(10*ms)", "(10*ms) + 3*mV*xi*(10*ms)**-0.5")
    group = simple(model=model if noisy else SIMPLE, method="euler")
    source = SpikeGeneratorGroup(1, [0] * 3, [5, 7, 9] * ms)
    pulse = Synapses(source, group, on_pre="v_post += 2*mV")
    pulse.connect()
    network = Network(group, source, pulse)
    network.run(5 * ms + DT)
    network.store()
    found = []
    for _ in range(2):
        network.restore()
        seed(4)
        network.run(20 * ms)
        found.append([group.neurons.v[:], group.v[:], group.n[:]])
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)
    assert group.v[0] != group.v[1]


@pytest.mark.parametrize("method", ["heun", "milstein"])
def test_methods_with_noise(method):
    """Multiplicative noise; the strings and random numbers of the `NeuronGroup`."""
    model = "dv/dt = -v/(10*ms) + (1 + i)*v*xi_1*(50*ms)**-0.5 : 1"
    defaultclock.dt = DT
    rules = {"threshold": "v > 1.5", "reset": "v = 1", "method": method}
    group = SpikingGroup([3, 2], model, **rules)
    model = model.replace("i)", "pop)") + "\npop : integer"
    neurons = NeuronGroup(5, model, **rules)
    neurons.pop = [0, 0, 0, 1, 1]
    group.neurons.v = neurons.v = 1
    for thing in (group, neurons):
        seed(5)
        Network(thing).run(20 * ms)
    np.testing.assert_array_equal(group.neurons.v, neurons.v)
    assert len(np.unique(neurons.v)) == 5


@pytest.mark.parametrize("N", [7, 7.0, [7], (7,), np.array([7])])
def test_representation(N):
    group = SpikingGroup(N, SIMPLE, **LIMITS, name="shown")
    assert repr(group) == "<SpikingGroup 'shown': N = 7; means of v>"
    assert group.sizes == [7] and len(group.neurons) == 7 and len(group) == 1
    assert "N = [2, 3]" in repr(SpikingGroup([2, 3], SIMPLE, **LIMITS))


# -- bad input -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes, error, match",
    [
        ({"threshold": None}, TypeError, "Give threshold='v > v_th'"),
        ({"hazard": "1*Hz"}, TypeError, "Give either threshold or hazard"),
        ({"threshold": 3}, TypeError, "threshold must be a string"),
        ({"reset": 3}, TypeError, "reset must be a string"),
        ({"threshold": None, "hazard": "1*"}, ValueError, "hazard='1\\*' cannot be"),
        ({"model": 3}, TypeError, "model must be a string or Equations"),
        ({"model": SIMPLE + "n : 1"}, ValueError, "define a variable 'n'"),
        ({"model": SIMPLE + "A : Hz"}, ValueError, "define a variable 'A'"),
        ({"model": SIMPLE + "x : 1 (linked)"}, NotImplementedError, "'x' is a linked"),
        ({"N": 0}, ValueError, "at least 1, got 0"),
        ({"N": [3, -1]}, ValueError, "at least 1, got -1"),
        ({"N": "3"}, TypeError, "N must be a number of neurons"),
    ],
)
def test_bad_arguments(changes, error, match):
    arguments = {"N": 3, "model": SIMPLE, **LIMITS, **changes}
    with pytest.raises(error, match=match):
        SpikingGroup(**arguments)


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"hazard": "v/mV", "threshold": None}, "hazard 'v/mV' must have the unit Hz"),
        ({"hazard": "rho", "threshold": None}, "rho"),
        ({"threshold": "v > 10"}, "threshold"),
        ({"reset": "v = 0"}, "unit"),
        ({"refractory": "3*mV"}, "timespan"),
        ({"model": SIMPLE.replace("(10*ms)", "(10*mV)")}, "unit"),
    ],
)
def test_units_and_names_are_checked_before_the_run(changes, match):
    with pytest.raises(Exception, match="(?s).") as caught:
        Network(SpikingGroup(3, **{"model": SIMPLE, **LIMITS, **changes})).run(DT)
    assert match in f"{caught.value} {caught.value.__cause__}"


def test_parameters_have_one_value_per_population():
    group = simple()
    with pytest.raises(ValueError, match="one value per population, 2 in all, got 3"):
        group.mu = [1, 2, 3] * mV
    with pytest.raises(Exception, match="unit|volt"):
        group.mu = 3


def test_a_cascade_needs_the_neurons():
    group = simple()
    with pytest.raises(ValueError, match="has populations, not neurons"):
        Cascade(group, "v_post += 0.01*mV")
    cascade = Cascade(group.neurons, "v_post += 0.01*mV")
    assert cascade in Network(group).sorted_objects
