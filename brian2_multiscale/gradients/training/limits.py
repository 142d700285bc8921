"""What a user says about trainable parameters: sign, mask, bounds, scale."""

from collections.abc import Mapping

import numpy as np
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from ...arguments import check_numbers, check_positive
from .coordinates import Coordinates

__all__ = ["coordinates_of"]


def coordinates_of(network, sign, mask, bounds, scale):
    """`Coordinates` of a network's parameters, from what `Trainer` was given."""
    start = {n: np.array(v, dtype=float) for n, v in network.initial.items()}
    dims = {name: network.dimensions[name] for name in start}
    scales = _scales(network, scale, dims)
    free = {n: np.ones(v.shape, dtype=bool) for n, v in start.items()}
    owners = getattr(network, "owners", {})
    for name, key, given in _choices("mask", network, mask):
        owner = owners.get(name) if isinstance(key, str) else key
        free[name] = _mask(name, owner, given, start[name].shape)
    low = {n: np.full(v.shape, -np.inf) for n, v in start.items()}
    high = {n: np.full(v.shape, np.inf) for n, v in start.items()}
    for name, _, given in _choices("bounds", network, bounds):
        low[name], high[name] = _bounds(name, given, low[name], high[name], dims[name])
    for name, _, given in _choices("sign", network, sign):
        positive = _positive(name, given, start[name].shape)
        low[name] = np.where(positive, np.maximum(low[name], 0), low[name])
        high[name] = np.where(positive, high[name], np.minimum(high[name], 0))
    _check_start(start, free, low, high, dims)
    return Coordinates(start, scales, free, low, high)


def _choices(argument, network, given):
    """Name of a parameter, key and value of every item of an argument."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{argument} must be a dict of trainable objects (or names such as "
            f"{network.names[0]!r}) and values, got {given!r}."
        )
    seen = set()
    for key, value in given.items():
        name = _name(argument, key, network)
        if name in seen:
            raise ValueError(f"{argument} says twice what holds for {name!r}.")
        seen.add(name)
        yield name, key, value


def _name(argument, key, network):
    if isinstance(key, str) and key in network.names:
        return key
    owner = key if isinstance(key, str) else getattr(key, "name", None)
    found = [n for n in network.names if n.split(".")[0] == owner]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{argument}: several variables of {owner!r} are trained; name one of "
            f"{found}."
        )
    raise ValueError(
        f"{argument} names {owner or key!r}, of which nothing is trained; trainable "
        f"are {list(network.names)}."
    )


def _scales(network, scale, dims):
    found = {name: 1.0 for name, dim in dims.items() if dim is DIMENSIONLESS}
    for name, _, given in _choices("scale", network, scale):
        unit = get_unit(dims[name])
        found[name] = check_positive(f"scale of {name!r}", given, unit)
    missing = [name for name in dims if name not in found]
    if missing:
        unit = get_unit(dims[missing[0]])
        raise ValueError(
            f"{missing[0]!r} has the unit {unit!r}: say what counts as a change of "
            f"one, in which lr is measured: scale={{{missing[0]!r}: <typical value>}}."
        )
    return {name: found[name] for name in dims}


def _mask(name, owner, given, shape):
    try:
        found = np.asarray(given)
    except ValueError:  # lists of different lengths
        found = np.array(None)
    if found.dtype != bool:
        raise TypeError(
            f"mask of {name!r} must be an array of True (trained) and False, got "
            f"{given!r}."
        )
    if found.ndim == 2 and isinstance(owner, Synapses):
        sizes = len(owner.source), len(owner.target)
        if found.shape != sizes:
            raise ValueError(
                f"mask of {name!r}: a matrix must have the shape {sizes} (sources, "
                f"targets), got {found.shape}."
            )
        found = found[np.asarray(owner.i), np.asarray(owner.j)]
    if found.shape != shape:
        raise ValueError(
            f"mask of {name!r} must have the shape {shape}, one value each, got "
            f"{found.shape}."
        )
    return found


def _bounds(name, given, low, high, dim):
    try:
        least, most = given
    except (TypeError, ValueError):
        raise TypeError(
            f"bounds of {name!r} must be a pair (lowest, highest), of which each may "
            f"be None, got {given!r}."
        ) from None
    if least is not None:
        low = _limit(name, least, low.shape, dim)
    if most is not None:
        high = _limit(name, most, high.shape, dim)
    if not np.all(low < high):
        raise ValueError(f"bounds of {name!r}: the first must be lower, got {given!r}.")
    return low, high


def _limit(name, given, shape, dim):
    found = check_numbers(f"bounds of {name!r}", given, get_unit(dim))
    if found.shape not in ((), shape) or np.any(np.isnan(found)):
        raise ValueError(
            f"bounds of {name!r} must be numbers, or arrays of the shape {shape}, got "
            f"{given!r}."
        )
    return np.broadcast_to(found, shape)


def _positive(name, given, shape):
    if isinstance(given, str) and given in ("+", "-"):
        return np.full(shape, given == "+")
    signs = check_numbers(
        f"sign of {name!r}", given, 1, "'+', '-' or an array of signs"
    )
    if signs.shape != shape or not np.all(np.abs(signs) == 1):
        raise ValueError(
            f"sign of {name!r} must be '+', '-' or an array of 1 and -1 of the shape "
            f"{shape}, got {given!r}."
        )
    return signs > 0


def _check_start(start, free, low, high, dims):
    for name, values in start.items():
        outside = free[name] & ~((values >= low[name]) & (values <= high[name]))
        if np.any(outside):
            worst = values[outside].ravel()[0] * get_unit(dims[name])
            raise ValueError(
                f"{np.count_nonzero(outside)} of {values.size} values of {name!r} do "
                f"not keep sign or bounds at the start, the first is {worst}. Set them "
                "before DifferentiableNetwork(...) is called."
            )
    if not any(np.any(part) for part in free.values()):
        raise ValueError("mask leaves nothing to be trained.")
