"""The encoder-decoder network: its size as published, its layers, windows and state."""

import tracemalloc

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    StateMonitor,
    TimedArray,
    metre,
    ms,
    mV,
    nmetre,
    us,
    volt,
)
from numpy.testing import assert_allclose, assert_array_equal

from brian2_multiscale.numerics.surrogates.cnn import (
    CNNOptions,
    cnn_forward,
    cnn_network,
    cnn_reach,
    cnn_shapes,
    convolve,
    cut_windows,
    transposed,
)
from brian2_multiscale.surrogates.cnn import EncoderDecoderCNN
from brian2_multiscale.surrogates.group import SurrogateGroup
from brian2_multiscale.surrogates.signals import Signal
from brian2_multiscale.surrogates.surrogate import Surrogate

TINY = {"layers": 2, "filters": 4, "kernel": 6, "left": 20, "right": 16, "window": 64}
KINDS = ("tanh-sigmoid", "prelu")


def parameters(options, n_in=1, n_out=1, seed=0, dtype=np.float64):
    """Random ones, with outputs of the order of one."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in cnn_shapes(options, n_in, n_out).items():
        size = np.sqrt(2 / np.prod(shape[:2])) if len(shape) == 3 else 0.3
        found[name] = (size * random.normal(size=shape)).astype(dtype)
    return found


def trained(n_in=1, n_out=1, seed=0, **options):
    cnn = EncoderDecoderCNN(**{**TINY, **options})
    names = [("x", "v"), ("xy", "vw")]
    inputs = [Signal.of(n, metre, scale=1e-7) for n in names[n_in - 1][0]]
    outputs = [Signal.of(n, volt, rest=-0.06, scale=4e-3) for n in names[n_out - 1][1]]
    found = parameters(cnn.shape, n_in, n_out, seed)
    return cnn.with_parameters(inputs, outputs, 50 * us, found, {"seed": seed})


# -- the published architectures -----------------------------------------------------
def count(shapes, ends):
    return sum(int(np.prod(s)) for name, s in shapes.items() if name.endswith(ends))


def test_inner_hair_cell_has_the_published_size():
    cnn = EncoderDecoderCNN()
    assert cnn.size == EncoderDecoderCNN.inner_hair_cell().size == 1_317_505
    assert cnn.multiply_adds == 265_216
    assert cnn.shape.left == cnn.shape.right == 256


def test_nerve_fibre_has_the_published_size():
    cnn = EncoderDecoderCNN.nerve_fibre()
    shapes = cnn.shapes(1, 1)
    assert cnn.size == 1_250_177
    assert count(shapes, "_bias") == 1_729 and count(shapes, "_slope") == 1_728
    assert cnn.multiply_adds == 49_912
    assert cnn.shape.length == 2**14
    # of low spontaneous rate: no slopes
    assert EncoderDecoderCNN.nerve_fibre("tanh-sigmoid").size == 1_250_177 - 1_728
    assert EncoderDecoderCNN.nerve_fibre(window=8192 + 2**14).shape.window == 24_576


def test_multiply_adds_are_those_of_the_layers():
    options = CNNOptions(2, 5, 4, "prelu", 0, 64, 0)
    # samples of the shorter side times weights, layer by layer, for 64 samples
    total = 32 * 4 * 3 * 5 + 16 * 4 * 5 * 5 + 16 * 4 * 5 * 5 + 32 * 4 * 10 * 2
    cnn = EncoderDecoderCNN(2, 5, 4, "prelu", left=0, window=64, right=0)
    signals = [Signal.of(n, 1) for n in "abcde"]
    made = cnn.with_parameters(
        signals[:3], signals[3:], 1 * ms, parameters(options, 3, 2)
    )
    assert made.multiply_adds == round(total / 64)


# -- layers --------------------------------------------------------------------------
def slow_convolution(x, weight):
    kernel, samples = len(weight), len(x)
    y = np.zeros((samples // 2, x.shape[1], weight.shape[2]))
    for m in range(samples // 2):
        for j in range(kernel):
            if 0 <= (n := 2 * m - kernel // 2 + 1 + j) < samples:
                y[m] += x[n] @ weight[j]
    return y


@pytest.mark.parametrize("kernel", [2, 4, 6, 16])
@pytest.mark.parametrize("samples", [2, 4, 24])
def test_convolution_by_its_definition(kernel, samples):
    random = np.random.default_rng(kernel)
    x, weight = random.normal(size=(samples, 3, 2)), random.normal(size=(kernel, 2, 5))
    assert_allclose(convolve(x, weight), slow_convolution(x, weight), atol=1e-13)


@pytest.mark.parametrize("kernel", [2, 4, 6, 16])
@pytest.mark.parametrize("samples", [2, 4, 24])
def test_transposed_convolution_is_the_adjoint(kernel, samples):
    random = np.random.default_rng(kernel)
    x, weight = random.normal(size=(samples, 3, 2)), random.normal(size=(kernel, 5, 2))
    y = random.normal(size=(samples // 2, 3, 5))
    up = transposed(y, weight)
    assert up.shape == x.shape
    down = slow_convolution(x, weight.transpose(0, 2, 1))
    assert np.sum(up * x) == pytest.approx(np.sum(y * down), abs=1e-12)


def test_large_products_are_made_in_blocks(monkeypatch):
    random = np.random.default_rng(1)
    x, weight = random.normal(size=(96, 3, 2)), random.normal(size=(8, 2, 5))
    whole = convolve(x, weight)
    monkeypatch.setattr("brian2_multiscale.numerics.surrogates.cnn._BLOCK", 37)
    assert_allclose(convolve(x, weight), whole, atol=1e-13)


def slow_network(p, options, z):
    """Written from the description, for the tanh-sigmoid network with two layers."""
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    adjoint = lambda x, w: transposed(x, w)  # noqa: E731
    e1 = np.tanh(slow_convolution(z, p["encoder0"]) + p["encoder0_bias"])
    e2 = np.tanh(slow_convolution(e1, p["encoder1"]) + p["encoder1_bias"])
    d1 = logistic(adjoint(e2, p["decoder0"]) + p["decoder0_bias"])
    joined = np.concatenate([d1, e1], axis=-1)
    return adjoint(joined, p["decoder1"]) + p["decoder1_bias"]


def test_network_from_its_layers():
    options = CNNOptions(**TINY, activation="tanh-sigmoid")
    p = parameters(options, 2, 3)
    z = np.random.default_rng(2).normal(size=(100, 2, 2))
    assert_allclose(cnn_network(p, options, z), slow_network(p, options, z), atol=1e-12)


@pytest.mark.parametrize("kernel", [2, 4, 8])
def test_reach_is_exact(kernel):
    options = CNNOptions(2, 4, kernel, "prelu", 64, 64, 64)
    p = parameters(options)
    # column c has an impulse at sample c
    impulses = np.eye(192)[:, :, None]
    changed = cnn_network(p, options, impulses) != cnn_network(p, options, 0 * impulses)
    n, m = np.nonzero(changed[64:128, :, 0])
    found = np.max(n + 64 - m), np.max(m - n - 64)
    assert found == cnn_reach(options)


def test_context_of_the_hair_cell_suffices():
    assert max(EncoderDecoderCNN().reach) <= 256


# -- windows -------------------------------------------------------------------------
@pytest.mark.parametrize("activation", KINDS)
def test_windows_equal_the_whole_signal(activation):
    options = CNNOptions(**TINY, activation=activation)
    assert max(cnn_reach(options)) <= 16
    p = parameters(options)
    z = np.random.default_rng(3).normal(size=(300, 3, 1))
    padded = np.pad(z, ((20, 360 - 320), (0, 0), (0, 0)))
    whole = cnn_network(p, options, padded)[20:320]
    assert_allclose(cnn_forward(p, options, z), whole, atol=1e-12)


def test_too_short_contexts_are_seen():
    options = CNNOptions(**{**TINY, "left": 4, "right": 4, "window": 56})
    p = parameters(options)
    z = np.random.default_rng(3).normal(size=(300, 1, 1))
    whole = cnn_network(p, options, np.pad(z, ((4, 20), (0, 0), (0, 0))))[4:304]
    assert np.abs(cnn_forward(p, options, z) - whole).max() > 1e-3


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 65, 200])
def test_any_length_and_any_number_of_channels(samples):
    options = CNNOptions(**TINY)
    p = parameters(options, 2, 3)
    z = np.random.default_rng(4).normal(size=(samples, 5, 2))
    y = cnn_forward(p, options, z)
    assert y.shape == (samples, 5, 3)
    one_by_one = [cnn_forward(p, options, z[:, [k]]) for k in range(5)]
    assert_allclose(y, np.concatenate(one_by_one, axis=1), atol=1e-13)
    assert cnn_forward(p, options, z[:, :0]).shape == (samples, 0, 3)


def test_memory_does_not_grow_with_the_signal():
    options = CNNOptions(3, 32, 8, "tanh-sigmoid", 64, 128, 64)
    p = parameters(options, dtype=np.float32)
    peaks = []
    for samples in (20_000, 80_000):
        z = np.zeros((samples, 2, 1), dtype=np.float32)
        tracemalloc.start()
        cnn_forward(p, options, z)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # input, output and a copy of each: 4 times 2 channels of 4 bytes
    assert peaks[1] - peaks[0] < 60_000 * 2 * 4 * 5


def test_windows_have_their_context():
    options = CNNOptions(**TINY)
    z = np.arange(1.0, 151).reshape(-1, 1, 1)
    windows = cut_windows(z, options)
    assert windows.shape == (3, 1, 1, 100)
    assert_array_equal(windows[1, 0, 0], np.arange(45.0, 145))
    assert_array_equal(windows[0, 0, 0, :21], np.append(np.zeros(20), 1))
    assert_array_equal(windows[2, 0, 0, 40:], [149, 150] + 58 * [0])


# -- as a surrogate ------------------------------------------------------------------
@pytest.mark.parametrize("activation", KINDS)
def test_rest_is_exact(activation):
    cnn = trained(activation=activation)
    silence = np.zeros((150, 2)) * metre
    rounding = 1e-6 * 4e-3  # of single precision, and of the scale
    assert_allclose(np.asarray(cnn.response(silence)), -0.06, atol=rounding)
    raw = trained(activation=activation, exact_rest=False)
    error = np.abs(raw.response(silence) + 60 * mV).max()
    assert 0.1 * mV < error <= cnn.rest_error["v"] * (1 + 1e-5)


def test_rest_is_that_of_the_present_parameters():
    first = trained(seed=1)
    first.response(np.zeros(10) * metre)
    second_one = first.with_parameters(
        first.inputs, first.outputs, first.step, parameters(first.shape, seed=2)
    )
    found = np.asarray(second_one.response(np.zeros(10) * metre))
    assert_allclose(found, -0.06, atol=1e-6 * 4e-3)
    assert second_one.rest_error["v"] != first.rest_error["v"]


def test_precision_is_single():
    cnn = trained()
    assert {v.dtype for v in cnn.parameters.values()} == {np.dtype(np.float32)}
    x = np.random.default_rng(5).normal(size=(200, 2)) * 100 * nmetre
    z = (np.asarray(x) / 1e-7)[..., None]
    p = {k: v.astype(float) for k, v in cnn.parameters.items()}
    double = cnn_forward(p, cnn.shape, z) - cnn_forward(p, cnn.shape, 0 * z)
    expected = -0.06 + 4e-3 * double[..., 0]
    assert_allclose(np.asarray(cnn.response(x)), expected, atol=1e-5 * 4e-3)


def test_several_inputs_and_outputs():
    cnn = trained(2, 2)
    x = np.random.default_rng(6).normal(size=(2, 100, 3)) * 100 * nmetre
    found = cnn.response({"x": x[0], "y": x[1]})
    assert set(found) == {"v", "w"} and found["w"].shape == (100, 3)
    swapped = cnn.response({"x": x[1], "y": x[0]})
    assert np.abs(swapped["v"] - found["v"]).max() > 0.1 * mV


def test_file_keeps_it(tmp_path):
    cnn = trained(activation="prelu", nonnegative=True, compression="asinh")
    path = tmp_path / "cnn.npz"
    cnn.save(path)
    again = Surrogate.load(path)
    assert isinstance(again, EncoderDecoderCNN) and again.options == cnn.options
    x = np.random.default_rng(7).normal(size=150) * 100 * nmetre
    assert_array_equal(again.response(x), cnn.response(x))
    assert again.meta == {"seed": 0}


def test_it_drives_equations():
    cnn = trained()
    x = np.random.default_rng(8).normal(size=(100, 2)) * 100 * nmetre
    v = cnn.apply(x)
    assert isinstance(v, TimedArray)
    group = NeuronGroup(2, "u = v(t, i) : volt", namespace={"v": v}, dt=50 * us)
    monitor = StateMonitor(group, "u", record=True, dt=50 * us)
    Network(group, monitor).run(5 * ms)
    assert_allclose(monitor.u.T, cnn.response(x), rtol=1e-12)


def test_it_says_that_it_looks_ahead():
    assert "16 samples ahead" in repr(EncoderDecoderCNN(**TINY))
    assert "16 samples = 0.8 ms ahead" in repr(trained())
    with pytest.raises(NotImplementedError, match="0.8 ms ahead.*surrogate.apply"):
        _ = trained().equations


def test_a_running_network_cannot_have_it():
    with pytest.raises(NotImplementedError, match="closed loop.*surrogate.apply"):
        SurrogateGroup(2, trained(), input="100*nmetre*sin(2*pi*1*kHz*t)")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"kernel": 7}, ValueError, "even.*got 7.*Use 8"),
        ({"kernel": 0}, ValueError, "kernel must be from 2"),
        ({"layers": 0}, ValueError, "layers must be"),
        ({"filters": 2.5}, TypeError, "filters must be a whole number"),
        ({"activation": "relu"}, ValueError, "'tanh-sigmoid' or 'prelu'.*'relu'"),
        ({"left": -1}, ValueError, "left must be"),
        ({"window": 2049}, ValueError, r"2\*\*layers = 8.*2561.*window=2056"),
        ({"compression": "log"}, ValueError, "compression must be"),
        ({"nonnegative": 1}, TypeError, "nonnegative must be True or False"),
        ({"exact_rest": None}, TypeError, "exact_rest must be True or False"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        EncoderDecoderCNN(**options)


def test_untrained_and_bad_parameters():
    cnn = EncoderDecoderCNN(**TINY)
    with pytest.raises(ValueError, match="untrained EncoderDecoderCNN cannot"):
        cnn.response(np.zeros(5))
    with pytest.raises(ValueError, match="untrained EncoderDecoderCNN cannot"):
        _ = cnn.rest_error
    found = parameters(cnn.shape)
    found["decoder1"] = found["decoder1"][:-1]
    signals = [Signal.of("a", 1)], [Signal.of("b", Hz)]
    with pytest.raises(ValueError, match="'decoder1' must have the shape"):
        cnn.with_parameters(*signals, 1 * ms, found)


# -- in JAX --------------------------------------------------------------------------
@pytest.mark.parametrize("activation", KINDS)
@pytest.mark.parametrize("layers, kernel", [(1, 2), (2, 6), (4, 8)])
def test_jax_computes_the_same(activation, layers, kernel):
    pytest.importorskip("jax")
    from brian2_multiscale.surrogates.training.cnn_jax import forward

    options = CNNOptions(layers, 8, kernel, activation, 24, 64, 8)
    p = parameters(options, 2, 3, dtype=np.float32)
    z = np.random.default_rng(9).normal(size=(96, 4, 2)).astype(np.float32)
    expected = cnn_network(p, options, z)[24:88]
    assert_allclose(forward(p, options, z), expected, atol=1e-5)


@pytest.mark.parametrize("activation", KINDS)
def test_gradient_equals_differences(activation):
    jax = pytest.importorskip("jax")
    from brian2_multiscale.surrogates.training.cnn_jax import forward

    options = CNNOptions(2, 3, 6, activation, 8, 32, 8)
    p = parameters(options, 2, 2)
    random = np.random.default_rng(10)
    z, weight = random.normal(size=(48, 2, 2)), random.normal(size=(32, 2, 2))

    def loss(p):
        return float(np.sum(weight * cnn_network(p, options, z)[8:40]))

    with jax.enable_x64(True):

        def traced(p, z):
            return (weight * forward(p, options, z)).sum()

        gradients = jax.grad(traced, argnums=(0, 1))(p, z)
        found, by_input = jax.tree.map(np.asarray, gradients)
    for name, values in p.items():
        direction = random.normal(size=values.shape)
        ends = [loss({**p, name: values + e * direction}) for e in (1e-6, -1e-6)]
        slope = (ends[0] - ends[1]) / 2e-6
        assert np.sum(direction * found[name]) == pytest.approx(slope, rel=1e-6), name
    direction = random.normal(size=z.shape)
    ends = [
        np.sum(weight * cnn_network(p, options, z + e * direction)[8:40])
        for e in (1e-6, -1e-6)
    ]
    slope = (ends[0] - ends[1]) / 2e-6
    assert np.sum(direction * by_input) == pytest.approx(slope, rel=1e-6)


def test_first_weights_keep_the_size_of_signals():
    pytest.importorskip("jax")
    from brian2_multiscale.surrogates.training.cnn_jax import initial_parameters

    z = np.random.default_rng(11).normal(size=(2048, 2, 1)).astype(np.float32)
    for cnn in (
        EncoderDecoderCNN(filters=32),
        EncoderDecoderCNN.nerve_fibre(layers=8, filters=32),
    ):
        random = np.random.default_rng(12)
        p = initial_parameters(random, cnn.shape, 1, 1)
        assert {k: v.shape for k, v in p.items()} == cnn.shapes(1, 1)
        assert 0.1 < np.std(cnn_network(p, cnn.shape, z)) < 3


def test_training_windows_are_those_of_inference():
    pytest.importorskip("jax")
    from brian2_multiscale.surrogates.training.cnn_jax import draw_windows, forward

    options = CNNOptions(**TINY)
    p = parameters(options, dtype=np.float32)
    random = np.random.default_rng(13)
    z = random.normal(size=(64, 3, 1))
    y = cnn_forward(p, options, z)
    # trials of one window: every window is a whole trial
    ones = np.ones((1, 3, 1))
    some_z, some_y, _ = draw_windows(random, z, y, ones, options, 5)
    assert some_z.shape == (100, 5, 1) and some_y.shape == (64, 5, 1)
    assert_allclose(forward(p, options, some_z), some_y, atol=1e-5)
    z, y = random.normal(size=(2, 200, 3, 1))
    size = z[:1]  # to see that the weights are those of the trials
    some_z, some_y, weight = draw_windows(random, z, z / z[:1], size, options, 40)
    assert_allclose(some_z[20:84], some_y * weight, rtol=1e-6)
    found = some_z[20:84, :, 0].T
    starts = {np.flatnonzero(np.float32(z) == w[0])[0] // 3 for w in found}
    assert len(starts) > 20 and max(starts) <= 136
    with pytest.raises(ValueError, match="one window.*64 samples.*63"):
        draw_windows(random, z[:63], y[:63], ones, options, 1)


def test_training():
    pytest.importorskip("jax")
    from brian2_multiscale.surrogates import SurrogateTask, stimuli
    from brian2_multiscale.surrogates.training import train

    task = SurrogateTask(
        "dv/dt = (tanh(x) - v)/(0.5*ms) : 1",
        "x",
        "v",
        stimuli=stimuli.OrnsteinUhlenbeck(
            amplitude=(0.3, 2), time_constant=(0.2 * ms, 1 * ms)
        ),
        step=0.1 * ms,
        duration=40 * ms,
        trials=24,
        validation_trials=8,
        method="exponential_euler",
    )
    sizes = {"layers": 2, "filters": 8, "kernel": 8}
    cnn = EncoderDecoderCNN(**sizes, left=32, right=32, window=192)
    made = train(task, cnn, steps=200, batch=16, learning_rate=0.01)
    assert not cnn.trained
    errors = made.evaluate(task)["v"]
    assert errors["nrmse"] < 0.15 and errors["correlation"] > 0.98
    assert errors["rest_error"] < 1e-5
    metrics = made.meta["metrics"]["validation"]["v"]
    assert metrics["nrmse"] == pytest.approx(errors["nrmse"], rel=1e-4)
    with pytest.raises(ValueError, match="one window.*2048 samples.*400"):
        train(task, EncoderDecoderCNN(filters=8), steps=1)
