"""Regions of a mosaic, put together from the parts of its tiles: no plane is made for that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box, shifted, size_of, union
from unseg_studio.data.category import Category
from unseg_studio.data.mosaic import SIDE, Mosaic
from unseg_studio.data.region import Connectivity, Region
from unseg_studio.data.strokes import Patch

Numbers = NDArray[np.int32]


def regions_from_mosaic(
    labels: Mosaic,
    categories: Sequence[Category],
    *,
    min_area: int = 1,
    connectivity: Connectivity = 8,
) -> tuple[Region, ...]:
    """Cut labels into regions; the same as `regions_from_labels` of their array."""
    return tuple(
        Region(category.id, patch)
        for category in categories
        for patch in _patches(labels, category, min_area, connectivity)
    )


def _patches(
    labels: Mosaic, category: Category, min_area: int, connectivity: Connectivity
) -> Iterator[Patch]:
    groups = _Pieces.of(labels, category.id, connectivity).groups()
    large = [group for group in groups if sum(piece.area for piece in group) >= min_area]
    if category.kind == "thing":
        patches = [_patch(group) for group in large]
        yield from sorted(patches, key=_first_pixel)
    elif large:
        yield _patch([piece for group in large for piece in group])


def _first_pixel(patch: Patch) -> tuple[int, int]:
    """Row and column of the first pixel, by rows."""
    return patch.rows.start, patch.cols.start + int(patch.mask[0].argmax())


@dataclass(frozen=True, eq=False)
class _Piece:
    """A connected part of a tile: its mask, and where that lies in the plane."""

    box: Box
    mask: NDArray[np.bool_]
    area: int


@dataclass(eq=False)
class _Pieces:
    """The connected parts of all tiles, and which of them hang together."""

    pieces: list[_Piece] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, labels: Mosaic, id_: int, connectivity: Connectivity) -> _Pieces:
        found, above = cls(), np.full(labels.shape[1] + 2, -1, np.int32)
        if not labels.holds(id_):
            return found
        n_across = -(-labels.shape[1] // SIDE)
        for first in range(0, len(labels.tiles), n_across):
            rows = [
                found._numbered(labels, number, id_, connectivity)
                for number in range(first, first + n_across)
            ]
            for left, right in pairwise(rows):
                found._join(left[:, -1], right[:, 0], connectivity)
            top, bottom = (np.concatenate([part[at] for part in rows]) for at in (0, -1))
            found._join(above[1:-1], top, connectivity)
            above[1:-1] = bottom
        return found

    def _numbered(
        self, labels: Mosaic, number: int, id_: int, connectivity: Connectivity
    ) -> Numbers:
        """Which piece each pixel of a tile is in, -1 where in none; the pieces are added."""
        tile, (rows, cols) = labels.tiles[number], labels.box_of(number)
        size = tile.pattern.size
        if not tile.holds(id_):
            return np.broadcast_to(np.int32(-1), size)
        if tile.holds_only(id_):
            return self._whole((rows, cols))
        _, parts, stats, _ = cv2.connectedComponentsWithStats(
            tile.mask_of(id_).view(np.uint8), connectivity=connectivity
        )
        first = len(self.pieces)
        for part, (left, top, width, height, area) in enumerate(stats[1:].tolist(), 1):
            box = slice(top, top + height), slice(left, left + width)
            piece = _Piece(shifted(box, rows.start, cols.start), parts[box] == part, area)
            self.parents.append(len(self.pieces))
            self.pieces.append(piece)
        return np.where(parts > 0, parts + np.int32(first - 1), np.int32(-1))

    def _whole(self, box: Box) -> Numbers:
        """A tile that is one piece."""
        number, (height, width) = len(self.pieces), size_of(box)
        self.parents.append(number)
        mask = np.broadcast_to(np.True_, (height, width))
        self.pieces.append(_Piece(box, mask, height * width))
        return np.broadcast_to(np.int32(number), (height, width))

    def _join(self, one: Numbers, other: Numbers, connectivity: Connectivity) -> None:
        """Pieces hang together where two lines that touch hold them side by side."""
        pairs = [(one, other)]
        if connectivity == 8:
            pairs += [(one[1:], other[:-1]), (one[:-1], other[1:])]
        for a, b in pairs:
            both = (a >= 0) & (b >= 0)
            # A pair as one number: sorting those is ten times as quick as sorting columns.
            known = np.unique(a[both].astype(np.int64) << 32 | b[both])
            for pair in known.tolist():
                self.parents[self._root(pair >> 32)] = self._root(pair & 0xFFFFFFFF)

    def _root(self, number: int) -> int:
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def groups(self) -> list[list[_Piece]]:
        """The pieces that hang together."""
        groups: dict[int, list[_Piece]] = defaultdict(list)
        for number, piece in enumerate(self.pieces):
            groups[self._root(number)].append(piece)
        return list(groups.values())


def _patch(pieces: list[_Piece]) -> Patch:
    box = union(piece.box for piece in pieces)
    if box is None:
        return Patch(slice(0, 0), slice(0, 0), np.zeros((0, 0), bool))
    mask = np.zeros(size_of(box), bool)
    for piece in pieces:
        inside = shifted(piece.box, -box[0].start, -box[1].start)
        mask[inside] |= piece.mask
    return Patch(*box, mask)
