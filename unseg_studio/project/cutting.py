"""A cluster in two, over all images: by the deep features of the places where it is.

The two centroids are found on a sample of images and kept with the naming. So every image is cut
alike, those that come later as well, at the price of one look at its features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, Mosaic, Tile, is_large
from unseg_studio.data.boxes import size_of
from unseg_studio.data.image import shown
from unseg_studio.features.deep import deep_planes
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.request import FeatureRequest
from unseg_studio.project.naming import Cut
from unseg_studio.segmenters.clustering import closeness, minibatch_kmeans

MOST_PLACES = 400
"""Of one image that count."""

FEWEST_PLACES = 20
"""A cluster with fewer than these in the whole sample is too small."""

N_STARTS = 4
"""k-means begins so often, and the tightest pair is taken."""

LOOK = 1024
"""Longer side of what features are taken of, in pixels; the backbones work on less."""

Plane = NDArray[np.float32]


def features_of(image: Image, backbone: str) -> torch.Tensor:
    """Deep features of an image of any size: (C, h, w) float32."""
    rgb = image.rgb
    if is_large(image.shape):
        whole = slice(0, image.shape[0]), slice(0, image.shape[1])
        step = -(-max(image.shape) // LOOK)
        rgb = shown(image.shrunk(whole, step), image.value_range)
    return deep_planes(rgb, FeatureRequest(backbone))


def places_of(
    features: torch.Tensor, clusters: Mosaic, wanted: Collection[int], *, seed: int
) -> torch.Tensor:
    """Features of some places where clusters are that are wanted: (N, C)."""
    grid = (
        ((np.arange(n) + 0.5) * length / n).astype(np.intp)
        for n, length in zip(features.shape[1:], clusters.shape, strict=True)
    )
    ids = clusters.sampled(*grid).ravel()
    places = np.flatnonzero(np.isin(ids, list(wanted)))
    if len(places) > MOST_PLACES:
        places = np.random.default_rng(seed).choice(places, MOST_PLACES, replace=False)
    return features.flatten(1).T[torch.from_numpy(places)]


def centroids_of(places: Sequence[torch.Tensor]) -> Plane:
    """What tells two parts of a cluster apart, (2, C): first the one that most places belong to.

    Raises
    ------
    ValueError
        If there are too few places, or they are all alike; in a sentence.
    """
    points = torch.cat([*places, torch.empty(0, places[0].shape[1])]) if places else None
    if points is None or len(points) < FEWEST_PLACES:
        raise ValueError(
            "The cluster is too small to be split. Choose one that covers more of the images."
        )
    found = [minibatch_kmeans(points, 2, np.random.default_rng(seed)) for seed in range(N_STARTS)]
    centroids = min(found, key=lambda pair: float(torch.cdist(points, pair).amin(dim=1).sum()))
    counts = torch.bincount(closeness(points, centroids).argmax(dim=1), minlength=2)
    if int(counts.min()) == 0:
        raise ValueError("The cluster looks the same everywhere, so there is nothing to split.")
    return np.asarray(centroids[counts.argsort(descending=True)].numpy(), np.float32)


def lead_of(features: torch.Tensor, cut: Cut) -> Plane:
    """Where the second part is closer: above 0, (h, w)."""
    first, second = closeness(features.flatten(1).T, torch.from_numpy(cut.centroids.copy())).T
    return np.asarray((second - first).reshape(features.shape[1:]).numpy(), np.float32)


def divided(clusters: Mosaic, lead: Plane, parts: Mapping[int, int]) -> Mosaic:
    """Clusters with their second parts under ids of their own.

    Parameters
    ----------
    clusters : Mosaic
        Of an image.
    lead : ndarray, (h, w) float32
        See `lead_of`; it is enlarged smoothly.
    parts : mapping of int to int
        Cluster -> its second part.
    """
    tiles: dict[int, Tile] = {}
    for number, tile in enumerate(clusters.tiles):
        here = [id_ for id_ in parts if tile.holds(id_)]
        if not here:
            continue
        second = _enlarged(lead, clusters, number) > 0
        for id_ in here:
            tile = tile.marked(second & tile.mask_of(id_), parts[id_])
        tiles[number] = tile
    return clusters.with_tiles(tiles)


def _enlarged(lead: Plane, clusters: Mosaic, number: int) -> Plane:
    """What a plane says of each pixel of a tile, (h, w)."""
    box = clusters.box_of(number)
    rows, cols = (
        ((np.arange(axis.start, axis.stop) + 0.5) * n / length - 0.5).astype(np.float32)
        for axis, n, length in zip(box, lead.shape, clusters.shape, strict=True)
    )
    height, width = size_of(box)
    across, down = np.tile(cols, (height, 1)), np.tile(rows[:, None], (1, width))
    return np.asarray(
        cv2.remap(lead, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
