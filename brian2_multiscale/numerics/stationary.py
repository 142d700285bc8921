"""Stationary distribution of a continuous-time Markov chain."""

import numpy as np
from scipy.sparse.csgraph import connected_components

__all__ = ["closed_classes", "stationary_distribution"]


def closed_classes(rates):
    """Sets of states that are mutually reachable and cannot be left.

    Parameters
    ----------
    rates : ndarray, shape (n, n)
        ``rates[i, j]`` is the rate from `j` to `i`; the diagonal is ignored.

    Returns
    -------
    list of ndarray of int
        In order of their first states. At least one; exactly one if the stationary
        distribution is unique.
    """
    flows = np.array(rates, dtype=float)
    np.fill_diagonal(flows, 0)
    count, label = connected_components(flows.T > 0, connection="strong")
    members = [np.flatnonzero(label == c) for c in range(count)]
    closed = [m for m in members if not np.delete(flows[:, m], m, axis=0).any()]
    return sorted(closed, key=lambda m: m[0])


def _eliminate(flows):
    """Grassmann-Taksar-Heyman elimination of an irreducible chain."""
    n = len(flows)
    flows = flows.copy()
    outflow = np.ones(n)
    for k in range(n - 1, 0, -1):
        outflow[k] = flows[:k, k].sum()
        flows[:k, :k] += np.outer(flows[:k, k] / outflow[k], flows[k, :k])
    occupancy = np.ones(n)
    for k in range(1, n):
        occupancy[k] = flows[k, :k] @ occupancy[:k] / outflow[k]
    return occupancy / occupancy.sum()


def stationary_distribution(rates):
    """Stationary distribution of a Markov chain, accurate in every component.

    The algorithm never subtracts [1]_: each occupancy, however small, has a small
    relative error. States that are left for good have occupancy zero.

    Parameters
    ----------
    rates : ndarray, shape (n, n)
        ``rates[i, j] >= 0`` is the rate from `j` to `i`; the diagonal is ignored.

    Returns
    -------
    ndarray, shape (n,)
        Nonnegative, with sum one.

    Raises
    ------
    ValueError
        If there are several closed classes: then it depends on the initial state.

    References
    ----------
    .. [1] Grassmann, Taksar, Heyman (1985), Regenerative analysis and steady state
       distributions for Markov chains, Oper Res 33:1107,
       https://doi.org/10.1287/opre.33.5.1107
    """
    rates = np.asarray(rates, dtype=float)
    classes = closed_classes(rates)
    if len(classes) != 1:
        raise ValueError(f"the chain has {len(classes)} closed classes instead of one")
    members = classes[0]
    result = np.zeros(len(rates))
    result[members] = _eliminate(rates[np.ix_(members, members)])
    return result
