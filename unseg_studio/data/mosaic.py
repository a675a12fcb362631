"""A plane of ids in tiles: versions of it share the tiles in which they agree.

What changes a part makes only the tiles of that part anew, so it costs what the part costs, in time
and in memory, however large the plane is. What two versions differ in is found the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.strokes import Patch

Ids = NDArray[np.int32]
Box = tuple[slice, slice]
"""Rows and columns of a rectangle of the plane."""

SIDE = 256
"""Pixels along a tile; the last ones of a row or column may be smaller."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a plane, and what is known of it.

    Parameters
    ----------
    ids : ndarray, (h, w) int32
        Becomes read-only.
    """

    ids: Ids

    def __post_init__(self) -> None:
        self.ids.setflags(write=False)

    @cached_property
    def areas(self) -> dict[int, int]:
        """Id -> number of pixels, ids that occur only."""
        # Counting is ten times quicker than sorting or hashing the pixels, and ids are small.
        least = min(0, int(self.ids.min()))
        counts = np.bincount((self.ids - np.int32(least)).ravel())
        return {int(i) + least: int(counts[i]) for i in np.flatnonzero(counts)}

    def holds(self, id_: int) -> bool:
        """Say whether some pixel has this id."""
        return id_ in self.areas if self._is_counted else bool((self.ids == id_).any())

    def holds_only(self, id_: int) -> bool:
        """Say whether every pixel has this id."""
        return bool(self.ids[0, 0] == id_) and len(self.areas) == 1

    def replaced(self, old: int, new: int) -> Tile:
        """The same with `new` in the place of `old`."""
        if old == new or not self.holds(old):
            return self
        tile = Tile(np.where(self.ids == old, np.int32(new), self.ids))
        if self._is_counted:
            areas = Counter(self.areas)
            areas[new] += areas.pop(old)
            tile.__dict__["areas"] = dict(areas)
        return tile

    def equals(self, other: Tile) -> bool:
        """Say whether every pixel is the same."""
        return self is other or not (self.ids != other.ids).any()

    @property
    def _is_counted(self) -> bool:
        return "areas" in self.__dict__


@dataclass(frozen=True, eq=False)
class Mosaic:
    """A `(H, W)` int32 plane that never changes.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    tiles : tuple of Tile
        Row by row, `SIDE` high and wide where the plane does not end before.
    """

    shape: tuple[int, int]
    tiles: tuple[Tile, ...]

    @classmethod
    def of(cls, array: Ids, like: Mosaic | None = None) -> Mosaic:
        """Take an array; it becomes read-only, for it may be used as it is.

        Parameters
        ----------
        array : ndarray, (H, W) int32
            What the mosaic holds.
        like : Mosaic or None
            An earlier version: its tiles are kept where they are equal.
        """
        array.setflags(write=False)
        shape = array.shape[0], array.shape[1]
        tiles = tuple(Tile(array[place]) for place in _places(shape))
        if like is not None and like.shape == shape:
            pairs = zip(like.tiles, tiles, strict=True)
            kept = [old.equals(new) for old, new in pairs]
            if any(kept):  # copies, for a view of the array would keep all of it in memory
                news = {n: Tile(tiles[n].ids.copy()) for n, same in enumerate(kept) if not same}
                return like.with_tiles(news)
        mosaic = cls(shape, tiles)
        mosaic.__dict__["array"] = array
        return mosaic

    @classmethod
    def full(cls, shape: tuple[int, int], id_: int) -> Mosaic:
        """The same id everywhere; the tiles are one and the same."""
        made: dict[tuple[int, int], Tile] = {}
        for size in map(_size, _places(shape)):
            made.setdefault(size, Tile(np.full(size, id_, np.int32)))
        return cls(shape, tuple(made[_size(place)] for place in _places(shape)))

    # What it holds

    @cached_property
    def array(self) -> Ids:
        """The whole plane, read-only; put together when it is asked for first."""
        array = self.window((slice(0, self.shape[0]), slice(0, self.shape[1])))
        array.setflags(write=False)
        return array

    @cached_property
    def areas(self) -> dict[int, int]:
        """Id -> number of pixels, ids that occur only."""
        areas: Counter[int] = Counter()
        for tile, times in Counter(self.tiles).items():
            for id_, pixels in tile.areas.items():
                areas[id_] += times * pixels
        return dict(areas)

    def holds(self, id_: int) -> bool:
        """Say whether some pixel has this id."""
        return any(tile.holds(id_) for tile in self.tiles)

    def at(self, row: int, col: int) -> int:
        """The id of one pixel, counted from 0."""
        tile = self.tiles[row // SIDE * self._n_across + col // SIDE]
        return int(tile.ids[row % SIDE, col % SIDE])

    def window(self, box: Box) -> Ids:
        """A copy of a rectangle, `(h, w)` int32."""
        ids = np.empty(_size(box), np.int32)
        for number, inside, part in self.under(box):
            ids[part] = self.tiles[number].ids[inside]
        return ids

    def sampled(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Ids:
        """The ids where rows `(h,)` and columns `(w,)`, both ascending, cross: `(h, w)` int32."""
        ids = np.empty((len(rows), len(cols)), np.int32)
        for (down, height), (across, width) in product(_runs(rows), _runs(cols)):
            tile = self.tiles[down * self._n_across + across]
            inside = np.ix_(rows[height] - down * SIDE, cols[width] - across * SIDE)
            ids[height, width] = tile.ids[inside]
        return ids

    def box_of(self, number: int) -> Box:
        """Where a tile lies."""
        return _places(self.shape)[number]

    def under(self, box: Box) -> Iterator[tuple[int, Box, Box]]:
        """The tiles that a rectangle touches: number, rectangle in the tile, part of `box`."""
        rows, cols = box
        for (down, high, top), (across, wide, left) in product(_cuts(rows), _cuts(cols)):
            yield down * self._n_across + across, (high, wide), (top, left)

    # Other versions

    def painted(self, patch: Patch, ids: int | Ids) -> Mosaic:
        """Put an id, or the `(h, w)` int32 ids of the patch's rectangle, where its mask is set."""
        values = np.broadcast_to(np.asarray(ids, np.int32), patch.mask.shape)
        changes: dict[int, Tile] = {}
        for number, inside, part in self.under(patch.slices):
            before = self.tiles[number].ids
            different = patch.mask[part] & (before[inside] != values[part])
            if different.any():
                after = before.copy()
                np.copyto(after[inside], values[part], where=different)
                changes[number] = Tile(after)
        return self.with_tiles(changes)

    def replaced(self, old: int, new: int) -> Mosaic:
        """The same with `new` in the place of `old`."""
        tiles = tuple(tile.replaced(old, new) for tile in self.tiles)
        return self if tiles == self.tiles else Mosaic(self.shape, tiles)

    def mapped(self, function: Callable[..., Ids | None], *others: Mosaic) -> Mosaic:
        """Make every tile anew by a function of it and of the others' tiles in the same place.

        Parameters
        ----------
        function : callable
            Takes one `Tile` of each; gives `(h, w)` int32, or None where the tile stays.
        *others : Mosaic
            Of the same shape.
        """
        rows = zip(self.tiles, *(other.tiles for other in others), strict=True)
        made = {number: function(*tiles) for number, tiles in enumerate(rows)}
        return self.with_tiles({n: Tile(ids) for n, ids in made.items() if ids is not None})

    def with_tiles(self, tiles: dict[int, Tile]) -> Mosaic:
        """Put tiles in the place of those with these numbers."""
        if not tiles:
            return self
        return Mosaic(self.shape, tuple(tiles.get(n, old) for n, old in enumerate(self.tiles)))

    # Compared with another version

    def equals(self, other: Mosaic) -> bool:
        """Say whether every pixel is the same."""
        pairs = zip(self.tiles, other.tiles, strict=True)
        return self is other or (self.shape == other.shape and all(a.equals(b) for a, b in pairs))

    def apart(self, other: Mosaic) -> list[int]:
        """Numbers of the tiles that the two do not share; they may still be equal."""
        pairs = zip(self.tiles, other.tiles, strict=True)
        return [number for number, (one, two) in enumerate(pairs) if one is not two]

    def difference(self, other: Mosaic) -> Box | None:
        """The smallest rectangle that holds every pixel that differs; None where none does."""
        boxes = []
        for number in self.apart(other):
            box = bounds(self.tiles[number].ids != other.tiles[number].ids)
            if box is not None:
                rows, cols = self.box_of(number)
                boxes.append(shifted(box, rows.start, cols.start))
        return union(boxes)

    @property
    def _n_across(self) -> int:
        return -(-self.shape[1] // SIDE)


@dataclass(frozen=True, eq=False, init=False)
class IdPlane:
    """An id for every pixel: what scribbles and edits have in common.

    Parameters
    ----------
    ids : ndarray, (H, W) int32, or Mosaic
        An array becomes read-only.
    """

    mosaic: Mosaic

    def __init__(self, ids: Ids | Mosaic) -> None:
        mosaic = ids if isinstance(ids, Mosaic) else self._accepted(ids)
        object.__setattr__(self, "mosaic", mosaic)

    @property
    def ids(self) -> Ids:
        """The whole plane, `(H, W)` int32, read-only."""
        return self.mosaic.array

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.mosaic.shape

    @classmethod
    def _accepted(cls, ids: Ids) -> Mosaic:
        """Raise ValueError, in a sentence, where an array is no such plane."""
        if ids.ndim != 2 or ids.dtype != np.int32:
            raise ValueError(
                f"{cls.__name__} were given as {ids.dtype} of shape {ids.shape}; "
                "accepted is a height x width array of int32."
            )
        return Mosaic.of(ids)


def bounds(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest rectangle that holds every set pixel; None where none is set."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    cols = np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def union(boxes: Iterable[Box]) -> Box | None:
    """The smallest rectangle that holds them all; None where there are none."""
    both = [*zip(*boxes, strict=True)]
    if not both:
        return None
    rows, cols = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in both)
    return rows, cols


def shifted(box: Box, down: int, right: int) -> Box:
    """The rectangle moved."""
    rows, cols = box
    return slice(rows.start + down, rows.stop + down), slice(cols.start + right, cols.stop + right)


@lru_cache(maxsize=16)
def _places(shape: tuple[int, int]) -> tuple[Box, ...]:
    """Where the tiles of a plane lie."""
    rows, cols = (
        [slice(start, min(start + SIDE, length)) for start in range(0, length, SIDE)]
        for length in shape
    )
    return tuple(product(rows, cols))


def _size(box: Box) -> tuple[int, int]:
    rows, cols = box
    return rows.stop - rows.start, cols.stop - cols.start


def _cuts(stretch: slice) -> list[tuple[int, slice, slice]]:
    """The tiles along an axis under a stretch: number, part of the tile, part of the stretch."""
    cuts = []
    for number in range(stretch.start // SIDE, -(-stretch.stop // SIDE)):
        start, stop = max(stretch.start, number * SIDE), min(stretch.stop, (number + 1) * SIDE)
        inside = slice(start - number * SIDE, stop - number * SIDE)
        cuts.append((number, inside, slice(start - stretch.start, stop - stretch.start)))
    return cuts


def _runs(indices: NDArray[np.intp]) -> list[tuple[int, slice]]:
    """The tiles along an axis under ascending indices: number, which of the indices."""
    numbers = indices // SIDE
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(indices)]
    return [(int(numbers[a]), slice(a, b)) for a, b in pairwise(starts) if a < b]
