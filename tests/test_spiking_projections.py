"""Projections from and to spiking populations, and every pairing of scales."""

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    mV,
    seed,
)
from projection_models import DT, FACILITATING, PLASTIC, SHORT, recorded, releases
from targets import TARGETS, run_on_targets

from brian2_multiscale import Projection, SpikingGroup, population
from brian2_multiscale.projections import ProjectionError
from brian2_multiscale.spiking import Cascade

# -- every pairing ---------------------------------------------------------------------
#: Of the two populations of a source, if it has several
SIZES = (10, 6)
FIRED = ((3, 18, 32), (5, 21, 30))
SILENT = "dv/dt = -v/(10*ms) : 1 (unless refractory)\n"
FAR = "dv/dt = -v/(10*ms) + 0.05*xi*sqrt(1/ms) : 1 (unless refractory)\n"
SOURCES = (
    "spiking",
    "neurons",
    "poisson",
    "generator",
    "mesoscopic",
    "density",
    "hybrid",
)
TARGET_KINDS = ("spiking", "neurons", "mesoscopic", "density", "hybrid")


def trains(name, height=1.0):
    """A table of time and population."""
    values = np.zeros((50, 2))
    for k, steps in enumerate(FIRED):
        values[list(steps), k] = height
    return TimedArray(values, dt=DT, name=f"{name}_trains")


def source_of(kind):
    """What fires at `FIRED`; the numbers of neurons and their steps, per population."""
    defaultclock.dt = DT
    each = SIZES[0]
    names = {"trains": trains("source", 2.0 if kind in ("density", "hybrid") else 1.0)}
    if kind in ("neurons", "poisson", "generator"):
        rows = [(each, FIRED[0])]
    else:
        rows = list(zip(SIZES, FIRED, strict=True))
    if kind == "neurons":
        model, rule = "fires = trains(t, 0) : 1", {"threshold": "fires > 0.5"}
        return NeuronGroup(each, model, **rule, reset="", namespace=names), rows
    if kind == "poisson":
        return PoissonGroup(each, "trains(t, 0)/dt", namespace=names), rows
    if kind == "generator":
        index = np.repeat(np.arange(each), 3)
        return SpikeGeneratorGroup(each, index, np.tile(FIRED[0], each) * DT), rows
    rule = {"reset": "v = 0", "namespace": names, "name": "source"}
    if kind in ("spiking", "mesoscopic"):
        model = SILENT + "rho = trains(t, i)/dt : Hz"
        rule |= {"threshold": "rand() < rho*dt", "memory": 20 * ms}
        return population(SIZES, model, **rule, scale=kind, method="exact"), rows
    # Close to the reset; all are kicked over the threshold
    rule |= {"threshold": "v > 1", "v_min": -1, "bins": 60, "refractory": 1 * ms}
    group = population(SIZES, FAR, **rule, scale=kind)
    group.run_regularly("v += trains(t, i)")
    return group, rows


def target_of(kind, name="target", variables="h g", sizes=(5, 3)):
    """Never fires and adds up what it gets."""
    defaultclock.dt = DT
    equations = "\n".join(f"{h} : 1" for h in variables.split())
    rule = {"reset": "v = 0", "name": name}
    if kind == "neurons":
        return NeuronGroup(2, equations, name=name)
    if kind == "mesoscopic":
        model, rule["hazard"] = SILENT + "rho = 0*Hz : Hz\n", "rho"
    else:
        model, rule["threshold"] = FAR, "v > 1"
    more = {"refractory": 1 * ms, "memory": 20 * ms, "v_min": -1, "bins": 60}
    return population(list(sizes), model + equations, **rule, **more, scale=kind)


@pytest.mark.parametrize("target_kind", TARGET_KINDS)
@pytest.mark.parametrize("kind", SOURCES)
def test_impulses_arrive_after_the_delay(kind, target_kind):
    """Through matrices, with and without plasticity; `N_pre` and `N_post` are sizes."""
    source, rows = source_of(kind)
    target = target_of(target_kind)
    columns = 1 if target_kind == "neurons" else 2
    shape = (len(rows), columns)
    weights = np.array([[0.25, 0.5], [-0.75, 1.0]])[: shape[0], : shape[1]]
    steps = np.array([[0, 12], [3, 1]])[: shape[0], : shape[1]]
    matrices = {"weights": weights, "delay": steps * DT}
    static = Projection(source, target, on_pre="h_post += w*N_pre/N_post", **matrices)
    used = np.array([0.3, 0.6])[: len(rows)]
    plastic = Projection(
        source,
        target,
        model=PLASTIC,
        on_pre=SHORT.replace("h_", "g_"),
        parameters={**FACILITATING, "U": used},
        **matrices,
    )
    ends = [source, target, static, plastic]
    found = {"h": None, "g": None}
    monitors = {x: StateMonitor(target, x, True, when="end") for x in found}
    seed(3)
    Network(*ends, *monitors.values()).run(50 * DT, namespace={})
    received = 2 if target_kind == "neurons" else None
    expected = {x: np.zeros((2, 50)) for x in found}
    for a, (number, fired) in enumerate(rows):
        amounts = releases(fired, **{**FACILITATING, "U": used[a]})
        for b in range(2):
            column = min(b, columns - 1)
            arrival = np.array(fired) + steps[a, column]
            weight = number * weights[a, column]
            size = received or (5, 3)[b]
            np.add.at(expected["h"][b], arrival, weight * number / size)
            np.add.at(expected["g"][b], arrival, weight * amounts)
    for x, tolerance in (("h", 1e-9), ("g", 1e-5)):
        gains = np.diff(np.asarray(getattr(monitors[x], x)), axis=1, prepend=0)
        np.testing.assert_allclose(gains, expected[x], rtol=0, atol=tolerance)


RATE = 25 * Hz
DEPRESSING = "dx/dt = (1 - x)/(200*ms) : 1"
STATIONARY = "dv/dt = (1.2 - v)/(20*ms) + sqrt(2*0.1/(20*ms))*xi : 1"


def stationary(kind, number=1000):
    """Fires at random times, with a rate of some 25 Hz."""
    defaultclock.dt = DT
    if kind == "poisson":
        return PoissonGroup(number, RATE)
    names = {"rate": RATE}
    if kind == "neurons":
        return NeuronGroup(number, "", threshold="rand() < rate*dt", namespace=names)
    if kind in ("spiking", "mesoscopic"):
        rule = {"threshold": "rand() < rate*dt", "reset": "v = 0", "memory": 900 * ms}
        model = "dv/dt = -v/(10*ms) : 1"
        group = population(
            number, model, **rule, scale=kind, namespace=names, closure_order=2
        )
        return group
    rule = {"threshold": "v > 1", "reset": "v = 0"}
    return population(number, STATIONARY, **rule, scale=kind, namespace={})


@pytest.mark.parametrize(
    "kind", ["spiking", "neurons", "poisson", "mesoscopic", "density", "hybrid"]
)
def test_mean_release_of_depression(kind):
    """Towards all kinds of targets at once: the mean before a spike at random times.

    In time steps, with the rate that is measured. Single spikes carry amounts of their
    own with a coefficient of variation of 0.25, of which the slow part is common.
    """
    source = stationary(kind)
    targets = {k: target_of(k, f"to_{k}", "h", (4, 4)) for k in TARGET_KINDS}
    loops = [
        Projection(source, t, DEPRESSING, "h_post += w*x\nx -= 0.5*x", weights=1)
        for t in targets.values()
    ]
    if kind in ("neurons", "poisson", "spiking"):
        counter = SpikeMonitor(getattr(source, "neurons", source), record=False)
    else:
        counter = StateMonitor(source, "n", True, when="end")
    network = Network(source, counter, *targets.values(), *loops)

    def state():
        gained = [np.asarray(t.h)[0] for t in targets.values()]
        if isinstance(counter, SpikeMonitor):
            return np.array([*gained, counter.num_spikes])
        return np.array([*gained, np.asarray(counter.n).sum()])

    seed(4)
    network.run(250 * ms, namespace={})
    before = state()
    network.run(200 * ms, namespace={})
    *gained, spikes = state() - before
    assert spikes > 4000
    fraction, decay = spikes / (1000 * 400), np.exp(-float(DT) / 0.2)
    expected = (1 - decay) / (1 - decay * (1 - 0.5 * fraction))
    assert 0.2 < expected < 0.4
    np.testing.assert_allclose(np.array(gained) / spikes, expected, rtol=0.03)


@pytest.mark.parametrize("target_kind", TARGET_KINDS)
def test_releases_of_spiking_populations_are_exact(target_kind):
    """Sums over the spikes that were recorded, each with what it released."""
    defaultclock.dt = DT
    names = {"rate": 60 * Hz}
    source = SpikingGroup(
        [4, 3], "v : 1", threshold="rand() < rate*dt*(1 + i)", namespace=names
    )
    target = target_of(target_kind, variables="h")
    weights = np.array([[1.0], [-2.0]]) * np.ones(1 if target_kind == "neurons" else 2)
    loop = Projection(
        source[:],
        target,
        PLASTIC,
        SHORT,
        weights=weights,
        delay=2 * DT,
        parameters={**FACILITATING, "U": [0.2, 0.5]},
    )
    spikes = SpikeMonitor(source.spikes)
    seed(2)
    found = recorded([source, loop, spikes], [target], 200)
    expected = np.zeros(200)
    for neuron, times in spikes.spike_trains().items():
        late = neuron >= 4
        steps = np.round(times / DT).astype(int)
        amounts = releases(steps, **{**FACILITATING, "U": 0.5 if late else 0.2})
        arrived = steps + 2 < 200
        np.add.at(expected, steps[arrived] + 2, (-2 if late else 1) * amounts[arrived])
    assert np.abs(expected).sum() > 10
    np.testing.assert_allclose(found, np.tile(expected, (2, 1)), atol=1e-12)


# -- wiring, on all targets ------------------------------------------------------------
P = np.array([[0.3, 1.0], [0.0, 0.15]])
WEIGHTS = np.array([[0.5, -1.0], [3.0, 2.0]])
STEPS = np.array([[1, 3], [3, 1]])
USED = [0.2, 0.5]
SOURCE_SIZES, TARGET_SIZES = [40, 60], [50, 30]
MULTAPSES = np.array([[0.3, 0.11], [0.05, 0.0]])


def wired():
    """A matrix of everything, with plasticity; and multapses."""
    defaultclock.dt = DT
    source = SpikingGroup(
        SOURCE_SIZES,
        "v : 1",
        threshold="wired_trains(t, i) > 0.5",
        namespace={"wired_trains": trains("wired")},
        name="wired_source",
    )
    target = SpikingGroup(
        TARGET_SIZES, "h : 1\nm : 1", threshold="h > 1e9", name="wired_target"
    )
    matrix = Projection(
        source,
        target,
        PLASTIC,
        SHORT.replace("w*", "w*N_pre/N_post*"),
        p=P,
        weights=WEIGHTS,
        delay=STEPS * DT,
        parameters={**FACILITATING, "U": USED},
        name="wired_matrix",
    )
    multapses = Projection(
        source,
        target,
        on_pre="m_post += w",
        p=MULTAPSES,
        weights=WEIGHTS,
        delay=DT,
        multapses=True,
        name="wired_multapses",
    )
    readers = {f"wired_{x}": lambda x=x: getattr(target.neurons, x)[:] for x in "hm"}
    for projection in (matrix, multapses):
        chosen = [o for o in projection.way.objects if "_synapses" in o.name]
        for k, synapses in enumerate(chosen):
            for x in "ij":
                key = f"{projection.name}_{k}_{x}"
                readers[key] = lambda s=synapses, x=x: np.array(getattr(s, x))
    return [source, target, matrix, multapses], readers


@pytest.fixture(scope="module")
def results():
    return run_on_targets(wired, 50 * DT, TARGETS)


def connections(found, name):
    """Number of synapses from every neuron to every neuron."""
    i, j = found[f"{name}_i"], found[f"{name}_j"]
    number = np.zeros((100, 80), dtype=int)
    np.add.at(number, (i, j), 1)
    return number


def blocks(number):
    return [[half[:, :50], half[:, 50:]] for half in (number[:40], number[40:])]


@pytest.mark.parametrize("target", TARGETS)
def test_synapses_of_every_pair(results, target):
    """Bernoulli with the probability of the pair, in the object of its delay.

    Total number, spread of in- and out-degrees: eight numbers, false alarms 1e-4.
    """
    found = results[target]
    early, late = (blocks(connections(found, f"wired_matrix_{k}")) for k in (0, 1))
    for a, b in np.ndindex(2, 2):
        used, unused = (early, late) if STEPS[a, b] == 1 else (late, early)
        number, p = used[a][b], P[a, b]
        assert unused[a][b].sum() == 0
        assert number.max() <= 1
        if p in (0, 1):
            assert np.all(number == p)
            continue
        assert abs(number.sum() - number.size * p) < 4.2 * np.sqrt(
            number.size * p * (1 - p)
        )
        for axis in (0, 1):
            degrees = number.sum(axis=axis)
            ratio = degrees.var(ddof=1) / (number.shape[axis] * p * (1 - p))
            assert abs(ratio - 1) < 4.2 * np.sqrt(2 / (len(degrees) - 1)), ratio


@pytest.mark.parametrize("target", TARGETS)
def test_multapses_of_every_pair(results, target):
    """In-degrees are exact up to a whole number; sources are chosen with repetition."""
    parts = blocks(connections(results[target], "wired_multapses_0"))
    for a, b in np.ndindex(2, 2):
        number, mean = parts[a][b], MULTAPSES[a, b] * SOURCE_SIZES[a]
        degrees = number.sum(axis=0)
        assert set(degrees) <= {np.floor(mean + 1e-9), np.ceil(mean - 1e-9)}
        rest = mean % 1
        if 1e-9 < rest < 1 - 1e-9:
            error = np.sqrt(rest * (1 - rest) / len(degrees))
            assert abs(degrees.mean() - mean) < 4.5 * error
        # Any source is as likely: a chi-square with one less than the sources
        if mean > 1:
            out = number.sum(axis=1)
            square = np.sum((out - out.mean()) ** 2) / out.mean()
            freedom = len(out) - 1
            assert abs(square - freedom) < 4.5 * np.sqrt(2 * freedom)
            assert number.max() > 1


@pytest.mark.parametrize("target", TARGETS)
def test_what_arrives_through_the_matrix(results, target):
    """Weights, sizes and plasticity of each pair, summed over the synapses."""
    found = results[target]
    totals = np.repeat(
        [
            releases(steps, **{**FACILITATING, "U": u}).sum()
            for steps, u in zip(FIRED, USED, strict=True)
        ],
        SOURCE_SIZES,
    )
    sizes = np.array(SOURCE_SIZES)[:, np.newaxis] / np.array(TARGET_SIZES)
    pairs = np.repeat(np.repeat(WEIGHTS * sizes, SOURCE_SIZES, 0), TARGET_SIZES, 1)
    number = sum(connections(found, f"wired_matrix_{k}") for k in (0, 1))
    expected = totals @ (pairs * number)
    assert np.abs(expected).min() > 0.01 and np.ptp(expected[:50]) > 1
    np.testing.assert_allclose(found["wired_h"], expected, rtol=1e-10)
    pairs = np.repeat(np.repeat(WEIGHTS, SOURCE_SIZES, 0), TARGET_SIZES, 1)
    number = connections(found, "wired_multapses_0")
    expected = 3 * np.sum(pairs * number, axis=0)
    np.testing.assert_allclose(found["wired_m"], expected, rtol=1e-12)


def test_parts_of_spiking_groups():
    """Some populations at both ends, with a matrix of their own."""
    source, rows = source_of("spiking")
    target = target_of("spiking", variables="h", sizes=(5, 3, 4))
    loops = [
        Projection(
            source[1:2], target[1:3], on_pre="h_post += w", weights=[[1.0, 10.0]]
        ),
        Projection(source[:1], target[:1], on_pre="h_post += N_pre/N_post"),
    ]
    Network(source, target, *loops).run(50 * DT, namespace={})
    expected = [3 * 10 * 10 / 5, 3 * 6 * 1, 3 * 6 * 10]
    np.testing.assert_allclose(target.neurons.h, np.repeat(expected, [5, 3, 4]))


# -- kicks without delay ---------------------------------------------------------------
DRIFT = """
dv/dt = (mu - v)/(10*ms) : volt (unless refractory)
mu : volt
"""
KICKED = {
    "threshold": "v > 15*mV",
    "reset": "v = 0*mV",
    "refractory": 2 * ms,
    "method": "exact",
}
PAIRS = np.array([[0.05, 0.03], [-0.2, -0.04]]) * mV


def excitable(kind=SpikingGroup, model=DRIFT, sizes=(80, 20), **changes):
    defaultclock.dt = 0.1 * ms
    arguments = {**KICKED, "namespace": {"mV": mV, "ms": ms}, **changes}
    if kind is SpikingGroup:
        group = SpikingGroup(list(sizes), model, **arguments)
        neurons = group.neurons
    else:
        group = neurons = NeuronGroup(sum(sizes), model, **arguments)
    neurons.mu = "17*mV + 2*mV*sin(i)"
    neurons.v = "14*mV*sin(3*i)**2"
    return group


def spikes_of(group, *objects, duration=30 * ms):
    """Indices and time steps; a spiking group has counted them."""
    monitor = SpikeMonitor(getattr(group, "neurons", group))
    objects = [group, monitor, *objects]
    if isinstance(group, SpikingGroup):
        counts = StateMonitor(group, "n", True, when="end")
        objects.append(counts)
    Network(*objects).run(duration, namespace={"mV": mV, "ms": ms})
    i, steps = np.asarray(monitor.i), np.round(monitor.t / (0.1 * ms)).astype(int)
    if isinstance(group, SpikingGroup):
        found = np.zeros_like(counts.n)
        row = np.repeat(np.arange(len(group.sizes)), group.sizes)[i]
        np.add.at(found, (row, steps), 1)
        np.testing.assert_array_equal(counts.n, found)
    return np.array([i, steps])


def test_kicks_at_once_are_a_cascade():
    """Of the neurons, with one matrix."""
    group, neurons = excitable(), excitable(NeuronGroup)
    loop = Projection(group, group, on_pre="v_post += w", weights=PAIRS)
    cascade = Cascade([neurons[:80], neurons[80:]], "v_post += w", weights=PAIRS)
    found, expected = spikes_of(group, loop), spikes_of(neurons)
    np.testing.assert_allclose(found, expected)
    assert cascade is neurons.thresholder["spike"]
    # Many fire at once, more than without the loop
    assert np.unique(found[1], return_counts=True)[1].max() > 30
    alone = spikes_of(excitable())
    assert np.unique(alone[1], return_counts=True)[1].max() < 10


CONSTANT = 0.05 * mV


@pytest.mark.parametrize(
    "on_pre, more",
    [
        ("v_post += J", {"namespace": {"J": CONSTANT}}),
        ("v_post += 2*J*w", {"namespace": {"J": 0.5}, "weights": CONSTANT}),
        ("v_post += J*N_pre/100", {}),
        ("v_post += w*100/(N_pre + N_post)*2", {"weights": CONSTANT}),
        ("v_post += w", {"weights": CONSTANT, "p": [[1.0]]}),
    ],
)
def test_names_in_kicks_at_once(on_pre, more):
    """Constants of the projection or of the run, numbers of neurons."""
    group = excitable(sizes=(100,))
    group.namespace["J"] = CONSTANT
    loop = Projection(group, group, on_pre=on_pre, **more)
    assert "cascade" in group.neurons.thresholder["spike"].name
    neurons = excitable(NeuronGroup)
    Cascade(neurons, "v_post += w", weights=CONSTANT)
    np.testing.assert_allclose(spikes_of(group, loop), spikes_of(neurons))


def test_kicks_at_once_beside_a_variable_w():
    """In `on_pre` of a projection, w is the weight."""
    model = DRIFT.replace("mu -", "mu - w -") + "dw/dt = -w/(50*ms) : volt"
    rule = {"reset": "v = 0*mV; w += 0.5*mV"}
    group = excitable(model=model, sizes=(100,), **rule)
    loop = Projection(group, group, on_pre="v_post += w", weights=CONSTANT)
    neurons = excitable(
        NeuronGroup, model.replace("w", "u"), reset=rule["reset"].replace("w", "u")
    )
    Cascade(neurons, "v_post += 0.05*mV")
    np.testing.assert_allclose(spikes_of(group, loop), spikes_of(neurons))


def test_pairs_that_are_not_connected_get_no_kicks():
    """With probability 0 or weight 0; pairs with a delay have synapses."""
    weights = np.eye(2) * PAIRS
    group, same = excitable(), excitable()
    loop = Projection(
        group, group, on_pre="v_post += w", weights=PAIRS, p=np.eye(2), name="some"
    )
    other = Projection(same, same, on_pre="v_post += w", weights=weights, name="zero")
    assert group.neurons.thresholder["spike"].name == "some_cascade"
    np.testing.assert_allclose(spikes_of(group, loop), spikes_of(same, other))
    delays = np.array([[0, 0.5], [0, 0]]) * ms
    group, same = excitable(), excitable()
    loop = Projection(group, group, on_pre="v_post += w", weights=PAIRS, delay=delays)
    apart = [
        Projection(
            same, same, on_pre="v_post += w", weights=(delays == 0 * ms) * PAIRS
        ),
        Projection(
            same[:1],
            same[1:],
            on_pre="v_post += w",
            weights=PAIRS[0, 1],
            delay=0.5 * ms,
        ),
    ]
    np.testing.assert_allclose(spikes_of(group, loop), spikes_of(same, *apart))


@pytest.mark.parametrize("case", ["sparse", "escape", "other variable", "two targets"])
def test_other_kicks_are_synapses(case):
    """They act in the same step, on neurons that fire in the next."""
    more = {"p": 0.5} if case == "sparse" else {}
    rule = {"threshold": "rand() < dt*10*Hz*exp(v/mV - 15)"} if case == "escape" else {}
    model = DRIFT.replace("mu -", "mu + h -") + "dh/dt = -h/(5*ms) : volt"
    rule["namespace"] = {"mV": mV, "ms": ms, "Hz": Hz}
    on_pre = {
        "other variable": "h_post += w",
        "two targets": "v_post += w; h_post += w",
    }.get(case, "v_post += w")
    group = excitable(model=model, **rule)
    loop = Projection(group, group, on_pre=on_pre, weights=PAIRS, **more)
    assert all(isinstance(o, Synapses) for o in loop.way.objects)
    if case == "sparse":
        return
    neurons = excitable(NeuronGroup, model, **rule)
    objects = []
    for a, b in np.ndindex(2, 2):
        parts = neurons[:80], neurons[80:]
        synapses = Synapses(parts[a], parts[b], "w : volt (shared)", on_pre=on_pre)
        synapses.connect()
        synapses.w = PAIRS[a, b]
        objects.append(synapses)
    found = []
    for pair in ((group, loop), (neurons, *objects)):
        seed(3)
        found.append(spikes_of(*pair))
    # Sums of kicks are rounded in another order
    np.testing.assert_allclose(found[0], found[1])
    assert len(found[0][0]) > 20


def test_random_constants_of_kicks_at_once():
    group = excitable(sizes=(100,))
    table = TimedArray([0.1, 0.2] * mV, dt=1 * ms)
    with pytest.raises(ProjectionError, match="'J' is .*Give a delay"):
        Projection(group, group, on_pre="v_post += J", namespace={"J": table})


def test_one_cascade_is_all():
    group = excitable()
    Projection(group, group, on_pre="v_post += w", weights=PAIRS)
    with pytest.raises(ValueError, match="another projection does, too"):
        Projection(group, group, on_pre="v_post += w", weights=PAIRS)
