"""Surrogates as users try them: what a review has found stays mended."""

from functools import partial

import numpy as np
import pytest
from brian2 import (
    Network,
    defaultclock,
    metre,
    ms,
    mV,
    set_device,
    um,
    us,
    volt,
)
from brian2.utils.logger import catch_logs
from numpy.testing import assert_allclose
from random_surrogates import random_parameters, random_surrogate

from brian2_multiscale.surrogates import (
    CompactSurrogate,
    SurrogateGroup,
    SurrogateTask,
    stimuli,
)
from brian2_multiscale.surrogates.signals import Signal

STEPS = stimuli.Steps(amplitude=(1 * mV, 20 * mV))
SIZE = {"step": 1 * ms, "duration": 20 * ms, "trials": 2, "validation_trials": 1}


# -- outputs are computed, whichever way somebody sets them ----------------------------
@pytest.mark.parametrize("part", ["all", "some", "subgroup", "states"])
def test_outputs_cannot_be_set_in_parts_either(part):
    group = SurrogateGroup(5, random_surrogate(), input="0*metre")
    with pytest.raises(TypeError, match="read-only"):
        if part == "all":
            group.v[:] = 0 * mV
        elif part == "some":
            group.v[:2] = "0*mV"
        elif part == "subgroup":
            group[:3].v = 0 * mV
        else:
            group.set_states({"v": np.zeros(5) * volt})
    assert_allclose(group.v / mV, -57.6)


def test_outputs_are_restored_with_the_rest():
    defaultclock.dt = 50 * us
    group = SurrogateGroup(2, random_surrogate(), input="20*nmetre*int(t < 1*ms)")
    net = Network(group)
    net.run(1 * ms)
    before = np.array(group.v)
    net.store()
    net.run(1 * ms)
    assert abs(np.array(group.v) - before).max() > 1e-6
    net.restore()
    assert_allclose(np.array(group.v), before, rtol=0, atol=0)


def test_programs_write_outputs_that_nobody_else_may_write(tmp_path):
    # Else Brian2 would answer with the values from before the run
    set_device("cpp_standalone", directory=str(tmp_path), build_on_run=False)
    defaultclock.dt = 50 * us
    group = SurrogateGroup(1, random_surrogate(), input="20*nmetre")
    assert_allclose(group.v / mV, -57.6)
    Network(group).run(1 * ms)
    with pytest.raises(NotImplementedError, match="Cannot retrieve the values"):
        group.v[:]


@pytest.mark.parametrize("reset", ["v = 0*mV", "n += 1\nv -= 1*mV", "n = 0; v = 0*mV"])
def test_a_reset_of_the_output_is_refused(reset):
    with pytest.raises(ValueError, match="reset sets 'v'"):
        SurrogateGroup(
            2, random_surrogate(), "0*metre", "n : 1", threshold="v > 0*mV", reset=reset
        )


def test_a_reset_may_read_the_output():
    group = SurrogateGroup(
        2,
        random_surrogate(),
        "20*nmetre",
        "last : volt",
        threshold="v > -70*mV",
        reset="last = v",
    )
    Network(group).run(1 * ms)
    assert_allclose(group.last / volt, group.v / volt)


# -- signals ---------------------------------------------------------------------------
def test_the_range_is_told_once_whatever_the_values():
    surrogate = random_surrogate()
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        for size in (1, 2, 3):
            surrogate.response(np.full(5, size) * um)
        Network(SurrogateGroup(1, surrogate, input="4*um")).run(1 * ms)
    assert len(logs) == 1
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        random_surrogate().response(np.full(5, 1) * um)  # another one
    assert len(logs) == 1


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_signals_without_samples_are_refused(shape):
    with pytest.raises(ValueError, match="at least one sample"):
        random_surrogate().response(np.zeros(shape) * metre)


@pytest.mark.parametrize(
    "names, message",
    [
        (("x", "x"), "x is there twice"),
        (("t", "v"), "'t' cannot be a variable"),
        (("x", "N"), "'N' cannot be a variable"),
        (("x", "a b"), "'a b' cannot be a variable"),
    ],
)
def test_signals_have_names_that_equations_can_have(names, message):
    architecture = CompactSurrogate(units=2, blocks=1)
    made = [(Signal.of(name, volt),) for name in names]
    parameters = random_parameters(architecture, 1, 1)
    with pytest.raises(ValueError, match=message):
        SurrogateGroup(2, architecture.with_parameters(*made, 1 * ms, parameters))
    # Said before a long training
    kwds = {name: {key: volt} for name, key in zip(_WAYS, names, strict=True)}
    with pytest.raises(ValueError, match=message):
        SurrogateTask.from_function(_double, stimuli=STEPS, **kwds, **SIZE)


_WAYS = ("inputs", "outputs")


def _double(signals, step, factor=2):
    return factor * signals


# -- what tells tasks apart, so that none goes on from the checkpoint of another -------
def _from_function(function, **kwds):
    ways = {"inputs": {"x": volt}, "outputs": {"v": volt}}
    return SurrogateTask.from_function(function, stimuli=STEPS, **ways, **SIZE, **kwds)


def _times(factor):
    return lambda signals, step: factor * signals


def test_functions_with_other_values_are_other_tasks():
    made = [_times(1), _times(2), _times(np.arange(3)), _times([1 * mV, "a", None])]
    made += [_double, partial(_double, factor=2), partial(_double, factor=3)]
    assert len({_from_function(f).hash for f in made}) == len(made)
    assert _from_function(_times(2)).hash == _from_function(_times(2)).hash


def test_other_recordings_are_other_tasks():
    x = np.random.default_rng(0).normal(size=(50, 3)) * volt
    tasks = [
        SurrogateTask.from_data({"x": x}, {"v": factor * x}, step=1 * ms)
        for factor in (1, 1, -1)
    ]
    assert tasks[0].hash == tasks[1].hash != tasks[2].hash


def test_the_recipe_has_the_scale():
    recipes = [_from_function(_double, scale=s).recipe for s in (None, {"x": 1 * mV})]
    assert recipes[0]["scale"] == {}
    assert_allclose(recipes[1]["scale"]["x"], 1e-3)
