"""From a small plane of probabilities to labels at full resolution that end where colours change.

Joint bilateral upsampling (J. Kopf et al., SIGGRAPH 2007), computed only in the band where the
small labels change: elsewhere every neighbour agrees, so the answer is known.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.refinement.guide import Guide

COLOUR_SIGMA = 0.5
"""Standardised colour difference at which a small pixel's say falls to 0.6."""

SPACE_SIGMA = 0.8
"""The same for the distance, in pixels of the small plane."""

PART = 2**16
"""So many pixels vote at a time; there may be a million of them, each of which takes 100 bytes."""


def enlarged(probabilities: NDArray[np.float32], guide: Guide) -> NDArray[np.int32]:
    """The index of the most probable label, every small pixel as a block of large ones.

    Parameters and returned array as in `sharpened`, at a small part of its cost.
    """
    small = probabilities.argmax(axis=0).astype(np.int32)
    height, width = guide.rgb.shape[:2]
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def sharpened(
    probabilities: NDArray[np.float32],
    guide: Guide,
    *,
    shape: tuple[int, int] | None = None,
    within: NDArray[np.bool_] | None = None,
) -> NDArray[np.int32]:
    """The index of the most probable label, with outlines where the image's colours change.

    Parameters
    ----------
    probabilities : ndarray, (K, h, w) float32
        On the working plane of the guide, or on a smaller one.
    guide : Guide
        Colours of the image, small and large.
    shape : tuple of int or None
        (H, W) of the answer, at most the image's; None: full resolution.
    within : ndarray, (h, w) bool, or None
        Small pixels whose labels are asked for; None: all.

    Returns
    -------
    ndarray, (H, W) int32
        0 to K - 1, and -1 where nobody asks.
    """
    small = probabilities.argmax(axis=0).astype(np.int32)
    asked = small if within is None else np.where(within, small, np.int32(-1))
    shape = shape or guide.rgb.shape[:2]
    labels = cv2.resize(asked, shape[::-1], interpolation=cv2.INTER_NEAREST)
    if small.shape != shape:
        unclear = np.flatnonzero(_between_labels(small, shape) & (labels >= 0))
        for start in range(0, len(unclear), PART):
            part = unclear[start : start + PART]
            rows, cols = np.divmod(part, shape[1])
            places = (rows + 0.5) / shape[0], (cols + 0.5) / shape[1]
            labels.ravel()[part] = _votes(probabilities, guide, *places).argmax(axis=1)
    return np.asarray(labels)


def _between_labels(small: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where, at full resolution, the centres of the 2 x 2 small pixels around differ in label."""
    padded = np.pad(small, 1, mode="edge")
    corner = padded[:-1, :-1]
    others = padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]
    mixed = np.logical_or.reduce([corner != other for other in others])
    rows, cols = (
        np.floor((np.arange(large) + 0.5) * (n / large) + 0.5).astype(np.intp)
        for large, n in zip(shape, small.shape, strict=True)
    )
    return np.asarray(mixed[rows][:, cols])


def _votes(
    probabilities: NDArray[np.float32],
    guide: Guide,
    down: NDArray[np.float64],
    across: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(N, K) bilateral sums of the 2 x 2 small pixels around each of N places, 0 to 1."""
    (h, w), (height, width) = probabilities.shape[1:], guide.rgb.shape[:2]
    table = np.ascontiguousarray(np.moveaxis(probabilities, 0, -1)).reshape(h * w, -1)
    colours = guide.small_at((h, w)).reshape(h * w, 3)
    y = np.clip(down * h - 0.5, 0, h - 1).astype(np.float32)
    x = np.clip(across * w - 0.5, 0, w - 1).astype(np.float32)
    top, left = y.astype(np.int32), x.astype(np.int32)
    rows, cols = (down * height).astype(np.intp), (across * width).astype(np.intp)
    pixels = guide.rgb.reshape(height * width, 3).take(rows * width + cols, axis=0)
    own = guide.colour_of(pixels[None])[0]
    votes = np.zeros((len(rows), table.shape[1]), np.float32)
    for near_y in (top, np.minimum(top + 1, h - 1)):
        for near_x in (left, np.minimum(left + 1, w - 1)):
            index = near_y * w + near_x
            difference = own - colours.take(index, axis=0)  # ten times as quick as colours[index]
            colour = np.einsum("nc,nc->n", difference, difference) / (2 * COLOUR_SIGMA**2)
            away = np.square(y - near_y, dtype=np.float32) + np.square(x - near_x, dtype=np.float32)
            likeness = np.exp(-np.minimum(colour + away / (2 * SPACE_SIGMA**2), 60))
            votes += likeness[:, None] * table.take(index, axis=0)
    return votes
