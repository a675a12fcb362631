"""From points to pixels: what a brush stroke or a polygon covers, as a small patch of the plane."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseg_studio.data.boxes import bounds

MAX_RADIUS = 1000
"""Largest brush, in pixels."""

_FAR = 1e7
"""Pixels; coordinates beyond are moved here, within what OpenCV can draw."""


_BLOCK = 128
"""Pixels along the smallest block in which distances from a line are measured."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A boolean mask and the place where it lies in the plane.

    Parameters
    ----------
    rows, cols : slice
        Its rows and columns in the plane, inside it.
    mask : ndarray, (h, w) bool
        Which pixels of that rectangle are meant.
    """

    rows: slice
    cols: slice
    mask: NDArray[np.bool_]

    @property
    def slices(self) -> tuple[slice, slice]:
        """`array[patch.slices]` is the rectangle under the patch."""
        return self.rows, self.cols

    def painted_on(self, array: NDArray[np.int32], value: int) -> NDArray[np.int32]:
        """Copy `array` and set the pixels of the patch to `value`."""
        copy = array.copy()
        copy[self.slices][self.mask] = value
        return copy

    @classmethod
    def whole(cls, mask: NDArray[np.bool_]) -> Patch:
        """The patch of a mask as large as the plane, cut to its bounding box."""
        box = bounds(mask) or (slice(0, 0), slice(0, 0))
        return cls(*box, mask[box].copy())  # the caller may change the mask later


def stroke_patch(shape: tuple[int, int], points: ArrayLike, radius: float) -> Patch:
    """Pixels within `radius` of the line through `points`.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the plane.
    points : array_like, (N, 2)
        (row, column) of the path, in pixels; pixel centres are whole numbers. N >= 1.
    radius : float
        In pixels, 0 to `MAX_RADIUS`; below 1 marks a one-pixel line.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(
            f"A brush was given the radius {radius}; accepted are 0 to {MAX_RADIUS} pixels."
        )
    path, reach = _checked(points), int(np.ceil(radius))
    path = np.concatenate([path, path[-1:]])  # of a single point OpenCV draws nothing
    window = _window(shape, path, reach)
    canvas = np.zeros(window.shape, np.uint8)
    if canvas.size:
        cv2.polylines(canvas, [window.contour(path)], isClosed=False, color=1, thickness=1)
    line = canvas.view(np.bool_)
    return window.clipped(shape, _near(line, radius) if radius >= 1 else line)


def polygon_patch(shape: tuple[int, int], points: ArrayLike) -> Patch:
    """Pixels inside the closed polygon, its outline included; `points` as in `stroke_patch`."""
    path = _checked(points)
    window = _window(shape, path, reach=0)
    canvas = np.zeros(window.shape, np.uint8)
    if canvas.size:
        cv2.fillPoly(canvas, [window.contour(path)], color=1)
    return window.clipped(shape, canvas == 1)


def _near(line: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Pixels within `radius` of a set one, block by block: a long line leaves most of them empty.

    Distances cost the same for a brush of any size, unlike a dilation.
    """
    reach = int(np.ceil(radius))
    side = max(_BLOCK, 4 * reach)
    near = np.zeros_like(line)
    for top, left in product(*(range(0, length, side) for length in line.shape)):
        if line[top : top + side, left : left + side].any():
            rows = slice(max(0, top - reach), top + side + reach)
            cols = slice(max(0, left - reach), left + side + reach)
            away = (~line[rows, cols]).view(np.uint8)
            distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            near[rows, cols] |= distance <= radius
    return near


@dataclass(frozen=True)
class _Window:
    """The part of the plane, and of its surroundings, that is drawn on."""

    top: int
    left: int
    shape: tuple[int, int]

    def contour(self, path: NDArray[np.float64]) -> NDArray[np.int32]:
        """The path as OpenCV wants it: (N, 1, 2) (x, y), counted from the window's corner."""
        xy = np.rint(path).astype(np.int32)[:, ::-1] - (self.left, self.top)
        return np.ascontiguousarray(xy.reshape(-1, 1, 2), np.int32)

    def clipped(self, shape: tuple[int, int], mask: NDArray[np.bool_]) -> Patch:
        """What of the window's mask lies in the plane."""
        rows, row_cut = _overlap(self.top, self.shape[0], shape[0])
        cols, col_cut = _overlap(self.left, self.shape[1], shape[1])
        return Patch(rows, cols, mask[row_cut, col_cut])


def _window(shape: tuple[int, int], path: NDArray[np.float64], reach: int) -> _Window:
    """The path's bounding box and `reach` around it, but nothing that cannot touch the plane."""
    start = np.maximum(np.rint(path.min(axis=0)).astype(int), -reach) - reach
    stop = np.minimum(np.rint(path.max(axis=0)).astype(int), np.add(shape, reach)) + reach + 1
    height, width = (int(side) for side in np.maximum(stop - start, 0))
    return _Window(int(start[0]), int(start[1]), (height, width))


def _overlap(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Where a stretch lies within [0, limit), and which part of the stretch that is."""
    first = min(max(start, 0), limit)
    last = max(first, min(start + length, limit))
    return slice(first, last), slice(first - start, last - start)


def _checked(points: ArrayLike) -> NDArray[np.float64]:
    path = np.asarray(points, np.float64)
    if path.ndim != 2 or path.shape[1] != 2 or len(path) == 0 or not np.isfinite(path).all():
        raise ValueError(
            f"A stroke was given as an array of shape {path.shape}; accepted are N x 2 finite "
            "(row, column) coordinates with N >= 1."
        )
    return np.clip(path, -_FAR, _FAR)
