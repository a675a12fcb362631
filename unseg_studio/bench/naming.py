"""Clusters of many images against categories: who is called what, and how right that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from unseg_studio.bench.robot import first_strokes

Labels = NDArray[np.int32]
Counts = NDArray[np.int64]

NAMELESS = -1
"""In place of a category: nobody named the cluster, so its pixels are wrong."""

N_SCRIBBLED = 5
"""Images on which somebody draws a stroke for each category."""


@dataclass(frozen=True)
class Right:
    """How right labels are.

    Parameters
    ----------
    accuracy : float
        Share of the scored pixels that have the right category.
    mean_iou : float
        Intersection over union, a mean over the categories that occur.
    """

    accuracy: float
    mean_iou: float


def counted(clusters: Labels, truth: Labels, *, n_clusters: int, n_categories: int) -> Counts:
    """Pixels of each cluster in each category, (K, C); those that are not scored do not count.

    Parameters
    ----------
    clusters : ndarray, (H, W) int32
        From 0 up.
    truth : ndarray, (H, W) int32
        Categories from 1 up, 0 where it is not scored.
    n_clusters, n_categories : int
        K and C.
    """
    scored = truth > 0
    joint = clusters[scored].astype(np.int64) * n_categories + truth[scored] - 1
    counts = np.bincount(joint, minlength=n_clusters * n_categories)
    return counts.reshape(n_clusters, n_categories)


def one_to_one(counts: Counts) -> NDArray[np.int64]:
    """Category of each cluster, (K,): each category once, most pixels right (Hungarian method)."""
    names = np.full(len(counts), NAMELESS, np.int64)
    clusters, categories = scipy.optimize.linear_sum_assignment(counts, maximize=True)
    names[clusters] = categories
    return names


def many_to_one(counts: Counts) -> NDArray[np.int64]:
    """Category of each cluster, (K,): the one that most of its pixels have."""
    return np.asarray(counts.argmax(axis=1), np.int64)


def by_strokes(
    labelled: Iterable[tuple[Labels, Labels]], *, n_clusters: int, n_categories: int
) -> NDArray[np.int64]:
    """Category of each cluster, (K,), as a person names them who scribbles on a few images.

    Parameters
    ----------
    labelled : iterable of (ndarray, ndarray)
        Clusters and truth of the images that are scribbled on: one stroke for each category.
    n_clusters, n_categories : int
        K and C.
    """
    touched = np.zeros((n_clusters, n_categories), np.int64)
    for clusters, truth in labelled:
        strokes = np.where(first_strokes(truth) > 0, truth, 0).astype(np.int32)
        touched += counted(clusters, strokes, n_clusters=n_clusters, n_categories=n_categories)
    return np.where(touched.any(axis=1), many_to_one(touched), NAMELESS)


def right(counts: Counts, names: NDArray[np.int64]) -> Right:
    """How right the labels are when clusters are called like this.

    Parameters
    ----------
    counts : ndarray, (K, C) int64
        From `counted`, of all images.
    names : ndarray, (K,) int64
        Category of each cluster, `NAMELESS` for none.
    """
    n_categories = counts.shape[1]
    given = np.zeros((n_categories, n_categories), np.int64)
    for category in range(n_categories):
        given[category] = counts[names == category].sum(axis=0)
    common, meant = np.diag(given), counts.sum(axis=0)
    either = given.sum(axis=1) + meant - common
    occurs = meant > 0
    ratios = common[occurs] / either[occurs]
    return Right(float(common.sum() / max(1, counts.sum())), float(ratios.mean()))
