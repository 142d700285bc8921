"""The state of a Levenberg-Marquardt search from many starts."""

import numpy as np

from .box_step import box_step, expected_descent
from .minimum import Search

__all__ = ["DampedSearch"]

# Ratios to a start's damping of the points that are tried for it at once
_LADDER = np.array([1.0, 0.1, 10.0, 0.01, 100.0, 1e-3, 1e3, 1e-4])
_LOWEST, _HIGHEST = 1e-12, 1e10
# Below this ratio of true to predicted descent a step is refused
_ACCEPTED = 1e-4


class DampedSearch(Search):
    """All starts: where they are, how damped, and why they ended."""

    def __init__(self, function, starts, low, high, damping, tolerance, target):
        super().__init__(starts, low, high)
        self.function, self.tolerance, self.target = function, tolerance, target
        count, p = self.x.shape
        self.gradient, self.scale = np.zeros((count, p)), np.zeros((count, p))
        self.matrix = np.zeros((count, p, p))
        self.damping, self.growth = np.full(count, float(damping)), np.full(count, 2.0)
        found = self.evaluate(self.x)
        finite = np.isfinite(found[0])
        self.not_finite += ~finite
        self.reasons[~finite] = "not finite"
        self.move(np.flatnonzero(finite), finite, self.x, found)
        self.finish()

    def evaluate(self, x):
        """Loss (infinite if anything is not finite), gradient and matrix."""
        self.evaluations += len(x)
        found = [np.array(a, dtype=float) for a in self.function(x.copy())]
        count, p = x.shape
        shapes = [(count,), (count, p), (count, p, p)]
        if [a.shape for a in found] != shapes:
            raise ValueError(
                "function must return losses, gradients and matrices of shapes "
                f"{shapes}, got {[a.shape for a in found]}."
            )
        loss, gradient, matrix = found
        finite = np.isfinite(gradient).all(axis=1) & np.isfinite(matrix).all((1, 2))
        loss[~finite | ~np.isfinite(loss)] = np.inf
        return loss, gradient, matrix

    def move(self, starts, rows, x, found):
        """Take some points, with what was found there, as those of some starts."""
        self.x[starts] = x[rows]
        self.loss[starts], self.gradient[starts], self.matrix[starts] = (
            a[rows] for a in found
        )
        diagonal = np.einsum("spp->sp", self.matrix[starts])
        self.scale[starts] = np.maximum(self.scale[starts], diagonal)

    def steps(self, who, damping):
        """Steps of some starts (which may come up more than once)."""
        below, above = self.low - self.x[who], self.high - self.x[who]
        data = self.gradient[who], self.matrix[who]
        step = box_step(*data, self.scale[who], damping, below, above)
        return step, expected_descent(*data, step)

    def advance(self):
        """One call: a point for every live start, several if places are free."""
        live, count = np.flatnonzero(self.live), len(self.x)
        who = np.resize(live, count)
        rung = np.minimum(np.arange(count) // len(live), len(_LADDER) - 1)
        damping = np.maximum(self.damping[who] * _LADDER[rung], _LOWEST)
        step, expected = self.steps(who, damping)
        x = np.clip(self.x[who] + step, self.low, self.high)
        found = self.evaluate(x)
        np.add.at(self.not_finite, who, np.isinf(found[0]))
        # The best point of each start: the first in the order of starts, then losses
        rows = np.lexsort((found[0], who))
        rows = rows[np.unique(who[rows], return_index=True)[1]]
        self.accept(rows, who, damping, expected, x, found)
        self.finish()

    def accept(self, rows, who, damping, expected, x, found):
        """Take the best points of starts that go down; damp the other starts more."""
        descent = self.loss[who[rows]] - found[0][rows]
        good = (expected[rows] > 0) & (descent > _ACCEPTED * expected[rows])
        taken, descent = rows[good], descent[good]
        self.relax(who[taken], damping[taken], descent / expected[taken])
        self.move(who[taken], taken, x, found)
        most = np.zeros(len(self.x))
        np.maximum.at(most, who, damping)
        self.damp(who[rows[~good]], most[who[rows[~good]]])
        loss = np.abs(self.loss[who[taken]])
        slow = np.maximum(descent, expected[taken]) <= self.tolerance * loss
        self.reasons[who[taken[slow]]] = "loss"

    def relax(self, starts, damping, ratio):
        less = np.maximum(1 / 3, 1 - (2 * np.minimum(ratio, 2.0) - 1) ** 3)
        self.damping[starts] = np.maximum(damping * less, _LOWEST)
        self.growth[starts] = 2.0

    def damp(self, starts, damping):
        self.damping[starts] = damping * self.growth[starts]
        self.growth[starts] *= 2
        self.reasons[starts[self.damping[starts] > _HIGHEST]] = "damping"

    def finish(self):
        """End the starts that need not go on."""
        live = np.flatnonzero(self.live)
        _, expected = self.steps(live, np.full(len(live), _LOWEST))
        done = expected <= self.tolerance * np.abs(self.loss[live])
        self.reasons[live[done]] = "gradient"
        self.judge(self.target)
