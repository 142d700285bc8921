"""The compact surrogate in JAX: the same numbers as in numpy, with derivatives.

Signals have the shape (features, trials, samples) here: samples last, for the matrix
products of `decaying_sums`. States and what drives them are never put together into one
array, as in numpy: XLA would compute the filters again for every part of it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.surrogates.compact import compact_shapes
from .linear_states import decaying_sums

__all__ = ["forward", "free_running", "initial_parameters"]

#: Time constants stay above this fraction of a sample
SHORTEST = 0.25


def forward(parameters, options, z, step):
    """
    Compute the response to whole signals, from rest.

    Parameters
    ----------
    parameters : dict of str to array
        As in `compact_shapes`.
    options : `CompactOptions`
        With `feedback` the result is the change per sample, and `z` also has the
        outputs one sample earlier.
    z : array, shape (samples, trials, inputs)
        Normalised inputs.
    step : float
        Length of a sample in seconds.

    Returns
    -------
    y : array, shape (samples, trials, outputs)
    """
    p = parameters
    *_, (s, before, u) = _blocks(p, options, z, step)
    y = _dense(p["w"], u) + _both(p["w_states"], s, before)
    return jnp.transpose(y, (2, 1, 0))


def free_running(parameters, options, z, y, state, step):
    """
    Compute the response of a network with feedback to its own output, step by step.

    Parameters
    ----------
    parameters, options, step
        As in `forward`.
    z : array, shape (samples, trials, inputs)
        Normalised inputs without the feedback.
    y : array, shape (trials, outputs)
        Output one sample before.
    state : array, shape (blocks, trials, states)

    Returns
    -------
    y : array, shape (samples, trials, outputs)
    """
    p = parameters
    rates = [step / jnp.exp(p[f"log_tau{k}"]) for k in range(options.blocks)]

    def one(carry, sample):
        y, states = carry
        kept = []
        u = _kept_zero(jnp.concatenate([sample, y], axis=-1) @ p["W"].T, p["b"])
        for k, rate in enumerate(rates):
            a = jnp.exp(-rate)
            s = a * states[k] - jnp.expm1(-rate) * (u @ p[f"B{k}"].T)
            q = jnp.concatenate([s, u], axis=-1)
            u = _kept_zero(q @ p[f"C{k}"].T, p[f"c{k}"])
            if options.gated:
                u = u * (1 + q @ p[f"G{k}"].T)
            kept.append(s)
        y = y + u @ p["w"].T + q @ p["w_states"].T
        return (y, jnp.stack(kept)), y

    return jax.lax.scan(one, (y, state), z)[1]


def states_of(parameters, options, z, step):
    """Linear states for whole signals, shape (samples, blocks, trials, states)."""
    blocks = _blocks(parameters, options, z, step)
    return jnp.stack([jnp.transpose(s, (2, 1, 0)) for s, *_ in blocks], axis=1)


def _blocks(p, options, z, step):
    """States, input and output of every block, of shape (units, trials, samples)."""
    x = jnp.transpose(z, (2, 1, 0))
    u = _bounded(_dense(p["W"], x), p["b"])
    for k in range(options.blocks):
        rate = step / jnp.exp(p[f"log_tau{k}"])
        drive = p[f"B{k}"] * -jnp.expm1(-rate)[:, None]
        s, before = decaying_sums(rate, _dense(drive, u)), u
        u = _bounded(_both(p[f"C{k}"], s, before), p[f"c{k}"])
        if options.gated:
            u = u * (1 + _both(p[f"G{k}"], s, before))
        yield s, before, u


def initial_parameters(random, options, inputs, outputs, step, slowest):
    """
    Random parameters to start from, as float32.

    Weights are normal with a variance that keeps that of a layer's input; thresholds of
    the first layer are spread over the range where inputs are, so that units bend at
    different levels. Time constants of every block go from one sample to `slowest` in
    equal ratios.

    Parameters
    ----------
    random : `numpy.random.Generator`
    options : `CompactOptions`
    inputs, outputs : int
    step, slowest : float
        In seconds.
    """
    spread = {"b": 1.0, "w": 0.1, "w_states": 0.1}
    found = {}
    for name, shape in compact_shapes(options, inputs, outputs).items():
        if name.startswith("log_tau"):
            found[name] = np.log(np.geomspace(step, max(slowest, step), shape[0]))
            continue
        values = random.normal(size=shape)
        if name.startswith("G"):
            values *= 0.1
        elif name.startswith("c"):
            values *= 0.3
        values *= spread.get(name, 1.0)
        plain = len(shape) == 1 or name in spread
        found[name] = values if plain else values / np.sqrt(shape[1])
    if options.feedback:
        # The change per sample is small: of the order of a sample over a time constant
        for name in ("w", "w_states"):
            found[name] *= step / slowest
    return {name: values.astype(np.float32) for name, values in found.items()}


def within_bounds(parameters, step):
    """Parameters with time constants that a sample can resolve."""
    low = np.log(SHORTEST * step)
    return {
        name: np.maximum(value, low) if name.startswith("log_tau") else value
        for name, value in parameters.items()
    }


@jax.custom_vjp
def _dense(weight, x):
    return (weight @ x.reshape(len(x), -1)).reshape(-1, *x.shape[1:])


def _dense_back(kept, change):
    weight, x = kept
    flat = change.reshape(len(change), -1)
    # Or else XLA takes a slow product of the transposed matrix instead of a copy
    turned = jax.lax.optimization_barrier(weight.T)
    gradient = (x.reshape(len(x), -1) @ flat.T).T
    return gradient, (turned @ flat).reshape(x.shape)


_dense.defvjp(lambda weight, x: (_dense(weight, x), (weight, x)), _dense_back)


def _both(weight, s, u):
    """The product of `weight` with s and u, one below the other."""
    return _dense(weight[:, : len(s)], s) + _dense(weight[:, len(s) :], u)


def _bounded(x, bias):
    return _plus(jnp.tanh(_plus(x, bias)), -jnp.tanh(bias))


def _kept_zero(x, bias):
    return jnp.tanh(x + bias) - jnp.tanh(bias)


@jax.custom_vjp
def _plus(x, bias):
    return x + bias[:, None, None]


def _plus_back(_, change):
    # Two sums: XLA adds up one after the other, which is slow and, in float32, inexact
    return change, change.sum(axis=1).sum(axis=1)


_plus.defvjp(lambda x, bias: (_plus(x, bias), None), _plus_back)
