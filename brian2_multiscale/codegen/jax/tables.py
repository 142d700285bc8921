"""Look-up tables in JAX: the derivative is that of the interpolant."""

import jax
import jax.numpy as jnp
import numpy as np

from ...numerics.lookup import _corner_offsets

__all__ = ["lookup"]


def lookup(function):
    """
    A `LookupFunction` (a `TableFunction`) of arrays.

    Outside of the range it does what the function says; where that is to raise an
    error, which is not possible here, it gives nan.
    """
    values, axes = np.array(function.arrays["values"]), function.axes
    offsets = _corner_offsets(values.shape)

    def interpolate(*args):
        args = jnp.broadcast_arrays(*map(jnp.asarray, args))
        places = [
            _position(axis, x, function.extrapolate)
            for axis, x in zip(axes, args, strict=True)
        ]
        base, weights = 0, []
        for place, n in zip(places, values.shape, strict=True):
            cell = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, n - 2)
            weights.append(place - cell)
            base = base * n + jnp.where(jnp.isnan(cell), 0, cell).astype(int)
        shape = (-1,) + (1,) * jnp.ndim(base)
        corners = jnp.asarray(values.reshape(-1))[base + offsets.reshape(shape)]
        corners = corners.astype(weights[0].dtype)
        for weight in reversed(weights):
            corners = corners[0::2] + weight * (corners[1::2] - corners[0::2])
        return corners[0]

    return interpolate


def _position(axis, x, extrapolate):
    low, high = axis.limits
    outside = (x < low) | (x > high)
    if extrapolate != "linear":
        x = jnp.clip(x, axis.lo, axis.hi)
    if axis.is_log:
        # the inner where keeps the derivative finite
        x = jnp.log(jnp.where(x > 0, x, axis.lo)) + jnp.where(x > 0, 0.0, jnp.nan)
    place = (x - axis.origin) * axis.inverse_step
    if extrapolate in ("raise", "nan"):
        return jnp.where(outside, jnp.nan, place)
    return place
