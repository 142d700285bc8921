"""Events on their way through synapses."""

import jax.numpy as jnp
import numpy as np

from ...kinetics.differentiation import NotDifferentiableError

__all__ = ["Queue"]


class Queue:
    """
    A ring of the last events of all sources, as long as the longest delay.

    Parameters
    ----------
    runner : `SynapticPathway`
    arrays : `Arrays`
        Gets the ring.

    Attributes
    ----------
    delays : ndarray
        In steps, of each synapse.
    sources : ndarray
        Of each synapse, in the whole group.
    size : int
        Of the group that the source is (a part of).
    """

    def __init__(self, runner, arrays):
        self.events = arrays.key(runner.source.variables[runner.eventspace_name])
        self.places = arrays.key(runner.synapse_sources)
        self.sources = np.asarray(arrays.values(runner.synapse_sources))
        self.size = arrays.initial[self.events].size
        delays = _in_steps(runner, arrays.values(runner.variables["delay"]))
        self.delays = np.broadcast_to(delays, self.sources.shape)
        self.length = int(self.delays.max()) + 1
        self.ring = f"{runner.name}._ring"
        if self.length > 1:
            shape = (self.length, self.size)
            arrays.initial[self.ring] = np.zeros(shape, arrays.dtype)
        _refuse_spikes_under_way(runner)

    def push(self, step):
        """Take over the events of this step."""
        if self.length > 1:
            place = step.number % self.length
            step[self.ring] = step[self.ring].at[place].set(step[self.events])

    def after(self, step, delay):
        """Events of all sources some steps ago."""
        if self.length == 1:
            return step[self.events]
        return step[self.ring][(step.number - delay) % self.length]

    def at_synapses(self, step):
        """What arrives at each synapse."""
        places = step[self.places]
        if len(np.unique(self.delays)) == 1:
            return self.after(step, int(self.delays[0]))[places]
        rows = (step.number - jnp.asarray(self.delays)) % self.length
        return step[self.ring][rows, places]


def _in_steps(runner, delays):
    """Delays as whole numbers, rounded as the queue of this installation does."""
    dt = float(np.asarray(runner.source.clock.dt_).item())
    delays = np.asarray(delays, dtype=float) / dt
    if type(runner.queue).__module__.endswith(".spikequeue"):  # the one without C++
        return np.round(delays).astype(int)
    return (delays + 0.5).astype(int)


def _refuse_spikes_under_way(runner):
    _, waiting, *_ = runner.queue._full_state() or (None, ())
    if any(len(synapses) for synapses in waiting):
        raise NotDifferentiableError(
            f"Spikes are under way in '{runner.name}' after a run. Start from a "
            "network that has not run, or restore() its state of before."
        )
