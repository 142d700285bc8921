"""One time step of voltage densities that jump through synchronous events."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .cumulative import Cumulative
from .generations import random_sizes
from .relocation import point, survivors, swept
from .shifts import Wiring
from .size import event_sizes, strip
from .transport import transport

__all__ = ["density_step"]


def density_step(
    first,
    width,
    reset_cell,
    drift,
    diffusion,
    dt,
    density,
    kick,
    strength,
    synapses,
    silent,
    ring_length,
    position,
    ring,
    size,
    stochastic,
    physical,
    substeps,
    halves,
    fired,
    direct,
    event,
):
    """
    Advance the voltage densities of populations by one step, in place.

    External kicks come first, then drift and diffusion without coupling, then the
    spikes of the step and all the spikes that these cause at once.

    Parameters
    ----------
    first : ndarray of int
        First cell of every population in the flat arrays of cells, and the end.
    width : ndarray
        Width of the cells of every population.
    reset_cell : ndarray of int
        Cell of every population whose centre is the reset voltage.
    drift, diffusion : ndarray
        At the upper face of every cell, without coupling.
    dt : float
    density : ndarray
        Probability per voltage of every cell; changed.
    kick : ndarray
        External shift of every population.
    strength, synapses : ndarray
        See `Wiring`.
    silent : ndarray of int
        Refractory period of every population in steps.
    ring_length : int
        Length of each population's part of `ring`: more than the longest refractory
        period, and one more with `halves`.
    position : int
        Number of the step.
    ring : ndarray
        Masses of refractory neurons, by the step in which they return; changed.
    size : ndarray
        Number of neurons of every population.
    stochastic : int
        If not zero: random whole numbers of spikes.
    physical : int
        If zero, those that fire sit at the reset voltage for the rest of the event;
        otherwise they are shifted like everybody. Without effect on populations with
        a refractory period.
    substeps : int
        At most so many, where the coupling is strong for the step.
    halves : int
        If not zero: half of the refractory mass returns one step later.
    fired : ndarray
        On entry the fractions of the neurons that fired in the last step, on exit in
        this one.
    direct : ndarray
        Fractions that the drift and the noise carried over the threshold.
    event : ndarray
        Fractions that fired in events (avalanches); else 0.
    """
    arrays = first, width, reset_cell, density, strength, synapses
    returns = silent, ring_length, int(position), ring, halves, physical
    step = _Step(*arrays, *returns, size, stochastic, fired, direct, event)
    parts = step.parts(substeps, diffusion, dt)
    fired[:], direct[:], event[:] = 0, 0, 0
    step.release()
    large = np.abs(kick) > width
    if large.any():
        step.jump(np.where(large, kick, 0.0), np.zeros(len(width)))
    if kick.any():
        drift = drift + np.repeat(np.where(large, 0.0, kick) / dt, step.count)
    for _ in range(parts):
        step.transport(drift, diffusion, dt / parts)


@dataclass
class _Step:
    """The arguments of `density_step`, and what is done to them."""

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
    halves: int
    physical: int
    size: np.ndarray
    stochastic: int
    fired: np.ndarray
    direct: np.ndarray
    event: np.ndarray

    def __post_init__(self):
        self.populations = range(len(self.width))
        self.slices = [slice(*ends) for ends in pairwise(self.first.tolist())]
        self.count, self.last = self.first[1:] - self.first[:-1], self.first[1:] - 1
        self.cell_width = np.repeat(self.width, self.count)
        self.reset = self.first[:-1] + self.reset_cell
        self.wiring = Wiring(self.strength, self.synapses, len(self.width))

    def parts(self, substeps, diffusion, dt):
        """Number of sub-steps, by the error of splitting off the coupling."""
        speed = self.wiring.strongest() * self.fired / dt
        wanted = dt * np.max(speed**2 / (0.1 * diffusion[self.last]))
        return max(math.ceil(min(substeps, wanted)), 1)  # also if not a number

    def release(self):
        """The refractory period is over for some."""
        for a in np.flatnonzero(self.silent > 0):
            slot = self._slot(a, 0)
            self.density[self.reset[a]] += self.ring[slot] / self.width[a]
            self.ring[slot] = 0

    def transport(self, drift, diffusion, dt):
        """Drift and diffusion, and the spikes that come from them."""
        self.density[:], out = transport(
            self.last, self.cell_width, drift, diffusion, dt, self.density
        )
        self.jump(np.zeros(len(self.width)), out)

    def jump(self, kick, direct):
        """All spikes of one moment, and what they do to the voltages."""
        width, kick, direct = self.width.tolist(), kick.tolist(), direct.tolist()
        masses = self.density * self.cell_width
        cumulatives = [Cumulative(masses[s]) for s in self.slices]
        known = cumulatives, width, self.wiring, kick, direct
        if self.stochastic:
            counts = random_sizes(*known, self.size)
            active, starts, sizes = ((n / self.size).tolist() for n in counts)
        else:
            active, starts, sizes = None, direct, event_sizes(*known)
        for a in self.populations:
            ups, downs = self.wiring.ups(a, kick[a], sizes), self.wiring.downs(a, sizes)
            moves = cumulatives[a], width[a], ups, downs
            across = strip(*moves[:3])
            masses, size = survivors(*moves), direct[a] + across
            if self.stochastic:
                size = sizes[a]
                masses = _rescaled(masses, active[a] - size, self.reset_cell[a])
            self._return(a, moves, masses, starts[a], size, across)
            self.density[self.slices[a]] = masses / width[a]
            self._record(a, kick[a] + self.wiring.mean(a, sizes), starts[a], size)

    def _return(self, a, moves, masses, start, size, across):
        """Those that fired come back, some of them later."""
        cell = self.reset_cell[a]
        if self.silent[a] > 0:
            half = self._first_half(a, size)
            self.ring[self._slot(a, self.silent[a])] += half
            self.ring[self._slot(a, self.silent[a] + 1)] += size - half
        elif self.physical:
            if across > 0:
                masses += swept(*moves, cell) * ((size - start) / across)
            masses += point(start, *moves, cell)
        else:
            masses[cell] += size

    def _first_half(self, a, size):
        """What returns after the refractory period, the rest a step later."""
        if not self.halves:
            return size
        if not self.stochastic:
            return size / 2
        # Numbers of neurons stay whole, odd ones by a toss of a coin
        count = round(size * self.size[a])
        return (count // 2 + count % 2 * np.random.randint(2)) / self.size[a]

    def _slot(self, a, later):
        return a * self.ring_length + (self.position + later) % self.ring_length

    def _record(self, a, shift, start, size):
        self.fired[a] += size
        self.direct[a] += start
        if shift > 2 * self.width[a] and size > 2 * start:
            self.event[a] += size


def _rescaled(masses, total, reset_cell):
    # Whole numbers fired; without this the total mass would wander
    found = masses.sum()
    if found > 1e-13:
        return masses * (total / found)
    masses[:] = 0
    masses[reset_cell] = total
    return masses
