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
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box, bounds, shifted, size_of, union
from unseg_studio.data.strokes import Patch
from unseg_studio.data.tile import Ids, Mask, Tile

SIDE = 256
"""Pixels along a tile; the last ones of a row or column may be smaller."""


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
        parts = [array[place] for place in _places(shape)]
        if like is None or like.shape != shape:
            mosaic = cls(shape, tuple(map(Tile.of, parts)))
            mosaic.__dict__["_array"] = array
            return mosaic
        changed = [n for n, part in enumerate(parts) if like.part_differs(n, part)]
        if not changed:
            return like
        mosaic = like.with_tiles({n: Tile.of(parts[n]) for n in changed})
        mosaic.__dict__["_given"] = ref(array)  # of use as long as somebody else keeps it
        return mosaic

    @classmethod
    def full(cls, shape: tuple[int, int], id_: int) -> Mosaic:
        """The same id everywhere; tiles of the same size are one and the same."""
        sizes = [size_of(place) for place in _places(shape)]
        made = {size: Tile.full(size, id_) for size in set(sizes)}
        return cls(shape, tuple(made[size] for size in sizes))

    # What it holds

    @property
    def array(self) -> Ids:
        """The whole plane, read-only; put together when it is asked for first."""
        array = self._known_array()
        if array is None:
            array = self.window((slice(0, self.shape[0]), slice(0, self.shape[1])))
            array.setflags(write=False)
            self.__dict__["_array"] = array
        return array

    def _known_array(self) -> Ids | None:
        given: ref[Ids] | None = self.__dict__.get("_given")
        array: Ids | None = self.__dict__.get("_array")
        return given() if array is None and given is not None else array

    def part_differs(self, number: int, ids: Ids) -> bool:
        """Say whether a tile holds other ids than these, `(h, w)` int32."""
        array = self._known_array()
        own = self.tiles[number].ids if array is None else array[self.box_of(number)]
        return bool((own != ids).any())

    @cached_property
    def areas(self) -> dict[int, int]:
        """Id -> number of pixels, ids that occur only."""
        areas: Counter[int] = Counter()
        for tile, times in Counter(self.tiles).items():
            for id_, pixels in tile.areas.items():
                areas[id_] += times * pixels
        return dict(areas)

    def areas_of(self, wanted: Callable[[int], bool]) -> dict[int, int]:
        """As `areas`, of the ids that are wanted; tiles that have none of them are not counted."""
        areas: Counter[int] = Counter()
        for tile, times in Counter(self.tiles).items():
            if any(map(wanted, tile.palette)):
                for id_, pixels in tile.areas.items():
                    areas[id_] += times * pixels * wanted(id_)
        return {id_: pixels for id_, pixels in areas.items() if pixels}

    def holds(self, id_: int) -> bool:
        """Say whether some pixel has this id."""
        return any(tile.holds(id_) for tile in self.tiles)

    def at(self, row: int, col: int) -> int:
        """The id of one pixel, counted from 0."""
        tile = self.tiles[row // SIDE * self._n_across + col // SIDE]
        return tile.at(row % SIDE, col % SIDE)

    def window(self, box: Box) -> Ids:
        """A copy of a rectangle, `(h, w)` int32."""
        ids = np.empty(size_of(box), np.int32)
        for number, inside, part in self.under(box):
            ids[part] = self.tiles[number].window(inside)
        return ids

    def mask(self, box: Box, wanted: Callable[[int], bool]) -> Mask:
        """Where in a rectangle the ids are that are wanted, `(h, w)` bool."""
        mask = np.empty(size_of(box), bool)
        for number, within, part in self.under(box):
            mask[part] = self.tiles[number].mask(wanted)[within]
        return mask

    def extent(self, id_: int) -> Box | None:
        """The smallest rectangle that holds every pixel of an id; None where it is nowhere."""
        boxes = []
        for number, tile in enumerate(self.tiles):
            box = bounds(tile.mask_of(id_)) if tile.holds(id_) else None
            if box is not None:
                rows, cols = self.box_of(number)
                boxes.append(shifted(box, rows.start, cols.start))
        return union(boxes)

    def sampled(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Ids:
        """The ids where rows `(h,)` and columns `(w,)`, both ascending, cross: `(h, w)` int32."""
        ids = np.empty((len(rows), len(cols)), np.int32)
        for (down, height), (across, width) in product(_runs(rows), _runs(cols)):
            tile = self.tiles[down * self._n_across + across]
            inside = rows[height] - down * SIDE, cols[width] - across * SIDE
            ids[height, width] = tile.sampled(*inside)
        return ids

    def box_of(self, number: int) -> Box:
        """Where a tile lies."""
        return _places(self.shape)[number]

    def under(self, box: Box) -> Iterator[tuple[int, Box, Box]]:
        """The tiles that a rectangle touches: number, rectangle in the tile, part of `box`."""
        rows, cols = box
        for (down, high, top), (across, wide, left) in product(_cuts(rows), _cuts(cols)):
            yield down * self._n_across + across, (high, wide), (top, left)

    def numbers_in(self, box: Box) -> list[int]:
        """Numbers of the tiles in a rectangle that begins and ends where tiles do, row by row."""
        rows, cols = box
        for axis, length in zip(box, self.shape, strict=True):
            if axis.start % SIDE or (axis.stop % SIDE and axis.stop != length):
                raise ValueError(f"The rectangle {box} cuts tiles; accepted are whole ones.")
        down = range(rows.start // SIDE, -(-rows.stop // SIDE))
        across = range(cols.start // SIDE, -(-cols.stop // SIDE))
        return [row * self._n_across + col for row, col in product(down, across)]

    def part(self, box: Box) -> Mosaic:
        """The whole tiles in a rectangle as a plane of their own: they are shared, not copied."""
        return Mosaic(size_of(box), tuple(self.tiles[n] for n in self.numbers_in(box)))

    # Other versions

    def painted(self, patch: Patch, ids: int | Ids) -> Mosaic:
        """Put an id, or the `(h, w)` int32 ids of the patch's rectangle, where its mask is set."""
        values = np.broadcast_to(np.asarray(ids, np.int32), patch.mask.shape)
        changes: dict[int, Tile] = {}
        for number, inside, part in self.under(patch.slices):
            tile = self.tiles[number]
            different = patch.mask[part] & (tile.window(inside) != values[part])
            if different.any():
                mask = np.zeros(tile.pattern.size, bool)
                mask[inside] = different
                if np.ndim(ids) == 0:
                    changes[number] = tile.marked(mask, int(values.flat[0]))
                else:
                    after = np.array(tile.ids)
                    np.copyto(after[inside], values[part], where=different)
                    changes[number] = Tile.of(after)
        return self.with_tiles(changes)

    def replaced(self, old: int, new: int) -> Mosaic:
        """The same with `new` in the place of `old`."""
        tiles = tuple(tile.replaced(old, new) for tile in self.tiles)
        return self if tiles == self.tiles else Mosaic(self.shape, tiles)

    def mapped(self, function: Callable[..., Tile | None], *others: Mosaic) -> Mosaic:
        """Make every tile anew by a function of it and of the others' tiles in the same place.

        Parameters
        ----------
        function : callable
            Takes a tile of each; gives the new one, or None where the tile stays.
        *others : Mosaic
            Of the same shape.
        """
        rows = zip(self.tiles, *(other.tiles for other in others), strict=True)
        made = {number: function(*tiles) for number, tiles in enumerate(rows)}
        return self.with_tiles({n: tile for n, tile in made.items() if tile is not None})

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
        apart = np.array(self.apart(other), np.intp)
        if not apart.size:
            return None
        places = np.stack(np.divmod(apart, self._n_across))
        first, last = places.min(axis=1, keepdims=True), places.max(axis=1, keepdims=True)
        is_outer = ((places == first) | (places == last)).any(axis=0)
        box = self._different(other, apart[is_outer])
        if box and all(
            axis.start < (start + 1) * SIDE and axis.stop > stop * SIDE
            for axis, start, stop in zip(box, first[:, 0], last[:, 0], strict=True)
        ):
            return box  # the outermost tiles say it all, unless some turn out to be equal
        return self._different(other, apart)

    def _different(self, other: Mosaic, numbers: Iterable[int]) -> Box | None:
        """The smallest rectangle that holds every pixel that differs in some of the tiles."""
        boxes = []
        for number in numbers:
            box = bounds(self.tiles[number].differs(other.tiles[number]))
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


@lru_cache(maxsize=16)
def _places(shape: tuple[int, int]) -> tuple[Box, ...]:
    """Where the tiles of a plane lie."""
    rows, cols = (
        [slice(start, min(start + SIDE, length)) for start in range(0, length, SIDE)]
        for length in shape
    )
    return tuple(product(rows, cols))


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
