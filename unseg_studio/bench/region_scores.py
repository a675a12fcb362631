"""How well labels fit objects or categories of which there is one truth.

An object found without labels: IoU with what people drew, and CorLoc (T. Deselaers, B. Alexe,
V. Ferrari, "Localizing Objects While Learning Their Appearance", ECCV 2010), the share of images on
which the box around the largest part that was found has an IoU of 0.5 or more with the box of any
object. Where the truth does not tell objects apart, each of its connected parts is one.

Clusters have no names, so the truth names them, image by image: each takes the category that it
shares the most pixels with, any number of them the same one, which also forgives that there are too
many; or, after H. W. Kuhn's Hungarian method, each category has one cluster at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from unseg_studio.data.boxes import parts

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Boxes = NDArray[np.float64]

OBJECT = 2
"""Category of the object in a truth of background and object; 1 is background, 0 not scored."""

LOCALISED = 0.5
"""IoU of boxes from which on an object counts as found."""


def foreground_iou(truth: Labels, foreground: Mask) -> float:
    """IoU of the object.

    Parameters
    ----------
    truth : ndarray, (H, W) int32
        1 background, 2 object, 0 not scored.
    foreground : ndarray, (H, W) bool
        What was found.
    """
    found, object_ = foreground & (truth > 0), truth == OBJECT
    either = np.count_nonzero(found | object_)
    return float(np.count_nonzero(found & object_) / either) if either else 1.0


def is_localised(truth: Labels, foreground: Mask) -> bool:
    """Whether the box around the largest part of what was found is that of an object."""
    found, objects = _boxes(foreground), _boxes(truth == OBJECT)
    if not len(found) or not len(objects):
        return False
    return bool(_box_ious(found[0], objects).max() >= LOCALISED)


def matched_iou(truth: Labels, labels: Labels) -> float:
    """Mean IoU of the categories, each cluster being the category that it overlaps most.

    Parameters
    ----------
    truth : ndarray, (H, W) int32
        Category of each pixel from 1 up, 0 where it is not scored.
    labels : ndarray, (H, W) int32
        Any ids.
    """
    shared = _shared(truth, labels)
    named = np.zeros((len(shared), len(shared)), np.int64)
    np.add.at(named.T, shared.argmax(axis=0), shared.T)
    return float(_ious(named).diagonal().mean())


def hungarian_iou(truth: Labels, labels: Labels) -> float:
    """Mean IoU of the categories, at most one cluster for each; parameters as in `matched_iou`.

    The assignment shares the most pixels; a category that gets no cluster has 0.
    """
    shared = _shared(truth, labels)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return float(_ious(shared)[rows, columns].sum() / len(shared))


def _shared(truth: Labels, labels: Labels) -> Counts:
    """How many scored pixels each category shares with each cluster, (categories, clusters)."""
    scored = truth > 0
    categories, rows = np.unique(truth[scored], return_inverse=True)
    clusters, columns = np.unique(labels[scored], return_inverse=True)
    if not len(categories):
        raise ValueError("The truth holds no category; accepted is one with ids from 1 up.")
    size = len(categories) * len(clusters)
    joint = np.bincount(rows * len(clusters) + columns, minlength=size)
    return joint.reshape(len(categories), len(clusters)).astype(np.int64)


def _ious(shared: Counts) -> NDArray[np.float64]:
    """IoU of each pair of a row and a column."""
    rows, columns = shared.sum(axis=1, keepdims=True), shared.sum(axis=0, keepdims=True)
    return np.asarray(shared / (rows + columns - shared))


def _boxes(mask: Mask) -> Boxes:
    """Left, top, right and bottom of each connected part, the largest part first: (N, 4)."""
    corners = [(cols.start, rows.start, cols.stop, rows.stop) for rows, cols in parts(mask)]
    return np.array(corners, float).reshape(-1, 4)


def _box_ious(box: Boxes, others: Boxes) -> NDArray[np.float64]:
    """IoU of a box with each of (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = sides.clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(both / (areas - both))
