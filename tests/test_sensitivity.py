"""Forward sensitivities: derivatives of the very numbers that a simulation gives."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    Equations,
    Hz,
    Mohm,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    check_units,
    defaultclock,
    ms,
    mV,
    nA,
    nF,
    nS,
    seed,
    uS,
)
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str
from brian2.units.fundamentalunits import get_dimensions
from fitting_models import GATES
from numpy.testing import assert_allclose
from scipy.integrate import quad, solve_ivp
from scipy.special import exprel
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale import TableFunction
from brian2_multiscale.gradients import (
    Sensitivity,
    sensitivity_equations,
    sensitivity_reset,
    with_derivatives,
)
from brian2_multiscale.kinetics.differentiation import (
    NotDifferentiableError,
    derivative,
)

# Traub-Miles, with parameters that differ between neurons
NEURON = (
    """
dv/dt = (gl*(El - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)/C : volt
I : amp
gl : siemens
gNa : siemens
gK : siemens
VT : volt
El : volt
C : farad
"""
    + GATES
)
VALUES = {
    "gl": 10 * nS,
    "gNa": 20 * uS,
    "gK": 6 * uS,
    "VT": -55 * mV,
    "El": -65 * mV,
    "C": 0.2 * nF,
}
END = 8 * ms
STEP = 1e-5  # relative, of finite differences


def _neurons(method="exponential_euler", names=tuple(VALUES)):
    """The first one at the values, then two for each finite difference."""
    defaultclock.dt = 0.02 * ms
    model = Equations(NEURON) + sensitivity_equations(NEURON, names)
    group = NeuronGroup(
        1 + 2 * len(names), model, method=Sensitivity(method, names), name="tangent"
    )
    for name, value in VALUES.items():
        setattr(group, name, value)
    for k, name in enumerate(names):
        for sign in (1, -1):
            getattr(group, name)[1 + 2 * k + (sign < 0)] *= 1 + sign * STEP
    group.v, group.I = -65 * mV, 0.8 * nA
    group.h = 0.6
    return group


# Fires: the threshold adapts, jumps at spikes, and v stands still for a while
FIRING = """
dv/dt = (-(v + 70*mV) + R*(8*nA + I1))/tau : volt (unless refractory)
dvth/dt = a*(v + 70*mV) - b*(vth + 50*mV) : volt
dI1/dt = -k1*I1 : amp
a : Hz
b : Hz
R : ohm
tau : second
k1 : Hz
A1 : amp
"""
FIRING_RESET = "v = -65*mV; I1 += A1; vth = clip(vth, -48*mV, 1*volt) + 1*mV"
FIRING_VALUES = {
    "a": 50 * Hz,
    "b": 100 * Hz,
    "R": 20 * Mohm,
    "tau": 20 * ms,
    "k1": 200 * Hz,
    "A1": -0.5 * nA,
}
PERIOD = 1 * ms  # refractory


def _firing(event_exact=True, step=0.005 * ms, name="firing"):
    names = list(FIRING_VALUES)
    group = NeuronGroup(
        1,
        Equations(FIRING) + sensitivity_equations(FIRING, names),
        threshold="v > vth",
        reset=sensitivity_reset(FIRING, "v > vth", FIRING_RESET, names, event_exact),
        refractory=PERIOD,
        method=Sensitivity("exponential_euler", names),
        dt=step,
        name=name,
    )
    for key, value in {**FIRING_VALUES, "v": -70 * mV, "vth": -50 * mV}.items():
        setattr(group, key, value)
    return group


def _build():
    group, firing = _neurons(), _firing()
    names = ["v", *(f"S_v_{p}" for p in VALUES)]
    monitor = StateMonitor(group, names, record=True, name="tangent_monitor")
    spikes = SpikeMonitor(firing, name="firing_spikes")
    readers = {n: lambda n=n: np.array(getattr(monitor, n)) for n in names}
    readers |= {f"firing {v}": lambda v=v: _derivatives(firing, v) for v in FOLLOWED}
    readers["spikes"] = lambda: np.array(spikes.t)
    return [group, monitor, firing, spikes], readers


FOLLOWED = ("v", "vth", "I1")


def _derivatives(group, variable):
    """By the relative change of every parameter."""
    return np.array(
        [
            float(value) * getattr(group, f"S_{variable}_{p}_")[0]
            for p, value in FIRING_VALUES.items()
        ]
    )


@pytest.fixture(scope="module")
def results():
    return run_on_targets(_build, END, name="sensitivity")


def test_targets_agree(results):
    assert_targets_agree(results, rtol=1e-8)


@pytest.mark.parametrize("name", VALUES)
def test_they_are_finite_differences_of_the_simulation(results, name):
    k, v = 1 + 2 * list(VALUES).index(name), results["numpy"]["v"]
    expected = (v[k] - v[k + 1]) / (2 * STEP * float(VALUES[name]))
    found = results["numpy"][f"S_v_{name}"][0]
    assert np.ptp(v[0]) > 0.08  # with spikes
    assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def _slope(t, x, held, p):
    v, vth, current = x
    drive = -(v + 70e-3) + p["R"] * (8e-9 + current)
    return [
        0.0 if held else drive / p["tau"],
        p["a"] * (v + 70e-3) - p["b"] * (vth + 50e-3),
        -p["k1"] * current,
    ]


def _exact_firing(**changes):
    """The end of a trial, with exact times of spikes, and how many there are."""
    p = {n: float(v) for n, v in FIRING_VALUES.items()} | changes
    options = {"rtol": 1e-11, "atol": 1e-14, "method": "DOP853"}
    x, t, end, count = np.array([-70e-3, -50e-3, 0.0]), 0.0, float(END), 0

    def above(t, x, *_):
        return x[0] - x[1]

    above.terminal, above.direction = True, 1
    while t < end:
        found = solve_ivp(_slope, (t, end), x, args=(False, p), events=above, **options)
        x, t = found.y[:, -1], found.t[-1]
        if found.status == 1:
            count += 1
            x = np.array([-65e-3, max(x[1], -48e-3) + 1e-3, x[2] + p["A1"]])
            free = min(t + float(PERIOD), end)
            x = solve_ivp(_slope, (t, free), x, args=(True, p), **options).y[:, -1]
            t = free
    return x, count


@pytest.fixture(scope="module")
def exact_firing():
    """Derivatives by relative changes, for v, vth and I1."""
    rows = []
    for name, value in FIRING_VALUES.items():
        ends = [_exact_firing(**{name: float(value) * (1 + h)})[0] for h in (H, -H)]
        rows.append((ends[0] - ends[1]) / (2 * H))
    return dict(zip(FOLLOWED, np.array(rows).T, strict=True))


H = 1e-5


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("variable", FOLLOWED)
def test_spikes_move_with_parameters(results, exact_firing, variable):
    assert len(results["numpy"]["spikes"]) == _exact_firing()[1] >= 2
    found, wanted = results["numpy"][f"firing {variable}"], exact_firing[variable]
    assert_allclose(found, wanted, atol=0.01 * np.abs(wanted).max(), rtol=0)
    assert _cosine(found, wanted) > 0.9999


def test_the_error_at_spikes_is_of_first_order(exact_firing):
    errors = []
    for step in (0.02 * ms, 0.005 * ms, 0.00125 * ms):
        group = _firing(step=step, name="firing*")
        Network(group).run(END)
        found = _derivatives(group, "vth") - exact_firing["vth"]
        errors.append(np.abs(found).max())
    assert errors[2] < errors[0] / 6  # 16 on average: spikes fall anywhere in a step


def test_without_moving_spikes_derivatives_are_others(exact_firing):
    group = _firing(event_exact=False, name="firing*")
    Network(group).run(END)
    found, wanted = _derivatives(group, "v"), exact_firing["v"]
    assert np.abs(found - wanted).max() > 0.5 * np.abs(wanted).max()
    assert not np.any(_derivatives(group, "I1")[:4])  # the reset adds a constant


def test_a_kick_over_the_threshold_does_not_move():
    """The distance does not grow by itself there: no division by zero or less."""
    model = "dv/dt = -v/tau : 1\ntau : second"
    group = NeuronGroup(
        1,
        Equations(model) + sensitivity_equations(model, "tau"),
        threshold="v > 1",
        reset=sensitivity_reset(model, "v > 1", "v -= 1", "tau"),
        method=Sensitivity("exact", "tau"),
        dt=1 * ms,
    )
    group.tau = 10 * ms
    kick = NeuronGroup(1, "", threshold="abs(t - 3*ms) < 0.5*ms", dt=1 * ms)
    synapses = Synapses(kick, group, on_pre="v_post += 1.5")
    synapses.connect()
    network = Network(group, kick, synapses)
    network.run(6 * ms)
    # Kicked in step 3, reset at the end of step 4, from then on as before
    kicked, x = 1.5, np.exp(-0.1)
    v, slope = kicked, 0.0
    for step in (4, 5):
        v, slope = v * x, slope * x + v * x * 1e-3 / (10e-3) ** 2
        v -= step == 4
    assert_allclose(group.v_, v, rtol=1e-12)
    assert_allclose(group.S_v_tau_, slope, rtol=1e-9)


def _rising(model, threshold, reset, value, variable="v", objects=(), **kwds):
    """A neuron's own variable, and its derivative by `a`, after 10 ms."""
    step = 0.005 * ms
    group = NeuronGroup(
        1,
        Equations(model) + sensitivity_equations(model, "a"),
        threshold=threshold,
        reset=sensitivity_reset(model, threshold, reset, "a"),
        method=Sensitivity("euler", "a"),
        dt=step,
        name="rising",
        **kwds,
    )
    group.a = value * Hz
    Network(group, *(make(group) for make in objects)).run(10 * ms)
    found = getattr(group, f"{variable}_")[0]
    return found, getattr(group, f"S_{variable}_a_")[0]


LINE = "dv/dt = a : 1\na : Hz\n"


def test_a_threshold_may_move_by_itself():
    """v = a*t meets 1 + c*t at 1/(a - c), and begins again."""
    a, c = 300, 100
    ends = 10e-3 - 1 / (a - c) + a / (a - c) ** 2
    v, slope = _rising(LINE, "v > 1 + 100*Hz*t", "v = 0", a)
    assert_allclose([v, slope], [a * (10e-3 - 1 / (a - c)), ends], rtol=5e-3)
    line = TimedArray(1 + c * np.arange(2000) * 5e-6, dt=0.005 * ms)
    slope = _rising(LINE, "v > line(t)", "v = 0", a, namespace={"line": line})[1]
    assert_allclose(slope, ends, rtol=5e-3)


def test_where_the_threshold_jumps_a_spike_does_not_move():
    steps = TimedArray(np.where(np.arange(20) == 8, 0.5, 5), dt=0.5 * ms)
    v, slope = _rising(LINE, "v > steps(t)", "v = 0", 200, namespace={"steps": steps})
    assert_allclose([v, slope], [1.2, 6e-3], rtol=2e-3)


def test_resets_may_use_the_time_of_the_spike():
    model = LINE + "dx/dt = 0*x/second : second"
    x, slope = _rising(model, "v > 1", "v = -10; x = 2*t", 250, "x")
    assert_allclose([x, slope], [8e-3, -2 / 250**2], rtol=2e-3)


def test_what_the_reset_counts_acts_on_the_rate_after_it():
    model = "dv/dt = a/(1 + n) : 1\na : Hz\nn : integer"
    v, slope = _rising(model, "v > 1", "v = 0; n += 1", 200)
    assert_allclose([v, slope], [0.5, 10e-3 / 2], rtol=5e-3)


def test_a_kick_while_the_distance_grows_does_not_move():
    kick = NeuronGroup(1, "", threshold="abs(t - 4*ms) < 0.002*ms", dt=0.005 * ms)

    def synapses(group):
        made = Synapses(kick, group, on_pre="v_post += 0.9")
        made.connect()
        return made

    parts = (lambda group: kick, synapses)
    v, slope = _rising(LINE, "v > 1", "v = 0", 100, objects=parts)
    assert_allclose([v, slope], [0.6, 6e-3], rtol=2e-3)


@pytest.mark.parametrize("name", ["lastspike/second", "int(not_refractory)"])
def test_what_moves_with_the_last_spike_is_refused(name):
    with pytest.raises(
        NotDifferentiableError, match=name.split("/")[0][-9:].strip("()")
    ):
        sensitivity_reset(LINE, f"v > 1 + {name}", "v = 0", "a")
    model = LINE.replace("= a", f"= a*{name}")
    with pytest.raises(NotDifferentiableError, match="'v' depends on"):
        sensitivity_reset(model, "v > 1", "v = 0", "a")
    assert "S_v_a" in sensitivity_reset(model, "v > 1", "v = 0", "a", False)


def test_random_numbers_stay_apart():
    """Two noises are two numbers, and derivatives use those that were drawn."""
    model = """dv/dt = -v/tau + tau**-0.5*xi_1 : 1
               du/dt = (v - u)/tau + tau**-0.5*xi_2 : 1
               tau : second"""
    runs = []
    for tau in (10, 10 * (1 + STEP), 10 * (1 - STEP)):
        group = NeuronGroup(
            50,
            Equations(model) + sensitivity_equations(model, "tau"),
            method=Sensitivity("euler", "tau"),
            dt=1 * ms,
        )
        group.tau = tau * ms
        seed(3)
        Network(group).run(5 * ms)
        runs.append(group)
    assert not np.any(np.isclose(runs[0].u_, runs[0].v_))
    expected = (runs[1].u_ - runs[2].u_) / (2 * STEP * 10e-3)
    assert_allclose(runs[0].S_u_tau_, expected, atol=1e-6 * np.abs(expected).max())


def test_random_numbers_in_a_reset_are_drawn_once():
    model = "dv/dt = a : 1\na : Hz\ndu/dt = a : 1\nx : 1"
    group = NeuronGroup(
        3,
        Equations(model) + sensitivity_equations(model, "a"),
        threshold="v > 1",
        reset=sensitivity_reset(
            model,
            "v > 1",
            "u *= rand(); x = rand() - rand()\nv = 0",
            "a",
            event_exact=False,
        ),
        method=Sensitivity("euler", "a"),
        dt=1 * ms,
    )
    group.v, group.u, group.S_u_a = 2, 4, 8 * ms
    Network(group).run(1 * ms)
    assert_allclose(group.S_u_a_ / 9e-3, group.u_ / 4)
    assert np.all(group.u_ < 4) and np.all(group.x_ != 0)


def test_what_is_constant_over_dt_is_refused():
    model = "dv/dt = s*Hz : 1\ns = {} : 1 (constant over dt)\na : Hz"
    for value in ("v", "a/Hz"):
        with pytest.raises(NotDifferentiableError, match="'s' is constant over dt"):
            sensitivity_equations(model.format(value), "a")
    sensitivity_equations(model.format("randn()"), "a")


@pytest.mark.parametrize(
    ("reset", "threshold", "error", "message"),
    [
        ("w = tau*Hz", "v > 1", NotDifferentiableError, "'w'"),
        ("v = 0", "v > 1 and w > 0", ValueError, "one comparison"),
        ("v = 0", "v", ValueError, "one comparison"),
    ],
)
def test_resets_that_cannot_be_followed(reset, threshold, error, message):
    model = "dv/dt = -v/tau : 1\ntau : second\nw : 1"
    with pytest.raises(error, match=message):
        sensitivity_reset(model, threshold, reset, "tau")


@with_derivatives("1/cosh(x)**2")
@check_units(x=1, result=1)
def squash(x):
    return np.tanh(x)


def test_functions_with_derivatives_at_spikes():
    model = "dv/dt = (2*squash(a) - v)/(10*ms) : 1\na : 1"
    ours, known = (
        sensitivity_reset(
            model.replace("squash", f), f"v > {f}(a)", f"v = {f}(a*v)/3", "a"
        )
        for f in ("squash", "tanh")
    )
    assert "squash" in ours
    names = {"v": 0.3, "S_v_a": 0.2, "a": 0.7, "ms": 1e-3, "dt": 1e-4}
    results = []
    for code in (ours, known):
        scope = {**names, **vars(np), "squash": squash}
        exec(code, scope)  # noqa: S102
        results.append([scope["v"], scope["S_v_a"]])
    assert_allclose(*results, rtol=1e-12)


def test_derivatives_that_no_statement_can_hold_are_refused():
    gate = TableFunction("tanh(x)", x=(-3, 3, 300), name="gate_at_spikes")
    model = "dv/dt = (2 - v)/(10*ms) : 1\na : 1"
    given = model, "v > 1", "v = gate(a)", "a"
    with pytest.raises(NotDifferentiableError, match="'_gate_by_x'.*with_derivatives"):
        sensitivity_reset(*given, namespace={"gate": gate})
    with pytest.raises(NotDifferentiableError, match="not known.*'gate'"):
        sensitivity_reset(*given, namespace={})


def test_derivatives_of_one_name_are_refused():
    model = "dv/dt = th_a*Hz : 1\ndv_th/dt = a*Hz : 1\nth_a : 1\na : 1"
    with pytest.raises(ValueError, match="'S_v_th_a'.*rename"):
        sensitivity_equations(model, ["th_a", "a"])
    sensitivity_equations(model, ["a"])


@pytest.mark.parametrize(
    "method", ["exact", "exponential_euler", "euler", "rk2", "rk4"]
)
def test_they_belong_to_the_method(method):
    """Of the relaxation to I, by tau: each method has a derivative of its own."""
    model = "dv/dt = (I - v)/tau : volt\ntau : second\nI : volt"
    names = ["tau", "I"]
    group = NeuronGroup(
        2,
        Equations(model) + sensitivity_equations(model, names),
        method=Sensitivity(method, names),
        dt=1 * ms,
    )
    group.tau, group.I = [5, 20] * ms, 10 * mV
    Network(group).run(12 * ms)
    x = 1 / np.array([5.0, 20.0])
    factor, slope = {  # of one step, as a function of x = dt/tau
        "euler": (1 - x, -1 + 0 * x),
        "rk2": (1 - x + x**2 / 2, -1 + x),
        "rk4": (1 - x + x**2 / 2 - x**3 / 6 + x**4 / 24, -1 + x - x**2 / 2 + x**3 / 6),
    }.get(method, (np.exp(-x), -np.exp(-x)))
    by_x = -12 * factor**11 * slope * 10e-3
    assert_allclose(group.S_v_tau_, by_x * -(x**2) / 1e-3, rtol=1e-10)
    assert_allclose(group.S_v_I_, 1 - factor**12, rtol=1e-10)
    assert group.S_v_tau.dim == get_dimensions(mV / ms)


def test_refractory_neurons_stand_still():
    model = """dv/dt = (I - v)/(10*ms) : volt (unless refractory)
               I : volt"""
    group = NeuronGroup(
        2,
        Equations(model) + sensitivity_equations(model, "I"),
        threshold="i == 1 and t > 2.5*ms and t < 3.5*ms",
        reset="",
        refractory=5 * ms,
        method=Sensitivity("exact", "I"),
        dt=1 * ms,
    )
    group.I = 10 * mV
    Network(group).run(10 * ms)
    held = 1 - np.exp(-0.6)  # all but four of the ten steps
    assert_allclose(group.S_v_I_, [1 - np.exp(-1), held], rtol=1e-9)
    assert_allclose(group.v_[1] / 10e-3, held, rtol=1e-9)


@pytest.mark.parametrize("method", ["exponential_euler", "exact", "rk2"])
def test_no_division_by_zero_while_refractory(method):
    model = """dv/dt = (-v + g*(3 - v) + p*(4 - v))/(10*ms) : 1 (unless refractory)
               g : 1
               p : 1"""
    names = ["g", "p"]
    group = NeuronGroup(
        5,
        Equations(model) + sensitivity_equations(model, names),
        threshold="v > 0.8",
        reset="v = 0; S_v_g = 0; S_v_p = 0",
        refractory=2 * ms,
        method=Sensitivity(method, names),
        dt=1 * ms,
    )
    h = 1e-6  # too little for a spike in another step
    group.g, group.p = [1, 1 + h, 1 - h, 1, 1], [3, 3, 3, 3 + h, 3 - h]
    Network(group).run(12 * ms)
    v = group.v_
    assert np.all(group.lastspike > 5 * ms)
    assert_allclose(group.S_v_g_[0], (v[1] - v[2]) / (2 * h), rtol=1e-6)
    assert_allclose(group.S_v_p_[0], (v[3] - v[4]) / (2 * h), rtol=1e-6)


def test_jumps_count_as_constant():
    model = "dv/dt = int(v > 1)*a - clip(v, 0, 2)*b : 1\na : Hz\nb : Hz"
    group = NeuronGroup(
        1,
        Equations(model) + sensitivity_equations(model, ["a", "b"]),
        method=Sensitivity("euler", ["a", "b"]),
        dt=1 * ms,
    )
    group.v, group.a, group.b = 1.5, 100 * Hz, 10 * Hz
    Network(group).run(1 * ms)
    assert_allclose(group.S_v_a_, 1e-3)
    assert_allclose(group.S_v_b_, -1.5e-3)


def test_what_has_no_derivative_is_named():
    model = "dv/dt = a*timestep(v*second, 1*ms) + a*bessel(v) : 1\na : Hz"
    from brian2 import Function

    bessel = Function(np.sin, arg_units=[1], return_unit=1)
    group = NeuronGroup(
        1,
        Equations(model) + sensitivity_equations(model, "a"),
        method=Sensitivity("euler", "a"),
        namespace={"bessel": bessel},
    )
    with pytest.raises(Exception) as caught:
        Network(group).run(1 * ms)
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, NotDifferentiableError) and "bessel" in str(cause)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sensitivity_equations(NEURON, "gx"), ValueError, "'gx'"),
        (lambda: sensitivity_equations(NEURON, "v"), ValueError, "'v'"),
        (lambda: sensitivity_equations(5, "gl"), TypeError, "model"),
        (lambda: sensitivity_equations(NEURON, 5), TypeError, "parameters"),
        (lambda: Sensitivity("best", "gl"), ValueError, "method"),
        (lambda: Sensitivity("euler", 5), TypeError, "parameters"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("x", [0.0, 1e-9, 3e-5, -9e-5, 1.1e-4, -0.5, 3.0, -30.0])
def test_exprel_has_a_derivative_everywhere(x):
    found = derivative(str_to_sympy("exprel(2*x)"), str_to_sympy("x"))
    code = sympy_to_str(found)
    names = {"exprel": exprel, "int": int, "abs": abs, "x": x}
    # The mean of s*exp(s*y) over s from 0 to 1 is the derivative at y
    expected = (
        2 * quad(lambda s: s * np.exp(2 * x * s), 0, 1, epsabs=0, epsrel=1e-13)[0]
    )
    assert_allclose(eval(code, names), expected, rtol=1e-10)


SAME_CODE = """
from brian2_multiscale.gradients import Sensitivity, sensitivity_reset
from brian2 import Equations
from test_sensitivity import FIRING, FIRING_RESET
names = ["a", "tau", "b"]
print(sensitivity_reset(FIRING, "v > vth", FIRING_RESET, names))
print(Sensitivity("exponential_euler", names)(Equations(FIRING)))
"""


def test_the_code_is_always_the_same():
    """Otherwise Cython would compile it again in every process."""
    folder = str(Path(__file__).parent)
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SAME_CODE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1 and len(outputs.pop()) > 1000
