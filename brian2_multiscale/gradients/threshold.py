"""Thresholds as distances: what a derivative needs to know of 'v > v_th'."""

import sympy as sp

from ..codegen.straightline import parse_expression
from ..mesoscopic.setup import read_code

__all__ = ["threshold_distance"]

_ABOVE = (sp.StrictGreaterThan, sp.GreaterThan)
_BELOW = (sp.StrictLessThan, sp.LessThan)


def threshold_distance(threshold):
    """
    How far beyond its threshold a neuron is.

    Parameters
    ----------
    threshold : str
        One comparison: ``'v > v_th'``.

    Returns
    -------
    sympy expression
        Positive where the condition holds: ``v - v_th``.

    Raises
    ------
    ValueError
        If it is not one comparison of numbers.
    """
    condition = read_code("threshold", threshold, parse_expression)
    if isinstance(condition, _ABOVE):
        return condition.lhs - condition.rhs
    if isinstance(condition, _BELOW):
        return condition.rhs - condition.lhs
    raise ValueError(
        f"threshold={threshold!r} is not one comparison such as 'v > v_th', so that it "
        "has no distance whose derivative is the one of the time of a spike. Write it "
        "as one comparison ('refractory=' keeps neurons from firing)."
    )
