"""What searches from many starts have in common, and what comes out of them."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Minimum", "Search"]


@dataclass(frozen=True)
class Minimum:
    """
    Where a minimisation ended.

    Attributes
    ----------
    x : ndarray, shape (parameters,)
        The best point.
    loss : float
        There; infinite if no start ever had a finite loss.
    points : ndarray, shape (starts, parameters)
    losses : ndarray, shape (starts,)
    reasons : list of str
        Why every start ended: 'target'; 'another' reached it; 'dropped'; 'not finite'
        (from the beginning); 'steps' (of which there were not enough, or `report`
        ended them). By derivatives: 'gradient' (no descent to be expected); 'loss'
        (hardly changed); 'damping' (no step goes down, however short). Without:
        'spread' (all points nearly the same).
    history : ndarray, shape (calls, starts)
        Best losses after every call.
    calls, evaluations : int
        Of the function, and of single points in it.
    not_finite : ndarray of int, shape (starts,)
        Points of which something was not finite.
    """

    x: np.ndarray
    loss: float
    points: np.ndarray
    losses: np.ndarray
    reasons: list
    history: np.ndarray
    calls: int
    evaluations: int
    not_finite: np.ndarray

    def __str__(self):
        counts = {r: self.reasons.count(r) for r in dict.fromkeys(self.reasons)}
        ends = ", ".join(f"{n} x {r}" for r, n in counts.items())
        return (
            f"loss {self.loss:.6g} after {self.calls} calls, {self.evaluations} "
            f"evaluations ({ends})"
        )


class Search:
    """
    Starts of which each has its best point, and a reason once it has ended.

    Parameters
    ----------
    starts : array_like, shape (starts, parameters)
    low, high : float or array_like, shape (parameters,)

    Raises
    ------
    ValueError
        If they cannot be used.
    """

    def __init__(self, starts, low, high):
        x = np.array(starts, dtype=float)
        if x.ndim != 2 or not x.size or not np.isfinite(x).all():
            raise ValueError(
                "starts must be an array of shape (starts, parameters) of finite "
                f"numbers, got one of shape {x.shape}{', not finite' * (x.ndim == 2)}."
            )
        bounds = np.broadcast_arrays(low, high, x[0])[:2]
        self.low, self.high = (b.astype(float) for b in bounds)
        if not np.all(self.low < self.high):
            raise ValueError(f"low must be below high, got {low} and {high}.")
        self.x = np.clip(x, self.low, self.high)
        self.loss = np.full(len(x), np.inf)
        self.reasons = np.full(len(x), "steps", dtype=object)
        self.not_finite = np.zeros(len(x), dtype=int)
        self.history, self.evaluations = [], 0

    @property
    def live(self):
        """Which starts go on."""
        return self.reasons == "steps"

    def judge(self, target):
        """Note the losses after a call; end all if one is at the target."""
        self.history.append(self.loss.copy())
        there = self.loss <= target
        if there.any():
            self.reasons[self.live] = "another"
            self.reasons[there] = "target"

    def drop(self):
        """End the worse half of the starts that go on, down to one."""
        live = np.flatnonzero(self.live)
        order = live[np.argsort(self.loss[live], kind="stable")]
        self.reasons[order[(len(live) + 1) // 2 :]] = "dropped"

    def minimum(self):
        """The `Minimum`."""
        best = int(np.argmin(self.loss))
        return Minimum(
            x=self.x[best].copy(),
            loss=float(self.loss[best]),
            points=self.x,
            losses=self.loss,
            reasons=list(self.reasons),
            history=np.array(self.history),
            calls=len(self.history),
            evaluations=self.evaluations,
            not_finite=self.not_finite,
        )
