"""What a differentiable network is given anew at every call."""

from collections.abc import Mapping, Sequence

import numpy as np
from brian2.units.fundamentalunits import DIMENSIONLESS

from ...arguments import check_whole
from ..units import check_unit

__all__ = ["Inputs", "trial_keys"]


class Inputs:
    """
    Checks inputs and brings them into order.

    Parameters
    ----------
    objects : dict of str to (object, str)
        By the name of the input.
    shapes : dict of str to tuple
        In one step.
    schedules : dict of str to ndarray
        Further inputs that are always the same.
    steps : int
    """

    def __init__(self, objects, shapes, schedules, steps):
        self.objects, self.shapes = objects, shapes
        self.schedules, self.steps = schedules, steps

    def arrays(self, inputs):
        """
        All inputs.

        Returns
        -------
        arrays : dict of str to array
        batched : tuple of str
            Those with a first axis for trials.
        trials : int or None
            None if none has one.

        Raises
        ------
        ValueError, TypeError, DimensionMismatchError
            Inputs that are missing, unknown, of another shape or another unit.
        """
        if not isinstance(inputs, Mapping | None):
            raise TypeError(
                "inputs must be a dict of arrays by '<object name>.<what>', got "
                f"{inputs!r}."
            )
        named = {self._name(k): v for k, v in (inputs or {}).items()}
        if set(named) != set(self.shapes):
            raise ValueError(
                f"inputs must give {sorted(self.shapes)}, got {sorted(named)}."
            )
        named = {name: self._array(name, value) for name, value in named.items()}
        batched = tuple(name for name, value in named.items() if value.ndim == 3)
        trials = {len(named[name]) for name in batched}
        if len(trials) > 1:
            raise ValueError(f"inputs have different numbers of trials: {trials}.")
        return {**self.schedules, **named}, batched, trials.pop() if trials else None

    def _name(self, key):
        names = [n for n, (obj, _) in self.objects.items() if _is_meant(key, n, obj)]
        if len(names) == 1:
            return names[0]
        if isinstance(key, str) and not names:
            return key  # unknown, which is said with all others
        raise ValueError(
            f"inputs: {key!r} has {len(names)} inputs; give one by its name, of "
            f"{sorted(self.objects)}."
        )

    def _dim(self, name):
        obj, what = self.objects[name]
        return DIMENSIONLESS if what == "spikes" else obj.variables[what].dim

    def _array(self, name, value):
        check_unit(f"inputs[{name!r}]", value, self._dim(name))
        plain = hasattr(value, "dtype") and not hasattr(value, "dim")
        value = value if plain else np.asarray(value)
        if value.dtype.kind not in "biuf":
            raise TypeError(
                f"inputs[{name!r}] must be an array of numbers, got {value!r}."
            )
        wanted = self.steps, int(np.prod(self.shapes[name], dtype=int))
        if value.ndim not in (2, 3) or value.shape[-2:] != wanted:
            raise ValueError(
                f"inputs[{name!r}] must have the shape ([trials,] steps, n) = "
                f"([trials,] {wanted[0]}, {wanted[1]}), got {value.shape}."
            )
        return value


def _is_meant(key, name, obj):
    return key in (name, obj.name) if isinstance(key, str) else obj is key


def trial_keys(jax, seed, trials):
    """
    Keys of random numbers, and the number of trials.

    Parameters
    ----------
    jax : module
    seed : int, sequence of int or None
    trials : int or None
        As the inputs have it.
    """
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str | bytes):
        key = jax.random.key(check_whole("seed", seed, 0, 2**63 - 1))
        return (key if trials is None else jax.random.split(key, trials)), trials
    try:
        seeds = [check_whole("seed", each, 0, 2**63 - 1) for each in seed]
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"seed must be a whole number or a list of them, got {seed!r}."
        ) from None
    if not seeds or trials not in (None, len(seeds)):
        raise ValueError(
            f"seed has {len(seeds)} numbers for {trials} trials, got {seed!r}."
        )
    return jax.vmap(jax.random.key)(np.asarray(seeds)), len(seeds)
