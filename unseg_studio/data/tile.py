"""A part of a plane of ids: a pattern of a few things, and a palette that says what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box, bounds

Ids = NDArray[np.int32]
Index = NDArray[np.uint8 | np.uint16]
IndexType = type[np.uint8] | type[np.uint16]
Mask = NDArray[np.bool_]
_Value = TypeVar("_Value", bound=np.generic)

_FEW = 256
"""So many different things fit into a byte."""

_NARROW = 64
"""Ids that lie within so many make a palette as they are."""

_WIDE = 1 << 20
"""Ids that lie further apart are sorted, for counting them would take too much memory."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Which of a few things each pixel of a tile is.

    Parameters
    ----------
    index : ndarray, (h, w) uint8 or, for more than 256 things, uint16
        Becomes read-only.
    """

    index: Index

    def __post_init__(self) -> None:
        self.index.setflags(write=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.index.shape[0], self.index.shape[1]

    @cached_property
    def counts(self) -> list[int]:
        """How many pixels each thing has."""
        if self.index.dtype != np.uint8:
            return list(map(int, np.bincount(self.index.ravel())))
        counts = cv2.calcHist([self.index], [0], None, [_FEW], [0, _FEW])
        return list(map(int, counts.ravel()))

    def at(self, row: int, col: int) -> int:
        """What one pixel is."""
        return int(self.index[row, col])

    def crossing(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Index:
        """What the pixels are where rows and columns cross, `(h, w)`."""
        # One axis after the other: three times as quick as picking single pixels.
        return self.index.take(rows, axis=0).take(cols, axis=1)

    def differing(self, other: Pattern | Blocks) -> Mask:
        """Where another one has something else, `(h, w)` bool."""
        return np.not_equal(self.index, other.index, dtype=bool)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A pattern of squares of pixels, of which one value each is in memory.

    So are the labels of a large image where it is worked on at a coarser step.

    Parameters
    ----------
    small : ndarray, uint8 or uint16
        What each square is. Becomes read-only.
    step : int
        Pixels along a square; those at the lower and right edge may be cut off.
    size : (int, int)
        Height and width of the whole in pixels.
    """

    small: Index
    step: int
    size: tuple[int, int]

    def __post_init__(self) -> None:
        self.small.setflags(write=False)

    @property
    def index(self) -> Index:
        """The whole pattern, made when it is asked for."""
        return in_squares(self.small, self.step, self.size)

    @cached_property
    def counts(self) -> list[int]:
        """How many pixels each thing has."""
        heights, widths = (
            np.minimum(self.step, length - np.arange(0, length, self.step)) for length in self.size
        )
        areas = np.multiply.outer(heights, widths).ravel()
        return list(map(int, np.bincount(self.small.ravel(), areas)))

    def at(self, row: int, col: int) -> int:
        """What one pixel is."""
        return int(self.small[row // self.step, col // self.step])

    def crossing(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Index:
        """What the pixels are where rows and columns cross, `(h, w)`."""
        return self.small.take(rows // self.step, axis=0).take(cols // self.step, axis=1)

    def differing(self, other: Pattern | Blocks) -> Mask:
        """Where another one has something else, `(h, w)` bool."""
        if isinstance(other, Blocks) and other.step == self.step:
            return in_squares(self.small != other.small, self.step, self.size)
        return np.not_equal(self.index, other.index, dtype=bool)


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a plane, `(h, w)`: a pattern, and the id of each thing in it.

    To give an id to all that has another one, no pixel is touched.

    Parameters
    ----------
    palette : tuple of int
        An id may be there twice, and need not occur.
    pattern : Pattern or Blocks
        Index into the palette.
    """

    palette: tuple[int, ...]
    pattern: Pattern | Blocks

    @classmethod
    def of(cls, ids: Ids) -> Tile:
        """Take ids, `(h, w)` int32, which may change afterwards."""
        lowest, highest = int(ids.min()), int(ids.max())
        if highest - lowest < _NARROW:
            index = (ids - np.int32(lowest)).astype(np.uint8)
            return cls(tuple(range(lowest, highest + 1)), Pattern(index))
        if highest - lowest >= _WIDE:
            values, places = np.unique(ids, return_inverse=True)
            index = places.reshape(ids.shape).astype(index_type(values.size))
            return cls(tuple(values.tolist()), Pattern(index))
        shifted_ids = ids - np.int32(lowest)
        # Counting is ten times quicker than sorting or hashing the pixels, and ids are small.
        occurring = np.flatnonzero(np.bincount(shifted_ids.ravel()))
        table = np.zeros(highest - lowest + 1, index_type(occurring.size))
        table[occurring] = np.arange(occurring.size)
        return cls(tuple((occurring + lowest).tolist()), Pattern(table.take(shifted_ids)))

    @classmethod
    def in_squares(cls, ids: Ids, step: int, *, size: tuple[int, int]) -> Tile:
        """Take ids that are those of step x step pixels each, cut off to a (height, width)."""
        if (ids == ids[0, 0]).all():
            return cls.full(size, int(ids[0, 0]))
        small = cls.of(ids)
        return cls(small.palette, Blocks(small.pattern.index, step, size))

    @classmethod
    def full(cls, size: tuple[int, int], id_: int) -> Tile:
        """One id everywhere."""
        return cls((id_,), _blank(size))

    # What it holds

    @property
    def ids(self) -> Ids:
        """The ids, `(h, w)` int32, read-only."""
        ids = _looked_up(self.palette, self.pattern.index)
        ids.setflags(write=False)
        return ids

    @cached_property
    def areas(self) -> dict[int, int]:
        """Id -> number of pixels, ids that occur only."""
        areas: dict[int, int] = {}
        for id_, count in zip(self.palette, self.pattern.counts, strict=False):
            if count:
                areas[id_] = areas.get(id_, 0) + count
        return areas

    @cached_property
    def filled(self) -> Box | None:
        """The smallest rectangle that holds every pixel with another id than 0."""
        return bounds(self.mask(bool))

    def holds(self, id_: int) -> bool:
        """Say whether some pixel has this id."""
        return id_ in self.palette and id_ in self.areas

    def is_in_squares(self, step: int) -> bool:
        """Say whether it shows nothing that is finer than squares of so many pixels."""
        pattern = self.pattern
        return len(self.areas) == 1 or (isinstance(pattern, Blocks) and pattern.step % step == 0)

    def holds_only(self, id_: int) -> bool:
        """Say whether every pixel has this id."""
        return self.at(0, 0) == id_ and len(self.areas) == 1

    def at(self, row: int, col: int) -> int:
        """The id of one pixel."""
        return self.palette[self.pattern.at(row, col)]

    def window(self, box: Box) -> Ids:
        """The ids of a rectangle, `(h, w)` int32."""
        return _looked_up(self.palette, self.pattern.index[box])

    def sampled(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Ids:
        """The ids where rows and columns cross, `(h, w)` int32."""
        return _looked_up(self.palette, self.pattern.crossing(rows, cols))

    def mask(self, wanted: Callable[[int], bool]) -> Mask:
        """Where the ids are that are wanted, `(h, w)` bool."""
        return _marked([wanted(id_) for id_ in self.palette], self.pattern.index)

    def mask_of(self, id_: int) -> Mask:
        """Where an id is, `(h, w)` bool."""
        return self.mask(lambda other: other == id_)

    # Other versions

    def replaced(self, old: int, new: int) -> Tile:
        """The same with `new` in the place of `old`."""
        if old == new or not self.holds(old):
            return self
        return Tile(tuple(new if id_ == old else id_ for id_ in self.palette), self.pattern)

    def marked(self, mask: Mask, id_: int) -> Tile:
        """The same with an id where the mask is set."""
        known = id_ in self.palette
        palette = self.palette if known else (*self.palette, id_)
        if len(palette) > _FEW:
            return Tile.of(np.where(mask, np.int32(id_), self.ids))
        index = self.pattern.index.astype(np.uint8)
        np.copyto(index, np.uint8(palette.index(id_)), where=mask)
        return Tile(palette, Pattern(index))

    def overlaid(self, mask: Mask, other: Tile) -> Tile:
        """The same with what another tile holds where the mask is set."""
        palette = tuple(dict.fromkeys((*self.palette, *other.palette)))
        if len(palette) > _FEW:
            return Tile.of(np.where(mask, other.ids, self.ids))
        own, others = (
            _looked_up(tuple(map(palette.index, tile.palette)), tile.pattern.index, np.uint8)
            for tile in (self, other)
        )
        np.copyto(own, others, where=mask)
        return Tile(palette, Pattern(own))

    # Compared with another version

    def differs(self, other: Tile) -> Mask:
        """Where the ids are different, `(h, w)` bool."""
        if self.pattern is other.pattern and len(self.palette) == len(other.palette):
            pairs = zip(self.palette, other.palette, strict=True)
            return _marked([one != two for one, two in pairs], self.pattern.index)
        if self.palette == other.palette:
            return self.pattern.differing(other.pattern)
        return np.not_equal(self.ids, other.ids)

    def equals(self, other: Tile) -> bool:
        """Say whether every pixel is the same."""
        return self is other or not self.differs(other).any()


def in_squares(small: NDArray[_Value], step: int, size: tuple[int, int]) -> NDArray[_Value]:
    """Every value as step x step pixels, cut off to a (height, width)."""
    if step == 1:
        return small
    tall = small.repeat(step, axis=0)[: size[0]]
    return np.ascontiguousarray(tall.repeat(step, axis=1)[:, : size[1]])


def index_type(n_things: int) -> IndexType:
    """The type of the index into a palette of so many."""
    return np.uint8 if n_things <= _FEW else np.uint16


@lru_cache(maxsize=16)
def _blank(size: tuple[int, int]) -> Pattern:
    """One thing everywhere; shared, since most tiles of most planes are so."""
    return Pattern(np.zeros(size, np.uint8))


def _looked_up(values: Sequence[int], index: Index, dtype: type[Any] = np.int32) -> NDArray[Any]:
    """The value of each pixel; OpenCV does so four times quicker than numpy."""
    if index.dtype != np.uint8 or not index.size:
        return np.array(values, dtype).take(index)
    table = np.zeros(_FEW, dtype)
    table[: len(values)] = values
    return np.asarray(cv2.LUT(index, table))


def _marked(wanted: list[bool], index: Index) -> Mask:
    """Where the things are that are wanted."""
    if sum(wanted) == 1:
        return np.equal(index, wanted.index(True))
    if not any(wanted):
        return np.zeros(index.shape, bool)
    return _looked_up(wanted, index, np.uint8).view(np.bool_)
