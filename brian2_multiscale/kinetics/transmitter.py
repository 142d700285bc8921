"""What drives a receptor: variables that evolve on their own between events."""

import numpy as np
import sympy as sp

from ..numerics.affine_flow import AffineFlow
from .symbolic import numeric, symbol

__all__ = ["NotEventDrivenError", "Transmitter"]


class NotEventDrivenError(ValueError):
    """A mechanism that is not a linear system driven by its events."""


class Transmitter:
    """
    The driving variables of a synapse, event by event.

    Parameters
    ----------
    symbolic : `SymbolicEquations`
    variables : set of str
        Differential variables and memory (parameters set by the event).
    drivers : tuple of str
        The names whose time course is wanted.
    name : str
        For messages.

    Attributes
    ----------
    variables : tuple of str
        Order of the values below: differential variables, memory, ``t``.
    """

    def __init__(self, symbolic, variables, drivers, name):
        self.name, self.drivers = name, drivers
        self.flowing = tuple(n for n in symbolic.rates if n in variables)
        memory = {n for n in variables if n in symbolic.parameters}
        memory |= self._memory_of_drivers(symbolic, drivers)
        self.memory = tuple(sorted(memory - set(self.flowing)))
        self.variables = (*self.flowing, *self.memory, "t")
        self._check_statements(symbolic)
        self.flow = AffineFlow(self._linear_flow(symbolic))
        self._drive = numeric(
            self.variables,
            [symbolic.expand(symbol(d)) if d != "t" else symbol("t") for d in drivers],
        )
        changed = [(v, e) for v, e in symbolic.statements if v in self.variables]
        self._changed = [self.variables.index(v) for v, _ in changed]
        self._event = numeric(self.variables, [e for _, e in changed])

    @staticmethod
    def _memory_of_drivers(symbolic, drivers):
        names = set()
        for d in drivers:
            names |= {s.name for s in symbolic.expand(symbol(d)).free_symbols}
        for variable, value in symbolic.statements:
            if variable in names:
                names |= {s.name for s in value.free_symbols}
        return names & symbolic.parameters

    def _check_statements(self, symbolic):
        for variable, value in symbolic.statements:
            used = {s.name for s in value.free_symbols}
            if variable in self.variables and not used <= set(self.variables):
                raise NotEventDrivenError(
                    f"The event statement for '{variable}' of '{self.name}' uses "
                    f"{sorted(used - set(self.variables))}, which do not "
                    "evolve on their own."
                )

    def _linear_flow(self, symbolic):
        """Generator of the affine flow of the differential variables."""
        n = len(self.flowing)
        flow = np.zeros((n + 1, n + 1))
        zero = {symbol(f): sp.S.Zero for f in self.flowing}
        for i, name in enumerate(self.flowing):
            rate = symbolic.expand(symbolic.rates[name])
            slopes = [sp.diff(rate, symbol(f)) for f in self.flowing]
            entries = [*slopes, rate.xreplace(zero)]
            if any(e.free_symbols for e in entries):
                raise NotEventDrivenError(
                    f"The transmitter variable '{name}' of '{self.name}' does not "
                    "follow a linear equation with constant coefficients; its time "
                    "course between two events is then not known in closed form. "
                    "Write it as an explicit function of the time since the spikes."
                )
            flow[i] = [float(e) for e in entries]
        return flow

    def initial(self):
        """Values of `variables` after a long silence: at rest, memory empty (zero)."""
        values = np.zeros(len(self.variables))
        n = len(self.flowing)
        flow = self.flow.generator
        if n and flow[:n, n].any():
            values[:n] = np.linalg.solve(flow[:n, :n], -flow[:n, n])
        return values

    def resting_drivers(self):
        """Drivers before the first event."""
        return self.at(self.initial(), np.zeros(1))[0]

    def advance(self, values, delays):
        """Values a time ``delays`` (array, s) later: shape (delays, variables)."""
        delays = np.asarray(delays, dtype=float)
        later = np.repeat(values[None], len(delays), axis=0)
        n = len(self.flowing)
        if n:
            propagator = self.flow.propagators(delays)
            later[:, :n] = propagator[:, :n, :n] @ values[:n] + propagator[:, :n, n]
        later[:, -1] += delays
        return later

    def at(self, values, delays):
        """Drivers a time ``delays`` later, shape (delays, drivers)."""
        later = self.advance(values, delays)
        shape = later.shape[:1]
        columns = [np.broadcast_to(d, shape) for d in self._drive(*later.T)]
        return np.stack(columns, -1) if columns else np.zeros((*shape, 0))

    def event(self, values):
        """Values after the event statements."""
        values = values.copy()
        if self._changed:
            values[self._changed] = self._event(*values)
        return values

    def along(self, spike_times):
        """
        Values right before and right after every event of a sorted train (s).

        Returns
        -------
        before, after : ndarray, shape (spikes, variables)
        """
        values, now = self.initial(), 0.0
        before = np.empty((len(spike_times), len(values)))
        after = np.empty_like(before)
        for k, spike in enumerate(spike_times):
            before[k] = self.advance(values, [spike - now])[0]
            after[k] = values = self.event(before[k])
            now = spike
        return before, after
