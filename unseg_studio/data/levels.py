"""Large images: any rectangle at any level, without reading the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, get_ident
from types import TracebackType
from typing import Self

import numpy as np

from unseg_studio.data.accepted import UnreadableImageError, damaged
from unseg_studio.data.boxes import Box, size_of
from unseg_studio.data.channels import Pixels
from unseg_studio.data.grids import ArrayGrid, Grid, TileCache, assembled
from unseg_studio.data.image import Image, Source, estimate_value_range, shrunk

CACHE_BYTES = 16 * 2**20
"""Decoded tiles that are kept."""

_BAND = 2_000_000
"""About so many pixels are read at once for an overview."""


_PATIENCE_S = 10.0
"""Who waits for a level that another thread makes reads for itself after so long."""


@dataclass(frozen=True, eq=False)
class _Filling:
    """A level of the whole plane that a thread is making."""

    step: int
    thread: int = field(default_factory=get_ident)
    done: Event = field(default_factory=Event)


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

    Attributes
    ----------
    in_memory : Image or None
        The image, where the whole of it is in memory.
    """

    def __init__(
        self, source: Source, grids: Sequence[Grid], resources: ExitStack | None = None
    ) -> None:
        self.source = source
        self._grids = tuple(grids)
        self._resources = resources or ExitStack()
        self.in_memory: Image | None = None
        self._cache = TileCache(CACHE_BYTES)
        self._filling: _Filling | None = None

    @classmethod
    def of(cls, image: Image) -> Levels:
        """An image in memory, with the same face."""
        levels = cls(image.source, [ArrayGrid(image.pixels)])
        levels.in_memory = image
        return levels

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

    @property
    def largest_tile(self) -> int:
        """Memory that a tile takes at full resolution, and so any rectangle at least."""
        height, width = self._grids[0].tile
        return height * width * self.n_channels * self.dtype.itemsize

    def read(self, box: Box, level: int = 0, *, is_kept: bool = True) -> Pixels:
        """Decode a rectangle: `(h, w, C)` in the type of the file.

        Parameters
        ----------
        box : (slice, slice)
            Rows and columns of the level; cut off where they lead out of it.
        level : int
            Index into `shapes`.
        is_kept : bool
            Keep the tiles for the next rectangle; False where each is needed once.

        Raises
        ------
        ValueError
            If the rectangle is empty, or the file is damaged there.
        """
        grid = self._grids[level]
        inside = _inside(box, grid.shape)
        try:
            cache = self._cache if is_kept else None
            return assembled(grid, inside, level=level, cache=cache)
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

    def shrunk(self, box: Box, step: int) -> Pixels:
        """A rectangle with the mean of every `step` x `step` pixels: `(h, w, C)`.

        Read from the smallest level that knows them.

        Parameters
        ----------
        box : (slice, slice)
            Rows and columns at full resolution, from whole multiples of `step` on.
        step : int
            1 or more; powers of two are those of most files.
        """
        rows, cols = _inside(box, self.shape)
        self._wait_for_filling(size_of((rows, cols)), step)
        level, factor = self._level_of(step)
        left, right = cols.start // factor, -(-cols.stop // factor)
        bands = [
            shrunk(
                self.read((slice(top, stop), slice(left, right)), level, is_kept=step == factor),
                step // factor,
            )
            for top, stop in self._bands(rows, cols, level, step=step, factor=factor)
        ]
        return bands[0] if len(bands) == 1 else np.concatenate(bands)

    def _wait_for_filling(self, size: tuple[int, int], step: int) -> None:
        """Let who makes a level of the whole end where most of it is asked for: decode once."""
        filling = self._filling
        is_most = size[0] * size[1] > self.shape[0] * self.shape[1] / 2
        if filling and is_most and step % filling.step == 0 and filling.thread != get_ident():
            filling.done.wait(_PATIENCE_S)

    def _bands(
        self, rows: slice, cols: slice, level: int, *, step: int, factor: int
    ) -> Iterator[tuple[int, int]]:
        """Rows of a level that are read at a time, so that shrinking needs little memory."""
        first, last = rows.start // factor, -(-rows.stop // factor)
        if step == factor:
            yield first, last
            return
        unit = self._grids[level].tile[0] * (step // factor)
        many = _BAND * factor // max(1, cols.stop - cols.start)
        height = max(1, many // unit) * unit
        for top in range(first, last, height):
            yield top, min(top + height, last)

    def _level_of(self, step: int) -> tuple[int, int]:
        """The smallest level of which whole pixels make one of `step`, and how many do."""
        found = {0: 1}
        for number, shape in enumerate(self.shapes):
            factor = round(self.shape[0] / shape[0])
            pairs = zip(self.shape, shape, strict=True)
            if step % factor == 0 and all(abs(a / factor - b) <= 1 for a, b in pairs):
                found[number] = factor
        return max(found.items(), key=lambda item: item[1])

    def filled(self, step: int) -> Iterator[Pixels]:
        """The whole plane with the mean of every `step` x `step` pixels, band by band.

        Once it is complete it is a level of its own, kept in memory. Others that ask for most of
        the plane at such a step meanwhile wait for that.

        Yields
        ------
        ndarray, (h, w, C)
            The same array every time, in which more rows are filled; the rest is 0.
        """
        (height, width), (level, factor) = self.shape, self._level_of(step)
        small = np.zeros((-(-height // step), -(-width // step), self.n_channels), self.dtype)
        unit = self._grids[level].tile[0] * factor
        rows = max(1, 2 * _BAND * factor**2 // (width * unit)) * unit
        rows = -(-rows // step) * step
        self._filling = filling = _Filling(step)
        try:
            for top in range(0, height, rows):
                band = self.shrunk((slice(top, top + rows), slice(0, width)), step)
                small[top // step : top // step + len(band)] = band[: len(small) - top // step]
                yield small
            self._grids = (*self._grids, ArrayGrid(small))
        finally:
            self._filling = None
            filling.done.set()

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
            span = slice(top, top + rows), slice(0, width)
            band = self.read(span, level, is_kept=False)
            part = shrunk(band, step)
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
