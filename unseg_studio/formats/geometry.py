"""From masks to polygons and back; boxes and holes.

Masks come as patches: a boolean rectangle and its place in the plane, so that the work grows with
the region and not with the image. Points are (row, column).

Two conventions for polygons exist, and no polygon suits both (see `edge_polygons` and
`pixel_polygons`): corners on the edges of pixels, as pycocotools reads them, and vertices on the
centres of boundary pixels, as `cv2.fillPoly` draws them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Patch

Mask = NDArray[np.bool_]
Polygon = NDArray[np.float64] | NDArray[np.int64]
Shape = tuple[int, int]

Convention = Literal["edges", "pixels"]

FARTHEST = 1e9
"""Coordinates beyond are taken for damage, not for geometry."""

_DRAWABLE = 1 << 20
"""Where outlines that leave the plane are cut off: OpenCV counts in fixed point."""

_CROSSINGS_AT_ONCE = 1 << 20
"""Bounds the memory of the polygon fill, whatever the polygon."""

NOWHERE = Patch(slice(0, 0), slice(0, 0), np.zeros((0, 0), bool))
"""The patch of an empty mask."""


def tight(patch: Patch) -> Patch:
    """Cut a patch to the bounding box of its pixels; one that has it already stays the same."""
    if _reaches_its_edges(patch.mask):
        return patch
    inner = Patch.whole(patch.mask)
    top, left = patch.rows.start, patch.cols.start
    rows = slice(top + inner.rows.start, top + inner.rows.stop)
    return Patch(rows, slice(left + inner.cols.start, left + inner.cols.stop), inner.mask)


def _reaches_its_edges(mask: Mask) -> bool:
    """Nothing can be cut off; four lines tell, however large the mask is."""
    return bool(
        mask.size
        and (mask[0].any() and mask[-1].any())
        and (mask[:, 0].any() and mask[:, -1].any())
    )


def box(patch: Patch) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a tight patch, in pixels."""
    height, width = patch.mask.shape
    return int(patch.cols.start), int(patch.rows.start), int(width), int(height)


def in_plane(patch: Patch, shape: Shape) -> Mask:
    """The mask in a plane of this (height, width)."""
    plane = np.zeros(shape, bool)
    plane[patch.slices] = patch.mask
    return plane


def filled(patch: Patch, *, touching: bool) -> Patch:
    """Fill the holes of a patch.

    Parameters
    ----------
    patch : Patch
        A region.
    touching : bool
        Whether pixels that touch at a corner close a ring. They do for `pixel_polygons`, they do
        not for `edge_polygons`, whose rings leave a way through.
    """
    if not has_holes(patch, touching=touching):
        return patch
    outside = np.pad(~patch.mask, 1, constant_values=True).view(np.uint8)
    _, parts = cv2.connectedComponents(outside, connectivity=4 if touching else 8)
    return Patch(patch.rows, patch.cols, parts[1:-1, 1:-1] != parts[0, 0])


def has_holes(patch: Patch, *, touching: bool) -> bool:
    """Say whether `filled` would add a pixel; from outlines, in a fraction of the time."""
    mask = np.ascontiguousarray(patch.mask).view(np.uint8)
    if not mask.size or not _n_outlines(mask, inner=True):
        return False  # not even one that pixels close which touch at a corner
    return touching or _n_outlines(np.pad(1 - mask, 1, constant_values=1), inner=False) > 1


def _n_outlines(mask: NDArray[np.uint8], *, inner: bool) -> int:
    """How many parts, pixels that touch at a corner together, or how many holes in them."""
    _, levels = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return 0 if levels is None else int(np.count_nonzero((levels[0, :, 3] >= 0) == inner))


def overlap(one: Patch, other: Patch) -> tuple[int, int]:
    """Pixel counts of the intersection and of the union of two patches of one plane."""
    top, bottom = _common(one.rows, other.rows)
    left, right = _common(one.cols, other.cols)
    common = 0
    if top < bottom and left < right:
        a, b = (
            p.mask[top - p.rows.start : bottom - p.rows.start,
                   left - p.cols.start : right - p.cols.start]
            for p in (one, other)
        )  # fmt: skip
        common = int((a & b).sum())
    return common, int(one.mask.sum()) + int(other.mask.sum()) - common


def _common(one: slice, other: slice) -> tuple[int, int]:
    return max(one.start, other.start), min(one.stop, other.stop)


def edge_polygons(patch: Patch) -> list[NDArray[np.int64]]:
    """Outer rings along the edges of the pixels, corners only.

    pycocotools decodes their union to exactly the mask, provided that it has no holes
    (`has_holes(patch, touching=False)`). Pixels that touch at a corner get rings of their own.

    Returns
    -------
    list of ndarray, (N, 2) int64
        (row, column) of corners of the pixel grid: pixel (r, c) lies between (r, c) and
        (r + 1, c + 1).
    """
    corners = corners_of(patch.mask)
    inside = np.pad(patch.mask, ((0, 1), (0, 1)))
    first = corners.points[0::2]
    is_outer = inside[first[:, 0], first[:, 1]].tolist()
    origin = np.array([patch.rows.start, patch.cols.start])
    return [corners.points[ring] + origin for ring in rings_of(corners) if is_outer[ring[0] // 2]]


@dataclass(frozen=True, eq=False)
class Corners:
    """Corners of all outlines of a mask, ordered so that 2k and 2k + 1 end one horizontal edge.

    `points` (N, 2) (row, column); `across` (N,) is the other end of each one's vertical edge.
    """

    points: NDArray[np.int64]
    across: NDArray[np.int64]


def corners_of(mask: Mask) -> Corners:
    """Find and pair corners without walking the outline.

    Along a row of the pixel grid corners alternate between the left and the right end of an edge,
    along a column between the upper and the lower end; sorting them therefore pairs them. Where
    two pixels touch at a corner it counts twice, and the order of the two there keeps each one's
    outline to itself.
    """
    height, width = mask.shape
    p = np.zeros((height + 2, width + 2), bool)
    p[1:-1, 1:-1] = mask  # many times as quick as np.pad
    nw, ne, sw, se = p[:-1, :-1], p[:-1, 1:], p[1:, :-1], p[1:, 1:]
    falling, rising = nw & se & ~ne & ~sw, ne & sw & ~nw & ~se
    # (where, comes second in its row, comes second in its column)
    kinds = [(nw ^ ne ^ sw ^ se, 0, 0)]
    if falling.any():
        kinds += [(falling, 0, 0), (falling, 1, 1)]
    if rising.any():
        kinds += [(rising, 0, 1), (rising, 1, 0)]
    parts = [(np.flatnonzero(where), right, lower) for where, right, lower in kinds]
    points = np.stack(
        np.divmod(np.concatenate([found for found, _, _ in parts]), p.shape[1] - 1), 1
    )
    right = np.concatenate([np.full(len(found), second) for found, second, _ in parts])
    lower = np.concatenate([np.full(len(found), second) for found, _, second in parts])
    by_row = np.lexsort((right, points[:, 1], points[:, 0]))
    points, lower = points[by_row], lower[by_row]
    by_column = np.lexsort((lower, points[:, 0], points[:, 1]))
    across = np.empty(len(points), np.int64)
    across[by_column[0::2]], across[by_column[1::2]] = by_column[1::2], by_column[0::2]
    return Corners(points, across)


def rings_of(corners: Corners) -> Iterator[list[int]]:
    """Yield ring after ring as indices of its corners, the first in reading order first."""
    across = corners.across.tolist()
    seen = bytearray(len(across) // 2)
    start = seen.find(0)
    while start >= 0:
        ring: list[int] = []
        at = 2 * start
        while not seen[at >> 1]:
            seen[at >> 1] = 1
            ring += (at, at ^ 1)
            at = across[at ^ 1]
        yield ring
        start = seen.find(0, start)


def pixel_polygons(patch: Patch) -> list[NDArray[np.int64]]:
    """Outer outlines through the centres of the boundary pixels, for readers with `cv2.fillPoly`.

    Outlines of one or two pixels repeat points, since COCO asks for three at least.

    Returns
    -------
    list of ndarray, (N, 2) int64
        (row, column) of pixels, N >= 3.
    """
    outlines, _ = cv2.findContours(
        patch.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    origin = np.array([patch.rows.start, patch.cols.start])
    return [_at_least_three(outline.reshape(-1, 2)[:, ::-1] + origin) for outline in outlines]


def _at_least_three(points: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.resize(points, (max(3, len(points)), 2)).astype(np.int64)


def fill(polygons: Sequence[Polygon], shape: Shape, *, convention: Convention = "edges") -> Patch:
    """Union of polygons, cut to the plane.

    Parameters
    ----------
    polygons : sequence of ndarray, (N, 2)
        (row, column); they may leave the plane. Each one fills by the even-odd rule.
    shape : (int, int)
        Height and width of the plane.
    convention : {"edges", "pixels"}
        "edges": whole numbers are edges of pixels, a pixel belongs to the polygon if its centre
        does. The exact inverse of `edge_polygons`; on other polygons what pycocotools reads,
        within its rounding. "pixels": whole numbers are centres of pixels and outlines belong to
        the polygon; the inverse of `pixel_polygons`, what `cv2.fillPoly` draws.
    """
    if convention == "edges":
        return fill_areas([[polygon] for polygon in polygons], shape)
    if not polygons:
        return NOWHERE
    frame = _frame(np.concatenate(list(polygons)), shape)
    if 0 in frame.mask.shape:
        return NOWHERE
    _draw(polygons, frame)
    return tight(frame)


def fill_areas(areas: Sequence[Sequence[Polygon]], shape: Shape) -> Patch:
    """Union of areas of several rings each, such as an outline and its holes, cut to the plane.

    Parameters
    ----------
    areas : sequence of sequences of ndarray, (N, 2)
        Each area fills by the even-odd rule over all of its rings; whole numbers are edges of
        pixels, as in `fill`.
    shape : (int, int)
        Height and width of the plane.
    """
    rings = [ring for area in areas for ring in area]
    if not rings:
        return NOWHERE
    frame = _frame(np.concatenate(rings), shape)
    if 0 in frame.mask.shape:
        return NOWHERE
    part = np.repeat(np.arange(len(areas)), [len(area) for area in areas])
    _fill_rows(_Edges.of(rings, part), frame, range(frame.rows.start, frame.rows.stop))
    return tight(frame)


def effort(rings: Sequence[Polygon], shape: Shape) -> tuple[int, int]:
    """What filling is to take: pixels of the frame, and how many rows sides cross in all."""
    if not rings:
        return 0, 0
    frame = _frame(np.concatenate(list(rings)), shape)
    rows = range(frame.rows.start, frame.rows.stop)
    _, n = _Edges.of(rings, np.arange(len(rings))).rows_within(rows)
    return frame.mask.size, int(n.sum())


def _frame(points: NDArray[Any], shape: Shape) -> Patch:
    """Make an empty patch of every pixel that an outline through these points can reach."""
    low = np.clip(np.floor(points.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, low, shape).astype(int)
    rows, cols = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return Patch(rows, cols, np.zeros(high - low, bool))


def _draw(polygons: Sequence[Polygon], frame: Patch) -> None:
    canvas = frame.mask.view(np.uint8)
    origin = np.array([frame.rows.start, frame.cols.start])
    for polygon in polygons:
        local = np.clip(np.rint(polygon - origin), -_DRAWABLE, _DRAWABLE).astype(np.int32)
        cv2.fillPoly(canvas, [np.ascontiguousarray(local[:, ::-1])], color=1)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Sides of polygons that are not horizontal, upper end first.

    `part` (N,) says to which area it belongs; `upper` and `lower` are (N, 2) (row, column).
    """

    part: NDArray[np.int64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @classmethod
    def of(cls, polygons: Sequence[Polygon], part: NDArray[np.int64]) -> _Edges:
        starts = np.concatenate(list(polygons)).astype(np.float64)
        stops = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
        part = np.repeat(part, [len(polygon) for polygon in polygons])
        slanted = starts[:, 0] != stops[:, 0]
        starts, stops, part = starts[slanted], stops[slanted], part[slanted]
        down = (starts[:, 0] < stops[:, 0])[:, None]
        return cls(part, np.where(down, starts, stops), np.where(down, stops, starts))

    def rows_within(self, rows: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row and number of rows, of those given, whose centre line each side crosses."""
        first = np.clip(np.ceil(self.upper[:, 0] - 0.5), rows.start, rows.stop).astype(np.int64)
        stop = np.clip(np.ceil(self.lower[:, 0] - 0.5), rows.start, rows.stop).astype(np.int64)
        return first, stop - first

    def columns_at(self, side: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float64]:
        """First column whose centre lies right of `side` on the centre line of `row`."""
        upper, lower = self.upper[side], self.lower[side]
        slope = (lower[:, 1] - upper[:, 1]) / (lower[:, 0] - upper[:, 0])
        return np.ceil(upper[:, 1] + (row + 0.5 - upper[:, 0]) * slope - 0.5)


def _fill_rows(edges: _Edges, frame: Patch, rows: range) -> None:
    """Fill rows of the frame, in bands that keep the number of crossings in memory bounded."""
    first, n = edges.rows_within(rows)
    width = frame.mask.shape[1]
    if len(rows) > 1 and max(int(n.sum()), len(rows) * width) > _CROSSINGS_AT_ONCE:
        middle = len(rows) // 2
        _fill_rows(edges, frame, rows[:middle])
        _fill_rows(edges, frame, rows[middle:])
        return
    side = np.repeat(np.arange(n.size), n)
    row = np.arange(side.size) - np.repeat(np.cumsum(n) - n, n) + first[side]
    column = np.clip(edges.columns_at(side, row) - frame.cols.start, 0, width).astype(np.int64)
    order = np.lexsort((column, row, edges.part[side]))  # then each two are the ends of a span
    place = ((row - rows.start) * (width + 1) + column)[order]
    change = np.zeros((len(rows), width + 1), np.int32)
    np.add.at(change.reshape(-1), place[0::2], 1)
    np.add.at(change.reshape(-1), place[1::2], -1)
    top = rows.start - frame.rows.start
    frame.mask[top : top + len(rows)] = np.cumsum(change, axis=1, dtype=np.int32)[:, :-1] > 0
