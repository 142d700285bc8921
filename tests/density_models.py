"""The test problems of voltage densities, in units of the membrane time constant."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from brian2_multiscale.numerics.density import density_step, stationary


class Density:
    """
    One population ``dv/dt = drive - v`` with noise, in the arrays of `density_step`.

    Parameters
    ----------
    bins : int, optional
        Cells between reset and threshold, half a cell more; the recommended number if
        not given.
    """

    def __init__(
        self,
        threshold=1.0,
        reset=0.0,
        diffusion=0.02,
        coupling=0.0,
        drive=0.0,
        dt=1e-3,
        bins=None,
        bottom=None,
        physical=1,
        silent=0,
        **options,
    ):
        widest = min((threshold - reset) / 50, diffusion**0.5 / 10)
        bins = bins or int(np.ceil((threshold - reset) / widest - 0.5))
        if bottom is None:
            bottom = min(reset, drive) - 5 * diffusion**0.5
        self.h = (threshold - reset) / (bins + 0.5)
        self.reset_cell = int(np.ceil((reset - bottom) / self.h))
        cells = self.reset_cell + bins + 1
        self.faces = threshold - self.h * np.arange(cells)[::-1]
        self.centres = self.faces - self.h / 2
        self.diffusion = np.full(cells, float(diffusion))
        self.drive, self.coupling, self.dt, self.silent = drive, coupling, dt, silent
        self.density, self.ring = np.zeros(cells), np.zeros(silent + 2)
        self.fired, self.direct, self.event = np.zeros((3, 1))
        self.options = dict(stochastic=0, substeps=1, size=1000.0, synapses=0)
        self.options |= {"physical": physical, **options}
        self.steps = 0

    def force(self, v):
        """Drift at a voltage, without drive and coupling."""
        return -v

    def normal(self, mean, variance):
        edges = np.append(self.faces[0] - self.h, self.faces)
        masses = np.diff(ndtr((edges - mean) / variance**0.5))
        self.density = masses / masses.sum() / self.h
        return self

    def settled(self):
        """Start in the stationary state of the mean drive."""
        base = self.force(self.faces) + self.drive
        arguments = self.h, self.reset_cell
        absent = max(self.silent, 1) * self.dt

        def solution(rate):
            drift = base + self.coupling * rate
            return stationary(*arguments, drift, self.diffusion, absent)

        rate = brentq(lambda r: solution(r)[0] - r, 0, 10, xtol=1e-13)
        self.density = solution(rate)[1]
        self.fired[:] = rate * self.dt
        if self.silent:
            self.ring[: self.silent] = rate * self.dt
        else:
            self.density[self.reset_cell] += rate * self.dt / self.h
        return rate

    @property
    def mass(self):
        return self.density.sum() * self.h + self.ring.sum()

    def step(self, drive=None, kick=0.0):
        """Fraction that fires in a step."""
        drive = self.drive if drive is None else drive
        size, synapses = self.options["size"], self.options["synapses"]
        density_step(
            first=np.array([0, len(self.faces)]),
            width=np.array([self.h]),
            reset_cell=np.array([self.reset_cell]),
            drift=self.force(self.faces) + drive,
            diffusion=self.diffusion,
            dt=self.dt,
            density=self.density,
            kick=np.array([float(kick)]),
            strength=np.array([float(self.coupling)]),
            silent=np.array([self.silent]),
            ring_length=len(self.ring),
            position=self.steps % len(self.ring),
            ring=self.ring,
            fired=self.fired,
            direct=self.direct,
            event=self.event,
            **self.options
            | {"size": np.array([size]), "synapses": np.array([float(synapses)])},
        )
        self.steps += 1
        return self.fired[0]

    def run(self, duration, drive=None):
        """Fractions that fire in the steps of a while; `drive` a function of time."""
        times = (np.arange(round(duration / self.dt)) + 0.5) * self.dt
        if drive is None:
            return np.array([self.step() for _ in times])
        return np.array([self.step(drive(t)) for t in times])


def half_fired(fired, dt):
    """When half of the neurons have fired, counted from the beginning."""
    total = np.append(0, np.cumsum(fired))
    return np.interp(0.5, total, dt * np.arange(len(total)))


def random_groups(rng, populations):
    """Arguments of `density_step` for a random network in a random state."""
    cells = rng.integers(3, 60, populations)
    first = np.append(0, np.cumsum(cells))
    width = rng.uniform(0.01, 0.1, populations)
    density = rng.random(first[-1]) ** rng.integers(1, 20)
    for a, (low, high) in enumerate(zip(first[:-1], first[1:], strict=True)):
        density[low:high] /= density[low:high].sum() * width[a]
    matrix = (populations, populations)
    strength = rng.normal(0, 0.6, matrix) * (rng.random(matrix) < 0.8)
    synapses = rng.integers(1, 30, matrix) * (rng.random(matrix) < 0.3)
    kick = rng.normal(0, 0.3, populations) * (rng.random(populations) < 0.5)
    return dict(
        first=first,
        width=width,
        reset_cell=rng.integers(0, cells),
        drift=rng.normal(0, 10 ** rng.uniform(-1, 3), first[-1]),
        diffusion=10 ** rng.uniform(-4, 1, first[-1]),
        dt=10 ** rng.uniform(-4, -1),
        density=density,
        kick=kick,
        strength=strength.ravel(),
        synapses=synapses.ravel().astype(float),
        silent=rng.integers(0, 4, populations),
        ring_length=5,
        position=0,
        ring=np.zeros(5 * populations),
        size=rng.integers(1, 2000, populations).astype(float),
        stochastic=0,
        physical=int(rng.integers(2)),
        substeps=int(rng.choice([1, 4])),
        fired=np.zeros(populations),
        direct=np.zeros(populations),
        event=np.zeros(populations),
    )


def masses(groups):
    """Total mass of every population of `random_groups`."""
    first, ring = groups["first"], groups["ring"].reshape(len(groups["width"]), -1)
    sums = np.add.reduceat(groups["density"], first[:-1])
    return sums * groups["width"] + ring.sum(1)
