"""Hand corrections as pure functions: from what is shown to the pixels that change."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import flood

from unseg_studio.data import NOTHING, Patch

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


def touched_region(labels: Labels, point: tuple[int, int]) -> Patch:
    """The 4-connected region of one id around (row, column).

    Raises
    ------
    ValueError
        If the point lies outside.
    """
    height, width = labels.shape
    if not (0 <= point[0] < height and 0 <= point[1] < width):
        raise ValueError(
            f"The point (row {point[0]}, column {point[1]}) lies outside the image; accepted are "
            f"rows 0 to {height - 1} and columns 0 to {width - 1}. Click on the image."
        )
    return Patch.whole(flood(labels, point, connectivity=1))


def holes(labels: Labels, id_: int) -> Patch:
    """Pixels that the regions of `id_` enclose completely."""
    mask = labels == id_
    return Patch.whole(ndimage.binary_fill_holes(mask) & ~mask)


def small_parts(labels: Labels, id_: int, *, min_area: int) -> Patch:
    """Connected parts (4-connected) of `id_` with fewer than `min_area` pixels."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(
        (labels == id_).astype(np.uint8), connectivity=4
    )
    small = stats[:, cv2.CC_STAT_AREA] < min_area
    small[0] = False
    return Patch.whole(small[parts]) if count > 1 else Patch.whole(np.zeros(labels.shape, bool))


def smoothed(labels: Labels, id_: int, *, radius: float = 2.0) -> tuple[Patch, Patch]:
    """What `id_` gains and loses when its outline is smoothed by a Gaussian of `radius` pixels."""
    mask = labels == id_
    soft = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), radius, borderType=cv2.BORDER_REPLICATE
    )
    smooth = soft > 0.5
    return Patch.whole(smooth & ~mask), Patch.whole(mask & ~smooth)


def surroundings(labels: Labels, patch: Patch, *, barred: Mask) -> Labels:
    """For each pixel of the patch's rectangle, the id of a nearest pixel around the patch.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        What is shown.
    patch : Patch
        What needs new ids.
    barred : ndarray, (H, W) bool
        Pixels that may not give their id, such as those of locked categories.

    Returns
    -------
    ndarray, (h, w) int32
        `NOTHING` where every pixel around is barred.
    """
    barred = barred.copy()
    barred[patch.slices] |= patch.mask
    window = _window_with_givers(patch, barred)
    if barred[window].all():
        return np.full(patch.mask.shape, NOTHING, np.int32)
    nearest = ndimage.distance_transform_edt(
        barred[window], return_distances=False, return_indices=True
    )
    filled = labels[window][tuple(nearest)]
    top, left = (of.start - around.start for of, around in zip(patch.slices, window, strict=True))
    height, width = patch.mask.shape
    cut: Labels = filled[top : top + height, left : left + width]
    return cut


def _window_with_givers(patch: Patch, barred: Mask) -> tuple[slice, slice]:
    """The patch's rectangle and so much around it that some pixel there is not barred."""
    margin, whole = 2, max(barred.shape)
    while barred[_grown(patch, barred.shape, margin)].all() and margin < whole:
        margin *= 2
    return _grown(patch, barred.shape, margin)


def _grown(patch: Patch, shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
    rows, cols = patch.slices
    return (
        slice(max(0, rows.start - margin), min(shape[0], rows.stop + margin)),
        slice(max(0, cols.start - margin), min(shape[1], cols.stop + margin)),
    )
