"""The grids of voltages on which densities live."""

import math
from dataclasses import dataclass

import numpy as np

from ..numerics.landscape import lowest_point, smallest_width

__all__ = ["Grid", "check_grid", "make_grid"]

# Cells between reset and threshold, and per standard deviation of the noise
_LEAST, _PER_WIDTH = 50, 10
# More cells than that are a mistake in the parameters
_MOST = 50_000


@dataclass(frozen=True)
class Grid:
    """
    Cells of one population.

    Attributes
    ----------
    cells : int
    width : float
        Of a cell.
    reset_cell : int
        The cell in whose centre the reset is.
    top : float
        The threshold, upper end of the last cell.
    reset : float
    """

    cells: int
    width: float
    reset_cell: int
    top: float
    reset: float

    @property
    def faces(self):
        """Upper ends of the cells."""
        return self.top - self.width * np.arange(self.cells - 1, -1, -1.0)

    @property
    def centres(self):
        return self.faces - self.width / 2


def make_grid(threshold, reset, drift, diffusion, bins=None, lowest=None):
    """
    Choose the cells of a population.

    Parameters
    ----------
    threshold, reset : float
    drift, diffusion : callable
        Functions of an array of voltages.
    bins : int, optional
        Number of cells between reset and threshold; by default 50, or ten per standard
        deviation of the noise.
    lowest : float, optional
        Lower end.

    Raises
    ------
    ValueError
        If there is none: the message says what is missing.
    """
    if not np.isfinite(threshold - reset) or threshold <= reset:
        raise ValueError(
            f"the reset ({reset:g}) must be below the threshold ({threshold:g})"
        )
    _check_noise(diffusion, reset, threshold)
    if lowest is None:
        lowest = lowest_point(drift, diffusion, reset, threshold)
        if lowest is None:
            raise ValueError(
                "how far down the voltages reach cannot be found from the drift, which "
                "is not finite or nowhere pulls upwards; give v_min"
            )
    if lowest >= reset:
        raise ValueError(f"v_min ({lowest:g}) must be below the reset ({reset:g})")
    between = _cells_between(threshold, reset, drift, diffusion, bins, lowest)
    width = (threshold - reset) / (between + 0.5)
    below = max(math.ceil((reset - lowest) / width - 0.5), 2)
    if below + between > _MOST:
        raise ValueError(
            f"the grid would have {below + between} bins, because the noise is weak "
            "for the range of voltages; give bins and v_min, or use a NeuronGroup"
        )
    return Grid(below + between + 1, width, below, threshold, reset)


def _check_noise(diffusion, reset, threshold):
    values = np.asarray(diffusion(np.linspace(reset, threshold, 101)))
    if not np.all(np.isfinite(values)):
        raise ValueError("the noise is not finite: are all parameters set?")
    if np.any(values <= 0):
        raise ValueError(
            "there is no noise between reset and threshold (half its square is "
            f"{values.min():g}); a density needs noise: are all parameters set?"
        )


def check_grid(grid, drift, diffusion):
    """Whether the noise is still such that a grid fits; raises `ValueError`."""
    _check_noise(diffusion, grid.reset, grid.top)
    lowest = grid.top - grid.cells * grid.width
    between = grid.cells - grid.reset_cell - 1
    known = grid.top, grid.reset, drift, diffusion
    _cells_between(*known, between, lowest)


def _cells_between(threshold, reset, drift, diffusion, bins, lowest):
    span = threshold - reset
    width = smallest_width(drift, diffusion, reset, threshold)
    if np.isinf(width):
        width = smallest_width(drift, diffusion, lowest, threshold)
    if bins is None:
        needed = 0 if np.isinf(width) else math.ceil(_PER_WIDTH * span / width)
        return max(needed, _LEAST)
    if np.isfinite(width) and span / bins > width / 2:
        raise ValueError(
            f"bins = {bins} is too coarse for the noise, whose standard deviation is "
            f"{width:g}: at least {math.ceil(2 * span / width)} bins are needed from "
            f"reset to threshold, better {math.ceil(_PER_WIDTH * span / width)}"
        )
    return bins
