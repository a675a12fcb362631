"""Which part of the image is on the screen, and where: pure geometry.

Image coordinates are (row, col) with whole numbers at pixel centres, as strokes have them. View
coordinates are (x, y) from the view's top left corner. `left` and `top` count from the image's
edge, half a pixel before the centre of its first pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box, grown, overlap

MAX_SCALE = 64.0
"""Most view pixels per image pixel."""

GRID_SCALE = 8.0
"""From here on a grid separates the pixels."""

KEPT = 32.0
"""So many view pixels of the image stay in reach, wherever it is moved."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Which image pixel each view pixel shows.

    Parameters
    ----------
    rows : ndarray, (h,) intp
        Image row of each view row, ascending.
    cols : ndarray, (w,) intp
        Image column of each view column, ascending.
    top, left : int
        View row and column of the first of them.
    """

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    top: int
    left: int

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w): how many view pixels show the image."""
        return len(self.rows), len(self.cols)

    @property
    def place(self) -> Box:
        """Rows and columns of the image that are visible."""
        return _span(self.rows), _span(self.cols)

    @property
    def whole(self) -> Box:
        """All view pixels that show the image, counted from the first of them."""
        return slice(0, len(self.rows)), slice(0, len(self.cols))

    def part(self, box: Box, *, margin: int) -> Box:
        """The view pixels, counted as in `whole`, that show a rectangle of the image.

        Parameters
        ----------
        box : (slice, slice)
            Rows and columns of the image.
        margin : int
            So many view pixels around them belong to it.
        """
        rows, cols = (
            slice(*np.searchsorted(indices, (axis.start, axis.stop)).tolist())
            for indices, axis in zip((self.rows, self.cols), box, strict=True)
        )
        return grown((rows, cols), margin, self.shape)

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """What the view pixels show of a `(H, W, ...)` plane: `(h, w, ...)`, nearest neighbour."""
        if 0 in self.shape:
            return plane[:0, :0]
        cols = self.place[1]
        # a copy of whole visible rows first: far fewer cache misses than picking single pixels
        shown: NDArray[Any] = plane[self.rows, cols].take(self.cols - cols.start, axis=1)
        return shown


@dataclass(frozen=True)
class Viewport:
    """A view of an image.

    Parameters
    ----------
    image : (int, int)
        Height and width of the image in pixels.
    view : (float, float)
        Height and width of the view.
    scale : float
        View pixels per image pixel.
    top, left : float
        What lies at the view's top left corner, in pixels from the image's top left edge.
    """

    image: tuple[int, int]
    view: tuple[float, float]
    scale: float = 1.0
    top: float = 0.0
    left: float = 0.0

    @property
    def fit_scale(self) -> float:
        """The scale at which the whole image is just visible."""
        fit = min(max(v, 1.0) / i for v, i in zip(self.view, self.image, strict=True))
        return min(fit, MAX_SCALE)

    @property
    def shows_grid(self) -> bool:
        """Pixels are large enough to be told apart by lines."""
        return self.scale >= GRID_SCALE

    @property
    def seen(self) -> Box | None:
        """Rows and columns of the image that are visible, in part at least; None: nothing is."""
        bottom, right = (
            first + length / self.scale
            for first, length in zip((self.top, self.left), self.view, strict=True)
        )
        rows = slice(math.floor(self.top), math.ceil(bottom))
        cols = slice(math.floor(self.left), math.ceil(right))
        return overlap((rows, cols), (slice(0, self.image[0]), slice(0, self.image[1])))

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """(row, col) of a point of the view; it may lie outside the image."""
        return y / self.scale + self.top - 0.5, x / self.scale + self.left - 0.5

    def to_view(self, row: float, col: float) -> tuple[float, float]:
        """(x, y) of a point of the image."""
        return (col + 0.5 - self.left) * self.scale, (row + 0.5 - self.top) * self.scale

    def pixel_at(self, x: float, y: float) -> tuple[int, int] | None:
        """The pixel (row, col) at a point of the view, None outside the image."""
        row = math.floor(y / self.scale + self.top)
        col = math.floor(x / self.scale + self.left)
        inside = 0 <= row < self.image[0] and 0 <= col < self.image[1]
        return (row, col) if inside else None

    def fitted(self) -> Viewport:
        """The whole image, in the middle."""
        return self.centred(self.image[0] / 2, self.image[1] / 2, scale=self.fit_scale)

    def centred(self, down: float, right: float, *, scale: float) -> Viewport:
        """The point `down` and `right` of the image's edge in the middle of the view."""
        top, left = down - self.view[0] / 2 / scale, right - self.view[1] / 2 / scale
        return replace(self, scale=scale, top=top, left=left).within_reach()

    def resized(self, view: tuple[float, float]) -> Viewport:
        """A view of another size about the same middle."""
        down, right = self._middle
        return replace(self, view=view).centred(down, right, scale=self.scale)

    def zoomed_to(self, scale: float) -> Viewport:
        """Another scale about the middle of the view."""
        return self.zoomed_by(scale / self.scale, self.view[1] / 2, self.view[0] / 2)

    def zoomed_by(self, factor: float, x: float, y: float) -> Viewport:
        """Magnify; what is at (x, y) of the view stays there."""
        scale = min(max(self.scale * factor, min(self.fit_scale, 1.0) / 4), MAX_SCALE)
        top = self.top + y / self.scale - y / scale
        left = self.left + x / self.scale - x / scale
        zoomed = replace(self, scale=scale, top=top, left=left)
        return zoomed.within_reach() if self.pixel_at(x, y) is None else zoomed

    def panned(self, dx: float, dy: float) -> Viewport:
        """Move the image by view pixels."""
        top, left = self.top - dy / self.scale, self.left - dx / self.scale
        return replace(self, top=top, left=left).within_reach()

    def within_reach(self) -> Viewport:
        """The same view, moved where the image had been lost out of sight."""
        kept = KEPT / self.scale
        top = _clamped(self.top, kept, self.view[0] / self.scale, self.image[0])
        left = _clamped(self.left, kept, self.view[1] / self.scale, self.image[1])
        return replace(self, top=top, left=left)

    def magnified(self, ratio: float) -> Viewport:
        """The same view on a screen with `ratio` device pixels per view pixel."""
        view = self.view[0] * ratio, self.view[1] * ratio
        return replace(self, view=view, scale=self.scale * ratio)

    def samples(self, per_pixel: int = 1) -> Samples:
        """Which image pixel each view pixel shows.

        Parameters
        ----------
        per_pixel : int
            Samples along each side of a view pixel; more than one so that thin things are seen.
        """
        rows, top = self._sampled(0, per_pixel)
        cols, left = self._sampled(1, per_pixel)
        return Samples(rows, cols, top, left)

    @property
    def _middle(self) -> tuple[float, float]:
        return (
            self.top + self.view[0] / 2 / self.scale,
            self.left + self.view[1] / 2 / self.scale,
        )

    def _sampled(self, axis: int, per_pixel: int) -> tuple[NDArray[np.intp], int]:
        """Image index of each sample along an axis, and the first view pixel inside the image."""
        limit, start = self.image[axis], (self.top, self.left)[axis]
        middles = (np.arange(math.ceil(self.view[axis])) + 0.5) / self.scale + start
        shown = np.flatnonzero((middles >= 0) & (middles < limit))
        if not shown.size:
            return np.zeros(0, np.intp), 0
        centres = shown[0] + (np.arange(shown.size * per_pixel) + 0.5) / per_pixel
        indices = np.floor(centres / self.scale + start).astype(np.intp)
        return np.clip(indices, 0, limit - 1), int(shown[0])


def _span(indices: NDArray[np.intp]) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)


def _clamped(start: float, kept: float, seen: float, length: int) -> float:
    kept = min(kept, length / 2, seen / 2)
    return min(max(start, kept - seen), length - kept)
