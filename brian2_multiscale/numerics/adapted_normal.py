"""A normal distribution that moves to where a function is low."""

import numpy as np

__all__ = ["AdaptedNormal"]


class AdaptedNormal:
    r"""
    The distribution of the covariance matrix adaptation evolution strategy.

    Points are drawn from it; the better half of them moves its mean, its shape and its
    size. Only the order of losses counts: they may jump, or be infinite.

    Parameters
    ----------
    mean : ndarray, shape (parameters,)
        In a box from 0 to 1.
    spread : float
        First standard deviation, of all coordinates.

    References
    ----------
    Hansen N (2016), The CMA evolution strategy: a tutorial, arXiv:1604.00772
    """

    def __init__(self, mean, spread):
        self.mean, self.spread = np.array(mean, dtype=float), float(spread)
        d = len(self.mean)
        self.covariance, self.updates = np.eye(d), 0
        self.way, self.shape_way = np.zeros(d), np.zeros(d)
        # Mean length of a standard normal vector
        self.length = np.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))
        self._decompose()

    def _decompose(self):
        variances, self.axes = np.linalg.eigh(self.covariance)
        self.widths = np.sqrt(np.maximum(variances, 1e-30))

    @property
    def largest(self):
        """The largest standard deviation in any direction."""
        return self.spread * self.widths.max()

    def draw(self, count, rng):
        """Points of shape (count, parameters), reflected at the sides of the box."""
        normal = rng.normal(size=(count, len(self.mean)))
        x = self.mean + self.spread * (normal * self.widths) @ self.axes.T
        return 1 - np.abs(1 - np.mod(x, 2))

    def adapt(self, x, loss):
        """Learn from points and their losses, of which at least one is finite."""
        weights, rates = _constants(len(x), len(self.mean))
        best = np.argsort(loss, kind="stable")[: len(weights)]
        steps = (x[best] - self.mean) / self.spread
        step = weights @ steps
        self.mean = self.mean + self.spread * step
        self.updates += 1
        self._lengthen(step, 1 / np.sum(weights**2), rates)
        around = (steps.T * weights) @ steps
        one, many = rates["one"], rates["many"]
        self.covariance = (1 - one - many) * self.covariance + many * around
        self.covariance += one * np.outer(self.shape_way, self.shape_way)
        self._decompose()
        if loss[best[-1]] == loss.min():
            # Nothing but a flat piece of the function in sight
            self.spread *= np.exp(0.2)

    def _lengthen(self, step, mass, rates):
        """The two paths that the mean has gone, and the spread that follows."""
        white = self.axes @ ((self.axes.T @ step) / self.widths)
        rate, keep = rates["way"], 1 - rates["way"]
        self.way = keep * self.way + np.sqrt(rate * (2 - rate) * mass) * white
        long = np.linalg.norm(self.way) / self.length
        known = np.sqrt(1 - keep ** (2 * self.updates))
        straight = long / known < 1.4 + 2 / (len(step) + 1)
        rate = rates["shape"]
        self.shape_way *= 1 - rate
        self.shape_way += straight * np.sqrt(rate * (2 - rate) * mass) * step
        self.spread *= np.exp(min(1.0, rates["way"] / rates["damping"] * (long - 1)))


def _constants(count, d):
    """Weights of the better half, and rates of learning (Hansen 2016, table 1)."""
    half = count // 2
    weights = np.log((count + 1) / 2) - np.log(np.arange(1, half + 1))
    weights /= weights.sum()
    mass = 1 / np.sum(weights**2)
    one = 2 / ((d + 1.3) ** 2 + mass)
    way = (mass + 2) / (d + mass + 5)
    rates = {
        "way": way,
        "shape": (4 + mass / d) / (d + 4 + 2 * mass / d),
        "one": one,
        "many": min(1 - one, 2 * (mass - 2 + 1 / mass) / ((d + 2) ** 2 + mass)),
        "damping": 1 + 2 * max(0, np.sqrt((mass - 1) / (d + 1)) - 1) + way,
    }
    return weights, rates
