"""Batches of trials, and the loss that decides which parameters are best."""

from collections.abc import Mapping

import numpy as np

__all__ = ["check_batch", "validation_loss"]


def check_batch(name, given):
    """Inputs and arguments of the loss, as a pair."""
    if not isinstance(given, tuple) or len(given) != 2:
        raise TypeError(f"{name} must be a pair (inputs, args), got {given!r}.")
    inputs, args = given
    if inputs is not None and not isinstance(inputs, Mapping):
        raise TypeError(f"{name}: inputs must be a dict or None, got {inputs!r}.")
    if not isinstance(args, tuple | list):
        raise TypeError(f"{name}: args must be a tuple, got {args!r}.")
    return inputs, tuple(args)


def validation_loss(network, loss, validate, split):
    """
    What judges parameters.

    Parameters
    ----------
    network : `DifferentiableNetwork`
    loss : callable
    validate : callable, list or None
        As in `Trainer.fit`.
    split : callable
        Parameters by name, from a vector.

    Returns
    -------
    callable or None
        ``(vector) -> float``
    """
    if validate is None:
        return None
    if callable(validate):
        return lambda vector: float(validate(split(vector)))
    if not isinstance(validate, list | tuple) or not len(validate):
        raise TypeError(
            "validate must be a function of parameters or a list of batches (inputs, "
            f"args), got {validate!r}."
        )
    pairs = [check_batch(f"validate[{k}]", pair) for k, pair in enumerate(validate)]
    return lambda vector: _mean_loss(network, loss, split(vector), pairs)


def _mean_loss(network, loss, parameters, pairs):
    import jax  # an optional extra

    with jax.enable_x64(True):
        losses = [
            loss(network.run(parameters, inputs=inputs, seed=k), *args)
            for k, (inputs, args) in enumerate(pairs)
        ]
    return float(np.mean([float(value) for value in losses]))
