"""How well parameters are determined, from the curvature of a loss."""

import numpy as np

__all__ = ["degrees_of_freedom", "errors_of_sum", "standard_errors"]

# Of what is determined best: less than that is rounding
_NOTHING = 1e-12


def standard_errors(matrix, noise):
    """
    Standard errors of parameters at a minimum.

    Parameters
    ----------
    matrix : ndarray, shape (parameters, parameters)
        Second derivatives of the loss (Gauss-Newton's).
    noise : float
        Variance by which half of the inverse matrix is the covariance.

    Returns
    -------
    ndarray, shape (parameters,)
        nan where the loss does not depend on a parameter, or only on a combination of
        it with others.
    """
    return errors_of_sum([matrix], [noise])


def errors_of_sum(matrices, noises):
    r"""
    Standard errors at the minimum of a sum of losses with noise of their own.

    Parameters
    ----------
    matrices : sequence of ndarray, shape (parameters, parameters)
        Second derivatives of every loss (Gauss-Newton's).
    noises : sequence of float
        As in `standard_errors`, of every loss.

    Returns
    -------
    ndarray, shape (parameters,)

    Notes
    -----
    With half the matrices :math:`H_k`, their sum :math:`H` and the noises :math:`s_k`
    the covariance is :math:`H^{-1} (\sum_k s_k H_k) H^{-1}`: what a loss adds to the
    gradient varies by :math:`s_k H_k`.
    """
    parts, scale, moves = _scaled(matrices)
    errors = np.full(len(scale), np.nan)
    if parts is None:
        return errors
    inverse, known = _inverse(parts.sum(axis=0))
    covariance = inverse @ np.einsum("k,kij->ij", np.asarray(noises), parts) @ inverse
    with np.errstate(all="ignore"):
        found = np.sqrt(np.diag(covariance)) / scale[moves]
    errors[moves] = np.where(known, found, np.nan)
    return errors


def degrees_of_freedom(matrices):
    """
    How many parameters every one of several losses determines.

    Parameters
    ----------
    matrices : sequence of ndarray, shape (parameters, parameters)

    Returns
    -------
    ndarray, shape (losses,)
        All in all the number of parameters that are determined.
    """
    parts, _, _ = _scaled(matrices)
    if parts is None:
        return np.zeros(len(matrices))
    inverse, _ = _inverse(parts.sum(axis=0))
    return np.einsum("ij,kji->k", inverse, parts)


def _scaled(matrices):
    """In units of what each parameter does alone; without those that do nothing."""
    matrices = np.asarray(matrices, dtype=float) / 2
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.diagonal(matrices.sum(axis=0)))
    moves = scale > 0
    parts = matrices[:, moves][:, :, moves] / np.outer(scale[moves], scale[moves])
    return (parts if np.isfinite(parts).all() else None), scale, moves


def _inverse(matrix):
    """Of the part that has one, and which parameters belong to it alone."""
    values, vectors = np.linalg.eigh(matrix)
    good = values > _NOTHING * values.max(initial=0.0)
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return inverse, (np.abs(vectors[:, ~good]) < 1e-6).all(axis=1)
