"""Propagators of linear systems with time-varying coefficients (Radau IIA)."""

import numpy as np

__all__ = ["NODES", "radau_propagators"]

_R6 = np.sqrt(6.0)
#: Positions of the three stages inside a step, as fractions of its length.
NODES = np.array([(4 - _R6) / 10, (4 + _R6) / 10, 1.0])
_WEIGHTS = np.array(
    [
        [(88 - 7 * _R6) / 360, (296 - 169 * _R6) / 1800, (-2 + 3 * _R6) / 225],
        [(296 + 169 * _R6) / 1800, (88 + 7 * _R6) / 360, (-2 - 3 * _R6) / 225],
        [(16 - _R6) / 36, (16 + _R6) / 36, 1 / 9],
    ]
)
# Bounds the working memory: a chunk holds this many (3n x 3n) matrices.
_CHUNK = 1000


def radau_propagators(matrices, steps):
    r"""
    Propagators of :math:`\dot s = A(t)\,s` over many independent steps.

    Each step is one step of the three-stage Radau IIA method: order 5, L-stable,
    exact for whatever the system conserves (left null vectors common to all
    matrices, such as the sum of occupancies).

    Parameters
    ----------
    matrices : ndarray, shape (m, 3, n, n)
        The matrix :math:`A` at the three `NODES` of every step.
    steps : ndarray, shape (m,)
        The lengths of the steps, in the inverse unit of the matrices.

    Returns
    -------
    propagators : ndarray, shape (m, n, n)
        ``propagators[k] @ s`` is the state at the end of step ``k``.

    References
    ----------
    Hairer E, Wanner G (1996), Solving Ordinary Differential Equations II,
    section IV.5, doi:10.1007/978-3-642-05221-7
    """
    matrices = np.asarray(matrices, dtype=float)
    steps = np.asarray(steps, dtype=float)
    m, _, n, _ = matrices.shape
    result = np.empty((m, n, n))
    for start in range(0, m, _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _solve_stages(matrices[part], steps[part])
    return result


def _solve_stages(matrices, steps):
    m, _, n, _ = matrices.shape
    system = -np.einsum("m,ij,mjab->miajb", steps, _WEIGHTS, matrices)
    system = system.reshape(m, 3 * n, 3 * n)
    system[:, np.arange(3 * n), np.arange(3 * n)] += 1.0
    start = np.broadcast_to(np.tile(np.eye(n), (3, 1)), (m, 3 * n, n))
    return np.linalg.solve(system, start)[:, 2 * n :]
