"""Derivatives in forward mode, for few parameters."""

from functools import partial

import numpy as np

__all__ = ["all_together", "one_by_one"]


def all_together(jax, function):
    """Value and Jacobian by all elements of all parameters."""

    def derived(params, *others):
        call = partial(_swapped, function, others)
        return call(params), jax.jacfwd(call)(params)

    return derived


def one_by_one(jax, function):
    """Value and derivatives in the direction of all elements of one parameter."""

    def derived(params, *others):
        values, push = jax.linearize(partial(_swapped, function, others), params)
        found = jax.vmap(push)(_directions(params))
        return values, dict(zip(params, found, strict=True))

    return derived


def _swapped(function, others, params):
    return function(params, *others)


def _directions(params):
    """All elements of one parameter at a time: tangents, one for each parameter."""
    unit = np.eye(len(params))
    return {
        name: unit[:, i].reshape(-1, *[1] * np.ndim(value)).astype(value.dtype)
        * np.ones(np.shape(value), value.dtype)
        for i, (name, value) in enumerate(params.items())
    }
