"""Random numbers of spikes in a cascade of finitely many neurons."""

import numpy as np

from .size import strip

__all__ = ["random_sizes"]


def random_sizes(cumulatives, width, wiring, kick, direct, size):
    """
    Numbers of spikes of finite populations, generation by generation.

    Independent neurons that have not been carried over the threshold by the shifts so
    far are carried over it by the next shift with the ratio of the masses as
    probability. That is the exact law for independent voltages.

    Parameters
    ----------
    cumulatives, width, wiring, kick, direct
        As in `event_sizes`.
    size : ndarray
        Number of neurons of every population.

    Returns
    -------
    neurons : ndarray of int
        All that are not refractory.
    first : ndarray of int
        Spikes before the cascade.
    spikes : ndarray of int
        All spikes.
    """
    populations = range(len(cumulatives))
    active = [c.total + f for c, f in zip(cumulatives, direct, strict=True)]
    neurons = np.rint(size * np.array(active)).astype(int)
    chance = [_ratio(f, s) for f, s in zip(direct, active, strict=True)]
    first = spikes = np.random.binomial(neurons, chance)
    before = [0.0] * len(cumulatives)
    while True:
        fractions = (spikes / size).tolist()
        ups = [wiring.ups(a, kick[a], fractions) for a in populations]
        after = [strip(cumulatives[a], width[a], ups[a]) for a in populations]
        chance = [
            _ratio(after[a] - before[a], cumulatives[a].total - before[a])
            for a in populations
        ]
        new = np.random.binomial(neurons - spikes, chance)
        if not new.any():
            return neurons, first, spikes
        spikes, before = spikes + new, after


def _ratio(part, whole):
    # Rounding may leave [0, 1]
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
