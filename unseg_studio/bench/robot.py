"""A robot that draws scribbles: it knows the truth and always marks the largest mistake.

Round 0: one stroke for every category, in its largest connected part. Each later round: one
stroke of the right category in the largest connected part that is wrong.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import skeletonize

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

CORE = 0.4
"""A stroke is the medial line of the pixels deeper than this share of the largest depth."""

REACH = 0.15
"""Half the length of a stroke at most, as a share of the longer side of the image."""

WIDTH = 3
"""Pixels."""


def first_strokes(truth: Labels) -> Labels:
    """Draw one stroke for every category.

    Parameters
    ----------
    truth : ndarray, (H, W) int32
        Category of each pixel, 0 where it is not scored.

    Returns
    -------
    ndarray, (H, W) int32
        Scribbles: category ids, 0 = unmarked.
    """
    drawn = np.zeros_like(truth)
    for category in categories_in(truth):
        drawn[stroke_in(_largest_part(truth == category))] = category
    return drawn


def next_stroke(truth: Labels, labels: Labels) -> Labels | None:
    """Draw one stroke in the largest connected part of one category that is labelled wrong.

    Parameters
    ----------
    truth, labels : ndarray, (H, W) int32
        What is there and what is shown.

    Returns
    -------
    ndarray, (H, W) int32, or None
        The stroke alone: its category id, 0 = unmarked; None where nothing is wrong.
    """
    wrong = (truth > 0) & (labels != truth)
    if not wrong.any():
        return None
    parts = {c: _largest_part(wrong & (truth == c)) for c in np.unique(truth[wrong])}
    category, part = max(parts.items(), key=lambda pair: np.count_nonzero(pair[1]))
    return np.where(stroke_in(part), np.int32(category), np.int32(0))


def stroke_in(part: Mask) -> Mask:
    """The medial line of the deep pixels of a part, cut to a disc around its deepest point."""
    depth = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    line = skeletonize(depth > CORE * depth.max())
    row, col = np.unravel_index(depth.argmax(), depth.shape)
    rows, cols = np.ogrid[: part.shape[0], : part.shape[1]]
    line &= (rows - row) ** 2 + (cols - col) ** 2 <= (REACH * max(part.shape)) ** 2
    line[row, col] = True
    thick = cv2.dilate(line.astype(np.uint8), np.ones((WIDTH, WIDTH), np.uint8))
    return np.asarray(thick.astype(bool) & part)


def mean_iou(truth: Labels, labels: Labels) -> float:
    """Intersection over union of each category of `truth`, averaged; pixels of 0 do not count."""
    scored = truth > 0
    return float(
        np.mean(
            [
                np.count_nonzero((truth == c) & (labels == c))
                / np.count_nonzero(scored & ((truth == c) | (labels == c)))
                for c in categories_in(truth)
            ]
        )
    )


def categories_in(truth: Labels) -> list[int]:
    """Ids of the categories that the truth holds, ascending."""
    return [int(c) for c in np.unique(truth) if c > 0]


def _largest_part(mask: Mask) -> Mask:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())
