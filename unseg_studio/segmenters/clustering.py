"""k-means of points in mini-batches, so that there may be any number of them."""

from __future__ import annotations

import numpy as np

from unseg_studio.features.lazy_torch import torch

FIRST = 6000
"""Points that the first centroids are found on."""

BATCH = 2000
"""Points that move the centroids together after that."""

LLOYD_STEPS = 20

RUNS = 3
"""Of k-means, the best of which is taken."""

LEAST = 1e-6
"""Mean squared distance that is told from none."""


def nearest(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """The closest centroid of each point.

    Parameters
    ----------
    points : Tensor, (N, D)
    centroids : Tensor, (K, D)

    Returns
    -------
    Tensor, (N,) int64
    """
    return closeness(points, centroids).argmax(dim=1)


def closeness(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Squared distances turned round, less what all centroids have in common: (N, K)."""
    return 2 * points @ centroids.T - centroids.square().sum(dim=1)


def clustered(
    points: torch.Tensor, n_clusters: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres of the best of a few runs of k-means, (K, D), and how far points are from theirs."""
    random = np.random.default_rng(seed)
    runs = [minibatch_kmeans(points, n_clusters, random) for _ in range(RUNS)]
    spreads = [_scatter(points, centres) for centres in runs]
    best = min(range(RUNS), key=lambda run: float(spreads[run]))
    return runs[best], spreads[best]


def _scatter(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Mean squared distance to the nearest centre, above 0."""
    apart = points.square().sum(dim=1) - closeness(points, centres).max(dim=1).values
    return apart.mean().clamp_min(LEAST)


def minibatch_kmeans(
    points: torch.Tensor,
    n_clusters: int,
    random: np.random.Generator,
    *,
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Centroids of all points: Lloyd's steps on the first of them, running means over the rest.

    D. Sculley, "Web-Scale K-Means Clustering", WWW 2010; the first centroids are drawn apart from
    each other (D. Arthur, S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA
    2007).

    Parameters
    ----------
    points : Tensor, (N, D) float32
        At least one, in any order.
    n_clusters : int
        K; where there are fewer different points, some centroids are alike.
    random : Generator
        Draws the order and the first centroids.
    start : Tensor, (K, D), or None
        Centroids to begin with; None: they are drawn.

    Returns
    -------
    Tensor, (K, D) float32
    """
    order = torch.from_numpy(random.permutation(len(points))).to(points.device)
    first = points[order[:FIRST]]
    centroids = _spread(first, n_clusters, random) if start is None else start
    centroids = lloyd(first, centroids, LLOYD_STEPS)
    counts = _counts(nearest(first, centroids), n_clusters)
    for place in range(FIRST, len(points), BATCH):
        sums, n_new = _sums(points[order[place : place + BATCH]], centroids)
        counts = counts + n_new
        pull = n_new / counts.clamp_min(1)
        means = sums / n_new.clamp_min(1)[:, None]
        centroids = centroids + pull[:, None] * (means - centroids)
    return centroids


def lloyd(points: torch.Tensor, centroids: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Centroids after so many steps to the means of what is nearest; without points they stay."""
    for _ in range(n_steps):
        sums, counts = _sums(points, centroids)
        means = sums / counts.clamp_min(1)[:, None]
        centroids = torch.where(counts[:, None] > 0, means, centroids)
    return centroids


def _sums(points: torch.Tensor, centroids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the points nearest to each centroid: their sum, (K, D), and their number, (K,)."""
    clusters = nearest(points, centroids)
    sums = torch.zeros_like(centroids).index_add_(0, clusters, points)
    return sums, _counts(clusters, len(centroids)).to(points.dtype)


def _counts(clusters: torch.Tensor, n_clusters: int) -> torch.Tensor:
    return torch.bincount(clusters, minlength=n_clusters)


def _spread(points: torch.Tensor, n_clusters: int, random: np.random.Generator) -> torch.Tensor:
    """Points that are likely to be far from each other, (K, D)."""
    chosen = [points[int(random.integers(len(points)))]]
    apart = (points - chosen[0]).square().sum(dim=1)
    for _ in range(n_clusters - 1):
        mass = apart.double().cpu().numpy().cumsum()
        place = int(np.searchsorted(mass, random.random() * mass[-1], side="right"))
        chosen.append(points[min(place, len(points) - 1)])
        apart = torch.minimum(apart, (points - chosen[-1]).square().sum(dim=1))
    return torch.stack(chosen)
