"""benchmark(): what a surrogate costs beside its equations, without flattery."""

import json

import brian2
import numpy as np
import pytest
from brian2 import Network, metre, ms, nmetre, prefs, us, volt
from brian2.devices.device import RuntimeDevice, get_device
from random_surrogates import random_surrogate

from brian2_multiscale.surrogates import EncoderDecoderCNN, SurrogateTask, stimuli
from brian2_multiscale.surrogates.benchmark import SurrogateBenchmark, benchmark
from brian2_multiscale.surrogates.benchmark_models import drives, teacher_objects

STEPS = stimuli.Steps(
    amplitude=(1 * nmetre, 50 * nmetre), length=(1 * ms, 3 * ms), zero=0.1
)
SIZE = {"stimuli": STEPS, "step": 50 * us, "duration": 20 * ms}
SIZE |= {"trials": 1, "validation_trials": 2}


@pytest.fixture(scope="module")
def task():
    model = "dv/dt = (x*1e6*volt/metre - v - 1*mV*exp(v/(10*mV)))/ms : volt\nx : metre"
    return SurrogateTask(model, "x", "v", dt=10 * us, method="euler", **SIZE)


def test_equations_get_the_signals_of_the_task(task):
    """As the teacher itself computes them, beyond the number of its trials too."""
    found = drives(task, 5, 100)
    assert found.shape == (100, 5, 1)
    prefs.codegen.target = "numpy"
    group, *others = teacher_objects(task, found)
    Network(group, *others).run(100 * 50 * us, namespace={})
    expected = task.data("validation").outputs[99, [0, 1, 0, 1, 0], 0]
    np.testing.assert_allclose(group.v_[:], expected, rtol=1e-9)
    assert np.ptp(expected) > 1e-6


def test_verdict_is_best_against_best_in_cpp():
    rows = {
        "equations, Python (numpy)": 900.0,
        "equations, C++": 4.0,
        "equations, C++, fast_equations": 1.0,
        "surrogate, C++, float64": 2.5,
        "surrogate, C++, float32": 2.0,
    }
    times = {row: {20: value} for row, value in rows.items()}
    found = SurrogateBenchmark(times=times, duration=0.1)
    assert found.ratios == {20: 0.5}
    assert (
        str(found)
        .splitlines()[-1]
        .endswith("2 times slower than its equations in C++.")
    )
    times["surrogate, C++, float32"][20] = 0.1
    assert "10 times faster" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["ratios"] == {"20": 10.0}


def test_function_has_no_equations_to_compare_with():
    def simulate(signals, step):
        return signals * 1e3

    units = {"inputs": {"x": metre}, "outputs": {"v": volt}}
    task = SurrogateTask.from_function(simulate, **units, **SIZE)
    architecture = EncoderDecoderCNN(
        layers=2, filters=4, kernel=4, left=8, right=8, window=64
    )
    shapes, data = architecture.shapes(1, 1), task.data()
    cnn = architecture.with_parameters(
        data.input_signals,
        data.output_signals,
        50 * us,
        {name: np.zeros(shape) for name, shape in shapes.items()},
    )
    found = benchmark(task, cnn, n=(1, 3), duration=20 * ms, repeats=1)
    assert list(found.times) == ["surrogate, apply (before the run)"]
    assert found.numbers == [1, 3] and not found.ratios
    assert "nothing" in str(found) or "No equations" in str(found)


@pytest.mark.long
@pytest.mark.standalone
def test_all_rows(task):
    chosen = dict(prefs.items())
    said = []
    surrogate = random_surrogate(units=3, blocks=1)
    found = benchmark(
        task, surrogate, n=2, duration=20 * ms, repeats=1, report=said.append
    )
    assert len(said) == 8 and list(found.times) == [s.split(", 2 ch")[0] for s in said]
    cost = {row: by_number[2] for row, by_number in found.times.items()}
    assert all(np.isfinite(list(cost.values())))
    assert cost["equations, C++"] < cost["equations, Python (numpy)"]
    assert 0 < found.ratios[2] < np.inf
    assert dict(prefs.items()) == chosen
    assert isinstance(get_device(), RuntimeDevice)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n": 0}, ValueError, "n must be"),
        ({"duration": 3}, Exception, "duration"),
        ({"duration": -1 * ms}, ValueError, "duration"),
        ({"repeats": 0}, ValueError, "repeats must"),
        ({"report": "text"}, TypeError, "report must be a function"),
        ({"surrogate": None}, TypeError, "trained surrogate"),
        ({"task": "v"}, TypeError, "must be a SurrogateTask"),
        ({"surrogate": random_surrogate(step=100 * us)}, ValueError, "step"),
        ({"surrogate": random_surrogate(inputs=("1",))}, ValueError, "inputs"),
    ],
)
def test_mistakes_are_found_before_anything_runs(task, arguments, error, text):
    given = {"task": task, "surrogate": random_surrogate(), **arguments}
    with pytest.raises(error, match=text):
        benchmark(**given)


def test_not_in_a_standalone_script(task):
    brian2.set_device("cpp_standalone", build_on_run=False)
    with pytest.raises(RuntimeError, match="set_device"):
        benchmark(task, random_surrogate())
