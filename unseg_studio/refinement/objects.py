"""The object of an image, without a stroke: what is surely object and surely not are the strokes.

`objectness` says roughly where there is something; its outlines are found as those of a person's
scribbles are.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image
from unseg_studio.features.objectness import objectness
from unseg_studio.refinement.edges import sharpened
from unseg_studio.refinement.guide import guide_of
from unseg_studio.refinement.steering import steered

SURE, NEVER = 1.5, -2.5
"""Log-odds above which a place is taken for object, and below which for background."""

LEAST_OBJECT, LEAST_BACKGROUND = 0.02, 0.1
"""Shares of the image that are taken for them at least: its likeliest and unlikeliest places."""

_NEITHER, _BACKGROUND, _OBJECT = -1, 0, 1


def object_in(image: Image) -> NDArray[np.bool_]:
    """The pixels of the object, or of the objects, that catch the eye.

    `data.boxes.parts` gives the boxes around its parts, the largest part first.

    There is one wherever places differ: who asks for an object wants to see the likeliest.

    Parameters
    ----------
    image : Image
        Best a photograph.

    Returns
    -------
    ndarray, (H, W) bool

    Raises
    ------
    OSError
        If the bundled network cannot be loaded.
    """
    guide = guide_of(image)
    seeds = seeds_of(objectness(image.rgb, guide.shape))
    if not {_BACKGROUND, _OBJECT} <= set(seeds.flat):
        return np.zeros(image.shape, bool)
    (posterior,) = deque(steered(lambda shape: _at(seeds, shape), 2, guide), maxlen=1)
    return np.asarray(sharpened(posterior.numpy(), guide) == _OBJECT)


def seeds_of(odds: NDArray[np.float32]) -> NDArray[np.int32]:
    """What is sure enough to take the place of strokes.

    Parameters
    ----------
    odds : ndarray, (h, w) float32
        Log-odds of an object.

    Returns
    -------
    ndarray, (h, w) int32
        1 object, 0 background, -1 neither.
    """
    quiet, loud = np.quantile(odds, (LEAST_BACKGROUND, 1 - LEAST_OBJECT))
    seeds = np.full(odds.shape, _NEITHER, np.int32)
    seeds[(odds >= min(SURE, loud)) & (odds > quiet)] = _OBJECT
    seeds[(odds <= max(NEVER, quiet)) & (odds < loud)] = _BACKGROUND
    return seeds


def _at(seeds: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    if seeds.shape == shape:
        return seeds
    return np.asarray(cv2.resize(seeds, shape[::-1], interpolation=cv2.INTER_NEAREST))
