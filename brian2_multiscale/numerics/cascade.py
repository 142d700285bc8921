"""Who fires when every spike brings the others closer to threshold at once.

The same as ``codegen/cpp/cascade.h``.
"""

import numpy as np

__all__ = ["FIRED", "NEVER", "cascade"]

#: Gaps of neurons that have crossed the threshold by themselves, and that cannot fire.
FIRED, NEVER = -1e300, 1e300

# Sorting further than needed costs less than looking at all gaps once more
_AHEAD = 4.0


class _Population:
    """Counts gaps below a shift that only grows, and sorts no more than it needs."""

    def __init__(self, gap, side):
        self._gap, self._side = gap, side
        self.direct = int(np.count_nonzero(gap == FIRED))
        self._sorted, self._reach = np.empty(0), FIRED

    def below(self, shift):
        if shift <= 0:
            return self.direct
        if shift > self._reach:
            self._sort_up_to(_AHEAD * shift)
        passed = np.searchsorted(self._sorted, shift, side=self._side)
        return self.direct + int(passed)

    def _sort_up_to(self, reach):
        chosen = self._gap[(self._gap > self._reach) & (self._gap <= reach)]
        self._sorted = np.concatenate([self._sorted, np.sort(chosen)])
        self._reach = reach


def cascade(gap, first, kicks, inclusive=False):
    """
    The smallest set of neurons that explains its own spikes.

    Neurons that have crossed the threshold fire. Each spike moves all neurons of a
    population, who thereby may fire as well, until nobody new does. Negative kicks
    move the neurons when this has ended: they prevent no spike.

    Parameters
    ----------
    gap : ndarray
        Distance of every neuron from its threshold; `FIRED` and `NEVER` as its values
        for those who have crossed it, and who cannot.
    first : sequence of int
        Population ``a`` has the neurons ``first[a]`` to ``first[a + 1] - 1``.
    kicks : ndarray
        How far a spike of population ``a`` moves the neurons of population ``b``, for
        all pairs (a, b).
    inclusive : bool, optional
        Whether a neuron that is moved exactly to its threshold fires (``>=``).

    Returns
    -------
    fired : ndarray of int
        Number of spikes of each population.
    reach : ndarray
        Neurons with a gap below this (or equal to it, if `inclusive`) fire.
    shift : ndarray
        How far all neurons of a population have moved in the end.

    Notes
    -----
    The time is O(N + k log k), where k is the number of spikes.
    """
    count = len(first) - 1
    kicks = np.reshape(kicks, (count, count))
    excitation = np.maximum(kicks, 0)
    side = "right" if inclusive else "left"
    populations = [
        _Population(gap[first[a] : first[a + 1]], side) for a in range(count)
    ]
    fired, before = np.array([p.direct for p in populations]), None
    while before is None or np.any(fired != before):
        before, reach = fired, fired @ excitation
        fired = np.array([p.below(s) for p, s in zip(populations, reach, strict=True)])
    return fired, reach, reach + fired @ np.minimum(kicks, 0)
