"""A basis of the cycles of an undirected graph."""

from collections import deque

__all__ = ["cycle_basis"]


def _spanning_tree(n, edges):
    """Path from the root of its component to each node, as ``(edge, direction)``."""
    neighbours = [[] for _ in range(n)]
    for k, (a, b) in enumerate(edges):
        neighbours[a].append((b, k, 1))
        neighbours[b].append((a, k, -1))
    paths = {}
    for root in range(n):
        if root in paths:
            continue
        paths[root], queue = [], deque([root])
        while queue:
            node = queue.popleft()
            for other, k, direction in neighbours[node]:
                if other not in paths:
                    paths[other] = paths[node] + [(k, direction)]
                    queue.append(other)
    return paths


def cycle_basis(n, edges):
    """Fundamental cycles of an undirected graph, which may have parallel edges.

    Parameters
    ----------
    n : int
        Number of nodes.
    edges : sequence of (int, int)
        Pairs of nodes.

    Returns
    -------
    list of list of (int, int)
        For each cycle the edges in order, with direction 1 (first to second node) or
        -1. There are as many as edges outside of a spanning forest of short paths.
    """
    paths = _spanning_tree(n, edges)
    in_tree = {k for path in paths.values() for k, _ in path}
    cycles = []
    for k, (a, b) in enumerate(edges):
        if k in in_tree:
            continue
        there, back = paths[a], paths[b]
        common = sum(1 for p, q in zip(there, back, strict=False) if p == q)
        home = [(e, -direction) for e, direction in reversed(back[common:])]
        cycles.append(there[common:] + [(k, 1)] + home)
    return cycles
