"""Two networks for e-prop, in Brian2 and written by hand in JAX.

Nothing of the package is in the JAX versions: spikes that go to other neurons of the
network carry no derivative, all else does.
"""

import jax
import jax.numpy as jnp
import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
)

from brian2_multiscale.gradients.eprop.eprop import EProp
from brian2_multiscale.gradients.surrogate_gradient import SurrogateGradient

STEPS, INPUTS, N, EXCITATORY = 60, 5, 6, 4
OTHERS = ~np.eye(N, dtype=bool)

_random = np.random.default_rng(1)
ARRIVE = _random.random((STEPS, INPUTS)) < 0.25
TARGET = _random.normal(0, 1, (STEPS, 2))
DELAYS = _random.integers(1, 4, (EXCITATORY, N))

# Of the first network: input, recurrent, readout
WEIGHTS = (
    _random.uniform(0, 0.8, (INPUTS, N)),
    _random.normal(0, 0.5, (N, N)) * OTHERS,
    _random.normal(0, 1, (N, 2)),
)
# Of the second: input, excitatory, inhibitory, readout
KICKS = (
    _random.uniform(0, 1.0, (INPUTS, N)),
    _random.uniform(0, 0.4, (EXCITATORY, N)),
    _random.uniform(0, 0.4, (N - EXCITATORY, N)),
    _random.normal(0, 1, (EXCITATORY, 3)),
)

ADAPTIVE = """
dv/dt = (-v + g*(3 - v) + h*(-1 - v))/(12*ms) : 1 (unless refractory)
dg/dt = -g/(4*ms) : 1
dh/dt = -h/(6*ms) : 1
da/dt = -a/(30*ms) : 1
"""
# The voltage also pulls a current, and is not reset to a fixed value
BENT = """
dv/dt = (-v - u)/(10*ms) : 1 (unless refractory)
du/dt = (0.2*v - u)/(30*ms) : 1
dth/dt = (1 - th)/(20*ms) : 1
"""


def source(name="given"):
    times, neurons = np.nonzero(ARRIVE)
    return SpikeGeneratorGroup(INPUTS, neurons, times * ms, name=name)


def connected(name, pre, post, code, weights, model="w : 1", where=None, **kwds):
    synapses = Synapses(pre, post, model, on_pre=code, name=name, **kwds)
    where = np.ones(weights.shape, bool) if where is None else where
    i, j = np.nonzero(where)
    synapses.connect(i=i, j=j)
    synapses.w = weights[where]
    return synapses


def conductances(**kwds):
    """Conductances, adaptive threshold, refractoriness, delays; squared error."""
    defaultclock.dt = 1 * ms
    given = source()
    rec = NeuronGroup(
        N,
        ADAPTIVE,
        threshold="v > 1 + 0.3*a",
        reset="v -= 1\na += 1",
        refractory=3 * ms,
        method="exponential_euler",
        name="adaptive",
    )
    out = NeuronGroup(2, "dy/dt = -y/(15*ms) : 1", method="exact", name="leaky")
    out.namespace["wanted"] = TimedArray(TARGET, dt=1 * ms, name="wanted")
    s_in = connected("given_on", given, rec, "g_post += w", WEIGHTS[0])
    s_rec = connected(
        "among", rec, rec, "h_post += w", WEIGHTS[1], where=OTHERS, delay=2 * ms
    )
    s_out = connected("read", rec, out, "y_post += w", WEIGHTS[2])
    synapses = [s_in, s_rec, s_out]
    options = {"surrogate": SurrogateGradient("triangle", 0.3, 1.5), "name": "learner"}
    eprop = EProp(rec, synapses, s_out, "wanted(t, i)", **options | kwds)
    monitor = StateMonitor(out, ["y", "y_loss"], True, when="after_end", name="seen")
    network = Network(given, rec, out, synapses, eprop, monitor)
    return network, eprop, synapses, monitor


def kicked(**kwds):
    """Kicks of voltage, depression, E and I; cross entropy of a readout with delay."""
    defaultclock.dt = 1 * ms
    given = source("kicks")
    rec = NeuronGroup(
        N,
        BENT,
        threshold="v >= th",
        reset="v = 0.1*v - 0.2\nth += 0.4*th",
        refractory="2*ms",
        method="euler",
        name="bent",
    )
    rec.th = 1
    out = NeuronGroup(
        3,
        "dy/dt = (x - y)/(10*ms) : 1\ndx/dt = -x/(5*ms) : 1",
        method="euler",
        name="second_order",
    )
    plastic = "w : 1\ndx/dt = (1 - x)/(50*ms) : 1 (event-driven)"
    s_in = connected(
        "kicks_on", given, rec, "v_post += w*x; x *= 0.7", KICKS[0], plastic
    )
    s_in.x = 1
    s_e = connected("excite", rec[:EXCITATORY], rec, "v_post += w", KICKS[1])
    s_e.delay = DELAYS.ravel() * ms
    s_i = connected(
        "inhibit",
        rec[EXCITATORY:],
        rec,
        "v_post -= 2*effect",
        KICKS[2],
        "w : 1\neffect = w/2 : 1",
    )
    s_out = connected("look", rec[:EXCITATORY], out, "x_post += 2*w", KICKS[3])
    synapses = [s_in, s_e, s_i, s_out]
    options = {
        "output": "y",
        "loss": "cross_entropy",
        "importance": "int(t >= 20*ms)",
        "surrogate": SurrogateGradient("triangle", 0.3, 1.5),
        "name": "student",
    }
    eprop = EProp(rec, synapses, s_out, "int(i == 1)", **options | kwds)
    monitor = StateMonitor(out, ["y", "y_loss"], True, when="after_end", name="looked")
    network = Network(given, rec, out, synapses, eprop, monitor)
    return network, eprop, synapses, monitor


# -- the same in JAX -----------------------------------------------------------------
@jax.custom_jvp
def spike(x):
    return (x > 0) * 1.0


@spike.defjvp
def _triangle(primals, tangents):
    (x,), (moved,) = primals, tangents
    return spike(x), 0.3 * jnp.maximum(1.5 - jnp.abs(x), 0) * moved


def conductances_loss(weights, across=False, jumps=("v", "a")):
    """Loss and outputs; `across` lets derivatives pass between neurons."""
    w_in, w_rec, w_out = weights
    w_rec = w_rec * OTHERS
    v = g = h = a = jnp.zeros(N)
    y, last, loss, outputs = jnp.zeros(2), jnp.full(N, -1e4), 0.0, []
    on_the_way = [jnp.zeros(N)] * 2
    for t in range(STEPS):
        free = t - last >= 3
        rate, drive = -(1 + g + h) / 12, (3 * g - h) / 12
        moved = v * jnp.exp(rate) + drive / rate * (jnp.exp(rate) - 1)
        v = jnp.where(free, moved, v)
        g, h, a = g * jnp.exp(-1 / 4), h * jnp.exp(-1 / 6), a * jnp.exp(-1 / 30)
        y = y * jnp.exp(-1 / 15)
        z = jnp.where(free, spike(v - 1 - 0.3 * a), 0.0)
        y = y + z @ w_out
        fixed = jax.lax.stop_gradient(z)
        on_the_way.append(z if across else fixed)
        g = g + (ARRIVE[t] * 1.0) @ w_in
        h = h + on_the_way.pop(0) @ w_rec
        v = v - (z if "v" in jumps else fixed)
        a = a + (z if "a" in jumps else fixed)
        last = jnp.where(z > 0, t, last)
        loss += 0.5 * jnp.sum((y - TARGET[t]) ** 2)
        outputs.append(y)
    return loss, jnp.array(outputs)


def kicked_loss(weights):
    w_in, w_e, w_i, w_out = weights
    v, u, th = jnp.zeros(N), jnp.zeros(N), jnp.ones(N)
    x, y, last, loss, outputs = 0 * jnp.ones(3), jnp.zeros(3), -1e4, 0.0, []
    fired, left, before = [], np.ones(INPUTS), np.zeros(INPUTS)
    last = jnp.full(N, last)
    for t in range(STEPS):
        free = t - last >= 2
        moved = v + (-v - u) / 10
        u, th = u + (0.2 * v - u) / 30, th + (1 - th) / 20
        v = jnp.where(free, moved, v)
        x, y = x - x / 5, y + (x - y) / 10
        # both sides are never equal here, but at zero distance a spike would be missing
        z = jnp.where(free, spike(v - th), 0.0)
        x = x + 2 * z[:EXCITATORY] @ w_out
        fired.append(jax.lax.stop_gradient(z))
        left = np.where(ARRIVE[t], 1 + (left - 1) * np.exp((before - t) / 50), left)
        kick = (ARRIVE[t] * left) @ w_in - fired[-1][EXCITATORY:] @ w_i
        left = np.where(ARRIVE[t], 0.7 * left, left)
        before = np.where(ARRIVE[t], t, before)
        for delay in range(1, 4):
            if t >= delay:
                arriving = fired[t - delay][:EXCITATORY]
                kick = kick + arriving @ (w_e * (delay == DELAYS))
        v = jnp.where(free & (z == 0), v + kick, v)
        v, th = v + z * (-0.9 * v - 0.2), th + z * 0.4 * th
        last = jnp.where(z > 0, t, last)
        loss -= (t >= 20) * jax.nn.log_softmax(y)[1]
        outputs.append(y)
    return loss, jnp.array(outputs)


def by_hand(loss, weights, **kwds):
    """Loss, outputs and gradients (one flat array for each weight matrix)."""
    with jax.enable_x64(True):
        weights = tuple(map(jnp.asarray, weights))
        (value, outputs), found = jax.value_and_grad(
            lambda w: loss(w, **kwds), has_aux=True
        )(weights)
        return float(value), np.array(outputs), [np.array(g) for g in found]
