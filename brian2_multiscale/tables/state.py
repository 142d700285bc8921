"""State tables: the whole future of a synapse from a few numbers per spike."""

from dataclasses import dataclass

import numpy as np

from ..kinetics.event_model import NotEventDrivenError
from ..kinetics.reference import Trajectory, driver_jumps
from ..numerics.cubic import cubic_weights
from ..numerics.exponentials import exponential_coefficients, fit_time_constants
from ..numerics.polynomials import exponents, monomials
from ..numerics.radau import NODES, radau_propagators
from ..numerics.reduction import balanced_truncation
from .descriptors import Descriptors, choose_descriptors

__all__ = ["LEVELS", "SPACING", "StateTable", "StateTableBuilder"]

#: Refinements: reduced states, exponentials, degree in the leftover transmitter.
LEVELS = (
    (2, 2, 1),
    (3, 3, 2),
    (3, 4, 2),
    (4, 4, 3),
    (4, 5, 3),
    (4, 6, 3),
    (5, 6, 3),
    (6, 7, 3),
    (7, 8, 3),
    (8, 9, 4),
)
#: Distance of the nodes in ``log(1 + interval/knee)``.
SPACING = 0.2
_TAILS = 300  # different leftovers that the propagators are fitted to


@dataclass
class StateTable:
    r"""
    Propagators and responses as functions of the interval and the leftover.

    With the deviation :math:`z` from the state at a first spike, the next spike has
    :math:`z' = M_0(\Delta t, d) + M_1(\Delta t, d) z` and after each spike the output
    is :math:`\sum_k (B_0(d) + B_1(d) z)_k\, e^{-t/\tau_k}` until the next one.

    Attributes
    ----------
    propagators : ndarray, shape (r, nodes, terms, 1 + r)
    responses : ndarray, shape (K, terms, 1 + r)
    powers : ndarray, shape (terms, q)
        Monomials of the descriptors.
    time_constants : ndarray, shape (K,)
        Seconds.
    knee : float
        Intervals are spaced evenly in ``log(1 + interval/knee)`` (s).
    descriptors : `Descriptors`
    """

    propagators: np.ndarray
    responses: np.ndarray
    powers: np.ndarray
    time_constants: np.ndarray
    knee: float
    descriptors: Descriptors

    @property
    def nbytes(self):
        """Memory of the arrays that are read at a spike."""
        return self.propagators.nbytes + self.responses.nbytes + self.powers.nbytes

    def increments(self, transmitter, spike_times, extrapolate="raise"):
        """
        What each spike adds to the pooled exponentials, shape (spikes, K).

        Spike times are sorted seconds.
        """
        _, memory = transmitter.along(spike_times)
        raw = self.descriptors.raw(transmitter, memory)
        if extrapolate == "raise" and (outside := self.descriptors.outside(raw)).any():
            raise_out_of_range(spike_times, outside)
        terms = monomials(self.descriptors.clip(raw), self.powers)
        first, weights = self._positions(np.diff(spike_times))
        z = np.zeros(len(self.propagators))
        pooled = np.zeros(len(self.time_constants))
        result = np.empty((len(spike_times), len(pooled)))
        for k, term in enumerate(terms):
            if k:
                z = self._advance(first[k - 1], weights[k - 1], terms[k - 1], z)
                gap = spike_times[k] - spike_times[k - 1]
                pooled = pooled * np.exp(-gap / self.time_constants)
            new = np.einsum("kps,p,s->k", self.responses, term, np.append(1.0, z))
            result[k], pooled = new - pooled, new
        return result

    def _positions(self, intervals):
        position = np.log1p(intervals / self.knee) / SPACING
        return cubic_weights(position, self.propagators.shape[1])

    def _advance(self, first, weights, term, z):
        block = self.propagators[:, first : first + 4]
        return np.einsum("rtps,t,p,s->r", block, weights, term, np.append(1.0, z))


def raise_out_of_range(spike_times, outside):
    k = int(np.flatnonzero(outside)[0])
    raise ValueError(
        f"spike {k} at {spike_times[k] * 1e3:g} ms ({int(outside.sum())} spikes in "
        "all) follows a burst that is denser than any this table was made for. "
        "Build the table for higher rates, or ask for extrapolate='clip' (the densest "
        "burst known)."
    )


class StateTableBuilder:
    """
    Everything about a model that does not depend on the size of the table.

    Parameters
    ----------
    model : `EventModel`
    trains : list of ndarray
        Training trains (s).
    """

    def __init__(self, model, trains):
        if not model.constant_jump:
            raise NotEventDrivenError(
                f"The events of '{model.name}' change its states by amounts that "
                "depend on other variables, so the next state is no fixed linear "
                "function of the last. Use representation='history'."
            )
        self.model = model
        paths = [Trajectory(model, train, train[-1]) for train in trains]
        self.states = np.concatenate([p.at_spikes for p in paths])
        self.memory = np.concatenate([p.memory for p in paths])
        self.gaps = np.concatenate([np.append(np.diff(t), np.inf) for t in trains])
        self._jump = model.jump(model.transmitter.initial())
        self.first = self._jump @ model.rest
        self.single = model.transmitter.event(model.transmitter.initial())
        self.knee = self._find_knee()
        self.descriptors = choose_descriptors(
            model.transmitter,
            self.memory,
            self.single,
            self.knee * np.array([1, 10, 100]),
        )
        self._choose_tails()
        self._propagate()

    def _find_knee(self):
        """A time that resolves the onset of the response, at most 0.3 ms."""
        path = Trajectory(self.model, np.zeros(1), 1.0)
        times = np.geomspace(1e-5, 1.0, 200)
        output = np.abs(path.output(times) - self.model.weights @ self.model.rest)
        return float(np.clip(times[np.argmax(output)] / 3, 3e-5, 3e-4))

    def _choose_tails(self):
        count = len(self.memory) if len(self.descriptors.delay) else 1
        pick = np.unique(np.linspace(0, count - 1, min(count, _TAILS)).astype(int))
        self.tails = np.concatenate([self.single[None], self.memory[pick]])
        self.tail_states = np.concatenate([self.first[None], self.states[pick]])
        self.tail_gaps = np.append(np.inf, self.gaps[pick])
        coordinates = self.descriptors.raw(self.model.transmitter, self.tails)
        self.coordinates = self.descriptors.clip(coordinates)

    def _propagate(self):
        """Propagators from a spike to every node, for every leftover."""
        model = self.model
        rest = model.matrices(model.transmitter.resting_drivers())
        decay = -np.linalg.eigvals(rest).real
        if not np.any(decay > 0):
            raise ValueError(
                f"The response of '{self.model.name}' to a spike does not decay: look "
                "at the signs of its time constants and rates."
            )
        slowest = decay[decay > 1e-9 * np.abs(decay).max()].min()
        longest = min(7.0 / slowest, 100.0)
        count = 2 + int(np.log1p(longest / self.knee) / SPACING)
        # Responses are fitted on twice as many times as propagators are kept at.
        self.times = self.knee * np.expm1(SPACING / 2 * np.arange(2 * count - 1))
        n = model.size
        self.flow = np.empty((len(self.tails), len(self.times), n, n))
        for k, tail in enumerate(self.tails):
            self.flow[k] = self._flow(tail)

    def _flow(self, tail):
        model, times = self.model, self.times
        breaks = driver_jumps(model.transmitter, tail, times[-1])
        grid = np.unique(np.concatenate([times, breaks]))
        h = np.diff(grid)
        stages = (grid[:-1, None] + h[:, None] * NODES).ravel()
        stages[2::3] -= 1e-9 * h
        matrices = model.matrices(model.transmitter.at(tail, stages))
        steps = radau_propagators(matrices.reshape(len(h), 3, *matrices.shape[1:]), h)
        flow = [np.eye(model.size)]
        for step in steps:
            flow.append(step @ flow[-1])
        return np.array(flow)[np.searchsorted(grid, times)]

    # -- weights -----------------------------------------------------------------
    def _time_weights(self):
        """Square roots of how long the time after a spike is seen."""
        finite = self.gaps[np.isfinite(self.gaps)]
        seen = np.array([np.mean(finite > t) for t in self.times])
        return np.sqrt(np.gradient(self.times) * np.maximum(seen, 1e-3))

    def _observed(self, depth=3):
        """Rows that see the output after this and the following spikes."""
        rng = np.random.default_rng(0)
        rows = np.einsum("i,atij->atj", self.model.weights, self.flow)
        rows = (rows * self._time_weights()[:, None]).reshape(-1, self.model.size)
        level = np.linalg.qr(rows, mode="r") / np.sqrt(len(self.flow))
        finite = self.gaps[np.isfinite(self.gaps)]
        every = [level]
        for _ in range(depth):
            tail = rng.integers(len(self.flow), size=150)
            node = np.searchsorted(self.times, rng.choice(finite, size=150))
            step = self._jump @ self.flow[tail, np.minimum(node, len(self.times) - 1)]
            stacked = (level @ step).reshape(-1, self.model.size)
            level = np.linalg.qr(stacked, mode="r") / np.sqrt(150)
            every.append(level)
        return np.concatenate(every)

    # -- tables ------------------------------------------------------------------
    def build(self, rank, count, degree):
        """A `StateTable` of the given size (see `LEVELS`)."""
        model, first = self.model, self.first
        deviation = self.states - first
        if np.abs(deviation).max() < 1e-12:
            deviation = np.eye(model.size)
        down, up, _ = balanced_truncation(self._observed(), deviation, rank)
        powers = exponents(len(self.descriptors.delay), degree)
        terms = monomials(self.coordinates, powers)
        # [first, up]: the state as a function of (1, z).
        basis = np.column_stack([first, up])
        after = np.einsum(
            "ij,atjk,ks->atis", down @ self._jump, self.flow[:, ::2], basis
        )
        after[..., 0] -= down @ first
        taus, coefficients = self._responses(basis, count, down)
        return StateTable(
            propagators=self._regress(terms, after).transpose(2, 1, 0, 3).copy(),
            responses=self._regress(terms, coefficients).transpose(1, 0, 2).copy(),
            powers=powers,
            time_constants=taus,
            knee=self.knee,
            descriptors=self.descriptors,
        )

    def _regress(self, terms, targets):
        weights = np.ones(len(terms))
        weights[0] = np.sqrt(len(terms) / 10)  # silence before is the commonest case
        flat = targets.reshape(len(terms), -1) * weights[:, None]
        found = np.linalg.lstsq(terms * weights[:, None], flat, rcond=None)[0]
        return found.reshape(terms.shape[1], *targets.shape[1:])

    def _responses(self, basis, count, down):
        model, times, weights = self.model, self.times, self._time_weights()
        curves = np.einsum("i,atij,js->ats", model.weights, self.flow, basis)
        curves[..., 0] -= model.weights @ model.rest
        deviation = (self.tail_states - self.first) @ down.T
        extended = np.column_stack([np.ones(len(deviation)), deviation])
        some = slice(None, None, max(1, len(self.tails) // 80))
        seen = np.einsum("ats,as->ta", curves, extended)[:, some]
        gaps = self.tail_gaps[some]
        mask = times[:, None] <= np.maximum(gaps, np.median(self.gaps))
        taus = fit_time_constants(
            times, seen, count, weights, self.knee / 10, times[-1] / 2, mask
        )
        flat = curves.transpose(1, 0, 2).reshape(len(times), -1)
        found = exponential_coefficients(times, flat, taus, weights)
        return taus, found.reshape(len(taus), *curves.shape[::2]).transpose(1, 0, 2)
