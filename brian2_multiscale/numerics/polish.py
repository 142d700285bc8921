"""The lowest point of a function that jumps, near good starts, in few calls."""

import numpy as np

from .adapted_normal import AdaptedNormal
from .minimum import Search

__all__ = ["polish"]

# Points per start and call, at least
_FEWEST = 6


def polish(
    function,
    starts,
    *,
    spread=0.03,
    points=60,
    calls=50,
    target=-np.inf,
    tolerance=1e-9,
    halve_every=4,
    seed=None,
    report=None,
):
    """
    Minimise without derivatives, by calls that each take many points.

    Around every start a normal distribution is drawn from and adapted (CMA-ES, see
    `~.adapted_normal.AdaptedNormal`). The worse half of the starts is dropped again and
    again, and the others share their points. Made for losses with jumps and flat
    pieces, such as those of spike trains, whose cost is one call, not one point.

    Parameters
    ----------
    function : callable
        ``function(x)``, with `x` of shape (points, parameters) between 0 and 1, returns
        losses of shape (points,); those that are not finite count as the worst.
    starts : array_like, shape (starts, parameters)
        Between 0 and 1 (moved there if outside), best ones first: those for which
        there are not 6 points each are left out.
    spread : float, optional
        First standard deviation: about the distance that is left.
    points : int, optional
        Always as many in one call.
    calls : int, optional
    target : float, optional
        Ends the search.
    tolerance : float, optional
        A start ends when all standard deviations are smaller ('spread').
    halve_every : int, optional
        Calls until the worse half of the starts is dropped; None: never.
    seed : int or `numpy.random.Generator`, optional
    report : callable, optional
        ``report(number, losses)`` after every call; a true answer ends all.

    Returns
    -------
    `~.minimum.Minimum`
        With the best points that were seen, the starts themselves among them.

    Raises
    ------
    ValueError
        If `starts` is not a finite array of two dimensions, or `points` below 6.
    """
    if points < _FEWEST:
        raise ValueError(f"points must be at least {_FEWEST}, got {points}.")
    rng = np.random.default_rng(seed)
    search = _Polish(starts, spread, points)
    for number in range(1, calls + 1):
        search.advance(function, rng)
        search.finish(tolerance)
        search.judge(target)
        told = report is not None and report(number, search.loss.copy())
        if told or not search.live.any():
            break
        if halve_every and number % halve_every == 0:
            search.drop()
    return search.minimum()


class _Polish(Search):
    """One distribution per start, and the best point that was seen for it."""

    def __init__(self, starts, spread, points):
        super().__init__(starts, 0.0, 1.0)
        self.points = points
        self.normals = [AdaptedNormal(x, spread) for x in self.x]
        self.reasons[max(points // _FEWEST, 1) :] = "dropped"

    def advance(self, function, rng):
        live = np.flatnonzero(self.live)
        who = np.sort(np.resize(live, self.points))
        x = np.concatenate([self.normals[k].draw(np.sum(who == k), rng) for k in live])
        first = np.searchsorted(who, live)
        if not self.history:
            x[first] = self.x[live]
        loss = np.array(function(x.copy()), dtype=float)
        if loss.shape != (self.points,):
            raise ValueError(
                f"function must return losses of shape ({self.points},), got "
                f"{loss.shape}."
            )
        loss[~np.isfinite(loss)] = np.inf
        for k in live:
            self.learn(k, x[who == k], loss[who == k])
        self.evaluations += self.points

    def learn(self, start, x, loss):
        self.not_finite[start] += np.isinf(loss).sum()
        if loss.min() < self.loss[start]:
            self.loss[start], self.x[start] = loss.min(), x[np.argmin(loss)]
        if np.isfinite(loss).any():
            self.normals[start].adapt(x, loss)

    def finish(self, tolerance):
        for k in np.flatnonzero(self.live):
            if self.normals[k].largest < tolerance:
                self.reasons[k] = "spread"
