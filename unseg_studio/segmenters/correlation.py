"""Correlation clustering of a dense signed graph: greedy contraction, then exchanges of nodes.

A positive weight says that two nodes belong together, a negative one that they do not. The number
of clusters is not given: it is whatever makes the energy low. Finding the lowest energy is NP-hard;
these are the two heuristics that are hard to beat in practice, so that a clustering found by a
network can be compared with them and cleaned by them.

References
----------
M. Keuper, E. Levinkov, N. Bonneel, G. Lavoue, T. Brox, B. Andres, "Efficient Decomposition of Image
and Mesh Graphs by Lifted Multicuts", ICCV 2015: greedy additive edge contraction, and
Kernighan-Lin with joins.
B. W. Kernighan, S. Lin, "An Efficient Heuristic Procedure for Partitioning Graphs", Bell System
Technical Journal 49, 1970: sequences of tentative moves of which the best beginning is kept.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Clusters: TypeAlias = NDArray[np.int32]
Indices: TypeAlias = NDArray[np.intp]

ROUNDS = 20
PATIENCE = 64
"""Tentative moves in a row without a new best after which a sequence of moves is given up."""

_ROOM = 16  # empty rows to found clusters in, added whenever none is left
_ASYMMETRY = 1e-5  # of the largest weight; a product in float32 is not symmetric to the last bit
_ROUNDING = 1e-12  # of the largest possible sum of one node; a smaller gain is no gain


def energy(weights: NDArray[Any], clusters: NDArray[Any]) -> float:
    """Energy of a clustering: minus the sum of the weights of all pairs within the same cluster.

    Every pair of nodes i < j counts once. The diagonal is ignored: a node is always together with
    itself. Clusters that are named differently but hold the same nodes have the very same energy.

    Parameters
    ----------
    weights
        (N, N) symmetric, finite; positive attracts, negative repels.
    clusters
        (N,) integers; nodes with the same number form one cluster.

    Returns
    -------
    float
        Lower is better; 0 where every node is alone.

    Raises
    ------
    ValueError
        When the weights are not square, symmetric and finite, or the clusters do not fit them.
    """
    graph = _checked(weights)
    return _energy(graph, _numbered(clusters, len(graph)))


def contracted(weights: NDArray[Any], clusters: NDArray[Any] | None = None) -> Clusters:
    """Greedy additive edge contraction: merge the two clusters with the largest positive sum.

    Keuper et al., ICCV 2015. Repeated until no two clusters attract each other. O(N) vector
    operations of numpy per merge; equal sums are decided by the order of the nodes.

    Parameters
    ----------
    weights
        (N, N) symmetric, finite; the diagonal is ignored.
    clusters
        (N,) integers to begin with; every node alone when None.

    Returns
    -------
    Clusters
        (N,) int32 in 0..n-1, in order of decreasing size; equal sizes in order of the first node.

    Raises
    ------
    ValueError
        When the weights are not square, symmetric and finite, or the clusters do not fit them.
    """
    graph = _checked(weights)
    if clusters is None:
        return _by_size(_merged(graph))
    labels = _numbered(clusters, len(graph))
    return _by_size(_joins(_grouped(graph, labels), labels)[labels])


def exchanged(weights: NDArray[Any], clusters: NDArray[Any], *, rounds: int = ROUNDS) -> Clusters:
    """Improve a clustering by joins of clusters and by sequences of moves of single nodes.

    After Kernighan and Lin, 1970, and Keuper et al., ICCV 2015. A round joins the clusters that
    attract each other, then moves every node at most once, always the node whose move to another
    or to a new cluster gains most, even where that is a loss; the beginning of the sequence with
    the highest total gain is kept. A sequence is given up `PATIENCE` moves after its best
    beginning: on graphs of features, complete ones found nothing more and took four times as long.
    Ends with the first round that gains nothing.

    Parameters
    ----------
    weights
        (N, N) symmetric, finite; the diagonal is ignored.
    clusters
        (N,) integers to begin with.
    rounds
        Rounds at most, from 0.

    Returns
    -------
    Clusters
        (N,) int32 in 0..n-1, in order of decreasing size; equal sizes in order of the first node.
        The energy is never above that of `clusters`.

    Raises
    ------
    ValueError
        When the weights are not square, symmetric and finite, the clusters do not fit them, or
        rounds is negative.
    """
    if rounds < 0:
        raise ValueError(f"rounds is {rounds!r}, but must be 0 or more; take {ROUNDS} when unsure.")
    graph = _checked(weights)
    return _by_size(_exchanged(graph, _numbered(clusters, len(graph)), rounds))


def best_clusters(weights: NDArray[Any], *starts: NDArray[Any]) -> Clusters:
    """Clustering with the lowest energy found from every node alone and from each start.

    The energy is never above that of contraction followed by exchanges, and never above that of
    any start; of equal energies the first is taken.

    Parameters
    ----------
    weights
        (N, N) symmetric, finite; the diagonal is ignored.
    *starts
        (N,) integers each, such as the argmax of a network.

    Returns
    -------
    Clusters
        (N,) int32 in 0..n-1, in order of decreasing size; equal sizes in order of the first node.

    Raises
    ------
    ValueError
        When the weights are not square, symmetric and finite, or a start does not fit them.
    """
    graph = _checked(weights)
    begins = [_numbered(start, len(graph)) for start in starts]
    found = [_exchanged(graph, begin, ROUNDS) for begin in [_merged(graph), *begins]]
    return _by_size(min(found, key=lambda labels: _energy(graph, labels)))


# --- what comes in and what goes out


def _checked(weights: NDArray[Any]) -> Floats:
    """Return a float64 copy that is symmetric to the last bit, with a diagonal of zeros."""
    given = np.asarray(weights)
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise ValueError(
            f"The weights have the shape {given.shape}, but must be square, (N, N): "
            "give one row and one column per node."
        )
    graph = given.astype(np.float64)
    np.fill_diagonal(graph, 0.0)
    largest = float(np.abs(graph).max(initial=0.0))
    if not np.isfinite(largest * graph.size):
        raise ValueError(
            "The weights hold infinities, numbers that are not a number, or numbers too large to "
            "add up: give finite weights, divided by the largest one if need be."
        )
    return _symmetric(graph, largest)


def _symmetric(graph: Floats, largest: float) -> Floats:
    off = float(np.abs(graph - graph.T).max(initial=0.0))
    if off > _ASYMMETRY * largest:
        raise ValueError(
            f"The weights are not symmetric: w[i, j] and w[j, i] differ by up to {off:.3g}. "
            "Give each pair of nodes one weight, such as the mean (w + w.T) / 2."
        )
    return graph if off == 0 else (graph + graph.T) / 2


def _numbered(clusters: NDArray[Any], n_nodes: int) -> Indices:
    """Return the clusters as 0..n-1 without gaps, in order of their first node."""
    given = np.asarray(clusters)
    if given.shape != (n_nodes,) or (n_nodes and given.dtype.kind not in "iu"):
        raise ValueError(
            f"The clusters are {given.dtype} of the shape {given.shape}, but must be integers of "
            f"the shape ({n_nodes},): give one cluster number per node of the weights."
        )
    _, first, labels = np.unique(given, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels.reshape(n_nodes)]


def _by_size(labels: Indices) -> Clusters:
    _, first, labels, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.argsort(np.lexsort((first, -sizes)))
    return rank[labels].astype(np.int32)


def _energy(graph: Floats, labels: Indices) -> float:
    """Energy by pairs of nodes, in an order that does not depend on the names of the clusters."""
    together = labels[:, None] == labels[None, :]
    return 0.0 - float(graph.sum(where=together)) / 2


def _grouped(graph: Floats, labels: Indices) -> Floats:
    """Sum the rows of each cluster, (n, C) from (N, C); the labels are 0..n-1 without gaps."""
    order = np.argsort(labels, kind="stable")
    begins = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return np.add.reduceat(graph[order], begins, axis=0)


# --- contraction


def _joins(sums: Floats, labels: Indices) -> Indices:
    """Give each of n clusters its new label, from the (n, N) sums of their rows."""
    return _merged(_grouped(sums.T, labels))


def _merged(between: Floats) -> Indices:
    """Merge greedily from every node alone; labels 0..n-1 in order of the first node."""
    owners = np.arange(len(between))
    if len(between) < 2:
        return owners
    table = _Table(between)
    while (pair := table.closest()) is not None:
        table.merge(*pair)
        owners[owners == pair[1]] = pair[0]
    return _numbered(owners, len(owners))


class _Table:
    """Sums between clusters, with the best partner of each row.

    A row whose best partner lost weight keeps its old value, which is then an upper bound, and is
    looked at again only when that bound is the largest of all.
    """

    def __init__(self, between: Floats) -> None:
        self._sums = between.copy()
        np.fill_diagonal(self._sums, -np.inf)
        self._partner = self._sums.argmax(axis=1)
        self._bound = self._sums.max(axis=1)
        self._stale = np.zeros(len(between), bool)

    def closest(self) -> tuple[int, int] | None:
        """Return the two rows with the largest sum, or None when no sum is positive."""
        while True:
            row = int(self._bound.argmax())
            if self._bound[row] <= 0:
                return None
            if not self._stale[row]:
                return row, int(self._partner[row])
            self._look(row)

    def merge(self, kept: int, gone: int) -> None:
        sums = self._sums[kept] + self._sums[gone]
        self._sums[kept] = self._sums[:, kept] = sums
        self._sums[:, gone] = -np.inf
        self._bound[gone] = -np.inf
        self._stale |= (self._partner == kept) | (self._partner == gone)
        closer = sums >= self._bound
        self._partner[closer] = kept
        self._bound[closer] = sums[closer]
        self._stale[closer] = False
        self._look(kept)

    def _look(self, row: int) -> None:
        self._partner[row] = partner = self._sums[row].argmax()
        self._bound[row] = self._sums[row, partner]
        self._stale[row] = False


# --- exchanges


def _exchanged(graph: Floats, start: Indices, rounds: int) -> Indices:
    least = _ROUNDING * float(np.abs(graph).sum(axis=1).max(initial=0.0))
    labels = start
    for _ in range(rounds if len(start) > 1 else 0):
        sums = _grouped(graph, labels)
        joins = _joins(sums, labels)
        labels, gain = _Moves(graph, joins[labels], _grouped(sums, joins)).best_beginning()
        labels = _numbered(labels, len(graph))
        if gain <= least:
            break
    return min(start, labels, key=lambda each: _energy(graph, each))


class _Moves:
    """One sequence of tentative moves in which every node moves at most once.

    `sums` is (n, N): what binds each node to each cluster, -inf where a cluster is empty. A move
    changes two of its rows. Of the other clusters each node remembers the one that
    binds it most, and looks again only when that one has lost weight.
    """

    def __init__(self, graph: Floats, labels: Indices, sums: Floats) -> None:
        self._graph = graph
        self._labels = labels
        self._nodes = np.arange(len(labels))
        self._sums = sums
        self._sizes = np.bincount(labels)
        self._free = np.ones(len(labels), bool)
        self._own = sums[labels, self._nodes]
        self._other = np.zeros(len(labels), np.intp)
        self._bind = np.zeros(len(labels))
        self._look(self._nodes)

    def best_beginning(self) -> tuple[Indices, float]:
        """Run the sequence; the labels after its best beginning, and what that gains (>= 0)."""
        moves: list[tuple[int, int]] = []
        total = best = 0.0
        length = 0
        while len(moves) - length < PATIENCE and (step := self._best_move()) is not None:
            node, target, gain = step
            moves.append((node, int(self._labels[node])))
            self._move(node, target)
            total += gain
            if total > best:
                best, length = total, len(moves)
        for node, before in moves[length:]:
            self._labels[node] = before
        return self._labels, best

    def _best_move(self) -> tuple[int, int, float] | None:
        """Return node, cluster and gain; None when no node is left that could move."""
        founding = np.where(self._sizes[self._labels] == 1, -np.inf, 0.0)
        gains = np.maximum(self._bind, founding) - self._own
        gains[~self._free] = -np.inf
        node = int(gains.argmax())
        if gains[node] == -np.inf:
            return None
        joins = self._bind[node] >= founding[node]
        return node, int(self._other[node]) if joins else self._empty(), float(gains[node])

    def _empty(self) -> int:
        """Return the first cluster without nodes; makes room for more when there is none."""
        if self._sizes.all():
            self._sums = np.pad(self._sums, ((0, _ROOM), (0, 0)), constant_values=-np.inf)
            self._sizes = np.pad(self._sizes, (0, _ROOM))
        return int(self._sizes.argmin())

    def _move(self, node: int, target: int) -> None:
        source = int(self._labels[node])
        self._labels[node] = target
        self._free[node] = False
        self._sizes[source] -= 1
        self._sizes[target] += 1
        row = self._graph[node]
        self._sums[source] = self._sums[source] - row if self._sizes[source] else -np.inf
        self._sums[target] = self._sums[target] + row if self._sizes[target] > 1 else row
        self._follow(source, target)

    def _follow(self, source: int, target: int) -> None:
        """Bring what each node remembers up to date with the two clusters that changed."""
        lost = self._free & ((self._other == source) | (self._other == target))
        for cluster in (source, target):
            sums, members = self._sums[cluster], self._labels == cluster
            self._own[members] = sums[members]
            won = (sums > self._bind) & ~members
            self._other[won] = cluster
            self._bind[won] = sums[won]
        nodes = np.flatnonzero(lost)
        self._look(nodes[self._sums[self._other[nodes], nodes] < self._bind[nodes]])

    def _look(self, nodes: Indices) -> None:
        """Find the cluster, other than its own, that binds each of the (n,) nodes most."""
        sums = self._sums[:, nodes]
        sums[self._labels[nodes], np.arange(len(nodes))] = -np.inf
        self._other[nodes] = sums.argmax(axis=0)
        self._bind[nodes] = sums.max(axis=0)
