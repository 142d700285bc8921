"""Mass below and above any voltage, from the masses of cells."""

import math

import numpy as np

__all__ = ["Cumulative"]


class Cumulative:
    """
    Monotone cubic cumulative distribution of one population.

    Positions are in cells: 0 is the bottom of the grid, ``len(masses)`` the threshold.
    The Hermite cubic has fourth-order slopes wherever these keep it monotone [1]_, and
    slope 0 at both ends, where the density vanishes.

    Parameters
    ----------
    masses : ndarray
        Of the cells, nonnegative.

    References
    ----------
    .. [1] Fritsch, Carlson (1980), Monotone piecewise cubic interpolation, SIAM J Numer
       Anal 17:238, https://doi.org/10.1137/0717021
    """

    def __init__(self, masses):
        self.masses, self.cells = masses, len(masses)
        q = np.zeros(self.cells + 4)
        q[2:-2] = masses
        near, far = q[1:-2] + q[2:-1], q[:-3] + q[3:]
        bound = 3 * np.minimum(q[1:-2], q[2:-1])
        self.slopes = np.minimum(np.maximum((7 * near - far) / 12, 0), bound)
        # Summed from the threshold: the mass close to it may be tiny
        self.above_faces = np.zeros(self.cells + 1)
        np.cumsum(masses[::-1], out=self.above_faces[-2::-1])
        self.total = float(self.above_faces[0])
        self._lists = None

    def above(self, position):
        """Mass above one position, a float."""
        if not position > 0:
            return self.total
        if position >= self.cells:
            return 0.0
        if self._lists is None:
            arrays = self.masses, self.slopes, self.above_faces
            self._lists = [array.tolist() for array in arrays]
        masses, slopes, above_faces = self._lists
        n = int(position)
        u = position - n
        mass = masses[n]
        part = _part(mass, slopes[n], slopes[n + 1], u)
        return above_faces[n + 1] + (mass - part)

    def above_all(self, positions):
        """Mass above each of many positions."""
        positions = np.clip(positions, 0, self.cells)
        n = np.minimum(positions.astype(int), self.cells - 1)
        mass = self.masses[n]
        part = _part(mass, self.slopes[n], self.slopes[n + 1], positions - n)
        return self.above_faces[n + 1] + (mass - part)

    def moved(self, low, high, shift):
        """
        The mass between two positions, moved.

        Parameters
        ----------
        low, high : float
            Positions in cells.
        shift : float
            In cells. What would leave the grid stays in its first or last cell.

        Returns
        -------
        ndarray
            Masses of the cells. Nothing is lost: the two parts in which a cell is cut
            add up to it.
        """
        if math.isnan(shift + high):
            return np.full(self.cells, np.nan)
        first, end = max(int(low), 0), min(math.ceil(high), self.cells)
        if first >= end or low >= high:
            return np.zeros(self.cells)
        # Farther is the same, and integers must not overflow
        shift = min(max(shift, -2.0 - self.cells), 2.0 + self.cells)
        lower, upper = self._cut(first, end, low, high, shift)
        target = np.arange(first, end) + math.floor(shift)
        target = np.concatenate([target, target + 1])
        np.clip(target, 0, self.cells - 1, out=target)
        return np.bincount(target, np.concatenate([lower, upper]), self.cells)

    def _cut(self, first, end, low, high, shift):
        """Parts of the cells ``first`` .. ``end - 1`` for two neighbouring targets."""
        content = self.masses[first:end].copy()
        slopes = self.slopes[first : end + 1]
        at = 1 - (shift - math.floor(shift))
        lower = _part(content, slopes[:-1], slopes[1:], at)
        if high < end:
            part = _part(content[-1], slopes[-2], slopes[-1], high - (end - 1))
            content[-1], lower[-1] = part, min(lower[-1], part)
        if low > first:
            mass = self.masses[first]
            part = min(_part(mass, slopes[0], slopes[1], low - first), content[0])
            content[0] -= part
            lower[0] = max(lower[0] - part, 0)
        return lower, content - lower


def _part(mass, slope, next_slope, u):
    """Mass in the lower part `u` of a cell."""
    v = 1 - u
    part = u * u * (mass * (3 - 2 * u) - next_slope * v) + slope * u * v * v
    # Rounding only: the cubic is monotone
    if isinstance(part, np.ndarray):
        return np.minimum(np.maximum(part, 0), mass)
    return min(max(part, 0.0), mass)
