"""The graph that DeepCut cuts: nodes with deep features, and the pixels that each stands for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Literal
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, heap
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.deep import deep_levels
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.regions import Regions, pooled, regions, together

MOST_NODES = 900
"""Beyond so many regions the limit grows, so that a textured image costs what others do."""

STRICTER = 1.12
"""Factor by which the limit grows then."""

PATCHES = 35
"""Of the published grid: size of a square with as many patches."""


@dataclass(frozen=True)
class Fineness:
    """How finely an image is divided into regions.

    Parameters
    ----------
    largest_side : int
        Longer side of the plane that is divided, in pixels.
    limit : float
        By how much regions differ from their neighbours at least.
    """

    largest_side: int
    limit: float


FINE, COARSE = Fineness(640, 1.67), Fineness(320, 1.3)
"""Of one image for itself, and of one of many that a model labels: as many nodes, in half the time.

A model that has learned from fine regions labels coarse ones as well: one-to-one mIoU .583 and .461
beside .586 and .470, two seeds on 24 images of voc_fgbg; one that has learned from coarse ones .442
and .433.
"""


@dataclass(frozen=True, eq=False)
class Graph:
    """What is to be cut.

    Parameters
    ----------
    features : Tensor, (N, C) float32
        Deep features of each node, less what the whole image has in common.
    descriptors : Tensor, (N, C) float32
        The same with it: how alike two nodes are at all, in this image or in any other.
    sizes : Tensor, (N,) float32
        Share of the image that each node stands for; they sum to 1.
    plane : ndarray, (h, w) int64
        Node of each pixel of a plane with the image's proportions.
    neighbours : Tensor, (2, E) int64
        Nodes that touch.
    """

    features: torch.Tensor
    descriptors: torch.Tensor
    sizes: torch.Tensor
    plane: NDArray[np.int64]
    neighbours: torch.Tensor

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def border(self) -> NDArray[np.float64]:
        """Share of the image's border that each node has, (N,)."""
        edge = self.plane[0], self.plane[-1], self.plane[1:-1, 0], self.plane[1:-1, -1]
        counts = np.bincount(np.concatenate(edge), minlength=len(self))
        return np.asarray(counts / counts.sum())

    def counted(self, values: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many pixels of each node have each value of an (h, w) plane: (N, values)."""
        n_values = int(values.max()) + 1
        joint = self.plane.ravel() * n_values + values.ravel()
        return np.bincount(joint, minlength=len(self) * n_values).reshape(len(self), n_values)

    def to(self, device: torch.device) -> Graph:
        """The same on another device."""
        return Graph(
            self.features.to(device),
            self.descriptors.to(device),
            self.sizes.to(device),
            self.plane,
            self.neighbours.to(device),
        )

    def of(self, nodes: torch.Tensor) -> Graph:
        """The graph of some nodes, (M,) int64, alone; its plane is the whole one."""
        sizes = self.sizes[nodes]
        kept = torch.isin(self.neighbours, nodes).all(dim=0)
        place = torch.zeros_like(self.sizes, dtype=torch.int64)
        place[nodes] = torch.arange(len(nodes), device=nodes.device)
        return Graph(
            self.features[nodes],
            self.descriptors[nodes],
            sizes / sizes.sum(),
            self.plane,
            place[self.neighbours[:, kept]],
        )


_graphs: WeakKeyDictionary[Image, dict[tuple[object, ...], Graph]] = WeakKeyDictionary()
_MAKING = Lock()


_begun: WeakKeyDictionary[Image, dict[Fineness, Future[Regions]]] = WeakKeyDictionary()

Kind = Literal["regions", "coarse regions", "patches", "rounded patches"]


def graph_of(kind: Kind, image: Image, request: FeatureRequest, weights: Path | None) -> Graph:
    """The graph of an image, made on first use and kept as long as the image.

    Any number of threads may call at once; parameters as in `region_graph`.

    Parameters
    ----------
    kind : str
        "rounded patches" of a ViT may be computed with less precision, see `extract`: by at most
        1 % of the pixels labels differ. (Measured on the processor: none of a photograph's, with
        2 and with 5 clusters, for a ViT-S/8 with random weights. Regions would move: 6 % then.)
    """
    makers: dict[Kind, Callable[[Image, FeatureRequest, Path | None], Graph]] = {
        "regions": region_graph,
        "coarse regions": partial(region_graph, fineness=COARSE),
        "patches": patch_graph,
        "rounded patches": partial(patch_graph, rounded=True),
    }
    with _MAKING:
        known = _graphs.setdefault(image, {})
        key = kind, request, weights
        if key not in known:
            heap.give_back()
            known[key] = makers[kind](image, request, weights)
        return known[key]


def begin_regions(kind: Kind, image: Image, request: FeatureRequest, weights: Path | None) -> None:
    """Find what a region graph needs no deep features for, in a thread, unless it is known.

    To be called before the features are computed: one core has little to do meanwhile.
    """
    if (kind, request, weights) not in _graphs.get(image, {}):
        _regions_of(image, COARSE if kind == "coarse regions" else FINE)


def _regions_of(image: Image, fineness: Fineness) -> Future[Regions]:
    all_begun = _begun.setdefault(image, {})
    begun = all_begun.get(fineness)  # once: another thread may take it out meanwhile
    if begun is None:
        found = _beside().submit(_fitting_regions, image.rgb, fineness.largest_side)
        begun = all_begun[fineness] = found
    return begun


def _fitting_regions(rgb: NDArray[np.uint8], largest_side: int) -> Regions:
    return regions(_fitting(rgb, largest_side))


@cache
def _beside() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "regions")


def region_graph(
    image: Image, request: FeatureRequest, weights: Path | None = None, fineness: Fineness = FINE
) -> Graph:
    """Regions of an image as nodes: outlines are the image's own.

    Parameters
    ----------
    image : Image
        Of any size.
    request : FeatureRequest
        Which deep features.
    weights : Path or None
        File with the backbone's weights; None: those that are there.
    fineness : Fineness
        Of the regions.
    """
    begun = _regions_of(image, fineness)
    levels = deep_levels(image.rgb, request, weights)
    _begun.get(image, {}).pop(fineness, None)
    limit = fineness.limit
    found = begun.result().with_deep(levels).merged(limit)
    while len(found) > MOST_NODES:
        limit *= STRICTER
        found = found.merged(limit)
    height, width = levels[0].shape[1:]
    features, descriptors = (
        torch.from_numpy(pooled(found.plane, planes.numpy())).float()
        for planes in (together(levels, (height, width), centred=c) for c in (True, False))
    )
    return Graph(
        features,
        descriptors,
        torch.from_numpy(found.sizes / found.sizes.sum()).float(),
        found.plane.astype(np.int64),
        torch.from_numpy(found.borders.pairs),
    )


def patch_graph(
    image: Image, request: FeatureRequest, weights: Path | None = None, *, rounded: bool = False
) -> Graph:
    """Patches on a grid as nodes, as published; parameters as in `region_graph` and `extract`."""
    levels = deep_levels(image.rgb, request, weights, rounded=rounded)
    height, width = _grid(image.shape)
    planes = levels[0] if len(levels) == 1 else together(levels, (height, width))
    if planes.shape[1:] != (height, width):
        height, width = planes.shape[1:]
    plane = np.arange(height * width).reshape(height, width)
    pairs = [
        np.stack([plane[:, :-1].ravel(), plane[:, 1:].ravel()]),
        np.stack([plane[:-1].ravel(), plane[1:].ravel()]),
    ]
    features = planes.flatten(1).T.contiguous()
    return Graph(
        features,
        features,
        torch.full((plane.size,), 1 / plane.size),
        plane,
        torch.from_numpy(np.concatenate(pairs, axis=1)),
    )


def _grid(shape: tuple[int, int]) -> tuple[int, int]:
    """As many patches as a square of `PATCHES`, in the image's proportions."""
    aspect = (shape[0] / shape[1]) ** 0.5
    return max(1, round(PATCHES * aspect)), max(1, round(PATCHES / aspect))


def _fitting(rgb: NDArray[np.uint8], largest_side: int) -> NDArray[np.uint8]:
    scale = largest_side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(n * scale)) for n in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))
