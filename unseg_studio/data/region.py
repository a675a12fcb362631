"""Regions: the parts of a label map as they are exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage import measure

from unseg_studio.data.category import Category
from unseg_studio.data.image import Source
from unseg_studio.data.strokes import Patch

Connectivity = Literal[4, 8]


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
        return int(self.patch.mask.sum())

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
    """

    shape: tuple[int, int]
    source: Source
    categories: tuple[Category, ...]
    regions: tuple[Region, ...]
    provenance: dict[str, object] = field(default_factory=dict)
    subset: str = ""

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
    parts = measure.label(mask, connectivity=1 if connectivity == 4 else 2)
    large = [part for part in measure.regionprops(parts) if part.area >= min_area]
    if category.kind == "thing":
        for part in large:
            yield Region(category.id, Patch(part.slice[0], part.slice[1], part.image))
    elif large:
        kept = np.isin(parts, [part.label for part in large])
        yield Region(category.id, Patch.whole(kept))
