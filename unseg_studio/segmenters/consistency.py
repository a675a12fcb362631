"""Foreground at several levels, and what most of the levels say.

A level is a division of points into a few clusters, each of which is object or background. The
rules are ours: the framework's paper says that levels vote, and not how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.clustering import closeness, minibatch_kmeans, nearest

CERTAINTY = 10.0
"""By which the closeness to centroids is multiplied to give log-odds."""

CLEAR = 20.0
"""Log-odds where there are no clusters of the other kind."""

LOUD = 0.25
"""Mean attention of a cluster of objects, in deviations from the mean of all, at least."""

LEAST_OVERLAP = 0.3
"""IoU of an image's own mask with the data set's, below which it is not believed."""

SMALLEST = 0.01
"""Share of an image that a part of its foreground has at least."""


@dataclass(frozen=True, eq=False)
class Level:
    """Clusters, and which of them are objects.

    Parameters
    ----------
    centroids : Tensor, (K, F) float32
        Of the clusters.
    is_object : Tensor, (K,) bool
        The others are background.
    """

    centroids: torch.Tensor
    is_object: torch.Tensor

    def odds(self, points: torch.Tensor) -> torch.Tensor:
        """Log-odds of an object at each of (N, F) points, above 0 in clusters of objects."""
        near = closeness(points, self.centroids)
        if bool(self.is_object.all()) or not bool(self.is_object.any()):
            return near.new_full((len(points),), CLEAR if bool(self.is_object[0]) else -CLEAR)
        inside, outside = (near[:, kind].amax(dim=1) for kind in (self.is_object, ~self.is_object))
        return CERTAINTY * (inside - outside)


def loud_level(
    points: torch.Tensor,
    attention: torch.Tensor,
    border: torch.Tensor,
    n_clusters: int,
    random: np.random.Generator,
) -> Level:
    """Clusters of which those are objects that the network looks at, rather than those at borders.

    Parameters
    ----------
    points : Tensor, (N, F) float32
    attention : Tensor, (N,) float32
        In deviations from its mean over all images.
    border : Tensor, (N,) float32
        1 at the border of an image, 0 elsewhere.
    n_clusters : int
    random : Generator

    Returns
    -------
    Level
        With at least one cluster of objects.
    """
    centroids = minibatch_kmeans(points, n_clusters, random)
    clusters = nearest(points, centroids)
    n_points = torch.bincount(clusters, minlength=n_clusters)
    score = torch.bincount(clusters, attention - border, n_clusters) / n_points.clamp_min(1)
    score[n_points == 0] = -torch.inf
    return Level(centroids, (score > LOUD) | (score == score.max()))


def overlapping_level(
    points: torch.Tensor,
    foreground: torch.Tensor,
    n_clusters: int,
    random: np.random.Generator,
) -> Level:
    """Clusters of which those are objects that together overlap a foreground best, by IoU.

    Parameters
    ----------
    points : Tensor, (N, F) float32
    foreground : Tensor, (N,) bool
        What the level above says.
    n_clusters : int
    random : Generator

    Returns
    -------
    Level
        Without objects where there is no foreground.
    """
    centroids = minibatch_kmeans(points, n_clusters, random)
    clusters = nearest(points, centroids)
    n_points = torch.bincount(clusters, minlength=n_clusters)
    n_inside = torch.bincount(clusters[foreground], minlength=n_clusters)
    order = (n_inside / n_points.clamp_min(1)).argsort(descending=True, stable=True)
    inside, outside = n_inside[order].cumsum(0), (n_points - n_inside)[order].cumsum(0)
    overlap = inside / (n_inside.sum() + outside).clamp_min(1)
    is_object = torch.zeros(n_clusters, dtype=torch.bool, device=points.device)
    if bool(foreground.any()):
        is_object[order[: int(overlap.argmax()) + 1]] = True
    return Level(centroids, is_object)


def vote(
    dataset: torch.Tensor, category: torch.Tensor, image: torch.Tensor, *, is_strict: bool
) -> torch.Tensor:
    """Log-odds above 0 where two of three levels are, or all three.

    Parameters
    ----------
    dataset, category, image : Tensor, (N,)
        Log-odds of each level.
    is_strict : bool
        All must agree.

    Returns
    -------
    Tensor, (N,)
        Those of the data set where the image's foreground is another one.
    """
    if overlap(image > 0, dataset > 0) < LEAST_OVERLAP:
        return dataset
    votes = torch.stack([dataset, category, image])
    return votes.amin(dim=0) if is_strict else votes.median(dim=0).values


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    """IoU of two masks; 0 where both are empty."""
    return float((one & other).sum() / (one | other).sum().clamp_min(1))


def parts_of(
    planes: Sequence[NDArray[np.bool_]], smallest: float = 0.0
) -> tuple[NDArray[np.int64], int]:
    """Connected parts of each of some masks of one size.

    Parameters
    ----------
    planes : sequence of ndarray, (h, w) bool
        Without overlap.
    smallest : float
        Share of the plane that a part has at least.

    Returns
    -------
    parts : ndarray, (h, w) int64
        0 to n - 1, and -1 where there is none.
    n : int
    """
    parts, n = np.full(planes[0].shape, -1, np.int64), 0
    for plane in planes:
        _, found, facts, _ = cv2.connectedComponentsWithStats(plane.astype(np.uint8))
        large = facts[:, cv2.CC_STAT_AREA] >= smallest * plane.size
        large[0] = False
        numbers = np.where(large, np.cumsum(large) + n - 1, -1)
        parts = np.where(found > 0, numbers[found], parts)
        n += int(large.sum())
    return parts, n
