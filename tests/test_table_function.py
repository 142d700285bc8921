"""Formulas as tables: error, refinement, bad input, and Hodgkin-Huxley rates."""

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Function,
    NeuronGroup,
    Quantity,
    StateMonitor,
    check_units,
    mmolar,
    ms,
    mV,
    nS,
    pA,
    second,
    umolar,
    volt,
)
from brian2.units.fundamentalunits import have_same_dimensions
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator
from targets import TARGETS, assert_targets_agree, run_on_targets

from brian2_multiscale.kinetics.evaluation import evaluate
from brian2_multiscale.numerics.lookup import Axis, interpolate
from brian2_multiscale.tables.function import TableFunction


def assert_allclose(found, expected, rtol=1e-12):
    assert have_same_dimensions(found, expected)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rtol)


RANGE = (-110 * mV, 70 * mV)
HODGKIN_HUXLEY = {
    "alpha_m": "1/ms/exprel(-(v + 40*mV)/(10*mV))",
    "beta_m": "4*exp(-(v + 65*mV)/(18*mV))/ms",
    "alpha_h": "0.07*exp(-(v + 65*mV)/(20*mV))/ms",
    "beta_h": "1/(exp(-(v + 35*mV)/(10*mV)) + 1)/ms",
    "alpha_n": "0.1/ms/exprel(-(v + 55*mV)/(10*mV))",
    "beta_n": "0.125*exp(-(v + 65*mV)/(80*mV))/ms",
}


def hh_tables(**keywords):
    return {
        name: TableFunction(formula, name=f"hh_{name}", **keywords)
        for name, formula in HODGKIN_HUXLEY.items()
    }


# ------------------------------------------------------------- on all targets

MEMBRANE = """
dv/dt = (I - 36*nS*n**4*(v + 77*mV) - 120*nS*m**3*h*(v - 50*mV)
         - 0.3*nS*(v + 54.4*mV))/(1*pF) : volt
dm/dt = a_m*(1 - m) - b_m*m : 1
dh/dt = a_h*(1 - h) - b_h*h : 1
dn/dt = a_n*(1 - n) - b_n*n : 1
I : amp
"""


def membrane(name, rates):
    """Hodgkin-Huxley neurons, `rates` being what stands in their equations."""
    lines = [
        f"{long[0]}_{gate} = {rates[f'{long}_{gate}']} : Hz"
        for long in ("alpha", "beta")
        for gate in "mhn"
    ]
    group = NeuronGroup(
        3,
        MEMBRANE + "\n".join(lines),
        method="exponential_euler",
        name=name,
        namespace=hh_tables(v=(*RANGE, 2000)),
    )
    group.v, group.h, group.n, group.m = -65 * mV, 0.6, 0.32, 0.05
    group.I = np.array([0, 5, 10]) * pA
    return group


VOLTAGES = np.random.default_rng(3).uniform(*np.asarray(RANGE), size=500)


def model():
    neurons = {
        "table": membrane("hh_table", {name: f"{name}(v)" for name in HODGKIN_HUXLEY}),
        "formula": membrane("hh_formula", HODGKIN_HUXLEY),
    }
    probe = NeuronGroup(
        len(VOLTAGES),
        "v : volt\n"
        + "\n".join(f"in_{name} = {name}(v) : Hz" for name in HODGKIN_HUXLEY),
        name="hh_probe",
        namespace=hh_tables(v=(*RANGE, 2000)),
    )
    probe.v = VOLTAGES * volt
    monitors = {
        name: StateMonitor(group, "v", True, name=f"mon_{group.name}")
        for name, group in neurons.items()
    }
    rates = StateMonitor(
        probe, [f"in_{name}" for name in HODGKIN_HUXLEY], True, dt=1 * second
    )
    readers = {name: lambda m=monitor: m.v for name, monitor in monitors.items()}
    for name in HODGKIN_HUXLEY:
        readers[name] = lambda n=name: getattr(rates, f"in_{n}")[:, 0]
    return [*neurons.values(), probe, *monitors.values(), rates], readers


@pytest.fixture(scope="module")
def results():
    return run_on_targets(model, 30 * ms, name="test_table_function")


def test_targets_agree_on_hodgkin_huxley(results):
    assert_targets_agree(
        {t: {n: results[t][n] for n in HODGKIN_HUXLEY} for t in TARGETS}, rtol=1e-14
    )
    traces = {t: {n: results[t][n] for n in ("table", "formula")} for t in TARGETS}
    assert_targets_agree(traces, rtol=1e-10)  # after 300 steps and three spikes


@pytest.mark.parametrize("name", HODGKIN_HUXLEY)
def test_rates_equal_scipy_and_keep_the_stated_error(results, name):
    table = hh_tables(v=(*RANGE, 2000))[name]
    grid = np.linspace(*np.asarray(RANGE), 2000)
    scipy = RegularGridInterpolator([grid], np.asarray(table.values))(VOLTAGES[:, None])
    for target in TARGETS:
        np.testing.assert_allclose(results[target][name], scipy, rtol=1e-12)
    exact = evaluate(HODGKIN_HUXLEY[name], {"v": VOLTAGES * volt})
    scale = np.ptp(np.asarray(table.values))
    assert np.abs(scipy - exact).max() / scale <= table.error < 1e-5


def test_neurons_with_tables_spike_as_with_formulas(results):
    found = results["cython"]
    assert found["formula"].max() > 0.02  # there are spikes
    assert np.abs(found["table"] - found["formula"]).max() < 1e-4


# ------------------------------------------------------------- error and refinement

FORMULAS = {
    "sigmoid": ("1/(1 + exp(-(v + 40*mV)/(3*mV)))", {"v": RANGE}, {}),
    "kink": ("abs(x)*volt", {"x": (-1, 1.3)}, {}),
    "oscillation": ("sin(20*x)*exp(-x)", {"x": (0, 3)}, {}),
    "log axis": ("1/(1 + (c/umolar)**-2)", {"c": (1e-3 * umolar, 1 * mmolar)}, "log"),
    "two axes": (
        "g*v/(1 + exp(-62*v/volt)*c/(3.57*mmolar))",
        {"v": RANGE, "c": (0.1 * mmolar, 5 * mmolar)},
        {"c": "log"},
    ),
    "three axes": ("x*y*z + (x - y)**2", {n: (0, 1) for n in "xyz"}, {}),
}


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("kind", FORMULAS)
def test_tolerance_is_met_at_new_points(kind, tolerance):
    formula, axes, spacing = FORMULAS[kind]
    table = TableFunction(
        formula, tolerance, spacing or "linear", namespace={"g": 3 * nS}, **axes
    )
    assert table.error <= tolerance
    assert table.nbytes < 4e6
    rng = np.random.default_rng(99)  # not the points that were used to build it
    points = {
        axis.name: Quantity(axis.at(rng.random(100_000) * (axis.n - 1)), dim=dim)
        for axis, dim in zip(table.axes, table._arg_dimensions, strict=True)
    }
    exact = evaluate(formula, {**points, "g": 3 * nS})
    found = np.asarray(table(*points.values()))
    scale = np.ptp(np.append(exact, np.asarray(table.values)))
    assert np.abs(found - exact).max() <= 1.001 * table.error * scale


def test_fewer_points_than_needed_are_reported():
    coarse, fine = (TableFunction("exp(-x)", x=(0, 4, n)).error for n in (11, 41))
    # error of linear interpolation: h**2/8 * max|f''|, here over a range of 1 - e**-4
    assert coarse == pytest.approx(0.4**2 / 8, rel=0.3)
    assert coarse / fine == pytest.approx(16, rel=0.2)


def test_constant_function():
    assert TableFunction("3*volt + 0*x*volt", x=(0, 1, 2)).error == 0


def test_single_precision():
    table = TableFunction("sin(x)", x=(0, 1, 5000), dtype=np.float32)
    assert table.arrays["values"].dtype == np.float32
    assert 1e-8 < table.error < 1e-7


@given(
    st.lists(st.tuples(st.integers(2, 6), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_interpolation_is_exact_at_points_and_within_the_corners(kinds, seed):
    rng = np.random.default_rng(seed)
    axes = [
        Axis(lo, lo + width, n, "log" if log else "linear")
        for (n, log), lo, width in zip(
            kinds, rng.uniform(0.1, 1, 4), rng.uniform(0.1, 9, 4), strict=False
        )
    ]
    values = rng.normal(size=[axis.n for axis in axes])
    grid = np.meshgrid(*(axis.points for axis in axes), indexing="ij")
    # one rounding of the position is n times as large in units of the steps
    np.testing.assert_allclose(interpolate(values, axes, *grid), values, atol=1e-12)
    inside = [axis.at(rng.random(200) * (axis.n - 1)) for axis in axes]
    found = interpolate(values, axes, *inside)
    assert values.min() - 1e-12 <= found.min() and found.max() <= values.max() + 1e-12


# ------------------------------------------------------------- what can be tabulated


def test_callables_get_quantities_by_name_or_by_position():
    def ratio(c, v):
        return c * v / mmolar

    by_name = TableFunction(
        ratio, v=(0 * mV, 10 * mV, 5), c=(0 * mmolar, 2 * mmolar, 5)
    )
    assert_allclose(by_name(10 * mV, 2 * mmolar), 20 * mV)
    by_position = TableFunction(np.exp, x=(0, 1, 100))
    assert_allclose(by_position(0.5), np.exp(0.5), rtol=1e-4)
    assert by_position.error < 3e-5
    constant = TableFunction(lambda x: 3 * volt, x=(0, 1, 5))
    assert_allclose(constant([0.1, 0.2]), [3, 3] * volt)


def test_expressions_see_the_names_around_them():
    slope = 3 * mV
    table = TableFunction("slope*x", x=(0, 1, 3))
    assert_allclose(table(0.5), 1.5 * mV)
    explicit = TableFunction("slope*x", x=(0, 1, 3), namespace={"slope": 4 * mV})
    assert_allclose(explicit(0.5), 2 * mV)
    slope = 5 * mV  # read once
    assert_allclose(table(0.5), slope * 0.3)


def test_expressions_can_use_functions_of_the_user():
    @check_units(x=volt, result=1)
    def steep(x):
        return np.tanh(x / (1 * mV))

    table = TableFunction(
        "1 + steep(v)", v=(-9 * mV, 9 * mV, 999), namespace={"steep": Function(steep)}
    )
    assert_allclose(table(1 * mV), 1 + np.tanh(1), rtol=1e-4)


def test_what_a_table_says_about_itself():
    table = TableFunction(
        "c*v", v=(-10 * mV, 10 * mV, 4), c=(1, 100, 3), spacing={"c": "log"}, name="cv"
    )
    for part in [
        "'cv'",
        "c*v",
        "in 4 points",
        "in 3 points (log)",
        "raise",
        "of the range",
    ]:
        assert part in repr(table)
    assert table.nbytes == (4 * 3 + 2 * 7) * 8
    assert table.values.shape == (4, 3) and table.values.dim is volt.dim
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1 * volt


BAD = {
    "reversed range": ({"x": (1, 0, 5)}, ValueError, "lo = 1.0 is not below hi = 0.0"),
    "empty range": ({"x": (1, 1, 5)}, ValueError, "not below"),
    "one point": ({"x": (0, 1, 1)}, ValueError, "'x': has 1 points, needs at least 2"),
    "no integer": ({"x": (0, 1, 2.5)}, TypeError, "must be an integer, not 2.5"),
    "infinite": ({"x": (0, np.inf, 5)}, ValueError, "must be finite"),
    "nan": ({"x": (np.nan, 1, 5)}, ValueError, "must be finite"),
    "two units": ({"x": (0 * mV, 1, 5)}, DimensionMismatchError, "lo and hi differ"),
    "zero without unit": ({"x": (0, 1 * mV, 5)}, DimensionMismatchError, r"0\*mV, not"),
    "no number": ({"x": (0, 1)}, ValueError, "no number of points"),
    "no tuple": ({"x": 5}, ValueError, r"must be \(lo, hi, n\)"),
    "no axes": ({}, TypeError, "no axis given; add one"),
    "log at zero": (
        {"x": (0, 1, 5), "spacing": "log"},
        ValueError,
        "needs lo > 0, not 0.0; use spacing 'linear'",
    ),
    "spacing": ({"x": (0, 1, 5), "spacing": "cubic"}, ValueError, "'cubic', must be"),
    "spacing of": (
        {"x": (0, 1, 5), "spacing": {"y": "log"}},
        ValueError,
        r"\['y'\], which are not axes: \['x'\]",
    ),
    "extrapolate": (
        {"x": (0, 1, 5), "extrapolate": "wrap"},
        ValueError,
        "must be 'raise' or 'clip'.*, got 'wrap'",
    ),
    "tolerance": ({"x": (0, 1), "tolerance": 0}, ValueError, "between 0 and 1"),
    "units": ({"x": (0 * mV, 1 * mV, 5)}, DimensionMismatchError, "inconsistent units"),
    "axis without unit": (
        {"function": "exp(-(x + 65*mV)/(80*mV))/ms", "x": (-100, 50, 5)},
        DimensionMismatchError,
        r"axis 'x' = \(-100, 50\) must have the unit volt.*write x=\(lo\*volt",
    ),
    "second axis": (
        {"function": "a/ms*(b - 1*mV)", "a": (0, 1, 3), "b": (0 * nS, 1 * nS, 3)},
        DimensionMismatchError,
        r"axis 'b' = \(0. S, 1. nS\) must have the unit volt",
    ),
    "no axis to blame": (
        {"function": "x + 1*mV + 1*ms", "x": (0, 1, 3)},
        DimensionMismatchError,
        "^(?!axis).*inconsistent units",
    ),
    "unknown name": (
        {"function": "x + nothing", "x": (0, 1, 5)},
        KeyError,
        "'nothing' in 'x . nothing' is neither an axis.*namespace={'nothing': ...}",
    ),
    "random": ({"function": "x*rand()", "x": (0, 1, 5)}, ValueError, "'rand'.*another"),
    "no function": (
        {"function": 3, "x": (0, 1, 5)},
        TypeError,
        "must be an expression",
    ),
    "pole on grid": (
        {"function": "1/x", "x": (-1, 1, 5)},
        ValueError,
        r"1 values that are not finite, the first \(inf\) at x = 0 .*exprel",
    ),
    "pole off grid": (
        {"function": "log(abs(x))", "x": (-1, 1, 4)},
        ValueError,
        "the function is -inf at x = 0",
    ),
    "not by element": (
        {"function": lambda x: np.cumsum(x)[:2], "x": (0, 1, 5)},
        ValueError,
        "must work element by element",
    ),
    "jump": (
        {"function": "int(x > 0.3)", "x": (0, 1), "tolerance": 0.01, "max_nbytes": 1e6},
        ValueError,
        "tolerance 0.01 cannot be met with 1000000.0 bytes.*smallest error.*log",
    ),
    "six axes": (
        {"function": "a+b+c+d+f+g", **dict.fromkeys("abcdfg", (0, 1, 2))},
        ValueError,
        "6 dimensions, must have 1 to 5",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    keywords, error, message = BAD[case]
    with pytest.raises(error, match=message):
        TableFunction(**{"function": "1 + x", **keywords})


def test_calls_with_wrong_arguments():
    table = TableFunction("v/mV", v=(0 * mV, 10 * mV, 5), name="per_mV")
    with pytest.raises(
        DimensionMismatchError, match="'v' of per_mV must have the unit"
    ):
        table(3)
    with pytest.raises(TypeError, match=r"takes 1 arguments \(v\), got 2"):
        table(3 * mV, 4)
    with pytest.raises(ValueError, match="per_mV: argument 'v' = 0.011 is outside"):
        table([3, 11] * mV)
    with pytest.raises(ValueError, match="nan is outside"):
        table(np.nan * volt)
    clipped = TableFunction("v/mV", extrapolate="clip", v=(0 * mV, 10 * mV, 5))
    assert_allclose(clipped([-3, 11] * mV), [0, 10])
