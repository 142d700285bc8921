"""Tasks for surrogates: the teacher, its rest, its data, arguments that are refused."""

import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import brian2
import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Equations,
    Hz,
    TimedArray,
    cm,
    metre,
    ms,
    mV,
    nA,
    nmetre,
    prefs,
    second,
    uA,
    us,
    volt,
)
from numpy.testing import assert_allclose, assert_array_equal

from brian2_multiscale import Mechanism
from brian2_multiscale.surrogates import SurrogateTask, stimuli

RC = "dv/dt = (I - v)/tau : volt"
TAU = 10 * ms
tau = TAU  # what the equations refer to
STEPS = stimuli.Steps(amplitude=(1 * mV, 20 * mV), zero=0.0)


def make(model=RC, input="I", output="v", **kwds):
    values = {
        "stimuli": STEPS,
        "step": 1 * ms,
        "method": "exact",
        "duration": 50 * ms,
        "trials": 3,
        "validation_trials": 2,
    }
    return SurrogateTask(model, input, output, **{**values, **kwds})


class Shuffled:
    """An executor of another machine: jobs travel as bytes, the last is the first."""

    def submit(self):
        raise NotImplementedError

    def map(self, function, jobs):
        sent = [pickle.dumps((function, job)) for job in jobs]
        done = {}
        for k in reversed(range(len(sent))):
            there, job = pickle.loads(sent[k])
            done[k] = pickle.dumps(there(job))
        return [pickle.loads(done[k]) for k in range(len(sent))]


def held_response(signal, step, time_constant=float(TAU), start=0.0):
    """Low-pass filter of a signal that is constant during samples, at their ends."""
    keep, y, found = np.exp(-step / time_constant), start, []
    for x in signal:
        y = x + (y - x) * keep
        found.append(y)
    return np.array(found)


# -- what a sample is ----------------------------------------------------------------
@pytest.mark.parametrize("dt", [None, 0.5 * ms, 0.1 * ms])
def test_held_input_has_the_closed_form_at_the_end_of_a_sample(dt):
    data = make(dt=dt).data()
    assert data.inputs.shape == data.outputs.shape == (50, 3, 1)
    assert data.step == 1e-3
    expected = held_response(data.inputs[..., 0], 1e-3)
    assert_allclose(data.outputs[..., 0], expected, rtol=0, atol=1e-10 * expected.max())


def test_subexpression_sees_the_input_of_its_own_sample():
    model = RC + "\ny = 2*I + v : volt"
    data = make(model, output=["v", "y"], dt=0.25 * ms).data()
    v, y = np.moveaxis(data.outputs, -1, 0)
    assert_allclose(y, 2 * data.inputs[..., 0] + v, rtol=1e-12)
    assert [s.name for s in data.output_signals] == ["v", "y"]


def test_step_response_is_exponential():
    task = make(dt=0.2 * ms)
    found = task.simulate(np.full((30, 1, 1), 0.01))[:, 0, 0]
    time = np.arange(1, 31) * 1e-3
    assert_allclose(found, 0.01 * -np.expm1(-time / 10e-3), rtol=1e-10)


def test_band_limited_input_is_a_smooth_signal():
    noise = stimuli.ModulatedNoise(amplitude=1 * mV, band=(100 * Hz, 300 * Hz))
    kwds = {"step": 0.5 * ms, "dt": 0.1 * ms, "interpolation": "band-limited"}
    data = make("y = I : volt\n" + RC, output="y", stimuli=noise, **kwds).data()
    x, y = data.inputs[..., 0], data.outputs[..., 0]
    assert_allclose(y, x, rtol=0, atol=2e-3 * np.abs(x).max())


def test_band_limited_output_is_that_after_the_first_substep():
    frequency, dt = 200.0, 0.02e-3
    task = make(step=0.5 * ms, dt=dt * second, interpolation="band-limited")
    times = np.arange(400) * 0.5e-3
    signal = np.sin(2 * np.pi * frequency * times)
    found = task.simulate(signal[:, None, None])[200:380, 0, 0]
    gain = 1 / (1 + 2j * np.pi * frequency * float(TAU))
    # the held input of a substep is on average half a substep late
    at = 2j * np.pi * frequency * (times[200:380] + dt / 2)
    assert_allclose(found, np.imag(gain * np.exp(at)), rtol=0, atol=2e-3 * abs(gain))
    sample_later = np.imag(gain * np.exp(at + 2j * np.pi * frequency * 0.5e-3))
    assert np.abs(found - sample_later).max() > 0.3 * abs(gain)


def test_several_inputs():
    model = "dv/dt = (a - 2*b - v)/tau : volt"
    both = {"a": STEPS, "b": [STEPS, stimuli.Ramps(amplitude=5 * mV)]}
    data = make(model, ["a", "b"], stimuli=both).data()
    assert data.inputs.shape == (50, 3, 2)
    a, b = np.moveaxis(data.inputs, -1, 0)
    assert np.all(np.any(a != b, axis=0))  # each with seeds of its own
    expected = held_response(a - 2 * b, 1e-3)
    assert_allclose(data.outputs[..., 0], expected, rtol=0, atol=1e-12)


def test_input_is_a_parameter_or_a_free_name():
    free = make().data()
    declared = make(Equations(RC + "\nI : volt")).data()
    flagged = make(RC + "\nI : volt (constant)").data()
    assert_array_equal(free.outputs, declared.outputs)
    assert_array_equal(free.outputs, flagged.outputs)


def test_constants_are_those_of_the_caller_when_the_task_is_made():
    kwds = {"stimuli": STEPS, "step": 1 * ms, "method": "exact", "duration": 50 * ms}
    tau = 3 * ms  # noqa: F841
    task = SurrogateTask(RC, "I", "v", trials=3, **kwds)
    tau = 50 * ms  # noqa: F841
    data = task.data()
    expected = held_response(data.inputs[..., 0], 1e-3, 3e-3)
    assert_allclose(data.outputs[..., 0], expected, rtol=0, atol=1e-12)
    other = make(namespace={"tau": 7 * ms}).data()
    expected = held_response(data.inputs[..., 0], 1e-3, 7e-3)
    assert_allclose(other.outputs[..., 0], expected, rtol=0, atol=1e-12)


def test_connect_adds_objects():
    def connect(group):
        group.run_regularly("v = 0*volt", dt=5 * ms, when="end")

    task = make(connect=connect)
    data = task.data()
    resets = data.outputs[::5, :, 0]
    # the reset comes in the step that begins samples 0, 5, 10, ...
    assert_array_equal(resets, 0)
    assert np.all(data.outputs[1::5][:, data.inputs[1::5].any(axis=(0, 2))].any())


# -- rest ----------------------------------------------------------------------------
def test_rest_of_a_nonlinear_model_and_of_its_input():
    model = "dv/dt = (I + 3*volt - v - v**3/volt**2)/tau : volt"
    task = make(model, method="rk4", rest={"I": 7 * volt})
    assert task.rest == {"I": 7.0, "v": pytest.approx(2.0, rel=1e-10)}
    data = task.data()
    assert data.inputs.min() >= 7.0 and data.input_signals[0].rest == 7.0
    found = task.simulate(np.full((5, 2, 1), 7.0))
    assert_allclose(found, task.rest["v"], rtol=1e-12)


def test_slow_variables_settle_too():
    model = "dv/dt = (I - w - v)/tau : volt\ndw/dt = (3*mV - w)/(0.5*second) : volt"
    task = make(model, method="exponential_euler", settle=20 * second)
    assert_allclose(task.rest["v"], -3e-3, rtol=1e-9)


def test_rest_of_the_inner_hair_cell():
    noise = stimuli.ModulatedNoise(amplitude=(1 * nmetre, 300 * nmetre))
    task = SurrogateTask(
        Mechanism("ihc_verhulst2018"), "x", stimuli=noise, step=50 * us, dt=10 * us
    )
    assert task.outputs == ("v",)
    assert_allclose(task.rest["v"], -57.6563e-3, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "model, kwds",
    [
        (
            "dv/dt = w/tau : volt\ndw/dt = (I - v)/tau : volt",
            {"method": "rk4", "dt": 0.5 * ms},
        ),
        ("dv/dt = (I - v)/tau + mV*xi/sqrt(tau) : volt", {"method": "euler"}),
        (
            "dv/dt = (I + 20*mV - v)/tau : volt",
            {"threshold": "v > 10*mV", "reset": "v = 0*mV"},
        ),
    ],
    ids=["oscillator", "noise", "spikes"],
)
def test_no_equilibrium_is_an_error_that_says_what_to_do(model, kwds):
    task = make(model, initial={"v": 1 * mV}, settle=0.5 * second, **kwds)
    with pytest.raises(
        ValueError, match="not in equilibrium after .* v went from"
    ) as e:
        task.data()
    for word in ("initial", "settle", "rest", "feedback"):
        assert word in str(e.value)


def test_model_without_equilibrium_with_a_given_rest():
    spiking = {"threshold": "v > 10*mV", "reset": "v = 0*mV"}
    model = "dv/dt = (I + 20*mV - v)/tau : volt"
    task = make(model, rest={"v": 2 * mV}, initial={"v": 5 * mV}, **spiking)
    found = task.simulate(np.zeros((50, 1, 1)))[:, 0, 0]
    expected = 0.02 + (0.005 - 0.02) * np.exp(-0.1)
    assert_allclose(found[0], expected, rtol=1e-12)  # begins with initial
    assert found.max() < 0.01  # and fires
    assert task.data().output_signals[0].rest == 2e-3


def test_values_at_rest_that_are_not_finite():
    model = "dv/dt = (I + 1*volt*log(g) - v)/tau : volt\ng : 1"
    with pytest.raises(ValueError, match="not finite.*initial"):
        make(model, method="euler").data()
    assert make(model, method="euler", initial={"g": 1}).rest["v"] == pytest.approx(0)


# -- data depend on the arguments only -----------------------------------------------
def test_trials_do_not_depend_on_their_number_or_on_other_splits():
    few, many = make(trials=2), make(trials=5)
    validation = many.data("validation").inputs
    assert_array_equal(few.data().inputs, many.data().inputs[:, :2])
    assert_array_equal(few.data("validation").inputs, validation)
    everything = np.concatenate([many.data().inputs, validation], axis=1)
    assert len(np.unique(everything[:, :, 0], axis=1).T) == 7
    assert not np.array_equal(make(seed=1).data().inputs, make().data().inputs)


@pytest.mark.parametrize("noise", ["", " + mV*xi/sqrt(tau)"])
def test_executor_and_order_change_nothing(noise):
    kwds = {"trials": 40, "duration": 5 * ms, "method": "euler", "rest": {"v": 0 * mV}}
    model = f"dv/dt = (I - v)/tau{noise} : volt"
    here = make(model, **kwds).data()
    there = make(model, **kwds).data(executor=Shuffled())
    assert_array_equal(here.inputs, there.inputs)
    assert_array_equal(here.outputs, there.outputs)
    assert here.input_signals == there.input_signals


def test_random_models_have_seeds_from_the_task():
    weak = stimuli.Steps(amplitude=1e-9 * mV)
    kwds = {"trials": 40, "duration": 5 * ms, "rest": {"v": 0 * mV}, "stimuli": weak}
    model = "dv/dt = (I - v)/tau + mV*xi/sqrt(tau) : volt"
    brian2.seed(1)
    first = make(model, method="euler", **kwds).data()
    brian2.seed(2)
    again = make(model, method="euler", **kwds)
    assert_array_equal(again.data().outputs, first.outputs)
    # noise of its own in every trial, whatever trials run together, from the first step
    noise = [d.outputs[0, :, 0] for d in (first, again.data("validation"))]
    assert len(np.unique(np.round(np.concatenate(noise), 9))) == 42


def test_errors_of_other_processes_arrive():
    task = make("dv/dt = (I - v)/tau : volt", connect=fails_with_many, trials=40)
    with pytest.raises(
        RuntimeError, match="simulation of the model failed.*on purpose"
    ):
        task.data(executor=Shuffled())


def fails_with_many(group):
    if len(group) > 1:
        raise OSError("on purpose")


def test_timed_arrays_travel():
    ramp = TimedArray(np.arange(60) * mV, dt=1 * ms)
    task = make(
        "dv/dt = (I + ramp(t) - v)/tau : volt",
        namespace={"ramp": ramp},
        rest={"v": 0 * mV},
    )
    data = task.data()
    expected = held_response(data.inputs[..., 0] + np.arange(50)[:, None] * 1e-3, 1e-3)
    assert_allclose(data.outputs[..., 0], expected, rtol=0, atol=1e-12)
    there = pickle.loads(pickle.dumps(task)).data()
    assert_array_equal(there.outputs, data.outputs)


def test_data_are_computed_once_and_scaled_by_training():
    task = make(held_out=stimuli.Ramps(amplitude=1 * mV))
    assert task.splits == ("training", "validation", "held_out")
    training, validation = task.data(), task.data("validation")
    assert task.data().outputs is training.outputs
    assert validation.input_signals == training.input_signals
    assert task.data("held_out").inputs.max() <= 1e-3
    (signal,) = training.output_signals
    assert_allclose(signal.scale, np.sqrt(np.mean(training.outputs**2)))
    assert signal.low == training.outputs.min() and signal.dim is volt.dim
    (signal,) = training.input_signals
    power = np.mean(training.inputs[..., 0] ** 2, axis=0)
    assert_allclose(signal.scale, np.exp(0.5 * np.mean(np.log(power))))
    given = make(scale={"I": 5 * mV}).data()
    assert given.input_signals[0].scale == 5e-3


def test_user_settings_stay_as_they_were():
    brian2.seed(99)
    before = brian2.device.get_random_state()["numpy_state"][1].copy()
    target = prefs.codegen.target
    make().data()
    assert prefs.codegen.target == target
    assert_array_equal(brian2.device.get_random_state()["numpy_state"][1], before)


def test_recipe_and_hash():
    task = make(held_out=[STEPS + STEPS, stimuli.Pulses(amplitude=1 * mV)])
    recipe = json.loads(json.dumps(task.recipe))
    assert recipe["stimuli"]["training"]["I"][0]["kind"] == "Steps"
    assert recipe["rest"] == {"I": 0.0, "v": 0.0} and recipe["seed"] == 0
    assert task.hash == make(seed=5).hash
    others = [
        make(namespace={"tau": 11 * ms}),
        make(step=2 * ms),
        make(dt=0.5 * ms),
        make(initial={"v": 1 * mV}),
        make("dv/dt = (2*I - v)/tau : volt"),
    ]
    assert len({task.hash, *(o.hash for o in others)}) == 6


def test_mechanism_brings_its_threshold():
    current = stimuli.Steps(amplitude=(5 * uA / cm**2, 30 * uA / cm**2))
    task = SurrogateTask(
        Mechanism("hodgkin_huxley"),
        "I",
        "v",
        stimuli=current,
        step=0.1 * ms,
        dt=0.05 * ms,
        duration=40 * ms,
        trials=4,
    )
    assert task.spike_levels == {"v": 0.0}
    assert_allclose(task.rest["v"], -65e-3, atol=1e-4)
    assert task.data().outputs.max() > 0.02


# -- other sources -------------------------------------------------------------------
def test_stimuli_through_another_task():
    first = make()
    second_ = make("dw/dt = (v - w)/(2*ms) : volt", "v", "w", through=first)
    data = second_.data()
    assert_array_equal(data.inputs, first.data().outputs)
    expected = held_response(data.inputs[..., 0], 1e-3, 2e-3)
    assert_allclose(data.outputs[..., 0], expected, rtol=0, atol=1e-12)
    assert second_.recipe["through"]["model"] == first.hash


def test_rest_comes_from_the_stage_before():
    first = make("dv/dt = (I - 60*mV - v)/tau : volt")
    second_ = make("dw/dt = (v - w)/(2*ms) : volt", "v", "w", through=first)
    assert_allclose([second_.rest["v"], second_.rest["w"]], -60e-3, rtol=1e-9)


def rectified(signals, step):
    return np.maximum(signals, 0) * 1e-9 + 2e-9


def test_stimuli_through_a_function():
    plain = stimuli.OrnsteinUhlenbeck(amplitude=1.0)
    model = "dv/dt = (I/nA*mV - v)/tau : volt\nI : amp"
    task = make(model, stimuli=plain, through=rectified)
    assert task.rest == {"I": 2e-9, "v": pytest.approx(2e-3)}
    inputs = task.data().inputs
    assert inputs.min() == 2e-9 and inputs.max() > 3e-9
    assert task.recipe["through"]["function"].startswith("rectified")


def smoothed(signals, step):
    assert step == 1e-3
    return held_response(signals, step) - 0.07


def test_function_as_teacher():
    kwds = {"stimuli": STEPS, "step": 1 * ms, "duration": 50 * ms, "trials": 3}
    task = SurrogateTask.from_function(smoothed, {"x": volt}, {"y": volt}, **kwds)
    assert task.rest == {"x": 0.0, "y": -0.07}
    data = task.data()
    assert_allclose(data.outputs, held_response(data.inputs, 1e-3) - 0.07)
    assert data.output_signals[0].rest == -0.07
    assert_array_equal(data.inputs, make().data().inputs)
    there = pickle.loads(pickle.dumps(task)).data()
    assert_array_equal(there.outputs, data.outputs)

    def wrong(signals, step):
        return signals[:, 0]

    task = SurrogateTask.from_function(wrong, {"x": volt}, {"y": volt}, **kwds)
    with pytest.raises(ValueError, match=r"wrong.*shape.*\(1000, 1, 1\)"):
        task.data()


def test_recorded_data():
    x = np.random.default_rng(1).normal(size=(30, 10))
    x[0] = 0
    y = x + 0.5
    inputs, outputs = {"x": x * metre}, {"y": y * volt}
    task = SurrogateTask.from_data(inputs, outputs, step=1 * ms, validation=0.3)
    assert_array_equal(task.data().inputs[..., 0], x[:, :7])
    assert_array_equal(task.data("validation").outputs[..., 0], y[:, 7:])
    assert task.rest == {"x": 0.0, "y": 0.5}
    assert task.splits == ("training", "validation")
    with pytest.raises(ValueError, match="recorded"):
        task.simulate(np.zeros((3, 1, 1)))
    with pytest.raises(ValueError, match="same samples and trials"):
        SurrogateTask.from_data(inputs, {"y": y[1:] * volt}, step=1 * ms)
    with pytest.raises(ValueError, match="nan"):
        SurrogateTask.from_data({"x": x * np.nan * metre}, outputs, step=1 * ms)


# -- refused arguments ---------------------------------------------------------------
@pytest.mark.parametrize(
    "kwds, error, message",
    [
        ({"dt": 0.3 * ms}, ValueError, r"step=1\. ms and dt=300\. us.*0\.333"),
        ({"dt": 2 * ms}, ValueError, "multiple of dt"),
        ({"step": 1}, DimensionMismatchError, "step must be a time"),
        ({"step": 0 * ms}, ValueError, "step must be a positive"),
        ({"input": "J"}, ValueError, "input 'J' is unknown.*I"),
        ({"input": "v"}, ValueError, "input 'v' is computed"),
        ({"output": "vv"}, ValueError, "output 'vv' is unknown.*mean v"),
        ({"output": None}, TypeError, "output must name"),
        ({"output": ["v", "v"]}, ValueError, "different variables"),
        ({"stimuli": []}, TypeError, "at least one"),
        ({"stimuli": 3 * mV}, TypeError, "stimuli must be a stimulus"),
        ({"stimuli": {"J": STEPS}}, ValueError, "must be for"),
        ({"held_out": stimuli.Steps(amplitude=1 * nA)}, DimensionMismatchError, "volt"),
        ({"stimuli": stimuli.Tones(amplitude=1 * mV)}, ValueError, "5000 Hz.*500 Hz"),
        ({"interpolation": "linear"}, ValueError, "'held' or 'band-limited'"),
        ({"trials": 0}, ValueError, "trials must be positive"),
        ({"trials": 2.5}, TypeError, "trials must be a whole"),
        ({"duration": 1 * ms}, ValueError, "two steps"),
        ({"duration": np.inf * ms}, ValueError, "duration"),
        ({"seed": -1}, ValueError, "seed"),
        ({"method": "eulr"}, ValueError, "method must be one of"),
        ({"rest": {"q": 1}}, ValueError, "rest has"),
        ({"rest": {"I": 1 * ms}}, DimensionMismatchError, "volt"),
        ({"scale": {"q": 1}}, ValueError, "scale has"),
        ({"scale": {"I": -1 * mV}}, ValueError, "scale must be positive"),
        ({"through": 3}, TypeError, "through must be"),
        ({"model": 3}, TypeError, "model must be"),
        ({"connect": 3}, TypeError, "connect must be"),
        ({"initial": {"g": 1}}, ValueError, "initial 'g' is unknown"),
        ({"model": RC + "\nI : amp"}, ValueError, "cannot run.*inconsistent units"),
    ],
)
def test_refused_before_anything_runs(kwds, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        make(**kwds)


def test_unit_of_stimulus_is_that_of_the_equations():
    with pytest.raises(DimensionMismatchError, match="amplitude of Steps.*volt"):
        make(RC + "\nI : volt", stimuli=stimuli.Steps(amplitude=1 * nA))
    with pytest.raises(ValueError, match="(?s)model cannot run.*'I' has unit A"):
        make(stimuli=stimuli.Steps(amplitude=1 * nA))


def test_stages_must_fit():
    first = make()
    with pytest.raises(ValueError, match="steps of"):
        make(through=first, step=2 * ms)
    with pytest.raises(DimensionMismatchError, match="becomes the input"):
        make("dw/dt = (J*ohm - w)/tau : volt\nJ : amp", "J", "w", through=first)
    with pytest.raises(ValueError, match="as many"):
        make(
            "dw/dt = (J + I - w)/tau : volt\nI : volt\nJ : volt",
            ["I", "J"],
            "w",
            through=first,
        )


def test_unit_of_an_input_that_nobody_knows():
    with pytest.raises(ValueError, match="unit of input 'I' is not known"):
        make(stimuli=stimuli.Steps(amplitude=1.0), through=rectified)


def test_nothing_to_learn():
    with pytest.raises(ValueError, match="output 'v' stays at its rest"):
        make("dv/dt = (0*I - v)/tau : volt").data()


def test_nan_names_trial_stimulus_and_time():
    model = "dv/dt = (I - v)/tau : volt\ny = 1*volt*sqrt(0.015 - I/volt) : volt"
    task = make(model, output="y", duration=200 * ms, trials=6)
    with pytest.raises(ValueError, match="'y' is nan in trial") as e:
        task.data()
    assert "Steps" in str(e.value) and " ms on" in str(e.value)
    trial = int(str(e.value).split("trial ")[1].split(" ")[0])
    signals = task._source("training").draw(range(6))[..., 0]
    assert trial == np.flatnonzero((signals > 0.015).any(axis=0))[0]


def test_standalone_programs_are_refused():
    task = make()
    brian2.set_device("cpp_standalone", build_on_run=False)
    with pytest.raises(RuntimeError, match="before set_device"):
        task.data()


def test_wrong_shape_for_simulate():
    with pytest.raises(ValueError, match="samples, trials, inputs"):
        make().simulate(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="'I' is nan in trial 0 from 2. ms"):
        make().simulate(np.full((5, 1, 1), [[[0.0]], [[0]], [[np.nan]], [[0]], [[0]]]))


def test_progress_is_reported(capsys):
    make(trials=40, duration=5 * ms).data(report="text")
    assert "%" in capsys.readouterr().out
    with pytest.raises(ValueError, match="report"):
        make().data(report="loud")
    with pytest.raises(TypeError, match="executor"):
        make().data(executor=3)


def test_repr():
    assert "3 + 2 trials of 50. ms" in repr(make())
    assert "3 trials of 50 samples of 1. ms" in repr(make().data())


# -- other processes and compilers -----------------------------------------------------
@pytest.mark.long
def test_processes_that_share_nothing():
    kwds = {"trials": 40, "duration": 5 * ms, "method": "euler", "rest": {"v": 0 * mV}}
    model = "dv/dt = (I - v)/tau + mV*xi/sqrt(tau) : volt"
    here = make(model, **kwds).data()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        there = make(model, **kwds).data(executor=pool)
    assert_array_equal(here.outputs, there.outputs)


@pytest.mark.long
def test_compiled_teacher_gives_the_same():
    model = "dv/dt = (I - v + 2*mV*tanh(v/(3*mV)))/tau : volt\ny = v**2/mV : volt"
    kwds = {"output": ["v", "y"], "dt": 0.2 * ms, "method": "rk4"}
    expected = make(model, **kwds).data().outputs
    prefs.codegen.target = "cython"
    found = make(model, **kwds).data().outputs
    assert_allclose(found, expected, rtol=1e-10, atol=1e-16)
