"""The lowest point of a damped quadratic function within a box, many at once."""

import numpy as np

__all__ = ["box_step", "expected_descent"]


def box_step(gradient, matrix, scale, damping, below, above):
    r"""
    Step to where a quadratic model is lowest, within bounds.

    The model is :math:`g s + s (H + \lambda D) s/2` with a diagonal :math:`D`. Two
    things are done in turn, at most twice per parameter: every coordinate by itself
    goes to where the model is lowest; then all that are not held by a bound are solved
    together, and the way there is taken to the first bound, or cut off at all of them
    (projected Newton [1]_), if that is lower.

    Parameters
    ----------
    gradient, scale : ndarray, shape (points, parameters)
        :math:`g` and :math:`D`; a scale of zero (a parameter without effect) counts as
        one.
    matrix : ndarray, shape (points, parameters, parameters)
        :math:`H`, positive semidefinite.
    damping : ndarray, shape (points,)
        :math:`\lambda`, at least 1e-13, so that no system is singular.
    below, above : ndarray, shape (points, parameters)
        Lowest (:math:`\le 0`) and highest (:math:`\ge 0`) values of the step.

    Returns
    -------
    ndarray, shape (points, parameters)
        Within the bounds. The model is never higher than without a step, and lower
        unless no step within the bounds goes down.

    References
    ----------
    .. [1] Bertsekas DP (1982), SIAM J Control Optim 20:221, doi:10.1137/0320018
    """
    # With a diagonal of one, parameters of any size make systems that can be solved
    root = np.sqrt(np.where(scale > 0, scale, 1.0))
    g, low, high = gradient / root, below * root, above * root
    h = matrix / root[:, :, None] / root[:, None, :]
    h = h + damping[:, None, None] * np.eye(g.shape[1])
    step = np.zeros_like(g)
    for _ in range(2 * g.shape[1]):
        before = step
        step = _one_by_one(g, h, low, high, step)
        free = _solve_free(g, h, low, high, step)
        for other in _towards(free, low, high, step):
            lower = expected_descent(g, h, other) > expected_descent(g, h, step)
            step = np.where(lower[:, None], other, step)
        if np.array_equal(step, before):
            break
    return np.clip(step / root, below, above)


def _one_by_one(g, h, low, high, step):
    step = step.copy()
    for k in range(step.shape[1]):
        slope = g[:, k] + np.einsum("sq,sq->s", h[:, k], step)
        lowest = step[:, k] - slope / h[:, k, k]
        step[:, k] = np.clip(lowest, low[:, k], high[:, k])
    return step


def _solve_free(g, h, low, high, step):
    slope = g + np.einsum("spq,sq->sp", h, step)
    held = ((step <= low) & (slope > 0)) | ((step >= high) & (slope < 0))
    fixed = np.where(held, step, 0.0)
    right = np.where(held, fixed, -g - np.einsum("spq,sq->sp", h, fixed))
    either = held[:, :, None] | held[:, None, :]
    system = np.where(either, held[:, :, None] * np.eye(g.shape[1]), h)
    return np.linalg.solve(system, right[:, :, None])[:, :, 0]


def _towards(free, low, high, step):
    """A solution as far as the first bound, and cut off at all bounds."""
    way = free - step
    room = np.where(way > 0, high - step, step - low)
    part = np.divide(room, np.abs(way), out=np.ones_like(way), where=way != 0)
    part = part.min(axis=1, keepdims=True).clip(0, 1)
    return np.clip(step + part * way, low, high), np.clip(free, low, high)


def expected_descent(gradient, matrix, step):
    """How much lower the model, undamped, is after a step: shape (points,)."""
    curved = np.einsum("sp,spq,sq->s", step, matrix, step)
    return -np.einsum("sp,sp->s", gradient, step) - curved / 2
