"""Errors of surrogates: known differences are found, with their units."""

import json

import numpy as np
import pytest
from brian2 import Quantity, ms, mV, second, volt
from numpy.testing import assert_allclose

from brian2_multiscale.surrogates import CompactSurrogate, SurrogateTask, stimuli
from brian2_multiscale.surrogates.quality import (
    compare_signals,
    compare_spikes,
    evaluate,
    metrics_to_json,
)


def make(**kwds):
    values = {
        "stimuli": stimuli.Steps(amplitude=(1 * mV, 20 * mV), zero=0.0),
        "step": 1 * ms,
        "duration": 100 * ms,
        "trials": 3,
        "validation_trials": 2,
        "rest": {"I": 5 * mV},
    }
    return SurrogateTask("dv/dt = (I - v)/(10*ms) : volt", "I", "v", **values, **kwds)


@pytest.fixture(scope="module")
def task():
    return make()


def trained(task, seed=0, **options):
    """An architecture with random parameters and the signals of a task."""
    blank = CompactSurrogate(units=4, blocks=1, **options)
    random = np.random.default_rng(seed)
    shapes = blank.shapes(len(task.inputs), len(task.outputs))
    values = {n: random.normal(size=s) * 0.3 for n, s in shapes.items()}
    values["log_tau0"] = np.log(np.full(shapes["log_tau0"], 5e-3))
    data = task.data()
    signals = data.input_signals, data.output_signals
    return blank.with_parameters(*signals, task.step, values)


def test_evaluation_of_a_surrogate(task):
    surrogate = trained(task)
    metrics = surrogate.evaluate(task)["v"]
    data = task.data("validation")
    found = np.asarray(surrogate.response(data.inputs[..., 0] * volt))
    error = found - data.outputs[..., 0]
    assert isinstance(metrics["rmse"], Quantity) and metrics["rmse"].dim is volt.dim
    assert_allclose(metrics["rmse"] / volt, np.sqrt(np.mean(error**2)))
    assert_allclose(metrics["max_error"] / volt, np.abs(error).max())
    assert_allclose(
        metrics["nrmse"],
        np.sqrt(np.mean(error**2) / np.mean((data.outputs - 5e-3) ** 2)),
    )
    # its rest is exact by construction
    assert metrics["rest_error"] < 1e-12 * volt
    assert metrics["nrmse"] > 0.05 and "spikes" not in metrics
    assert surrogate.evaluate(task, "training")["v"]["rmse"] != metrics["rmse"]


class Shifted:
    """The answer of the model itself, a little too high."""

    def __init__(self, task, shift):
        data = task.data()
        self.inputs, self.outputs = data.input_signals, data.output_signals
        self.step, self._task, self._shift = task.step, task, shift

    def response(self, signal):
        values = np.asarray(signal)[..., None]
        return (self._task.simulate(values)[..., 0] + self._shift) * volt


def test_a_known_error_is_found(task):
    metrics = evaluate(Shifted(task, 1e-3), task)["v"]
    for name in ("rmse", "max_error", "mean_error", "rest_error"):
        assert_allclose(metrics[name] / mV, 1, rtol=1e-6)
    assert metrics["correlation"] == pytest.approx(1)
    perfect = evaluate(Shifted(task, 0), task)["v"]
    assert perfect["nrmse"] < 1e-12 and perfect["rest_error"] < 1e-12 * volt


def test_weak_trials_count_in_the_median():
    reference = np.array([[1e-3, 1e-3, 1.0], [-1e-3, -1e-3, -1.0]])
    found = reference + [[5e-4, 5e-4, 0], [5e-4, 5e-4, 0]]
    metrics = compare_signals(reference, found, 0.0, volt.dim)
    assert metrics["nrmse"] < 1e-3
    assert metrics["nrmse_median"] == pytest.approx(0.5)
    silent = compare_signals(np.zeros((4, 1)), np.ones((4, 1)), 0.0, volt.dim)
    assert np.isnan(silent["nrmse"]) and np.isnan(silent["correlation"])


def spikes_at(times, count=1000, step=1e-4):
    signal = np.full(count, -1.0)
    signal[np.round(np.array(times) / step).astype(int)] = 1.0
    return signal


def test_spikes_are_matched_in_time():
    reference = np.stack([spikes_at([0.01, 0.05]), spikes_at([0.02])], axis=1)
    found = np.stack([spikes_at([0.011, 0.05]), spikes_at([0.02, 0.07])], axis=1)
    metrics = compare_spikes(reference, found, 0.0, 1e-4)
    assert (metrics["reference"], metrics["found"]) == (3, 4)
    assert metrics["exact_trials"] == 0.5
    assert metrics["coincident"] == pytest.approx(6 / 7)
    assert_allclose(metrics["time_error"] / ms, np.sqrt(1 / 3))
    same = compare_spikes(reference, reference, 0.0, 1e-4)
    assert same["coincident"] == 1 and same["time_error"] == 0 * ms
    late = compare_spikes(reference, np.roll(reference, 50, axis=0), 0.0, 1e-4)
    assert late["coincident"] == 0 and late["exact_trials"] == 1
    none = compare_spikes(0 * reference, 0 * reference, 1.0, 1e-4)
    assert none["coincident"] == 1 and np.isnan(none["time_error"] / ms)


def test_missing_and_additional_spikes_leave_the_others():
    few, many = spikes_at([0.05])[:, None], spikes_at([0.01, 0.05, 0.08])[:, None]
    for pair in ((few, many), (many, few)):
        metrics = compare_spikes(*pair, 0.0, 1e-4)
        assert metrics["coincident"] == 0.5 and metrics["time_error"] == 0 * ms


def test_crossings_are_interpolated():
    ramp = np.linspace(-1, 1, 11)[:, None]
    early = compare_spikes(ramp, ramp + 0.05, 0.03, 1e-3)
    # slope 0.2 per sample: 0.05 are a quarter of a sample
    assert_allclose(early["time_error"] / ms, 0.25, rtol=1e-9)


def test_spikes_of_a_threshold_without_reset():
    kwds = {"threshold": "v > 10*mV", "refractory": "v > 10*mV"}
    task = make(**kwds)
    assert task.spike_levels == {"v": 0.01}
    metrics = evaluate(Shifted(task, 0), task)["v"]["spikes"]
    assert metrics["reference"] == metrics["found"] > 0
    assert make(threshold="v > 10*mV", reset="v = 0*mV").spike_levels == {}


def test_metrics_for_files(task):
    metrics = metrics_to_json(evaluate(Shifted(task, 1e-3), task))
    again = json.loads(json.dumps(metrics))
    assert again["v"]["rmse"] == [pytest.approx(1e-3), "volt"]
    assert metrics_to_json({"a": np.nan * second, "b": np.int64(3), "c": np.nan}) == {
        "a": [None, "second"],
        "b": 3,
        "c": None,
    }


def test_surrogate_and_task_must_fit(task):
    other = SurrogateTask(
        "dw/dt = (I - w)/(10*ms) : volt",
        "I",
        "w",
        stimuli=stimuli.Steps(amplitude=1 * mV),
        step=1 * ms,
    )
    with pytest.raises(ValueError, match="do not belong together"):
        trained(task).evaluate(other)
    with pytest.raises(ValueError, match="split must be"):
        trained(task).evaluate(task, "test")
    slower = make()
    slower._teacher.step = 2e-3
    with pytest.raises(ValueError, match="samples of"):
        trained(task).evaluate(slower)
