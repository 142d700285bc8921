"""Surrogates in networks: equal on all targets, sample by sample equal to the whole."""

import numpy as np
import pytest
from brian2 import (
    Clock,
    Equations,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    linked_var,
    metre,
    ms,
    mV,
    nmetre,
    prefs,
    second,
    us,
    volt,
)
from brian2.core.base import BrianObjectException
from brian2.utils.logger import catch_logs
from numpy.testing import assert_allclose, assert_array_equal
from random_surrogates import SCALE, random_surrogate
from targets import TARGETS, assert_targets_agree, run_on_targets

from brian2_multiscale.surrogates import CompactSurrogate, SurrogateGroup

SAMPLES = 200
STEP = 50 * us

# Few and many channels (vectors over units, over channels, and what is left over)
CASES = {
    "one": ({}, 1, None),
    "few": ({"units": 7, "states": 5, "nonnegative": True}, 3, None),
    "gated": ({"gated": True, "blocks": 3}, 21, None),
    "feedback": ({"feedback": True, "compression": None}, 5, None),
    "single": ({}, 37, np.float32),
    "single_gated": ({"gated": True}, 2, np.float32),
    "several": ({"inputs": ("a", "b"), "outputs": ("c", "d")}, 18, None),
}


def noise(channels, inputs, seed=2):
    return np.random.default_rng(seed).normal(size=(inputs, SAMPLES, channels)) * 2e-8


def _case(name):
    options, channels, dtype = CASES[name]
    surrogate = random_surrogate(**options)
    given = noise(channels, len(surrogate.inputs))
    signal = {s.name: x * metre for s, x in zip(surrogate.inputs, given, strict=True)}
    return surrogate, channels, dtype, signal


def _build_cases():
    defaultclock.dt = STEP / 2
    objects, readers = [], {}
    for case in CASES:
        surrogate, channels, dtype, signal = _case(case)
        arrays = {f"f_{name}": TimedArray(x, dt=STEP) for name, x in signal.items()}
        group = SurrogateGroup(
            channels,
            surrogate,
            {name: f"f_{name}(t, i)" for name in signal},
            namespace=arrays,
            dtype=dtype,
            name=f"surrogate_{case}",
        )
        names = [output.name for output in surrogate.outputs]
        at = {"when": "end", "clock": group.clock, "name": f"outputs_{case}"}
        monitor = StateMonitor(group, names, record=True, **at)
        objects += [group, monitor]
        readers |= {f"{case}_{n}": _reader(monitor, n) for n in names}
    return objects, readers


def _reader(monitor, name):
    return lambda: np.array(getattr(monitor, name))


def _build_loop():
    """Output -> spikes -> synaptic current -> input, delayed, and linked outside."""
    defaultclock.dt = STEP / 2
    surrogate = random_surrogate(seed=4)
    loop = SurrogateGroup(
        12,
        surrogate,
        model="""dpull/dt = -pull/(2*ms) : metre
                 push : metre""",
        input="pull + push*sin(2*pi*(i + 1)*100*Hz*t) + 0.5*nmetre*(v + 57.6*mV)/mV",
        threshold="v > -57.6*mV + height",
        refractory=1 * ms,
        namespace={"height": 0.2 * SCALE * volt},
        name="surrogate_loop",
    )
    loop.push = "(10 + i)*nmetre"
    synapses = Synapses(
        loop, loop, on_pre="pull_post += 10*nmetre", name="loop_synapses"
    )
    synapses.connect(condition="j == (i + 1) % 12")
    synapses.delay = 0.3 * ms
    follower = NeuronGroup(12, "w : volt (linked)", name="loop_follower")
    follower.w = linked_var(loop, "v")
    v = StateMonitor(
        loop, ["v", "pull", "x"], record=True, clock=loop.clock, name="loop_v"
    )
    w = StateMonitor(follower, "w", record=True, name="loop_w")
    spikes = SpikeMonitor(loop, name="loop_spikes")

    readers = {f"loop_{n}": _reader(v, n) for n in ("v", "pull", "x")}
    readers |= {f"loop_{n}": _reader(spikes, n) for n in ("i", "t")}
    readers["loop_w"] = _reader(w, "w")
    return [loop, synapses, follower, v, w, spikes], readers


def _build_slower():
    """A surrogate with samples of two steps, driven by synapses onto its parameter."""
    defaultclock.dt = STEP / 2
    surrogate = random_surrogate(seed=6)
    group = SurrogateGroup(3, surrogate, name="surrogate_slower")
    source = SpikeGeneratorGroup(
        3, [0, 1, 2, 0], [1, 2, 2, 4] * ms, name="slower_source"
    )
    synapses = Synapses(source, group, on_pre="x_post += 15*nmetre", name="slower_syn")
    synapses.connect(j="i")
    part = StateMonitor(group[1:], "v", record=True, name="slower_v")
    return [group, source, synapses, part], {"slower_v": _reader(part, "v")}


BUILDS = [_build_cases, _build_loop, _build_slower]


@pytest.fixture(scope="module")
def results():
    return run_on_targets(BUILDS, SAMPLES * STEP, TARGETS, name="surrogate_groups")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_every_target_gives_the_response_to_the_whole_signal(results, target, case):
    surrogate, _, dtype, signal = _case(case)
    expected = surrogate.response(signal)
    if len(surrogate.outputs) == 1:
        expected = {surrogate.outputs[0].name: expected}
    tolerance = 1e-5 if dtype else 1e-10
    for name, values in expected.items():
        found = results[target][f"{case}_{name}"].T
        assert np.std(values / volt) > 0 or surrogate.options["nonnegative"]
        assert_allclose(found, values / volt, rtol=0, atol=tolerance * SCALE)


def test_targets_agree(results):
    names = [n for n in results["numpy"] if n.startswith(("loop", "slower"))]
    some = {target: {n: v[n] for n in names} for target, v in results.items()}
    assert_targets_agree(some)


def test_the_loop_is_closed(results):
    found = {n[5:]: v for n, v in results["numpy"].items() if n.startswith("loop_")}
    assert len(found["i"]) > 20 and len(set(found["i"])) > 6
    assert found["pull"].max() > 1e-8
    # What is linked is recorded at the same time
    assert_array_equal(found["w"][:, ::2], found["v"])
    # The recorded inputs give the recorded outputs (of the next sample)
    surrogate = random_surrogate(seed=4)
    expected = surrogate.response(found["x"].T * metre).T / volt
    assert_allclose(found["v"][:, 1:], expected[:, :-1], rtol=0, atol=1e-9 * SCALE)


def test_synapses_drive_an_input_without_expression(results):
    found = results["numpy"]["slower_v"]
    # Of the subgroup 1:3, at the beginning of every sample
    assert found.shape == (2, SAMPLES)
    kick = np.zeros((SAMPLES, 2))
    kick[41:] = 15e-9  # the spike of 2 ms arrives after the sample that begins there
    expected = random_surrogate(seed=6).response(kick * metre).T / volt
    assert_allclose(found[:, 1:], expected[:, :-1], rtol=0, atol=1e-9 * SCALE)


# -- runtime ---------------------------------------------------------------------------
def _network(**options):
    surrogate = random_surrogate(seed=4)
    group = SurrogateGroup(4, surrogate, "20*nmetre*sin(2*pi*300*Hz*t)", **options)
    monitor = StateMonitor(group, "v", record=True, clock=group.clock)
    return Network(group, monitor), group, monitor


def test_runs_can_be_divided_and_repeated():
    defaultclock.dt = STEP
    net, group, monitor = _network()
    net.store()
    net.run(10 * ms)
    whole = np.array(monitor.v)
    net.restore()
    net.run(4 * ms)
    net.run(6 * ms)
    assert_array_equal(np.array(monitor.v), whole)
    assert np.ptp(whole) > 1e-4


def test_it_starts_at_rest_and_its_outputs_cannot_be_set():
    group = SurrogateGroup(2, random_surrogate())
    assert_allclose(group.v / mV, -57.6)
    with pytest.raises(TypeError, match="'v' of .* computed by the surrogate"):
        group.v = 0 * mV
    group.x = [1, 2] * nmetre
    assert_allclose(group.x / nmetre, [1, 2])


def test_float32_is_the_type_of_the_group():
    group = SurrogateGroup(2, random_surrogate(), dtype=np.float32)
    assert group.variables["v"].dtype == np.float32


def test_repr_says_what_is_computed():
    text = repr(SurrogateGroup(2, random_surrogate(), name="cells"))
    assert "'cells'" in text and "x -> v" in text and "456" in text


# -- range and broken numbers ----------------------------------------------------------
def _far(strict, text="300*nmetre*int(t > 1*ms)"):
    defaultclock.dt = STEP
    group = SurrogateGroup(3, random_surrogate(), text, strict=strict)
    return Network(group)


def test_leaving_the_trained_range_warns_once_after_the_run():
    net = _far(False)
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        net.run(2 * ms)
        net.run(2 * ms)
    assert [log[1].rsplit(".", 1)[1] for log in logs] == ["range_x"]
    assert "200. nm" in logs[0][2] or "0.2 um" in logs[0][2]


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_strict_stops_the_run(target):
    prefs.codegen.target = target
    net = _far(True)
    with pytest.raises((BrianObjectException, ValueError)) as caught:
        net.run(3 * ms)
    text = str(caught.value) + str(caught.value.__cause__)
    assert "trained for" in text
    assert_allclose(net.t / ms, 1.05, atol=0.051)


@pytest.mark.parametrize("target", ["numpy", "cython"])
@pytest.mark.parametrize("bad", ["1/(t - 1*ms)*nmetre*ms", "sqrt(1 - t/ms)*nmetre"])
def test_broken_inputs_stop_the_run(target, bad):
    prefs.codegen.target = target
    net = _far(False, bad)
    with pytest.raises((FloatingPointError, BrianObjectException)) as caught:
        net.run(3 * ms)
    text = str(caught.value) + str(caught.value.__cause__)
    assert "input 'x'" in text or "ivision" in text


def test_an_unstable_feedback_stops_the_run():
    surrogate = random_surrogate(feedback=True, compression=None)
    parameters = {k: np.array(v) for k, v in surrogate.parameters.items()}
    for name, value in {"W": 1, "C1": 1, "w": 1e308}.items():
        parameters[name][:] = value
    broken = surrogate.with_parameters(
        surrogate.inputs, surrogate.outputs, STEP, parameters
    )
    defaultclock.dt = STEP
    net = Network(SurrogateGroup(2, broken, "20*nmetre"))
    with pytest.raises(FloatingPointError, match="output 'v' .* not finite"):
        net.run(10 * ms)


# -- bad input -------------------------------------------------------------------------
class _Future(CompactSurrogate.__mro__[1]):
    """An architecture that is not computed sample by sample."""


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"N": 0}, ValueError, "N must be"),
        ({"N": "x"}, TypeError, "N must be"),
        ({"surrogate": "ihc"}, TypeError, "surrogate must be a trained"),
        ({"surrogate": CompactSurrogate()}, ValueError, "untrained"),
        ({"surrogate": _Future()}, NotImplementedError, "surrogate.apply"),
        ({"input": 3 * nmetre}, TypeError, "input must be an expression"),
        ({"input": {"y": "1*nmetre"}}, ValueError, "'y'.*'x'"),
        ({"input": "3*mV"}, BrianObjectException, "preparing"),
        ({"model": "v : volt"}, ValueError, "must not define 'v'"),
        ({"model": Equations("x : metre")}, ValueError, "must not define 'x'"),
        ({"model": 5}, TypeError, "model must be"),
        ({"method": "best"}, ValueError, "method must be"),
        ({"strict": 1}, TypeError, "strict must be"),
        ({"clock": Clock(dt=20 * us)}, ValueError, "clock has dt"),
        ({"name": "a b"}, ValueError, "name must be"),
        ({"dtype": int}, (TypeError, ValueError), "dtype"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_bad_arguments_are_refused_before_the_run(change, error, message):
    given = {"N": 2, "surrogate": random_surrogate(), **change}
    with pytest.raises(error, match=message):
        Network(SurrogateGroup(**given)).run(0 * ms)


def test_samples_that_do_not_fit_the_time_step_are_refused():
    defaultclock.dt = 30 * us
    net = Network(SurrogateGroup(2, random_surrogate()))
    with pytest.raises((ValueError, BrianObjectException)) as caught:
        net.run(1 * ms)
    text = str(caught.value) + str(caught.value.__cause__)
    assert "50. us" in text and "30. us" in text and "defaultclock.dt = 50" in text


def test_one_second_of_silence_stays_at_rest():
    defaultclock.dt = STEP
    group = SurrogateGroup(2, random_surrogate(), "0*nmetre")
    Network(group).run(1 * second / 100)
    assert_array_equal(group.v / volt, np.full(2, -57.6e-3))
