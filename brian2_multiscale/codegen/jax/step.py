"""The arrays during one time step."""

import jax
import jax.numpy as jnp

__all__ = ["Step"]


class Step:
    """
    Arrays by name, as the parts of a time step read and write them.

    Parameters
    ----------
    before : dict of str to array
        Values before the step, and what never changes.
    number : int array
        Of the step, from 0.
    seed : JAX key or None
        For random numbers of this step.
    dtype : type
        Of random numbers.
    given : dict of str to array
        What comes from outside in this step.

    Attributes
    ----------
    now : dict of str to array
        What has been written in this step.
    read : set of str
        What was read before it was written.
    recorded : dict of str to array
    """

    def __init__(self, before, number, seed, dtype, given):
        self.before, self.number, self.seed = before, number, seed
        self.dtype, self.given = dtype, given
        self.now, self.read, self.recorded, self._draws = {}, set(), {}, 0

    def __getitem__(self, key):
        if key in self.now:
            return self.now[key]
        self.read.add(key)
        return self.before[key]

    def __setitem__(self, key, value):
        self.now[key] = value

    def add(self, key, index, value):
        """Add values to elements of an array; several can meet in one."""
        old, places = self[key], self[index]
        value = jnp.broadcast_to(value, places.shape).astype(old.dtype)
        self[key] = old.at[places].add(value)

    def put(self, key, index, value):
        """Set elements of an array, each at most once."""
        old, places = self[key], self[index]
        value = jnp.broadcast_to(value, places.shape).astype(old.dtype)
        self[key] = old.at[places].set(value)

    def any_of(self, key, index, value):
        """Set truth values: true where one of several is."""
        old, places = self[key], self[index]
        self[key] = old.at[places].max(jnp.broadcast_to(value, places.shape))

    def all_of(self, key, index, value):
        """Set truth values: true where all of several are."""
        old, places = self[key], self[index]
        self[key] = old.at[places].min(jnp.broadcast_to(value, places.shape))

    def random_key(self):
        """A key for each place in the code that draws random numbers."""
        self._draws += 1
        return jax.random.fold_in(self.seed, self._draws)
