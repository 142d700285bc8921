"""Forward sensitivities: derivatives of the very numbers that a simulation gives."""

import numpy as np
import pytest
from brian2 import (
    Equations,
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    defaultclock,
    ms,
    mV,
    nA,
    nF,
    nS,
    uS,
)
from brian2.units.fundamentalunits import get_dimensions
from numpy.testing import assert_allclose
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale.gradients import Sensitivity, sensitivity_equations
from brian2_multiscale.kinetics.differentiation import NotDifferentiableError

# Traub-Miles, with parameters that differ between neurons
NEURON = """
dv/dt = (gl*(El - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)/C : volt
dm/dt = am*(1 - m) - bm*m : 1
dn/dt = an*(1 - n) - bn*n : 1
dh/dt = ah*(1 - h) - bh*h : 1
am = 1.28/ms/exprel(-(v - VT - 13*mV)/(4*mV)) : Hz
bm = 1.4/ms/exprel((v - VT - 40*mV)/(5*mV)) : Hz
ah = 0.128/ms*exp((17*mV - v + VT)/(18*mV)) : Hz
bh = 4/ms/(1 + exp((40*mV - v + VT)/(5*mV))) : Hz
an = 0.16/ms/exprel(-(v - VT - 15*mV)/(5*mV)) : Hz
bn = 0.5/ms*exp((10*mV - v + VT)/(40*mV)) : Hz
I : amp
gl : siemens
gNa : siemens
gK : siemens
VT : volt
El : volt
C : farad
"""
VALUES = {
    "gl": 10 * nS,
    "gNa": 20 * uS,
    "gK": 6 * uS,
    "VT": -55 * mV,
    "El": -65 * mV,
    "C": 0.2 * nF,
}
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


def _build():
    group = _neurons()
    names = ["v", *(f"S_v_{p}" for p in VALUES)]
    monitor = StateMonitor(group, names, record=True, name="tangent_monitor")
    readers = {n: lambda n=n: np.array(getattr(monitor, n)) for n in names}
    return [group, monitor], readers


@pytest.fixture(scope="module")
def results():
    return run_on_targets(_build, 8 * ms, name="sensitivity")


def test_targets_agree(results):
    assert_targets_agree(results, rtol=1e-8)


@pytest.mark.parametrize("name", VALUES)
def test_they_are_finite_differences_of_the_simulation(results, name):
    k, v = 1 + 2 * list(VALUES).index(name), results["numpy"]["v"]
    expected = (v[k] - v[k + 1]) / (2 * STEP * float(VALUES[name]))
    found = results["numpy"][f"S_v_{name}"][0]
    assert np.ptp(v[0]) > 0.08  # with spikes
    assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


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
