"""Trained surrogates without a network: mathematics, files, equations, bad input."""

import json

import numpy as np
import pytest
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    StateMonitor,
    TimedArray,
    amp,
    metre,
    mV,
    nmetre,
    prefs,
    second,
    us,
    volt,
)
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.utils.logger import catch_logs
from numpy.testing import assert_allclose, assert_array_equal
from random_surrogates import SCALE, random_parameters, random_surrogate

from brian2_multiscale.numerics.surrogates.compact import CompactSteps, compact_forward
from brian2_multiscale.surrogates import (
    CompactSurrogate,
    Surrogate,
    SurrogateFileError,
)
from brian2_multiscale.surrogates.signals import Signal

OPTIONS = [
    {},
    {"gated": True, "blocks": 3},
    {"feedback": True, "compression": None},
    {"units": 5, "states": 3, "inputs": ("a", "b"), "outputs": ("c", "d", "e")},
    {"gated": True, "feedback": True, "inputs": ("a", "b"), "outputs": ("c", "d")},
]


def by_hand(surrogate, z):
    """The definition, one number after the other."""
    p, o = surrogate.parameters, surrogate.options
    step, n_out = float(surrogate.step), len(surrogate.outputs)
    found = np.zeros((*z.shape[:2], n_out))
    for channel in range(z.shape[1]):
        states = [np.zeros(o["states"]) for _ in range(o["blocks"])]
        y = np.zeros(n_out)
        for n in range(len(z)):
            x = np.concatenate([z[n, channel], y]) if o["feedback"] else z[n, channel]
            u = np.tanh(p["W"] @ x + p["b"]) - np.tanh(p["b"])
            for k in range(o["blocks"]):
                a = np.exp(-step / np.exp(p[f"log_tau{k}"]))
                states[k] = a * states[k] + (1 - a) * (p[f"B{k}"] @ u)
                q = np.concatenate([states[k], u])
                u = np.tanh(p[f"C{k}"] @ q + p[f"c{k}"]) - np.tanh(p[f"c{k}"])
                if o["gated"]:
                    u = u * (1 + p[f"G{k}"] @ q)
            change = p["w"] @ u + p["w_states"] @ q
            y = y + change if o["feedback"] else change
            found[n, channel] = y
    return found


def noise(samples, channels, inputs=1, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, channels, inputs))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_whole_signal_and_single_samples_are_the_definition(options):
    surrogate = random_surrogate(**options)
    z = noise(60, 3, len(surrogate.inputs))
    expected = by_hand(surrogate, z)
    step = float(surrogate.step)
    whole, _ = compact_forward(surrogate.parameters, surrogate.shape, z, step)
    assert_allclose(whole, expected, rtol=0, atol=1e-13)
    steps = CompactSteps(surrogate.parameters, surrogate.shape, step)
    state = steps.rest(3)
    assert_allclose([steps(x.T, state).T for x in z], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_signal_in_two_parts_is_the_whole(options):
    surrogate = random_surrogate(**options)
    z = noise(80, 2, len(surrogate.inputs))
    given = surrogate.parameters, surrogate.shape
    whole, end = compact_forward(*given, z, 5e-5)
    first, state = compact_forward(*given, z[:31], 5e-5)
    second_part, last = compact_forward(*given, z[31:], 5e-5, state)
    assert_allclose(np.concatenate([first, second_part]), whole, rtol=0, atol=1e-13)
    assert_allclose(last, end, rtol=0, atol=1e-13)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rest_is_exact_and_the_past_does_not_depend_on_the_future(options):
    surrogate = random_surrogate(**options, seed=3)
    z = noise(50, 2, len(surrogate.inputs))
    given = surrogate.parameters, surrogate.shape
    assert not compact_forward(*given, 0 * z, 5e-5)[0].any()
    changed = z.copy()
    changed[30:] += 1
    both = [compact_forward(*given, signal, 5e-5)[0] for signal in (z, changed)]
    assert_allclose(both[0][:30], both[1][:30], rtol=0, atol=1e-14)
    assert np.abs(both[0][30] - both[1][30]).max() > 1e-6


def test_sizes_are_those_of_the_design():
    assert CompactSurrogate(units=8, blocks=2).size == 456
    assert CompactSurrogate(units=8, blocks=2).multiply_adds == 432
    assert random_surrogate().size == 456


@pytest.mark.parametrize(
    "unit", [volt, amp / metre**2, amp / metre**2 / second, second**-0.5]
)
def test_equations_can_read_the_unit_of_a_signal(unit):
    name = Signal.of("x", unit).unit
    assert Equations(f"x : {name}")["x"].dim == unit.dim


def test_response_has_units_and_the_shape_of_the_signal():
    surrogate = random_surrogate()
    x = noise(40, 3)[..., 0] * 20 * nmetre
    v = surrogate.response(x)
    assert v.dim == volt.dim and v.shape == (40, 3)
    assert_allclose(surrogate.response(x[:, 1]) / mV, v[:, 1] / mV, rtol=0, atol=1e-12)
    expected = -57.6 + 1e3 * SCALE * by_hand(surrogate, np.arcsinh(noise(40, 3)))
    assert_allclose(v / mV, expected[..., 0], rtol=0, atol=1e-10)
    applied = surrogate.apply(x)
    assert isinstance(applied, TimedArray)
    assert_array_equal(applied(7 * surrogate.step + 1 * us, 2), v[7, 2])


def test_several_inputs_and_outputs_are_dictionaries():
    surrogate = random_surrogate(("a", "b"), ("c", "d"))
    signal = {
        name: noise(20, 2, seed=k)[..., 0] * nmetre
        for k, name in enumerate(("xa", "xb"))
    }
    found = surrogate.response(signal)
    assert set(found) == {"vc", "vd"} and found["vc"].shape == (20, 2)
    assert set(surrogate.apply(signal)) == {"vc", "vd"}
    with pytest.raises(ValueError, match="signal must give xa, xb, got xa"):
        surrogate.response({"xa": signal["xa"]})


def test_nonnegative_cuts_at_zero():
    parameters = random_parameters(CompactSurrogate(), 1, 1)
    both = []
    for nonnegative in (False, True):
        surrogate = random_surrogate(nonnegative=nonnegative)
        shifted = [type(s)(**{**s.to_dict(), "rest": 0.0}) for s in surrogate.outputs]
        surrogate = surrogate.with_parameters(
            surrogate.inputs, shifted, surrogate.step, parameters
        )
        both.append(surrogate.response(noise(50, 2)[..., 0] * 20 * nmetre) / volt)
    assert both[0].min() < -1e-4
    assert_array_equal(both[1], np.maximum(both[0], 0))


# -- equations -------------------------------------------------------------------------
def _by_equations(surrogate, given):
    """The same by equations in a group, shifted to the samples of the response."""
    step = surrogate.step
    group = NeuronGroup(
        2,
        surrogate.as_equations({name: f"f_{name}(t, i)" for name in given}),
        method="exponential_euler",
        dt=step,
        namespace={f"f_{name}": TimedArray(x, dt=step) for name, x in given.items()},
    )
    name = surrogate.outputs[0].name
    monitor = StateMonitor(group, name, record=True, dt=step)
    Network(group, monitor).run(len(next(iter(given.values()))) * step)
    return getattr(monitor, name).T[1:]


@pytest.mark.parametrize(
    "options",
    [{"units": 4}, {"units": 3, "gated": True, "blocks": 3}, OPTIONS[3]],
    ids=str,
)
def test_equations_converge_to_the_surrogate_at_first_order(options):
    prefs.codegen.target = "numpy"
    coarse = random_surrogate(**options)
    names = [signal.name for signal in coarse.inputs]
    held = np.repeat(noise(20, 2, len(names)), 10, axis=0) * 2e-8
    errors = []
    for refinement in (2, 4):
        surrogate = coarse.with_parameters(
            coarse.inputs, coarse.outputs, coarse.step / refinement, coarse.parameters
        )
        fine = np.repeat(held, refinement, axis=0) * metre
        given = {name: fine[..., k] for k, name in enumerate(names)}
        expected = surrogate.response(given)
        if isinstance(expected, dict):
            expected = expected[surrogate.outputs[0].name]
        # The input jumps, so that only the mean error is of first order
        error = np.abs(_by_equations(surrogate, given) - expected[:-1])
        errors.append(np.mean(error) / volt)
    assert errors[0] < 0.1 * SCALE
    assert_allclose(errors[0] / errors[1], 2, rtol=0.15)


def test_equations_have_parameters_for_inputs():
    group = NeuronGroup(2, random_surrogate().equations, method="exponential_euler")
    group.x = 3 * nmetre
    assert "v" in group.equations and group.variables["x"].dim == metre.dim


def test_feedback_has_no_equations():
    with pytest.raises(NotImplementedError, match="SurrogateGroup"):
        _ = random_surrogate(feedback=True).equations


# -- files -----------------------------------------------------------------------------
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_file_gives_back_what_was_saved(tmp_path, options):
    surrogate = random_surrogate(**options)
    path = tmp_path / "mine.npz"
    surrogate.save(path)
    loaded = Surrogate.load(path)
    assert type(loaded) is CompactSurrogate
    assert loaded.options == surrogate.options and loaded.meta == surrogate.meta
    assert loaded.inputs == surrogate.inputs and loaded.outputs == surrogate.outputs
    assert loaded.step == surrogate.step
    for name, values in surrogate.parameters.items():
        assert_array_equal(loaded.parameters[name], values)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.npz"]


def _with_meta(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(arrays.pop("meta").tobytes())
    change(meta, arrays)
    text = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(path, meta=text, **arrays)


CHANGES = {
    "version": (lambda m, a: m.update(version=99), "version 99"),
    "architecture": (lambda m, a: m.update(architecture="other"), "fit together"),
    "options": (lambda m, a: m["options"].update(units=9), "shape"),
    "unknown option": (lambda m, a: m["options"].update(evil=9), "fit together"),
    "no step": (lambda m, a: m.pop("step"), "step"),
    "nan": (lambda m, a: a["parameter_W"].fill(np.nan), "not finite"),
    "missing": (lambda m, a: a.pop("parameter_W"), "missing are"),
    "strings": (lambda m, a: a.update(parameter_W=np.array(["x"])), "no parameter"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_files_that_do_not_fit_are_refused(tmp_path, kind):
    path = tmp_path / "mine.npz"
    random_surrogate().save(path)
    change, message = CHANGES[kind]
    _with_meta(path, change)
    with pytest.raises(SurrogateFileError, match=message):
        Surrogate.load(path)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    random_surrogate().save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for k in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole))] if k % 2 else whole)
        if not k % 2:
            damaged[rng.integers(len(whole))] ^= 0xFF
        path.write_bytes(damaged)
        try:
            Surrogate.load(path)
        except SurrogateFileError:
            refused += 1
    assert refused > 50  # some bytes of an archive mean nothing


def test_python_objects_in_a_file_are_not_read(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, meta=np.array([print], dtype=object))
    with pytest.raises(SurrogateFileError, match="never read"):
        Surrogate.load(path)


def test_unknown_names_say_what_there_is():
    with pytest.raises(FileNotFoundError, match="'nothing'"):
        Surrogate.load("nothing")
    with pytest.raises(FileNotFoundError):
        Surrogate.load("not/here.npz")


def test_paths_have_to_end_in_npz(tmp_path):
    with pytest.raises(ValueError, match="must end in '.npz'"):
        random_surrogate().save(tmp_path / "mine.txt")
    with pytest.raises(FileNotFoundError, match="folder that does not exist.*nowhere"):
        random_surrogate().save(tmp_path / "nowhere" / "mine.npz")


# -- bad input -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("signal", "error", "message"),
    [
        (np.ones(5) * volt, DimensionMismatchError, "x must have the unit"),
        (np.ones(5), DimensionMismatchError, "x must have the unit"),
        (np.array([1, np.nan]) * metre, ValueError, "nan"),
        (np.zeros((2, 2, 2)) * metre, ValueError, "shape"),
        ("x", TypeError, "x must be"),
        ({"y": np.zeros(3) * metre}, ValueError, "must give x, got y"),
    ],
)
def test_bad_signals(signal, error, message):
    with pytest.raises(error, match=message):
        random_surrogate().response(signal)


def test_input_outside_the_trained_range_warns_once_or_raises():
    surrogate = random_surrogate()
    far = np.full(5, 300) * nmetre
    with pytest.raises(ValueError, match="'x' goes from .*trained for .* to "):
        surrogate.response(far, strict=True)
    surrogate.response(0.5 * far, strict=True)
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        surrogate.response(far)
        surrogate.response(far)
    assert [log[1].rsplit(".", 1)[1] for log in logs] == ["range_x"]


def test_untrained_surrogates_say_so(tmp_path):
    architecture = CompactSurrogate()
    for use in (
        lambda: architecture.response(np.zeros(3) * metre),
        lambda: architecture.save(tmp_path / "x.npz"),
        lambda: architecture.equations,
        lambda: architecture.time_constants,
    ):
        with pytest.raises(ValueError, match="untrained"):
            use()


@pytest.mark.parametrize(
    "options",
    [
        {"units": 0},
        {"units": 2.5},
        {"blocks": -1},
        {"states": "8"},
        {"gated": 1},
        {"compression": "log"},
        {"nonnegative": None},
    ],
    ids=str,
)
def test_bad_options(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        CompactSurrogate(**options)


def test_parameters_have_to_fit():
    architecture = CompactSurrogate()
    given = random_surrogate()
    good = (given.inputs, given.outputs, 50 * us)
    parameters = dict(given.parameters)
    with pytest.raises(ValueError, match="'W' must have the shape"):
        architecture.with_parameters(*good, {**parameters, "W": np.ones(3)})
    with pytest.raises(ValueError, match="unknown are"):
        architecture.with_parameters(*good, {**parameters, "Z": np.ones(3)})
    with pytest.raises(ValueError, match="not finite"):
        broken = {**parameters, "b": np.full(8, np.nan)}
        architecture.with_parameters(*good, broken)
    with pytest.raises(TypeError, match="step"):
        architecture.with_parameters(*good[:2], "x", parameters)


def test_time_constants_have_units():
    taus = random_surrogate().time_constants
    assert len(taus) == 2 and taus[0].dim == second.dim
    assert (np.diff(taus[0]) >= 0).all() and 1e-4 < taus[0][0] / second < 0.1
