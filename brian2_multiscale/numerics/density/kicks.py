"""Mean shifts by spikes, in cells, and which of them cannot wait."""

import numpy as np

__all__ = ["Kicks"]


class Kicks:
    """
    Kicks between populations on grids.

    Parameters
    ----------
    strength, synapses : ndarray
        As in `Wiring`.
    width : ndarray
        Width of the cells of every population.

    Attributes
    ----------
    dense, sparse, inhibitory : ndarray
        Shift in cells of each population (rows) if all neurons of another one
        (columns) fire: excitation without and with `synapses`, and all inhibition.
    """

    def __init__(self, strength, synapses, width):
        shape = len(width), len(width)
        volts, self._width = strength.reshape(shape), width[:, None]
        synapses = synapses.reshape(shape)
        cells, counted = volts / self._width, synapses > 0
        self.dense = np.where((cells > 0) & ~counted, cells, 0)
        self.sparse = np.where((cells > 0) & counted, cells, 0)
        self.inhibitory = np.where(cells < 0, cells, 0)
        single = np.divide(cells, synapses, np.zeros(shape), where=counted)
        self._squares = single * cells * self._width**2
        self._coarse = np.abs(single) > 1
        self._sources = [
            [(b, single[a, b], synapses[a, b]) for b in np.flatnonzero(row)]
            for a, row in enumerate(self.sparse)
        ]

    def sources(self, population):
        """Indices, kicks in cells and synapses of sparse excitatory sources."""
        return self._sources[population]

    def at_once(self, masses):
        """
        Do these spikes act at once?

        Otherwise, as long as they shift nobody by more than a cell, they are a part of
        the drift of the next step: a shift by a part of a cell would blur the numbers.

        Parameters
        ----------
        masses : ndarray
            Fraction of every population that fires.
        """
        rise = shifts(self.dense, masses) + shifts(self.sparse, masses)
        fall = shifts(self.inhibitory, masses)
        large = rise.max() > 1 or fall.min() < -1
        return large or bool((self._coarse & (masses > 0)).any())

    def push(self, masses):
        """Mean shift in volts."""
        total = self.dense + self.sparse + self.inhibitory
        return shifts(total * self._width, masses)

    def variance(self, masses):
        """Variance of the shift in volts: neurons get random numbers of kicks."""
        return shifts(self._squares, masses)


def shifts(matrix, masses):
    """Sums over sources; whoever is not connected does not get what is no number."""
    return np.where(matrix != 0, matrix * masses, 0).sum(1)
