"""Numbers per pair of populations: weights, probabilities, delays."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Quantity,
    get_dimensions,
)

from .arguments import check_numbers

__all__ = [
    "delay_matrix",
    "pair_matrix",
    "probability_matrix",
    "source_vector",
    "with_unit",
]


def pair_matrix(name, value, shape):
    """A value per (source, target) pair, as a `Quantity` of that shape."""
    array = check_numbers(name, value, None)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {value}.")
    if array.ndim not in (0, 2) or (array.ndim == 2 and array.shape != shape):
        raise ValueError(
            f"{name} must be one value or a matrix of shape {shape}, one row per "
            f"source and one column per target population; got shape {array.shape}."
        )
    return with_unit(np.broadcast_to(array, shape), get_dimensions(value))


def with_unit(array, dim):
    """A `Quantity` even if it has no dimension, for which Brian2 gives an array."""
    quantity = np.array(array, dtype=float).view(Quantity)
    quantity.dim = dim
    return quantity


def source_vector(name, value, length):
    """A value per source population."""
    array = check_numbers(name, value, None)
    if array.ndim > 1 or (array.ndim == 1 and len(array) != length):
        raise ValueError(
            f"{name} belongs to the source: it must be one value or {length} of them, "
            f"got shape {array.shape}."
        )
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {value}.")
    return with_unit(np.broadcast_to(array, (length,)), get_dimensions(value))


def probability_matrix(value, shape):
    """Probabilities of a synapse."""
    if isinstance(value, str):
        raise TypeError(
            f"p must be a number or a matrix of numbers, got {value!r}. For a "
            "condition make populations: N=[...], or parts of a group, group[:3200]."
        )
    check_numbers("p", value, kind="a probability")
    matrix = pair_matrix("p", value, shape)
    if np.any((matrix < 0) | (matrix > 1)):
        raise ValueError(f"p must be a probability between 0 and 1, got {value}.")
    return np.asarray(matrix)


def delay_matrix(value, shape, dt):
    """Delays in time steps."""
    check_numbers("delay", value, second, "a time")
    matrix = np.asarray(pair_matrix("delay", value, shape))
    if np.any(matrix < 0):
        raise ValueError(f"delay must not be negative, got {value}.")
    return np.round(matrix / dt).astype(np.int32)


def is_dimensionless(value):
    return get_dimensions(value) is DIMENSIONLESS
