"""Observed order of ``method='kinetic'``, and independent solvers."""

import numpy as np
import pytest
from brian2 import Equations, mM, ms
from markov_hh import CLASSIC_HH, MARKOV_HH, SODIUM, sodium_states
from published_receptors import RECEPTORS, glutamate
from scipy.integrate import solve_ivp
from stepping import brian_solution, observed_orders, plain_step, reference_solution

from brian2_multiscale.kinetics import KineticScheme

STEPS = [0.08 * ms / 2**k for k in range(5)]
CASES = {
    "constant rates": (
        """
        dA/dt = -k*A + l*B + m*C : 1
        dB/dt = k*A - (l + n)*B : 1
        dC/dt = n*B - m*C : 1
        """,
        {"A": 0.7, "B": 0.3, "C": 0},
        {"k": 1 / ms, "l": 0.5 / ms, "m": 0.2 / ms, "n": 0.3 / ms},
    ),
    "one way": (
        "dA/dt = -k*A : 1\ndB/dt = k*A - l*B : 1\ndC/dt = l*B : 1",
        {"A": 0.7, "B": 0.3, "C": 0},
        {"k": 0.2 / ms, "l": 0.5 / ms},
    ),
    "transmitter": (
        """
        dA/dt = -glu*k*A + l*B : 1
        dB/dt = glu*k*A - l*B : 1
        glu = exp(-t/(3*ms))*(1 + 0.5*sin(t/ms)) : 1
        """,
        {"A": 0.9, "B": 0.1},
        {"k": 0.8 / ms, "l": 0.4 / ms},
    ),
    "voltage, both ways": (
        """
        dA/dt = -k*A + l*B : 1
        dB/dt = k*A - (l + m)*B : 1
        dD/dt = m*B : 1
        k = exp((v + 60*mV)/(25*mV))*0.3/ms : Hz
        l = 0.5*exp(-(v + 60*mV)/(25*mV))/ms : Hz
        m = 0.1/ms : Hz
        dv/dt = (-65*mV - v + B*(40*mV - v) + 5*mV*sin(t/ms))/(8*ms) : volt
        dw/dt = (v - w)/(3*ms) : volt
        """,
        {"A": 0.7, "B": 0.3, "D": 0, "v": -0.065, "w": -0.06},
        {},
    ),
    "linear membrane": (
        """
        dv/dt = (-65*mV - v - w + 10*mV*sin(t/ms))/(5*ms) : volt
        dw/dt = (2*(v + 65*mV) - w)/(7*ms) : volt
        """,
        {"v": -0.06, "w": 0.001},
        {},
    ),
    "compartments of both signs": (
        """
        dv1/dt = (v2 - v1 - 0.2*v1 + 10*mV*sin(t/ms))/(5*ms) : volt
        dv2/dt = (v1 - v2 - 0.2*v2)/(5*ms) : volt
        """,
        {"v1": -0.06, "v2": 0.04},
        {},
    ),
    "nonlinear singles": (
        """
        dv/dt = (-65*mV - v + 2*mV*exp((v + 50*mV)/(2*mV)) - w)/(10*ms) : volt
        dw/dt = (0.5*(v + 65*mV) - w)/(20*ms) : volt
        """,
        {"v": -0.055, "w": 0.001},
        {},
    ),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_observed_order(case, order):
    """Within 0.1 of the stated order over four halvings."""
    equations, initial, namespace = CASES[case]
    orders, errors = observed_orders(
        equations, initial, 8 * ms, STEPS, order, namespace
    )
    assert len(orders) == 4 and np.all(np.abs(orders - order) < 0.1), (orders, errors)
    if order == 2:
        assert errors[-1] < 1e-4


@pytest.mark.parametrize("clearance", [1, 2])
@pytest.mark.parametrize("name", RECEPTORS)
def test_receptors_converge_to_the_solution(name, clearance):
    """One pulse with either clearance, against scipy's Radau; second order."""
    reactions, rates = RECEPTORS[name]
    scheme = KineticScheme(reactions)
    times = np.linspace(0, 20, 101)[1:]  # ms
    rest = scheme.steady_state(glu=0 * mM, **rates)
    bases = [np.asarray(scheme.generator(glu=c * mM, **rates)) * 1e-3 for c in (0, 1)]
    slope = bases[1] - bases[0]

    def f(t, s):
        return (bases[0] + glutamate(1 / (1 + clearance * t)) * slope) @ s

    def jacobian(t, s):
        return bases[0] + glutamate(1 / (1 + clearance * t)) * slope

    exact = solve_ivp(
        f, (0, 20), rest, "Radau", times, jac=jacobian, rtol=1e-10, atol=1e-13
    ).y.T
    values = {key: float(rate) for key, rate in rates.items()}
    glu = "peak*u*exp(-delay*u) : mM\nu = 1/(1 + clearance*t/ms) : 1"
    equations = scheme.equations + Equations(f"glu = {glu}")
    values.update(clearance=clearance, peak=glutamate(1) / np.exp(-(0.06**2) / 1.32))
    values.update(delay=0.06**2 / 1.32)
    errors = {}
    for order, dt in ((1, 0.1), (2, 0.1), (2, 0.02), (2, 0.01), (2, 0.005)):
        solved = solve(equations, order, scheme.states, rest, values, times, dt)
        peaks = exact.max(axis=0)
        errors[order, dt] = np.max(np.abs(solved - exact) / peaks)
    assert errors[2, 0.005] < 5e-4
    assert 1.9 < np.log2(errors[2, 0.01] / errors[2, 0.005]) < 2.1
    assert errors[2, 0.1] < 0.5 * errors[1, 0.1]


def solve(equations, order, states, rest, values, times, dt):
    """States at `times` (ms) by plain steps of length `dt` (ms)."""
    step = plain_step(equations, order)
    state, k, rows = dict(zip(states, rest, strict=True)), 0, []
    for time in times:
        while k < round(time / dt):
            state = step({**state, **values, "dt": dt * 1e-3, "t": k * dt * 1e-3})
            k += 1
        rows.append([state[s] for s in states])
    return np.array(rows)


M, H, N = 0.0529, 0.5961, 0.3177  # gates at rest


@pytest.fixture(scope="module")
def spike():
    """Voltage and gates 3 ms after the start, just behind the peak of a spike."""
    initial = {"v": -0.065, "m": M, "h": H, "n": N}
    assert reference_solution(CLASSIC_HH, initial, 2 * ms)["v"] > 0.02
    return reference_solution(CLASSIC_HH, initial, 3 * ms)


@pytest.mark.parametrize("order, tolerance", [(1, 2e-2), (2, 5e-5)])
def test_sodium_channel_with_eight_states(spike, order, tolerance):
    """Markov channel and classic gates are one model: the same spike."""
    initial = {"v": -0.065, "n": N, **sodium_states(M, H)}
    solved = brian_solution(MARKOV_HH, initial, 3 * ms, 0.002 * ms, order=order)
    expected = {"n": spike["n"], **sodium_states(spike["m"], spike["h"])}
    assert abs(solved["v"] - spike["v"]) < 0.1 * tolerance
    for name, value in expected.items():
        assert abs(solved[name] - value) < tolerance, name
    assert abs(sum(solved[s] for s in SODIUM.states) - 1) < 1e-14
