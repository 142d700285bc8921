"""Bad input of mesoscopic groups: each a named error, before anything runs."""

import re

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Hz,
    Network,
    SpikeMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    second,
    volt,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from brian2_multiscale.mesoscopic import MesoscopicGroup

MODEL = """
dv/dt = (20*mV - v)/(10*ms) : volt (unless refractory)
rho = 10*Hz*exp(v/(5*mV)) : Hz
"""
NOISY = MODEL.replace("(10*ms)", "(10*ms) + 1*mV*xi*ms**-0.5")
DRIFT = """
dv/dt = 1*mV/ms : volt (unless refractory)
rho = 10*Hz : Hz
"""
UNKNOWN = """
dv/dt = -v/tau : volt (unless refractory)
rho = 10*Hz : Hz
tau : second
"""


def _group(N=10, model=MODEL, **changes):
    arguments = {
        "threshold": "rand() < rho*dt",
        "reset": "v = 0*mV",
        "refractory": 2 * ms,
        "name": "bad",
    }
    return MesoscopicGroup(N, model, **{**arguments, **changes})


def _hazard(hazard):
    return {"threshold": None, "hazard": hazard}


def _raises(error, message, **changes):
    with pytest.raises(error, match=message):
        _group(**changes)


# -- when the group is made ------------------------------------------------------------
@pytest.mark.parametrize(
    "N, error, message",
    [
        (0, ValueError, "at least 1, got 0"),
        (-3, ValueError, "at least 1, got -3"),
        (1.5, ValueError, "whole number of neurons, at least 1, got 1.5"),
        (np.nan, ValueError, "whole number .* got nan"),
        (np.inf, ValueError, "whole number .* got inf"),
        (2**31, ValueError, r"smaller than 2\*\*31"),
        (10**400, ValueError, r"smaller than 2\*\*31"),
        ([], ValueError, "got none"),
        ([5, 0], ValueError, "at least 1, got 0"),
        ([5, np.nan], ValueError, "whole number .* got nan"),
        (3 * mV, ValueError, "whole number"),
        ("10", TypeError, "N must be a number of neurons or a list"),
        (None, TypeError, "N must be a number of neurons or a list"),
        (True, TypeError, "N must be a number of neurons or a list"),
        ([1, "a"], TypeError, "N must be a number of neurons or a list"),
        (1 + 2j, TypeError, "N must be a number of neurons or a list"),
        ({"a": 1}, TypeError, "N must be a number of neurons or a list"),
    ],
)
def test_numbers_of_neurons(N, error, message):
    _raises(error, message, N=N)


@pytest.mark.parametrize("N", [7, 7.0, np.int64(7), [7], (7,), np.array([7])])
def test_one_population_in_many_ways(N):
    assert _group(N).sizes == [7]


@pytest.mark.parametrize(
    "memory, error, message",
    [
        (0 * ms, ValueError, "memory must be a positive, finite time"),
        (-1 * ms, ValueError, "memory must be a positive, finite time"),
        (np.nan * ms, ValueError, "memory must be a positive, finite time"),
        (np.inf * ms, ValueError, "memory must be a positive, finite time"),
        (1 * ms, ValueError, "shorter than the refractory period of 2 ms"),
        (1e9 * second, ValueError, r"1e\+13 time steps, which is too long"),
        (10, DimensionMismatchError, "memory must be a time"),
        (1 * mV, DimensionMismatchError, "memory must be a time"),
        ("10*ms", TypeError, "memory must be a single time"),
        ([10, 20] * ms, TypeError, "memory must be a single time"),
    ],
)
def test_memory(memory, error, message):
    _raises(error, message, memory=memory)


@pytest.mark.parametrize(
    "refractory, error, message",
    [
        (0.05 * ms, ValueError, "shorter than the time step of 0.1 ms"),
        ("0.05*ms", ValueError, "shorter than the time step of 0.1 ms"),
        (-1 * ms, ValueError, "refractory must be a zero or positive, finite"),
        ("-1*ms", ValueError, "refractory must be a zero or positive, finite"),
        (np.nan * ms, ValueError, "refractory must be a zero or positive, finite"),
        (3, DimensionMismatchError, "refractory must be a time"),
        (True, TypeError, "refractory must be a time"),
        ([1, 2] * ms, TypeError, "refractory must be a single time"),
        ("v*second/volt", ValueError, "differs between neurons"),
        ("rho*second**2", ValueError, "differs between neurons"),
        ("v > 15*mV", ValueError, "differs between neurons or is a condition"),
        ("True", ValueError, "is a condition"),
        ("t - lastspike", ValueError, "differs between neurons"),
        ("(", ValueError, "refractory='\\(' cannot be understood"),
        ("unknown", ValueError, "refractory period are not known before the run"),
    ],
)
def test_refractory_period(refractory, error, message):
    _raises(error, message, refractory=refractory)


@pytest.mark.parametrize("model", [DRIFT, UNKNOWN, UNKNOWN.replace("tau : second", "")])
def test_memory_that_cannot_be_derived(model):
    _raises(
        ValueError, r"memory of the population cannot be found.*\['v'\]", model=model
    )
    assert _group(model=model, memory=30 * ms).memory_in_steps == 300


def test_memory_of_a_partial_reset():
    """Nothing says how fast what the reset leaves is forgotten."""
    _raises(ValueError, "memory of the population.*renews nothing", reset="v -= 5*mV")
    assert _group(reset="v -= 5*mV", memory=30 * ms).memory_in_steps == 300


@pytest.mark.parametrize(
    "threshold, error, message",
    [
        ("v > 15*mV", ValueError, "escape noise.*DensityGroup"),
        ("rand() < rho", ValueError, r"neither of the form X\*dt"),
        (None, TypeError, "Give either threshold=.* or hazard="),
        (3, TypeError, "threshold must be a string"),
    ],
)
def test_threshold(threshold, error, message):
    _raises(error, message, threshold=threshold)


@pytest.mark.parametrize(
    "hazard, error, message",
    [
        (3 * Hz, TypeError, "hazard must be a string expression"),
        ("rho*", ValueError, r"hazard='rho\*' cannot be understood"),
        ("rho if v > 0 else 0", ValueError, "cannot be understood"),
    ],
)
def test_hazard(hazard, error, message):
    _raises(error, message, **_hazard(hazard))


def test_threshold_and_hazard():
    _raises(TypeError, "Give either threshold=.* or hazard=", hazard="rho")


@pytest.mark.parametrize(
    "reset, error, message",
    [
        ("u = 0*mV", ValueError, r"assigns 'u', which is no variable.*\['v'\]"),
        ("mV = 3", ValueError, "assigns 'mV', which is no variable"),
        ("rho = 0*Hz", ValueError, "cannot assign the subexpression 'rho'"),
        ("v =", ValueError, "reset='v =' cannot be understood"),
        ("f(v)", ValueError, "cannot be understood"),
        ("v = 0*mV if v > 0*mV else v", ValueError, "cannot be understood"),
        (3, TypeError, "reset must be a string"),
    ],
)
def test_reset(reset, error, message):
    _raises(error, message, reset=reset)


@pytest.mark.parametrize(
    "name",
    [
        "n",
        "A",
        "A_expected",
        "population",
        "survivors",
        "survivors_variance",
        "escape_rate",
        "lastspike",
        "cohorts",
        "noise",
        "var_v",
        "cov_v_w",
    ],
)
def test_reserved_names(name):
    message = f"must not define a variable '{name}'"
    _raises(ValueError, message, model=f"{MODEL}{name} : 1")
    _raises(ValueError, message, model=f"{MODEL}d{name}/dt = -{name}/ms : 1")


@pytest.mark.parametrize(
    "line, error, message",
    [
        ("z : 1 (linked)", NotImplementedError, "'z' is a linked variable"),
        ("dz/dt = -z/ms : 1 (shared)", ValueError, "of 'z' cannot be shared"),
    ],
)
def test_flags(line, error, message):
    _raises(error, message, model=MODEL + line)


def test_other_arguments():
    _raises(TypeError, "model must be a string or Equations", model=3)
    for order in (0, 3, 1.5, "2", None):
        _raises(ValueError, "closure_order must be 1", closure_order=order)


# -- when it is run --------------------------------------------------------------------
def _fails(error, message, **changes):
    """Errors before the first step; Brian2 wraps some of them."""
    network = Network(_group(**{"memory": 30 * ms, **changes}))
    with pytest.raises((error, BrianObjectException)) as found:
        network.run(0.1 * ms)
    cause = found.value.__cause__ if found.type is BrianObjectException else found.value
    assert isinstance(cause, error), cause
    assert re.search(message, str(cause)), cause


@pytest.mark.parametrize("hazard", ["v", "3", "v > 0*mV", "rho*dt"])
def test_unit_of_the_hazard(hazard):
    message = "must have the unit Hz"
    _fails(DimensionMismatchError, message, **_hazard(hazard))
    if hazard in ("v", "3"):
        _fails(DimensionMismatchError, message, threshold=f"rand() < {hazard}*dt")


@pytest.mark.parametrize("reset", ["v = 3*ms", "v = 3", "v += 1", "_a = 3; v = _a"])
def test_units_of_the_reset(reset):
    message = "expected unit|inconsistent units"
    _fails(DimensionMismatchError, message, reset=reset, memory=30 * ms)


def test_units_of_the_refractory_period():
    message = "refractory='3' must be a time"
    _fails(DimensionMismatchError, message, refractory="3", memory=4 * second)


def test_units_of_the_model():
    model = MODEL.replace("20*mV", "20*Hz")
    _fails(DimensionMismatchError, "v", model=model)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": MODEL.replace("20*mV", "20*mV*rand()")},
        {"model": MODEL.replace("20*mV", "jitter") + "jitter = randn()*mV : volt"},
        {"reset": "v = rand()*mV"},
        {"reset": "v += randn()*mV"},
        _hazard("rho*rand()"),
    ],
)
def test_random_functions(changes):
    message = r"calls randn?\(\).*xi, with closure_order=2"
    _fails(ValueError, message, memory=30 * ms, **changes)


def test_private_noise_needs_covariances():
    _fails(ValueError, "xi.*closure_order=2", model=NOISY, closure_order=1)
    Network(_group(model=NOISY)).run(0.2 * ms)


@pytest.mark.parametrize(
    "reset", ["v = exp(v/mV)*mV", "v *= int(v > 0*mV)", "v=sqrt(v*mV)"]
)
def test_reset_that_is_no_polynomial(reset):
    _fails(ValueError, "no polynomial.*closure_order=1", reset=reset)
    Network(_group(reset=reset, closure_order=1, memory=30 * ms)).run(0.2 * ms)


def test_names_that_do_not_exist():
    for changes in ({"reset": "v = nowhere"}, _hazard("rho*nowhere")):
        _fails(KeyError, '"nowhere" could not be resolved', **changes)


def test_changed_time_step():
    network = Network(_group())
    defaultclock.dt = 0.2 * ms
    with pytest.raises(BrianObjectException) as error:
        network.run(1 * ms)
    assert isinstance(error.value.__cause__, ValueError)
    assert "was 0.1 ms when it was made" in str(error.value.__cause__)


def test_methods_with_code_of_their_own():
    _fails(NotImplementedError, "makes code of its own", method="gsl")


def test_expected_spikes_are_no_spikes():
    with pytest.raises(ValueError, match="no whole numbers.*'A'"):
        _ = _group(noise=False).spikes


def test_the_group_itself_is_no_source_of_spikes():
    group = _group()
    for source in (group, group[:1]):
        with pytest.raises(ValueError, match="attribute 'spikes'"):
            SpikeMonitor(source)
        with pytest.raises(ValueError, match="attribute 'spikes'"):
            Synapses(source, source, on_pre="v += 1*mV")


# -- whatever else ---------------------------------------------------------------------
_ANYTHING = st.one_of(
    st.integers(-3, 3),
    st.integers(2**31 - 2, 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text("10.v ms*()-", max_size=6),
    st.complex_numbers(),
    st.lists(st.floats(), max_size=3),
    st.floats().map(lambda x: x * ms),
    st.floats().map(lambda x: x * volt),
    st.lists(st.floats(-1, 9), min_size=1, max_size=2).map(lambda x: x * ms),
)


@settings(max_examples=150)
@given(_ANYTHING)
def test_arbitrary_numbers_of_neurons(N):
    try:
        sizes = _group(N).sizes
    except (TypeError, ValueError) as error:
        assert "N must be" in str(error), error
    else:
        assert all(isinstance(s, int) and s >= 1 for s in sizes)


@settings(max_examples=150)
@given(_ANYTHING)
def test_arbitrary_memory(memory):
    try:
        steps = _group(memory=memory).memory_in_steps
    except (TypeError, ValueError, DimensionMismatchError) as error:
        assert "memory" in str(error), error
    else:
        assert steps >= 22


@settings(max_examples=150)
@given(_ANYTHING)
def test_arbitrary_refractory_periods(refractory):
    try:
        steps = _group(refractory=refractory).memory_in_steps
    except (TypeError, ValueError, DimensionMismatchError) as error:
        assert "refractory" in str(error) or "memory" in str(error), error
    else:
        assert steps >= 500


def test_memory_is_asked_for_where_the_reset_renews_nothing():
    _raises(ValueError, "renews nothing; give memory=", reset="v *= 0.5")
    Network(_group(memory=30 * ms, reset="v *= 0.5")).run(0.2 * ms)


def test_a_state_that_is_no_number():
    model = MODEL.replace("20*mV", "20*mV*exp(exp(t/ms))")
    network = Network(_group(model=model, memory=30 * ms))
    with pytest.raises(FloatingPointError, match="population 0 of .* is not finite"):
        network.run(20 * ms)


@pytest.mark.parametrize("name", ["noise", "hazard", "sizes", "n", "var_v"])
def test_names_that_are_taken(name):
    with pytest.raises(ValueError, match=f"must not define a variable '{name}'"):
        _group(model=f"{MODEL}\n{name} : 1")
