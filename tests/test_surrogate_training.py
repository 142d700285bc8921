"""Training of surrogates: derivatives, known answers, resuming, and what goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import DimensionMismatchError, ms, mV, nA, second, volt
from random_surrogates import random_parameters
from scipy.signal import lfilter

from brian2_multiscale.numerics.descent import Plan, descend
from brian2_multiscale.numerics.surrogates.compact import compact_forward
from brian2_multiscale.surrogates import (
    CompactSurrogate,
    EncoderDecoderCNN,
    Surrogate,
    SurrogateTask,
    stimuli,
)

jax = pytest.importorskip("jax")  # the optional extra 'gradients'

from brian2_multiscale.surrogates.training import compact_jax, train  # noqa: E402
from brian2_multiscale.surrogates.training.linear_states import (  # noqa: E402
    decaying_sums,
)
from brian2_multiscale.surrogates.training.losses import (  # noqa: E402
    value,
    value_and_gradient,
)
from brian2_multiscale.surrogates.training.problems import (  # noqa: E402
    FeedbackProblem,
    problem_for,
)
from brian2_multiscale.surrogates.training.segments import segments  # noqa: E402

STEP = 1e-3
SHAPES = [
    {"units": 5, "blocks": 2},
    {"units": 4, "blocks": 1, "states": 6},
    {"units": 4, "blocks": 2, "gated": True},
]


# -- the mathematics -------------------------------------------------------------------
@pytest.mark.parametrize("samples", [1, 31, 32, 33, 2100])
def test_decaying_sums(samples):
    rates = np.array([5.0, 0.3, 1e-4])
    x = np.random.default_rng(samples).normal(size=(3, 2, samples))
    expected = [
        lfilter([1], [1, -np.exp(-r)], part) for r, part in zip(rates, x, strict=True)
    ]
    with jax.enable_x64(True):
        found = decaying_sums(jax.numpy.array(rates), x)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("options", SHAPES)
@pytest.mark.parametrize("double", [False, True])
def test_same_numbers_as_numpy(options, double):
    shape = CompactSurrogate(**options).shape
    parameters = random_parameters(CompactSurrogate(**options), 2, 3)
    z = np.random.default_rng(1).normal(size=(700, 4, 2))
    expected, _ = compact_forward(parameters, shape, z, STEP)
    if double:
        with jax.enable_x64(True):
            found = compact_jax.forward(parameters, shape, z, STEP)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    else:
        single = {k: v.astype(np.float32) for k, v in parameters.items()}
        found = compact_jax.forward(single, shape, z.astype(np.float32), STEP)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("gated", [False, True])
def test_free_running_is_what_numpy_computes_with_feedback(gated):
    architecture = CompactSurrogate(4, 2, gated=gated, feedback=True)
    parameters = random_parameters(architecture, 1, 2, change=0.1)
    z = np.random.default_rng(1).normal(size=(300, 3, 1))
    expected, _ = compact_forward(parameters, architecture.shape, z, STEP)
    start = np.zeros((3, 2)), np.zeros((2, 3, 4))
    with jax.enable_x64(True):
        found = compact_jax.free_running(
            parameters, architecture.shape, z, *start, STEP
        )
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_pieces_of_trials_go_on_from_the_states_before_them():
    """From the network's own output every piece continues the whole trial."""
    architecture = CompactSurrogate(4, 2, feedback=True)
    shape = architecture.shape
    parameters = random_parameters(architecture, 1, 1, change=0.1)
    z = np.random.default_rng(1).normal(size=(90, 3, 1))
    y, _ = compact_forward(parameters, shape, z, STEP)
    before = np.concatenate([np.zeros((1, 3, 1)), y[:-1]])
    with jax.enable_x64(True):
        told = np.concatenate([z, before], axis=-1)
        states = compact_jax.states_of(parameters, shape, told, STEP)
        cut = segments(25, z, y, before, states)
        found = compact_jax.free_running(parameters, shape, cut[0], *cut[2:], STEP)
    assert found.shape == (25, 9, 1)
    np.testing.assert_allclose(found, cut[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(SHAPES[0], marks=pytest.mark.long),
        pytest.param(SHAPES[1], marks=pytest.mark.long),
        SHAPES[2],
        {"units": 3, "blocks": 1, "feedback": True},
    ],
)
def test_gradient_against_finite_differences(options):
    architecture = CompactSurrogate(**options)
    random = np.random.default_rng(2)
    z, y = (random.normal(size=(66, 2, 1)) for _ in range(2))
    both = [{"training": a, "validation": a} for a in (z, y)]
    problem = problem_for(architecture, *both, STEP, 0.02, 0.1)
    assert isinstance(problem, FeedbackProblem) == architecture.options["feedback"]
    parameters = random_parameters(architecture, 1, 1)
    vector = problem.join({k: np.asarray(v) for k, v in parameters.items()})
    arrays = problem.draw(random, 2)
    stage = 8 if architecture.options["feedback"] else None

    with jax.enable_x64(True):
        arrays = [np.asarray(a, dtype=float) for a in arrays]
        found = np.asarray(value_and_gradient(problem.loss, stage, vector, *arrays)[1])
        way = random.normal(size=vector.shape)
        ends = [
            float(value(problem.loss, stage, vector + s * 1e-5 * way, *arrays))
            for s in (1, -1)
        ]
    assert np.dot(found, way) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)
    # No derivative is zero by mistake
    assert np.count_nonzero(found) == problem.join(parameters).size


# -- descent ---------------------------------------------------------------------------
def valley(noise=0.0):
    """A long narrow valley across the axes, with noise; zero at (1, 1)."""
    turned = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    curvature = turned.T @ np.diag([1.0, 1e-3]) @ turned

    def gradient(x, number):
        random = np.random.default_rng(number)
        change = curvature @ (x - 1) + noise * random.normal(size=2)
        return 0.5 * (x - 1) @ curvature @ (x - 1), change

    return gradient, lambda x: float(gradient(x, 0)[0])


def test_descent_finds_the_end_of_a_valley():
    gradient, loss = valley(noise=1e-3)
    found = descend([-1.0, 2.0], gradient, loss, Plan(2000, 0.02, every=100))
    np.testing.assert_allclose(found.best, 1, atol=0.1)
    assert len(found.losses) == 2000 and found.stopped == "steps"
    assert found.best_loss == min(v for _, v in found.validation)


def test_a_resumed_descent_is_the_same(tmp_path):
    gradient, loss = valley(noise=0.1)
    plan, path = Plan(300, 0.02, every=20), tmp_path / "half.npz"
    whole = descend([0.0, 3.0], gradient, loss, plan)

    def failing(x, number):
        if number == 130:
            raise OSError("the power fails")
        return gradient(x, number)

    with pytest.raises(OSError, match="power"):
        descend([0.0, 3.0], failing, loss, plan, checkpoint=path)
    calls = []

    def counted(x, number):
        calls.append(number)
        return gradient(x, number)

    resumed = descend([0.0, 3.0], counted, loss, plan, checkpoint=path)
    assert calls == list(range(120, 300))
    np.testing.assert_array_equal(resumed.best, whole.best)
    assert resumed.losses == whole.losses and resumed.validation == whole.validation
    # and there is nothing left to do
    again = descend([0.0, 3.0], None, None, plan, checkpoint=path)
    np.testing.assert_array_equal(again.best, whole.best)


def test_interrupted_descent_keeps_the_best():
    gradient, loss = valley()

    def interrupted(x, number):
        if number == 50:
            raise KeyboardInterrupt
        return gradient(x, number)

    found = descend([0.0, 3.0], interrupted, loss, Plan(300, 0.05, every=20))
    assert found.stopped == "interrupted" and found.number == 50
    assert found.best_loss == min(v for _, v in found.validation)
    with pytest.raises(KeyboardInterrupt):  # nothing to return yet
        descend([0.0, 3.0], interrupted, loss, Plan(300, 0.05, every=100))


def test_time_limit():
    gradient, loss = valley()
    plan = Plan(10**7, 0.01, every=10**6, time_limit=0.2)
    found = descend([0.0, 3.0], gradient, loss, plan)
    assert found.stopped == "time limit"
    assert 0 < found.number < 10**7 and len(found.validation) >= 1
    # The learning rate has fallen by then
    assert plan.rate(found.number, 0.2) < 0.01 * plan.rate(10**6, 0.0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_names_step_and_cure(wrong):
    gradient, loss = valley()

    def spoilt(x, number):
        value, change = gradient(x, number)
        return (wrong if number == 7 else value), change

    with pytest.raises(FloatingPointError, match=r"step 7 of 50.*learning rate.*0\.3"):
        descend([0.0, 3.0], spoilt, loss, Plan(50, 0.3))


@pytest.mark.parametrize(
    "other", [{"compression": None}, {"nonnegative": True}, {"gated": True}], ids=str
)
def test_checkpoint_of_another_architecture_is_refused(tmp_path, other):
    task = SurrogateTask(
        "dv/dt = (I - v)/(10*ms) : volt",
        "I",
        "v",
        stimuli=stimuli.Steps(amplitude=(1 * mV, 20 * mV)),
        step=1 * ms,
        duration=50 * ms,
        trials=2,
        validation_trials=2,
        method="exact",
    )
    options = {"steps": 2, "checkpoint": tmp_path / "begun.npz"}
    train(task, CompactSurrogate(2, 1), **options)
    with pytest.raises(ValueError, match="belongs to another training"):
        train(task, CompactSurrogate(2, 1, **other), **options)


def test_checkpoint_of_something_else_is_refused(tmp_path):
    gradient, loss = valley()
    path = tmp_path / "other.npz"
    descend([0.0, 3.0], gradient, loss, Plan(5, 0.1, every=5), checkpoint=path, key="a")
    with pytest.raises(ValueError, match="belongs to another training"):
        descend([0.0, 3.0], gradient, loss, Plan(5, 0.1), checkpoint=path, key="b")
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="damaged or something else"):
        descend([0.0, 3.0], gradient, loss, Plan(5, 0.1), checkpoint=path, key="a")
    with pytest.raises(ValueError, match="there is no folder"):
        descend([0.0], None, None, Plan(1, 1.0), checkpoint=tmp_path / "no" / "a.npz")
    with pytest.raises(ValueError, match=r"end in '\.npz'"):
        descend([0.0], None, None, Plan(1, 1.0), checkpoint=tmp_path / "a.dat")


# -- known answers ---------------------------------------------------------------------
NOISE = stimuli.OrnsteinUhlenbeck(amplitude=(1 * mV, 30 * mV), time_constant=5 * ms)


def function_task(answer, trials=48, samples=400, **others):
    return SurrogateTask.from_function(
        lambda signals, step: answer(signals),
        {"x": volt},
        {"y": volt},
        stimuli=NOISE,
        step=STEP * second,
        duration=samples * STEP * second,
        trials=trials,
        validation_trials=8,
        **others,
    )


def two_filters(x):
    """A band: the difference of two leaks, of 5 and 40 ms."""
    fast, slow = (np.exp(-STEP / tau) for tau in (5e-3, 40e-3))
    return lfilter([1 - fast], [1, -fast], x, axis=0) - 0.5 * lfilter(
        [1 - slow], [1, -slow], x, axis=0
    )


def test_a_linear_filter_bank_is_learned():
    architecture = CompactSurrogate(4, 1, compression=None)
    task = function_task(two_filters)
    found = train(task, architecture, steps=1500, learning_rate=0.03)
    assert found.evaluate(task)["y"]["nrmse"] < 0.01
    assert found.meta["metrics"]["validation"]["y"]["nrmse"] < 0.01
    assert not architecture.trained


def test_a_static_nonlinearity_is_learned():
    def saturating(x):
        return 0.01 * (np.tanh((x - 0.01) / 0.01) - np.tanh(-1.0))

    task = function_task(saturating)
    found = train(task, CompactSurrogate(6, 1), steps=1500)
    assert found.evaluate(task)["y"]["nrmse"] < 0.01
    assert found.evaluate(task)["y"]["rest_error"] == 0 * volt


def test_a_model_of_brian2_with_feedback():
    """An integrator: only with feedback its memory has no end."""
    task = SurrogateTask(
        "dv/dt = (I/nA*10*mV - v)/(20*ms) : volt",
        "I",
        "v",
        stimuli=stimuli.Steps(amplitude=(0.1 * nA, 1 * nA), sign=0),
        step=1 * ms,
        duration=100 * ms,
        trials=32,
        validation_trials=8,
        method="exact",
        namespace={"nA": nA},
    )
    architecture = CompactSurrogate(4, 1, feedback=True, compression=None)
    found = train(task, architecture, steps=400, learning_rate=0.02)
    assert found.evaluate(task)["v"]["nrmse"] < 0.02


def test_training_resumes_where_it_was(tmp_path, monkeypatch):
    task, architecture = function_task(two_filters, 16, 200), CompactSurrogate(3, 1)
    whole = train(task, architecture, steps=60, batch=4)
    path = tmp_path / "check.npz"

    class Stop(Exception):
        pass

    module = sys.modules["brian2_multiscale.surrogates.training.problems"]
    draw, calls = module.CompactProblem.draw, []

    def failing(self, random, batch):
        calls.append(batch)
        if len(calls) == 31:
            raise Stop
        return draw(self, random, batch)

    monkeypatch.setattr(module.CompactProblem, "draw", failing)
    with pytest.raises(Stop):
        train(task, architecture, steps=60, batch=4, checkpoint=path)
    resumed = train(task, architecture, steps=60, batch=4, checkpoint=path)
    assert len(calls) == 31 + 30
    for name, known in whole.parameters.items():
        np.testing.assert_array_equal(resumed.parameters[name], known)
    np.testing.assert_array_equal(resumed.history["loss"], whole.history["loss"])
    with pytest.raises(ValueError, match="another training"):
        train(task, architecture, steps=60, batch=4, checkpoint=path, seed=1)


def test_seeds_history_and_meta(tmp_path):
    task, architecture = function_task(two_filters, 16, 200), CompactSurrogate(3, 1)
    one, same, other = (
        train(task, architecture, steps=40, batch=4, seed=s) for s in (1, 1, 2)
    )
    assert all(
        np.array_equal(one.parameters[k], same.parameters[k]) for k in one.shapes(1, 1)
    )
    assert not np.array_equal(one.parameters["W"], other.parameters["W"])
    assert one.history["loss"].shape == (40,)
    assert one.history["validation_step"][-1] == 40
    assert one.meta["model_hash"] == task.hash
    assert one.meta["training"]["seed"] == 1 and one.meta["training"]["steps"] == 40
    one.save(tmp_path / "one.npz")  # what it says of itself is JSON
    again = Surrogate.load(tmp_path / "one.npz")
    assert again.meta["task"]["stimuli"] and again.meta["metrics"]["validation"]


def test_training_goes_on_from_a_trained_surrogate():
    task, architecture = function_task(two_filters, 16, 200), CompactSurrogate(3, 1)
    first = train(task, architecture, steps=150, batch=8)
    more = train(task, first, steps=5, learning_rate=1e-6)
    last = first.history["validation_loss"].min()
    assert more.history["validation_loss"][0] == pytest.approx(last, rel=0.02)
    elsewhere = function_task(two_filters, 16, 200, scale={"x": 1 * volt})
    with pytest.raises(ValueError, match="same scale"):
        train(elsewhere, first, steps=5)


def test_a_small_cnn_learns():
    architecture = EncoderDecoderCNN(
        layers=2, filters=8, kernel=4, left=32, right=32, window=64
    )
    task = function_task(two_filters, 16, 256)
    found = train(task, architecture, steps=60, batch=16)
    assert np.mean(found.history["loss"][-10:]) < 0.5 * found.history["loss"][0]
    assert isinstance(found, EncoderDecoderCNN) and found.trained


def test_report(capsys):
    task = function_task(two_filters, 4, 100)
    train(task, CompactSurrogate(2, 1), steps=4, report="stdout")
    assert "step 4 of 4" in capsys.readouterr().out


# -- what goes wrong -------------------------------------------------------------------
def test_without_jax_the_command_is_named():
    """And everything else can be imported."""
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "from brian2 import ms, mV\n"
        "from brian2_multiscale.surrogates import *\n"
        "from brian2_multiscale.surrogates import stimuli\n"
        "from brian2_multiscale.surrogates.training import train\n"
        "task = SurrogateTask('dv/dt = (I - v)/(9*ms) : volt', 'I', 'v', step=1*ms,\n"
        "                     stimuli=stimuli.Steps(amplitude=1*mV), method='exact')\n"
        "try:\n"
        "    train(task, CompactSurrogate())\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'pip install "brian2-multiscale[gradients]"' in found.stdout
    assert "Training a surrogate needs the package 'jax'" in found.stdout


def test_nan_in_training_names_step_and_cure():
    task = function_task(two_filters, 8, 100)
    with pytest.raises(FloatingPointError, match=r"step \d+ of 30.*learning rate"):
        train(task, CompactSurrogate(3, 1, gated=True), steps=30, learning_rate=1e30)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"steps": 0}, ValueError, "steps must be"),
        ({"batch": 0}, ValueError, "batch must be"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a positive"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate must be a positive"),
        ({"time_limit": 5}, DimensionMismatchError, "time_limit"),
        ({"slowest": 5 * mV}, DimensionMismatchError, "slowest"),
        ({"balance": -1}, ValueError, "balance must be a positive"),
        ({"seed": -1}, ValueError, "seed"),
        ({"report": "loud"}, ValueError, "report must be"),
        ({"checkpoint": ""}, TypeError, "checkpoint must be"),
    ],
)
def test_bad_arguments_are_refused_before_any_data_are_made(change, error, message):
    task = function_task(None)
    with pytest.raises(error, match=message):
        train(task, CompactSurrogate(), **change)


@pytest.mark.parametrize("pair", [("task", CompactSurrogate()), (None, "net")])
def test_what_is_no_task_or_surrogate(pair):
    with pytest.raises(TypeError, match="must be a"):
        train(*pair)
