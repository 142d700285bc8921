"""Where voltages are after an event: those that fired and those that did not."""

import math

import numpy as np

__all__ = ["point", "survivors", "swept"]


def _pairs(ups, downs, width):
    """Shifts in cells by excitation and by inhibition, with their probabilities."""
    for up, p in zip(*ups, strict=True):
        for down, q in zip(*downs, strict=True):
            yield up / width, down / width, p * q


def survivors(cumulative, width, ups, downs):
    """
    Masses of the cells of those that stay below the threshold.

    Parameters
    ----------
    cumulative : Cumulative
        Before the event.
    width : float
        Of the cells.
    ups : tuple
        Shifts by excitation and their probabilities: what they carry over the
        threshold has fired.
    downs : tuple
        Shifts by inhibition, which come after the cascade.

    Returns
    -------
    ndarray
    """
    result = np.zeros(cumulative.cells)
    for up, down, probability in _pairs(ups, downs, width):
        edge = cumulative.cells - max(up, 0.0)
        result += probability * cumulative.moved(0.0, edge, up + down)
    return result


def swept(cumulative, width, ups, downs, reset_cell):
    """
    Masses of the cells of those that the cascade carried over the threshold.

    They are shifted like everybody and then moved down by the distance between
    threshold and reset voltage.
    """
    result = np.zeros(cumulative.cells)
    lowered = reset_cell + 0.5 - cumulative.cells
    for up, down, probability in _pairs(ups, downs, width):
        edge = cumulative.cells - max(up, 0.0)
        moved = cumulative.moved(edge, cumulative.cells, up + down + lowered)
        result += probability * moved
    return result


def point(mass, cumulative, width, ups, downs, reset_cell):
    """Masses of the cells of those that crossed the threshold before the cascade."""
    cells = cumulative.cells
    result = np.zeros(cells)
    for up, down, probability in _pairs(ups, downs, width):
        place = min(max(reset_cell + up + down, 0.0), cells - 1.0)
        if math.isnan(place):
            return np.full(cells, np.nan)
        below = min(math.floor(place), cells - 2)
        result[below] += probability * mass * (1 - (place - below))
        result[below + 1] += probability * mass * (place - below)
    return result
