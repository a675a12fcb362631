"""From masks to outlines that tell of holes: areas with inner rings, or one ring with a keyhole.

Masks come as patches, points are (row, column). `edge_areas` is for formats that know holes.
`keyholes` is for those that know one ring per shape: it walks around each hole on a detour there
and back on one line, which covers no area.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Patch
from unseg_studio.formats.geometry import Mask, corners_of, rings_of

Ring = NDArray[np.int64]
Area = list[Ring]


@dataclass(frozen=True, eq=False)
class Keyhole:
    """A closed outline of one part of a mask, its holes included.

    Parameters
    ----------
    pixels : ndarray, (N, 2) int64
        (row, column) of the pixel of the mask in which each vertex lies.
    far : ndarray, (N, 2) bool
        Whether it lies at the lower, and at the right end of that pixel.
    """

    pixels: Ring
    far: NDArray[np.bool_]

    def at(self, near: float, far: float) -> NDArray[np.float64]:
        """Vertices (N, 2) float64, this far into their pixels, whose upper left corner is 0, 0."""
        return np.asarray(self.pixels + np.where(self.far, far, near), np.float64)


def edge_areas(patch: Patch) -> list[Area]:
    """Areas along the edges of the pixels, which `geometry.fill_areas` fills to exactly the mask.

    No ring touches itself, rings of an area meet in single points at most: what the simple
    features standard asks of polygons. Pixels that touch at a corner lie in areas of their own.

    Returns
    -------
    list of list of ndarray, (N, 2) int64
        The outer ring first, then its holes; (row, column) of corners of the pixel grid.
    """
    if not patch.mask.any():
        return []
    outlines = _Outlines.of(patch.mask)
    points = outlines.points + np.array([patch.rows.start, patch.cols.start])
    areas: dict[int, Area] = {}
    for part, ring in zip(_parts(outlines, patch.mask), _slices(outlines.starts), strict=True):
        area = areas.setdefault(part, [])
        for loop in _simple(points[ring]):
            area.insert(0 if _is_clockwise(loop) else len(area), loop)
    return list(areas.values())


def _parts(outlines: _Outlines, mask: Mask) -> list[int]:
    """Which part of the mask each ring belongs to, parts that touch at a corner being two."""
    _, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    first = outlines.starts[:-1]
    rows, cols = (outlines.points[first] - (outlines.inward[first] < 0)).T
    return parts[rows, cols].tolist()  # type: ignore[no-any-return]


def _slices(starts: Sequence[int]) -> Iterator[slice]:
    return (slice(*ends) for ends in pairwise(starts))


def keyholes(patch: Patch) -> list[Keyhole]:
    """One outline for each part of a mask, parts that touch at a corner being one.

    Every line between vertices runs through pixels of the mask. Drawn with its vertices anywhere
    within their pixels, by rounding down or by asking for the centres inside, the mask comes back.
    """
    outlines = _Outlines.of(patch.mask)
    origin = np.array([patch.rows.start, patch.cols.start])
    if len(outlines.holes) < 2:
        rounds = [(outlines.points, outlines.inward)] * len(outlines.holes)
    else:
        rounds = _joined(outlines, patch.mask)
    return [Keyhole(points - (inward < 0) + origin, inward < 0) for points, inward in rounds]


def _simple(ring: Ring) -> Iterator[Ring]:
    """Cut a ring where it meets itself."""
    points = list(map(tuple, ring.tolist()))
    if len(set(points)) == len(points):
        yield ring
        return
    path: list[tuple[int, ...]] = []
    place: dict[tuple[int, ...], int] = {}
    for point in points:
        met = place.get(point)
        if met is not None:
            yield np.array(path[met:])
            for passed in path[met:]:
                del place[passed]
            del path[met:]
        place[point] = len(path)
        path.append(point)
    yield np.array(path)


def _is_clockwise(ring: Ring) -> bool:
    """On the screen, where rows go down."""
    rows, cols = ring.T
    return int(cols[:-1] @ rows[1:] - cols[1:] @ rows[:-1] + cols[-1] * rows[0]
               - cols[0] * rows[-1]) > 0  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Outlines:
    """All rings of a mask, one after the other, the mask to their right.

    `points` (N, 2) are corners, `inward` (N, 2) the direction from each into the mask, -1 or 1;
    `starts` (R + 1,) says where rings begin and end, `holes` (R,) which ones lie around a hole.
    Each begins with its first corner in reading order.
    """

    points: Ring
    inward: Ring
    starts: list[int]
    holes: list[bool]

    @classmethod
    def of(cls, mask: Mask) -> _Outlines:
        corners = corners_of(mask)
        points = corners.points
        order: list[int] = []
        starts, holes = [0], []
        for ring in rings_of(corners):
            row, col = points[ring[0]]
            holes.append(not mask[row, col])  # right below the upper left corner
            order += [ring[0], *ring[:0:-1]] if holes[-1] else ring
            starts.append(len(order))
        points = points[order]
        return cls(points, _inward(points, starts), starts, holes)

    @property
    def followers(self) -> list[int]:
        after: list[int] = _shifted(self.starts, 1).tolist()
        return after

    @property
    def ring_of(self) -> list[int]:
        return [n for n, ends in enumerate(pairwise(self.starts)) for _ in range(*ends)]


def _shifted(starts: Sequence[int], by: int) -> Ring:
    """Index of the corner that follows, or goes before, within the same ring."""
    if len(starts) == 2:
        return np.roll(np.arange(starts[-1]), -by)
    lengths = np.diff(starts)
    begin, length = np.repeat(starts[:-1], lengths), np.repeat(lengths, lengths)
    return np.asarray(begin + (np.arange(len(begin)) - begin + by) % length, np.int64)


def _inward(points: Ring, starts: Sequence[int]) -> Ring:
    if not len(points):
        return points
    onward = np.sign(points[_shifted(starts, 1)] - points)
    both = onward + onward[_shifted(starts, -1)]
    return np.stack([both[:, 1], -both[:, 0]], axis=1)  # a quarter turn to the right


class _Walk:
    """Closed walks over corners, which can be spliced into one another."""

    def __init__(
        self, points: list[list[int]], inward: list[list[int]], followers: list[int]
    ) -> None:
        self._points, self._inward, self._next = points, inward, followers

    def insert(self, after: int, point: list[int], inward: list[int]) -> int:
        """Put a new corner behind one; give its number."""
        self._points.append(point)
        self._inward.append(inward)
        self._next.append(self._next[after])
        self._next[after] = len(self._next) - 1
        return self._next[after]

    def splice(self, one: int, other: int) -> None:
        """Make two walks one, over a line from a corner of one to a corner of the other."""
        back = self.insert(one, self._points[one], self._inward[one])
        onward = self.insert(other, self._points[other], self._inward[other])
        self._next[one], self._next[other] = onward, back

    def rounds(self) -> list[tuple[Ring, Ring]]:
        """Points and directions of each closed walk."""
        points, inward = np.array(self._points), np.array(self._inward)
        return [(points[visited], inward[visited]) for visited in self._visits()]

    def _visits(self) -> Iterator[list[int]]:
        seen = bytearray(len(self._next))
        start = seen.find(0)
        while start >= 0:
            visited = []
            at = start
            while not seen[at]:
                seen[at] = 1
                visited.append(at)
                at = self._next[at]
            yield visited
            start = seen.find(0, start)


class _Groups:
    """Which rings are connected already."""

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def unite(self, one: int, other: int) -> bool:
        """Say whether they were apart."""
        one, other = self._top(one), self._top(other)
        self._above[one] = other
        return one != other

    def _top(self, at: int) -> int:
        while self._above[at] != at:
            self._above[at] = at = self._above[self._above[at]]
        return at


def _joined(outlines: _Outlines, mask: Mask) -> list[tuple[Ring, Ring]]:
    """Points and directions of a closed walk around each part, over all of its rings."""
    walk = _Walk(outlines.points.tolist(), outlines.inward.tolist(), outlines.followers)
    ring_of = outlines.ring_of
    groups = _Groups(len(outlines.holes))
    bridges = []
    for hole, edge, point in _bridges(outlines, mask):
        groups.unite(ring_of[hole], ring_of[edge])
        bridges.append((hole, walk.insert(edge, point, [-1, 1])))
    for one, other in bridges:  # only now that all edges have their points
        walk.splice(one, other)
    for one, other in _contacts(outlines.points):
        if groups.unite(ring_of[one], ring_of[other]):
            walk.splice(one, other)
    return walk.rounds()


def _bridges(outlines: _Outlines, mask: Mask) -> Iterable[tuple[int, int, list[int]]]:
    """First corner of each hole, the edge to its left, by its first corner, and the point there.

    The way leads through the row of pixels above the hole, which belong to the mask. What it
    meets began further up than the hole, so that no two holes wait for each other.
    """
    holes = np.array(outlines.starts[:-1])[outlines.holes]
    if not holes.size:
        return []
    height, width = mask.shape
    begins = np.maximum.accumulate(np.where(mask, 0, np.arange(1, width + 1)), axis=1)
    rows, cols = outlines.points[holes].T
    left = begins[rows - 1, cols - 1]
    upward, tops = _upward(outlines)
    keys = outlines.points[upward, 1] * (height + 1) + tops
    by_key = np.argsort(keys)
    found = np.searchsorted(keys[by_key], left * (height + 1) + rows - 1, side="right") - 1
    edges = upward[by_key[found]]
    order = np.argsort(rows, kind="stable")  # the end of an edge that leads up comes first
    points = np.stack([rows, left], axis=1)
    return zip(holes[order].tolist(), edges[order].tolist(), points[order].tolist(), strict=True)


def _upward(outlines: _Outlines) -> tuple[Ring, Ring]:
    """First corner of each edge that leads up, whose right side is mask, and its upper row."""
    onward = outlines.points[outlines.followers]
    first = np.flatnonzero(onward[:, 0] < outlines.points[:, 0])
    return first, onward[first, 0]


def _contacts(points: Ring) -> Iterable[tuple[int, int]]:
    """Pairs of corners at one point, where pixels touch."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    same = np.flatnonzero((points[order[1:]] == points[order[:-1]]).all(axis=1))
    return zip(order[same].tolist(), order[same + 1].tolist(), strict=True)
