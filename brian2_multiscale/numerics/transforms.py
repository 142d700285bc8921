"""Bounded parameters of very different sizes as coordinates between 0 and 1."""

import numpy as np

__all__ = ["Box"]


class Box:
    r"""
    Lower and upper bounds of parameters, each on a linear or logarithmic scale.

    Where a parameter lies between its bounds is a coordinate between 0 and 1: a
    search in these needs no idea of units. On a logarithmic scale the value is
    ``low*(high/low)**coordinate``.

    Parameters
    ----------
    low, high : array_like, shape (parameters,)
        Finite, ``low < high``; on a logarithmic scale both positive or both negative.
    log : bool or array_like of bool, optional
        Which parameters are on a logarithmic scale.

    Raises
    ------
    ValueError
        If bounds cannot be used; names the place of the parameter.
    """

    def __init__(self, low, high, log=False):
        low, high = np.atleast_1d(low).astype(float), np.atleast_1d(high).astype(float)
        if low.ndim != 1 or low.shape != high.shape or not low.size:
            raise ValueError(
                "low and high must hold one number per parameter, got shapes "
                f"{low.shape} and {high.shape}."
            )
        self.low, self.high = low, high
        self.log = np.broadcast_to(np.asarray(log, bool), low.shape).copy()
        _check(low, high, self.log)

    def __len__(self):
        return len(self.low)

    def values(self, coordinates):
        """
        Parameters at some coordinates.

        Parameters
        ----------
        coordinates : array_like, shape (..., parameters)
            Those outside of 0 to 1 count as 0 or 1.

        Returns
        -------
        ndarray, shape (..., parameters)
            Never outside of the bounds, by rounding neither.
        """
        x = np.clip(np.asarray(coordinates, dtype=float), 0.0, 1.0)
        found = self.low * (1 - x) + self.high * x
        part = x[..., self.log]
        low, high = self.low[self.log], self.high[self.log]
        # As two factors, neither of which overflows
        found[..., self.log] = np.sign(low) * (
            np.abs(low) ** (1 - part) * np.abs(high) ** part
        )
        return np.clip(found, self.low, self.high)

    def slopes(self, coordinates):
        """Derivatives of the values by the coordinates, of the same shape."""
        values = self.values(coordinates)
        slopes = np.broadcast_to(self.high - self.low, values.shape).copy()
        ratio = np.log(np.abs(self.high[self.log])) - np.log(np.abs(self.low[self.log]))
        slopes[..., self.log] = values[..., self.log] * ratio
        return slopes

    def coordinates(self, values):
        """
        Where parameters lie between their bounds.

        Parameters
        ----------
        values : array_like, shape (..., parameters)
            Those outside of the bounds are moved to the nearer bound.

        Returns
        -------
        ndarray, shape (..., parameters)
            From 0 to 1.
        """
        values = np.clip(np.asarray(values, dtype=float), self.low, self.high)
        # Halves, since the difference of two bounds can overflow
        x = (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        low, high = np.abs(self.low[self.log]), np.abs(self.high[self.log])
        part = np.log(np.abs(values[..., self.log]))
        x[..., self.log] = (part - np.log(low)) / (np.log(high) - np.log(low))
        return np.clip(x, 0.0, 1.0)

    def starts(self, count, seed=None):
        """
        Coordinates that cover the box evenly: a Latin hypercube.

        Each of the `count` equal parts of every axis holds exactly one of the points.

        Parameters
        ----------
        count : int
        seed : int or `numpy.random.Generator`, optional
            The same points for the same number.

        Returns
        -------
        ndarray, shape (count, parameters)

        References
        ----------
        McKay MD, Beckman RJ, Conover WJ (1979), Technometrics 21:239,
        doi:10.2307/1268522
        """
        rng = np.random.default_rng(seed)
        parts = np.stack([rng.permutation(count) for _ in self.low], axis=1)
        return (parts + rng.random(parts.shape)) / count


def _check(low, high, log):
    faults = {
        "must be finite": ~(np.isfinite(low) & np.isfinite(high)),
        "must be in order, the lower one first": ~(low < high),
        "must both be positive or both negative on a logarithmic scale": log
        & ~(low * np.sign(high) > 0),
    }
    for fault, where in faults.items():
        if where.any():
            k = int(np.argmax(where))
            raise ValueError(
                f"bounds {fault}, got {low[k]:g} and {high[k]:g} for parameter {k}."
            )
