"""How well parameters are determined, from the curvature of a loss."""

import numpy as np

__all__ = ["standard_errors"]


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
        nan where the loss does not depend on a parameter.
    """
    matrix = matrix / 2
    scale = np.sqrt(np.diag(matrix))
    scale = np.where(scale > 0, scale, np.nan)
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(matrix / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            return np.full(len(scale), np.nan)
        return np.sqrt(np.diag(inverse) * noise) / scale
