"""Bad input of density groups: each a named error, before anything runs."""

import re

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Equations,
    EventMonitor,
    Network,
    SpikeMonitor,
    StateMonitor,
    defaultclock,
    device,
    ms,
    mV,
    second,
    set_device,
    volt,
)
from brian2.equations.equations import EquationError
from brian2.utils.logger import BrianLogger

from brian2_multiscale import Projection
from brian2_multiscale.density import DensityGroup

MODEL = """
dv/dt = (mu - v)/(10*ms) + sigma*xi*sqrt(2/(10*ms)) : volt (unless refractory)
mu : volt
sigma : volt
v_t : volt
v_r : volt
period : second
"""
VALUES = {"sigma": 3 * mV, "v_t": 15 * mV, "v_r": 0 * mV, "period": 2 * ms}


def make(N=10, model=MODEL, values=VALUES, **changes):
    defaultclock.dt = 0.1 * ms
    arguments = {"threshold": "v > v_t", "reset": "v = v_r", "name": "bad"}
    group = DensityGroup(N, model, **{**arguments, "namespace": {}, **changes})
    for name, value in values.items():
        if name in group.equations.names:
            setattr(group, name, value)
    return group


def check(caught, words):
    text, error = "", caught.value
    while error is not None:
        text, error = f"{text}\n{error}", error.__cause__
    for word in words:
        assert word in text, text


def refuse(error, *words, **changes):
    """When it is made."""
    with pytest.raises(error) as caught:
        make(**changes)
    check(caught, words)


def refuse_to_run(group, *words, error=ValueError, objects=()):
    """At the beginning of the run."""
    with pytest.raises(BrianObjectException) as caught:
        Network(group, *objects).run(0.1 * ms, namespace={})
    check(caught, words)
    root = caught.value
    while root.__cause__ is not None:
        root = root.__cause__
    assert isinstance(root, error), repr(root)


def model_with(*lines):
    return "\n".join([MODEL, *lines])


# -- the model -------------------------------------------------------------------------
@pytest.mark.parametrize(
    "lines, others",
    [
        (["dw/dt = (v - w)/second : volt"], "'w'"),
        (["dw/dt = drive/second : volt", "drive = v/2 : volt"], "'w'"),
        (["dw/dt = -w/second + 1*mV*xi_2*sqrt(1/second) : volt"], "'w'"),
        (["dw/dt = v/second : volt", "dz/dt = w/second : volt"], "'w', 'z'"),
    ],
)
def test_one_noisy_variable(lines, others):
    words = f"Not only 'v' but also {others}", "MesoscopicGroup", "NeuronGroup"
    refuse(ValueError, *words, model=model_with(*lines))


def test_no_noise():
    model = MODEL.replace(" + sigma*xi*sqrt(2/(10*ms))", "")
    refuse(ValueError, "'v' has no noise", "xi", "MesoscopicGroup", model=model)


def test_noise_in_a_subexpression():
    model = MODEL.replace("sigma*xi", "sigma*both").replace(
        "mu : volt", "mu : volt\nboth = xi + 0*xi : Hz**0.5"
    )
    with pytest.raises(EquationError) as caught:
        make(model=model)
    check(caught, ["both", "xi"])


@pytest.mark.parametrize("drift", ["mu*rand() - v", "jitter - v"])
def test_random_numbers(drift):
    model = model_with("jitter = mu*randn() : volt").replace("mu - v", drift)
    refuse(ValueError, "rand", "a density only knows white noise", model=model)
    model = MODEL.replace("sigma*xi", "(sigma + 0.1*rand()*mV)*xi")
    refuse(ValueError, "'rand'", "a density only knows white noise", model=model)


def test_noise_that_cannot_be_differentiated():
    refuse(
        ValueError,
        "cannot be differentiated",
        model=MODEL.replace("sigma*xi", "sigma*int(v > mu)*xi"),
    )


@pytest.mark.parametrize("model", [3, None, ["dv/dt = xi : 1"]])
def test_models_are_strings_or_equations(model):
    refuse(TypeError, "model must be a string or Equations", model=model)


def test_equations_are_welcome():
    assert len(make(model=Equations(MODEL))) == 1


@pytest.mark.parametrize("name", ["n", "A", "p", "event_size", "density", "spikes"])
def test_names_that_are_taken(name):
    refuse(ValueError, f"'{name}'", "another name", model=model_with(f"{name} : 1"))


@pytest.mark.parametrize("name", ["p", "n", "A", "grids", "density", "method", "N"])
def test_names_that_are_taken_by_the_voltage(name):
    model = f"d{name}/dt = -{name}/ms + xi/sqrt(ms) : 1"
    with pytest.raises((ValueError, SyntaxError)) as caught:
        make(model=model, threshold=f"{name} > 1", reset=f"{name} = 0")
    check(caught, [name])


def test_linked_variables():
    refuse(
        NotImplementedError, "'other' is a linked", model=model_with("other:1 (linked)")
    )


def test_two_kinds_of_refractory_neurons():
    lines = "ds/dt = -s/ms : 1 (unless refractory)"
    words = "'s' is flagged", "only one variable"
    refuse(ValueError, *words, model=model_with(lines), refractory=2 * ms)


def test_refractory_period_without_the_flag():
    model = MODEL.replace("(unless refractory)", "")
    refuse(ValueError, "(unless refractory)", model=model, refractory=2 * ms)
    make(model=model)


# -- threshold and reset ---------------------------------------------------------------
@pytest.mark.parametrize(
    "threshold",
    [
        "v < v_t",
        "v_t > v",
        "v > v_t and mu > 0*mV",
        "rand() < 0.1",
        "v**2 > v_t**2",
        "mu > v_t",
        "v",
        "-v > v_t",
        "v == v_t",
        "int(v > v_t) > 0",
        "v*mu > v_t*mu",
        "abs(v) > v_t",
    ],
)
def test_thresholds(threshold):
    with pytest.raises(ValueError) as caught:
        make(threshold=threshold)
    check(caught, [threshold, "compare one variable"])


@pytest.mark.parametrize("what", ["threshold", "reset"])
@pytest.mark.parametrize("value", [None, "", "  ", 15 * mV, 1])
def test_strings(what, value):
    refuse(TypeError, f"{what} must be a string", **{what: value})


@pytest.mark.parametrize(
    "changes", [{"threshold": "v >"}, {"threshold": "v > > 1"}, {"reset": "v = = 0"}]
)
def test_strings_without_sense(changes):
    refuse(ValueError, "cannot be understood", **changes)


@pytest.mark.parametrize(
    "reset, words",
    [
        ("v = v_r; mu += 1*mV", ["changes 'mu' besides 'v'", "MesoscopicGroup"]),
        ("mu = 0*mV", ["changes 'mu' besides 'v'"]),
        ("v = v/2", ["constant"]),
        ("v = 2*v - v_t", ["constant"]),
        ("v = s", ["The reset depends on 's'"]),
        ("v = v_r + t*mV/ms", ["The reset depends on 't'"]),
        ("v = v_r + 0.5*(s - s)+ s*0.1", ["The reset depends on 's'"]),
    ],
)
def test_resets(reset, words):
    model = model_with("ds/dt = -s/ms : volt")
    refuse(ValueError, f"reset='{reset}'" * 0, *words, model=model, reset=reset)


@pytest.mark.parametrize("threshold", ["v > v_t + s", "v > v_t*exp(-t/second)"])
def test_moving_thresholds(threshold):
    model = model_with("ds/dt = -s/ms : volt")
    with pytest.raises(ValueError):
        make(model=model, threshold=threshold)


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"threshold": "v > 15"}, "threshold"),
        ({"threshold": "v > 15*ms"}, "threshold"),
        ({"reset": "v = 0"}, "reset"),
        ({"reset": "v = period"}, "reset"),
        ({"reset": "v -= 15"}, "reset"),
    ],
)
def test_units_of_limits(changes, what):
    group = make(**changes)
    words = f"The {what} of 'bad'", "must have its unit"
    refuse_to_run(group, *words, error=DimensionMismatchError)


@pytest.mark.parametrize("reset", ["v = 0*mV", "v = 0*v_t", "x = 0*mV\nv = x"])
def test_zero_with_a_unit(reset):
    Network(make(reset=reset, threshold="v - 15*mV > 0*mV")).run(0.1 * ms, namespace={})


def test_unit_of_the_equation():
    group = make(model=MODEL.replace("(mu - v)/(10*ms)", "(mu - v)"))
    refuse_to_run(group, "'v'", "Inconsistent units", error=DimensionMismatchError)


def test_unknown_names():
    model = MODEL.replace("mu - v", "nobody*mu - v")
    refuse_to_run(make(model=model), "nobody", error=(KeyError, ValueError))
    refuse_to_run(make(threshold="v > nobody"), "nobody", error=(KeyError, ValueError))
    for group in (make(threshold="v > nobody"), make(model=model, name="other")):
        with pytest.raises(ValueError, match="nobody"):
            _ = group.p


# -- numbers ---------------------------------------------------------------------------
@pytest.mark.parametrize("N", [0, -3, [], [10, 0], 2.5, "10", None, [3, -1]])
def test_sizes(N):
    with pytest.raises((TypeError, ValueError)):
        make(N)


@pytest.mark.parametrize("bins", [2.5, "10", True, [10]])
@pytest.mark.parametrize("name", ["bins", "substeps"])
def test_whole_numbers(name, bins):
    refuse(TypeError, f"{name} must be a whole number", **{name: bins})


@pytest.mark.parametrize("name", ["bins", "substeps"])
@pytest.mark.parametrize("value", [0, -1, 2**40])
def test_positive_numbers(name, value):
    refuse(ValueError, f"{name} must be positive", **{name: value})


def test_lower_end():
    refuse(DimensionMismatchError, "v_min must have the unit", v_min=-10)
    refuse(DimensionMismatchError, "v_min must have the unit", v_min=-10 * ms)
    refuse(ValueError, "v_min must be finite", v_min=-np.inf * volt)
    refuse(TypeError, "v_min must be a single value", v_min=[-10, -10] * mV)
    refuse(TypeError, "v_min must be a single value", v_min="-10*mV")
    group = make(v_min=1 * mV)
    refuse_to_run(group, "v_min (0.001) must be below the reset (0)")


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "euler"},
        {"method": None},
        {"mfe_reset": "soft"},
        {"mfe_reset": True},
    ],
)
def test_choices(changes):
    (name, value) = next(iter(changes.items()))
    refuse(ValueError, f"{name} must be", repr(value), **changes)


def test_numerical_method():
    model = model_with("ds/dt = -s**2/ms : 1")
    words = "common_method must be one of", "'nonsense'"
    refuse(ValueError, *words, model=model, common_method="nonsense")


# -- the refractory period -------------------------------------------------------------
def test_refractory_periods():
    refuse(DimensionMismatchError, "refractory", refractory=2)
    refuse(DimensionMismatchError, "refractory", refractory=2 * mV)
    refuse(ValueError, "refractory", refractory=-2 * ms)
    refuse(ValueError, "is a condition", refractory="v > 0*mV")
    for nothing in (0 * ms, None, False):
        assert make(refractory=nothing).refractory_expression is None


@pytest.mark.parametrize("period", [0.05 * ms, 0.099 * ms])
def test_steps_longer_than_the_refractory_period(period):
    words = "shorter than the time step of 0.1 ms", "smaller dt"
    refuse_to_run(make(refractory=period), *words)
    refuse_to_run(
        make(refractory="period", values={**VALUES, "period": period}), *words
    )


@pytest.mark.parametrize("period", [-1 * ms, np.nan * second, np.inf * second])
def test_refractory_parameters(period):
    group = make(refractory="period", values={**VALUES, "period": period})
    refuse_to_run(group, "refractory period of 'bad' must be zero or positive")


def test_shift_with_a_refractory_period():
    words = "mfe_reset='shift'", "leave it out, or use 'clamp'"
    refuse(ValueError, *words, mfe_reset="shift", refractory=2 * ms)


def test_unit_of_a_refractory_expression():
    refuse_to_run(
        make(refractory="v_t"),
        "refractory",
        error=DimensionMismatchError,
    )


def test_clamp_without_a_refractory_period(caplog, monkeypatch):
    monkeypatch.setattr(BrianLogger, "_log_messages", set())  # warned already
    make(mfe_reset="clamp")
    assert "ill-conditioned" in caplog.text
    assert "refractory period" in caplog.text


# -- grids -----------------------------------------------------------------------------
def without(*names):
    return {k: v for k, v in VALUES.items() if k not in names}


def test_reset_above_the_threshold():
    words = "the reset (0.015) must be below the threshold (0.015)"
    refuse_to_run(make(values={**VALUES, "v_r": 15 * mV}), words)
    refuse_to_run(make([1, 2], values={**VALUES, "v_r": [0, 20] * mV}), "population 1")
    refuse_to_run(make(reset="v += v_t"), "must be below the threshold")


@pytest.mark.parametrize("name", ["v_t", "v_r", "sigma", "mu"])
def test_parameters_that_are_no_numbers(name):
    group = make(values={**VALUES, name: np.nan * volt})
    with pytest.raises((BrianObjectException, ValueError)):
        Network(group).run(0.1 * ms, namespace={})


def test_no_noise_because_a_parameter_is_missing():
    words = "there is no noise", "are all parameters set?"
    refuse_to_run(make(values=without("sigma")), *words)


def test_bins_too_coarse():
    """The message says how many are needed; that many are enough."""
    group = make(bins=9, values={**VALUES, "sigma": 1 * mV})
    with pytest.raises(ValueError, match="bins = 9 is too coarse") as caught:
        _ = group.p
    numbers = re.search("at least ([0-9]+) bins .* better ([0-9]+)", str(caught.value))
    least, better = (int(n) for n in numbers.groups())
    # Two, and ten, per standard deviation
    assert abs(least - 30) <= 1 and abs(better - 150) <= 1
    changes = {"values": {**VALUES, "sigma": 1 * mV}}
    assert len(make(bins=least, **changes, name="enough").p) > least
    with pytest.raises(ValueError, match="too coarse"):
        _ = make(bins=least - 2, **changes, name="too_few").p


def test_too_many_bins():
    group = make(values={**VALUES, "sigma": 1e-3 * mV})
    refuse_to_run(group, "the grid would have", "bins", "NeuronGroup")


def test_lower_end_that_is_not_found():
    model = MODEL.replace("(mu - v)", "(mu + 0*v - 3*mV)")
    refuse_to_run(make(model=model), "give v_min")
    Network(make(model=model, v_min=-30 * mV, name="found")).run(0.1 * ms, namespace={})


def test_voltages_outside_the_bins():
    for value in (16 * mV, -100 * mV):
        group = make(name=f"outside_{value > 0}")
        group.v = value
        refuse_to_run(group, "starts at v =", "outside its bins", "v_min")


@pytest.mark.parametrize("name", ["v_t", "v_r"])
def test_limits_that_change(name):
    group = make()
    _ = group.p
    setattr(group, name, 1 * mV)
    refuse_to_run(group, "have changed since its bins were made", "before")


def test_noise_that_changes_under_match_dt():
    group = make(match_dt=True)
    _ = group.p
    group.sigma = 4 * mV
    refuse_to_run(group, "have changed since its bins were made")
    plain = make(name="plain")  # here noise may change
    _ = plain.p
    plain.sigma = 4 * mV
    Network(plain).run(0.1 * ms, namespace={})


def test_refractory_period_that_changes():
    """It is taken over with the bins."""
    group = make(refractory="period")
    _ = group.p
    group.period = 5 * ms
    refuse_to_run(group, "period", "changed")


def test_limits_that_change_between_runs():
    group = make()
    network = Network(group)
    network.run(0.1 * ms, namespace={})
    group.v_t = 16 * mV
    with pytest.raises(BrianObjectException) as caught:
        network.run(0.1 * ms, namespace={})
    check(caught, ["have changed"])


def test_time_step_that_changes():
    group = make(clock=defaultclock)
    defaultclock.dt = 0.2 * ms
    refuse_to_run(group, "time step of 'bad' was 0.1 ms", "dt=")


# -- densities -------------------------------------------------------------------------
def bins_of(group):
    return len(group.density)


def test_wrong_densities():
    group = make([1, 2])
    cells = bins_of(group)
    half = np.zeros(cells)
    half[0] = 1
    cases = [
        (np.ones(cells - 1) / volt, ValueError, f"each of the {cells} bins"),
        (np.ones((2, cells)) / volt, ValueError, "got shape"),
        (np.ones(cells), DimensionMismatchError, "p must have the unit"),
        (np.ones(cells) * volt, DimensionMismatchError, "p must have the unit"),
        (-np.ones(cells) / volt, ValueError, "never negative"),
        (np.full(cells, np.nan) / volt, ValueError, "finite"),
        (np.full(cells, np.inf) / volt, ValueError, "finite"),
        (half / volt, ValueError, "zero in all bins of population 1"),
        (0 / volt, ValueError, "zero in all bins of population 0"),
        ("nobody*v/volt", ValueError, "nobody"),
        ("-v/volt", ValueError, "never negative"),
        ("exp(-(v/mV)**2", SyntaxError, ""),
        ("1/(v - v)", ValueError, "finite"),
    ]
    before = np.array(group.p)
    for value, error, words in cases:
        with pytest.raises(error) as caught:
            group.p = value
        check(caught, [words])
    np.testing.assert_array_equal(group.p, before)


def test_unit_of_a_density_as_a_string():
    with pytest.raises(DimensionMismatchError):
        make().p = "exp(-v**2)"
    group = make(name="any_unit")  # normalised
    group.p = "exp(-(v/mV)**2)"
    before = np.array(group.p)
    group.p = "mV*exp(-(v/mV)**2)"
    np.testing.assert_allclose(np.asarray(group.p), before)
    group.p = 7 * before / volt
    np.testing.assert_allclose(np.asarray(group.p), before)


def test_a_voltage_beside_a_density():
    """It would be a kick before the first step; later it is one."""
    group = make()
    group.p = "exp(-(v/mV)**2)"
    group.v = 3 * mV
    refuse_to_run(group, "'v' of 'bad' has been set after its density p", "kick")
    group = make(name="fine")
    group.v = 3 * mV
    group.p = "exp(-(v/mV)**2)"
    network = Network(group)
    network.run(0.1 * ms, namespace={})
    group.v = 3 * mV
    network.run(0.1 * ms, namespace={})


def test_bins_are_not_written():
    group = make()
    for name, value in (("p", 1 / volt), ("v", 1 * volt), ("population", 1)):
        with pytest.raises(TypeError, match="read-only"):
            setattr(group.density, name, value)


def test_variables_that_are_not_there():
    group = make()
    with pytest.raises(AttributeError):
        group.nothing = 1
    with pytest.raises(KeyError, match="p"):
        StateMonitor(group, "p", record=True)  # that is group.density's
    with pytest.raises(DimensionMismatchError):
        group.mu = 3
    with pytest.raises((IndexError, ValueError, TypeError)):
        group[3:5]


# -- coupling --------------------------------------------------------------------------
def test_coupling_without_end():
    """Stronger than from reset to threshold, without a refractory period."""
    weights = {"weights": 15 * mV / 10, "on_pre": "v_post += w"}
    group = make()
    loop = Projection(group, group, **weights)
    words = "population 0 of 'bad'", "refractory period", "'clamp'", "delay"
    refuse_to_run(group, *words, objects=[loop])
    changes = [{"refractory": 2 * ms}, {"mfe_reset": "clamp"}]
    for k, change in enumerate(changes):
        group = make(**change, name=f"fine_{k}")
        loop = Projection(group, group, **weights)
        Network(group, loop).run(0.1 * ms, namespace={})
    group = make(name="fine")
    loops = [
        Projection(group, group, delay=0.1 * ms, **weights),
        Projection(group, group, **{**weights, "weights": 1.4 * mV}),
        Projection(group, group, **{**weights, "weights": -0.1 * mV}),
    ]
    Network(group, *loops).run(0.1 * ms, namespace={})


def test_coupling_without_end_of_several_populations():
    group = make([10, 10])
    weights = np.array([[0.8, 0.1], [0.8, 0.1]]) * mV
    loops = [
        Projection(group, group, on_pre="v_post += w", weights=weights) for _ in "ab"
    ]
    refuse_to_run(group, "population 0 of 'bad'", objects=loops)


# -- C++ standalone, where parameters that strings set are not known -------------------
@pytest.fixture
def standalone():
    set_device("cpp_standalone", build_on_run=False)
    yield
    device.reinit()


@pytest.mark.parametrize("name", ["v_t", "v_r", "sigma", "period"])
def test_strings_in_standalone(standalone, name):
    group = make(refractory="period", values=without(name))
    setattr(
        group,
        name,
        f"{VALUES[name] / (1 * mV if name != 'period' else ms)!r}*"
        + ("mV" if name != "period" else "ms"),
    )
    what = {"v_t": "threshold", "v_r": "reset", "sigma": "noise"}
    words = f"The {what.get(name, 'refractory period')} of 'bad' is not known", "values"
    with pytest.raises((BrianObjectException, ValueError)) as caught:
        Network(group).run(1 * ms, namespace={})
    check(caught, words)


def test_start_in_standalone(standalone):
    group = make()
    group.v = "5*mV"
    with pytest.raises((BrianObjectException, ValueError)) as caught:
        Network(group).run(1 * ms, namespace={})
    check(caught, ["starts is not known", "'v' was set by a string", "set p"])


def test_drift_in_standalone(standalone):
    """Only where the grid ends depends on the drift."""
    group = make()
    group.mu = "5*mV*(1 + i)"
    with pytest.raises((BrianObjectException, ValueError)) as caught:
        Network(group).run(1 * ms, namespace={})
    check(caught, ["v_min"])
    group = make(v_min=-20 * mV, bins=60, name="given")
    group.mu = "5*mV*(1 + i)"
    Network(group).run(1 * ms, namespace={})


def test_density_in_standalone(standalone):
    group = make()
    group.p = "exp(-(v/(5*mV))**2)"
    assert np.asarray(group.p).sum() > 0
    group.mu = "5*mV"
    with pytest.raises((NotImplementedError, ValueError)):
        group.p = "exp(-((v - mu)/(5*mV))**2)"


# -- results that are no numbers -------------------------------------------------------
def test_states_that_are_no_numbers():
    model = model_with("ds/dt = 1e5*s**2/ms : 1").replace("mu - v", "mu*s - v")
    group = make(model=model, v_min=-20 * mV, common_method="euler")
    group.s, group.mu = 1e5, 1 * mV
    with pytest.raises(FloatingPointError, match="population 0 of 'bad' .* s = inf"):
        Network(group).run(5 * ms, namespace={})


def test_a_lower_end_that_is_too_high(caplog, monkeypatch):
    monkeypatch.setattr(BrianLogger, "_log_messages", set())
    group = make(v_min=-2 * mV)
    group.mu = -10 * mV
    Network(group).run(20 * ms, namespace={})
    assert "lowest bin" in caplog.text
    assert "v_min" in caplog.text


def test_repr():
    group = make([3, 4])
    assert "N = [3, 4]" in repr(group) and "not made" in repr(group)
    _ = group.p
    assert f"{len(group.density)} bins" in repr(group)


def test_the_group_itself_is_no_source_of_spikes():
    group = make([3, 4])
    for source in (group, group[1:]):
        with pytest.raises(ValueError, match="attribute 'spikes'"):
            SpikeMonitor(source)
    assert len(EventMonitor(group, "mfe").t) == 0
