"""Derivatives of networks: finite differences, adjoints by hand, forward mode."""

import jax.numpy as jnp
import numpy as np
import pytest
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    second,
)
from differentiable_models import (
    HH,
    HH_VALUES,
    SHORT_TERM,
    SHORT_TERM_EVENT,
    hodgkin_huxley,
    spike_source,
)
from mpmath import mp, mpf
from numpy.testing import assert_allclose
from scipy.special import erf

from brian2_multiscale import TableFunction
from brian2_multiscale.gradients import Sensitivity, sensitivity_equations
from brian2_multiscale.gradients.network.network import DifferentiableNetwork
from brian2_multiscale.gradients.surrogate_gradient import SurrogateGradient


def _check_by_differences(network, loss, rtol, step=1e-4, **call):
    """Each parameter moved as a whole; a difference of fourth order."""
    value, gradients = network.value_and_grad(loss)(**call)
    inputs = {k: v for k, v in call.items() if k in ("inputs", "seed")}
    for name, start in network.initial.items():
        change = step * (np.abs(start) + 1e-3 * np.abs(start).max())
        values = [
            float(loss(network.run({name: start + k * change}, **inputs)))
            for k in (-2, -1, 1, 2)
        ]
        expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12
        found = np.sum(gradients[name] * change)
        assert_allclose(found, expected, rtol=rtol, err_msg=name)
    return value, gradients


# -- kinetics --------------------------------------------------------------------------
HH_NAMES = [*HH_VALUES, "v"]


def _hh_network():
    objects, _ = hodgkin_huxley()
    (group,) = objects
    return DifferentiableNetwork(
        Network(group), {group: HH_NAMES}, 12 * ms, record={group: "v"}
    )


def _mean_square(outputs):
    return ((1e3 * outputs["hh.v"] + 60) ** 2).mean()


def test_ten_parameters_of_hodgkin_huxley():
    network = _hh_network()
    value, gradients = _check_by_differences(network, _mean_square, 1e-5, 1e-5)
    residuals, slopes = network.jacobian(
        lambda o: 1e3 * o["hh.v"] + 60, elementwise=True
    )()
    assert np.ptp(residuals[:, -1]) > 80  # with a spike
    assert_allclose((residuals**2).mean(), value)
    for name, slope in slopes.items():
        found, expected = gradients[name], 2 * (residuals * slope).mean(0) / 3
        assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * abs(found).max())


def test_full_jacobian_is_diagonal_for_neurons_on_their_own():
    group = NeuronGroup(
        3, "dv/dt = (gl - v**3)/VT : 1\ngl : 1\nVT : second", method="rk2", name="hh"
    )
    group.gl, group.VT = [1, 2, 3], [1, 2, 3] * ms
    network = DifferentiableNetwork(
        Network(group), {group: ["gl", "VT"]}, 2 * ms, record={group: "v"}
    )
    last = lambda outputs: outputs["hh.v"][-1]  # noqa: E731
    values, full = network.jacobian(last)()
    again, each = network.jacobian(last, elementwise=True)()
    assert_allclose(values, again)
    for name in full:
        assert_allclose(full[name], np.diag(each[name]), rtol=1e-10)


def test_they_are_those_of_forward_sensitivities():
    """Two ways to the derivative of the same numbers."""
    names = [n for n in HH_VALUES if n != "speed"]
    model = Equations(HH) + sensitivity_equations(HH, names)
    (group,), _ = hodgkin_huxley(Sensitivity("exponential_euler", names), model=model)
    monitor = StateMonitor(group, [f"S_v_{n}" for n in names], record=True)
    Network(group, monitor).run(12 * ms)
    slopes = _hh_network().jacobian(lambda o: o["hh.v"], elementwise=True)()[1]
    for name in names:
        expected = getattr(monitor, f"S_v_{name}_").T
        atol = 1e-9 * np.abs(expected).max()
        assert_allclose(slopes[f"hh.{name}"], expected, rtol=1e-9, atol=atol)


def test_exprel_at_and_around_zero():
    from brian2_multiscale.codegen.jax.functions import exprel

    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        x = jnp.array([0.0, 1e-300, 1e-9, 0.1, 0.2999, 0.3001, 5.0, -40.0])
        found = np.asarray(jax.vmap(jax.grad(exprel))(x))
    expected = [float(_series(mpf(float(value)))) for value in np.asarray(x)]
    assert_allclose(found, expected, rtol=1e-14)


def _series(x):
    """Derivative of (exp(x) - 1)/x."""
    mp.dps = 60
    return sum((n + 1) * x**n / mp.factorial(n + 2) for n in range(250))


# -- synapses --------------------------------------------------------------------------
def test_weights_time_constants_and_initial_values_without_spikes():
    """Synaptic states, delays, sums and tables, all smooth."""
    source = spike_source(size=6, number=60, steps=200)
    table = TableFunction("1/(1 + exp(-x))", x=(-1, 9, 40), extrapolate="clip")
    group = NeuronGroup(
        4,
        """dv/dt = (ge*(3 - v)*table(v) + pull - v)/tau : 1
           dge/dt = -ge/tau_e : 1
           pull : 1
           tau : second (constant)
           tau_e : second (constant)""",
        method="exponential_euler",
        namespace={"table": table},
        name="cells",
    )
    group.tau, group.tau_e, group.v = 10 * ms, [3, 4, 5, 6] * ms, 0.13
    synapses = Synapses(source, group, "w : 1", on_pre="ge_post += w", name="feed")
    synapses.connect(p=0.7)
    synapses.w = np.linspace(0.1, 0.5, len(synapses))
    synapses.delay = np.linspace(0, 2, len(synapses)) * ms
    gaps = Synapses(
        group, group, "w : 1\npull_post = w*(v_pre - v_post) : 1 (summed)", name="gaps"
    )
    gaps.connect(condition="i != j")
    gaps.w = 0.2
    network = DifferentiableNetwork(
        Network(source, group, synapses, gaps),
        {synapses: "w", gaps: "w", group: ["tau", "tau_e", "v"]},
        20 * ms,
        record={group: "v"},
    )
    loss = lambda o: ((o["cells.v"] - 0.3) ** 2).mean()  # noqa: E731
    # a step of 1e-6: within cells of the table almost always
    _check_by_differences(network, loss, rtol=1e-5, step=1e-6)


def test_short_term_plasticity_is_fitted_by_its_parameters():
    source = SpikeGeneratorGroup(1, np.zeros(6, int), [2, 12, 20, 27, 50, 52] * ms)
    group = NeuronGroup(3, "dg/dt = -g/(5*ms) : 1", method="exact", name="amplitude")
    synapses = Synapses(source, group, SHORT_TERM, on_pre=SHORT_TERM_EVENT, name="stp")
    synapses.connect()
    synapses.w, synapses.U, synapses.x = 1, [0.1, 0.4, 0.7], 1
    synapses.tau_f, synapses.tau_d = [100, 20, 5] * ms, [10, 100, 200] * ms
    network = DifferentiableNetwork(
        Network(source, group, synapses),
        {synapses: ["w", "U", "tau_f", "tau_d"]},
        60 * ms,
        record={group: "g"},
    )
    loss = lambda o: (o["amplitude.g"] ** 2).mean()  # noqa: E731
    _, gradients = _check_by_differences(network, loss, rtol=1e-7)
    assert all(np.all(g != 0) for g in gradients.values())


def test_neurons_that_stand_still_have_finite_derivatives():
    """In 'exponential_euler' their rates are 0/0, which Brian2 does not use."""
    group = NeuronGroup(
        2,
        """dv/dt = (ge*(6 - v) - v)/(10*ms) : 1 (unless refractory)
           dh/dt = (v + int(not_refractory) - h)/(7*ms) : 1
           ge : 1""",
        threshold="v > 1",
        reset="v = 0",
        refractory=3 * ms,
        method="exponential_euler",
        name="cells",
        dt=0.5 * ms,
    )
    group.ge = [0.5, 1]
    network = DifferentiableNetwork(
        Network(group), {group: "ge"}, 12 * ms, record={group: ["v", "h"]}
    )
    # no spike comes at another time
    loss = lambda o: (o["cells.v"] + o["cells.h"] ** 2).sum()  # noqa: E731
    _check_by_differences(network, loss, rtol=1e-7, step=1e-6)


def test_only_what_stands_still_forgets_the_refractory_period():
    from brian2_multiscale.codegen.straightline import parse
    from brian2_multiscale.gradients.rates import moving

    model = Equations(
        """dv/dt = -v/ms : 1 (unless refractory)
           dh/dt = v/ms : 1"""
    )
    program = parse(
        """_k = int(not_refractory)*v
           _a = int(not_refractory)*v
           _h = h + _k
           v = v + _a/int(not_refractory)
           h = _h"""
    )
    found = dict(moving(model, program))
    assert found == dict(parse("_k=int(not_refractory)*v;_a=v;_h=h+_k;v=v+_a;h=_h"))


# -- spikes ----------------------------------------------------------------------------
SPIKING = """dv/dt = (-v + drive)/(10*ms) : 1
             drive : 1"""


def _spiking(spike, reset, refractory=False, delay=0, steps=60, **options):
    """Ten neurons that kick each other, and a readout."""
    defaultclock.dt = 1 * ms
    random = np.random.RandomState(2)
    group = NeuronGroup(
        10,
        SPIKING,
        threshold="v > 1",
        reset=reset,
        refractory=refractory,
        method="euler",
        name="cells",
    )
    group.drive, group.v = random.uniform(0.8, 2, 10), random.uniform(0, 1, 10)
    synapses = Synapses(
        group, group, "w : 1", on_pre="v_post += w", delay=delay * ms, name="kicks"
    )
    synapses.connect()
    synapses.w = random.normal(0, 0.2, 100)
    return DifferentiableNetwork(
        Network(group, synapses),
        {synapses: "w", group: ["drive", "v"]},
        steps * ms,
        record={group: ["v", "spikes"]},
        spike=spike,
        **options,
    )


def _weights(shape):
    return np.random.RandomState(1).normal(size=shape)


def _linear_loss(outputs):
    shape = outputs["cells.v"].shape
    return (outputs["cells.v"] * _weights(shape)).sum() + (
        outputs["cells.spikes"] * _weights(shape[::-1]).T
    ).sum()


@pytest.mark.parametrize(("soft", "delay"), [(True, 0), (False, 3)])
def test_surrogate_gradients_against_an_adjoint_by_hand(soft, delay):
    spike = SurrogateGradient("triangle", 0.3, 1.0)
    network = _spiking(spike, "v -= 1" if soft else "v = 0", delay=delay)
    found = network.value_and_grad(_linear_loss)()[1]
    steps, n = network.steps, 10
    w = network.initial["kicks.w"].reshape(n, n)
    drive, start = network.initial["cells.drive"], network.initial["cells.v"]
    # forwards: u before the threshold, k after the kicks, v after the reset
    v, u, k, s = (np.zeros((steps + 1, n)) for _ in range(4))
    v[0] = start
    for t in range(steps):
        u[t] = v[t] + 0.1 * (drive - v[t])
        s[t] = u[t] > 1
        k[t] = u[t] + (s[t - delay] @ w if t >= delay else 0)
        v[t + 1] = k[t] - s[t] if soft else np.where(s[t] > 0, 0, k[t])
    assert s.sum() > 20
    # backwards
    by_v, by_spike = _weights((steps, n)), _weights((n, steps)).T
    dv, dw, ddrive = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    dk = np.zeros((steps + delay + 1, n))
    for t in range(steps - 1, -1, -1):
        dk[t] = dv if soft else dv * (1 - s[t])
        ds = by_spike[t] + (-dv if soft else -dv * k[t])
        ds = ds + dk[t + delay] @ w.T
        if t >= delay:
            dw += np.outer(s[t - delay], dk[t])
        psi = 0.3 * np.maximum(1 - np.abs(u[t] - 1), 0)
        du = dk[t] + psi * ds
        ddrive += 0.1 * du
        dv = 0.9 * du + by_v[t]
    assert_allclose(found["kicks.w"], dw.ravel(), rtol=1e-10, atol=1e-10)
    assert_allclose(found["cells.drive"], ddrive, rtol=1e-10, atol=1e-10)
    assert_allclose(found["cells.v"], dv, rtol=1e-10, atol=1e-10)


SHAPES = ["triangle", "sigmoid", "fast_sigmoid", "arctan", "gaussian"]


@pytest.mark.parametrize(
    ("shape", "reset"), [("triangle", "v -= 1"), ("sigmoid", "v = 0")]
)
def test_smooth_spikes_against_finite_differences(shape, reset):
    """The same code path with graded spikes has true derivatives."""
    spike = SurrogateGradient(shape, scale=0.5, smooth=True)
    network = _spiking(spike, reset, delay=2, steps=12)
    _check_by_differences(network, _linear_loss, rtol=1e-6, step=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    """Equation strings, arrays and integrals are the same function."""
    spike, x = SurrogateGradient(shape), np.linspace(-3, 3, 20001)
    found = spike.derivative(x, np)
    known = {"pi": np.pi, "clip": np.clip, "exp": np.exp, "cosh": np.cosh, "abs": abs}
    text = eval(spike.expression("(x)"), known, {"x": x})
    assert_allclose(found, text, rtol=1e-13, atol=1e-300)
    slope = np.gradient(spike.integral(x, np, erf), x)
    assert_allclose(slope, found, atol=3e-3)
    assert_allclose(spike.integral(np.array(-1e8), np, erf), 0, atol=1e-8)


def test_surrogates_do_not_change_the_simulation():
    plain = _spiking(None, "v = 0", refractory=3 * ms).run()
    spike = SurrogateGradient("gaussian", scale=0.1)
    found = _spiking(spike, "v = 0", refractory=3 * ms).run()
    assert np.array_equal(plain["cells.spikes"], found["cells.spikes"])
    assert np.array_equal(plain["cells.v"], found["cells.v"])


def test_spikes_without_derivative():
    network = _spiking(None, "v = 0")
    only_spikes = lambda outputs: outputs["cells.spikes"].sum()  # noqa: E731
    value, gradients = network.value_and_grad(only_spikes)()
    assert value > 20
    assert all(not np.any(g) for g in gradients.values())


def test_checkpoints_and_trials_do_not_change_gradients():
    spike = SurrogateGradient("sigmoid", scale=0.3)
    with_, without = (
        _spiking(spike, "v -= 1", steps=61, checkpoint=c) for c in (True, False)
    )
    value, gradients = with_.value_and_grad(_linear_loss)()
    other, others = without.value_and_grad(_linear_loss)()
    assert_allclose(value, other, rtol=1e-12)
    for name in gradients:
        assert_allclose(gradients[name], others[name], rtol=1e-10, atol=1e-12)


def test_a_batch_is_the_sum_of_its_trials():
    source = SpikeGeneratorGroup(3, [], [] * ms, name="source")
    group = NeuronGroup(
        2,
        "dv/dt = (I - v)/(5*ms) : 1\nI : 1",
        threshold="v > 1",
        reset="v -= 1",
        method="exact",
        name="cells",
    )
    synapses = Synapses(source, group, "w : 1", on_pre="v_post += w", name="feed")
    synapses.connect()
    synapses.w = np.linspace(0.2, 0.7, 6)
    network = DifferentiableNetwork(
        Network(source, group, synapses),
        {synapses: "w"},
        20 * ms,
        inputs={source: "spikes", group: "I"},
        record={group: ["v", "spikes"]},
        spike=SurrogateGradient("arctan"),
    )
    random = np.random.RandomState(1)
    spikes = random.rand(4, network.steps, 3) < 0.1
    current = random.rand(network.steps, 2)

    def loss(outputs, weight):
        spikes = outputs["cells.spikes"]
        return (weight * spikes.sum((-1, -2))).sum() + outputs["cells.v"].sum()

    compute = network.value_and_grad(loss)
    inputs = {source: spikes, group: current}
    value, gradients = compute(inputs=inputs, args=(np.arange(4.0),))
    single = [
        compute(inputs={source: s, group: current}, args=(np.array(float(k)),))
        for k, s in enumerate(spikes)
    ]
    assert_allclose(value, sum(v for v, _ in single), rtol=1e-12)
    expected = sum(g["feed.w"] for _, g in single)
    assert_allclose(gradients["feed.w"], expected, rtol=1e-10)
    found = network.run(inputs=inputs)
    assert found["cells.v"].shape == (4, network.steps, 2)
    assert found["cells.spikes"].sum() > 5


def test_gradients_through_noise_are_for_fixed_numbers():
    group = NeuronGroup(
        5,
        "dv/dt = -v/tau + sigma*tau**-.5*xi : volt\ntau : second\nsigma : volt",
        method="euler",
        name="noisy",
    )
    group.tau, group.sigma = 5 * ms, 2 * mV
    network = DifferentiableNetwork(
        Network(group), {group: ["tau", "sigma"]}, 0.01 * second, record={group: "v"}
    )
    loss = lambda outputs: (1e6 * outputs["noisy.v"] ** 2).sum()  # noqa: E731
    _check_by_differences(network, loss, rtol=1e-7, seed=5)
