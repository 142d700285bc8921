"""What is left of earlier transmitter at a spike, in a few numbers."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Descriptors", "choose_descriptors"]


@dataclass
class Descriptors:
    """
    Coordinates of the transmitter's future at a spike.

    Each coordinate is ``sign(v)*log(1 + abs(v)/scale)``, ``v`` being a driver a fixed
    time after the spike minus what a spike after a long silence leaves there:
    linear for little leftover transmitter, logarithmic for much.

    Attributes
    ----------
    driver : ndarray of int, shape (q,)
    delay : ndarray, shape (q,)
        Seconds after the spike.
    single, scale : ndarray, shape (q,)
        Value after a single spike, and scale of the leftover.
    low, high : ndarray, shape (q,)
        Range that the table was made for.
    """

    driver: np.ndarray
    delay: np.ndarray
    single: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def raw(self, transmitter, memory):
        """Coordinates for the values of the transmitter right after each spike."""
        found = np.empty((len(memory), len(self.delay)))
        for k, values in enumerate(memory):
            if len(self.delay):
                later = transmitter.at(values, self.delay)
                found[k] = later[np.arange(len(self.delay)), self.driver]
        leftover = found - self.single
        return np.sign(leftover) * np.log1p(np.abs(leftover) / self.scale)

    def clip(self, coordinates):
        """Coordinates moved to the edge of the range where they are outside."""
        return np.clip(coordinates, self.low, self.high)

    def outside(self, coordinates):
        """Which spikes are outside the range, shape (spikes,)."""
        return np.any((coordinates < self.low) | (coordinates > self.high), axis=-1)


def choose_descriptors(transmitter, memory, single, delays, tolerance=1e-3):
    """
    As many coordinates as the leftover transmitter has relevant dimensions.

    Parameters
    ----------
    transmitter : `Transmitter`
    memory : ndarray, shape (spikes, variables)
        Values right after the spikes that the table is made for.
    single : ndarray, shape (variables,)
        The same after a spike that follows a long silence.
    delays : sequence of float
        Candidate times after the spike (s), most useful first.
    """
    count = len(transmitter.drivers)
    chosen = [np.zeros((0, 2))]
    times = np.append(0.0, np.geomspace(min(delays) / 3, 30 * max(delays), 60))
    for d in range(count):
        alone = transmitter.at(single, times)[:, d]
        tails = np.array([transmitter.at(m, times)[:, d] for m in memory]) - alone
        size = np.abs(tails).max()
        if size <= 1e-9 * np.abs(alone).max():
            continue
        singular = np.linalg.svd(tails, compute_uv=False)
        rank = int(np.sum(singular > tolerance * singular[0]))
        chosen.append([(d, delay) for delay in list(delays)[:rank]])
    pairs = np.concatenate(chosen)
    found = Descriptors(
        pairs[:, 0].astype(np.int32), pairs[:, 1], *np.zeros((4, len(pairs)))
    )
    return _fit_scales(found, transmitter, memory, single)


def _fit_scales(found, transmitter, memory, single):
    if len(found.delay) == 0:
        return found
    index = np.arange(len(found.delay))
    found.single = transmitter.at(single, found.delay)[index, found.driver]
    values = np.array(
        [transmitter.at(m, found.delay)[index, found.driver] for m in memory]
    )
    leftover = np.abs(values - found.single)
    found.scale = np.array([2 * np.median(v[v > 1e-9 * v.max()]) for v in leftover.T])
    coordinates = found.raw(transmitter, memory)
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    # A little more than what occurred: polynomials continue smoothly there.
    margin = 0.1 * (high - low)
    found.low, found.high = low - margin, high + margin
    return found
