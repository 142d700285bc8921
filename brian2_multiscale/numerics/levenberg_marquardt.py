"""Levenberg-Marquardt from many starts at once, within a box."""

import numpy as np

from .damped_search import DampedSearch

__all__ = ["minimise", "squares"]


def squares(residuals):
    """
    The sum of squares as `minimise` wants it.

    Parameters
    ----------
    residuals : callable
        ``residuals(x)`` with `x` of shape (points, parameters) returns residuals of
        shape (points, m) and their derivatives of shape (points, m, parameters).

    Returns
    -------
    callable
        Loss, gradient and Gauss-Newton matrix of every point.
    """

    def function(x):
        r, jacobian = residuals(x)
        gradient = 2 * np.einsum("smp,sm->sp", jacobian, r)
        matrix = 2 * np.einsum("smp,smq->spq", jacobian, jacobian)
        return np.einsum("sm,sm->s", r, r), gradient, matrix

    return function


def minimise(
    function,
    starts,
    low=0.0,
    high=1.0,
    *,
    steps=100,
    target=-np.inf,
    tolerance=1e-10,
    damping=0.1,
    halve_every=None,
    report=None,
):
    """
    Minimise a smooth function from many starts, with one call per step.

    Every start has its own damping [1]_, moved as in [2]_, and is accepted, refused
    and ended by itself. A parameter at a bound towards which the loss falls is held;
    the others solve the damped equations with what is left. A call always has as many
    points as there are starts: the places of starts that have ended are used to try
    several dampings for the others.

    Parameters
    ----------
    function : callable
        ``function(x)``, with `x` of shape (points, parameters), returns the losses
        (points,), gradients (points, parameters) and matrices (points, parameters,
        parameters) that stand for the second derivatives: positive semidefinite, such
        as Gauss-Newton's of `squares`, or the Fisher matrix of a likelihood. A row
        that is not finite is a refused step of its start, nothing else.
    starts : array_like, shape (starts, parameters)
        Moved to the bounds if outside.
    low, high : float or array_like, shape (parameters,), optional
        May be infinite. Coordinates of a `~.transforms.Box` go from 0 to 1.
    steps : int, optional
        Calls after the first.
    target : float, optional
        All end when one start has this loss.
    tolerance : float, optional
        A start ends when the descent that can still be expected ('gradient'), or the
        one that a step gave ('loss'), is less than this fraction of its loss.
    damping : float, optional
        First one, relative to the diagonal of the matrix.
    halve_every : int, optional
        After so many calls the worse half of the starts is dropped, again and again
        until one is left; never one that is better than all others.
    report : callable, optional
        ``report(number, losses)`` after every call; a true answer ends all ('steps').

    Returns
    -------
    `~.minimum.Minimum`

    Raises
    ------
    ValueError
        If `starts` is not a finite array of two dimensions, or `low` not below `high`.

    References
    ----------
    .. [1] Marquardt DW (1963), J Soc Indust Appl Math 11:431, doi:10.1137/0111030
    .. [2] Nielsen HB (1999), Damping parameter in Marquardt's method, IMM-REP-1999-05,
       Technical University of Denmark
    """
    search = DampedSearch(function, starts, low, high, damping, tolerance, target)
    for number in range(1, steps + 1):
        if not search.live.any():
            break
        if halve_every and number > 1 and (number - 1) % halve_every == 0:
            search.drop()
        search.advance()
        if report is not None and report(number, search.loss.copy()):
            break
    return search.minimum()
