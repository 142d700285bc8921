"""Trainable parameters as one vector: in their scales, those that are free, limits."""

import hashlib

import numpy as np

__all__ = ["Coordinates"]


class Coordinates:
    """
    Where the parameters of a network may be.

    Parameters
    ----------
    start : dict of str to ndarray
        First values, in base units.
    scale : dict of str to float
        What counts as a change of one.
    free : dict of str to ndarray of bool
        The others stay where they are: they are no part of the vector.
    low, high : dict of str to ndarray
        Limits in base units, both included; shapes as in `start`.

    Attributes
    ----------
    vector : ndarray
        Of the first values.
    """

    def __init__(self, start, scale, free, low, high):
        self.start, self.names = start, tuple(start)
        self.scale, self.free = scale, free
        self.limits = low, high
        self.low, self.high = self.join(low), self.join(high)
        self.vector = self.join(start)

    def join(self, values):
        """The vector of some values in base units."""
        parts = [values[n][self.free[n]] / self.scale[n] for n in self.names]
        return np.concatenate(parts)

    def split(self, vector):
        """Values by name in base units, with those that are not free."""
        found, begin = {}, 0
        for name in self.names:
            values, free = self.start[name].copy(), self.free[name]
            end = begin + np.count_nonzero(free)
            # Limits once more: products with the scale are rounded
            low, high = (limit[name][free] for limit in self.limits)
            values[free] = np.clip(vector[begin:end] * self.scale[name], low, high)
            found[name], begin = values, end
        return found

    def gradient(self, gradients):
        """The derivative by the vector, from those by the values."""
        parts = [
            np.asarray(gradients[n], dtype=float)[self.free[n]] * self.scale[n]
            for n in self.names
        ]
        return np.concatenate(parts)

    def project(self, vector):
        """The nearest vector within the limits."""
        return np.clip(vector, self.low, self.high)

    @property
    def hash(self):
        """Of all that it was made from."""
        made = hashlib.sha256()
        for name in self.names:
            made.update(f"{name} {self.start[name].shape} {self.scale[name]}".encode())
            made.update(self.start[name].tobytes() + self.free[name].tobytes())
        made.update(self.low.tobytes() + self.high.tobytes())
        return made.hexdigest()
