"""One 2-D plane to annotate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box

_Value = TypeVar("_Value", bound=np.generic)

ROBUST_PERCENTILES = (0.1, 99.9)
"""Values outside are taken for hot and dead pixels when a value range is estimated."""

LARGEST_VALUE = 1e30
"""Values beyond leave no room for arithmetic in float32."""

LARGE = 24_000_000
"""Planes of more pixels are worked on by the part on the screen, and read as they are looked at."""

_SAMPLE = 1_000_000
"""A value range is estimated on at most about this many pixels."""

_STRIP = 1_000_000
"""About so many pixels at a time are turned into what people see."""

_BYTES = (0.0, 255.0)
"""The value range in which bytes are shown as they are."""


def is_large(shape: tuple[int, int]) -> bool:
    """Say whether a plane of this (height, width) is worked on by the part on the screen."""
    return shape[0] * shape[1] > LARGE


@dataclass(frozen=True)
class Source:
    """Where an image came from.

    Parameters
    ----------
    path : Path or None
        The file, or None for an array handed over by a program.
    plane : int or None
        Index of the plane inside a stack, None for a single image.
    n_planes : int
        How many planes the file holds.
    pixel_size : tuple of float or None
        (row, column) size of a pixel in micrometres, where the file says so.
    """

    path: Path | None = None
    plane: int | None = None
    n_planes: int = 1
    pixel_size: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """File name with the plane, as shown in titles."""
        stem = self.path.name if self.path else "array"
        return stem if self.plane is None else f"{stem} [{self.plane}]"


@dataclass(frozen=True, eq=False)
class Image:
    """One plane, `(H, W, C)`, with its source and value range.

    Parameters
    ----------
    pixels : ndarray, (H, W, C)
        Values as read: uint8, uint16, int16, float32, ... Read-only from here on.
        C is 1 (grey), 3 (RGB) or any other count of channels.
    source : Source
        File, plane and pixel size.
    value_range : tuple of float
        (low, high) values that are shown as black and white and reach the segmenters as 0 and 1.
        Estimated by `Image.of` where it is not given.

    Raises
    ------
    ValueError
        If the array is no `(H, W, C)` plane, is smaller than 2 x 2 px, holds NaN or infinite
        values, or has the same value everywhere: there would be nothing to segment.
    """

    pixels: NDArray[np.generic]
    source: Source = field(default_factory=Source)
    value_range: tuple[float, float] = (0.0, 255.0)

    def __post_init__(self) -> None:
        require_segmentable(self.pixels, self.source.name)
        self.pixels.setflags(write=False)

    @classmethod
    def of(cls, array: NDArray[np.generic], source: Source | None = None) -> Image:
        """Make an image of a `(H, W)` or `(H, W, C)` array and estimate its value range."""
        pixels = array[..., np.newaxis] if array.ndim == 2 else array
        source = source or Source()
        require_segmentable(pixels, source.name)
        return cls(pixels, source, estimate_value_range(pixels))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def n_channels(self) -> int:
        """How many channels the plane has."""
        return int(self.pixels.shape[2])

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The pixels as `(H, W, C)` float32 in [0, 1], `value_range` mapped to the ends."""
        return self.contrasted(*self.value_range)

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """The plane as people see it: `(H, W, 3)` uint8, RGB.

        Bytes in their full range are shown as they are, without a copy where they are RGB.
        Other values are turned strip by strip, so that a large plane costs what is shown of it.
        """
        rgb = shown(np.asarray(self.pixels), self.value_range)
        rgb.setflags(write=False)
        return rgb

    def sample(self, n: int) -> NDArray[np.generic]:
        """About `n` pixels from all over the plane, in every channel: `(h, w, C)`."""
        stride = max(1, int(np.sqrt(self.shape[0] * self.shape[1] / n)))
        return self.pixels[::stride, ::stride]

    def glimpse(self, side: int) -> NDArray[np.uint8]:
        """The plane as people see it, of every n-th pixel: `(h, w, 3)` uint8, RGB.

        Parameters
        ----------
        side : int
            About so many pixels along the longer side, at least.
        """
        step = max(1, max(self.shape) // side)
        if is_large(self.shape):
            return shown(np.ascontiguousarray(self.pixels[::step, ::step]), self.value_range)
        return np.ascontiguousarray(self.rgb[::step, ::step])

    def shrunk(self, box: Box, step: int) -> NDArray[np.generic]:
        """A rectangle with the mean of every `step` x `step` pixels: `(h, w, C)`."""
        return shrunk(self.pixels[box], step)

    def part(self, box: Box, step: int = 1) -> Image:
        """A rectangle as an image of its own, every `step` x `step` pixels as one.

        Raises
        ------
        ValueError
            If there is nothing to segment: the same value everywhere.
        """
        return Image(self.shrunk(box, step).copy(), self.source, self.value_range)

    def contrasted(self, low: float, high: float) -> NDArray[np.float32]:
        """Map [low, high] to [0, 1] and clip: `(H, W, C)` float32."""
        unit = _contrasted(np.asarray(self.pixels), (low, high))
        unit.setflags(write=False)
        return unit

    def with_range(self, low: float, high: float) -> Image:
        """The same plane with another value range."""
        return replace(self, value_range=(float(low), float(high)))


def shown(pixels: NDArray[np.generic], value_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as people see them: `(h, w, 3)` uint8, RGB; see `Image.rgb`."""
    if pixels.dtype == np.uint8 and value_range == _BYTES:
        return np.ascontiguousarray(three_channels(pixels.view(np.uint8)))
    height, width = pixels.shape[:2]
    rgb = np.empty((height, width, 3), np.uint8)
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        strip = _contrasted(pixels[top : top + step], value_range)
        rgb[top : top + step] = np.rint(three_channels(strip) * 255)
    return rgb


def shrunk(pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """Means of step x step pixels; the last row and column are repeated to fill them."""
    if step == 1:
        return pixels
    edge = [(0, -length % step) for length in pixels.shape[:2]]
    even = np.pad(pixels, [*edge, (0, 0)], mode="edge") if any(map(any, edge)) else pixels
    blocks = len(even) // step, step, even.shape[1] // step, step, even.shape[2]
    if pixels.dtype in (np.uint8, np.uint16, np.int16, np.float32) and pixels.shape[2] <= 4:
        size = blocks[2], blocks[0]
        return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA)).reshape(
            blocks[0], blocks[2], blocks[4]
        )
    means = even.reshape(blocks).mean(axis=(1, 3), dtype=np.float64)
    small: NDArray[Any] = (means if pixels.dtype.kind == "f" else np.rint(means)).astype(
        pixels.dtype
    )
    return small


def _contrasted(
    pixels: NDArray[np.generic], value_range: tuple[float, float]
) -> NDArray[np.float32]:
    low, high = value_range
    # Wide values lose their differences in float32 before `low` is taken off.
    exact = np.dtype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
    span = max(high - low, float(np.finfo(np.float32).tiny))
    values: NDArray[np.floating] = pixels.astype(exact)
    np.subtract(values, exact.type(low), out=values)
    np.clip(values, 0, exact.type(span), out=values)
    np.divide(values, exact.type(span), out=values)
    return values.astype(np.float32, copy=False)


def three_channels(unit: NDArray[_Value]) -> NDArray[_Value]:
    """Show any channel count as three: grey repeated, two as red and green, more as the first 3."""
    channels = unit.shape[2]
    if channels == 1:
        return np.repeat(unit, 3, axis=2)
    if channels == 2:
        return np.concatenate([unit, np.zeros_like(unit[..., :1])], axis=2)
    return unit[..., :3]


def estimate_value_range(pixels: NDArray[np.generic]) -> tuple[float, float]:
    """(low, high) for display and segmenters: the full range of bytes, else robust percentiles."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    if pixels.dtype == np.bool_:
        return 0.0, 1.0
    stride = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLE)))
    sample = pixels[::stride, ::stride].astype(np.float64)
    low, high = np.percentile(sample, ROBUST_PERCENTILES)
    if high <= low:
        low, high = pixels.min(), pixels.max()
    return float(low), float(high)


def require_segmentable(pixels: NDArray[np.generic], name: str) -> None:
    """Raise ValueError, in a sentence for the person, where there is nothing to segment."""
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(
            f"{name} has the array shape {pixels.shape}; accepted is one plane of height x width x "
            "channels. Choose a plane or drop the extra axes."
        )
    height, width = pixels.shape[:2]
    if min(height, width) < 2:
        raise ValueError(
            f"{name} is {width} x {height} px; accepted are images of at least 2 x 2 px. "
            "Choose a larger image."
        )
    require_type(pixels, name)
    low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(pixels.size - np.isfinite(pixels).sum())
        raise ValueError(
            f"{name} holds {bad} values that are NaN or infinite; accepted are finite numbers. "
            "Replace them, for example with 0, and open the image again."
        )
    if max(abs(float(low)), abs(float(high))) > LARGEST_VALUE:
        raise ValueError(
            f"{name} holds values from {low:g} to {high:g}; accepted are values between "
            f"-{LARGEST_VALUE:g} and {LARGEST_VALUE:g}. Scale them down first."
        )
    if low == high:
        raise ValueError(
            f"{name} has the same value ({low}) in every pixel, so there is nothing to segment; "
            "accepted are images with at least two values. Choose another image or plane."
        )


def require_type(pixels: NDArray[np.generic], name: str) -> None:
    """Raise ValueError, in a sentence for the person, where the values are no real numbers."""
    if np.issubdtype(pixels.dtype, np.complexfloating) or pixels.dtype.kind not in "buif":
        raise ValueError(
            f"{name} holds values of type {pixels.dtype}; accepted are integers and real numbers. "
            "Convert the image first."
        )
