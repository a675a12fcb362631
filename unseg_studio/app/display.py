"""From the image plane to 8-bit colours for what is visible, at the size it is shown.

Large images are halved into a pyramid once; a view then costs what the view holds:

    visible part of a level -> shrunk or repeated to view pixels -> contrast -> colours of channels
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.app.viewport import Samples, Viewport
from unseg_studio.data import Image

CHANNEL_COLORS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255),
    (0, 255, 255), (255, 0, 255), (255, 255, 0),
)  # fmt: skip
"""Colours that channels are shown in when there are several; they add up, as light does."""

_READY_MADE = frozenset({"uint8", "uint16", "int16", "float32", "float64"})
"""What OpenCV scales as it is."""

_SMALLEST = 256
"""Levels end where the longer side has at most this many pixels."""

_SLAB = 512
"""Rows that are halved at a time, so that building needs little memory."""

Plane = NDArray[Any]


@dataclass(frozen=True)
class Look:
    """How values become brightness.

    Parameters
    ----------
    low, high : float
        Values shown black and white.
    gamma : float
        Exponent on [0, 1]: below 1 brightens the middle.
    channels : tuple of int
        Channels on the screen; one alone is shown grey.
    """

    low: float
    high: float
    gamma: float = 1.0
    channels: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, image: Image) -> Look:
        """The image's own value range, its first three channels."""
        return cls(*image.value_range, channels=tuple(range(min(3, image.n_channels))))

    def bytes_of(self, values: Plane) -> NDArray[np.uint8]:
        """Brightness 0 to 255 of values of any type, same shape."""
        if values.dtype == np.uint8:
            table = _table(self.low, self.high, self.gamma, values.dtype.str)
            return _bytes(cv2.LUT(np.ascontiguousarray(values), table)).reshape(values.shape)
        if values.dtype == np.uint16:
            return _table(self.low, self.high, self.gamma, values.dtype.str).take(values)
        return _brightness(values, self.low, self.high, self.gamma)

    def rgb_of(self, values: Plane) -> NDArray[np.uint8]:
        """Colours `(h, w, 3)` uint8 of values `(h, w, len(channels))`."""
        light = self.bytes_of(values)
        if light.shape[2] == 1:
            return _bytes(cv2.cvtColor(light, cv2.COLOR_GRAY2RGB))
        if self.channels == (0, 1, 2):
            return light
        return _added(light, [CHANNEL_COLORS[c % len(CHANNEL_COLORS)] for c in self.channels])


class Pyramid:
    """A plane at full size and halved again and again.

    Parameters
    ----------
    pixels : ndarray, (H, W, C)
        Any real type; not copied.
    """

    version = 0
    """Raised when a view may show more than before."""

    def __init__(self, pixels: Plane) -> None:
        self._levels = [pixels]

    @property
    def is_reading(self) -> bool:
        """More than there is was asked for, and will be there in a moment."""
        return False

    @property
    def n_levels(self) -> int:
        """How many levels exist so far; level 0 is the plane itself."""
        return len(self._levels)

    def build(self) -> None:
        """Make every level; another thread may render meanwhile with those that exist."""
        while max(self._levels[-1].shape[:2]) > _SMALLEST and min(self._levels[-1].shape[:2]) >= 4:
            self._levels.append(_halved(self._levels[-1]))

    def level(self, scale: float) -> tuple[Plane, int]:
        """The coarsest level so far that is not magnified at this scale, and its number."""
        number = min(level_for(scale), len(self._levels) - 1)
        return self._levels[number], number

    def rendered(self, viewport: Viewport, look: Look) -> NDArray[np.uint8]:
        """What the view shows.

        Parameters
        ----------
        viewport : Viewport
            In device pixels.
        look : Look
            Contrast and channels.

        Returns
        -------
        ndarray, (h, w, 3) uint8
            One value per view pixel of `viewport.samples()`.
        """
        plane, number = self.level(viewport.scale)
        return rendered_of(plane, number, viewport, look)


def level_for(scale: float) -> int:
    """Number of the coarsest level that is not magnified at a scale."""
    return int(np.floor(-np.log2(scale) + 1e-9)) if scale < 1 else 0


def rendered_of(plane: Any, number: int, viewport: Viewport, look: Look) -> NDArray[np.uint8]:
    """What a view shows of one level; see `Pyramid.rendered`.

    Parameters
    ----------
    plane : ndarray, (h, w, C), or alike
        The level, or whatever gives rectangles of it.
    number : int
        Which level: its pixels are 2 to this power wide.
    viewport : Viewport
        In device pixels.
    look : Look
        Contrast and channels.
    """
    samples, step = viewport.samples(), 1 << number
    if 0 in samples.shape or not look.channels:
        return np.zeros((*samples.shape, 3), np.uint8)
    if viewport.scale >= 1 and number == 0:
        rows, cols = samples.place
        crop = look.rgb_of(_chosen(plane[rows, cols], look.channels))
        inside = Samples(samples.rows - rows.start, samples.cols - cols.start, 0, 0)
        return _bytes(inside.of(crop))
    if viewport.scale * step < 0.5:  # the level that fits is still being built
        return look.rgb_of(_chosen(_coarsely(plane, samples, step), look.channels))
    return look.rgb_of(_shrunk(plane, viewport, step, channels=look.channels))


def value_at(image: Image, row: int, col: int) -> tuple[float, ...]:
    """The values of one pixel as they are in the file, whole numbers as int."""
    return tuple(value.item() for value in image.pixels[row, col])


def _brightness(values: Plane, low: float, high: float, gamma: float) -> NDArray[np.uint8]:
    span = max(high - low, float(np.finfo(np.float32).tiny))
    unit = np.clip((values.astype(np.float32) - np.float32(low)) / np.float32(span), 0, 1)
    if gamma != 1:
        unit **= np.float32(gamma)
    return _bytes(np.rint(unit * 255))


@lru_cache(maxsize=8)
def _table(low: float, high: float, gamma: float, dtype: str) -> NDArray[np.uint8]:
    """The brightness of every value that an 8 or 16-bit pixel can have."""
    return _brightness(np.arange(np.iinfo(np.dtype(dtype)).max + 1), low, high, gamma)


def _bytes(array: Plane) -> NDArray[np.uint8]:
    return array.astype(np.uint8, copy=False)


def _added(light: NDArray[np.uint8], colors: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    total = np.zeros((*light.shape[:2], 3), np.uint8)
    for channel, color in enumerate(colors):
        for part in np.flatnonzero(color):
            total[..., part] = cv2.add(total[..., part], light[..., channel])
    return total


def _chosen(plane: Plane, channels: tuple[int, ...]) -> Plane:
    first, last = channels[0], channels[-1]
    if channels == tuple(range(first, last + 1)):
        return plane[..., first : last + 1]
    return plane[..., list(channels)]


def _scalable(plane: Plane) -> Plane:
    """The plane in a type that OpenCV scales."""
    if plane.dtype.name in _READY_MADE:
        return plane
    return plane.astype(np.uint8 if plane.dtype == np.bool_ else np.float32)


def _halved(plane: Plane) -> Plane:
    """Mean of each 2 x 2 pixels; an odd last row or column is left out."""
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    even = plane[: 2 * height, : 2 * width]
    edges = [*range(0, 2 * height, _SLAB), 2 * height]
    slabs = [_halved_slab(even[start:stop]) for start, stop in pairwise(edges)]
    return np.concatenate(slabs)


def _halved_slab(slab: Plane) -> Plane:
    size = slab.shape[1] // 2, slab.shape[0] // 2
    return _by_fours(
        _scalable(slab), lambda part: cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    )


def _coarsely(plane: Plane, samples: Samples, step: int) -> Plane:
    """Nearest neighbours from a level that is too fine."""
    rows = np.minimum(samples.rows // step, plane.shape[0] - 1)
    cols = np.minimum(samples.cols // step, plane.shape[1] - 1)
    return Samples(rows, cols, 0, 0).of(plane)


def _shrunk(plane: Plane, viewport: Viewport, step: int, *, channels: tuple[int, ...]) -> Plane:
    """The visible part of a level that is at most twice too large, interpolated."""
    samples = viewport.samples()
    rows, cols = (_around(part, step) for part in samples.place)
    crop = _scalable(_chosen(plane[rows, cols], channels))
    pitch = 1 / (viewport.scale * step)
    start = [
        (first + 0.5) * pitch + begin / step - 0.5 - part.start
        for first, begin, part in (
            (samples.left, viewport.left, cols),
            (samples.top, viewport.top, rows),
        )
    ]
    matrix = np.array([[pitch, 0, start[0]], [0, pitch, start[1]]])
    size = samples.shape[::-1]
    return _by_fours(crop, lambda part: _warped(part, matrix, size))


def _warped(part: Plane, matrix: NDArray[np.float64], size: tuple[int, ...]) -> Plane:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shrunk: Plane = cv2.warpAffine(part, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return shrunk


def _by_fours(plane: Plane, scaled: Callable[[Plane], Plane]) -> Plane:
    """Apply a function of OpenCV, which takes at most four channels and drops a single axis."""
    parts = [scaled(plane[..., c : c + 4]) for c in range(0, plane.shape[2], 4)]
    return np.concatenate([np.atleast_3d(part) for part in parts], axis=2)


def _around(visible: slice, step: int) -> slice:
    """The part of a level under a visible stretch, with a pixel to interpolate with."""
    return slice(max(0, visible.start // step - 1), -(-visible.stop // step) + 1)
