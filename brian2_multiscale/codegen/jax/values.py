"""Small operations that the text of statements calls."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.special import erf

__all__ = ["HELPERS", "blend", "divide", "number", "real", "spike_function"]


def number(condition, dtype):
    """A condition as 0 or 1."""
    return jnp.asarray(condition).astype(dtype)


def _is_whole(value):
    return not jnp.issubdtype(jnp.result_type(value), jnp.inexact)


def real(value, dtype):
    """A number as it is; a whole one in the precision of the others."""
    return jnp.asarray(value).astype(dtype) if _is_whole(value) else value


def divide(left, right, dtype):
    """A true division: of whole numbers, too."""
    numbers = isinstance(left, int) and isinstance(right, int)
    if not numbers and _is_whole(left) and _is_whole(right):
        left = real(left, dtype)
    return left / right


@jax.custom_jvp
def _between(amount, new, old):
    return jnp.where(amount > 0.5, new, old)


@_between.defjvp
def _between_jvp(primals, tangents):
    (amount, new, old), (d_amount, d_new, d_old) = primals, tangents
    moved = jnp.where(amount > 0.5, d_new, d_old) + d_amount * (new - old)
    return _between(amount, new, old), moved


def blend(amount, new, old, smooth=False):
    """
    A new value where something happened, the old one elsewhere.

    What happened (0 or 1) carries a derivative: that of moving from one value to the
    other.
    """
    if not jnp.issubdtype(old.dtype, jnp.floating):
        return jnp.where(amount > 0.5, new, old)
    if smooth:
        return old + amount * (new - old)
    return _between(amount, new, old)


def spike_function(surrogate, dtype):
    """
    What makes a number of a comparison and a distance.

    Parameters
    ----------
    surrogate : `SurrogateGradient`
    dtype : type
    """
    if surrogate.shape == "none":
        return lambda condition, distance: number(condition, dtype)
    if surrogate.smooth:
        return lambda condition, distance: surrogate.integral(
            distance / surrogate.scale, jnp, erf
        )
    return partial(_spike, surrogate, dtype)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _jump(surrogate, dtype, distance, value):
    return value


@_jump.defjvp
def _jump_jvp(surrogate, dtype, primals, tangents):
    distance, value = primals
    slope = surrogate.derivative(distance / surrogate.scale, jnp) / surrogate.scale
    return value, (slope * tangents[0]).astype(dtype)


def _spike(surrogate, dtype, condition, distance):
    value = jax.lax.stop_gradient(number(condition, dtype))
    distance = jnp.broadcast_to(distance, value.shape).astype(dtype)
    return _jump(surrogate, dtype, distance, value)


def _assigned(value, shape, dtype):
    """A value as it is stored."""
    return jnp.broadcast_to(jnp.asarray(value).astype(dtype), shape)


HELPERS = {"_jax_np": jnp, "_jax_assigned": _assigned}
