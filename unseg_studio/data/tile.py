"""A part of a plane of ids: a pattern of a few things, and a palette that says what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box, bounds

Ids = NDArray[np.int32]
Index = NDArray[np.uint8 | np.uint16]
IndexType = type[np.uint8] | type[np.uint16]
Mask = NDArray[np.bool_]

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

    @cached_property
    def counts(self) -> list[int]:
        """How many pixels each thing has."""
        if self.index.dtype != np.uint8:
            return list(map(int, np.bincount(self.index.ravel())))
        counts = cv2.calcHist([self.index], [0], None, [_FEW], [0, _FEW])
        return list(map(int, counts.ravel()))


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a plane, `(h, w)`: a pattern, and the id of each thing in it.

    To give an id to all that has another one, no pixel is touched.

    Parameters
    ----------
    palette : tuple of int
        An id may be there twice, and need not occur.
    pattern : Pattern
        Index into the palette.
    """

    palette: tuple[int, ...]
    pattern: Pattern

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
    def full(cls, size: tuple[int, int], id_: int) -> Tile:
        """One id everywhere."""
        return cls((id_,), Pattern(np.zeros(size, np.uint8)))

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

    def holds_only(self, id_: int) -> bool:
        """Say whether every pixel has this id."""
        return self.palette[self.pattern.index[0, 0]] == id_ and len(self.areas) == 1

    def at(self, row: int, col: int) -> int:
        """The id of one pixel."""
        return self.palette[int(self.pattern.index[row, col])]

    def window(self, box: Box) -> Ids:
        """The ids of a rectangle, `(h, w)` int32."""
        return _looked_up(self.palette, self.pattern.index[box])

    def sampled(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Ids:
        """The ids where rows and columns cross, `(h, w)` int32."""
        # One axis after the other: three times as quick as picking single pixels.
        index = self.pattern.index.take(rows, axis=0).take(cols, axis=1)
        return _looked_up(self.palette, index)

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
        index = self.pattern.index.copy()
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
        if self.pattern is other.pattern:
            pairs = zip(self.palette, other.palette, strict=True)
            return _marked([one != two for one, two in pairs], self.pattern.index)
        if self.palette == other.palette and self.pattern.index.dtype == other.pattern.index.dtype:
            return np.not_equal(self.pattern.index, other.pattern.index, dtype=bool)
        return np.not_equal(self.ids, other.ids)

    def equals(self, other: Tile) -> bool:
        """Say whether every pixel is the same."""
        return self is other or not self.differs(other).any()


def index_type(n_things: int) -> IndexType:
    """The type of the index into a palette of so many."""
    return np.uint8 if n_things <= _FEW else np.uint16


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
