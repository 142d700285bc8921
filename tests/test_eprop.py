"""Gradients by eligibility traces: those of autodiff, on every target."""

import re

import eprop_models
import numpy as np
import pytest
from brian2 import (
    Function,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    volt,
)
from brian2.units.fundamentalunits import DimensionMismatchError
from eprop_models import KICKS, OTHERS, STEPS, WEIGHTS, by_hand, conductances, kicked
from numpy.testing import assert_allclose, assert_array_equal
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale.gradients.eprop.eprop import EProp
from brian2_multiscale.gradients.surrogate_gradient import SurrogateGradient
from brian2_multiscale.kinetics.differentiation import NotDifferentiableError

#: A function whose derivative nobody knows
bend = Function(np.sin, arg_units=[volt], return_unit=volt)


def _run(build, **kwds):
    """Gradients of all synapses; the monitor of the output."""
    network, eprop, synapses, monitor = build(**kwds)
    network.run(STEPS * ms)
    return [eprop.gradient(s) for s in synapses], monitor


def _assert_same(found, expected, rtol=1e-9):
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0
        assert_allclose(one, other, rtol=0, atol=rtol * np.abs(other).max())


# -- against autodiff ----------------------------------------------------------------
def _conductances_by_hand(**kwds):
    loss, outputs, grads = by_hand(eprop_models.conductances_loss, WEIGHTS, **kwds)
    return loss, outputs, [grads[0].ravel(), grads[1][OTHERS], grads[2].ravel()]


@pytest.mark.parametrize("jumps", [True, ["a"], False])
def test_it_is_the_gradient_of_the_network_without_paths_across(jumps):
    names = ("v", "a") if jumps is True else jumps or ()
    loss, outputs, expected = _conductances_by_hand(jumps=names)
    found, monitor = _run(conductances, through_jumps=jumps)
    assert_allclose(monitor.y.T, outputs, rtol=0, atol=1e-12)
    assert_allclose(np.sum(monitor.y_loss), loss, rtol=1e-12)
    _assert_same(found, expected)


def test_kicks_resets_depression_and_a_slow_readout():
    loss, outputs, expected = by_hand(eprop_models.kicked_loss, KICKS)
    found, monitor = _run(kicked)
    assert_allclose(monitor.y.T, outputs, rtol=0, atol=1e-12)
    assert_allclose(np.sum(monitor.y_loss), loss, rtol=1e-12)
    _assert_same(found, [g.ravel() for g in expected])


def test_it_points_where_the_full_gradient_points():
    full = _conductances_by_hand(across=True)[2]
    found, _ = _run(conductances)
    for one, other in zip(found, full, strict=True):
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine > 0.9
    assert np.abs(found[1] - full[1]).max() > 1e-3 * np.abs(full[1]).max()


# -- targets -------------------------------------------------------------------------
def _learning():
    network, eprop, synapses, monitor = conductances(
        trial=20 * ms, update_every=40 * ms, lr=0.01
    )
    readers = {s.name: lambda s=s: np.array(s.w[:]) for s in synapses}
    readers |= {f"{s.name}_left": lambda s=s: eprop.gradient(s) for s in synapses}
    readers["y"] = lambda: np.array(monitor.y)
    return network, readers


def _collecting():
    network, eprop, synapses, monitor = kicked(feedback="w")
    readers = {s.name: lambda s=s: eprop.gradient(s) for s in synapses}
    return network, readers | {"z": lambda: np.array(monitor.y)}


def test_numpy_and_standalone_learn_the_same():
    results = run_on_targets(
        [_learning, _collecting],
        60 * ms,
        targets=("numpy", "cpp_standalone"),
        name="eprop",
    )
    assert_targets_agree(results, rtol=1e-9)
    assert np.abs(results["numpy"]["among"] - WEIGHTS[1][OTHERS]).max() > 5e-3
    assert np.abs(results["numpy"]["among_left"]).max() > 0
    _assert_same([results["numpy"]["inhibit"]], _run(kicked)[0][2:3])


@pytest.mark.long
def test_cython_learns_the_same():
    results = run_on_targets(
        [_learning, _collecting], 60 * ms, targets=("numpy", "cython")
    )
    assert_targets_agree(results, rtol=1e-9)


# -- trials and updates --------------------------------------------------------------
def _small(n=3, sign=None, feedback="symmetric", late=False, **kwds):
    """Neurons without any state but what is reset between trials of 10 ms."""
    defaultclock.dt = 1 * ms
    given = eprop_models.source()
    rec = NeuronGroup(
        n,
        "dv/dt = -v/(10*ms) : 1",
        threshold="v > 1",
        reset="v -= 1",
        method="exact",
        name="small",
    )
    out = NeuronGroup(1, "dy/dt = -y/(10*ms) : 1", method="exact", name="one")
    rec.run_regularly("v = 0", dt=10 * ms)
    out.run_regularly("y = 0", dt=10 * ms)
    weights = np.random.default_rng(3).uniform(0.2, 1, (5, n))
    # The same whichever sign the weights have
    factor = -1 if sign == "-" else 1
    s_in = eprop_models.connected(
        "given_on", given, rec, f"v_post += {factor}*w", factor * weights
    )
    s_out = eprop_models.connected("read", rec, out, "y_post += w", weights[:n, :1])
    signs = {s_in: sign} if sign else None
    way = [] if isinstance(feedback, str) else [feedback(s_out)]
    kwds |= {"sign": signs, "feedback": way or feedback}
    if late:
        s_in = Synapses(given, rec, "w : 1", on_pre="v_post += w", name="given_late")
    eprop = EProp(rec, [s_in, s_out], s_out, "1", name="learner", **kwds)
    if late:
        s_in.connect()
        s_in.w = weights.ravel()
    return Network(given, rec, out, s_in, s_out, eprop, way), eprop, s_in, s_out


def _history(trial, duration, **kwds):
    """The gradient after every trial, collected or not, and the weights."""
    network, eprop, s_in, _ = _small(trial=trial, **kwds)
    before = StateMonitor(
        s_in, ["w", "w_gradient"], True, when="end", order=2, name="zz"
    )
    before.order = 2.5
    network.add(before)
    network.run(duration)
    return before.w_gradient[:, 9::10].T, before.w[:, 9::10].T, np.array(s_in.w[:])


def test_trials_do_not_know_of_each_other():
    together = _history(10 * ms, 30 * ms)[0]
    single = np.diff(together, axis=0, prepend=0)
    network, eprop, s_in, _ = _small()
    for trial in range(3):
        network.run(10 * ms)
        assert_allclose(eprop.gradient(s_in), single[trial], atol=1e-13)
        eprop.reset()
        assert not np.any(eprop.gradient(s_in))
    assert np.abs(single).max() > 0


def test_forgetting_nothing_gives_another_gradient():
    with_trials = _history(10 * ms, 30 * ms)[0][-1]
    without = _history(None, 30 * ms)[0][-1]
    assert np.abs(with_trials - without).max() > 1e-3


def test_updates_are_those_of_adam():
    lr, moments = 0.02, np.zeros((2, 15))
    gradients, weights, last = _history(10 * ms, 60 * ms, lr=lr)
    for k, g in enumerate(gradients, start=1):
        assert_allclose(
            weights[k] if k < len(weights) else last,
            weights[k - 1] - lr * _adam(moments, g, k),
            atol=1e-12,
        )
    assert np.abs(last - weights[0]).max() > lr


def _adam(moments, g, k):
    moments[:] = moments[0] * 0.9 + 0.1 * g, moments[1] * 0.999 + 0.001 * g**2
    return moments[0] / (1 - 0.9**k) / np.sqrt(moments[1] / (1 - 0.999**k) + 1e-40)


def test_updates_against_the_gradient():
    gradients, weights, last = _history(10 * ms, 40 * ms, lr=0.01, optimizer="sgd")
    after = np.vstack([weights[1:], last])
    assert_allclose(after, weights - 0.01 * gradients, atol=1e-13)
    batches = _history(10 * ms, 40 * ms, lr=0.01, optimizer="sgd", update_every=20 * ms)
    assert_allclose(batches[2], weights[0] - 0.01 * batches[0][[1, 3]].sum(0))


@pytest.mark.parametrize("sign", ["+", "-"])
def test_signs_are_kept(sign):
    network, _, s_in, _ = _small(lr=0.5, trial=10 * ms)
    network.run(40 * ms)
    free = np.array(s_in.w[:])
    assert free.min() < 0 < free.max()
    network, _, s_in, _ = _small(lr=0.5, trial=10 * ms, sign=sign)
    network.run(40 * ms)
    kept = np.array(s_in.w[:]) * (1 if sign == "+" else -1)
    assert kept.min() == 0


def test_weights_have_their_sign_at_the_start():
    network, _, s_in, _ = _small(lr=0.01, trial=10 * ms, sign="+")
    s_in.w[3] = -0.5
    error = _error_of(lambda: network.run(1 * ms))
    assert isinstance(error, ValueError)
    assert re.search("1 of 15 weights 'w' of 'given_on'.*'[+]'.*-0.5", str(error))
    s_in.w[3] = 0  # a later run may find out
    network.run(1 * ms)


def test_a_batch_is_made_of_whole_trials():
    for update_every in (15 * ms, 5 * ms):
        with pytest.raises(ValueError, match="update_every must be a multiple of tri"):
            _small(lr=0.01, trial=10 * ms, update_every=update_every)


# -- what goes back ------------------------------------------------------------------
def test_feedback_weights_replace_those_of_the_readout():
    symmetric, _ = _run(conductances)
    same, _ = _run(conductances, feedback="w")
    _assert_same(same, symmetric, 1e-12)
    twice, _ = _run(conductances, feedback="2*w")
    _assert_same(twice[:2], [2 * g for g in symmetric[:2]], 1e-12)
    _assert_same(twice[2:], symmetric[2:], 1e-12)


def test_the_network_is_not_changed():
    runs = []
    for with_eprop in (True, False):
        network, eprop, _, monitor = kicked()
        spikes = SpikeMonitor(network["bent"])
        network.add(spikes)
        if not with_eprop:
            network.remove(eprop)
        network.run(STEPS * ms)
        runs.append((np.array(spikes.t), np.array(spikes.i), np.array(monitor.y)))
    for one, other in zip(*runs, strict=True):
        assert_array_equal(one, other)
    assert len(runs[0][0]) > 20


def test_store_and_restore():
    network, eprop, synapses, _ = conductances()
    network.store()
    network.run(STEPS * ms)
    first = [eprop.gradient(s) for s in synapses]
    network.restore()
    network.run(STEPS / 2 * ms)
    network.run(STEPS / 2 * ms)
    _assert_same([eprop.gradient(s) for s in synapses], first, 1e-12)


def test_synapses_may_be_made_later():
    found = []
    for late in (False, True):
        network, eprop, s_in, s_out = _small(late=late)
        network.run(30 * ms)
        found.append(eprop.gradient(s_in))
    assert_allclose(found[1], found[0], rtol=1e-12)


def test_what_was_changed_after_all_is_checked_again():
    network, _, _, s_out = _small(trial=10 * ms)
    defaultclock.dt = 0.3 * ms
    error = _error_of(lambda: network.run(3 * ms))
    assert isinstance(error, ValueError) and "trial must be" in str(error)
    network, _, _, s_out = _small()
    s_out.delay = 1 * ms
    error = _error_of(lambda: network.run(3 * ms))
    assert isinstance(error, NotDifferentiableError) and "delays" in str(error)


def test_neurons_without_a_signal_are_named():
    network, _, s_in, s_out = _small()
    far = NeuronGroup(2, "dv/dt=-v/ms : 1", threshold="v > 1", reset="", name="far")
    onto = eprop_models.connected(
        "onto", network["given"], far, "v_post += w", np.ones((5, 2))
    )
    read = eprop_models.connected(
        "again", network["small"], network["one"], "y_post += w", np.ones((3, 1))
    )
    eprop = EProp([network["small"], far], onto, read, "1", name="deaf")
    network.add(far, onto, read, eprop)
    error = _error_of(lambda: network.run(3 * ms))
    assert isinstance(error, ValueError)
    assert re.search("No error reaches 'far'", str(error))


def test_groups_of_their_own_are_like_parts_of_one():
    """Excitatory and inhibitory neurons; feedback by synapses of its own, too."""
    found = []
    for apart in (False, True):
        defaultclock.dt = 1 * ms
        given = eprop_models.source()
        make = dict(threshold="v > 1", reset="v -= 1", method="exact")
        model = "dv/dt = -v/(10*ms) : 1"
        if apart:
            groups = [NeuronGroup(n, model, name=f"g{n}", **make) for n in (4, 2)]
            e, i = groups
        else:
            groups = NeuronGroup(6, model, name="all", **make)
            e, i = groups[:4], groups[4:]
        out = NeuronGroup(2, "dy/dt = -y/(9*ms) : 1", method="exact", name="out")
        random = np.random.default_rng(5)
        made = [
            eprop_models.connected(name, a, b, code, random.uniform(0, 1, (n, m)))
            for name, a, b, code, n, m in [
                ("in_e", given, e, "v_post += w", 5, 4),
                ("in_i", given, i, "v_post += w", 5, 2),
                ("ei", e, i, "v_post += w", 4, 2),
                ("ie", i, e, "v_post -= w", 2, 4),
                ("out_e", e, out, "y_post += w", 4, 2),
                ("out_i", i, out, "y_post -= w", 2, 2),
            ]
        ]
        eprop = EProp(groups, made, made[4:], "1", name="learner")
        network = Network(given, groups, out, made, eprop)
        network.run(50 * ms)
        found.append([eprop.gradient(s) for s in made])
    _assert_same(found[1], found[0], 1e-12)


def test_synapses_can_bring_the_error_back():
    found = []
    for own in (False, True):
        network, _, s_in, s_out = _small(feedback=_backwards if own else "symmetric")
        network.run(30 * ms)
        found.append(np.array(s_in.w_gradient[:]))
    assert_allclose(found[1], found[0], rtol=1e-12)


def _backwards(s_out):
    """Synapses back from the outputs, with the weights of the readout."""
    back = Synapses(s_out.target, s_out.source, "w : 1", name="back")
    back.connect(i=np.array(s_out.j[:]), j=np.array(s_out.i[:]))
    back.w = s_out.w[:]
    return back


# -- units ---------------------------------------------------------------------------
def _volts(on_pre="v_post += w", threshold="v > 20*mV", reset="v = 0*mV", **kwds):
    defaultclock.dt = 1 * ms
    options = {
        "surrogate": SurrogateGradient("triangle", 0.3, 1.0, scale=20 * mV),
        "target": "5*mV",
        "model": "dv/dt = -v/(10*ms) : volt",
        "read": "y_post += w",
        "outputs": "dy/dt = -y/(10*ms) : volt",
        "plastic": "w : volt",
        "delay": 0 * ms,
        "output_reset": {},
        "on_post": None,
        "method": "euler",
        "name": "units",
    }
    options |= kwds
    get = options.pop
    given = eprop_models.source()
    rec = NeuronGroup(
        4, get("model"), threshold=threshold, reset=reset, method=get("method")
    )
    out = NeuronGroup(2, get("outputs"), method="euler", **get("output_reset"))
    s_in = Synapses(given, rec, get("plastic"), on_pre=on_pre, on_post=get("on_post"))
    s_out = Synapses(rec, out, "w : volt", on_pre=get("read"), delay=get("delay"))
    for synapses in (s_in, s_out):
        synapses.connect()
    s_in.w, s_out.w = "(4 + 2*i)*mV", "(1 + i + j)*mV"
    parts = {"rec": rec, "synapses": [s_in, s_out], "readout": s_out}
    eprop = EProp(**parts | options)
    return Network(given, rec, out, s_in, s_out, eprop), eprop, s_in, s_out, out


def test_units_and_the_gradient_of_the_readout():
    network, eprop, _, s_out, out = _volts(lr=None)
    monitor = StateMonitor(out, "y_loss", True, when="after_end")
    network.add(monitor)
    network.store()
    network.run(40 * ms)
    found = eprop.gradient(s_out)
    assert s_out.w_gradient.dim == (mV**2 / mV).dim
    losses = []
    for change in (1e-6, -1e-6):
        network.restore()
        s_out.w[3] += change * mV
        network.run(40 * ms)
        losses.append(np.sum(np.array(monitor.y_loss)))
    assert_allclose(found[3], (losses[0] - losses[1]) / 2e-9, rtol=1e-5)


def test_learning_rates_have_units():
    _volts(lr=0.1 * mV)
    _volts(lr=0.1, optimizer="sgd")
    with pytest.raises(DimensionMismatchError, match="lr"):
        _volts(lr=0.1)
    with pytest.raises(DimensionMismatchError, match="lr"):
        _volts(lr=0.1 * mV, optimizer="sgd")


# -- what cannot be followed ---------------------------------------------------------
def _error_of(call):
    """The error itself, not what Brian2 says around it."""
    with pytest.raises(Exception) as caught:
        call()
    error = caught.value
    while error.__cause__ and not isinstance(error, NotDifferentiableError):
        error = error.__cause__
    return error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"on_pre": "v_post += 1*mV"}, "'w'.*does nothing"),
        ({"on_pre": "v_post += w*(1 - v_post/mV)"}, "depends on the state"),
        ({"on_pre": "v_post = w"}, "does not only add"),
        ({"on_pre": "v_post += w*int(rand() < 0.5)"}, "random numbers"),
        ({"on_pre": "v_post += w; w += 1*mV"}, "changes the weight"),
        ({"on_pre": "v_post += w", "on_post": "v_post -= w"}, "at postsynaptic"),
        (
            {
                "plastic": "w : volt\ndx/dt = -x/ms : volt (clock-driven)",
                "on_pre": "v_post += w; x += w",
            },
            "lets 'x' depend",
        ),
        (
            {
                "plastic": "w : volt\ndx/dt = (w - x)/ms : volt (clock-driven)",
                "on_pre": "v_post += w + x",
            },
            "is used in 'dx/dt",
        ),
        ({"threshold": "v > 20*mV or t > 5*ms"}, "not one comparison"),
        (
            {"model": "dv/dt = -v/(10*ms) + v*xi*ms**-0.5 : volt", "method": "heun"},
            "noise",
        ),
        ({"delay": 2 * ms}, "must not have delays"),
        ({"output_reset": {"threshold": "y > 1*mV", "reset": "y = 0*mV"}}, "reset"),
        ({"outputs": "dy/dt = -y/tau : volt\ntau : second"}, "the same for all"),
        ({"outputs": "dy/dt = -y**2/(10*ms*mV) : volt"}, "must be linear"),
        ({"outputs": "dy/dt=-y/ms : volt\ndz/dt=-z/ms : volt", "output": "z"}, "'y'"),
        ({"read": "y_post += w*t/second"}, "depends on 't'"),
        ({"model": "dv/dt = bend(v)/ms : volt"}, "bend"),
        ({"reset": "v -= rand()*mV"}, "reset .* random"),
        (
            {"model": "dv/dt = -s/ms : volt\ns = 2*v : volt (constant over dt)"},
            "'s' .*constant over dt",
        ),
        (
            {
                "plastic": "w : volt\nk = 2*w : volt (constant over dt)",
                "on_pre": "v_post += k + w",
            },
            "'k' .*constant over dt",
        ),
    ],
)
def test_what_has_no_derivative_is_named(change, message):
    error = _error_of(lambda: _volts(**change)[0].run(2 * ms))
    assert isinstance(error, NotDifferentiableError)
    assert re.search(message, str(error))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rec": 5}, TypeError, "rec must be NeuronGroup"),
        ({"readout": []}, TypeError, "readout must be Synapses"),
        ({"synapses": 5}, TypeError, "synapses must be Synapses"),
        ({"feedback": 5}, TypeError, "feedback must be Synapses"),
        ({"surrogate": "triangle"}, TypeError, "surrogate must be"),
        ({"weight": "g"}, ValueError, "no variable 'g'"),
        ({"loss": "hinge"}, ValueError, "loss must be"),
        ({"optimizer": "newton"}, ValueError, "optimizer must be"),
        ({"output": "v"}, ValueError, "output must be one of"),
        ({"trial": 1.5 * ms}, ValueError, "trial must be a positive multiple"),
        ({"trial": 5}, DimensionMismatchError, "trial"),
        ({"lr": 1 * mV, "update_every": 0 * ms}, ValueError, "update_every must be"),
        ({"lr": -1 * mV}, ValueError, "lr must be positive"),
        ({"lr": {5: 1 * mV}}, ValueError, "lr must be about"),
        ({"sign": {5: "+"}}, ValueError, "sign must be about"),
        ({"sign": "+"}, TypeError, "sign must be a dict"),
        ({"through_jumps": ["q"]}, ValueError, "through_jumps must be"),
        ({"name": "a b"}, ValueError, "name must be"),
        ({"plastic": "w : volt (constant)", "lr": 1 * mV}, ValueError, "is .constant"),
        ({"target": "5"}, DimensionMismatchError, "unit"),
        ({"surrogate": SurrogateGradient()}, DimensionMismatchError, "scale"),
    ],
)
def test_bad_arguments(change, error, message):
    found = _error_of(lambda: _volts(**change)[0].run(2 * ms))
    assert isinstance(found, error) and re.search(message, str(found))


def test_objects_that_do_not_belong_together():
    network, eprop, s_in, s_out, out = _volts()
    rec = s_in.target
    kwds = {"target": "5*mV", "name": "second"}
    with pytest.raises(ValueError, match="another EProp"):
        EProp(rec, s_in, s_out, **kwds)
    with pytest.raises(ValueError, match="synapses must be one of"):
        eprop.gradient(rec)
    other = NeuronGroup(4, "dv/dt = -v/ms : volt", threshold="v > 1*mV", reset="")
    late = NeuronGroup(4, "dv/dt=-v/ms : volt", threshold="v>1*mV", reset="", dt=2 * ms)
    wrong = Synapses(rec, other, "w : volt", on_pre="v_post += w")
    slow = Synapses(rec, late, "w : volt", on_pre="v_post += w")
    part = Synapses(rec, out[:1], "w : volt", on_pre="y_post += w")
    read = Synapses(rec, out, "w : volt", on_pre="y_post += w")
    away = Synapses(other, out, "w : volt", on_pre="y_post += w")
    with pytest.raises(ValueError, match="neither one of rec"):
        EProp(rec, wrong, read, **kwds)
    with pytest.raises(NotDifferentiableError, match="one clock"):
        EProp([rec, late], slow, read, **kwds)
    with pytest.raises(ValueError, match="not a part"):
        EProp(rec, read, part, **kwds)
    with pytest.raises(ValueError, match="must come from one of rec"):
        EProp(rec, read, away, **kwds)
    silent = NeuronGroup(4, "dv/dt = -v/ms : volt", name="silent")
    with pytest.raises(ValueError, match="'silent' does not spike"):
        EProp([rec, silent], read, read, **kwds)
