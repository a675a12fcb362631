"""PiCIE's objective: each view's features go to the clusters that the other view has found, too.

Cho et al. 2021, section 3: the centroids of a view's features are a classifier without parameters
of its own; `within` a view it is asked for the view's own clusters, and across views for those of
the other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Self

import numpy as np

from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.clustering import minibatch_kmeans, nearest

BALANCES = ("frequency", "none", "inverse")
"""What a cluster counts for: as much as it is large, as published; all alike; or the less."""


@dataclass(frozen=True, eq=False)
class Division:
    """What k-means makes of the same places in two views, each on its own.

    Parameters
    ----------
    centroids : Tensor, (2, K, D) float32
        Of each view.
    clusters : Tensor, (2, N) int64
        Of each place in each view.
    """

    centroids: torch.Tensor
    clusters: torch.Tensor

    @classmethod
    def of(
        cls,
        points: torch.Tensor,
        n_clusters: int,
        random: np.random.Generator,
        *,
        start: Self | None = None,
    ) -> Self:
        """Divide points of two views, (2, N, D); `start` has the clusters to begin with."""
        begin = [None, None] if start is None else start.centroids
        centroids = torch.stack(
            [
                minibatch_kmeans(view, n_clusters, random, start=own)
                for view, own in zip(points, begin, strict=True)
            ]
        )
        return cls(centroids, torch.stack([*map(nearest, points, centroids)]))

    def weights(self, balance: str) -> torch.Tensor:
        """What each cluster of each view counts for, (2, K); see `BALANCES`."""
        n_clusters = self.centroids.shape[1]
        counts = torch.stack([torch.bincount(own, minlength=n_clusters) for own in self.clusters])
        shares = counts.clamp_min(1) / self.clusters.shape[1]
        if balance == "none":
            return torch.ones_like(shares)
        return shares if balance == "frequency" else 1 / (n_clusters * shares)

    def loss(
        self, points: torch.Tensor, places: torch.Tensor, weights: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Mean cross-entropy within and across views.

        Parameters
        ----------
        points : Tensor, (2, M, D) float32
            Features of length 1 of some places, in both views.
        places : Tensor, (M,) int64
            Which these are.
        weights : Tensor, (2, K)
            See `weights`.
        temperature : float
            By which cosines are divided; 1 as published.

        Returns
        -------
        Tensor, () float32
        """
        cosines = torch.einsum("vmd,wkd->vwmk", points, self.centroids) / temperature
        losses = [
            torch.nn.functional.cross_entropy(
                cosines[seen, asked], self.clusters[asked, places], weights[asked]
            )
            for seen in (0, 1)
            for asked in (0, 1)
        ]
        return torch.stack(losses).mean()


def shares_of(n_clusters: Sequence[int]) -> list[float]:
    """What each head counts for: the loss of one with more clusters is larger, by the logarithm.

    With K1 and K2 clusters the first counts log K2 / (log K1 + log K2).
    """
    if len(n_clusters) == 1:
        return [1.0]
    inverse = [1 / log(n) for n in n_clusters]
    return [own / sum(inverse) for own in inverse]
