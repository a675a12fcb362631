"""Regions: the parts of a label map as they are exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.boxes import Box
from unseg_studio.data.category import Category
from unseg_studio.data.image import Source
from unseg_studio.data.strokes import Patch

Connectivity = Literal[4, 8]

MANY = 1000
"""From so many outlines on, all parts are found at once rather than one by one."""


@dataclass(frozen=True, eq=False)
class Region:
    """One part of one category in one image.

    Parameters
    ----------
    category : int
        Id of its category.
    patch : Patch
        Its mask, cut to the bounding box.
    """

    category: int
    patch: Patch

    @property
    def area(self) -> int:
        """Pixel count."""
        return int(np.count_nonzero(self.patch.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, width, height) in pixels."""
        rows, cols = self.patch.slices
        return cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The mask in a plane of this (height, width)."""
        plane = np.zeros(shape, bool)
        plane[self.patch.slices] = self.patch.mask
        return plane


@dataclass(frozen=True, eq=False)
class Annotation:
    """All regions of one image.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    source : Source
        Where the image came from.
    categories : tuple of Category
        The whole category table, whether or not a category occurs here.
    regions : tuple of Region
        Ordered by category, then by position.
    provenance : dict
        How the masks were made (method, parameters, seed, versions): written beside them.
    subset : str
        Part of a split data set that the image belongs to, "train" or "val"; empty without a split.
    unnamed : dict of int to int
        Pixels of each cluster without a name, which no region holds.
    """

    shape: tuple[int, int]
    source: Source
    categories: tuple[Category, ...]
    regions: tuple[Region, ...]
    provenance: dict[str, object] = field(default_factory=dict)
    subset: str = ""
    unnamed: dict[int, int] = field(default_factory=dict)

    def labels(self) -> NDArray[np.int32]:
        """The regions painted into one `(H, W)` int32 map; later regions cover earlier ones."""
        labels = np.zeros(self.shape, np.int32)
        for region in self.regions:
            labels[region.patch.slices][region.patch.mask] = region.category
        return labels


def regions_from_labels(
    labels: NDArray[np.int32],
    categories: Sequence[Category],
    *,
    min_area: int = 1,
    connectivity: Connectivity = 8,
) -> tuple[Region, ...]:
    """Cut a label map into regions: each connected part of a thing, stuff as a whole.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Ids without a category are left out.
    categories : sequence of Category
        The category table.
    min_area : int
        Connected parts of fewer pixels are left out; for stuff, too.
    connectivity : {4, 8}
        Whether pixels that touch at a corner belong together.
    """
    return tuple(
        region
        for category in categories
        for region in _regions_of(labels == category.id, category, min_area, connectivity)
    )


def _regions_of(
    mask: NDArray[np.bool_], category: Category, min_area: int, connectivity: Connectivity
) -> Iterator[Region]:
    if category.kind == "thing":
        patches = _things_in(mask, min_area, connectivity)
        yield from (Region(category.id, patch) for patch in sorted(patches, key=_first_pixel))
        return
    kept = mask if min_area <= 1 else _without_small(mask, min_area, connectivity)
    if kept.any():
        yield Region(category.id, Patch.whole(kept))


def _things_in(
    mask: NDArray[np.bool_], min_area: int, connectivity: Connectivity
) -> Iterable[Patch]:
    """Each connected part of a mask, in any order."""
    boxes = _boxes_of(mask) if connectivity == 8 else None
    if boxes is not None:
        patches = (_part_at(mask, box, point) for box, point in boxes)
        return [patch for patch in patches if np.count_nonzero(patch.mask) >= min_area]
    parts, stats = _parts_of(mask, connectivity)
    large = [n for n in range(1, len(stats)) if stats[n, cv2.CC_STAT_AREA] >= min_area]
    return [_patch_of(parts, n, stats[n]) for n in large]


def _without_small(
    mask: NDArray[np.bool_], min_area: int, connectivity: Connectivity
) -> NDArray[np.bool_]:
    parts, stats = _parts_of(mask, connectivity)
    large = [n for n in range(1, len(stats)) if stats[n, cv2.CC_STAT_AREA] >= min_area]
    return np.isin(parts, large) if len(large) < len(stats) - 1 else mask


def _boxes_of(mask: NDArray[np.bool_]) -> list[tuple[Box, tuple[int, int]]] | None:
    """The box of each part and a pixel (row, column) of it, both from its outline.

    That is found in a fiftieth of the time that numbering all pixels takes. None: there are so many
    parts, or their boxes overlap so much, that numbering is quicker.
    """
    outlines, levels = cv2.findContours(
        np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    if len(outlines) > MANY:
        return None
    found, area = [], 0
    for outline, level in zip(outlines, levels[0] if len(outlines) else (), strict=True):
        if level[3] < 0:  # not that of a hole
            left, top, width, height = cv2.boundingRect(outline)
            box = slice(top, top + height), slice(left, left + width)
            found.append((box, (int(outline[0, 0, 1]), int(outline[0, 0, 0]))))
            area += width * height
    return found if area <= mask.size else None


def _part_at(mask: NDArray[np.bool_], box: Box, point: tuple[int, int]) -> Patch:
    """The part that has a box and goes through a pixel; others may reach into the box."""
    rows, cols = box
    inside = np.ascontiguousarray(mask[box]).view(np.uint8)
    _, parts = cv2.connectedComponents(inside, connectivity=8)
    number = parts[point[0] - rows.start, point[1] - cols.start]
    return Patch(rows, cols, np.asarray(parts == number))


def _parts_of(
    mask: NDArray[np.bool_], connectivity: Connectivity
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Connected parts by number, and the box and area of each; OpenCV is ten times as quick."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=connectivity
    )
    return np.asarray(parts), np.asarray(stats)


def _patch_of(parts: NDArray[np.int32], number: int, stats: NDArray[np.int32]) -> Patch:
    left, top, width, height = (int(value) for value in stats[:4])
    rows, cols = slice(top, top + height), slice(left, left + width)
    return Patch(rows, cols, parts[rows, cols] == number)


def _first_pixel(patch: Patch) -> tuple[int, int]:
    """Row and column of the first pixel, by rows."""
    return patch.slices[0].start, patch.slices[1].start + int(patch.mask[0].argmax())
