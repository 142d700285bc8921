"""One time step of voltage densities that jump through synchronous events."""

import numpy as np

from .smooth import SmoothStep
from .whole import WholeStep

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
        period.
    position : int
        Number of the step.
    ring : ndarray
        Masses of refractory neurons, by the step in which they return; changed.
    size : ndarray
        Number of neurons of every population.
    stochastic : int
        If not zero: cells hold random whole numbers of neurons. Then kicks by at most
        a cell are delivered in the next step, and steps are not divided.
    physical : int
        If zero, those that fire sit at the reset voltage for the rest of the event;
        otherwise they are shifted like everybody. Without effect on populations with
        a refractory period.
    substeps : int
        At most so many, where the coupling is strong for the step.
    fired : ndarray
        On entry the fractions of the neurons that fired in the last step, on exit in
        this one.
    direct : ndarray
        Fractions that the drift and the noise carried over the threshold.
    event : ndarray
        Fractions that fired in events (avalanches); else 0.
    """
    step = (WholeStep if stochastic else SmoothStep)(
        first=first,
        width=width,
        reset_cell=reset_cell,
        density=density,
        strength=strength,
        synapses=synapses,
        silent=silent,
        ring_length=ring_length,
        position=int(position),
        ring=ring,
        size=size,
        physical=physical,
        fired=fired,
        direct=direct,
        event=event,
    )
    large = np.abs(kick) > width
    wide, push = np.where(large, kick, 0.0), np.where(large, 0.0, kick) / dt
    # Farther is the same, and counting its cells would have no end
    far = 1e6 * width * np.diff(first)
    wide = np.clip(wide, -far, far)
    if stochastic:
        step.run(drift, diffusion, dt, wide, push)
    else:
        step.run(drift, diffusion, dt, wide, push, substeps)
