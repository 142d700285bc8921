"""What training minimises, as pure functions: compiled once per architecture."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import cnn_jax, compact_jax
from .segments import segments

__all__ = ["CNNLoss", "CompactLoss", "FeedbackLoss", "value", "value_and_gradient"]

# Samples over which errors are averaged to see those that persist, and their weight
_LONG, _PERSISTENT = 64, 4.0


@dataclass(frozen=True)
class Loss:
    """
    Loss of an architecture; equal ones share what was compiled.

    Attributes
    ----------
    options : `CompactOptions` or `CNNOptions`
    step : float
        Length of a sample in seconds.
    shapes : tuple of (str, tuple)
        Names and shapes of the parameters.
    """

    options: Any
    step: float
    shapes: tuple

    def split(self, vector):
        """Parameters by name, from a vector of numpy or JAX."""
        found, start = {}, 0
        for name, shape in self.shapes:
            stop = start + int(np.prod(shape))
            found[name] = vector[start:stop].reshape(shape)
            start = stop
        return found

    def __call__(self, vector, stage, *arrays):
        return self.of(self.split(vector), stage, *arrays)


class CompactLoss(Loss):
    """Error of the response to whole trials, relative to the size of the answer."""

    def of(self, parameters, stage, z, y, weight):
        found = compact_jax.forward(parameters, self.options, z, self.step)
        return _two_errors((found - y) * weight)


class FeedbackLoss(Loss):
    """Error in pieces of `stage` samples that begin where the model was."""

    def of(self, parameters, stage, z, y, weight):
        p, o = parameters, self.options
        before = jnp.pad(y[:-1], ((1, 0), (0, 0), (0, 0)))
        told = jnp.concatenate([z, before], axis=-1)
        if stage == 1:
            change = compact_jax.forward(p, o, told, self.step)
            return jnp.mean(((change - (y - before)) * weight) ** 2)
        states = compact_jax.states_of(p, o, told, self.step)
        z, y, before, states = segments(stage, z, y, before, states)
        found = compact_jax.free_running(p, o, z, before, states, self.step)
        return jnp.mean(((found - y) * weight[:, :1]) ** 2)


class CNNLoss(Loss):
    """Mean absolute error in windows, as published, relative to the answer's size."""

    def of(self, parameters, stage, z, y, weight):
        error = cnn_jax.forward(parameters, self.options, z) - y
        return jnp.mean(jnp.abs(error * weight))


def _call(loss, stage, vector, *arrays):
    return loss(vector, stage, *arrays)


#: ``value(loss, stage, vector, *arrays)``
value = jax.jit(_call, static_argnums=(0, 1))


def _with_gradient(loss, stage, vector, *arrays):
    # By parameters: the derivative of cutting a vector of a million takes as long as
    # all the rest
    def of(parameters):
        return loss.of(parameters, stage, *arrays)

    found, gradient = jax.value_and_grad(of)(loss.split(vector))
    return found, jnp.concatenate([gradient[name].ravel() for name, _ in loss.shapes])


#: The same with the derivative with respect to `vector`
value_and_gradient = jax.jit(_with_gradient, static_argnums=(0, 1))


def _two_errors(error):
    """Mean square, and that of what persists, which often matters more later on."""
    count = len(error) // _LONG
    loss = jnp.mean(error**2)
    if count:
        parts = error[: count * _LONG].reshape(count, _LONG, *error.shape[1:])
        loss += _PERSISTENT * jnp.mean(parts.mean(axis=1) ** 2)
    return loss
