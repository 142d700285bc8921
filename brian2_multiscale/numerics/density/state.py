"""Populations on grids between two steps."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["State"]


@dataclass
class State:
    """The arguments of `density_step` that are about the populations."""

    first: np.ndarray
    width: np.ndarray
    reset_cell: np.ndarray
    density: np.ndarray
    strength: np.ndarray
    synapses: np.ndarray
    silent: np.ndarray
    ring_length: int
    position: int
    ring: np.ndarray
    size: np.ndarray
    physical: int
    fired: np.ndarray
    direct: np.ndarray
    event: np.ndarray

    def __post_init__(self):
        self.populations = range(len(self.width))
        self.slices = [slice(*ends) for ends in pairwise(self.first.tolist())]
        self.count, self.last = self.first[1:] - self.first[:-1], self.first[1:] - 1
        self.cell_width = np.repeat(self.width, self.count)
        self.reset = self.first[:-1] + self.reset_cell

    def release(self):
        """The refractory period is over for some."""
        for a in np.flatnonzero(self.silent > 0):
            slot = self._slot(a, 0)
            self.density[self.reset[a]] += self.ring[slot] / self.width[a]
            self.ring[slot] = 0

    def silence(self, population, mass):
        """The refractory period begins for some."""
        self.ring[self._slot(population, self.silent[population])] += mass

    def _slot(self, population, later):
        slot = (self.position + later) % self.ring_length
        return population * self.ring_length + slot
