"""How far the spikes of populations shift the voltages of their targets."""

import math

import numpy as np
from scipy.special import gammaln, xlogy

__all__ = ["Wiring", "poisson"]

_REST = 1e-14  # probability that may be left out


def poisson(mean):
    """
    Numbers of a Poisson distribution that matter, and their probabilities.

    Returns
    -------
    numbers : ndarray
        All but a probability of 1e-14 at each end.
    probabilities : ndarray
        With sum 1.
    """
    if not mean > 0:
        return np.zeros(1), np.ones(1)
    numbers = np.arange(int(mean + 10 * math.sqrt(mean) + 30))
    probabilities = np.exp(xlogy(numbers, mean) - mean - gammaln(numbers + 1))
    below = np.cumsum(probabilities)
    above = np.cumsum(probabilities[::-1])[::-1]
    keep = (below > _REST) & (above > _REST)
    kept = probabilities[keep]
    return numbers[keep], kept / kept.sum()


class Wiring:
    """
    Kicks between populations.

    Parameters
    ----------
    strength : ndarray
        ``strength[a*P + b]``: shift of population `a` if all neurons of `b` fire once;
        negative for inhibition.
    synapses : ndarray
        Number of synapses that each neuron of `a` gets from `b` on average, each with a
        kick of ``strength/synapses``; 0: from all neurons, with infinitely small kicks.
    populations : int
    """

    def __init__(self, strength, synapses, populations):
        rows = strength.reshape(populations, populations).tolist()
        counts = synapses.reshape(populations, populations).tolist()
        self._rows = list(zip(rows, counts, strict=True))
        self.excitatory = [self._sources(*row, 1) for row in self._rows]
        self.inhibitory = [self._sources(*row, -1) for row in self._rows]

    @staticmethod
    def _sources(row, counts, sign):
        chosen = [
            (b, w, k)
            for b, (w, k) in enumerate(zip(row, counts, strict=True))
            if w * sign > 0
        ]
        dense = [(b, w) for b, w, k in chosen if k <= 0]
        return dense, [(b, w / k, k) for b, w, k in chosen if k > 0]

    def mean(self, population, sizes):
        """Mean shift by excitation."""
        dense, sparse = self.excitatory[population]
        return sum(w * sizes[b] for b, w in dense) + sum(
            w * k * sizes[b] for b, w, k in sparse
        )

    def strongest(self):
        """Largest excitatory shift if all neurons fire once."""
        return max(sum(w for w in row if w > 0) for row, _ in self._rows)

    def ups(self, population, kick, sizes):
        """
        Shifts by excitation and their probabilities.

        Parameters
        ----------
        population : int
            The target.
        kick : float
            Added to every shift.
        sizes : sequence of float
            Fraction of every population that fires.

        Returns
        -------
        shifts, probabilities : sequence of float
        """
        return _shifts(self.excitatory[population], kick, sizes)

    def downs(self, population, sizes):
        """Shifts by inhibition and their probabilities."""
        return _shifts(self.inhibitory[population], 0.0, sizes)


def _shifts(sources, kick, sizes):
    dense, sparse = sources
    for b, w in dense:
        kick += w * sizes[b]
    if not sparse:
        return (kick,), (1.0,)
    means = {}
    for b, w, k in sparse:  # equal kicks of several sources add up to one number
        means[w] = means.get(w, 0.0) + k * sizes[b]
    shifts, probabilities = np.array([kick]), np.ones(1)
    for w, mean in means.items():
        numbers, weights = poisson(mean)
        shifts = np.add.outer(shifts, w * numbers).ravel()
        probabilities = np.multiply.outer(probabilities, weights).ravel()
    return shifts, probabilities
