"""Checks of what reactions connect."""

import numpy as np
from brian2.utils.logger import get_logger
from scipy.sparse.csgraph import connected_components

from ..numerics.stationary import closed_classes

__all__ = ["check_connected", "warn_unreachable"]

logger = get_logger(__name__)


def _graph(states, transitions):
    """Matrix with a one at ``[i, j]`` if state `j` turns into state `i`."""
    index = {state: k for k, state in enumerate(states)}
    graph = np.zeros((len(states), len(states)))
    for source, target, _ in transitions:
        graph[index[target], index[source]] = 1
    return graph


def check_connected(states, transitions):
    """Refuse schemes that fall into parts.

    Parameters
    ----------
    states : sequence of str
        Their names.
    transitions : list of (str, str, str)
        Source, target, rate.

    Raises
    ------
    ValueError
        If no reaction connects some states with the others.
    """
    graph = _graph(states, transitions)
    count, label = connected_components(graph, directed=False)
    if count == 1:
        return
    names = np.array(states)
    parts = [", ".join(names[label == c]) for c in range(count)]
    raise ValueError(
        f"reactions: nothing connects {' with '.join(parts)}. Check the spelling of "
        "the states, or write one scheme for each part"
    )


def warn_unreachable(states, transitions):
    """Warn if some states can be occupied only by way of the initial values."""
    sources = closed_classes(_graph(states, transitions).T)
    if len(sources) == 1:
        return
    names = [", ".join(states[k] for k in source) for source in sources]
    logger.warn(
        f"There is no way from {names[0]} to {', nor to '.join(names[1:])}: what is "
        "there at the start is all there will be. Add the reaction that leads there, "
        "if it was forgotten",
        "unreachable_states",
    )
