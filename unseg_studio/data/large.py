"""Images that are too large to be worked on as a whole: their pixels stay in the file."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box
from unseg_studio.data.image import Image, estimate_value_range, is_large, require_type, shown
from unseg_studio.data.levels import Levels
from unseg_studio.data.reading import describe_image, open_levels, read_image

_LARGEST_TILE = 16 * 2**20
"""Bytes of a tile from which on a file is read as a whole: every rectangle would decode so much."""

_SPREAD = 8
"""A first look at values and colours takes so many small rectangles along each side."""

_GLANCE = 128
"""Pixels along the side of each of them."""


def open_image(path: str | Path, plane: int | None = None) -> Image:
    """Open one plane: as `read_image` does, but large ones stay in their file.

    Parameters
    ----------
    path : str or Path
        The file or the OME-Zarr folder.
    plane : int or None
        As for `read_image`.

    Returns
    -------
    Image
        A `LargeImage` where the plane is large and its file gives rectangles.

    Raises
    ------
    OSError, ValueError
        As `read_image` does.
    """
    height, width = _size_of(path)
    if not is_large((height, width)):
        return read_image(path, plane)
    levels = open_levels(path, plane)
    if levels.in_memory is not None:
        return levels.in_memory
    if levels.largest_tile > _LARGEST_TILE:
        levels.close()
        return read_image(path, plane)
    return LargeImage.opened(levels)


def _size_of(path: str | Path) -> tuple[int, int]:
    try:
        return describe_image(path).shape
    except ValueError:  # `read_image` says what is wrong
        return 0, 0


class LazyPixels:
    """The pixels of a plane that are read when they are asked for; looks like an array.

    Whole slices with a step are means of a smaller level, as far as there is one; anything else
    than slices and single pixels reads the whole plane.

    Parameters
    ----------
    levels : Levels
        Where they are.
    """

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.shape = (*levels.shape, levels.n_channels)
        self.dtype = levels.dtype
        self.ndim = 3

    @property
    def size(self) -> int:
        """How many values there are."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Memory that they would take."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, key: Any) -> NDArray[Any]:
        match key:
            case (int() | np.integer() as row, int() | np.integer() as col):
                box = slice(int(row), int(row) + 1), slice(int(col), int(col) + 1)
                return np.asarray(self.levels.read(box)[0, 0])
            case (slice() as rows, slice() as cols):
                return self._window(rows, cols)
        return cast("NDArray[Any]", np.asarray(self)[key])

    def _window(self, rows: slice, cols: slice) -> NDArray[Any]:
        (top, bottom, down), (left, right, across) = (
            part.indices(length) for part, length in zip((rows, cols), self.shape, strict=False)
        )
        step = 1 << (max(1, min(down, across)).bit_length() - 1)  # as files have their levels
        small = self.levels.shrunk((slice(top, bottom), slice(left, right)), step)
        return small[:: max(1, down // step), :: max(1, across // step)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.levels.read((slice(None), slice(None)))
        return whole.astype(dtype, copy=False) if dtype is not None else whole


@dataclass(frozen=True, eq=False)
class LargeImage(Image):
    """One plane that stays in its file; made by `open_image`.

    `pixels` reads what it is asked for. What works on whole planes must not be given this image,
    but parts of it (`part`).
    """

    levels: Levels | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_type(self.pixels, self.source.name)
        if self.levels is not None:
            weakref.finalize(self.pixels, self.levels.close)  # the last to know of it

    @classmethod
    def opened(cls, levels: Levels) -> LargeImage:
        """Take an open plane and look at a few places of it for the value range."""
        pixels = cast("NDArray[np.generic]", LazyPixels(levels))
        few = glance(levels) if levels.dtype != np.uint8 else np.zeros((1, 1, 1), np.uint8)
        return cls(pixels, levels.source, estimate_value_range(few), levels)

    def sample(self, n: int) -> NDArray[np.generic]:
        """Small places from all over the plane, side by side, in every channel."""
        return glance(self._open)

    def glimpse(self, side: int) -> NDArray[np.uint8]:
        """Small places from all over the plane, side by side, as people see them."""
        return shown(glance(self._open), self.value_range)

    def shrunk(self, box: Box, step: int) -> NDArray[np.generic]:
        """A rectangle with the mean of every `step` x `step` pixels: `(h, w, C)`."""
        return self._open.shrunk(box, step)

    @property
    def _open(self) -> Levels:
        if self.levels is None:
            raise ValueError(f"{self.source.name} is not open; open it with `open_image`.")
        return self.levels


def glance(levels: Levels) -> NDArray[np.generic]:
    """Small rectangles from all over a plane, side by side: `(h, w, C)`."""
    rows, cols = (_places(length) for length in levels.shape)
    bands = [np.concatenate([levels.read((r, c)) for c in cols], axis=1) for r in rows]
    return np.concatenate(bands)


def _places(length: int) -> list[slice]:
    side = min(_GLANCE, length)
    starts = np.linspace(0, length - side, _SPREAD if length > side else 1).astype(int)
    return [slice(int(start), int(start) + side) for start in starts]
