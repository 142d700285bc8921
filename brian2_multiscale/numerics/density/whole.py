"""One time step of whole numbers of neurons."""

import numpy as np

from .kicks import Kicks, shifts
from .lattice import hop, scatter, sweep, throw, to_numbers
from .state import State
from .transport import exchange

__all__ = ["WholeStep"]


class WholeStep(State):
    """
    Populations whose cells hold whole numbers of neurons that hop independently.

    A smooth density with random spikes would not do: it forgets who has just fired, and
    its slow fluctuations are a fifth too strong.
    """

    def __post_init__(self):
        super().__post_init__()
        self.kicks = Kicks(self.strength, self.synapses, self.width)
        count = len(self.width)
        # Those who have fired, those of them whose kicks have been delivered, and those
        # who are on the grid again
        self.spikes, self.given, self.back = np.zeros((3, count), int)

    def run(self, drift, diffusion, dt, wide, push):
        """Kicks of the last step, external kicks, drift and noise, a cascade."""
        spread = np.zeros(len(self.width))
        if not self.kicks.at_once(self.fired):
            push = push + self.kicks.push(self.fired) / dt
            spread = self.kicks.variance(self.fired) / (2 * dt)
        self._begin()
        self._strike(wide)
        self._transport(
            drift + np.repeat(push, self.count),
            diffusion + np.repeat(spread, self.count),
            dt,
        )
        self._cascade()
        self._end(wide)

    def _begin(self):
        self.release()
        masses = self.density * self.cell_width
        # Populations that are no numbers any more do nothing
        self.lost = ~np.isfinite(np.add.reduceat(masses, self.first[:-1]))
        self.numbers = [
            to_numbers(np.zeros(n) if lost else masses[s], size)
            for n, lost, s, size in zip(
                self.count, self.lost, self.slices, self.size, strict=True
            )
        ]

    def _strike(self, wide):
        """External kicks wider than a cell."""
        for a in np.flatnonzero(wide):
            shift, cells = wide[a] / self.width[a], self.count[a]
            swept = sweep(self.numbers[a], cells - shift, cells)
            self.numbers[a] -= swept
            self.spikes[a] += swept.sum()
            self._settle(a, swept, shift, 0.0)
        self._cascade()

    def _transport(self, drift, diffusion, dt):
        rates = exchange(self.last, self.cell_width, drift, diffusion)
        upward, downward = (dt * rate for rate in rates)
        self.lost |= ~np.isfinite(np.add.reduceat(upward + downward, self.first[:-1]))
        for a in np.flatnonzero(~self.lost):
            s = self.slices[a]
            self.numbers[a], fired = hop(self.numbers[a], upward[s], downward[s])
            self.direct[a] = fired / self.size[a]
            self.spikes[a] += fired

    def _cascade(self):
        """
        All spikes that follow from those counted.

        Where these turn out to be few they are left to the drift of the next step.
        """
        if np.array_equal(self.spikes, self.given):
            return
        spikes, numbers = self.spikes.copy(), [n.copy() for n in self.numbers]
        self.swept = [np.zeros_like(n) for n in self.numbers]
        # Where those start whom the shifts so far carry over the threshold
        self.edge = self.count.astype(float)
        # Mean shift by sparse wiring, which has moved everybody already
        self.risen = np.zeros(len(self.width))
        self._generations()
        if self.kicks.at_once(self.spikes / self.size):
            self._deliver()
        else:
            self.spikes, self.numbers = spikes, numbers

    def _generations(self):
        known = self.given.copy()
        while not np.array_equal(self.spikes, known):
            fresh = (self.spikes - known) / self.size
            known = self.spikes.copy()
            for a in self.populations:
                self.spikes[a] += self._next_spikes(a, fresh)

    def _next_spikes(self, a, fresh):
        """Spikes in population `a` that these fractions cause directly."""
        low = self.edge[a] - shifts(self.kicks.dense, fresh)[a]
        swept = sweep(self.numbers[a], low, self.edge[a])
        self.numbers[a] -= swept
        self.edge[a] = low
        if self.risen[a]:
            places = np.arange(len(swept)) - self.risen[a]
            swept = throw(swept, places, len(swept))
        for b, kick, synapses in self.kicks.sources(a):
            if fresh[b] > 0:
                mean = synapses * fresh[b]
                self.risen[a] += kick * mean
                given = kick, mean, low, self.risen[a]
                self.numbers[a], fired = scatter(self.numbers[a], *given)
                swept = swept + fired
        self.swept[a] += swept
        return swept.sum()

    def _deliver(self):
        """The kicks of all who fired."""
        fresh = (self.spikes - self.given) / self.size
        shift = shifts(self.kicks.dense + self.kicks.inhibitory, fresh)
        sparse = shifts(self.kicks.sparse, fresh)
        for a in self.populations:
            self._settle(a, self.swept[a], shift[a], sparse[a])
        self.given = self.spikes.copy()

    def _settle(self, a, swept, shift, sparse):
        """
        Move a population by a shift in cells.

        Kicks by `sparse` wiring have moved those below the threshold already. Under the
        physical reset those who fired follow: who was swept over the threshold goes on
        from the reset value with what it exceeds it by, the others start there.
        """
        cells, reset = len(swept), self.reset_cell[a]
        places = np.arange(cells) + shift
        self.numbers[a] = throw(self.numbers[a], places, cells)
        if not self.physical or self.silent[a] > 0:
            return
        others = self.spikes[a] - self.back[a] - swept.sum()
        positions = np.append(places + (reset + 0.5 - cells), reset + shift) + sparse
        self.numbers[a] += throw(np.append(swept, others), positions, cells)
        self.back[a] = self.spikes[a]

    def _end(self, wide):
        """Numbers become densities; those who are not on the grid return."""
        self.fired[:] = self.spikes / self.size
        for a in self.populations:
            away = self.spikes[a] - self.back[a]
            if self.silent[a] > 0:
                self.silence(a, away / self.size[a])
            else:
                self.numbers[a][self.reset_cell[a]] += away
            self.density[self.slices[a]] = self.numbers[a] / self.size[a]
        self.density /= self.cell_width
        rise = self.kicks.dense + self.kicks.sparse
        far = wide / self.width + shifts(rise, self.fired) > 2
        event = far & (self.fired > 2 * self.direct)
        self.event[:] = np.where(event, self.fired, 0)
        for a in np.flatnonzero(self.lost):
            self.density[self.slices[a]] = self.fired[a] = self.direct[a] = np.nan
