"""What has no derivative: each tool says so, with the object's name and a way out."""

import re

import numpy as np
import pytest
from brian2 import (
    Equations,
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    StateMonitor,
    Synapses,
    check_units,
    implementation,
    ms,
    network_operation,
    second,
)

from brian2_multiscale import (
    Cascade,
    DensityGroup,
    HybridGroup,
    MesoscopicGroup,
    Projection,
    SpikingGroup,
    TabulatedSynapses,
    tabulate,
)
from brian2_multiscale.gradients import (
    DifferentiableNetwork,
    GradientFitter,
    NotDifferentiableError,
    Sensitivity,
    sensitivity_equations,
    with_derivatives,
)

CELL = """
dv/dt = (I - v)/tau : 1 (unless refractory)
I : 1
tau : second
pause : second
rate : Hz
n : integer
on : boolean
"""


def _cells(name="cells", **changes):
    options = {"threshold": "v > 1", "reset": "v = 0", "method": "euler"}
    group = NeuronGroup(3, CELL, name=name, **(options | changes))
    group.tau, group.pause = 10 * ms, 2 * ms
    return group


def _says(error, *words):
    """The error, or the one behind Brian2's, has all words."""
    error = error.value
    while error.__cause__ and not isinstance(error, NotDifferentiableError):
        error = error.__cause__
    assert isinstance(error, NotDifferentiableError), repr(error)
    assert isinstance(error, ValueError)
    missing = [w for w in words if not re.search(w, str(error))]
    assert not missing, f"{missing} not in: {error}"


# -- DifferentiableNetwork -------------------------------------------------------------
def _refractory_expression():
    return [group := _cells(refractory="2*pause")], {group: "pause"}


def _integer():
    return [group := _cells()], {group: "n"}


def _boolean():
    return [group := _cells()], {group: "on"}


def _drawn():
    return [group := _cells(threshold="rand() < rate*dt")], {group: "rate"}


def _drawn_through_a_subexpression():
    model = "dv/dt = -v/ms : 1\nrho = rate*exp(v) : Hz\nrate : Hz"
    group = NeuronGroup(
        2, model, threshold="rand() < rho*dt", reset="v = 0", name="cells"
    )
    return [group], {group: "rate"}


def _poisson():
    return [group := PoissonGroup(3, 10 * Hz, name="source")], {group: "rates"}


def _links(**changes):
    group = _cells()
    links = Synapses(group, group, "w : 1", on_pre="v_post += w", name="links")
    links.connect()
    return [group, links], links


def _delay():
    objects, links = _links()
    return objects, {links: "delay"}


def _connectivity():
    objects, links = _links()
    return objects, {links: "j"}


def _gsl():
    return [group := _cells(method="gsl_rkf45")], {group: "I"}


def _clocks():
    group = _cells()
    return [group, _cells("slow", dt=1 * ms)], {group: "I"}


def _operation():
    group = _cells()

    @network_operation(name="python")
    def operation():
        group.v = 0

    return [group, operation], {group: "I"}


def _own(group_of):
    """A network of one of our own groups and cells."""

    def case():
        group = _cells()
        return [*group_of(), group], {group: "I"}

    return case


NOISY = "dv/dt = (0.8 - v)/(20*ms) + 0.2*xi*(20*ms)**-0.5 : 1"
ESCAPE = "dv/dt = (1 - v)/(20*ms) : 1"


def _mesoscopic():
    return [MesoscopicGroup(100, ESCAPE, hazard="10*Hz*exp(v)", name="population")]


def _density(kind=DensityGroup):
    return [kind(100, NOISY, threshold="v > 1", reset="v = 0", name="population")]


def _hybrid():
    return _density(HybridGroup)


def _cascade():
    neurons = NeuronGroup(
        3, "dv/dt = -v/ms : 1", threshold="v > 1", reset="v = 0", name="kicked"
    )
    return [neurons, Cascade(neurons, "v_post += 0.1", name="population")]


def _spiking_projection():
    group = SpikingGroup(5, ESCAPE, hazard="10*Hz*exp(v)", name="population")
    return [
        group,
        Projection(group, group, on_pre="v_post += 0.1", name="population_2"),
    ]


def _tables():
    neurons = NeuronGroup(
        2, "dv/dt = -v/ms : 1\ng : siemens", threshold="v > 1", reset="v = 0"
    )
    table = tabulate("exponential", rates=(5, 20) * Hz, cache=False)
    synapses = TabulatedSynapses(
        neurons, neurons, table, target_variable="g", name="population"
    )
    synapses.connect()
    return [neurons, synapses]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (_refractory_expression, ["'pause' of 'cells'", "refractory", "threshold"]),
        (_integer, ["'n' of 'cells'", "whole numbers"]),
        (_boolean, ["'on' of 'cells'", "truth values"]),
        (_drawn, ["'rate' of 'cells'", r"rand\(\)", "xi"]),
        (_drawn_through_a_subexpression, ["'rate' of 'cells'", r"rand\(\)"]),
        (_poisson, ["'rates' of 'source'", r"rand\(\)"]),
        (_delay, ["'delay' of 'links'", "trainable weights"]),
        (_connectivity, ["'j' of 'links'", "connectivity"]),
        (_gsl, ["'cells", "gsl_rkf45", "'rk4'"]),
        (_clocks, ["'slow_stateupdater'", "same dt"]),
        (_operation, ["'python'", "run_regularly"]),
        (_own(_mesoscopic), ["'population", "PopulationDerivatives|NeuronGroup"]),
        (_own(_density), ["'population", "NeuronGroup"]),
        (_own(_hybrid), ["'population", "NeuronGroup"]),
        (_own(_cascade), ["'population", "NeuronGroup"]),
        (_own(_tables), ["_g_pool'", "NeuronGroup"]),
        (_own(_spiking_projection), ["'population", "NeuronGroup"]),
    ],
)
def test_networks(case, words):
    objects, trainable = case()
    with pytest.raises(ValueError) as error:
        DifferentiableNetwork(Network(*objects), trainable, 5 * ms, record={})
    _says(error, *words)


def _squared():
    @check_units(x=1, result=1)
    def squared(x):
        return x**2

    return squared


def _function_network(function):
    group = NeuronGroup(
        1, "dv/dt = squared(I)/ms : 1\nI : 1", method="euler", name="cells"
    )
    group.namespace["squared"] = function
    return DifferentiableNetwork(
        Network(group), {group: "I"}, 2 * ms, record={group: "v"}
    )


def test_functions_in_networks_and_the_way_out():
    with pytest.raises(NotDifferentiableError) as error:
        _function_network(_squared())
    _says(error, "'squared'", "'cells", "@implementation\\('jax'")
    function = implementation("jax", lambda x: x**2)(_squared())
    network = _function_network(function)
    _, found = network.value_and_grad(lambda outputs: outputs["cells.v"][-1, 0])(
        {"cells.I": [3.0]}
    )
    # The last of 20 samples is after 19 steps of 0.1 ms
    np.testing.assert_allclose(found["cells.I"], [1.9 * 2 * 3])


# -- GradientFitter --------------------------------------------------------------------
TRACE = 0.1 * np.arange(20)


def _fit(model, bounds, **changes):
    options = {"dt": 0.5 * ms, "output": {"v": TRACE}, "method": "euler"}
    fitter = GradientFitter(model, **(options | changes))
    return fitter.fit(n_starts=1, steps=1, seed=0, **bounds)


K = {"k": [1, 2] * Hz}
FIRES = {"threshold": "v > 1", "reset": "v = 0"}
HELD = "dv/dt = -k*v : 1 (unless refractory)\nk : Hz"


@pytest.mark.parametrize(
    ("model", "bounds", "changes", "words"),
    [
        (
            HELD + "\nr : second",
            {**K, "r": [1, 2] * ms},
            {**FIRES, "refractory": "r"},
            ["'r'", "refractory period", "param_init"],
        ),
        (HELD, K, {**FIRES, "refractory": "0.1/k"}, ["'k'", r"'0\.1/k'"]),
        (
            HELD + "\nr = 0.1/k : second",
            K,
            {**FIRES, "refractory": "r"},
            ["'k'", "refractory period 'r'"],
        ),
        (
            "dv/dt = -k*v*n : 1\nk : Hz\nn : integer",
            {**K, "n": [1, 3]},
            {},
            ["'n' is integer"],
        ),
        (
            "dv/dt = -k*v*int(n) : 1\nk : Hz\nn : boolean",
            {**K, "n": [0, 1]},
            {},
            ["'n' is boolean"],
        ),
        ("dv/dt = -k*v + xi*Hz**0.5 : 1\nk : Hz", K, {}, ["'xi'", "SpikeLikelihood"]),
        ("dv/dt = -k*v*rand() : 1\nk : Hz", K, {}, ["'rand'", "frozen"]),
        (
            "dv/dt = -k*v : 1\nk : Hz",
            K,
            {"threshold": "rand() < k*dt", "reset": "v = 0"},
            ["'rand'"],
        ),
        (
            "dv/dt = -k*v : 1\nk : Hz",
            K,
            {"method": "gsl_rkf45"},
            ["gsl_rkf45", "'rk4'"],
        ),
        (
            "dv/dt = -k*v : 1\nk : Hz\nw : 1",
            K,
            {"threshold": "v > 1", "reset": "w = k/Hz", "param_init": {"w": 1}},
            ["'w' depend on 'k'", "dw/dt = 0"],
        ),
        (
            "dv/dt = -squared(k/Hz)*v*Hz : 1\nk : Hz",
            K,
            {"namespace": {"squared": _squared()}},
            ["squared", "with_derivatives"],
        ),
    ],
)
def test_fits(model, bounds, changes, words):
    with pytest.raises(Exception) as error:
        _fit(model, bounds, **changes)
    _says(error, *words)


def test_fits_of_populations():
    model = ESCAPE.replace("(1 - v)/(20*ms)", "(k - v)/(20*ms)") + "\nk : 1\nr : second"
    changes = {
        "scale": "mesoscopic",
        "hazard": "10*Hz*exp(v)",
        "reset": "v = 0",
        "refractory": "r",
        "memory": 30 * ms,
        "output": {"A": np.zeros(20) * Hz},
    }
    with pytest.raises(Exception) as error:
        _fit(model, {"k": [0, 1], "r": [1, 2] * ms}, **changes)
    _says(error, "'r'", "refractory period")


def test_the_way_out_of_functions():
    function = with_derivatives("2*x")(_squared())
    result = _fit(
        "dv/dt = -squared(k/Hz)*v*Hz : 1\nk : Hz",
        K,
        namespace={"squared": function},
        param_init={"v": 1},
    )
    assert np.isfinite(result.loss)


# -- derivatives in equations ----------------------------------------------------------
@pytest.mark.parametrize("kind", ["integer", "boolean"])
def test_sensitivity_by_whole_numbers(kind):
    model = f"dv/dt = -v*int(n)/ms : 1\nn : {kind}"
    with pytest.raises(NotDifferentiableError) as error:
        sensitivity_equations(model, "n")
    _says(error, f"'n' is {kind}")


def test_sensitivity_of_a_function():
    model = "dv/dt = -squared(k)*v*Hz : 1\nk : 1"
    group = NeuronGroup(
        1,
        Equations(model) + sensitivity_equations(model, "k"),
        method=Sensitivity("euler", "k"),
        namespace={"squared": _squared()},
        name="cells",
    )
    with pytest.raises(Exception) as error:
        Network(group).run(0 * ms)
    _says(error, "squared", "with_derivatives")


def test_sensitivity_without_its_variables():
    model = "dv/dt = -k*v : 1\nk : Hz"
    group = NeuronGroup(1, model, method=Sensitivity("euler", "k"))
    with pytest.raises(Exception) as error:
        Network(group).run(0 * ms)
    assert "sensitivity_equations(model, ['k'])" in str(error.value.__cause__)


def test_what_moves_by_steps_only_counts_as_constant():
    """Said in the documentation: no error, and a derivative of zero."""
    model = "dv/dt = (k + int(k > 2*Hz)*Hz) : 1\nk : Hz"
    group = NeuronGroup(
        2,
        Equations(model) + sensitivity_equations(model, "k"),
        method=Sensitivity("euler", "k"),
    )
    group.k = [1, 3] * Hz
    monitor = StateMonitor(group, "S_v_k", record=True)
    Network(group, monitor).run(1.01 * ms, namespace={})
    np.testing.assert_allclose(monitor.S_v_k[:, -1] / second, 1e-3)
