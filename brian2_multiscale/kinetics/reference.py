"""The kinetic reference: one synapse, any spike train, converged in time."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ..arguments import check_number, check_numbers
from ..numerics.radau import NODES, radau_propagators
from ..numerics.timegrid import event_grid
from .event_model import EventModel

__all__ = ["check_spike_times", "check_times", "rest", "simulate", "Trajectory"]


class Trajectory:
    """
    States of an `EventModel` along one spike train, step by step.

    Parameters
    ----------
    model : `EventModel`
    spike_times : ndarray
        Sorted, in seconds.
    end : float
        Last time that is wanted (s).
    first : float, optional
        Longest first step after an event (s).

    Attributes
    ----------
    at_spikes : ndarray, shape (spikes, n)
        State right after each event.
    memory : ndarray, shape (spikes, variables)
        Values of the transmitter's variables right after each event.
    """

    def __init__(self, model, spike_times, end, first=None):
        self.model, self.spike_times = model, np.asarray(spike_times, dtype=float)
        self._before, self.memory = model.transmitter.along(self.spike_times)
        self._first = first_step(model, self.memory, first)
        ends = np.append(self.spike_times[1:], end)
        self._grids = [
            self._grid(values, stop - start)
            for values, start, stop in zip(
                self.memory, self.spike_times, ends, strict=True
            )
        ]
        self._propagate()

    def _grid(self, values, duration):
        if duration <= 0:
            return np.zeros(1)
        breaks = driver_jumps(self.model.transmitter, values, duration)
        return event_grid(duration, self._first, 1.2, breakpoints=breaks)

    def _propagate(self):
        model = self.model
        matrices, steps = [], []
        for values, grid in zip(self.memory, self._grids, strict=True):
            h = np.diff(grid)
            stages = (grid[:-1, None] + h[:, None] * NODES).ravel()
            # A breakpoint belongs to the step that it ends.
            stages[2::3] -= 1e-9 * h
            drivers = model.transmitter.at(values, stages)
            matrices.append(
                model.matrices(drivers).reshape(len(h), 3, *2 * (model.size,))
            )
            steps.append(h)
        blocks = [
            radau_propagators(m, h)
            for m, h in zip(*_batches(matrices, steps), strict=True)
        ]
        propagators = iter(p for block in blocks for p in block)
        state = model.rest
        self.at_spikes = np.empty((len(self._grids), model.size))
        self._states = []
        for k, (values, grid) in enumerate(zip(self._before, self._grids, strict=True)):
            state = model.jump(values) @ state
            self.at_spikes[k] = state
            states = [state]
            for _ in grid[1:]:
                state = next(propagators) @ state
                states.append(state)
            self._states.append(np.array(states))

    def output(self, times):
        """Output at sorted ``times`` (s): cubic Hermite between the steps."""
        model = self.model
        result = np.full(len(times), model.weights @ model.rest)
        bounds = np.searchsorted(times, np.append(self.spike_times, np.inf))
        for k, (grid, states) in enumerate(zip(self._grids, self._states, strict=True)):
            part = slice(bounds[k], bounds[k + 1])
            local = times[part] - self.spike_times[k]
            if len(local):
                result[part] = self._hermite(self.memory[k], grid, states, local)
        return result

    def _hermite(self, values, grid, states, local):
        model = self.model
        y = states @ model.weights
        if len(grid) == 1:
            return np.full(len(local), y[0])
        step = np.clip(np.searchsorted(grid, local, "right") - 1, 0, len(grid) - 2)
        h = np.diff(grid)
        x = (local - grid[step]) / h[step]
        slope = [
            np.einsum(
                "i,kij,kj->k",
                model.weights,
                model.matrices(model.transmitter.at(values, at)),
                s,
            )
            for at, s in (
                (grid[:-1] + 1e-9 * h, states[:-1]),
                (grid[1:] - 1e-9 * h, states[1:]),
            )
        ]
        left, right = slope[0][step] * h[step], slope[1][step] * h[step]
        y0, y1 = y[step], y[step + 1]
        return (
            (1 + 2 * x) * (1 - x) ** 2 * y0
            + x * (1 - x) ** 2 * left
            + x**2 * (3 - 2 * x) * y1
            - x**2 * (1 - x) * right
        )


def _batches(matrices, steps, size=4000):
    """Join the intervals into batches, so that linear algebra is vectorised."""
    joined, now, count = [], [], 0
    for m, h in zip(matrices, steps, strict=True):
        now.append((m, h))
        count += len(h)
        if count >= size:
            joined.append(now)
            now, count = [], 0
    if now:
        joined.append(now)
    lengths = [np.concatenate([h for _, h in part]) for part in joined]
    return [np.concatenate([m for m, _ in part]) for part in joined], lengths


def first_step(model, memory, longest=None):
    """A first step that resolves the fastest rate right after an event."""
    drivers = np.concatenate(
        [model.transmitter.at(v, np.zeros(1)) for v in memory[:50]]
    )
    if len(drivers) == 0:
        return longest or 1e-5
    fastest = np.abs(model.matrices(drivers)).max()
    step = 0.05 / fastest if fastest > 0 else 1e-3
    # States much faster than everything that is seen only need L-stability.
    step = max(step, 2e-6)
    return min(step, longest) if longest else step


def driver_jumps(transmitter, values, duration, samples=400):
    """Times after an event at which a driver jumps (bisected to rounding)."""
    if not transmitter.drivers:
        return []
    times = np.append(0.0, np.geomspace(1e-6, max(duration, 2e-6), samples))
    drivers = transmitter.at(values, times)
    scale = np.abs(drivers).max(axis=0)
    moved = np.abs(np.diff(drivers, axis=0)) > 0.1 * np.where(scale > 0, scale, np.inf)
    return [
        where
        for k in np.flatnonzero(moved.any(axis=1))
        if (where := _bisect_jump(transmitter, values, times[k], times[k + 1]))
    ]


def _bisect_jump(transmitter, values, left, right):
    ends = transmitter.at(values, [left, right])
    total = np.abs(ends[1] - ends[0]).max()
    for _ in range(45):
        middle = 0.5 * (left + right)
        a, m, b = transmitter.at(values, [left, middle, right])
        if np.abs(m - a).max() >= np.abs(b - m).max():
            right = middle
        else:
            left = middle
    a, b = transmitter.at(values, [left, right])
    return right if np.abs(b - a).max() > 0.5 * total else None


def check_spike_times(spike_times):
    """Spike times as sorted seconds; refuses other units, order and values."""
    kind = "a list of times (multiply by ms or second)"
    times = np.atleast_1d(check_numbers("spike_times", spike_times, second, kind))
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(times < 0):
        raise ValueError(
            "spike_times has to be a one-dimensional array of finite times >= 0 s, "
            f"got {spike_times!r}."
        )
    wrong = np.flatnonzero(np.diff(times) < 0)
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"spike_times is not sorted: element {k + 1} ({times[k + 1] * 1e3:g} ms) "
            f"comes after {times[k] * 1e3:g} ms. Use np.sort(spike_times)."
        )
    return times


def check_times(t):
    """Finite times as seconds, in the shape that they have."""
    times = check_numbers("t", t, second, "a list of times (multiply by ms or second)")
    if not np.all(np.isfinite(times)):
        raise ValueError(f"t must be finite times, got {t!r}.")
    return times


def simulate(mechanism, spike_times, t, dt=None, method="converged"):
    """
    Output of one synapse of weight 1 for a spike train: the kinetic reference.

    Parameters
    ----------
    mechanism : `Mechanism`
        A receptor or synapse with an ``output``.
    spike_times : `Quantity`
        Sorted spike times (>= 0 s). A spike acts at once (no delay).
    t : `Quantity`
        Times at which the output is wanted, in any order.
    dt : `Quantity`, optional
        With ``method='converged'`` an upper bound of the first step after a spike
        (chosen from the rates if left out). With ``method='kinetic'`` the fixed step.
    method : {'converged', 'kinetic'}, optional
        'converged': Radau IIA, order 5, on steps that grow after every spike;
        independent of ``dt`` to about 1e-5 of the peak. 'kinetic': implicit Euler
        with the fixed step ``dt``, what ``method='kinetic'`` computes in a network
        where a spike acts from the next step on; spike times are rounded to steps.

    Returns
    -------
    output : `Quantity`, shape of ``t``
        The mechanism's output variable at the times ``t``; at a spike the value
        after it.

    Raises
    ------
    ValueError
        If the spike times are not sorted or not finite.
    NotEventDrivenError
        If the mechanism is not a linear system driven by its events.
    """
    if method not in ("converged", "kinetic"):
        raise ValueError(f"method is 'converged' or 'kinetic', not {method!r}.")
    spikes = check_spike_times(spike_times)
    times = check_times(t).ravel()
    step = None if dt is None else check_number("dt", dt, second, "a time")
    if step is not None and not 0 < step < np.inf:
        raise ValueError(f"dt has to be positive and finite, got {dt}.")
    model = EventModel(mechanism)
    order = np.argsort(times, kind="stable")
    result = np.empty(len(times))
    run = _converged if method == "converged" else _fixed_step
    result[order] = run(model, spikes, times[order], step)
    return Quantity(result.reshape(np.shape(t)), dim=model.unit.dim)


def _converged(model, spikes, times, dt):
    if len(spikes) == 0 or len(times) == 0:
        return np.full(len(times), model.weights @ model.rest)
    end = max(times[-1], spikes[-1]) + 1e-9
    return Trajectory(model, spikes, end, dt).output(times)


def _fixed_step(model, spikes, times, dt):
    if dt is None:
        raise ValueError("method='kinetic' needs dt, the fixed step (0.1*ms, say).")
    count = int(np.ceil((times.max(initial=0) + dt / 2) / dt)) + 1
    at_step = np.bincount(
        np.rint(spikes / dt).astype(int).clip(0, count), minlength=count + 1
    )
    values, now = model.transmitter.initial(), 0.0
    state, output = model.rest, np.empty(count + 1)
    identity = np.eye(model.size)
    for k in range(count + 1):
        for _ in range(at_step[k]):
            values, now = model.transmitter.advance(values, [k * dt - now])[0], k * dt
            state = model.jump(values) @ state
            values = model.transmitter.event(values)
        output[k] = model.weights @ state
        drivers = model.transmitter.at(values, [(k + 1) * dt - now])
        state = np.linalg.solve(identity - dt * model.matrices(drivers)[0], state)
    return np.interp(times, np.arange(count + 1) * dt, output)


def rest(mechanism):
    """Values of the linear states of a mechanism before any spike (name: number)."""
    model = EventModel(mechanism)
    return dict(zip(model.states, model.rest, strict=False))
