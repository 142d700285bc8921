"""Fits of equation strings: derivatives, searches, refusals."""

import gc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from brian2 import (
    Equations,
    Hz,
    Mohm,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    check_units,
    get_device,
    ms,
    mV,
    nA,
    nS,
    pA,
    prefs,
    second,
    set_device,
    uS,
)
from brian2.units.fundamentalunits import DimensionMismatchError
from fitting_models import (
    GIF,
    GIF_NAMESPACE,
    GIF_RESET,
    GIF_VALUES,
    HH,
    HH_NAMESPACE,
    HH_VALUES,
    hodgkin_huxley,
    integrate_and_fire,
)
from numpy.testing import assert_allclose

from brian2_multiscale.gradients import (
    FitResult,
    GradientFitter,
    Param,
    SpikeLikelihood,
    TraceLoss,
    with_derivatives,
)
from brian2_multiscale.gradients.fitting.running import simulation_of
from brian2_multiscale.gradients.prepared import PreparedNetwork
from brian2_multiscale.kinetics.differentiation import NotDifferentiableError
from brian2_multiscale.numerics.standard_errors import standard_errors

HH_BOUNDS = {
    "gl": Param(1e-4 * uS, 0.1 * uS, scale="log"),
    "gNa": [0.01, 40] * uS,
    "gK": [0.01, 20] * uS,
    "VT": [-65, -50] * mV,
}
GIF_BOUNDS = {"a": [0.1, 50] * Hz, "b": [0.1, 50] * Hz}
FIXED = {k: GIF_VALUES[k] for k in ("R", "tau")}


@pytest.fixture(scope="module")
def hh():
    currents, v = hodgkin_huxley()
    return GradientFitter(
        HH,
        dt=0.02 * ms,
        input={"I": currents},
        output={"v": v},
        param_init={"v": -65 * mV},
        namespace=HH_NAMESPACE,
    )


@pytest.fixture(scope="module")
def gif_data():
    return integrate_and_fire()


def _gif(gif_data, **changes):
    currents, v, trains = gif_data
    arguments = {
        "dt": 0.1 * ms,
        "threshold": "v > vth",
        "reset": GIF_RESET,
        "refractory": 2 * ms,
        "input": {"I": currents},
        "output": {"v": v, "spikes": trains},
        "param_init": {"v": -70 * mV, "vth": -50 * mV, **FIXED},
        "namespace": GIF_NAMESPACE,
    }
    return GradientFitter(GIF, **{**arguments, **changes})


def _assert_gradient(pairs, rtol):
    found = np.array(list(pairs.values()))
    assert np.abs(found).max() > 0
    assert_allclose(found[:, 0], found[:, 1], atol=rtol * np.abs(found).max(), rtol=0)


# Derivatives


def test_derivatives_of_a_trace_are_finite_differences(hh):
    _assert_gradient(hh.check_gradient(seed=3, **HH_BOUNDS), 1e-5)


def test_derivatives_of_the_likelihood_are_finite_differences(gif_data):
    fitter = _gif(gif_data, param_init={"v": -70 * mV, "vth": -50 * mV})
    bounds = {**GIF_BOUNDS, "R": [10, 40] * Mohm, "tau": [10, 40] * ms}
    _assert_gradient(fitter.check_gradient(seed=1, **bounds), 1e-5)


def test_derivatives_of_a_trace_between_recorded_spikes(gif_data):
    fitter = _gif(gif_data, param_init={"v": -70 * mV, "vth": -50 * mV})
    bounds = {"R": [10, 40] * Mohm, "tau": [10, 40] * ms, **GIF_BOUNDS}
    pairs = fitter.check_gradient(seed=1, loss=TraceLoss(forced=True), **bounds)
    _assert_gradient(pairs, 1e-5)
    assert pairs["a"] == (0, 0)  # the threshold does not matter


def test_derivatives_with_moving_spikes():
    """Few spikes, small steps: differences of whole steps are small."""
    data = integrate_and_fire(duration=60 * ms, dt=0.005 * ms)
    start = {"v": -70 * mV, "vth": -50 * mV}
    fitter = _gif(data, dt=0.005 * ms, param_init=start)
    near = {
        "a": [4, 7] * Hz,
        "b": [7, 14] * Hz,
        "R": [18, 21] * Mohm,
        "tau": [18, 23] * ms,
    }
    pairs = fitter.check_gradient(seed=2, loss=TraceLoss(), step=0.02, **near)
    _assert_gradient(pairs, 0.05)


def test_gaps_and_what_is_before_the_start_do_not_count(hh):
    currents, v = hodgkin_huxley()
    v = np.array(v)
    v[0, 300:], v[:, :100] = np.nan, 0.5
    fitter = GradientFitter(
        HH,
        dt=0.02 * ms,
        input={"I": currents},
        output={"v": v * 1000 * mV},
        param_init={"v": -65 * mV},
        namespace=HH_NAMESPACE,
    )
    loss = TraceLoss(t_start=2 * ms, scale={"v": 1 * mV})
    found = fitter.fit(
        n_starts=1, steps=5, loss=loss, gl=[8, 9] * nS, gNa=[24, 25] * uS,
        gK=[5.6, 6] * uS, VT=[-56, -55] * mV,
    )  # fmt: skip
    assert found.loss < 1e-10


def test_initial_values_that_depend_on_what_is_fitted():
    model = "dx/dt = -x/tau : volt\ntau : second\nE : volt"
    times = np.arange(200) * 0.1
    recorded = 3 * np.exp(-times / 7) * mV
    fitter = GradientFitter(
        model,
        dt=0.1 * ms,
        method="exact",
        output={"x": recorded},
        param_init={"x": "2*E"},
        namespace={},
    )
    bounds = {"tau": [1, 30] * ms, "E": [0, 5] * mV}
    _assert_gradient(fitter.check_gradient(seed=0, **bounds), 1e-6)
    found = fitter.fit(n_starts=3, seed=0, **bounds)
    assert_allclose(found.params["tau"] / ms, 7, rtol=1e-6)
    assert_allclose(found.params["E"] / mV, 1.5, rtol=1e-6)


def test_spikes_that_arrive():
    """A synapse with short-term depression, from its conductance."""
    model = """dg/dt = -g/tau : siemens
               dx/dt = (1 - x)/tau_d : 1
               tau : second
               tau_d : second
               U : 1"""
    times = [[10, 30, 50, 60, 70] * ms, [5, 15, 90] * ms]
    fixed = {
        "dt": 0.1 * ms,
        "method": "exact",
        "on_pre": "g += U*x*nS; x -= U*x",
        "input": {"pre": times},
        "param_init": {"x": 1},
        "namespace": {"nS": nS},
    }
    maker = GradientFitter(model, output={"g": np.zeros((2, 1200)) * nS}, **fixed)
    truth = {"tau": 6 * ms, "tau_d": 80 * ms, "U": 0.4}
    fitter = GradientFitter(model, output={"g": maker.simulate(**truth)["g"]}, **fixed)
    bounds = {"tau": [1, 30] * ms, "tau_d": [10, 500] * ms, "U": [0.05, 0.95]}
    _assert_gradient(fitter.check_gradient(seed=0, **bounds), 1e-5)
    found = fitter.fit(n_starts=6, seed=1, target=1e-16, **bounds)
    for name, value in truth.items():
        assert_allclose(float(found.params[name]), float(value), rtol=1e-5)


@pytest.fixture
def numpy_target():
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = before


KICKED = """dv/dt = (drive - v)/tau : 1{flag}
du/dt = -u/(3*ms) : 1
tau : second
drive : 1
w : 1
"""
KICKED_VALUES = {"tau": 20 * ms, "drive": 0.5, "w": 0.45}
KICKED_BOUNDS = {"tau": [18, 22] * ms, "drive": [0.45, 0.55], "w": [0.44, 0.46]}
HELD = " (unless refractory)"


def _kicked(flag, refractory, times, trace=(0,) * 80, reset="v = 0", **others):
    return GradientFitter(
        KICKED.format(flag=flag),
        dt=0.5 * ms,
        method="euler",
        threshold="v > 1",
        reset=reset,
        refractory=refractory,
        on_pre="v += w; u += v",
        input={"pre": [times]},
        output={"v": np.array(trace), **others},
    )


def _as_synapses(flag, refractory, times, values):
    """The same in a network of Brian2."""
    source = SpikeGeneratorGroup(1, [0] * len(times), times, dt=0.5 * ms)
    group = NeuronGroup(
        1,
        KICKED.format(flag=flag),
        threshold="v > 1",
        reset="v = 0",
        refractory=refractory,
        method="euler",
        dt=0.5 * ms,
        namespace={"ms": ms},
    )
    for name, value in values.items():
        setattr(group, name, value)
    links = Synapses(source, group, on_pre="v_post += w_post; u_post += v_post")
    links.connect()
    monitor = StateMonitor(group, ["v", "u"], record=True)
    spikes = SpikeMonitor(group)
    Network(source, group, links, monitor, spikes).run(40 * ms)
    return np.array(monitor.v), np.array(monitor.u), np.array(spikes.t)


@pytest.mark.parametrize(
    ("flag", "refractory", "drive", "times"),
    [
        (HELD, 5 * ms, 0.5, [5, 6, 7, 8, 9, 20, 21, 22, 30]),
        ("", 5 * ms, 0.5, [5, 6, 7, 8, 9, 20, 21, 22, 30]),
        ("", False, 2, [5, 13.5, 14, 14.5]),  # also in the step of a spike
        (HELD, 5 * ms, 2, [13.5, 14, 33, 33.5]),
    ],
)
def test_spikes_arrive_as_in_synapses(numpy_target, flag, refractory, drive, times):
    """Before the reset, and without effect on what stands still."""
    values, times = {**KICKED_VALUES, "drive": drive}, times * ms
    v, u, spikes = _as_synapses(flag, refractory, times, values)
    found = _kicked(flag, refractory, times).simulate(**values)
    assert_allclose(found["v"], v, atol=1e-12)
    assert_allclose(np.array(found["spikes"][0]), spikes, atol=1e-12)
    assert len(spikes) > 1
    # The same with derivatives
    fitter = _kicked(flag, refractory, times, v, u=u)
    model, _ = fitter._model(KICKED_BOUNDS)
    point = [[float(x) for x in values.values()]]
    assert simulation_of(model, TraceLoss(), 1)(point)[0] < 1e-24


def test_spikes_arrive_where_a_threshold_resets_nothing(numpy_target):
    values = {**KICKED_VALUES, "drive": 2}
    fitter = _kicked("", False, [13.5, 14, 20] * ms, reset=None)
    v = fitter.simulate(**values)["v"]
    fitter = _kicked("", False, [13.5, 14, 20] * ms, np.array(v), reset=None)
    model, _ = fitter._model(KICKED_BOUNDS)
    point = [[float(x) for x in values.values()]]
    assert simulation_of(model, TraceLoss(), 1)(point)[0] < 1e-24


@pytest.mark.parametrize(("flag", "refractory"), [(HELD, 5 * ms), ("", False)])
def test_derivatives_of_spikes_that_arrive(numpy_target, flag, refractory):
    """They fire the neuron, come while it is refractory, and when it is reset."""
    times = [3, 4, 7, 7.5, 8, 12, 20, 21, 30] * ms
    reset = {"spikes": [[7.5, 15, 21] * ms]}  # as recorded
    trace = 0.5 + 0.3 * np.sin(np.arange(80))
    fitter = _kicked(flag, refractory, times, trace, **reset, u=trace)
    assert len(fitter.simulate(**KICKED_VALUES)["spikes"][0]) > 1
    losses = [TraceLoss(), TraceLoss(forced=True), SpikeLikelihood(width=0.3)]
    for loss in losses:
        pairs = fitter.check_gradient(seed=1, loss=loss, **KICKED_BOUNDS)
        _assert_gradient(pairs, 1e-6)


@pytest.mark.parametrize(("flag", "refractory"), [(HELD, 5 * ms), ("", False)])
def test_a_spike_that_arrives_at_the_reset_hides_no_derivative(
    numpy_target, flag, refractory
):
    """It changes nothing, so that the own spike moves as without it."""
    values = {**KICKED_VALUES, "drive": 2}
    at = _kicked(flag, refractory, [] * ms).simulate(**values)["spikes"][0][1:2]
    model = KICKED_BOUNDS | {"drive": [1.9, 2.1]}
    found = []
    for times in ([] * ms, at):
        fitter = _kicked(flag, refractory, times, 0.3 * np.cos(np.arange(80)))
        simulation = simulation_of(fitter._model(model)[0], TraceLoss(), 1)
        found.append(simulation([[float(x) for x in values.values()]]))
    alone, together = found
    assert np.abs(alone[1][0, :2]).min() > 0
    for one, other in zip(alone, together, strict=True):
        assert_allclose(one, other, rtol=1e-12)


@with_derivatives("1/cosh(x)**2")
@check_units(x=1, result=1)
def squash(x):
    return np.tanh(x)


SQUASHED = """dv/dt = (drive*mV - v)/(10*ms) : volt
y = {f}(k*v/(10*mV)) : 1
drive : 1
k : 1
"""


def _squashed(f, **changes):
    given = {
        "dt": 0.1 * ms,
        "method": "euler",
        "threshold": f"v > 30*mV*{f}(k)",
        "reset": f"v = 5*mV*{f}(k*v/(20*mV))",
        "output": {"y": np.cos(np.arange(200)), "spikes": [[3, 8, 15] * ms]},
        "param_init": {"v": f"2*mV*{f}(k)"},
        "namespace": {"squash": squash, "table": changes.pop("table", None)},
    }
    return GradientFitter(SQUASHED.format(f=f), **{**given, **changes})


@pytest.mark.parametrize(
    "loss", [TraceLoss(), TraceLoss(forced=True), SpikeLikelihood(width=5 * mV)]
)
def test_functions_with_derivatives_everywhere(numpy_target, loss):
    """In an output, the threshold, the reset, and a value at the beginning."""
    bounds = {"drive": [20, 30], "k": [0.4, 0.8]}
    ours, known = (
        _squashed(f).check_gradient(seed=1, loss=loss, **bounds)
        for f in ("squash", "tanh")
    )
    for name, (value, difference) in ours.items():
        assert_allclose(value, known[name][0], rtol=1e-9)
        if loss != TraceLoss():
            assert_allclose(value, difference, rtol=1e-5)


def test_derivatives_that_are_functions_themselves(numpy_target):
    from brian2_multiscale import TableFunction

    table = TableFunction("tanh(x)", x=(-3, 3, 300), name="table_in_threshold")
    fitter = _squashed("table", table=table)
    found = fitter.check_gradient(
        seed=1, loss=SpikeLikelihood(width=5 * mV), drive=[20, 30], k=[0.4, 0.8]
    )
    _assert_gradient(found, 1e-3)


def test_an_unknown_derivative_is_said_as_such(numpy_target):
    @check_units(x=1, result=1)
    def other(x):
        return np.tanh(x)

    fitter = GradientFitter(
        "dv/dt = (other(k) - v)/second : 1\nk : 1", dt=1 * ms, output={"v": [0, 1]}
    )
    with pytest.raises(NotDifferentiableError, match="with_derivatives"):
        fitter.fit(k=[0, 1], n_starts=1)


# Searches


def test_hodgkin_huxley_is_found(hh):
    found = hh.fit(n_starts=6, seed=0, target=1e-14, **HH_BOUNDS)
    assert isinstance(found, FitResult)
    for name, value in HH_VALUES.items():
        assert_allclose(found.params[name] / value, 1, rtol=1e-4)
    assert found.history.shape == (found.calls, 6)
    assert np.all(np.diff(found.history.min(axis=1)) <= 0)
    assert found.evaluations == 6 * found.calls
    assert set(found.params) == set(HH_BOUNDS)


def test_likelihood_then_free_neurons(gif_data):
    fitter = _gif(gif_data)
    found = fitter.fit(
        n_starts=6,
        seed=0,
        loss=SpikeLikelihood(width=[1, 0.3] * mV),
        polish=TraceLoss(),
        target=1e-9,
        **GIF_BOUNDS,
    )
    simulated = fitter.simulate(**found.params)
    _, v, trains = gif_data
    assert ((np.array(simulated["v"] - v)) ** 2).mean() < 0.1e-6  # 0.1 mV^2
    for one, other in zip(simulated["spikes"], trains, strict=True):
        assert_allclose(np.array(one), np.array(other), atol=1e-4)


def test_losses_of_many_points(hh):
    factors = np.array([0.9, 1, 1.1])
    values = {n: factors * v for n, v in HH_VALUES.items()}
    for _ in range(2):  # made, and used again
        losses = hh.evaluate(**values)
        assert losses.shape == (3,) and losses[1] < 1e-20 < min(losses[0], losses[2])
    simulated = hh.simulate(**{n: v[0] for n, v in values.items()})["v"]
    recorded = hh.data.traces["v"]
    expected = np.mean((np.asarray(simulated) - recorded) ** 2) / recorded.var()
    assert_allclose(losses[0], expected, rtol=1e-9)
    with pytest.raises(ValueError, match="one length"):
        hh.evaluate(**{**values, "gl": 5 * nS})
    with pytest.raises(ValueError, match="one point"):
        hh.simulate(**values)


def test_errors_are_those_of_linear_regression():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=2000)
    fitter = GradientFitter(
        "dx/dt = (k*I - x)/ms : 1\nk : 1",
        dt=1 * ms,
        method="euler",  # x is k*I one step later
        input={"I": np.ones(2000)},
        output={"x": 2 + 0.1 * noise},
        param_init={"x": "k"},
        namespace={"ms": ms},
    )
    found = fitter.fit(n_starts=2, seed=0, k=[0, 10])
    assert_allclose(found.params["k"], 2 + 0.1 * noise.mean(), rtol=1e-6)
    expected = 0.1 * noise.std(ddof=1) / np.sqrt(2000)
    assert_allclose(found.standard_errors["k"], expected, rtol=1e-6)


def test_errors_with_several_variables(numpy_target):
    """Each has noise of its own, which weights do not change."""
    rng, n = np.random.default_rng(3), 400
    x, y = 2 + 0.1 * rng.normal(size=n), 6 + 0.9 * rng.normal(size=n)
    fitter = GradientFitter(
        "dz/dt = 0*z/second : 1\nx = k + z : 1\ny = 3*k + z : 1\nk : 1",
        dt=1 * ms,
        method="euler",
        output={"x": x, "y": y},
    )
    found = fitter.fit(
        n_starts=1, seed=0, k=[1, 3], loss=TraceLoss(scale={"x": 0.5, "y": 2})
    )
    weights = np.array([1 / 0.5**2, 9 / 2**2])  # per squared change of k
    variances = np.array([x.var(ddof=1), y.var(ddof=1) / 9]) / n
    expected = np.sqrt(weights**2 @ variances) / weights.sum()
    assert_allclose(found.standard_errors["k"], expected, rtol=2e-3)


def test_errors_after_a_polish_are_those_of_its_end(numpy_target):
    given = {
        "dt": 0.5 * ms,
        "threshold": "v > 15*mV",
        "reset": "v = 0*mV",
        "method": "euler",
    }
    model = "dv/dt = (E - v)/tau : volt\ntau : second\nE : volt"
    made = GradientFitter(model, output={"v": np.zeros(100) * mV}, **given).simulate(
        tau=10 * ms, E=20 * mV
    )
    fitter = GradientFitter(model, output=made, **given)
    bounds = {"tau": [5, 40] * ms, "E": [16, 30] * mV}
    loss = SpikeLikelihood(width=3 * mV)
    found = fitter.fit(
        loss=loss, polish=TraceLoss(), n_starts=2, seed=0, steps=6, **bounds
    )
    simulation = simulation_of(fitter._model(bounds)[0], loss, 1)
    _, _, matrix = simulation([[float(found.params[n]) for n in bounds]])
    expected = standard_errors(matrix[0], simulation.summands[0].noise(0, 0))
    errors = [float(found.standard_errors[n]) for n in bounds]
    assert_allclose(errors, expected, rtol=1e-6)


def test_a_parameter_without_influence_has_no_error_alone(numpy_target):
    fitter = GradientFitter(
        "dx/dt = (k - x)/(5*ms) : 1\nk : 1\nunused : 1",
        dt=1 * ms,
        method="euler",
        output={"x": np.linspace(0, 1, 20)},
    )
    errors = fitter.fit(n_starts=2, seed=0, k=[0, 2], unused=[0, 1]).standard_errors
    assert errors["k"] > 0 and np.isnan(errors["unused"])


@pytest.mark.parametrize(
    ("threshold", "width"), [("v/mV > 15", 3), ("k*v > 15*mV", 3 * mV)]
)
def test_the_width_has_the_unit_of_the_distance(numpy_target, threshold, width):
    fitter = _ticking(threshold=threshold, param_init={"k": 1})
    expected = _ticking(param_init={"k": 1}).evaluate(
        tau=10 * ms, loss=SpikeLikelihood(3 * mV)
    )
    found = fitter.evaluate(tau=10 * ms, loss=SpikeLikelihood(width))
    assert_allclose(found, expected, rtol=1e-9)
    wrong = 3 * mV if isinstance(width, int) else 3
    with pytest.raises(DimensionMismatchError, match="width"):
        fitter.evaluate(tau=10 * ms, loss=SpikeLikelihood(wrong))


def test_the_last_of_several_widths_counts(numpy_target):
    fitter, loss = _ticking(param_init={"k": 1}), SpikeLikelihood([3, 1] * mV)
    found = fitter.fit(loss=loss, tau=[5, 40] * ms, n_starts=2, seed=0, steps=4)
    last = fitter.evaluate(loss=SpikeLikelihood(1 * mV), **found.params)
    assert_allclose(fitter.evaluate(loss=loss, **found.params), last)
    assert_allclose(found.loss, last)


def _ticking(trains=((10, 25, 43),), **changes):
    """Spikes alone."""
    given = {
        "dt": 0.5 * ms,
        "output": {"spikes": [list(times) * ms for times in trains]},
        "duration": 50 * ms,
        "threshold": "v > 15*mV",
        "reset": "v = 0*mV",
        "method": "exact",
    }
    model = "dv/dt = (20*mV - v)/tau : volt\ntau : second\nT : second\nk : 1"
    given |= changes
    given["param_init"] = {"T": 5 * ms, "k": 1, **given.get("param_init", {})}
    return GradientFitter(model, **given)


def test_a_table_in_the_equations():
    from brian2_multiscale import TableFunction

    gate = TableFunction(
        "1/(1 + exp(-(x + 40*mV)/(5*mV)))", x=(-100 * mV, 50 * mV, 300), name="gate_fit"
    )
    fixed = {
        "dt": 0.1 * ms,
        "method": "euler",
        "input": {"I": np.linspace(0, 30, 300) * mV},
        "param_init": {"v": -70 * mV},
        "namespace": {"gate": gate, "ms": ms, "mV": mV},
    }
    model = """dv/dt = (-70*mV - v + I + k*gate(v))/(5*ms) : volt
               k : volt"""
    maker = GradientFitter(model, output={"v": np.zeros(300) * mV}, **fixed)
    made = maker.simulate(k=20 * mV)
    fitter = GradientFitter(model, output={"v": made["v"]}, **fixed)
    _assert_gradient(fitter.check_gradient(seed=1, k=[5, 40] * mV), 1e-4)
    found = fitter.fit(n_starts=3, seed=0, k=[5, 40] * mV)
    assert_allclose(found.params["k"] / mV, 20, rtol=1e-6)


def test_a_script_simulates_the_same(gif_data):
    fitter = _gif(gif_data)
    found = fitter.fit(n_starts=2, seed=0, steps=2, **GIF_BOUNDS)
    text = found.script(N=3)
    code = (
        text
        + """
group.run_regularly('I = currents(t, i)', when='before_start')
monitor = StateMonitor(group, 'v', record=True)
Network(group, monitor).run(50*ms)
"""
    )
    from brian2 import TimedArray

    currents, _, _ = gif_data
    namespace = {"currents": TimedArray(currents.T, dt=0.1 * ms)}
    exec(compile(code, "script", "exec"), namespace)  # noqa: S102
    simulated = fitter.simulate(**found.params)["v"][:, :500]
    assert_allclose(np.array(namespace["monitor"].v), np.array(simulated), atol=1e-12)


def test_the_same_seed_is_the_same_fit(gif_data, capsys):
    fitter = _gif(gif_data)
    first, second_ = (
        fitter.fit(
            n_starts=3,
            seed=4,
            steps=2,
            loss=SpikeLikelihood(width=1 * mV),
            report="text",
            **GIF_BOUNDS,
        )
        for _ in range(2)
    )
    assert_allclose(first.losses, second_.losses, rtol=1e-12)
    assert "best loss" in capsys.readouterr().out


def test_shares_of_the_starts_find_the_same():
    fitter = GradientFitter(
        "dx/dt = -x/tau : volt\ntau : second",
        dt=0.1 * ms,
        method="exact",
        output={"x": 3 * np.exp(-np.arange(200) / 70) * mV},
        param_init={"x": 3 * mV},
        namespace={},
    )
    arguments = {"n_starts": 4, "seed": 3, "tau": [1, 30] * ms}
    alone = fitter.fit(**arguments)
    with ProcessPoolExecutor(2) as executor:
        shared = fitter.fit(executor=executor, **arguments)
    assert_allclose([float(r.params["tau"]) for r in (alone, shared)], 7e-3, rtol=1e-6)
    assert shared.losses.shape == shared.history[-1].shape == (4,)
    assert shared.starts["tau"].shape == (4,) and len(shared.reasons) == 4


def test_a_plot_of_the_history(hh):
    pytest.importorskip("matplotlib").use("Agg")
    found = hh.fit(n_starts=2, seed=0, steps=2, **HH_BOUNDS)
    axes = found.plot()
    assert len(axes.lines) == 3 and axes.get_yscale() == "log"


# Refusals


def _call(gif_data, **changes):
    return lambda: _gif(gif_data, **changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dt": 5}, DimensionMismatchError, "dt"),
        ({"output": {}}, ValueError, "output"),
        ({"output": {"w": np.zeros(5) * mV}}, ValueError, "'w'"),
        ({"output": {"v": np.zeros((3, 2000)) * nA}}, DimensionMismatchError, "unit"),
        ({"output": {"v": np.zeros((3, 7)) * mV}}, ValueError, "time steps"),
        ({"output": {"v": np.zeros((4, 2000)) * mV}}, ValueError, "trials"),
        ({"output": {"v": np.full((3, 2000), np.inf) * mV}}, ValueError, "inf"),
        ({"output": {"v": np.full((3, 2000), np.nan) * mV}}, ValueError, "nan"),
        ({"output": {"spikes": [[5] * ms, [5.01, 5.02] * ms, [] * ms]}}, ValueError,
         "two spikes"),
        ({"output": {"spikes": [[5, 6] * ms] * 3}}, ValueError, "refractory"),
        ({"output": {"spikes": [[5] * mV] * 3}}, DimensionMismatchError, "spikes"),
        ({"output": {"spikes": [[5] * second] * 3}}, ValueError, "after the end"),
        ({"input": {"tau": np.zeros((3, 2000)) * ms}}, ValueError, "'tau'"),
        ({"threshold": "v > vth and I1 > 0*nA"}, ValueError, "threshold"),
        ({"threshold": 5}, TypeError, "threshold"),
        ({"threshold": None}, ValueError, "threshold"),
        ({"threshold": None, "reset": None}, ValueError, "threshold"),
        ({"on_pre": "I1 += nA"}, ValueError, "'pre'"),
        ({"method": "best"}, ValueError, "method"),
        ({"param_init": {"x": 5}}, ValueError, "'x'"),
        ({"param_init": {"v": 5 * nA, **FIXED}}, DimensionMismatchError, "'v'"),
        ({"param_init": [5]}, TypeError, "param_init"),
    ],
)  # fmt: skip
def test_bad_data(gif_data, changes, error, message):
    with pytest.raises(error, match=message):
        _gif(gif_data, **changes).fit(n_starts=1, **GIF_BOUNDS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "bounds"),
        ({"q": [1, 2] * Hz}, ValueError, "'q'"),
        ({"v": [1, 2] * mV}, ValueError, "'v'"),
        ({"a": [1, 2] * Hz}, ValueError, "b : hertz"),
        ({**GIF_BOUNDS, "R": [1, 2] * Mohm}, ValueError, "'R'"),
        ({**GIF_BOUNDS, "a": [1, 2] * mV}, DimensionMismatchError, "bound of a"),
        ({**GIF_BOUNDS, "a": 5 * Hz}, TypeError, "a must be"),
        ({**GIF_BOUNDS, "a": [2, 1] * Hz}, ValueError, "a: low"),
        ({**GIF_BOUNDS, "n_starts": 0}, ValueError, "n_starts"),
        ({**GIF_BOUNDS, "steps": 2.5}, TypeError, "steps"),
        ({**GIF_BOUNDS, "report": "loud"}, ValueError, "report"),
        ({**GIF_BOUNDS, "loss": "mse"}, TypeError, "loss"),
        ({**GIF_BOUNDS, "polish": SpikeLikelihood()}, ValueError, "polish"),
        ({**GIF_BOUNDS, "loss": TraceLoss(scale={"w": 1 * mV})}, ValueError, "'w'"),
        ({**GIF_BOUNDS, "loss": TraceLoss(t_start=9 * second)}, ValueError, "t_start"),
        ({**GIF_BOUNDS, "loss": SpikeLikelihood(width=1 * nA)}, DimensionMismatchError,
         "width"),
    ],
)  # fmt: skip
def test_bad_fits(gif_data, arguments, error, message):
    with pytest.raises(error, match=message):
        _gif(gif_data).fit(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Param(1 * mV, 2 * mV, scale="cubic"), ValueError, "scale"),
        (lambda: Param(-1 * mV, 2 * mV, scale="log"), ValueError, "scale='log'"),
        (lambda: Param(1 * mV, np.nan * mV), ValueError, "finite"),
        (lambda: Param("a", "b"), TypeError, "low"),
        (lambda: TraceLoss(t_start=5), DimensionMismatchError, "t_start"),
        (lambda: TraceLoss(t_start=-5 * ms), ValueError, "t_start"),
        (lambda: TraceLoss(forced=3), TypeError, "forced"),
        (lambda: SpikeLikelihood(width=0 * mV), ValueError, "width"),
        (lambda: SpikeLikelihood(rate=5 * mV), DimensionMismatchError, "rate"),
    ],
)
def test_bad_descriptions(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "model",
    [
        "dx/dt = (k - x)/ms + xi/sqrt(ms) : 1\nk : 1",
        "dx/dt = (k*rand() - x)/ms : 1\nk : 1",
    ],
)
def test_noise_is_refused(model):
    with pytest.raises(NotDifferentiableError, match="noise"):
        GradientFitter(
            model, dt=1 * ms, output={"x": np.zeros(5)}, namespace={"ms": ms}
        )


LEAKY = """dv/dt = (R*I - v)/tau : volt (unless refractory)
du/dt = -u/tau : volt
R : ohm
tau : second
"""


def _leaky(model=LEAKY, reset="v = 0*mV", value=5, **kwds):
    return GradientFitter(
        model,
        dt=0.004 * ms,
        method="exact",
        reset=reset,
        output={"v": np.full((1, 5000), value) * mV},
        **kwds,
    )


BOUNDS = {"R": [8, 12] * Mohm, "tau": [8, 12] * ms}


def test_a_threshold_that_is_an_input_moves():
    """As the same threshold, written as a function of time."""
    current, slope = np.full((1, 5000), 1.6) * nA, np.arange(5000) * 0.8e-3 * mV
    given = {"I": current, "J": slope[None]}
    written = _leaky(threshold="v > 10*mV + 0.2*volt/second*t", input={"I": current})
    moving = _leaky(threshold="v > 10*mV + J", input=given)
    found = moving.check_gradient(seed=1, loss=TraceLoss(scale={"v": 5 * mV}), **BOUNDS)
    same = written.check_gradient(seed=1, loss=TraceLoss(scale={"v": 5 * mV}), **BOUNDS)
    for name, (value, _) in found.items():
        assert value != 0
        assert_allclose(value, same[name][0], rtol=1e-6)


@pytest.mark.parametrize("refractory", ["u > 1*mV", "u/mV*ms"])
def test_refractoriness_that_depends_on_variables_is_refused(refractory):
    fitter = _leaky(
        threshold="v > 10*mV", refractory=refractory, input={"I": [[1] * 5000] * nA}
    )
    with pytest.raises(NotDifferentiableError, match="released"):
        fitter.check_gradient(**BOUNDS)


@pytest.mark.parametrize("flag", ["shared", "linked"])
def test_flags_of_parameters_that_are_refused(flag):
    with pytest.raises(ValueError, match=f"'R' is {flag}"):
        GradientFitter(
            f"dv/dt = -v*R/second : 1\nR : 1 ({flag})", dt=1 * ms, output={"v": [1, 2]}
        )


def test_truth_values_among_the_parameters():
    fitter = GradientFitter(
        "dv/dt = int(on)*a : 1\na : Hz\non : boolean (constant)",
        dt=1 * ms,
        method="euler",
        output={"v": np.zeros((2, 3))},
        param_init={"on": [True, False]},
    )
    v = fitter.simulate(a=100 * Hz)["v"]
    assert_allclose(v, [[0, 0.1, 0.2], [0, 0, 0]])


def test_names_of_the_fit_are_refused():
    with pytest.raises(ValueError, match="S_x_k"):
        GradientFitter(
            "dx/dt = (k - x)/ms : 1\nk : 1\nS_x_k : 1",
            dt=1 * ms,
            output={"x": np.zeros(5)},
            namespace={"ms": ms},
        )


def test_what_is_not_finite_is_named():
    fitter = GradientFitter(
        Equations("dx/dt = k*x**2/ms : 1\nk : 1"),
        dt=1 * ms,
        method="euler",
        output={"x": np.zeros(50)},
        param_init={"x": 10},
        namespace={"ms": ms},
    )
    with pytest.raises(FloatingPointError, match="'x' is not finite from t = [0-9]+"):
        fitter.fit(n_starts=2, seed=0, k=[1, 2])


@pytest.mark.parametrize("period", ["T", "T/k", "2*T - 1*ms"])
def test_recorded_spikes_within_a_period_with_a_name(period):
    fitter = _ticking([(10, 12, 30), (10, 30)], refractory=period)
    with pytest.raises(ValueError, match=r"'spikes'\]\[0\] has spikes 2. ms apart"):
        fitter.evaluate(tau=10 * ms)
    fitter = _ticking(
        [(10, 12, 30), (10, 30)],
        refractory=period,
        param_init={"T": [1, 5] * ms},
    )
    assert np.isfinite(fitter.evaluate(tau=10 * ms))


INDEXED = "dv/dt = ({x} - v)/tau : volt\ntau : second"


@pytest.mark.parametrize(
    ("x", "changes"),
    [
        ("10*mV*(1 + i)", {}),
        ("stim(t, i)", {}),
        ("10*mV/N", {}),
        ("mV", {"threshold": "v > i*mV"}),
        ("mV", {"threshold": "v > 9*mV", "reset": "v = i*mV"}),
        ("mV", {"on_pre": "v += i*mV", "input": {"pre": [5] * ms}}),
        ("mV", {"param_init": {"v": "i*mV"}}),
    ],
)
def test_indices_of_neurons_are_refused(x, changes):
    """They would make each start another model."""
    with pytest.raises(ValueError, match=r"uses '[iN]'.*input="):
        GradientFitter(
            INDEXED.format(x=x), dt=1 * ms, output={"v": np.zeros(9) * mV}, **changes
        )


@pytest.mark.parametrize(
    ("name", "values", "error", "message"),
    [
        ("Iext", 1 * mV, ValueError, r"\['Iext'\].*looks up \['I'\]"),
        ("I", 1 * pA, DimensionMismatchError, r"input\['I'\].*'amp'.*'volt'"),
        ("I", 1, DimensionMismatchError, r"input\['I'\].*'1'.*'volt'"),
    ],
)
def test_inputs_that_do_not_fit_the_model(name, values, error, message):
    with pytest.raises(error, match=message):
        GradientFitter(
            INDEXED.format(x="I"),
            dt=1 * ms,
            input={name: np.ones(9) * values},
            output={"v": np.zeros(9) * mV},
            namespace={"I": 1 * mV},
        )


def test_a_unit_of_an_input_in_a_product_is_found():
    with pytest.raises(DimensionMismatchError, match=r"input\['I'\].*'volt'.*'amp'"):
        GradientFitter(
            "dv/dt = (R*I - v)/tau : volt\nR : ohm\ntau : second",
            dt=1 * ms,
            input={"I": np.ones(9) * mV},
            output={"v": np.zeros(9) * mV},
        )


def test_units_that_no_input_mends_are_named():
    with pytest.raises(DimensionMismatchError, match="The equation of 'v'"):
        GradientFitter(
            "dv/dt = v/tau : volt\ntau : volt", dt=1 * ms, output={"v": [0, 1] * mV}
        )


def test_names_that_run_together(numpy_target):
    sums = """dx/dt = (E + K_b + E_K*b - x)/(5*ms) : 1
              E : 1
              K_b : 1
              E_K : 1
              b : 1"""
    fitter = GradientFitter(
        sums, dt=1 * ms, method="euler", output={"x": np.arange(5.0)}
    )
    bounds = {n: [1, 2] for n in ("E", "K_b", "E_K", "b")}
    _assert_gradient(fitter.check_gradient(seed=0, **bounds), 1e-6)
    model = "dv/dt = (th_a - v)/ms : 1\ndv_th/dt = (a - v_th)/ms : 1\nth_a : 1\na : 1"
    fitter = GradientFitter(
        model, dt=1 * ms, output={"v": np.zeros(5)}, namespace={"ms": ms}
    )
    with pytest.raises(ValueError, match="'S_v_th_a'.*'v' by 'th_a'.*'v_th' by 'a'"):
        fitter.fit(th_a=[0, 1], a=[0, 1])


def test_a_derivative_that_is_not_finite_is_named(numpy_target):
    fitter = GradientFitter(
        "dc/dt = (1 - c)/(10*ms) : 1\ny = a*c**n : 1\nn : 1\na : 1",
        dt=0.5 * ms,
        output={"y": np.linspace(0, 1, 20)},
    )
    with pytest.raises(
        FloatingPointError, match=r"derivative by \['n', 'a'\].*param_init"
    ):
        fitter.fit(n=[1, 5], a=[0, 2], n_starts=2)


def test_a_duration_that_is_not_that_of_the_traces():
    with pytest.raises(ValueError, match="duration=3. s.*50 time steps"):
        GradientFitter(
            "dv/dt = -v/tau : 1\ntau : second",
            dt=1 * ms,
            output={"v": np.zeros(50)},
            duration=3 * second,
        )


# The same by JAX


def test_reverse_mode_gives_the_same_derivatives(hh):
    """Two independent ways from the strings to derivatives of the same numbers."""
    ours, other = (
        np.array(list(hh.check_gradient(seed=5, backend=b, **HH_BOUNDS).values()))[:, 0]
        for b in ("brian2", "jax")
    )
    assert_allclose(ours, other, rtol=1e-9)


def test_reverse_mode_between_recorded_spikes(gif_data):
    start = {"v": -70 * mV, "vth": -50 * mV, "a": 5 * Hz, "b": 10 * Hz}
    fitter = _gif(gif_data, param_init=start)
    bounds = {"R": [10, 40] * Mohm, "tau": [10, 40] * ms}
    loss = TraceLoss(forced=True)
    ours, other = (
        np.array(
            list(fitter.check_gradient(seed=1, loss=loss, backend=b, **bounds).values())
        )[:, 0]
        for b in ("brian2", "jax")
    )
    assert_allclose(ours, other, rtol=1e-9)
    found = fitter.fit(n_starts=3, seed=0, loss=loss, backend="jax", **bounds)
    for name in bounds:
        assert_allclose(found.params[name] / GIF_VALUES[name], 1, rtol=1e-6)


def test_errors_of_several_variables_by_jax(numpy_target):
    pytest.importorskip("jax")
    rng = np.random.default_rng(2)
    fitter = GradientFitter(
        "dx/dt = (k - x)/tau : 1\ny = 3*x : 1\nk : 1\ntau : second",
        dt=1 * ms,
        method="euler",
        output={n: rng.normal(size=20) + np.arange(20) for n in ("x", "y")},
    )
    ours, other = (
        fitter.fit(
            n_starts=1, seed=0, steps=5, backend=b, k=[5, 50], tau=[5, 40] * ms
        ).standard_errors
        for b in ("brian2", "jax")
    )
    for name, value in ours.items():
        assert_allclose(float(value), float(other[name]), rtol=1e-6)


@pytest.mark.parametrize("loss", [SpikeLikelihood(), TraceLoss()])
def test_what_jax_cannot_do_is_said(gif_data, loss):
    with pytest.raises(NotDifferentiableError, match="backend='brian2'"):
        _gif(gif_data).fit(n_starts=1, loss=loss, backend="jax", **GIF_BOUNDS)


# On all targets


def _sums(data):
    """Loss, gradient and matrix of three points, for two losses, and one by one."""
    currents, v, trains = data
    fitter = _gif(
        data,
        param_init={"v": -70 * mV, "vth": -50 * mV, "tau": 20 * ms},
        input={"I": currents, "pre": trains},
        on_pre="I1 += 0.05*nA*(1 - v/volt); v += 1*mV",
        output={"v": v, "vth": 0.5 * v, "spikes": trains},
    )
    bounds = {"R": [18, 22] * Mohm, **GIF_BOUNDS}
    model, box = fitter._model(bounds)
    points = box.values(box.starts(3, 0))
    found = []
    for loss in (SpikeLikelihood(), TraceLoss(t_start=5 * ms)):
        simulation = simulation_of(model, loss, 3)
        found += simulation(points)
    simulation.summands = simulation.summands[1:]
    return [*found, *simulation(points)]


@pytest.mark.standalone
@pytest.mark.parametrize("target", ["cython", "cpp_standalone"])
def test_targets_agree(target):
    data = integrate_and_fire(duration=60 * ms)
    expected = _sums(data)
    if target == "cython":
        prefs.codegen.target = "cython"
    else:
        set_device("cpp_standalone")
    for found, wanted in zip(_sums(data), expected, strict=True):
        assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.standalone
def test_a_fit_in_cpp_leaves_the_device_empty(gif_data):
    set_device("cpp_standalone", build_on_run=False)
    fitter = _gif(gif_data)
    found = fitter.fit(n_starts=2, seed=0, steps=3, **GIF_BOUNDS)
    simulated = fitter.simulate(**found.params)
    assert np.ptp(simulated["v"]) > 10 * mV and len(simulated["spikes"]) == 3
    assert not get_device().networks and not get_device().build_on_run
    made_already = NeuronGroup(1, "v : 1", name="made_already")
    with pytest.raises(RuntimeError, match="Fit first"):
        fitter.fit(n_starts=2, seed=0, steps=3, **GIF_BOUNDS)
    assert made_already.name == "made_already"  # it was there meanwhile


def test_runs_do_not_collect_garbage():
    """Brian2 does so at every run; what there is, is frozen meanwhile only."""
    network = PreparedNetwork(NeuronGroup(1, "v : 1"))
    network.run(0 * ms, namespace={})
    frozen = []

    def watch(phase, info):
        if (phase, info["generation"]) == ("start", 2):
            frozen.append(gc.get_freeze_count())

    gc.callbacks.append(watch)
    try:
        network.run(1 * ms, namespace={})
    finally:
        gc.callbacks.remove(watch)
    assert len(frozen) == 1 and frozen[0] > 1000
    assert gc.get_freeze_count() == 0
