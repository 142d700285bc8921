"""Derivatives through tables, functions of the user and short-term plasticity."""

import functools
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Equations,
    Function,
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    check_units,
    implementation,
    ms,
    mV,
    nS,
    prefs,
    second,
)
from brian2.units.fundamentalunits import get_dimensions
from gradient_checks import assert_derivatives
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import simpson
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale import KineticScheme, TableFunction, tabulate
from brian2_multiscale.codegen.lookup import LookupFunction
from brian2_multiscale.codegen.slopes import Slopes
from brian2_multiscale.codegen.straightline import parse_expression, symbol
from brian2_multiscale.gradients import (
    GradientFitter,
    Param,
    Sensitivity,
    sensitivity_equations,
    with_derivatives,
)
from brian2_multiscale.gradients.components.release import ReleaseDerivatives
from brian2_multiscale.gradients.components.tabulated import TableDerivatives
from brian2_multiscale.kinetics.differentiation import (
    NotDifferentiableError,
    derivative,
)

NEST = np.load(Path(__file__).parent / "reference" / "nest_tsodyks.npz")

# ---------------------------------------------------------------- functions, tables


@pytest.mark.parametrize("extrapolate", ["raise", "clip", "nan", "linear"])
@pytest.mark.parametrize("argument", ["a", "b"])
def test_the_derivative_of_a_table_is_that_of_the_interpolant(extrapolate, argument):
    rng = np.random.default_rng(0)
    table = LookupFunction(
        rng.normal(size=(7, 5)) * mV,
        {"a": (1 * ms, 100 * ms, "log"), "b": (-2 * mV, 3 * mV)},
        extrapolate=extrapolate,
    )
    at = {"a": rng.uniform(2, 90, 50) * ms, "b": rng.uniform(-1.9, 2.9, 50) * mV}
    if extrapolate != "raise":
        at["a"][:3], at["b"][3:5] = [0.5, 120, 200] * ms, [-3, 4] * mV
    h = 1e-7 * at[argument]
    above, below = ({**at, argument: at[argument] + s * h} for s in (1, -1))
    expected = (table(*above.values()) - table(*below.values())) / (2 * h)
    found = table.derivative(argument)(*at.values())
    assert get_dimensions(found) == get_dimensions(expected)
    largest = np.nanmax(np.abs(np.asarray(expected)))
    assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-6 * largest)
    assert np.isnan(np.asarray(found)).sum() == (5 if extrapolate == "nan" else 0)


def test_the_derivative_follows_new_values():
    table = LookupFunction(np.array([0.0, 1, 4]), {"v": (0 * mV, 2 * mV)})
    slope = table.derivative("v")
    assert_allclose(slope(0.5 * mV) * mV, 1)
    table.values = [0, 3, 4]
    assert_allclose(slope([0.5, 1.5] * mV) * mV, [3, 1])
    with pytest.raises(ValueError, match="'w'"):
        table.derivative("w")


CELL = """
dv/dt = -rate(v - shift)*v*squash(v/(30*mV)) + leak*(drive - v) : volt
leak : Hz
shift : volt
drive : volt
"""
STEP = 1e-6


@implementation("cpp", "double squash(double x) { return tanh(x); }")
@implementation("cython", "cdef double squash(double x):\n    return tanh(x)")
@with_derivatives("1 - tanh(x)**2")
@check_units(x=1, result=1)
def squash(x):
    return np.tanh(x)


def _cells():
    names = ["leak", "shift"]
    rate = TableFunction(
        "0.1*exp(v/(20*mV))/ms", v=(-100 * mV, 50 * mV, 300), name="gradient_rate"
    )
    group = NeuronGroup(
        5,
        Equations(CELL) + sensitivity_equations(CELL, names),
        method=Sensitivity("rk2", names),
        dt=0.1 * ms,
        namespace={"rate": rate, "squash": squash},
        name="gradient_cells",
    )
    group.leak = 20 * Hz * np.array([1, 1 + STEP, 1 - STEP, 1, 1])
    group.shift = -5 * mV * np.array([1, 1, 1, 1 + STEP, 1 - STEP])
    group.v, group.drive = -60 * mV, 20 * mV
    names = ["v", "S_v_leak", "S_v_shift"]
    return [group], {n: lambda n=n: getattr(group, n + "_")[:] for n in names}


def test_tables_and_functions_in_equations_on_all_targets():
    results = run_on_targets(_cells, 15 * ms, name="gradient_cells")
    assert_targets_agree(results, rtol=1e-9)
    found = results["numpy"]
    v = found["v"]
    by_leak = (v[1] - v[2]) / (2 * STEP * 20)
    by_shift = (v[3] - v[4]) / (2 * STEP * -5e-3)
    assert_allclose(found["S_v_leak"][0], by_leak, rtol=1e-5)
    assert_allclose(found["S_v_shift"][0], by_shift, rtol=1e-5)
    assert abs(by_leak) > 1e-4 and abs(by_shift) > 1e-2


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("at_least(x*y, 2)", "y*int(x*y >= 2)"),
        ("at_most(2, x)", "int(2 > x)"),
        ("select(x > 2, x**2, y)", "select(x > 2, 2*x, 0)"),
        ("clip(y, x, 3)", "int(y <= x)"),
        ("f(2*x, y)", "2*(2*x*y)"),
        ("f(y, x)", "unknown"),
        ("g(f(x, y))", "dg(f(x, y))*(x*y)"),
    ],
)
def test_known_derivatives(code, expected):
    f = with_derivatives("a*b", None)(
        Function(lambda a, b: a, arg_units=[1, 1], return_unit=1, arg_names=["a", "b"])
    )
    dg = Function(np.cos, arg_units=[1], arg_names=["x"], return_unit=1)
    g = Function(np.sin, arg_units=[1], arg_names=["x"], return_unit=1)
    slopes = Slopes({"f": f, "g": with_derivatives(dg)(g), "x": 3})
    expression = parse_expression(code)
    if expected == "unknown":
        with pytest.raises(NotDifferentiableError, match="'f'.*number 2"):
            derivative(expression, symbol("x"), slopes)
        return
    found = derivative(expression, symbol("x"), slopes)
    if "dg" in expected:
        assert slopes.used == {"_g_by_x": dg}
        expected = expected.replace("dg", "_g_by_x")
    assert str(found).replace("int_", "int") == str(parse_expression(expected)).replace(
        "int_", "int"
    )


@pytest.mark.parametrize(
    ("slopes", "error", "message"),
    [
        ((1,), TypeError, "got 1"),
        (("x", "x"), ValueError, "2 derivatives"),
        (("y",), ValueError, "'y'"),
    ],
)
def test_bad_derivatives(slopes, error, message):
    with pytest.raises(error, match=message):

        @with_derivatives(*slopes)
        @check_units(x=1, result=1)
        def function(x):
            return x


# ------------------------------------------------------------ short-term plasticity

STP = """
dx/dt = (1 - x)/tau_d : 1 (event-driven)
du/dt = (U - u)/tau_f : 1 (event-driven)
U : 1
tau_d : second
tau_f : second
A : siemens
"""
ON_PRE = """
release = u*x
x -= release
u += U*(1 - u)
g_post += A*release
"""
VALUES = {"U": 0.4, "tau_d": 100 * ms, "tau_f": 50 * ms, "A": 2 * nS}
TRAINS = [[5, 25] * ms, [5, 15, 25, 35, 45, 90, 200] * ms]


def _nest(kind, train="poisson20Hz"):
    U, tau_d, tau_f = NEST[f"{kind}/parameters"]
    values = {"U": U, "tau_d": tau_d * ms, "tau_f": tau_f * ms, "A": 1 * nS}
    return (
        ReleaseDerivatives(STP, ON_PRE, NEST[f"{train}/spikes"] * ms, values),
        NEST[f"{train}/{kind}/tsodyks2_synapse"] * nS,
    )


@pytest.mark.parametrize("kind", ["facilitating", "dep_fac_mix"])
def test_plasticity_against_nest_and_back(kind):
    model, amplitudes = _nest(kind)
    found, _ = model.simulate()
    assert_allclose(found, np.asarray(amplitudes), rtol=1e-12)
    assert_derivatives(model, 1e-9)
    result = model.fit(
        amplitudes,
        seed=1,
        n_starts=8,
        U=[0.01, 0.95],
        tau_d=Param(5 * ms, 2 * second, scale="log"),
        tau_f=Param(1 * ms, 2 * second, scale="log"),
    )
    for name, value in result.params.items():
        assert float(value) == pytest.approx(model.initial[name], rel=1e-6)


def test_rest_depends_on_parameters():
    """The very first amplitude is A*U."""
    model = ReleaseDerivatives(STP, ON_PRE, [10] * ms, VALUES)
    amplitude, slopes = model.simulate()
    assert_allclose(amplitude, 0.8e-9)
    assert_allclose(slopes[0], [2e-9, 0, 0, 0.4], atol=1e-22)
    _, slopes = model.simulate({"U": 0.2}, ["A", "U"])
    assert_allclose(slopes[0], [0.2, 2e-9])


def test_plasticity_in_the_fitter_of_neurons():
    """The same strings, clock-driven, by the derivatives of `GradientFitter`."""
    model = STP.replace(" (event-driven)", "") + "dg/dt = -g/(5*ms) : siemens"
    pulses = [[5, 20, 30, 70] * ms]
    fitter = GradientFitter(
        model,
        dt=0.5 * ms,
        method="exact",
        on_pre=ON_PRE.replace("g_post", "g"),
        input={"pre": pulses},
        output={"g": np.full((1, 200), 1.0) * nS},
        param_init={"u": "U", "x": 1},
    )
    checked = fitter.check_gradient(
        seed=3,
        U=[0.1, 0.9],
        tau_d=[20, 200] * ms,
        tau_f=[20, 200] * ms,
        A=[1, 5] * nS,
    )
    for name, (found, expected) in checked.items():
        assert found == pytest.approx(expected, rel=1e-5), name


COUPLED = """
dx/dt = (1 - x - y)/tau_rec : 1 (event-driven)
dy/dt = -y/tau_in : 1 (event-driven)
tau_rec : second
tau_in : second
U : 1
"""


@pytest.mark.parametrize("tau", [50, 100 * (1 - 1e-9), 100, 100 * (1 + 1e-4)])
def test_variables_that_act_on_each_other_may_have_equal_rates(tau):
    """Which a formula with differences of rates would divide by."""
    model = ReleaseDerivatives(
        COUPLED,
        "y += U*x; x -= U*x; g_post += U*x",
        [[0, 20, 50, 51, 400] * ms, [5, 5.001] * ms],
        {"tau_rec": 100 * ms, "tau_in": tau * ms, "U": 0.5},
    )
    assert_derivatives(model, 1e-8)
    assert_allclose(model.simulate()[0][1], _by_hand(tau, 0.5), rtol=1e-12)


def _by_hand(tau, U):
    """The second amplitude, after 20 ms, by the integral over what is inactive."""
    t = np.linspace(0, 20, 2001)
    inactive = U * np.exp(-t / tau) * np.exp(-(20 - t) / 100) / 100
    lost = np.exp(-20 / 100) * U + simpson(inactive, x=t)
    # on_pre releases U times what x has become by the statement before
    return U * (1 - U) * (1 - lost)


def test_plasticity_without_variables():
    model = ReleaseDerivatives(
        "A : siemens", "g_post += 2*A", [1, 2] * ms, {"A": 1 * nS}
    )
    amplitudes, slopes = model.simulate()
    assert_allclose(amplitudes, [2e-9, 2e-9])
    assert_allclose(slopes, [[2], [2]])


def test_amplitudes_have_a_unit():
    model = ReleaseDerivatives(STP, ON_PRE, TRAINS, VALUES)
    given = {"n_starts": 1, "steps": 2, "seed": 0, "A": [1, 5] * nS}
    data = model.simulate()[0]
    with pytest.raises(DimensionMismatchError, match="target must be data.*siemens"):
        model.fit(data * mV, **given)
    losses = [model.fit(d, **given).loss for d in (data, data / nS * nS)]
    assert losses[0] == losses[1]
    # Strings that do not say which unit they have
    model = "A : siemens\nn : 1"
    power = ReleaseDerivatives(model, "g_post += A**n", [1] * ms, {"A": 2 * nS, "n": 1})
    assert power.result_dimension is None
    assert np.isfinite(power.fit([1] * nS, n_starts=1, steps=1, n=[1, 3]).loss)


def test_the_script_of_plasticity_is_refused():
    model = ReleaseDerivatives(STP, ON_PRE, TRAINS, VALUES)
    result = model.fit(model.simulate()[0], n_starts=1, steps=1, U=[0.1, 0.9])
    with pytest.raises(ValueError, match="model.simulate.result.params"):
        result.script()


@pytest.fixture
def on_numpy():
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = before


@pytest.mark.usefixtures("on_numpy")
def test_the_script_of_a_receptor_runs():
    scheme = KineticScheme("C <-> O : k_on*glu, k_off")
    given = {
        "dt": 0.1 * ms,
        "method": "kinetic",
        "input": {"glu": np.ones(30)},
        "param_init": {"C": 1, "k_off": 200 * Hz},
    }
    model = scheme.equations + "k_on : Hz\nk_off : Hz"
    blank = GradientFitter(model, output={"O": np.zeros(30)}, **given)
    opened = blank.simulate(k_on=300 * Hz)["O"]
    fitter = GradientFitter(model, output={"O": opened}, **given)
    code = fitter.fit(n_starts=1, target=1e-12, k_on=[100, 900] * Hz).script()
    assert "from brian2_multiscale import *" in code
    names = {}
    exec(code, names)
    group = names["group"]
    group.glu = 1
    monitor = StateMonitor(group, "O", record=True)
    Network(group, monitor).run(3 * ms)
    assert_allclose(monitor.O[0], opened[0], atol=1e-6)
    assert opened.max() > 0.3
    # Methods of Brian2 need Brian2 only
    plain = GradientFitter(
        "dv/dt = -v/tau : 1\ntau : second",
        dt=0.1 * ms,
        output={"v": np.linspace(1, 0.5, 9)},
        param_init={"v": 1},
    )
    code = plain.fit(n_starts=1, steps=1, tau=[1, 5] * ms).script()
    assert "brian2_multiscale" not in code


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"values": {"U": 0.4}}, ValueError, "tau_d"),
        ({"values": {**VALUES, "U": 1 * mV}}, DimensionMismatchError, "U"),
        ({"on_pre": "g_post += A; h_post += A"}, ValueError, "one postsynaptic"),
        ({"on_pre": "g_post += B*u"}, ValueError, "'B'"),
        ({"spikes": [30, 10] * ms}, ValueError, "sorted|order"),
        ({"model": STP.replace("(1 - x)", "(1 - x)*x")}, ValueError, "linear"),
    ],
)
def test_bad_plasticity(changes, error, message):
    given = {"model": STP, "on_pre": ON_PRE, "spikes": [5, 9] * ms, "values": VALUES}
    with pytest.raises(error, match=message):
        ReleaseDerivatives(**(given | changes))


# ------------------------------------------------------------------ tabulated synapses


DECAYS = [20, 40, 60] * ms


@pytest.fixture(scope="module")
def tables():
    """For three time constants."""
    return [
        tabulate("biexponential", tau_decay=tau, rates=(5, 50) * Hz) for tau in DECAYS
    ]


T = np.arange(0, 300, 0.5) * ms


def _synapses(tables, **changes):
    arguments = {
        "plasticity": ReleaseDerivatives(STP, ON_PRE, TRAINS, {**VALUES, "A": 1 * nS}),
        "parameter": "tau",
        "at": DECAYS,
        "value": 45 * ms,
        "weight": 2.0,
    }
    return TableDerivatives(tables, TRAINS, T, **(arguments | changes))


def test_responses_are_those_of_the_table(tables):
    simple = TableDerivatives(tables[1], TRAINS[1], T, weight=3 * nS)
    values, slopes = simple.simulate()
    expected = np.asarray(tables[1].response(TRAINS[1], T))
    assert_allclose(values, 3e-9 * expected, rtol=1e-9, atol=1e-9 * np.ptp(values))
    assert_allclose(slopes[:, 0] * 3e-9, values)
    at_a_table = _synapses(tables, value=40 * ms, plasticity=None)
    assert_allclose(at_a_table.simulate()[0][1], 2 * expected, rtol=1e-9, atol=1e-12)


def test_derivatives_of_tabulated_synapses(tables):
    assert_derivatives(_synapses(tables), 1e-9)


def test_a_tabulated_synapse_is_found_again(tables):
    model = _synapses(tables)
    truth = {"weight": 3.0, "U": 0.3, "tau_d": 0.15, "tau": 0.05}
    result = model.fit(
        model.simulate(truth)[0],
        seed=0,
        weight=[0.1, 10],
        U=[0.05, 0.9],
        tau_d=Param(20 * ms, 1 * second, scale="log"),
        tau=[20, 60] * ms,
    )
    for name, value in truth.items():
        assert float(result.params[name]) == pytest.approx(value, rel=1e-5), name


def _plasticity(factor):
    model, on_pre = (x.replace("A", factor) for x in (STP, ON_PRE))
    values = {factor if n == "A" else n: v for n, v in VALUES.items()}
    return ReleaseDerivatives(model, on_pre, TRAINS, values)


def test_the_weight_may_be_that_of_the_plasticity(tables):
    model = _synapses(tables, plasticity=_plasticity("weight"), weight=1)
    assert model.names.count("weight") == 1
    assert model.dimensions["weight"] is nS.dim
    assert_derivatives(model, 1e-9)
    twice = _synapses(tables, plasticity=_plasticity("A"), weight=1)
    assert_allclose(model.simulate()[0], twice.simulate()[0])
    with pytest.raises(ValueError, match="weight=2.0 .*leave out weight="):
        _synapses(tables, plasticity=_plasticity("weight"))


@pytest.mark.parametrize("name", ["tau_d", "weight"])
def test_two_parameters_of_one_name_are_refused(tables, name):
    for plasticity in (_plasticity("A"), _plasticity("weight"), None):
        if plasticity is None and name == "tau_d":
            continue
        message = f"parameter='{name}' is the name of another.*'{name}_table'"
        with pytest.raises(ValueError, match=message):
            _synapses(tables, plasticity=plasticity, weight=1, parameter=name)


def test_responses_have_the_unit_of_weights_and_table(tables):
    given = {"n_starts": 1, "steps": 1}
    model = _synapses(tables, weight=1, plasticity=None)
    data = model.simulate()[0]
    assert model.unit.dim is nS.dim
    with pytest.raises(DimensionMismatchError, match="target must be data.*siemens"):
        model.fit(data * mV, weight=[0.1, 3], **given)
    assert np.isfinite(model.fit(data * nS, weight=[0.1, 3], **given).loss)
    # Those of TRAINS are amplitudes in siemens
    assert _synapses(tables, weight=2 * mV).result_dimension is (nS * nS * mV).dim


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"parameter": None}, ValueError, "parameter="),
        ({"at": [1, 2] * ms}, ValueError, "each of the 3"),
        ({"at": [1, 2, 4] * ms}, ValueError, "evenly"),
        ({"value": 3 * mV}, DimensionMismatchError, "value"),
        ({"plasticity": 5}, TypeError, "ReleaseDerivatives"),
        (
            {"plasticity": ReleaseDerivatives(STP, ON_PRE, TRAINS[0], VALUES)},
            ValueError,
            "same spikes",
        ),
    ],
)
def test_bad_tabulated_synapses(tables, changes, error, message):
    with pytest.raises(error, match=message):
        _synapses(tables, **changes)


def test_outside_of_the_tables_is_refused(tables):
    with pytest.raises(ValueError, match="tau.*outside"):
        _synapses(tables).simulate({"tau": 0.1})


@functools.cache
def _twice():
    return ReleaseDerivatives(STP, ON_PRE, [5, 9] * ms, VALUES)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["U", "A", "tau_d", "nonsense", ""]),
        st.one_of(st.none(), st.floats(), st.text(max_size=3), st.just([2, 1])),
        max_size=3,
    )
)
def test_nonsense_for_bounds_is_refused(bounds):
    model = _twice()
    with pytest.raises((TypeError, ValueError)):
        model.fit([1, 1] * nS, **{k or "empty": v for k, v in bounds.items()})
