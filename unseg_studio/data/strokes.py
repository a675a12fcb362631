"""From points to pixels: what a brush stroke or a polygon covers, as a small patch of the plane."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray


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
        rows = np.flatnonzero(mask.any(axis=1))
        cols = np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            return cls(slice(0, 0), slice(0, 0), np.zeros((0, 0), bool))
        box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
        return cls(*box, mask[box])


def stroke_patch(shape: tuple[int, int], points: ArrayLike, radius: float) -> Patch:
    """Pixels within `radius` of the line through `points`.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the plane.
    points : array_like, (N, 2)
        (row, column) of the path, in pixels; pixel centres are whole numbers. N >= 1.
    radius : float
        In pixels, >= 0; 0.5 or less marks a one-pixel line.
    """
    path = _checked(points)
    reach = int(np.ceil(radius)) + 1
    top, left = np.floor(path.min(axis=0)).astype(int) - reach
    bottom, right = np.ceil(path.max(axis=0)).astype(int) + reach + 1
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    xy = np.rint(path - (top, left)).astype(np.int32)[:, ::-1]
    cv2.polylines(canvas, [xy.reshape(-1, 1, 2)], isClosed=False, color=1, thickness=1)
    if len(xy) == 1:
        canvas[xy[0, 1], xy[0, 0]] = 1
    if radius > 0.5:
        canvas = cv2.dilate(canvas, _disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return _clipped(shape, top, left, canvas.astype(bool))


def polygon_patch(shape: tuple[int, int], points: ArrayLike) -> Patch:
    """Pixels inside the closed polygon, its outline included; `points` as in `stroke_patch`."""
    path = _checked(points)
    top, left = np.floor(path.min(axis=0)).astype(int)
    bottom, right = np.ceil(path.max(axis=0)).astype(int) + 1
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    xy = np.rint(path - (top, left)).astype(np.int32)[:, ::-1]
    cv2.fillPoly(canvas, [np.ascontiguousarray(xy.reshape(-1, 1, 2))], color=1)
    return _clipped(shape, top, left, canvas.astype(bool))


def _checked(points: ArrayLike) -> NDArray[np.float64]:
    path = np.asarray(points, np.float64)
    if path.ndim != 2 or path.shape[1] != 2 or len(path) == 0 or not np.isfinite(path).all():
        raise ValueError(
            f"A stroke was given as an array of shape {path.shape}; accepted are N x 2 finite "
            "(row, column) coordinates with N >= 1."
        )
    return path


def _disc(radius: float) -> NDArray[np.uint8]:
    reach = int(np.ceil(radius))
    offsets = np.arange(-reach, reach + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)


def _clipped(shape: tuple[int, int], top: int, left: int, mask: NDArray[np.bool_]) -> Patch:
    height, width = shape
    first_row, first_col = min(max(0, top), height), min(max(0, left), width)
    last_row = max(first_row, min(height, top + mask.shape[0]))
    last_col = max(first_col, min(width, left + mask.shape[1]))
    rows, cols = slice(first_row, last_row), slice(first_col, last_col)
    inside = mask[first_row - top : last_row - top, first_col - left : last_col - left]
    return Patch(rows, cols, inside)
