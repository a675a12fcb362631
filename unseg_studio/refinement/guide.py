"""What refinement needs of an image, made once: its colours small and large, and its edges."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from unseg_studio.data import Image
from unseg_studio.data.image import three_channels

WORKING_SIZE = 200
"""Longer side of the plane on which scribbles are propagated, in pixels."""

EDGE_CONTRAST = 20.0
"""How fast the weight of an edge falls with the squared difference of standardised colours."""

WEAKEST_EDGE = 1e-3
"""No edge is weaker, so that every pixel hears of some scribble."""


@dataclass(frozen=True, eq=False)
class Guide:
    """The image as refinement sees it.

    Parameters
    ----------
    colour : ndarray, (H, W, 3) float32
        CIE Lab, each channel divided by the standard deviation over the image.
    small : ndarray, (h, w, 3) float32
        The same on the working plane.
    """

    colour: NDArray[np.float32]
    small: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the working plane."""
        return self.small.shape[0], self.small.shape[1]

    @cached_property
    def graph(self) -> sparse.csr_array:
        """Symmetric weights of the 4-neighbour grid of the working plane, (h w, h w) float32."""
        index = np.arange(self.shape[0] * self.shape[1], dtype=np.int32).reshape(self.shape)
        first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
        second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
        flat = self.small.reshape(-1, 3)
        difference = ((flat[first] - flat[second]) ** 2).mean(axis=1)
        weights = np.exp(-EDGE_CONTRAST * difference) + WEAKEST_EDGE
        half = sparse.coo_array((weights.astype(np.float32), (first, second)), (index.size,) * 2)
        return (half + half.T).tocsr()

    @cached_property
    def degree(self) -> NDArray[np.float32]:
        """Sum of the weights at each pixel of the working plane, (h w,) float32."""
        return np.asarray(self.graph.sum(axis=1), np.float32)


_guides: weakref.WeakKeyDictionary[Image, Guide] = weakref.WeakKeyDictionary()


def guide_of(image: Image) -> Guide:
    """The guide of an image, made on first use and kept as long as the image."""
    if image not in _guides:
        _guides[image] = _make(image)
    return _guides[image]


def _make(image: Image) -> Guide:
    lab = cv2.cvtColor(np.ascontiguousarray(three_channels(image.unit)), cv2.COLOR_RGB2Lab)
    colour = lab / np.maximum(lab.reshape(-1, 3).std(axis=0), 1.0)
    height, width = image.shape
    scale = min(1.0, WORKING_SIZE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    return Guide(colour, cv2.resize(colour, size, interpolation=cv2.INTER_AREA))
