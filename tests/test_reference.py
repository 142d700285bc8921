"""The kinetic reference: closed forms, scipy, discontinuous drivers, bad input."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, mM, ms, mV, nS, second
from brian2.utils.stringtools import get_identifiers
from scipy.integrate import solve_ivp

from brian2_multiscale import KineticScheme, Mechanism
from brian2_multiscale.kinetics.event_model import EventModel, NotEventDrivenError
from brian2_multiscale.kinetics.reference import driver_jumps, rest, simulate

HEAD = """# A test mechanism
#
# /// mechanism
# name = "test"
# kind = "synapse"
# version = 1
# doi = "10.0000/test"
# output = "g"
# on_pre = '''
# {on_pre}
# '''
#
# [parameters]
# tau = {{value = "5*ms", source = "chosen"}}
# ///

{equations}
"""


def mechanism(equations, on_pre):
    text = HEAD.format(equations=equations, on_pre="\n# ".join(on_pre.splitlines()))
    return Mechanism.from_text(text)


def test_biexponential_has_its_closed_form():
    synapse = mechanism("dx/dt = -x/(1*ms) : 1\ndg/dt = (x - g)/tau : 1", "x += 1")
    spikes, t = [10, 13] * ms, np.array([5, 10, 11, 13, 20, 60]) * ms
    expected = sum(
        np.where(t >= s, (np.exp(-(t - s) / (5 * ms)) - np.exp(-(t - s) / ms)) / 4, 0)
        for s in spikes
    )
    np.testing.assert_allclose(simulate(synapse, spikes, t), expected, atol=1e-6)


def test_jumps_use_what_the_statements_before_them_left():
    # g takes the released fraction before u and x change
    synapse = mechanism(
        "du/dt = (0.3 - u)/(100*ms) : 1\n"
        "dx/dt = (1 - x)/(200*ms) : 1\n"
        "dg/dt = -g/tau : 1",
        "g += u*x\nx -= u*x\nu += 0.3*(1 - u)",
    )
    found = simulate(synapse, [10, 30] * ms, [10, 30] * ms)
    u = 0.3 + (0.51 - 0.3) * np.exp(-20 / 100)
    x = 1 - 0.3 * np.exp(-20 / 200)
    np.testing.assert_allclose(found, [0.3, 0.3 * np.exp(-4) + u * x], rtol=1e-6)


@pytest.mark.parametrize("name", ["ampa_robert_howe", "nmda_ambert"])
def test_receptors_agree_with_scipy(name):
    receptor = Mechanism(name)
    model = EventModel(receptor)
    spikes = np.array([0.0, 4e-3, 11e-3])
    before, after = model.transmitter.along(spikes)
    state = model.rest
    for values, start, stop in zip(after, spikes, [4e-3, 11e-3, 60e-3], strict=True):
        solution = solve_ivp(
            lambda t, s, v=values: model.matrices(model.transmitter.at(v, [t]))[0] @ s,
            (0, stop - start),
            state,
            method="Radau",
            rtol=1e-9,
            atol=1e-16,
            jac=lambda t, s, v=values: model.matrices(model.transmitter.at(v, [t]))[0],
        )
        state = solution.y[:, -1]
    expected = model.weights @ state
    found = float(simulate(receptor, spikes * second, 60 * ms))
    assert found == pytest.approx(expected, rel=2e-5)


def test_the_result_does_not_depend_on_the_step():
    receptor, spikes = Mechanism("ampa_robert_howe"), [1, 3, 20] * ms
    t = np.arange(0, 60, 0.1) * ms
    coarse = np.asarray(simulate(receptor, spikes, t))
    fine = np.asarray(simulate(receptor, spikes, t, dt=0.5e-3 * ms))
    assert np.abs(coarse - fine).max() < 5e-5 * fine.max()


def test_fixed_steps_converge_with_order_one():
    receptor, spikes = Mechanism("ampa_destexhe"), [1, 8] * ms
    t = np.arange(2, 30, 1.0) * ms
    exact = np.asarray(simulate(receptor, spikes, t))
    errors = [
        np.abs(
            np.asarray(simulate(receptor, spikes, t, dt=h, method="kinetic")) - exact
        ).max()
        for h in (0.1 * ms, 0.05 * ms, 0.025 * ms, 0.0125 * ms, 0.00625 * ms)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - 1) < 0.15), orders


def test_jumps_of_a_pulse_are_found():
    model = EventModel(Mechanism("ampa_destexhe"))
    _, after = model.transmitter.along(np.zeros(1))
    jumps = driver_jumps(model.transmitter, after[0], 0.1)
    np.testing.assert_allclose(jumps, [1e-3], rtol=1e-9)


def test_rest_is_the_steady_state():
    receptor = Mechanism("nmda_ambert")
    values = rest(receptor)
    assert sum(values.values()) == pytest.approx(1, abs=1e-12)
    assert min(values.values()) >= 0
    rates = " ".join(rate for _, _, rate in receptor.scheme.reactions)
    known = {n: v for n, v in receptor.namespace.items() if n in get_identifiers(rates)}
    steady = receptor.scheme.steady_state(**known, glu=0 * mM)
    np.testing.assert_allclose(
        [values[s] for s in receptor.scheme.states], steady, atol=1e-12
    )


def test_units_of_the_output():
    found = simulate(Mechanism("ampa_robert_howe"), [1] * ms, 3 * ms)
    assert 0 < found < 1 * nS


def test_any_order_and_shape_of_times():
    receptor, spikes = Mechanism("exponential"), [1, 2] * ms
    t = np.array([[7.0, 1.0], [0.0, 3.0]]) * ms
    found = simulate(receptor, spikes, t)
    assert found.shape == (2, 2)
    alone = np.asarray(simulate(receptor, spikes, 3 * ms))
    np.testing.assert_allclose(np.asarray(found)[1, 1], alone, rtol=1e-6)


@pytest.mark.parametrize(
    "spikes, error, words",
    [
        ([3, 1] * ms, ValueError, ["not sorted", "element 1", "np.sort"]),
        ([1, 2] * mV, DimensionMismatchError, ["spike_times", "time"]),
        ([1, np.nan] * ms, ValueError, ["finite"]),
        ([-1, 2] * ms, ValueError, [">= 0"]),
        ([0.1, 0.2], DimensionMismatchError, ["second"]),
    ],
)
def test_bad_spike_times(spikes, error, words):
    with pytest.raises(error) as caught:
        simulate(Mechanism("exponential"), spikes, 5 * ms)
    for word in words:
        assert word in str(caught.value)


def test_bad_arguments():
    receptor = Mechanism("exponential")
    with pytest.raises(DimensionMismatchError):
        simulate(receptor, [1] * ms, 5 * mV)
    with pytest.raises(ValueError, match="dt has to be positive"):
        simulate(receptor, [1] * ms, 5 * ms, dt=0 * ms)
    with pytest.raises(ValueError, match="needs dt"):
        simulate(receptor, [1] * ms, 5 * ms, method="kinetic")
    with pytest.raises(ValueError, match="'converged' or 'kinetic'"):
        simulate(receptor, [1] * ms, 5 * ms, method="euler")


def test_what_is_no_event_driven_synapse_is_refused():
    nonlinear = mechanism("dg/dt = -g**2/tau : 1", "g += 1")
    with pytest.raises(NotEventDrivenError, match="'g'"):
        EventModel(nonlinear)
    with pytest.raises(NotEventDrivenError, match="output"):
        EventModel(Mechanism("lif"))


def test_a_voltage_dependent_output_is_refused():
    text = Mechanism("nmda_ambert").text.replace('output = "Open"', 'output = "g"')
    with pytest.raises(NotEventDrivenError, match="'v'"):
        EventModel(Mechanism.from_text(text))


def test_scheme_class_is_used():
    assert isinstance(Mechanism("nmda_ambert").scheme, KineticScheme)
    assert Mechanism("nmda_ambert").namespace["don"] > 0 * Hz
