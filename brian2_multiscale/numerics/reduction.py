"""Balanced truncation: the few combinations of states that matter later."""

import numpy as np

__all__ = ["balanced_truncation"]


def balanced_truncation(observed, states, rank, tolerance=1e-13):
    r"""
    Project a linear system on the directions that are both reached and seen.

    Parameters
    ----------
    observed : ndarray, shape (m, n)
        Rows of future observations: each row times a state is a (weighted) later
        output.
    states : ndarray, shape (k, n)
        States that occur.
    rank : int
        Wanted dimension of the reduced state; the numerical rank bounds it.
    tolerance : float, optional
        Relative size below which a singular value counts as zero.

    Returns
    -------
    to_reduced : ndarray, shape (r, n)
        :math:`W` in :math:`z = W s`.
    to_full : ndarray, shape (n, r)
        :math:`V` in :math:`s \approx V z`; :math:`W V = 1`.
    singular : ndarray
        All Hankel singular values, in decreasing order: the neglected ones bound
        the error.

    References
    ----------
    Rowley CW (2005), Model reduction for fluids, using balanced proper orthogonal
    decomposition, doi:10.1142/S0218127405012429
    """
    observed = np.linalg.qr(observed, mode="r")
    left, singular, right = np.linalg.svd(observed @ states.T, full_matrices=False)
    rank = min(rank, int(np.sum(singular > tolerance * singular[0])))
    scale = np.sqrt(singular[:rank])
    to_reduced = (left[:, :rank].T @ observed) / scale[:, None]
    to_full = (states.T @ right[:rank].T) / scale
    return to_reduced, to_full, singular
