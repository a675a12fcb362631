"""Graph cuts as objectives, and the small network that is trained on one of them.

A. Aflalo, S. Bagon, T. Kashti, Y. Eldar, "DeepCut: Unsupervised Segmentation using Graph Neural
Networks Clustering", ICCV Workshops 2023 (arXiv 2212.05853). Nodes are patches or regions of an
image, weights say how alike their deep features are, and the assignment S of nodes to clusters is
what the network makes of the features:

    P = D^-1/2 max(W, 0) D^-1/2       S = softmax(MLP(P F))

One layer of graph convolution on features F that do not change is a linear layer on P F, so that
product is made once and no library for graphs is needed.
"""

from __future__ import annotations

from unseg_studio.features.lazy_torch import torch

HIDDEN = 32
"""Width of the layer behind the graph convolution."""

TINY = 1e-9

BLOCK = 2048
"""Rows of an affinity that are computed at once: 16 MB for as many nodes."""


def published_affinity(features: torch.Tensor, *, k_less: bool, alpha: float = 3.0) -> torch.Tensor:
    """Weights between nodes as in the paper: inner products.

    Parameters
    ----------
    features : Tensor, (N, C) float32
        One row for each node.
    k_less : bool
        Signed, for `correlation_loss`: less the largest entry, divided by alpha. Otherwise without
        what is negative and divided by the largest entry, for `ncut_loss`.
    alpha : float
        The larger, the fewer clusters.

    Returns
    -------
    Tensor, (N, N) float32
        Symmetric; with the diagonal.
    """
    products = _products(features)
    if k_less:
        return products.sub_(products.max() / alpha)
    products.clamp_min_(0)
    return products.div_(products.max().clamp_min(TINY))


def cosine_affinity(features: torch.Tensor) -> torch.Tensor:
    """Cosines of (N, C) features, (N, N), -1 to 1: no node is louder than the others."""
    return _products(torch.nn.functional.normalize(features, dim=1))


def _products(features: torch.Tensor) -> torch.Tensor:
    """Inner products of all rows, (N, N), block by block, so that nothing else is as large."""
    if len(features) <= BLOCK:
        return features @ features.T
    products = features.new_empty(len(features), len(features))
    for rows, block in zip(torch.split(features, BLOCK), torch.split(products, BLOCK), strict=True):
        torch.matmul(rows, features.T, out=block)
    return products


def normalised(weights: torch.Tensor) -> torch.Tensor:
    """What a graph convolution multiplies by: D^-1/2 max(W, 0) D^-1/2.

    A node without a weight to itself gets one of 1, so that none is alone.
    """
    positive = weights.clamp_min(0)
    own = positive.diagonal()
    own.add_(torch.where(own > 0, 0.0, 1.0))
    scale = positive.sum(dim=1).rsqrt()
    return positive.mul_(scale[:, None]).mul_(scale)


def ncut_loss(
    weights: torch.Tensor, assignment: torch.Tensor, sizes: torch.Tensor | None = None
) -> torch.Tensor:
    """The normalised cut, relaxed, and a term that keeps clusters of equal size apart.

    F. M. Bianchi, D. Grattarola, C. Alippi, "Spectral Clustering with Graph Neural Networks for
    Graph Pooling", ICML 2020: -tr(S'WS) / tr(S'DS) + |S'S / |S'S| - I / sqrt(K)|.

    Parameters
    ----------
    weights : Tensor, (N, N)
        At least 0.
    assignment : Tensor, (N, K)
        S: each row sums to 1.
    sizes : Tensor, (N,), or None
        How many nodes each node stands for, in the second term; None: one.

    Returns
    -------
    Tensor, ()
        At least -1.
    """
    n_clusters = assignment.shape[1]
    within = (assignment * (weights @ assignment)).sum()
    total = (assignment.square().sum(dim=1) * weights.sum(dim=1)).sum()
    counted = assignment if sizes is None else assignment * sizes[:, None]
    overlap = assignment.T @ counted
    even = torch.eye(n_clusters, dtype=overlap.dtype, device=overlap.device) / n_clusters**0.5
    uneven = torch.linalg.norm(overlap / torch.linalg.norm(overlap) - even)
    return torch.sub(uneven, within / _positive(total))


def association_loss(weights: torch.Tensor, assignment: torch.Tensor) -> torch.Tensor:
    """The normalised cut itself, relaxed: -mean over clusters of (s'Ws) / (s'd), d = W 1.

    J. Shi, J. Malik, "Normalized Cuts and Image Segmentation", IEEE TPAMI 22(8), 2000, eq. 5, over
    the number of clusters. Clusters may be of any size; one that stays empty gains nothing.

    Parameters
    ----------
    weights : Tensor, (N, N)
        At least 0.
    assignment : Tensor, (N, K)
        S: each row sums to 1.

    Returns
    -------
    Tensor, ()
        -1 to 0.
    """
    within = (assignment * (weights @ assignment)).sum(dim=0)
    tied = (assignment * weights.sum(dim=1, keepdim=True)).sum(dim=0)
    return -(within / _positive(tied)).mean()


def _positive(values: torch.Tensor) -> torch.Tensor:
    """At least `TINY`; as `clamp_min`, whose gradient takes a number to the device, though."""
    return torch.nn.functional.threshold(values, TINY, TINY)


def correlation_loss(weights: torch.Tensor, assignment: torch.Tensor) -> torch.Tensor:
    """Correlation clustering, relaxed: -tr(W S S').

    Parameters
    ----------
    weights : Tensor, (N, N)
        Signed: positive where two nodes belong together.
    assignment : Tensor, (N, K)
        S: each row sums to 1; clusters may stay empty.
    """
    return -(assignment * (weights @ assignment)).sum()


def network(
    n_features: int, n_clusters: int, *, width: int = 64, dropout: float = 0.25
) -> torch.nn.Sequential:
    """What is trained, on `normalised(W) @ F`; softmax is applied to what it gives, (N, K)."""
    nn = torch.nn
    return nn.Sequential(
        *(nn.Linear(n_features, width), nn.ELU()),
        *(nn.Linear(width, HIDDEN), nn.ELU()),
        *(nn.Dropout(dropout), nn.Linear(HIDDEN, n_clusters)),
    )
