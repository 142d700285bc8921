"""One time step of densities, for infinitely many neurons."""

import math

import numpy as np

from .cumulative import Cumulative
from .relocation import point, survivors, swept
from .shifts import Wiring
from .size import event_sizes, strip
from .state import State
from .transport import exchange, transport

__all__ = ["SmoothStep"]


class SmoothStep(State):
    """Densities that drift, spread and jump through events."""

    def __post_init__(self):
        super().__post_init__()
        self.wiring = Wiring(self.strength, self.synapses, len(self.width))

    def run(self, drift, diffusion, dt, wide, push, substeps):
        """External kicks, then drift, noise and their spikes in parts of the step."""
        parts = self._parts(substeps, diffusion, dt)
        self.fired[:], self.direct[:], self.event[:] = 0, 0, 0
        self.release()
        none = np.zeros(len(self.width))
        if wide.any():
            self._jump(wide, none)
        if push.any():
            drift = drift + np.repeat(push, self.count)
        for _ in range(parts):
            rates = self.last, self.cell_width, drift, diffusion
            moved, out = transport(*rates, dt / parts, self.density)
            if not np.isfinite(out).all():
                self._lose(*rates)
                return
            self.density[:] = moved
            self._jump(none, out)

    def _lose(self, *rates):
        """Mark the populations that are no numbers any more, and none of the others."""
        suspects = self.density + np.add(*exchange(*rates))
        lost = ~np.isfinite(np.add.reduceat(suspects, self.first[:-1]))
        self.fired[lost] = self.direct[lost] = np.nan
        self.density[np.repeat(lost, self.count)] = np.nan

    def _parts(self, substeps, diffusion, dt):
        """Number of sub-steps, by the error of splitting off the coupling."""
        speed = self.wiring.strongest() * self.fired / dt
        wanted = dt * np.max(speed**2 / (0.1 * diffusion[self.last]))
        return max(math.ceil(min(substeps, wanted)), 1)  # also if not a number

    def _jump(self, kick, direct):
        """All spikes of one moment, and what they do to the voltages."""
        width, kick, direct = self.width.tolist(), kick.tolist(), direct.tolist()
        masses = self.density * self.cell_width
        cumulatives = [Cumulative(masses[s]) for s in self.slices]
        sizes = event_sizes(cumulatives, width, self.wiring, kick, direct)
        for a in self.populations:
            ups, downs = self.wiring.ups(a, kick[a], sizes), self.wiring.downs(a, sizes)
            moves = cumulatives[a], width[a], ups, downs
            masses, size = survivors(*moves), direct[a] + strip(*moves[:3])
            self._return(a, moves, masses, direct[a], size)
            self.density[self.slices[a]] = masses / width[a]
            self._record(a, kick[a] + self.wiring.mean(a, sizes), direct[a], size)

    def _return(self, a, moves, masses, direct, size):
        """Those that fired come back, some of them later."""
        cell = self.reset_cell[a]
        if self.silent[a] > 0:
            self.silence(a, size)
        elif self.physical:
            masses += swept(*moves, cell)
            masses += point(direct, *moves, cell)
        else:
            masses[cell] += size

    def _record(self, a, shift, direct, size):
        self.fired[a] += size
        self.direct[a] += direct
        if shift > 2 * self.width[a] and size > 2 * direct:
            self.event[a] += size
