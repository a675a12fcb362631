"""What the person drew to steer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseg_studio.data.boxes import Box, shifted, union
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.data.mosaic import IdPlane, Mosaic
from unseg_studio.data.strokes import stroke_patch
from unseg_studio.data.tile import Ids, Tile

UNMARKED = 0


@dataclass(frozen=True, eq=False, init=False)
class Scribbles(IdPlane):
    """`(H, W)` int32: 0 = unmarked, otherwise a category id. Immutable.

    Raises
    ------
    ValueError
        If an array is not two-dimensional or holds ids that no category can have.
    """

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Scribbles:
        """Nothing drawn on a plane of this (height, width)."""
        return cls(Mosaic.full(shape, UNMARKED))

    @property
    def is_empty(self) -> bool:
        """Nothing is marked."""
        return not self.categories

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """Ids that have at least one marked pixel, ascending."""
        return tuple(sorted(self.mosaic.areas.keys() - {UNMARKED}))

    @cached_property
    def box(self) -> Box | None:
        """The smallest rectangle that holds every marked pixel; None where none is marked."""
        boxes = []
        for tile, (rows, cols) in self._marked():
            if tile.filled:
                boxes.append(shifted(tile.filled, rows.start, cols.start))
        return union(boxes)

    def painted(self, points: ArrayLike, category: int, *, radius: float) -> Scribbles:
        """Add a stroke through `points`, (N, 2) (row, column), `radius` in pixels."""
        _require_accepted(category, category)
        mosaic = self.mosaic.painted(stroke_patch(self.shape, points, radius), category)
        return self if mosaic is self.mosaic else Scribbles(mosaic)

    def erased(self, points: ArrayLike, *, radius: float) -> Scribbles:
        """Remove what lies under a stroke through `points`."""
        return self.painted(points, UNMARKED, radius=radius)

    def without(self, category: int) -> Scribbles:
        """Remove every stroke of one category."""
        return Scribbles(self.mosaic.replaced(category, UNMARKED))

    def adds_to(self, other: Scribbles) -> bool:
        """Say whether all that is marked in `other` is marked alike here, and something more."""
        apart = self.mosaic.apart(other.mosaic)
        pairs = [(self.mosaic.tiles[n], other.mosaic.tiles[n]) for n in apart]
        if any(_loses(new, old) for new, old in pairs):
            return False
        return any(not new.equals(old) for new, old in pairs)

    def resized(self, shape: tuple[int, int]) -> Scribbles:
        """The strokes on another plane: a pixel takes the category that covers most of it."""
        if shape == self.shape:
            return self
        if shape not in self._smaller:
            larger = shape[0] > self.shape[0] or shape[1] > self.shape[1]
            ids = self._nearest(shape) if larger else self._shrunk(shape)
            self._smaller[shape] = Scribbles(ids)
        return self._smaller[shape]

    def require_shape(self, shape: tuple[int, int]) -> None:
        """Raise ValueError, in a sentence for the person, if they are of another size."""
        if self.shape != shape:
            raise ValueError(
                f"The scribbles are {self.shape[1]} x {self.shape[0]} px, the image is "
                f"{shape[1]} x {shape[0]} px; accepted are scribbles of the image's size. "
                "Draw them on this image, or choose the image that they were drawn on."
            )

    @cached_property
    def _smaller(self) -> dict[tuple[int, int], Scribbles]:
        return {}

    def parts(self) -> Iterator[tuple[Ids, Box]]:
        """Rectangles that hold every stroke: their ids, `(h, w)` int32, and where they lie."""
        return ((tile.ids, box) for tile, box in self._marked())

    def _marked(self) -> Iterator[tuple[Tile, Box]]:
        """The tiles that hold something, and where they lie."""
        for number, tile in enumerate(self.mosaic.tiles):
            if not tile.holds_only(UNMARKED):
                yield tile, self.mosaic.box_of(number)

    def _nearest(self, shape: tuple[int, int]) -> Ids:
        rows, cols = (
            (2 * np.arange(new) + 1) * old // (2 * new)
            for old, new in zip(self.shape, shape, strict=True)
        )
        return self.mosaic.sampled(rows, cols)

    def _shrunk(self, shape: tuple[int, int]) -> Ids:
        small, most = np.zeros(shape, np.int32), np.zeros(shape)
        for category in self.categories:
            cover = self._cover(category, shape)
            small[cover > most] = category
            most = np.maximum(most, cover)
        return small

    def _cover(self, category: int, shape: tuple[int, int]) -> NDArray[np.float64]:
        """How much a category covers of each pixel of a smaller plane, in equal parts."""
        height, width = shape
        cover = np.zeros((height + 1, width + 1))
        for tile, (rows, cols) in self._marked():
            if tile.holds(category):
                down = _shares(rows.start, rows.stop, length=self.shape[0], coarse=height)
                across = _shares(cols.start, cols.stop, length=self.shape[1], coarse=width)
                cover[down.place, across.place] += _tile_cover(tile, category, down, across)
        return cover[:height, :width]

    @classmethod
    def _accepted(cls, ids: Ids) -> Mosaic:
        mosaic = super()._accepted(ids)
        if ids.size:
            _require_accepted(int(ids.min()), int(ids.max()))
        return mosaic


def _loses(new: Tile, old: Tile) -> bool:
    """Whether something that the old tile marks is marked otherwise in the new one, or not."""
    if old.filled is None:
        return False
    place = old.filled
    before = old.window(place)
    return bool(((before != UNMARKED) & (before != new.window(place))).any())


def _require_accepted(lowest: int, highest: int) -> None:
    if not 0 <= lowest <= highest <= MAX_CATEGORY:
        raise ValueError(
            f"Scribbles hold ids from {lowest} to {highest}; accepted are {UNMARKED} "
            f"(unmarked) and category ids up to {MAX_CATEGORY}."
        )


@dataclass(frozen=True, eq=False)
class _Shares:
    """How the pixels of a stretch share out among those of a coarser axis.

    Parameters
    ----------
    place : slice
        The coarse pixels, and one more.
    first : ndarray, (n,) int
        In which of them each pixel begins.
    parts : ndarray, (2, n) int
        How much of each lies in that one and in the next, in whole numbers of one common unit.
    """

    place: slice
    first: NDArray[np.int64]
    parts: NDArray[np.int64]


@lru_cache(maxsize=1024)
def _shares(start: int, stop: int, *, length: int, coarse: int) -> _Shares:
    """Of the pixels `start` to `stop` of `length` on an axis of `coarse` pixels."""
    at = np.arange(start, stop) * coarse
    first = at // length
    inside = np.minimum((first + 1) * length - at, coarse)
    place = slice(int(first[0]), int(first[-1]) + 2)
    return _Shares(place, first - first[0], np.stack([inside, coarse - inside]))


_covers: WeakKeyDictionary[Tile, dict[object, NDArray[np.float64]]] = WeakKeyDictionary()
"""What tiles cover on smaller planes: a stroke leaves most tiles, and so their covers, alone."""


def _tile_cover(tile: Tile, category: int, down: _Shares, across: _Shares) -> NDArray[np.float64]:
    """What a category of a tile covers of the coarse pixels at `down.place` and `across.place`."""
    known, key = _covers.setdefault(tile, {}), (category, down, across)
    if key not in known:
        known[key] = _shared_out(tile.mask_of(category), down, across)
    return known[key]


def _shared_out(mask: NDArray[np.bool_], down: _Shares, across: _Shares) -> NDArray[np.float64]:
    """What the set pixels cover of the coarse ones at `down.place` and `across.place`."""
    rows, cols = np.nonzero(mask)
    shape = tuple(shares.place.stop - shares.place.start for shares in (down, across))
    cover = np.zeros(shape[0] * shape[1])
    for below, right in product((0, 1), repeat=2):
        where = (down.first[rows] + below) * shape[1] + across.first[cols] + right
        parts = down.parts[below][rows] * across.parts[right][cols]
        cover += np.bincount(where, parts, minlength=cover.size)
    return cover.reshape(shape)
