"""Projections: delays, exact limits, sums, and plasticity per neuron."""

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    prefs,
    seed,
)
from projection_models import (
    DT,
    FACILITATING,
    PLASTIC,
    SHORT,
    collector,
    fire_at,
    recorded,
    releases,
)
from targets import TARGETS, assert_targets_agree, run_on_targets

from brian2_multiscale import MesoscopicGroup, Projection, population

KINDS = ("populations", "neurons")
PAIRINGS = [(a, b) for a in KINDS for b in KINDS]
DELAYS = (0, 1, 3, 12)
FIRED = (3, 5, 10, 11, 30)
APART = (3, 18, 32)


def project(source, target, plastic=False, **arguments):
    rule = {"on_pre": "h_post += w"}
    if plastic:
        rule = {"model": PLASTIC, "on_pre": SHORT, "parameters": FACILITATING}
    return Projection(source, target, **{**rule, **arguments})


def source_for(kinds, fired):
    """Single spikes of a population are drawn, which its activity need not be."""
    return fire_at(kinds[0], fired, noise=kinds == ("populations", "neurons"))


def delayed_inputs(kinds, plastic, fired, weight=0.25):
    """What targets with `DELAYS` get from ten neurons that fire in these steps."""
    source = source_for(kinds, fired)
    target = collector(kinds[1], len(DELAYS))
    if kinds[1] == "populations":
        delays = np.array([DELAYS]) * DT
        projections = [project(source, target, plastic, weights=weight, delay=delays)]
    else:
        projections = [
            project(source, target[k : k + 1], plastic, weights=weight, delay=d * DT)
            for k, d in enumerate(DELAYS)
        ]
    return recorded([source, *projections], [target], 50)


# -- delays --------------------------------------------------------------------------
@pytest.mark.parametrize("plastic", [False, True], ids=["static", "plastic"])
@pytest.mark.parametrize("kinds", PAIRINGS, ids="-".join)
def test_impulses_arrive_after_the_delay(kinds, plastic):
    """In the step of `Synapses`, with what the spike released when it was fired."""
    marked = plastic and kinds == ("populations", "neurons")
    # One delay is longer than intervals between spikes; see the next test
    fired = APART if marked else FIRED
    check_arrivals(delayed_inputs(kinds, plastic, fired), plastic, fired, marked)


@pytest.mark.xfail(strict=True, reason="a neuron keeps one release, that of last spike")
def test_volleys_of_populations_within_the_delay():
    """Every neuron fires again before its spike has arrived."""
    found = delayed_inputs(("populations", "neurons"), True, FIRED)
    check_arrivals(found, True, FIRED, True)


def check_arrivals(found, plastic, fired, marked):
    amounts = releases(fired, **FACILITATING) if plastic else np.ones(len(fired))
    expected = np.zeros_like(found)
    for k, delay in enumerate(DELAYS):
        expected[k, np.array(fired) + delay] = 10 * 0.25 * amounts
    # The spread of a release is the root of a rounding error
    tolerance = 1e-6 if marked else 1e-12
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kinds", PAIRINGS, ids="-".join)
@pytest.mark.parametrize("delay, steps", [(0.74, 1), (0.76, 2), (1.5, 3)])
def test_delays_are_rounded(kinds, delay, steps):
    source, target = source_for(kinds, [3]), collector(kinds[1])
    projection = project(source, target, weights=1, delay=delay * ms)
    found = recorded([source, projection], [target], 10)
    assert np.flatnonzero(found[0]).tolist() == [3 + steps]


def test_delay_of_synapses():
    """The step in which the same impulse of ordinary `Synapses` arrives."""
    source, target = fire_at("neurons", [3]), collector("neurons", 2)
    projection = project(source, target[:1], weights=1, delay=1 * ms)
    synapses = Synapses(source, target[1:], on_pre="h_post += 1", delay=1 * ms)
    synapses.connect()
    found = recorded([source, projection, synapses], [target], 10)
    np.testing.assert_array_equal(found[0], found[1])
    assert found.sum() == 20


# -- exact limits --------------------------------------------------------------------
RECURRENT = """
dv/dt = (20*mV - v + h)/(20*ms) : volt (unless refractory)
dh/dt = -h/(3*ms) : volt
rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
"""
PULSE = {"U": 0.3, "tau_d": 1e-6 * ms, "tau_f": 1e-6 * ms}


def random_population(sizes, name, noise=True, **arguments):
    defaultclock.dt = DT
    return MesoscopicGroup(
        sizes,
        RECURRENT,
        threshold="rand() < rho*dt",
        reset="v = 0*mV",
        refractory=4 * ms,
        method="exact",
        memory=120 * ms,
        noise=noise,
        name=name,
        **arguments,
    )


def activity(objects, groups, duration=100 * ms, variable="n"):
    monitors = [StateMonitor(g, variable, record=True, when="end") for g in groups]
    seed(7)
    Network(*objects, *groups, *monitors).run(duration, namespace={"mV": mV, "ms": ms})
    return np.concatenate([np.asarray(getattr(m, variable)) for m in monitors])


@pytest.mark.parametrize("kind", KINDS)
def test_certain_connections_are_full_wiring(kind):
    """p = 1: every target gets every spike, exactly (also as a matrix)."""
    source = random_population(40, "full_source")
    targets = [collector(kind, 1, name=n) for n in ("full_a", "full_b")]
    projections = [
        project(source, targets[0], weights=0.5, delay=1 * ms),
        project(source, targets[1], weights=[[0.5]], p=[[1.0]], delay=1 * ms),
    ]
    counts = StateMonitor(source, "n", record=True, when="end")
    found = recorded([source, *projections, counts], targets, 200)
    expected = np.concatenate([[0, 0], 0.5 * counts.n[0][:-2]])
    assert expected.sum() > 20
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], expected)


def test_the_limit_of_certain_connections():
    """Private input has vanished continuously when p reaches 1.

    The memory is longer than the run: where cohorts merge, sparse input adds the
    variance of what they differ by.
    """
    traces = {}
    for p in (1, 1 - 1e-9, 0.5):
        group = random_population(100, f"limit_{p}".replace(".", "_"), noise=False)
        loop = Projection(
            group, group, on_pre="h_post += w", weights=0.4 * mV / p, p=p, delay=1 * ms
        )
        traces[p] = activity([loop], [group])
    np.testing.assert_allclose(traces[1 - 1e-9], traces[1], rtol=1e-7)
    assert np.abs(traces[0.5] - traces[1]).max() > 1e-3 * traces[1].max()


@pytest.mark.parametrize("closure", ["cohort", "poisson"])
@pytest.mark.parametrize("kinds", PAIRINGS, ids="-".join)
def test_fast_recovery_is_static(kinds, closure):
    """x and u are back at rest before the next step: each spike releases U."""
    if closure == "poisson" and kinds[0] == "neurons":
        return
    defaultclock.dt = DT
    if kinds[0] == "populations":
        source = random_population(40, "off_source")
    else:
        source = PoissonGroup(40, 30 * Hz, name="off_source")
    targets = [collector(kinds[1], name=n) for n in ("off_plastic", "off_static")]
    projections = [
        project(source, targets[0], True, weights=1, parameters=PULSE, closure=closure),
        project(source, targets[1], weights=0.3),
    ]
    seed(3)
    plastic, static = recorded([source, *projections], targets, 200)
    assert static.max() > 0.5
    rough = kinds[0] == "populations"  # root of a rounding error
    tolerance = 1e-6 if rough else 1e-12
    np.testing.assert_allclose(plastic, static, rtol=0, atol=tolerance)


# -- several sources -----------------------------------------------------------------
@pytest.mark.parametrize("target_kind", KINDS)
def test_sources_add(target_kind):
    sources = [
        fire_at(k, FIRED, name=f"add_{k}", noise=target_kind == "neurons")
        for k in KINDS
    ]
    together = collector(target_kind, name="add_together")
    alone = [collector(target_kind, name=f"add_alone_{k}") for k in (0, 1)]
    projections = []
    for source, target, weight in zip(sources, alone, (0.3, -0.7), strict=True):
        for end in (target, together):
            projections.append(project(source, end, True, weights=weight, delay=1 * ms))
    found = recorded([*sources, *projections], [together, *alone], 50)
    # Single spikes carry the root of a rounding error, drawn for each projection
    tolerance = 1e-12 if target_kind == "populations" else 1e-6
    together, *alone = found
    np.testing.assert_allclose(together, sum(alone), rtol=0, atol=tolerance)
    assert np.abs(found[0]).max() > 0.1


SIZES = [60, 90, 40]
WEIGHTS = np.array([[0.3, 0.2, 0.0], [-0.4, -0.1, 0.25], [0.1, -0.6, 0.5]])
DELAY_STEPS = np.array([[2, 0, 1], [4, 2, 2], [1, 6, 3]])


@pytest.mark.parametrize("p", [1, 0.3])
@pytest.mark.parametrize("plastic", [False, True], ids=["static", "plastic"])
def test_matrix_is_many_projections(p, plastic):
    """One projection with matrices against nine with numbers; no noise."""
    parameters = {**FACILITATING, "U": np.array([0.2, 0.4, 0.6])}
    rule = {"on_pre": "h_post += w"}
    if plastic:
        rule = {"model": PLASTIC, "on_pre": SHORT, "parameters": parameters}
    one, many = (random_population(SIZES, n, noise=False) for n in ("one", "many"))
    for group in (one, many):
        group.v = np.array([3, 6, 9]) * mV
    matrix = Projection(
        one, one, weights=WEIGHTS * mV, delay=DELAY_STEPS * DT, p=p, **rule
    )
    projections = []
    for a, b in np.ndindex(3, 3):
        if plastic:
            rule["parameters"] = {**parameters, "U": parameters["U"][a]}
        projections.append(
            Projection(
                many[a : a + 1],
                many[b : b + 1],
                weights=WEIGHTS[a, b] * mV,
                delay=int(DELAY_STEPS[a, b]) * DT,
                p=p,
                **rule,
            )
        )
    found = activity([matrix, *projections], [one, many])
    assert found.max() > 0.5
    np.testing.assert_allclose(found[:3], found[3:], rtol=1e-12, atol=1e-12)


def test_only_the_chosen_populations():
    """Subgroups at both ends."""
    source = fire_at("populations", FIRED)
    target = collector("populations", 3)
    projection = project(source, target[1:2], weights=1)
    found = recorded([source, projection], [target], 40)
    assert found.sum(axis=1).tolist() == [0, 50, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_probability_scales_the_mean(kind):
    """p < 1 from single neurons: p w per spike to a population, some to neurons."""
    source = fire_at("neurons", [3], number=400)
    target = collector(kind, 50 if kind == "neurons" else 2)
    projection = project(source, target, weights=2.0, p=0.25)
    found = recorded([source, projection], [target], 10)[:, 3]
    if kind == "populations":
        np.testing.assert_allclose(found, 200, rtol=1e-12)
        return
    # Binomial(400, .25): false alarms 5 sigma, 50 neurons: 3e-5
    assert np.abs(found / 2 - 100).max() < 5 * np.sqrt(75)
    assert found.std() > 0


# -- spiking sources on all targets --------------------------------------------------
rng = np.random.default_rng(11)
STEPS = np.sort(rng.choice(150, 60, replace=False))
TRAIN = (rng.integers(0, 5, 60), STEPS * DT)
ACROSS = {"weights": 0.5, "delay": 1 * ms}
RATES = np.array([40, 90, 150, 60]) * Hz


def per_synapse(source, target, on_pre, name):
    """The reference: state per synapse."""
    equations = "w : 1"
    for line in PLASTIC.strip().splitlines():
        equations += f"\n{line}{' (event-driven)' if line[0] == 'd' else ''}"
    synapses = Synapses(
        source,
        target,
        equations,
        on_pre=on_pre,
        method="exact",
        delay=ACROSS["delay"],
        name=name,
    )
    synapses.connect()
    synapses.w = ACROSS["weights"]
    for key, value in {**FACILITATING, "u": FACILITATING["U"], "x": 1}.items():
        setattr(synapses, key, value)
    return synapses


def spiking_sources():
    """All neurons of a generator, and a part of a group that draws random numbers."""
    defaultclock.dt = DT
    generator = SpikeGeneratorGroup(5, *TRAIN, name="spikes_generator")
    poisson = PoissonGroup(4, RATES, name="spikes_poisson")
    return {"all": generator, "part": poisson[1:3]}, [generator, poisson]


def plastic_spikes():
    """Both act on neurons, and one of them on a population."""
    sources, objects = spiking_sources()
    ends = {
        "neurons": collector("neurons", 2, "h_all h_part", "spikes_neurons"),
        "population": collector("populations", 1, "h_all", "spikes_population"),
    }
    for key, end in (("all", "neurons"), ("part", "neurons"), ("all", "population")):
        name, rule = f"spikes_{key}_{end}", SHORT.replace("h_", f"h_{key}_")
        objects.append(
            project(sources[key], ends[end], True, **ACROSS, on_pre=rule, name=name)
        )
    return watched(objects, ends)


def plastic_synapses():
    """The same from Brian2's synapses."""
    sources, objects = spiking_sources()
    end = collector("neurons", 2, "h_all h_part", "spikes_reference")
    for key, source in sources.items():
        rule, name = SHORT.replace("h_", f"h_{key}_"), f"spikes_synapses_{key}"
        objects.append(per_synapse(source, end, rule, name))
    return watched(objects, {"reference": end})


def watched(objects, groups):
    """Monitors and readers of everything that is added up."""
    objects, readers = list(objects), {}
    for end, group in groups.items():
        names = [n for n in group.equations.names if n.startswith("h_")]
        monitor = StateMonitor(group, names, record=True, name=f"spikes_{end}_monitor")
        objects += [group, monitor]
        for h in names:
            readers[f"{end}_{h}"] = lambda m=monitor, h=h: getattr(m, h)
    return objects, readers


def population_loop():
    """A sparse plastic network of populations, without noise."""
    group = random_population([80, 50], "loop_group", noise=False)
    weights = np.array([[0.5, 0.4], [-0.6, -0.2]]) * mV
    loop = Projection(
        group,
        group,
        PLASTIC,
        SHORT,
        p=[[0.2, 0.5], [1, 0.3]],
        weights=weights,
        delay=np.array([[1, 2], [3, 0]]) * DT,
        parameters={**FACILITATING, "U": [0.2, 0.5]},
        name="loop_projection",
    )
    monitor = StateMonitor(group, ["n", "h"], record=True, name="loop_monitor")
    readers = {"loop_n": lambda: monitor.n, "loop_h": lambda: monitor.h}
    return [group, loop, monitor], readers


@pytest.fixture(scope="module")
def results():
    return run_on_targets([plastic_spikes, population_loop], 80 * ms, TARGETS)


@pytest.fixture(scope="module")
def reference():
    """In numpy: every target draws the same random numbers."""
    return run_on_targets(plastic_synapses, 80 * ms, targets=["numpy"])["numpy"]


@pytest.mark.parametrize("target", TARGETS)
def test_plasticity_per_neuron_is_that_per_synapse(results, reference, target):
    found = results[target]
    for source in ("all", "part"):
        expected = reference[f"reference_h_{source}"]
        assert expected.max() > 1
        np.testing.assert_allclose(found[f"neurons_h_{source}"], expected, rtol=1e-12)
    expected = reference["reference_h_all"][:1]
    np.testing.assert_allclose(found["population_h_all"], expected, rtol=1e-12)


def test_targets_agree(results):
    assert results["numpy"]["loop_n"].max() > 0.1
    assert_targets_agree(results, rtol=1e-9)


# -- other things --------------------------------------------------------------------
def test_equal_numbers_from_populations_to_neurons():
    """Every spike of the population reaches every neuron, with p = 1 and delays."""
    source = random_population([30, 50], "count_source")
    target = collector("neurons", 3)
    projections = [
        project(source, target, weights=[[1.0], [100.0]], delay=[[0.5], [2]] * ms)
    ]
    counts = StateMonitor(source, "n", record=True, when="end")
    found = recorded([source, *projections, counts], [target], 200)
    first, second = (np.asarray(n) for n in counts.n)
    expected = np.concatenate([[0], first[:-1]])
    expected[4:] += 100 * second[:-4]
    np.testing.assert_array_equal(found, np.tile(expected, (3, 1)))


def test_several_releases_and_targets():
    """Two variables of the target, one static and one plastic part."""
    for kind in KINDS:
        source = fire_at(kind, FIRED, name=f"two_{kind}")
        target = collector("populations", 1, "h k", f"two_target_{kind}")
        rule = "h_post += w*u*x\nk_post += 2*w\nx -= u*x\nu += U*(1 - u)"
        projection = Projection(
            source, target, PLASTIC, rule, weights=1, parameters=FACILITATING
        )
        recorded([source, projection], [target], 40)
        total = releases(FIRED, **FACILITATING).sum()
        assert target.h[0] == pytest.approx(10 * total, rel=1e-12)
        assert target.k[0] == pytest.approx(100, rel=1e-12)


def test_voltage_steps_of_a_population():
    """A projection may kick the membrane."""
    defaultclock.dt = DT
    model = """dv/dt = -v/(10*ms) : volt (unless refractory)
    rho = 0*Hz : Hz"""
    target = MesoscopicGroup(
        20, model, hazard="rho", reset="v = 0*mV", refractory=2 * ms, method="exact"
    )
    single = NeuronGroup(1, model, method="exact", threshold="False", reset="")
    source = fire_at("neurons", [3, 8])
    projections = [
        Projection(source, t, on_pre="v_post += w", weights=0.2 * mV)
        for t in (target, single)
    ]
    found = recorded([source, *projections], [target, single], 20, "v")
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-18)
    assert found.max() == pytest.approx(2e-3 * 0.99, rel=0.2)


@pytest.mark.parametrize("source", ["spiking", "mesoscopic"])
@pytest.mark.parametrize("target", ["spiking", "mesoscopic"])
def test_constants_of_the_groups_are_known_to_their_projection(source, target):
    model = "dv/dt = -v/(10*ms) : volt\nrho = 20*Hz : Hz"
    ends = [
        population(
            20,
            model,
            hazard="rho",
            reset="v = 0*mV",
            scale=scale,
            namespace={"tau_f": 100 * ms, "U": 0.3},
        )
        for scale in (source, target)
    ]
    synapses = Projection(
        *ends, "du/dt = (U - u)/tau_f : 1", "v_post += u*mV; u += U*(1 - u)"
    )
    prefs.codegen.target = "numpy"
    Network(*ends, synapses).run(1 * ms)
    # At rest from the beginning
    assert synapses.rest() == [{"u": pytest.approx(0.3)}]


def test_sparse_populations_in_single_precision():
    """Constants are written in the preferred precision: none may become zero."""
    before = prefs.core.default_float_dtype
    prefs.codegen.target = "numpy"
    counts = []
    try:
        for dtype in (np.float64, np.float32):
            prefs.core.default_float_dtype = dtype
            source = random_population(40, f"in_{np.dtype(dtype).name}")
            loop = Projection(
                source, source, on_pre="h_post += w", weights=-0.05 * mV, p=0.5
            )
            monitor = StateMonitor(source, "A_expected", record=True)
            seed(3)
            Network(source, loop, monitor).run(20 * ms)
            counts.append(np.mean(monitor.A_expected / Hz))
    finally:
        prefs.core.default_float_dtype = before
    assert counts[0] == pytest.approx(counts[1], rel=0.2) and counts[0] > 0
