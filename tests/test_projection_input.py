"""What a projection refuses, and how it says so."""

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    defaultclock,
    ms,
    mV,
    prefs,
)
from projection_models import DT, FACILITATING, PLASTIC, SHORT

from brian2_multiscale import MesoscopicGroup, Projection, SpikingGroup
from brian2_multiscale.projections import ProjectionError

MODEL = """
dv/dt = (h - v)/(10*ms) : volt
dh/dt = -h/(3*ms) : volt
rho = 5*Hz*exp(v/mV) : Hz
drive = 2*v : volt
fixed : volt (constant)
one : volt (shared)
count : integer
"""


@pytest.fixture
def populations():
    defaultclock.dt = DT
    return MesoscopicGroup(
        [20, 30],
        MODEL,
        threshold="rand() < rho*dt",
        reset="v = 0*mV",
        method="exact",
        name="in_populations",
    )


@pytest.fixture
def neurons():
    defaultclock.dt = DT
    return NeuronGroup(
        10,
        MODEL,
        threshold="rand() < rho*dt",
        reset="v = 0*mV",
        method="exact",
        name="in_neurons",
    )


@pytest.fixture(params=["populations", "neurons"])
def group(request):
    return request.getfixturevalue(request.param)


STATIC = {"on_pre": "h_post += w", "weights": 1 * mV}
DYNAMIC = {
    "model": PLASTIC,
    "on_pre": SHORT,
    "parameters": FACILITATING,
    "weights": 1 * mV,
}


def refuse(source, target, error, *words, rule=STATIC, **changes):
    with pytest.raises(error) as caught:
        Projection(source, target, **{**rule, **changes})
    for word in words:
        assert word in str(caught.value), str(caught.value)


def without(name):
    return {k: v for k, v in DYNAMIC["parameters"].items() if k != name}


# -- numbers -------------------------------------------------------------------------
@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan, [[0.5, 2]], [[-1e-9, 0.5]]])
def test_probabilities(populations, p):
    source = populations[0:1]
    words = (
        ("p must be",) if not np.isnan(np.asarray(p)).any() else ("p must be finite",)
    )
    refuse(source, populations, ValueError, *words, p=p)


def test_probability_has_no_unit(group):
    refuse(group, group, DimensionMismatchError, "p must be a probability", p=1 * ms)


@pytest.mark.parametrize("delay", [-1 * ms, [[1, -1], [1, 1]] * ms])
def test_negative_delays(populations, delay):
    refuse(populations, populations, ValueError, "delay must not be neg", delay=delay)


def test_delays_are_finite_times(group):
    refuse(group, group, DimensionMismatchError, "delay must be a time", delay=1)
    refuse(group, group, DimensionMismatchError, "delay must be", delay=1 * mV)
    refuse(group, group, ValueError, "delay must be finite", delay=np.inf * ms)


@pytest.mark.parametrize(
    "name, value",
    [
        ("weights", [1, 2] * mV),
        ("weights", np.ones((3, 2)) * mV),
        ("weights", np.ones((2, 2, 1)) * mV),
        ("p", [0.5, 0.5]),
        ("p", np.ones((1, 2))),
        ("delay", np.ones((2, 3)) * ms),
    ],
)
def test_shapes(populations, name, value):
    words = f"{name} must be one value or a matrix of shape (2, 2)", "got shape"
    refuse(populations, populations, ValueError, *words, **{name: value})


def test_matrices_need_populations(neurons):
    refuse(neurons, neurons, ValueError, "shape (1, 1)", weights=np.ones((10, 10)) * mV)


def test_weights_are_finite(group):
    refuse(group, group, ValueError, "weights must be finite", weights=np.nan * mV)


@pytest.mark.parametrize("weights", [1, 1 * ms])
@pytest.mark.parametrize("ends", ["pp", "pn", "np", "nn"])
def test_unit_of_the_weight(populations, neurons, ends, weights):
    """Found when it is made or, with the values of the namespace, when it runs."""
    groups = {"p": populations, "n": neurons}
    source, target = (groups[e] for e in ends)
    with pytest.raises((DimensionMismatchError, BrianObjectException)) as caught:
        projection = Projection(source, target, on_pre="h_post += w", weights=weights)
        Network(populations, neurons, projection).run(1 * ms)
    chain = f"{caught.value} {caught.value.__cause__}"
    assert "h" in chain and ("unit" in chain or "dimension" in chain), chain


# -- strings -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "on_pre, words",
    [
        ("k_post += w", ["'k_post'", "no variable 'k'", "'h'"]),
        ("drive_post += w", ["'drive'"]),
        ("rho_post += w*Hz/mV", ["'rho'"]),
        ("fixed_post += w", ["'fixed'"]),
        ("one_post += w", ["'one'"]),
        ("h_post = w", ["sets 'h_post'", "use '+='"]),
        ("h_post *= w", ["sets 'h_post'", "use '+='"]),
        ("h_post /= w", ["sets 'h_post'", "use '+='"]),
        ("", ["adds to no postsynaptic variable"]),
        ("v_pre += w", ["v_pre", "cannot write to its source"]),
    ],
)
def test_targets(group, on_pre, words):
    weights = {"weights": 1 * mV} if "w" in on_pre else {"weights": None}
    refuse(group, group, ProjectionError, *words, on_pre=on_pre, **weights)


@pytest.mark.parametrize("name", ["drive", "rho"])
def test_subexpressions(populations, neurons, name):
    """Those of neurons; populations have none that differ between neurons."""
    unit = {"drive": 1 * mV, "rho": 1 * Hz}[name]
    changes = {"on_pre": f"{name}_post += w", "weights": unit}
    refuse(neurons, neurons, ProjectionError, "subexpression", **changes)
    refuse(neurons, populations, ProjectionError, f"no variable '{name}'", **changes)


def test_a_sum_and_an_assignment(group):
    """'+=' in one statement does not excuse '=' in another one."""
    rule = "h_post += w\nv_post = w"
    refuse(group, group, ProjectionError, "sets 'v_post'", "'+='", on_pre=rule)


@pytest.mark.parametrize("name", ["n", "A", "A_expected"])
def test_results_of_populations_are_no_targets(populations, neurons, name):
    rule = f"{name}_post += w"
    for source in (populations, neurons):
        refuse(source, populations, ProjectionError, f"'{name}'", on_pre=rule)


def test_jump_without_a_target(group):
    rule = "x -= u*x\nu += U*(1 - u)"
    changes = {"rule": DYNAMIC, "on_pre": rule, "weights": None}
    refuse(group, group, ProjectionError, "no postsynaptic variable", **changes)


def test_a_statement_that_is_none(group):
    with pytest.raises((ProjectionError, SyntaxError, ValueError)):
        Projection(group, group, on_pre="h_post += ", weights=1 * mV)
    with pytest.raises((ProjectionError, SyntaxError, ValueError)):
        Projection(group, group, on_pre="h_post", weights=1 * mV)


def test_unknown_names(group):
    """Found before the first step; the message has the name."""
    projection = Projection(group, group, on_pre="h_post += w*nobody", weights=1 * mV)
    with pytest.raises((BrianObjectException, KeyError, ProjectionError)) as caught:
        Network(group, projection).run(1 * ms)
    assert "nobody" in f"{caught.value} {caught.value.__cause__}"


# -- weights and parameters ----------------------------------------------------------
def test_weights_missing_or_unused(group):
    refuse(group, group, ProjectionError, "uses the weight w", weights=None)
    unused = {"on_pre": "h_post += 1*mV"}
    refuse(group, group, ProjectionError, "does not use them", **unused)


def test_parameters_missing_or_unknown(group):
    refuse(
        group, group, ProjectionError, "['U']", rule=DYNAMIC, parameters=without("U")
    )
    more = {**FACILITATING, "tau_x": 1 * ms}
    words = "'tau_x'", "no parameter", "'tau_d'"
    refuse(group, group, ProjectionError, *words, rule=DYNAMIC, parameters=more)
    refuse(group, group, ProjectionError, "no parameter", parameters={"U": 0.1})


def test_units_of_parameters(group):
    for name, value in (("U", 1 * ms), ("tau_d", 40), ("tau_f", 3 * mV)):
        parameters = {**FACILITATING, name: value}
        words = f"'{name}' must have the unit"
        refuse(
            group, group, ProjectionError, words, rule=DYNAMIC, parameters=parameters
        )


def test_parameters_of_sources(populations):
    """One value, or one per source population."""
    for value in ([0.1, 0.2, 0.3], np.ones((2, 2))):
        parameters = {**FACILITATING, "U": value}
        words = "U belongs to the source", "got shape"
        refuse(
            populations,
            populations,
            ValueError,
            *words,
            rule=DYNAMIC,
            parameters=parameters,
        )


# -- plasticity that populations cannot carry ----------------------------------------
@pytest.mark.parametrize(
    "model, on_pre, words",
    [
        (
            "dx/dt = (1 - x**2)/(10*ms) : 1",
            "h_post += w*x\nx -= 0.1*x",
            ["'x'", "not linear with constant coefficients", "spiking"],
        ),
        (
            "dx/dt = (1 - x)*exp(-t/second)/(10*ms) : 1",
            "h_post += w*x\nx -= 0.1*x",
            ["'x'", "not linear with constant coefficients"],
        ),
        (
            "dx/dt = (1 - x)/(10*ms) : 1",
            "h_post += w*exp(x)\nx -= 0.1*x",
            ["no polynomial", "'x'"],
        ),
        (
            "dx/dt = (1 - x)/(10*ms) : 1",
            "h_post += w*x\nx = sqrt(x)",
            ["no polynomial", "'x'"],
        ),
        (
            "dx/dt = 0/second : 1",
            "h_post += w*x\nx += 0.1*(1 - x)",
            ["no state of rest"],
        ),
    ],
)
@pytest.mark.parametrize("closure", ["cohort", "poisson"])
def test_plasticity_without_closure(populations, model, on_pre, words, closure):
    changes = {"model": model, "on_pre": on_pre, "closure": closure}
    if closure == "poisson":
        words = [w for w in words if w != "spiking"]
    refuse(populations, populations, ProjectionError, *words, **changes)


def test_neurons_have_any_plasticity(neurons):
    """The same rule is welcome where every neuron has a state of its own."""
    model = "dx/dt = (1 - x)/(10*ms) : 1"
    Projection(
        neurons,
        neurons,
        model,
        "h_post += w*exp(x)\nx = sqrt(x)",
        **{"weights": 1 * mV},
    )


def test_release_that_depends_on_the_pair(group):
    rule = "h_post += w*x + u*mV\nx -= 0.1*x\nu += 0.1*w/mV"
    changes = {"rule": DYNAMIC, "on_pre": rule}
    with pytest.raises(ProjectionError):
        Projection(group, group, **{**DYNAMIC, "on_pre": rule})
    rule = "h_post += (w + x*mV)*u"
    words = "not a product", "two projections"
    refuse(group, group, ProjectionError, *words, **{**changes, "on_pre": rule})


# -- closures and ends ---------------------------------------------------------------
def test_closures(populations, neurons):
    refuse(populations, populations, ValueError, "'cohort' or 'poisson'", closure="x")
    words = "closure='poisson'", "single neurons"
    refuse(neurons, populations, ValueError, *words, closure="poisson")
    for target in (populations, neurons):
        Projection(populations, target, closure="poisson", **DYNAMIC)


def test_sources(populations, neurons):
    spikes = populations.spikes
    refuse(spikes, neurons, TypeError, "give their group itself")
    refuse(spikes[:5], neurons, TypeError, "give their group itself")
    for source in (None, "neurons", 3, populations.cohorts):
        refuse(source, neurons, TypeError, "source must emit spikes")


def test_targets_are_groups(populations, neurons):
    for target in (None, "neurons", populations.spikes):
        refuse(neurons, target, TypeError, "target must be a group with variables")
    generator = SpikeGeneratorGroup(1, [0], [1] * ms)
    refuse(neurons, generator, ProjectionError, "'h_post'", "no variable 'h'")
    poisson = PoissonGroup(1, 1 * Hz)
    refuse(neurons, poisson, ProjectionError, "'h_post'", "no variable 'h'")


def test_a_population_without_noise_has_no_single_spikes(neurons):
    source = MesoscopicGroup(5, MODEL, hazard="rho", reset="v = 0*mV", noise=False)
    refuse(source, neurons, ValueError, "noise=False", "noise=True")


def test_clocks_that_differ(populations):
    """A ring of counts has the steps of one clock."""
    other = MesoscopicGroup(
        5, MODEL, hazard="rho", reset="v = 0*mV", dt=0.1 * ms, name="in_other_clock"
    )
    refuse(populations, other, ValueError, "dt")


@pytest.mark.parametrize("model", [3, None, ["dx/dt = -x/ms : 1"]])
def test_models_are_strings(group, model):
    refuse(group, group, TypeError, "model must be a string or Equations", model=model)


def test_what_has_been_used_cannot_be_changed():
    group = NeuronGroup(2, "v : 1", threshold="v > 1", reset="v = 0")
    projection = Projection(group, group, on_pre="v_post += w", weights=0.1)
    for name in ("p", "w", "weights", "delay"):
        with pytest.raises(AttributeError, match=f"'{name}'.*cannot be changed"):
            setattr(projection, name, 1)
    with pytest.raises(TypeError, match="connected already"):
        projection.connect(p=0.1)


def test_names_of_the_target_need_no_suffix():
    group = NeuronGroup(2, "v : 1\ng : 1", threshold="v > 1", reset="v = 0")
    projection = Projection(group, group, on_pre="g += w*v; v -= 1", weights=0.1)
    assert projection.rule.on_pre == "g_post += w*v_post; v_post -= 1"
    assert {t.variable for t in projection.rule.targets} == {"g", "v"}


def integrators(sizes=(50, 50)):
    group = SpikingGroup(
        sizes, "dv/dt = (1.2 - v)/(10*ms) : 1", threshold="v > 1", reset="v -= 1"
    )
    group.neurons.v = "i/100.0"
    return group


def spikes_with(use):
    """Spikes of a group in 50 ms with kicks without delay, used in some way."""
    prefs.codegen.target = "numpy"
    group = integrators()
    kicks = Projection(group, group, on_pre="v_post += w", weights=0.5 / 100)
    network, monitor = Network(group), SpikeMonitor(group.spikes)
    network.add(monitor)
    use(network, kicks)
    network.run(50 * ms)
    return monitor.num_spikes


def test_kicks_within_the_step_are_those_of_an_active_projection():
    with_kicks = spikes_with(lambda network, kicks: network.add(kicks))

    def inactive(network, kicks):
        network.add(kicks)
        kicks.active = False

    without = spikes_with(inactive)
    assert with_kicks > without > 0
    assert spikes_with(lambda network, kicks: None) == without


def test_kicks_within_the_step_are_of_the_whole_group():
    group = integrators()
    with pytest.raises(ProjectionError, match="projection of the whole group"):
        Projection(group[0], group, on_pre="v_post += w", weights=0.1)
    Projection(group[0], group, on_pre="v_post += w", weights=0.1, delay=1 * ms)


@pytest.mark.parametrize("name", ["i_post", "i_pre", "j", "N"])
def test_indices_mean_something_else_at_every_scale(name):
    group = integrators()
    with pytest.raises(ProjectionError, match=f"'{name}'.*means neurons"):
        Projection(group, group, on_pre=f"v_post += 0.1*{name}", delay=1 * ms)


def test_full_connections_are_full_with_multapses():
    prefs.codegen.target = "numpy"
    group = integrators((4, 6))
    p = [[1, 0.5], [0.5, 1]]
    projection = Projection(
        group, group, on_pre="v += w", weights=0.1, p=p, multapses=True, delay=1 * ms
    )
    (synapses,) = projection.way.objects
    numbers = np.zeros((10, 10), dtype=int)
    np.add.at(numbers, (synapses.i, synapses.j), 1)
    np.testing.assert_array_equal(numbers[:4, :4], 1)
    np.testing.assert_array_equal(numbers[4:, 4:], 1)
    np.testing.assert_array_equal(numbers[4:, :4].sum(axis=0), 3)
    np.testing.assert_array_equal(numbers[:4, 4:].sum(axis=0), 2)
    network = Network(group, projection)
    network.run(1 * ms)
    assert "projection" in " ".join(network.get_states())
