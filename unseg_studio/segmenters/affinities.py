"""How closely the nodes of a graph are tied that DeepCut cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import cuts
from unseg_studio.segmenters.graph import Graph

if TYPE_CHECKING:
    from unseg_studio.segmenters.deepcut import DeepCut

LARGEST_THRESHOLD = 0.8
"""Cosine above which nodes share a cluster at every sensitivity, where they do not touch."""

STRONGEST = 1e4
"""Repulsion of neighbours that no similarity makes up for."""


def affinity(segmenter: DeepCut, graph: Graph, *, k_less: bool) -> torch.Tensor:
    """Weights between the nodes, (N, N): at least 0 for the normalised cut, signed without k."""
    if segmenter.is_published:
        alpha = 1.5 / max(segmenter.sensitivity, 1e-3)
        return cuts.published_affinity(graph.features, k_less=k_less, alpha=alpha)
    if k_less:
        weights = _signed(cuts.cosine_affinity(graph.descriptors), segmenter, graph)
    else:
        weights = cuts.cosine_affinity(graph.features).clamp_min_(0)
    # Regions count by their pixels, as if each of these were a node.
    return _times(weights, len(graph) * graph.sizes[:, None] * len(graph), graph.sizes)


def _times(weights: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Weights, (N, N), in place, times (N, 1) and (N,) factors, which are multiplied first."""
    blocks = (torch.split(tensor, cuts.BLOCK) for tensor in (weights, rows))
    for block, factors in zip(*blocks, strict=True):
        block.mul_(factors * columns)
    return weights


def _signed(cosines: torch.Tensor, segmenter: DeepCut, graph: Graph) -> torch.Tensor:
    """Positive where nodes belong together: the higher the sensitivity, the fewer do.

    The cosines are of what nodes look like in any image, so that a plain image has fewer clusters
    than a rich one.

    Nodes that touch were not made one region, so in the upper half they repel each other more and
    more, and at its end they never share a cluster.
    """
    weights = cosines - min(segmenter.sensitivity, LARGEST_THRESHOLD)
    share = max(0.0, 2 * segmenter.sensitivity - 1)
    one, other = graph.neighbours
    repulsion = min(share / (1 - share + 1e-9), STRONGEST)
    weights[one, other] -= repulsion
    weights[other, one] -= repulsion
    return weights


def linked(weights: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
    """Weights where nodes of one category are tied as closely as any, and those of two are apart.

    Without categories they are the very ones that are given.

    Parameters
    ----------
    weights : Tensor, (N, N)
        From `affinity`.
    categories : Tensor, (N,) int64
        Category scribbled on each node, 0 for none.
    """
    marked = categories > 0
    if not bool(marked.any()):
        return weights
    strongest = weights.abs().max()  # before what is scribbled is parted: all nodes may be
    both = marked[:, None] & marked
    same = both & (categories[:, None] == categories)
    weights = torch.where(both, weights.min().clamp_max(0), weights)
    return torch.where(same, strongest, weights)
