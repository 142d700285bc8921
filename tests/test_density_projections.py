"""Projections with a density at one end: delays, moments, networks, plasticity."""

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    mV,
    seed,
)
from brian2.utils.logger import BrianLogger
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

from brian2_multiscale import MesoscopicGroup, Projection
from brian2_multiscale.density import DensityGroup
from brian2_multiscale.projections import ProjectionError

#: Firing sources of all kinds, and targets that collect
KINDS = ("density", "populations", "neurons")
PAIRINGS = [(a, b) for a in KINDS for b in KINDS if "density" in (a, b)]
DELAYS = (0, 1, 3, 12)
FIRED = (3, 18, 32)
#: As many neurons as collectors of other kinds
NAMES = {"namespace": {}}


def density_source(steps, number=10, name="source"):
    """Neurons close to the reset that are all kicked over the threshold."""
    defaultclock.dt = DT
    train = np.zeros(max(steps) + 2)
    train[list(steps)] = 2
    group = DensityGroup(
        number,
        "dv/dt = -v/(10*ms) + 0.05*xi*sqrt(1/ms) : 1 (unless refractory)",
        threshold="v > 1",
        reset="v = 0",
        refractory=1 * ms,
        v_min=-1,
        bins=60,
        namespace={"train": TimedArray(train, dt=DT, name=f"{name}_train")},
        name=name,
    )
    group.run_regularly("v += train(t)")
    return group


def density_target(number=1, variables="h", name="target", tau=10 * ms, **changes):
    """Populations far below the threshold; `v` can be kicked."""
    defaultclock.dt = DT
    model = "dv/dt = -v/tau + sqrt(2*0.02/tau)*xi : 1\n"
    model += "\n".join(f"{h} : 1" for h in variables.split())
    arguments = {"threshold": "v > 8", "reset": "v = 0", "v_min": -4, "bins": 200}
    group = DensityGroup(
        [50] * number,
        model,
        namespace={"tau": tau},
        name=name,
        **{**arguments, **changes},
    )
    # Bins relocate what is smooth
    group.p = "exp(-v**2/(2*0.2**2))"
    return group


def source_for(kind, steps, number=10, noise=False, name="source"):
    if kind == "density":
        return density_source(steps, number, name)
    return fire_at(kind, steps, number, name, noise)


def target_for(kind, number=1, variables="h", name="target"):
    if kind == "density":
        return density_target(number, variables, name)
    return collector(kind, number, variables, name)


def project(source, target, plastic=False, **arguments):
    rule = {"on_pre": "h_post += w"}
    if plastic:
        rule = {"model": PLASTIC, "on_pre": SHORT, "parameters": FACILITATING}
    return Projection(source, target, **{**rule, **arguments})


# -- delays and plasticity -------------------------------------------------------------
@pytest.mark.parametrize("plastic", [False, True], ids=["static", "plastic"])
@pytest.mark.parametrize("kinds", PAIRINGS, ids="-".join)
def test_impulses_arrive_after_the_delay(kinds, plastic):
    """In the step of `Synapses`, with what the spike released when it was fired."""
    single = kinds[1] == "neurons"
    source = source_for(kinds[0], FIRED, noise=single)
    target = target_for(kinds[1], len(DELAYS))
    if single:
        projections = [
            project(source, target[k : k + 1], plastic, weights=0.25, delay=d * DT)
            for k, d in enumerate(DELAYS)
        ]
    else:
        delays = np.array([DELAYS]) * DT
        projections = [project(source, target, plastic, weights=0.25, delay=delays)]
    found = recorded([source, *projections], [target], 50)
    amounts = releases(FIRED, **FACILITATING) if plastic else np.ones(len(FIRED))
    expected = np.zeros_like(found)
    for k, delay in enumerate(DELAYS):
        expected[k, np.array(FIRED) + delay] = 10 * 0.25 * amounts
    # The spread of what a single spike releases is the root of a rounding error
    tolerance = 1e-5 if plastic and single else 1e-9
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_kicks_arrive_after_the_delay(kind):
    """The mean voltage of a density jumps when the spikes arrive."""
    source, steps = source_for(kind, [5]), (0, 1, 4)
    target, rule = density_target(3, tau=1000 * ms), {"on_pre": "v_post += w"}
    rule["weights"] = 0.1
    if kind == "neurons":
        loops = [
            Projection(source, target[k : k + 1], delay=d * DT, **rule)
            for k, d in enumerate(steps)
        ]
    else:
        loops = [Projection(source, target, delay=np.array([steps]) * DT, **rule)]
    found = recorded([source, *loops], [target], 14, "v")
    for k, delay in enumerate(steps):
        assert np.argmax(found[k]) == 5 + delay
        assert found[k].max() == pytest.approx(1, rel=2e-3)
        others = np.delete(found[k], 5 + delay)
        assert np.abs(others).max() < 2e-3


def test_only_the_chosen_populations():
    """Subgroups of densities at both ends."""
    source = density_target(3, name="part_source", threshold="v > 1", v_min=-1)
    source.p = "exp(-(v - 0.9*int(i == 1))**2/(2*0.05**2))"
    target = density_target(3, name="part_target")
    loop = project(source[1:2], target[2:3], weights=0.5, delay=1 * ms)
    n = StateMonitor(source, "n", True, when="end")
    found = recorded([source, loop, n], [target], 20)
    assert n.n[1].sum() > 1
    assert np.all(found[:2] == 0)
    np.testing.assert_allclose(found[2, 2:], 0.5 * n.n[1][:-2], rtol=1e-12, atol=1e-14)


def test_sources_of_all_kinds_add():
    sources = [source_for(k, FIRED, name=f"all_{k}") for k in KINDS]
    target = density_target(1)
    weights = (0.3, -0.7, 1.1)
    projections = [
        project(s, target, True, weights=w, delay=1 * ms)
        for s, w in zip(sources, weights, strict=True)
    ]
    found = recorded([*sources, *projections], [target], 50)[0]
    expected = np.zeros(50)
    expected[np.array(FIRED) + 2] = 10 * sum(weights) * releases(FIRED, **FACILITATING)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


# -- mean and variance of what neurons hear --------------------------------------------
def voltages(group):
    """Mean and variance over the population."""
    grid = group.grids[0]
    masses = np.asarray(group.p) * grid.width
    mean = masses @ grid.centres
    return mean, masses @ (grid.centres - mean) ** 2


P, W, VOLLEY = 0.3, 0.1, 40


@pytest.mark.parametrize("multapses", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_moments_of_a_volley(kind, multapses):
    """Forty spikes that each neuron hears with probability 0.3, and one control."""
    found = []
    share = P if multapses else P * (1 - P)
    options = {"on_pre": "v_post += w", "multapses": multapses}
    for w in (W, 0):
        source = source_for(kind, [2], VOLLEY)
        target = density_target(tau=10_000 * ms)
        projection = Projection(source, target, weights=w, p=P, **options)
        recorded([source, projection], [target], 5)
        found.append(voltages(target))
    (mean, variance), (mean_0, variance_0) = found
    assert mean - mean_0 == pytest.approx(VOLLEY * P * W, rel=2e-3)
    # Plus at most a quarter of a squared bin
    assert variance - variance_0 == pytest.approx(
        VOLLEY * share * W**2, abs=target.grids[0].width ** 2 / 3
    )


@pytest.mark.parametrize("kind", ["neurons", "density"])
def test_moments_of_neurons(kind):
    """What a density gets and what 3000 neurons hear."""
    number, w = 3000, 0.1
    source = source_for(kind, [2], VOLLEY, noise=True)
    density = density_target(tau=10_000 * ms, name="heard_density")
    neurons = NeuronGroup(number, "v : 1", name="heard_neurons")
    rule = {"on_pre": "v_post += w", "weights": w, "p": P}
    projections = [Projection(source, t, **rule) for t in (density, neurons)]
    control = density_target(tau=10_000 * ms, name="heard_control")
    seed(2)
    Network(source, density, neurons, control, *projections).run(5 * DT, namespace={})
    (mean, variance), (_, variance_0) = voltages(density), voltages(control)
    heard = np.asarray(neurons.v)
    assert abs(heard.mean() - mean) < 4.5 * heard.std() / number**0.5 + 2e-3
    relative = heard.var() / (variance - variance_0) - 1
    assert abs(relative) < 4.5 * (2 / number) ** 0.5 + 0.02
    # With p = 1 there is no variance: a width of its own would be seen
    assert heard.var() > 5 * density.grids[0].width ** 2


def test_certain_connections_have_no_variance():
    source = source_for("neurons", [2], VOLLEY)
    target, control = (
        density_target(name=n, tau=10_000 * ms) for n in ("certain", "control")
    )
    projection = Projection(source, target, on_pre="v_post += w", weights=W)
    recorded([source, projection], [target], 5)
    assert target.updater.variables["_input_var"].get_value() == 0
    recorded([], [control], 5)
    (mean, variance), (mean_0, variance_0) = voltages(target), voltages(control)
    assert mean - mean_0 == pytest.approx(4, rel=2e-3)
    assert abs(variance - variance_0) < target.grids[0].width ** 2 / 4


def test_private_input_of_a_common_variable(caplog, monkeypatch):
    """A density only knows the mean of what is not its voltage; it says so."""
    monkeypatch.setattr(BrianLogger, "_log_messages", set())  # warned already
    source, target = source_for("density", [2]), density_target()
    project(source, target, weights=1, p=0.5)
    assert "only knows the mean" in caplog.text


def test_variance_of_a_stationary_input():
    """Balanced Poisson input as kicks is white noise: ``w**2 p (1 - p) rate/2``.

    The same drive as neurons and as the noise of the equation.
    """
    rates, p, w, number = 20 * Hz, 0.2, 0.05, 500
    sources = [PoissonGroup(number, rates, name=f"balance_{k}") for k in (0, 1)]
    target = density_target(tau=20 * ms, bins=400)
    plain = density_target(tau=20 * ms, name="plain", bins=400)
    projections = [
        Projection(s, target, on_pre="v_post += w", weights=sign * w, p=p)
        for s, sign in zip(sources, (1, -1), strict=True)
    ]
    seed(5)
    traces = []

    network = Network(*sources, target, plain, *projections)
    for _ in range(12):
        network.run(25 * ms, namespace={})
        traces.append(voltages(target)[1] - voltages(plain)[1])
    expected = 2 * number * 20 * p * (1 - p) * w**2 * 0.02 / 2
    # 500 spikes in the 20 ms that count; implicit steps of dt/tau = 1/40: first order
    assert np.mean(traces[4:]) == pytest.approx(expected, rel=0.1)


# -- networks --------------------------------------------------------------------------
NOISY = """
dv/dt = (mu - v)/(20*ms) + sigma*sqrt(2/(20*ms))*xi : volt (unless refractory)
mu : volt
sigma : volt
"""
LIMITS = {"threshold": "v > 20*mV", "reset": "v = 10*mV", **NAMES}


def measured(group, number, duration=300, discard=100):
    """Rate of neurons and its standard error (intervals vary by less than 0.8)."""
    spikes = SpikeMonitor(group, record=False)
    return (
        spikes,
        lambda before: (
            (spikes.num_spikes - before) / (number * (duration - discard) * 1e-3)
        ),
    )


def settle(objects, monitors, duration=300, discard=100):
    network = Network(*objects, *monitors)
    network.run(discard * ms, namespace={})
    before = [m.num_spikes for m in monitors]
    network.run((duration - discard) * ms, namespace={})
    return np.array(
        [m.num_spikes - b for m, b in zip(monitors, before, strict=True)], float
    )


def densities(sizes, mu, sigma, wire, duration=300, discard=100, **arguments):
    """Mean rates (Hz) of populations with the same strings."""
    group = DensityGroup(sizes, NOISY, **{**LIMITS, **arguments}, v_min=-10 * mV)
    group.mu, group.sigma, group.v = mu, sigma, 10 * mV
    loops = wire(group)
    monitor = StateMonitor(group, "A", True, when="end")
    Network(group, monitor, *loops).run(duration * ms, namespace={})
    return np.asarray(monitor.A)[:, round(discard / 0.1) :].mean(axis=1)


@pytest.mark.parametrize("refractory", [False, 2 * ms], ids=["shift", "refractory"])
def test_sparse_loop_without_delay(refractory):
    """2000 neurons with ordinary `Synapses`, 100 for each, that kick at once."""
    defaultclock.dt = 0.1 * ms
    number, p, weight = 2000, 0.05, 0.03 * mV
    limits = {**LIMITS, "refractory": refractory}
    neurons = NeuronGroup(number, NOISY, method="euler", **limits)
    neurons.mu, neurons.sigma = 19 * mV, 3 * mV
    seed(6)
    neurons.v = "10*mV + rand()*8*mV"
    synapses = Synapses(neurons, neurons, on_pre="v_post += weight")
    synapses.namespace["weight"] = weight
    synapses.connect(p=p)
    spikes = SpikeMonitor(neurons, record=False)
    count = settle([neurons, synapses], [spikes])[0]
    rate = count / (number * 0.2)

    def wire(group):
        return [Projection(group, group, on_pre="v_post += w", weights=weight, p=p)]

    arguments = {"match_dt": True, "refractory": refractory}
    found = densities([number], [19] * mV, [3] * mV, wire, 200, 150, **arguments)[0]
    alone = densities(
        [number], [19] * mV, [3] * mV, lambda group: [], 200, 150, **arguments
    )[0]
    # Coupling makes numbers more variable, by 1/(1 - slope); measured 1.3
    error = 1.5 * 0.8 / np.sqrt(count)
    assert error < 0.02
    assert found == pytest.approx(rate, rel=3 * error + 0.005)
    assert found / alone - 1 > 5 * error


def test_excitation_and_inhibition():
    """Two populations and four projections, the same strings for neurons."""
    defaultclock.dt = 0.1 * ms
    sizes, mu, sigma = [1600, 400], [20, 18] * mV, [4, 4] * mV
    weights = np.array([[0.04, 0.06], [-0.15, -0.1]]) * mV
    rule = {"on_pre": "v_post += w", "delay": 1.5 * ms, "p": 0.1}
    neurons = NeuronGroup(
        2000, NOISY, method="euler", **LIMITS, refractory=2 * ms, name="ei_neurons"
    )
    seed(7)
    neurons.v = "10*mV + rand()*8*mV"
    parts = [neurons[:1600], neurons[1600:]]
    for part, m, s in zip(parts, mu, sigma, strict=True):
        part.mu, part.sigma = m, s
    loops = [
        Projection(parts[a], parts[b], weights=weights[a, b], **rule)
        for a, b in np.ndindex(2, 2)
    ]
    monitors = [SpikeMonitor(part, record=False) for part in parts]
    counts = settle([neurons, *loops], monitors)
    rates = counts / (np.array(sizes) * 0.2)

    def wire(group):
        return [Projection(group, group, weights=weights, **rule)]

    arguments = {"match_dt": True, "refractory": 2 * ms}
    found = densities(sizes, mu, sigma, wire, 250, 150, **arguments)
    # Inhibition makes them less variable
    error = 0.8 / np.sqrt(counts)
    assert error.max() < 0.03
    assert np.all(np.abs(found / rates - 1) < 3.5 * error + 0.005), (found, rates)
    alone = densities(sizes, mu, sigma, lambda group: [], 250, 150, **arguments)
    assert alone[1] / rates[1] < 1 - 5 * error[1]


@pytest.mark.parametrize("reset", ["shift", "clamp"])
def test_strong_inhibition_within_the_step(reset):
    """After the cascade: of everybody, or of those that did not fire in it."""
    defaultclock.dt = 0.1 * ms
    limits = {"threshold": "v > 1", "reset": "v = 0", "v_min": -3, "bins": 100}
    model = "dv/dt = -v/second + 0.3*xi/sqrt(second) : 1"
    weights = np.array([[0.0, -0.5], [0.0, 0.0]])
    found = {}
    for name, matrix in (("with", weights), ("without", 0 * weights)):
        limits |= {"name": f"inhibited_{name}", "mfe_reset": reset}
        group = DensityGroup([100, 100], model, **limits)
        group.p = "exp(-(v - 0.5)**2/0.02)"
        loop = Projection(group, group, on_pre="v_post += w", weights=matrix / 100)
        network = Network(group, loop)
        network.run(0.1 * ms, namespace={})
        group.v += [0.5, 0.5]
        network.run(0.1 * ms, namespace={})
        found[name] = np.asarray(group.event_size), np.asarray(group.v)
    fired = found["with"][0]
    np.testing.assert_allclose(fired, found["without"][0], rtol=1e-6)
    assert fired.min() > 0.3
    change = found["with"][1] - found["without"][1]
    share = {"shift": 1, "clamp": 1 - fired[1]}[reset]
    np.testing.assert_allclose(change, [0, -0.5 * fired[0] * share], atol=5e-3)


def test_delays_choose_what_acts_at_once():
    """One matrix with and without delays is two projections."""
    defaultclock.dt = 0.2 * ms
    weights = np.array([[0.2, 0.1], [0.15, 0.3]]) / 100
    delays = np.array([[0, 0.4], [0.2, 0]])
    traces = []
    for split in (False, True):
        group = density_target(2, name=f"split_{split}", threshold="v > 1", v_min=-1)
        group.p = "exp(-(v - 0.9 - 0.1*i)**2/0.02)"
        masks = [delays == 0, delays > 0] if split else [delays >= 0]
        loops = [
            Projection(
                group,
                group,
                on_pre="v_post += w",
                weights=weights * mask * 2,
                delay=delays * ms,
            )
            for mask in masks
        ]
        n = StateMonitor(group, "n", True, when="end")
        Network(group, *loops, n).run(10 * ms, namespace={})
        traces.append(np.asarray(n.n))
    assert traces[0].sum() > 20
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-9, atol=1e-12)


def test_weights_of_the_namespace():
    """A formula of parameters of the group and constants, also within the step."""
    defaultclock.dt = 0.2 * ms
    scale = 0.5  # found where the projection is made
    traces = []
    for rule, weights in (("v_post += w*scale/exp(0)", 0.004), ("v_post += w", 0.002)):
        group = density_target(1, name="named", threshold="v > 1", v_min=-1)
        group.p = "exp(-(v - 0.9)**2/0.02)"
        names = {"scale": scale} if "scale" in rule else None
        loop = Projection(group, group, on_pre=rule, weights=weights, namespace=names)
        n = StateMonitor(group, "n", True, when="end")
        Network(group, loop, n).run(4 * ms, namespace={})
        traces.append(np.asarray(n.n))
    assert traces[0].sum() > 3
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-12)


# -- plasticity ------------------------------------------------------------------------
DEPRESSING = "dx/dt = (1 - x)/(200*ms) : 1"
DEPRESS = "h_post += w*x\nx -= 0.5*x"


def mean_release(rate):
    """Of depression by a half at random times with this rate, in one over 200 ms."""
    return 1 / (1 + 0.5 * rate * 0.2)


@pytest.mark.parametrize("target_kind", KINDS)
def test_stationary_depression(target_kind):
    """What a stationary density releases on average, towards all kinds of targets."""
    defaultclock.dt = DT
    group = DensityGroup(
        1000,
        "dv/dt = (1.2 - v)/(20*ms) + sqrt(2*0.1/(20*ms))*xi : 1",
        threshold="v > 1",
        reset="v = 0",
        name="stationary",
        **NAMES,
    )
    target = target_for(target_kind)
    loop = project(group, target, model=DEPRESSING, on_pre=DEPRESS, weights=1)
    n = StateMonitor(group, "n", True, when="end")
    seed(4)
    found = recorded([group, loop, n], [target], 2400)[0]
    counts = np.asarray(n.n)[0, 1600:]
    rate = counts.mean() / (1000 * float(DT))
    # In steps, by exponentials: the mean before a spike of a random neuron
    fraction, decay = rate * float(DT), np.exp(-float(DT) / 0.2)
    expected = (1 - decay) / (1 - decay * (1 - 0.5 * fraction))
    assert expected == pytest.approx(mean_release(rate), rel=0.01)
    released = found[1600:].sum() / counts.sum()
    # Single spikes carry amounts of their own: 17 000 with a coefficient of 0.6
    tolerance = 0.02 if target_kind == "neurons" else 1e-3
    assert released == pytest.approx(expected, rel=tolerance)


def escaping(name, number=400, rate=25, **changes):
    """Neurons that fire at random times: both closures are exact."""
    defaultclock.dt = DT
    return MesoscopicGroup(
        number,
        f"dv/dt = -v/(10*ms) : 1\nrho = {rate}*Hz : Hz",
        threshold="rand() < 1 - exp(-rho*dt)",
        reset="v = 0",
        method="exact",
        memory=900 * ms,
        name=name,
        **changes,
    )


def test_poisson_closure_towards_neurons():
    """Mean and variance of what spikes carry, against both closures' law."""
    group, target = escaping("law"), collector("neurons", 1, "a b")
    rule = {"model": DEPRESSING, "weights": 1}
    kinds = {"a": "cohort", "b": "poisson"}
    loops = [
        project(
            group,
            target,
            on_pre=DEPRESS.replace("h_", f"{h}_"),
            closure=closure,
            name=f"law_{closure}",
            **rule,
        )
        for h, closure in kinds.items()
    ]
    marks = {c: f"law_{c}_released_0" for c in kinds.values()}
    recorder = SpikeMonitor(group.spikes, variables=[*marks.values()])
    totals = StateMonitor(target, ["a", "b"], True, when="end")
    seed(9)
    Network(group, target, *loops, recorder, totals).run(2500 * ms, namespace={})
    late = np.asarray(recorder.t) > 1
    assert late.sum() > 12_000
    x = mean_release(25)
    # Second moment of x: 0 = 2 (<x> - <xx>)/tau - r (1 - 1/4) <xx>
    square = 2 * x / (2 + 25 * 0.2 * 0.75)
    spread = np.sqrt(square - x**2)
    for closure, mark in marks.items():
        amounts = np.asarray(getattr(recorder, mark))[late]
        # Common fluctuations of x are slow: an error of 0.5 % on top
        error = spread / np.sqrt(late.sum())
        assert amounts.mean() == pytest.approx(x, abs=4.5 * error + 0.006), closure
        assert amounts.std() == pytest.approx(spread, rel=0.05), closure
        # All that is released arrives
        h = {v: k for k, v in kinds.items()}[closure]
        gained = float(np.asarray(getattr(totals, h))[0, -1])
        assert gained == pytest.approx(np.sum(getattr(recorder, mark)), rel=1e-9)


# -- what is refused -------------------------------------------------------------------
def refuse(source, target, error, *words, **arguments):
    with pytest.raises(error) as caught:
        Projection(source, target, **{"weights": 1, **arguments})
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_densities_have_no_cohorts():
    group, target = density_target(), collector("neurons")
    rule = {"model": PLASTIC, "on_pre": SHORT, "parameters": FACILITATING}
    words = "density", "closure='poisson'"
    refuse(group, target, ValueError, *words, closure="cohort", **rule)
    assert Projection(group, target, weights=1, **rule).closure == "poisson"


@pytest.mark.parametrize("weight", ["w*h_post", "w*k_pre", "w*t/ms"])
def test_kicks_at_once_are_constant(weight):
    group = density_target(variables="h k")
    word = weight.split("*")[1].split("/")[0]
    words = "without delay", word, "Give a delay"
    refuse(group, group, ProjectionError, *words, on_pre=f"v_post += {weight}")
    Projection(group, group, on_pre=f"v_post += {weight}", weights=1, delay=DT)


def test_weights_that_depend_on_the_voltage():
    group = density_target()
    for source in (group, collector("neurons", name="n"), fire_at("neurons", [1])):
        if isinstance(source, NeuronGroup):
            continue
        words = "'v_post'", "differs between the neurons"
        refuse(source, group, ProjectionError, *words, on_pre="h_post += w*v_post")
    refuse(group, group, ProjectionError, "random", on_pre="h_post += w*rand()")


@pytest.mark.parametrize("name", ["n", "A", "A_expected", "event_size"])
def test_results_are_no_targets(name):
    group, unit = density_target(), Hz if name.startswith("A") else 1
    refuse(
        group,
        group,
        ProjectionError,
        f"'{name}'",
        on_pre=f"{name}_post += w",
        weights=unit,
    )


@pytest.mark.parametrize("name", ["p", "event", "i", "N"])
def test_unknown_targets(name):
    group = density_target()
    refuse(group, group, ProjectionError, f"'{name}", on_pre=f"{name}_post += w")


def test_spikes_are_for_synapses():
    group = density_target()
    refuse(group.spikes, group, TypeError, "give their group", on_pre="h_post += w")
    refuse(group, group.spikes, TypeError, "target must", on_pre="h_post += w")
    refuse(group.density, group, TypeError, "source must", on_pre="h_post += w")


def test_sparse_and_dense_loops_without_delay():
    group = density_target(2, name="mixed")
    rule = {"on_pre": "v_post += w"}
    loops = [
        Projection(group, group, weights=1e-4, **rule),
        Projection(group, group, weights=1e-4, p=0.1, **rule),
    ]
    with pytest.raises(Exception, match="projection") as caught:
        Network(group, *loops).run(DT, namespace={})
    assert "sparse" in f"{caught.value} {caught.value.__cause__}"
    # Two dense ones add up, two of other populations do not meet
    group = density_target(2, name="unmixed", threshold="v > 1", v_min=-1)
    rest = np.array([[1.0, 0], [0, 0]])
    loops = [
        Projection(group, group, weights=1e-4, **rule),
        Projection(group, group, weights=2e-4, **rule),
    ]
    group.p = "exp(-(v - 0.7)**2/0.02)"
    Network(group, *loops).run(DT, namespace={})
    strength = group.updater.variables["_strength"].get_value()
    np.testing.assert_allclose(strength, 3e-4 * 50)
    assert rest.any()


def test_time_steps_that_differ():
    group = density_target()
    other = DensityGroup(
        1,
        "dv/dt = -v/ms + xi/sqrt(ms) : 1\nh : 1",
        threshold="v > 1",
        reset="v = 0",
        dt=0.1 * ms,
        name="quick",
    )
    refuse(group, other, ValueError, "dt", on_pre="h_post += w")


def test_unit_of_a_kick():
    group = density_target(name="kicked")
    loop = Projection(group, group, on_pre="v_post += w", weights=1 * mV)
    with pytest.raises(Exception, match="projection") as caught:
        Network(group, loop).run(DT, namespace={})
    assert "unit" in f"{caught.value} {caught.value.__cause__}"
