"""Large images: any rectangle at any level, without reading the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from unseg_studio.data.accepted import UnreadableImageError, damaged
from unseg_studio.data.boxes import Box
from unseg_studio.data.channels import Pixels
from unseg_studio.data.grids import ArrayGrid, Grid, TileCache, assembled
from unseg_studio.data.image import Image, Source, estimate_value_range

CACHE_BYTES = 256 * 2**20
"""Decoded tiles that are kept."""

_BAND = 2_000_000
"""About so many pixels are read at once for an overview."""


class Levels:
    """One plane of a file, read by rectangles, at full resolution or smaller.

    Made by `open_levels`; a context manager that keeps the file open. May be used from several
    threads at once.

    Parameters
    ----------
    source : Source
        Where the plane comes from.
    grids : sequence of Grid
        The levels, full resolution first.
    resources : ExitStack or None
        What is closed in the end.
    """

    def __init__(
        self, source: Source, grids: Sequence[Grid], resources: ExitStack | None = None
    ) -> None:
        self.source = source
        self._grids = tuple(grids)
        self._resources = resources or ExitStack()
        self._cache = TileCache(CACHE_BYTES)

    @classmethod
    def of(cls, image: Image) -> Levels:
        """An image in memory, with the same face."""
        return cls(image.source, [ArrayGrid(image.pixels)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget the tiles."""
        self._cache.clear()
        self._resources.close()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) at full resolution."""
        return self._grids[0].shape

    @property
    def n_channels(self) -> int:
        """How many channels a pixel has."""
        return self._grids[0].channels

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values."""
        return self._grids[0].dtype

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of every level, full resolution first."""
        return tuple(grid.shape for grid in self._grids)

    @property
    def raw_bytes(self) -> int:
        """Memory that the whole plane would take."""
        return self.shape[0] * self.shape[1] * self.n_channels * self.dtype.itemsize

    def read(self, box: Box, level: int = 0) -> Pixels:
        """Decode a rectangle: `(h, w, C)` in the type of the file.

        Parameters
        ----------
        box : (slice, slice)
            Rows and columns of the level; cut off where they lead out of it.
        level : int
            Index into `shapes`.

        Raises
        ------
        ValueError
            If the rectangle is empty, or the file is damaged there.
        """
        grid = self._grids[level]
        inside = _inside(box, grid.shape)
        try:
            return assembled(grid, inside, level=level, cache=self._cache)
        except UnreadableImageError:
            raise
        except Exception as error:
            # Decoders fail on damaged files with whatever their first surprise raises.
            raise damaged(self.source.path or Path(self.source.name), "image") from error

    def image(self, box: Box, value_range: tuple[float, float]) -> Image:
        """A rectangle at full resolution as an `Image`, for the engine.

        Parameters
        ----------
        box : (slice, slice)
            Rows and columns.
        value_range : (float, float)
            That of the whole plane (`value_range`), so that all parts look alike.

        Raises
        ------
        ValueError
            If the file is damaged there or there is nothing to segment.
        """
        return Image(self.read(box), self.source, value_range)

    def level_for(self, side: int) -> int:
        """The smallest level whose longer side has at least so many pixels, else the first."""
        enough = [n for n, shape in enumerate(self.shapes) if max(shape) >= side]
        return min(enough, key=lambda n: max(self.shapes[n]), default=0)

    def overview(self, side: int = 1024) -> Iterator[Pixels]:
        """The whole plane, small, band by band from the top.

        Reads the level that fits; without a pyramid in the file that is every tile once.

        Parameters
        ----------
        side : int
            The longer side has at most so many pixels; a power of two smaller than the level.

        Yields
        ------
        ndarray, (h, w, C)
            The same array every time, in which more rows are filled; the rest is 0. The last
            one is complete.
        """
        level = self.level_for(side)
        height, width = self.shapes[level]
        step = 1 << max(0, (-(-max(height, width) // side) - 1).bit_length())
        small = np.zeros((-(-height // step), -(-width // step), self.n_channels), self.dtype)
        tile = self._grids[level].tile[0]
        rows = max(tile, _BAND // width // tile * tile)
        rows = -(-rows // step) * step
        for top in range(0, height, rows):
            band = self.read((slice(top, top + rows), slice(0, width)), level)
            part = _shrunk(band, step)
            small[top // step : top // step + len(part)] = part
            yield small

    def value_range(self, side: int = 1024) -> tuple[float, float]:
        """(low, high) as `Image.of` estimates it, from the overview."""
        if self.dtype == np.uint8:
            return 0.0, 255.0
        small = None
        for small in self.overview(side):  # noqa: B007
            pass
        return estimate_value_range(small) if small is not None else (0.0, 1.0)


def _inside(box: Box, shape: tuple[int, int]) -> Box:
    rows, cols = (
        slice(max(0, part.start or 0), length if part.stop is None else min(part.stop, length))
        for part, length in zip(box, shape, strict=True)
    )
    if rows.start >= rows.stop or cols.start >= cols.stop:
        raise ValueError(
            f"The rectangle {box} holds no pixel of {shape[1]} x {shape[0]} px; accepted are "
            "rectangles that overlap it."
        )
    return rows, cols


def _shrunk(band: Pixels, step: int) -> Pixels:
    """Means of step x step pixels; the last row and column are repeated to fill them."""
    if step == 1:
        return band
    edge = [(0, -length % step) for length in band.shape[:2]]
    even = np.pad(band, [*edge, (0, 0)], mode="edge") if any(map(any, edge)) else band
    blocks = len(even) // step, step, even.shape[1] // step, step, even.shape[2]
    if band.dtype in (np.uint8, np.uint16, np.int16, np.float32) and band.shape[2] <= 4:
        size = blocks[2], blocks[0]
        return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA)).reshape(
            blocks[0], blocks[2], blocks[4]
        )
    means = even.reshape(blocks).mean(axis=(1, 3), dtype=np.float64)
    small: Pixels = (means if band.dtype.kind == "f" else np.rint(means)).astype(band.dtype)
    return small
