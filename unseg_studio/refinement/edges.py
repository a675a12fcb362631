"""From a small plane of probabilities to labels at full resolution that end where colours change.

Joint bilateral upsampling (J. Kopf et al., SIGGRAPH 2007), computed only in the band where the
small labels change: elsewhere every neighbour agrees, so the answer is known.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.refinement.guide import Guide

COLOUR_SIGMA = 0.35
"""Standardised colour difference at which a small pixel's say falls to 0.6."""

SPACE_SIGMA = 0.8
"""The same for the distance, in pixels of the small plane."""


def enlarged(probabilities: NDArray[np.float32], guide: Guide) -> NDArray[np.int32]:
    """The index of the most probable label, every small pixel as a block of large ones.

    Parameters and returned array as in `sharpened`, at a small part of its cost.
    """
    small = probabilities.argmax(axis=0).astype(np.int32)
    height, width = guide.rgb.shape[:2]
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def sharpened(probabilities: NDArray[np.float32], guide: Guide) -> NDArray[np.int32]:
    """The index of the most probable label at full resolution.

    Parameters
    ----------
    probabilities : ndarray, (K, h, w) float32
        On the working plane of the guide, or on a smaller one.
    guide : Guide
        Colours of the image, small and large.

    Returns
    -------
    ndarray, (H, W) int32
        0 to K - 1.
    """
    labels = enlarged(probabilities, guide)
    if labels.shape == probabilities.shape[1:]:
        return labels
    band = _changes(probabilities.argmax(axis=0))
    rows, cols = np.nonzero(cv2.resize(band, labels.shape[::-1], interpolation=cv2.INTER_NEAREST))
    labels[rows, cols] = _votes(probabilities, guide, rows, cols).argmax(axis=1)
    return labels


def _changes(labels: NDArray[np.intp]) -> NDArray[np.uint8]:
    """1 where the 3 x 3 neighbourhood holds more than one label."""
    planes = labels.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    mixed = cv2.dilate(planes, kernel) != cv2.erode(planes, kernel)
    return np.asarray(mixed, np.uint8)


def _votes(
    probabilities: NDArray[np.float32],
    guide: Guide,
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
) -> NDArray[np.float32]:
    """(N, K) bilateral sums of the 2 x 2 small pixels around each of N large ones."""
    (h, w), (height, width) = probabilities.shape[1:], guide.rgb.shape[:2]
    table = np.ascontiguousarray(np.moveaxis(probabilities, 0, -1)).reshape(h * w, -1)
    colours = guide.small_at((h, w)).reshape(h * w, 3)
    y = np.clip((rows + 0.5) * (h / height) - 0.5, 0, h - 1).astype(np.float32)
    x = np.clip((cols + 0.5) * (w / width) - 0.5, 0, w - 1).astype(np.float32)
    top, left = y.astype(np.int32), x.astype(np.int32)
    own = guide.colour_of(guide.rgb[rows, cols][None])[0]
    votes = np.zeros((len(rows), table.shape[1]), np.float32)
    for near_y in (top, np.minimum(top + 1, h - 1)):
        for near_x in (left, np.minimum(left + 1, w - 1)):
            index = near_y * w + near_x
            difference = own - colours[index]
            colour = np.einsum("nc,nc->n", difference, difference) / (2 * COLOUR_SIGMA**2)
            space = ((y - near_y) ** 2 + (x - near_x) ** 2) / (2 * SPACE_SIGMA**2)
            votes += np.exp(-np.minimum(colour + space, 60))[:, None] * table[index]
    return votes
