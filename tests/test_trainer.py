"""Training of networks: what is kept, what is refused, and that it can be resumed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    NeuronGroup,
    Quantity,
    SpikeGeneratorGroup,
    SpikeMonitor,
    Synapses,
    defaultclock,
    get_dimensions,
    ms,
    mV,
    nS,
    seed,
    siemens,
    volt,
)
from hypothesis import given, settings
from hypothesis import strategies as st

jax = pytest.importorskip("jax")  # the optional extra 'gradients'

from brian2_multiscale.gradients.network.network import DifferentiableNetwork  # noqa: E402
from brian2_multiscale.gradients.surrogate_gradient import (  # noqa: E402
    SurrogateGradient,
)
from brian2_multiscale.gradients.training.trainer import Trainer  # noqa: E402

ROOT = Path(__file__).parents[1]
STEPS, SOURCES = 6, 4


class Filter:
    """Weights of some inputs into one leaky unit: a network that needs no Brian2."""

    names = ["synapses.w", "neurons.b"]
    dimensions = {"synapses.w": get_dimensions(1), "neurons.b": get_dimensions(1)}

    def __init__(self, w=(0.5, 0.5, 0.5, 0.5), b=0.1):
        self.initial = {"synapses.w": np.array(w, dtype=float), "neurons.b": [b]}
        self.initial["neurons.b"] = np.array([b])
        self.written = None

    def run(self, params=None, inputs=None, seed=None):
        params = self.initial if params is None else params
        drive = inputs["x"] @ params["synapses.w"] + params["neurons.b"][0]
        y = [0 * drive[:, 0]]
        for now in drive.T:
            y.append(0.5 * y[-1] + now)
        return {"out.y": jax.numpy.stack(y[1:], axis=1)[..., None]}

    def value_and_grad(self, f):
        @jax.jit
        @jax.value_and_grad
        def found(params, inputs, args):
            return f(self.run(params, inputs), *args)

        def both(params, inputs=None, args=(), seed=None):
            with jax.enable_x64(True):
                value, change = found(params, inputs, args)
                return value, {n: np.asarray(c) for n, c in change.items()}

        return both

    def write_back(self, params=None):
        self.written = params


def square(outputs, target):
    return jax.numpy.mean((outputs["out.y"] - target) ** 2)


TRUE = {"synapses.w": np.array([0.3, -0.4, 0.0, 0.9]), "neurons.b": np.array([0.2])}


def batches(number):
    x = np.random.default_rng([3, number + 1]).normal(size=(5, STEPS, SOURCES))
    with jax.enable_x64(True):
        target = np.asarray(Filter().run(TRUE, {"x": x})["out.y"])
    return {"x": x}, (target,)


def trained(steps=40, every=10, checkpoint=None, on=batches, **choices):
    trainer = Trainer(Filter(), square, **({"lr": 0.05} | choices))
    trainer.fit(on, steps, every=every, checkpoint=checkpoint, validate=[batches(-1)])
    return trainer


# -- what it finds ---------------------------------------------------------------------
def test_finds_the_parameters_and_writes_the_best_back():
    trainer = trained(300)
    for name, values in TRUE.items():
        np.testing.assert_allclose(trainer.best[name], values, atol=0.01)
    history = trainer.history
    assert len(history["loss"]) == 300 and history["stopped"] == "steps"
    assert history["validation_loss"].min() < 1e-4
    trainer.write_back()
    np.testing.assert_array_equal(
        trainer.network.written["synapses.w"], trainer.best["synapses.w"]
    )


def test_first_step_is_that_of_adam():
    """By hand: the first step of Adam has the length lr along every parameter."""
    trainer = trained(1)
    network, (inputs, args) = Filter(), batches(0)
    _, change = network.value_and_grad(square)(network.initial, inputs, args)
    for name, first in network.initial.items():
        moved = first - 0.05 * np.sign(change[name])
        np.testing.assert_allclose(trainer.parameters[name], moved, rtol=1e-6)


def test_without_validation_the_mean_loss_decides():
    trainer = Trainer(Filter(), square, lr=0.05)
    history = trainer.fit(batches, 30, every=10)
    means = history["loss"].reshape(3, 10).mean(axis=1)
    np.testing.assert_allclose(history["validation_loss"], means)


def test_validation_by_a_function_of_the_parameters():
    trainer = Trainer(Filter(), square, lr=0.05)
    trainer.fit(batches, 5, every=1, validate=lambda p: -p["neurons.b"][0])
    assert trainer.history["validation_loss"].min() == -trainer.best["neurons.b"][0]


def test_the_best_is_judged_by_one_loss():
    """Also if earlier steps were judged by another one, in memory or on disk."""
    judge = lambda parameters: 10 + parameters["neurons.b"][0]  # noqa: E731
    trainer = Trainer(Filter(b=-1), square, lr=0.05)
    trainer.fit(batches, 10, every=5)  # about 1; b rises
    lowest = trainer.best["neurons.b"]
    trainer.fit(batches, 20, every=5, validate=judge)
    np.testing.assert_array_equal(trainer.best["neurons.b"], lowest)
    assert trainer._progress.best_loss == judge(trainer.best)
    trainer.fit(batches, 200, every=5)
    assert trainer._progress.best_loss < 1
    assert trainer.best["neurons.b"] > lowest + 0.5


def test_rotated_adam():
    trainer = trained(150, optimizer="rotated_adam")
    assert trainer.history["validation_loss"][-1] < 1e-3


def test_clip():
    """A gradient a thousand times as long changes what follows, unless it is cut."""

    def spoilt(number):
        inputs, (target,) = batches(number)
        return inputs, (target + 1e3 * (number == 20),)

    plain = trained(60, on=spoilt).history["validation_loss"]
    cut = trained(60, on=spoilt, clip=1.0).history["validation_loss"]
    assert plain[2] > 2 * cut[2]


# -- where it may go -------------------------------------------------------------------
def test_sign_is_kept_and_zero_is_reached():
    trainer = trained(300, sign={"synapses": "+"})
    w = trainer.best["synapses.w"]
    assert np.all(w >= 0) and w[1] == 0  # it would be negative
    # ... and is not lost there
    trainer = Trainer(Filter(w=(0, 0, 0, 0)), square, lr=0.05, sign={"synapses": "+"})
    trainer.fit(batches, 200, every=20)
    assert trainer.best["synapses.w"][3] > 0.8


def test_signs_one_by_one():
    network = Filter(w=(0.5, -0.5, 0.5, 0.5))
    trainer = Trainer(network, square, lr=0.05, sign={"synapses.w": [1, -1, 1, 1]})
    trainer.fit(batches, 300, every=20)
    np.testing.assert_allclose(trainer.best["synapses.w"][1], -0.4, atol=0.02)


def test_masked_values_do_not_change_at_all():
    mask = np.array([True, False, True, False])
    network = Filter(w=(0.5, 1 / 3, 0.5, 0.1))
    for optimizer in ("adam", "rotated_adam"):
        trainer = Trainer(
            network, square, lr=0.05, mask={"synapses": mask}, optimizer=optimizer
        )
        trainer.fit(batches, 40, every=20)
        found, first = trainer.parameters["synapses.w"], network.initial["synapses.w"]
        np.testing.assert_array_equal(found[~mask], first[~mask])
        assert np.all(found[mask] != first[mask])


def test_bounds():
    network = Filter(w=(0.3, 0.3, 0.3, 0.3))
    trainer = Trainer(
        network,
        square,
        lr=0.05,
        bounds={"synapses": (None, 0.35), "neurons": (0.1, 0.15)},
    )
    trainer.fit(batches, 200, every=20)
    w, b = trainer.parameters["synapses.w"], trainer.parameters["neurons.b"]
    assert w.max() == 0.35 and w[1] < 0 and 0.1 <= b[0] <= 0.15


class Conductances(Filter):
    """The same with weights in siemens."""

    names = ["synapses.w"]
    dimensions = {"synapses.w": siemens.dim}

    def __init__(self):
        self.initial = {"synapses.w": np.full(4, 0.5e-9)}

    def run(self, params=None, inputs=None, seed=None):
        params = self.initial if params is None else params
        plain = {"synapses.w": params["synapses.w"] * 1e9, "neurons.b": [0.2]}
        return super().run(plain, inputs, seed)


def test_units():
    """The same training in nanosiemens."""
    trainer = Trainer(
        Conductances(),
        square,
        lr=0.05,
        clip=5.0,
        scale={"synapses": 1 * nS},
        bounds={"synapses": (-1 * nS, 0.8 * nS)},
    )
    trainer.fit(batches, 40, every=10)
    same = Trainer(
        Filter(b=0.2),
        square,
        lr=0.05,
        clip=5.0,
        mask={"neurons": np.array([False])},
        bounds={"synapses": (-1, 0.8)},
    )
    same.fit(batches, 40, every=10)
    np.testing.assert_allclose(
        1e9 * trainer.parameters["synapses.w"], same.parameters["synapses.w"], rtol=1e-6
    )


def test_a_connectome_as_a_matrix():
    """Rows are sources: for `Synapses` in any order."""
    group = NeuronGroup(3, "v : 1", name="cells")
    synapses = Synapses(group, group, "w : 1", name="synapses")
    synapses.connect(i=[2, 0, 1, 1], j=[1, 2, 0, 2])
    matrix = np.zeros((3, 3), dtype=bool)
    matrix[2, 1] = matrix[1, 2] = True
    trainer = Trainer(Filter(), square, lr=0.05, mask={synapses: matrix})
    trainer.fit(batches, 3)
    changed = trainer.parameters["synapses.w"] != 0.5
    np.testing.assert_array_equal(changed, [True, False, False, True])
    with pytest.raises(ValueError, match=r"matrix must have the shape \(3, 3\)"):
        Trainer(Filter(), square, mask={synapses: matrix[:2]})


def test_matrices_for_one_of_several_variables():
    """It is named; the network knows whose it is."""
    group = NeuronGroup(2, "v : 1", name="cells")
    synapses = Synapses(group, group, "w : 1\nb : 1", name="synapses")
    synapses.connect(i=[1, 0, 0, 1], j=[0, 1, 0, 1])
    network = Filter()
    network.names = ["synapses.w", "synapses.b"]
    network.initial = dict(zip(network.names, network.initial.values(), strict=True))
    network.dimensions = dict.fromkeys(network.names, get_dimensions(1))
    network.owners = dict.fromkeys(network.names, synapses)
    matrix = np.array([[True, False], [False, False]])
    with pytest.raises(ValueError, match="several variables of 'synapses'"):
        Trainer(network, square, mask={synapses: matrix})
    trainer = Trainer(network, square, mask={"synapses.w": matrix})
    assert trainer._coordinates.free["synapses.w"].tolist() == [
        False,
        False,
        True,
        False,
    ]


# -- a network in Brian2 ---------------------------------------------------------------
def spiking():
    """Conductances in siemens, spikes given; and what is to be learned from them."""
    defaultclock.dt = 1 * ms
    source = SpikeGeneratorGroup(12, [], [] * ms, name="source")
    cells = NeuronGroup(
        5,
        """dv/dt = (10*nS*(-70*mV - v) - g*v)/(200*pF) : volt
        dg/dt = -g/(5*ms) : siemens""",
        threshold="v > -50*mV",
        reset="v = -70*mV",
        refractory=2 * ms,
        method="exponential_euler",
        name="cells",
    )
    cells.v = -70 * mV
    synapses = Synapses(
        source, cells, "w : siemens", on_pre="g_post += w", name="synapses"
    )
    synapses.connect()
    synapses.w = "1*nS + 0.5*nS*rand()"
    monitor = SpikeMonitor(cells, name="spikes")
    return Network(source, cells, synapses, monitor), source, synapses, monitor


def spike_count(outputs, target):
    return jax.numpy.mean((outputs["cells.spikes"].sum(axis=1) - target) ** 2)


def spike_batches(number):
    spikes = np.random.default_rng([number]).random((8, 100, 12)) < 0.05
    return {"source.spikes": spikes}, (6.0,)


def test_weights_of_brian2_in_siemens():
    """The rate is learned, Dale's law and the mask hold, Brian2 runs the result."""
    seed(1)
    net, source, synapses, monitor = spiking()
    network = DifferentiableNetwork(
        net,
        {synapses: "w"},
        100 * ms,
        inputs={source: "spikes"},
        spike=SurrogateGradient("triangle", 0.3, 1.0, scale=20 * mV),
    )
    connectome = np.ones((12, 5), dtype=bool)
    connectome[3] = False
    trainer = Trainer(
        network,
        spike_count,
        lr=0.05,
        scale={synapses: 1 * nS},
        sign={synapses: "+"},
        mask={synapses: connectome},
        bounds={synapses: (None, 4 * nS)},
    )
    first = np.array(synapses.w_)
    history = trainer.fit(spike_batches, 60, every=20, validate=[spike_batches(1000)])
    assert history["validation_loss"][-1] < 0.3 * history["loss"][0]
    best = trainer.best["synapses.w"]
    np.testing.assert_array_equal(best[synapses.i == 3], first[synapses.i == 3])
    assert 0 <= best.min() and best.max() <= 4e-9
    np.testing.assert_array_equal(synapses.w_, first)
    trainer.write_back()
    np.testing.assert_array_equal(synapses.w_, best)
    with pytest.raises(DimensionMismatchError, match=r"'synapses\.w'.*unit siemens"):
        trainer.write_back({"synapses.w": best * mV})
    # Brian2 with these weights is what was trained
    spikes = spike_batches(7)[0]["source.spikes"][0]
    steps, i = np.nonzero(spikes)
    source.set_spikes(i, steps * ms)
    net.run(100 * ms)
    outputs = network.run(trainer.best, {"source.spikes": spikes})
    np.testing.assert_array_equal(monitor.count, outputs["cells.spikes"].sum(axis=0))
    assert monitor.num_spikes > 10


def test_wrong_units_for_brian2():
    net, source, synapses, _ = spiking()
    network = DifferentiableNetwork(
        net, {synapses: "w"}, 10 * ms, inputs={source: "spikes"}
    )
    with pytest.raises(DimensionMismatchError, match=r"bounds of 'synapses\.w'"):
        Trainer(
            network,
            spike_count,
            scale={synapses: 1 * nS},
            bounds={synapses: (0, 4 * mV)},
        )
    with pytest.raises(ValueError, match=r"inputs must give \['source.spikes'\]"):
        Trainer(network, spike_count, scale={synapses: 1 * nS}).fit(
            lambda number: (None, (1.0,)), 1
        )


# -- interruptions ---------------------------------------------------------------------
def same_training(first, second):
    for name in first.parameters:
        np.testing.assert_array_equal(first.parameters[name], second.parameters[name])
        np.testing.assert_array_equal(first.best[name], second.best[name])
    for name in ("loss", "validation_step", "validation_loss"):
        np.testing.assert_array_equal(first.history[name], second.history[name])


def test_goes_on_where_it_was(tmp_path):
    """In memory, and from a file in another trainer: more steps are the same again."""
    path, whole = tmp_path / "a.npz", trained(60)
    trainer = trained(20, checkpoint=path)
    trainer.fit(batches, 60, every=10, validate=[batches(-1)])
    same_training(trainer, whole)
    same_training(trained(60, checkpoint=path), whole)


def test_more_steps_with_a_checkpoint(tmp_path):
    """Also if validations are at other steps then."""
    trainer = Trainer(Filter(), square, lr=0.05)
    trainer.fit(batches, 20, checkpoint=tmp_path / "a.npz")
    again = Trainer(Filter(), square, lr=0.05)
    again.fit(batches, 200, checkpoint=tmp_path / "a.npz")
    whole = Trainer(Filter(), square, lr=0.05)
    whole.fit(batches, 200)
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])


def test_ctrl_c_keeps_the_best():
    def interrupted(number):
        if number == 25:
            raise KeyboardInterrupt
        return batches(number)

    trainer = trained(40, on=interrupted)
    assert trainer.history["stopped"] == "interrupted"
    assert len(trainer.history["loss"]) == 25
    best = trained(20).best  # the last validation, and the lowest
    np.testing.assert_array_equal(trainer.best["synapses.w"], best["synapses.w"])
    trainer.fit(batches, 40, every=10, validate=[batches(-1)])
    same_training(trainer, trained(40))


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_trainer import *

def slow(number):
    if number == 25:
        Path(sys.argv[2]).with_suffix(".ready").touch()
        time.sleep(1000)
    return batches(number)

trained(40, checkpoint=sys.argv[2], on=slow)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="has no SIGKILL")
def test_killed_and_started_again(tmp_path):
    path = tmp_path / "training.npz"
    path_of = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(ROOT / "tests"), str(path)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path_of},
    )
    end = time.monotonic() + 120
    while not path.with_suffix(".ready").exists():
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    numbers = []

    def counted(number):
        numbers.append(number)
        return batches(number)

    resumed = trained(40, checkpoint=path, on=counted)
    assert numbers == list(range(20, 40))  # from the last validation
    same_training(resumed, trained(40))
    assert [p.name for p in tmp_path.glob("*.npz")] == ["training.npz"]


@pytest.mark.parametrize(
    "other",
    [
        {"lr": 0.1},
        {"optimizer": "rotated_adam"},
        {"clip": 1.0},
        {"bounds": {"synapses": (-1, 1)}},
        {"mask": {"synapses": np.array([True, True, True, False])}},
    ],
    ids=str,
)
def test_checkpoint_of_another_training_is_refused(tmp_path, other):
    trained(10, checkpoint=tmp_path / "a.npz")
    with pytest.raises(ValueError, match="belongs to another training"):
        trained(10, checkpoint=tmp_path / "a.npz", **other)


# -- losses that are not finite --------------------------------------------------------
def test_nan_names_step_variable_and_time():
    def spoilt(number):
        inputs, args = batches(number)
        if number == 7:
            inputs["x"][3, 4, 0] = np.nan
        return inputs, args

    with pytest.raises(FloatingPointError) as caught:
        trained(20, on=spoilt)
    text = str(caught.value)
    assert "at step 7 of 20" in text and "learning rate (now 0.05)" in text
    assert "'out.y'[0 of trial 3] is nan from time step 4 on" in text


def test_nan_of_the_loss_alone():
    def log(outputs, target):
        return jax.numpy.log(0 * jax.numpy.mean(outputs["out.y"]) - 1)

    with pytest.raises(FloatingPointError, match=r"loss function.*out\.y.*is finite"):
        Trainer(Filter(), log).fit(batches, 3)


def test_nan_of_a_derivative_alone():
    def root(outputs, target):
        return jax.numpy.sqrt(0 * jax.numpy.sum(outputs["out.y"] ** 2))

    with pytest.raises(FloatingPointError, match=r"\d derivatives by '\w+\.\w'"):
        Trainer(Filter(), root).fit(batches, 3)


# -- bad arguments ---------------------------------------------------------------------
ROWS = [
    ({"lr": 0}, ValueError, "lr must be a positive, finite number, got 0"),
    ({"lr": np.nan}, ValueError, "lr must be a positive"),
    ({"lr": "fast"}, TypeError, "lr must be"),
    ({"lr": 1 * mV}, DimensionMismatchError, "lr must"),
    ({"optimizer": "sgd"}, ValueError, "optimizer must be 'adam' or 'rotated_adam'"),
    ({"clip": -1}, ValueError, "clip must be a positive"),
    ({"sign": "+"}, TypeError, "sign must be a dict of trainable objects"),
    ({"sign": {"synapses": "*"}}, TypeError, "sign of 'synapses.w' must"),
    ({"sign": {"synapses": [1, 1]}}, ValueError, r"array of 1 and -1 of the shape \(4"),
    ({"sign": {"synapses": [1, 1, 1, 0]}}, ValueError, "array of 1 and -1"),
    ({"sign": {"synapses": "-"}}, ValueError, r"4 of 4 values of 'synapses\.w' do not"),
    ({"sign": {"axons": "+"}}, ValueError, r"names 'axons'.*trainable are.*neurons\.b"),
    ({"sign": {3: "+"}}, ValueError, "sign names 3, of which nothing"),
    ({"sign": {"synapses": "+", "synapses.w": "+"}}, ValueError, "says twice"),
    ({"mask": {"synapses": [1, 0, 1, 1]}}, TypeError, "array of True"),
    ({"mask": {"synapses": ([True], [])}}, TypeError, "array of True"),
    ({"sign": {"synapses": (1 * volt, 0.0)}}, TypeError, "sign of 'synapses.w' must"),
    (
        {"mask": {"synapses": [True, False]}},
        ValueError,
        r"shape \(4,\), one value each",
    ),
    ({"bounds": {"synapses": 3}}, TypeError, "must be a pair"),
    ({"bounds": {"synapses": (1, 0)}}, ValueError, "the first must be lower"),
    ({"bounds": {"synapses": (0, np.nan)}}, ValueError, "bounds of 'synapses.w' must"),
    ({"bounds": {"synapses": (0, [1, 2])}}, ValueError, r"arrays of the shape \(4,\)"),
    ({"bounds": {"synapses": (0.6, 1)}}, ValueError, "the first is 0.5"),
    ({"bounds": {"synapses": (0, 5 * mV)}}, DimensionMismatchError, "'synapses.w'"),
    (
        {"scale": {"synapses": 0}},
        ValueError,
        "scale of 'synapses.w' must be a positive",
    ),
    ({"scale": {"synapses": 1 * volt}}, DimensionMismatchError, "scale of 'synapses.w"),
]


@pytest.mark.parametrize("choices, error, match", ROWS, ids=lambda x: str(x)[:40])
def test_bad_choices(choices, error, match):
    with pytest.raises(error, match=match):
        Trainer(Filter(), square, **choices)


def test_nothing_left():
    mask = {"synapses": np.zeros(4, dtype=bool), "neurons": np.array([False])}
    with pytest.raises(ValueError, match="mask leaves nothing"):
        Trainer(Filter(), square, mask=mask)


def test_scale_is_needed_for_units():
    with pytest.raises(ValueError, match=r"'synapses\.w' has the unit .*scale="):
        Trainer(Conductances(), square)


def test_bad_network_and_loss():
    with pytest.raises(TypeError, match="network must be a DifferentiableNetwork"):
        Trainer(NeuronGroup(1, "v : 1"), square)
    with pytest.raises(TypeError, match="loss must be a function"):
        Trainer(Filter(), 3)


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ({"batches": [batches(0)]}, TypeError, "batches must be a function"),
        ({"batches": lambda k: None}, TypeError, r"batches\(0\) must be a pair"),
        ({"batches": lambda k: (3, ())}, TypeError, "inputs must be a dict or None"),
        ({"batches": lambda k: (None, 3)}, TypeError, "args must be a tuple"),
        ({"steps": 0}, ValueError, "steps must be positive"),
        ({"every": 1.5}, TypeError, "every must be a whole number"),
        ({"report": "loud"}, ValueError, "report must be"),
        ({"checkpoint": ""}, TypeError, "checkpoint must be"),
        ({"checkpoint": "a.dat"}, ValueError, "must end in '.npz'"),
        ({"validate": []}, TypeError, "validate must be a function of parameters"),
        ({"validate": [3]}, TypeError, r"validate\[0\] must be a pair"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_bad_arguments_of_fit(arguments, error, match):
    with pytest.raises(error, match=match):
        Trainer(Filter(), square).fit(**{"batches": batches, "steps": 2} | arguments)


NONSENSE = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.floats(),
    st.integers(),
    st.binary(max_size=2),
    st.lists(st.floats(), max_size=5),
    st.just(object()),
    st.just(Quantity(1, volt.dim)),
)


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(["sign", "mask", "bounds", "scale"]),
    key=st.sampled_from(["synapses", "synapses.w", "neurons"])
    | NONSENSE.filter(lambda x: not isinstance(x, list | Quantity)),
    value=NONSENSE | st.tuples(NONSENSE, NONSENSE),
)
def test_nonsense_is_refused_by_name_or_harmless(name, key, value):
    try:
        trainer = Trainer(Filter(), square, **{name: {key: value}})
    except (ValueError, TypeError, DimensionMismatchError) as error:
        assert name in str(error)
    else:
        for parameter, first in Filter().initial.items():
            found = trainer.parameters[parameter]
            np.testing.assert_allclose(found, first, rtol=1e-15)
