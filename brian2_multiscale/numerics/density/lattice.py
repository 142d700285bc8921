"""Whole numbers of neurons in the cells of a grid, and how chance moves them."""

import math

import numpy as np

from .shifts import poisson

__all__ = ["hop", "scatter", "sweep", "throw", "to_numbers"]


def _binomial(number, chance):
    # Rounding may leave [0, 1]
    return np.random.binomial(number, np.clip(chance, 0, 1))


def to_numbers(masses, size):
    """
    Whole numbers whose sums over cells are all right within a half.

    Numbers stay what they are, and a density becomes its quantiles.

    Parameters
    ----------
    masses : ndarray
        Of the cells, as fractions of all neurons.
    size : float
        Number of all neurons.

    Returns
    -------
    ndarray of int
    """
    return np.diff(np.rint(np.cumsum(masses * size)), prepend=0).astype(int)


def hop(numbers, upward, downward):
    """
    The implicit step of drift and diffusion, for independent neurons.

    The matrix of the implicit step is the law of a neuron that hops between cells until
    an exponentially distributed time (its mean is the step) is over. The two sweeps of
    the elimination become random choices: going up, neurons leave each cell for the
    next one, or for good to there or below; going down, these are distributed.

    Parameters
    ----------
    numbers : ndarray of int
    upward, downward : ndarray
        As from `exchange`, multiplied by the time step.

    Returns
    -------
    numbers : ndarray of int
    fired : int
        Number of those that crossed the threshold.
    """
    binomial, rates = np.random.binomial, (upward.tolist(), downward.tolist())
    staying, chances, returned, carried = [], [], 0.0, 0
    for number, up, down in zip(numbers.tolist(), *rates, strict=True):
        total, number = 1 + up + returned, number + carried
        carried = binomial(number, up / total) if number else 0
        staying.append(number - carried)
        chances.append(returned / (1 + returned))
        returned = down * (1 + returned) / total
    lower = 0
    for j in reversed(range(len(staying))):
        number = staying[j] + lower
        lower = binomial(number, chances[j]) if number else 0
        staying[j] = number - lower
    return np.array(staying), carried


def sweep(numbers, low, high):
    """
    Who is between two positions, when nobody is above the higher one.

    Parameters
    ----------
    numbers : ndarray of int
    low, high : float
        In cells from the bottom.

    Returns
    -------
    ndarray of int
        Numbers by cell.
    """
    result = np.zeros_like(numbers)
    if not low < high:
        return result
    cells = np.arange(int(max(low, 0)), min(math.ceil(high), len(numbers)))
    inside, below = _share(high, cells, numbers), _share(low, cells, numbers)
    result[cells] = _binomial(numbers[cells], 1 - below / inside)
    return result


def _share(position, cells, numbers):
    """
    Part of the neurons of each cell below a position.

    The density falls to 0 at the threshold; elsewhere it hardly changes in a cell.
    """
    x = np.clip(position - cells, 0, 1)
    return np.where(cells == len(numbers) - 1, x * (2 - x), x)


def throw(numbers, positions, cells):
    """
    Neurons at new positions: at one of the two nearest centres of cells, by chance.

    Parameters
    ----------
    numbers : ndarray of int
    positions : ndarray
        In cells from the centre of the first cell.
    cells : int
        What would leave these cells stays in the first or the last one.

    Returns
    -------
    ndarray of int
        Numbers by cell.
    """
    positions = np.clip(positions, 0, cells - 1)
    cell = positions.astype(int)
    above = _binomial(numbers, positions - cell)
    result = np.bincount(cell, numbers - above, cells + 1)
    result += np.bincount(cell + 1, above, cells + 1)
    return result[:cells].astype(int)


def scatter(numbers, kick, mean, edge, risen):
    """
    Every neuron gets a Poisson number of kicks; some fire.

    Parameters
    ----------
    numbers : ndarray of int
    kick : float
        In cells (> 0).
    mean : float
        Mean number of kicks of a neuron.
    edge : float
        Who gets above this position fires.
    risen : float
        Mean shift in cells of this and earlier kicks.

    Returns
    -------
    numbers : ndarray of int
        Those that have not fired.
    fired : ndarray of int
        The others, by the cell where they are without the mean shift.
    """
    cells, inside = np.arange(len(numbers)), max(math.ceil(edge), 1)
    top = np.minimum(cells + 1, edge)
    rest, (result, fired) = numbers, np.zeros((2, len(numbers)), int)
    counts, probabilities = poisson(mean)
    among = np.cumsum(probabilities[::-1])[::-1]  # who has not fewer kicks
    for shift, chance in zip(kick * counts, probabilities / among, strict=True):
        chosen = _binomial(rest, chance)
        rest = rest - chosen
        over = (top + shift - edge) / np.maximum(top - cells, 1e-9)
        out = _binomial(chosen, over)
        fired += throw(out, cells + shift - risen, len(cells))
        result[:inside] += throw(chosen - out, cells + shift, inside)
    return result, fired
