"""Tiles of a TIFF plane, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unseg_studio.data.accepted import damaged
from unseg_studio.data.channels import Pixels
from unseg_studio.data.tiff import Layout, orientation, seen
from unseg_studio.data.tiff_checks import require_segment, require_whole


@dataclass(frozen=True, eq=False)
class TiffGrid:
    """One level of a plane: one page, or one page per channel.

    Parameters
    ----------
    pages : tuple of tifffile.TiffPage
        Of one shape and one way of storing.
    path : Path
        For messages.
    is_imagej : bool
        Whether colour tables only tint grey values.
    channels : int
        Channels as shown.
    dtype : np.dtype
        Type as shown.
    """

    pages: tuple[Any, ...]
    path: Path
    is_imagej: bool
    channels: int
    dtype: np.dtype[np.generic]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        page = self.pages[0].keyframe
        return int(page.imagelength), int(page.imagewidth)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile or strip."""
        page = self.pages[0].keyframe
        if page.is_tiled:
            return int(page.tilelength), int(page.tilewidth)
        return min(int(page.rowsperstrip), self.shape[0]), self.shape[1]

    def decoded(self, row: int, col: int) -> Pixels:
        """One tile `(h, w, C)`, as people see it."""
        parts = [part for page in self.pages for part in self._samples(page, row, col)]
        stored = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        shown = seen(stored, self.pages[0].keyframe, self.path, self.is_imagej)
        return np.ascontiguousarray(shown, self.dtype)

    def _samples(self, page: Any, row: int, col: int) -> list[Pixels]:
        """The tile of a page, or one per sample where these are stored apart."""
        rows, cols = (-(-n // side) for n, side in zip(self.shape, self.tile, strict=True))
        apart = page.keyframe.planarconfig == 2
        n_samples = page.keyframe.samplesperpixel if apart else 1
        return [
            self._segment(page, (n * rows + row) * cols + col, (row, col)) for n in range(n_samples)
        ]

    def _segment(self, page: Any, index: int, place: tuple[int, int]) -> Pixels:
        offset, size = page.dataoffsets[index], page.databytecounts[index]
        height, width = (
            min(side, length - number * side)
            for number, side, length in zip(place, self.tile, self.shape, strict=True)
        )
        if not size:  # a tile that was left out
            n_samples = page.keyframe.samplesperpixel if page.keyframe.planarconfig == 1 else 1
            return np.full((height, width, n_samples), page.nodata, page.keyframe.dtype)
        data = self._bytes(page, offset, size)
        require_segment(data, page.keyframe, self.path)
        values, _, shape = page.decode(data, index, jpegtables=page.jpegtables)
        if values is None:
            raise damaged(self.path, "TIFF")
        whole: Pixels = values.reshape(shape)[0]
        return whole[:height, :width]

    def _bytes(self, page: Any, offset: int, size: int) -> bytes:
        file = page.parent.filehandle
        with file.lock:
            file.seek(offset)
            return bytes(file.read(size))


def tiff_grids(tiff: Any, path: Path, plane: int) -> list[TiffGrid] | None:
    """The levels of a plane; None where its tiles cannot be decoded one by one.

    That is where planes share pages, where pages lie in other files, and where opacity decides
    about the whole plane.
    """
    if orientation(tiff) != 1:
        return None
    found = [_grid(level, tiff, path, plane) for level in tiff.series[0].levels]
    grids = [grid for grid in found if grid is not None]
    if found[0] is None or any(grid.channels != found[0].channels for grid in grids):
        return None
    return grids


def _grid(series: Any, tiff: Any, path: Path, plane: int) -> TiffGrid | None:
    layout = Layout.of(series, path)
    pages = layout.pages(plane)
    if pages is None or not all(_is_simple(page, tiff) for page in pages):
        return None
    for page in pages:
        require_whole(page, path)
        # Read from the file on first use, which threads must not do at once.
        _ = page.dataoffsets, page.databytecounts, page.jpegtables, page.keyframe.decode
    shown = layout.shown(tiff.is_imagej)
    grid = TiffGrid(tuple(pages), path, tiff.is_imagej, *shown)
    return grid if grid.shape == layout.size and min(grid.tile) > 0 else None


def _is_simple(page: Any, tiff: Any) -> bool:
    if page is None or page.parent is not tiff or page.keyframe.imagedepth != 1:
        return False
    opacity = [sample.name for sample in page.keyframe.extrasamples]
    flat = page.keyframe.tiledepth == 1 if page.keyframe.is_tiled else True
    return flat and not set(opacity) & {"ASSOCALPHA", "UNASSALPHA"}
