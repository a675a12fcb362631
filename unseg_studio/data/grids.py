"""A level of an image as a grid of tiles, and rectangles put together from them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from threading import Lock
from typing import Protocol

import numpy as np

from unseg_studio.data.boxes import Box
from unseg_studio.data.channels import Pixels

Place = tuple[int, int]


class Grid(Protocol):
    """One level of one plane, tile by tile."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @property
    def channels(self) -> int:
        """Channels of a pixel."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values, in the machine's byte order."""

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a tile; the last of a row or column may be smaller."""

    def decoded(self, row: int, col: int) -> Pixels:
        """One tile `(h, w, C)`; may be called from several threads at once."""


@dataclass(frozen=True, eq=False)
class ArrayGrid:
    """A plane that is in memory already."""

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """Channels of a pixel."""
        return int(self.pixels.shape[2])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values."""
        return self.pixels.dtype

    @property
    def tile(self) -> tuple[int, int]:
        """The whole plane."""
        return self.shape

    def decoded(self, row: int, col: int) -> Pixels:
        """The whole plane."""
        return self.pixels


class TileCache:
    """Decoded tiles, the ones used last, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._tiles: OrderedDict[tuple[int, Place], Pixels] = OrderedDict()
        self._lock = Lock()

    def get(self, level: int, grid: Grid, place: Place) -> Pixels:
        """A tile of a level, decoded where it is not kept."""
        key = level, place
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
                return tile
        tile = grid.decoded(*place)
        with self._lock:
            self._keep(key, tile)
        return tile

    def clear(self) -> None:
        """Forget all tiles."""
        with self._lock:
            self._tiles.clear()
            self._size = 0

    def _keep(self, key: tuple[int, Place], tile: Pixels) -> None:
        if key not in self._tiles and tile.nbytes <= self._limit // 4:
            self._tiles[key] = tile
            self._size += tile.nbytes
        while self._size > self._limit:
            self._size -= self._tiles.popitem(last=False)[1].nbytes


def assembled(grid: Grid, box: Box, *, level: int = 0, cache: TileCache | None = None) -> Pixels:
    """A rectangle of a grid `(h, w, C)`; its tiles are decoded on all cores."""
    rows, cols = box
    whole = np.empty((rows.stop - rows.start, cols.stop - cols.start, grid.channels), grid.dtype)

    def lay(place: Place) -> None:
        tile = cache.get(level, grid, place) if cache else grid.decoded(*place)
        to, at = _overlap(grid, place, box)
        whole[to] = tile[at]

    places = list(_places(grid, box))
    if len(places) == 1:
        lay(places[0])
        return whole
    for _ in _workers().map(lay, places):
        pass
    return whole


def n_tiles(grid: Grid) -> int:
    """How many tiles a level has."""
    pairs = zip(grid.shape, grid.tile, strict=True)
    rows, cols = (-(-length // side) for length, side in pairs)
    return rows * cols


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="tiles")


def _places(grid: Grid, box: Box) -> Iterator[Place]:
    numbers = (
        range(part.start // side, -(-part.stop // side))
        for part, side in zip(box, grid.tile, strict=True)
    )
    return product(*numbers)  # type: ignore[return-value]


def _overlap(grid: Grid, place: Place, box: Box) -> tuple[Box, Box]:
    """Where a tile lies in the rectangle, and which part of the tile that is."""
    to, at = [], []
    for number, side, part in zip(place, grid.tile, box, strict=True):
        start, stop = max(part.start, number * side), min(part.stop, (number + 1) * side)
        to.append(slice(start - part.start, stop - part.start))
        at.append(slice(start - number * side, stop - number * side))
    return (to[0], to[1]), (at[0], at[1])
