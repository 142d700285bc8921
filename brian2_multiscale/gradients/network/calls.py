"""Compiled functions of a translated network."""

from functools import partial

import numpy as np

from ...arguments import check_mapping
from ..units import base_numbers
from .inputs import Inputs, trial_keys

__all__ = ["Calls"]


class Calls:
    """
    Calls functions of parameters, inputs and seeds, compiled once each.

    Parameters
    ----------
    jax : module
    translated : `Translated`
    keys : dict of str to str
        Arrays of the parameters.
    dimensions : dict of str to Dimension
        Of the parameters.
    inputs : dict of str to (object, str)

    Attributes
    ----------
    initial : dict of str to ndarray
        Parameters.
    """

    def __init__(self, jax, translated, keys, dimensions, inputs):
        self._jax, self._keys, self._dimensions = jax, keys, dimensions
        self._simulation = translated.simulation
        self._arrays = translated.arrays.initial
        self._inputs = Inputs(
            inputs, translated.shapes, translated.schedules, translated.steps
        )
        self.initial = {name: self._arrays[key].copy() for name, key in keys.items()}
        self._compiled, self._fixed = {}, None

    def __call__(self, label, function, params, inputs, args, seed):
        """
        Call a function.

        Parameters
        ----------
        label : hashable
            By which what was compiled is found again.
        function : callable
            With the arguments of `simulate`.
        params, inputs, args, seed
            As users give them.

        Returns
        -------
        Of numpy arrays, what the function gives.
        """
        params = self.parameters(params)
        given, batched, trials = self._inputs.arrays(inputs)
        jax = self._jax
        with jax.enable_x64(True):
            if label not in self._compiled:
                self._compiled[label] = jax.jit(function, static_argnums=5)
            seeds, trials = trial_keys(jax, seed, trials)
            batched = None if trials is None else batched
            compiled = self._compiled[label]
            found = compiled(params, self._constants(), given, seeds, args, batched)
            return jax.tree.map(np.asarray, found)

    def simulate(self, params, fixed, given, seeds, args, batched):
        """What the network gives, in all trials at once if there are trials."""
        values = {**fixed, **{self._keys[n]: v for n, v in params.items()}}
        simulate = partial(self._simulation, values)
        if batched is None:
            return simulate(given, seeds)
        axes = {name: 0 if name in batched else None for name in given}
        return self._jax.vmap(simulate, (axes, 0))(given, seeds)

    def followed_by(self, function):
        """The simulation, and a function of what it gives."""

        def total(params, fixed, given, seeds, args, batched):
            outputs = self.simulate(params, fixed, given, seeds, (), batched)
            return function(outputs, *args)

        return total

    def parameters(self, params):
        """All parameters, checked."""
        check_mapping("params", params)
        params = {} if params is None else params
        unknown = set(params) - set(self.initial)
        if unknown:
            raise ValueError(
                f"params has {sorted(unknown)}, which are unknown; trainable are "
                f"{list(self.initial)}."
            )
        found = {}
        for name, value in self.initial.items():
            given, dim = params.get(name, value), self._dimensions[name]
            given = base_numbers(f"params[{name!r}]", given, dim).astype(value.dtype)
            if given.shape != value.shape:
                raise ValueError(
                    f"params[{name!r}] must have the shape {value.shape}, got "
                    f"{given.shape}."
                )
            found[name] = given
        return found

    def _constants(self):
        if self._fixed is None:
            trained = set(self._keys.values())
            self._fixed = {
                key: self._jax.numpy.asarray(value)
                for key, value in self._arrays.items()
                if key not in trained
            }
        return self._fixed
