"""COCO stuff: one annotation for each category in an image, whatever its kind.

Readers of COCO-Stuff take a JSON file with run lengths, which pycocotools reads like instances;
those that want maps of pixels instead (Detectron2's semantic data sets) take `png-folder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from unseg_studio.data import Annotation, Patch, Region
from unseg_studio.formats.base import Finding, Format
from unseg_studio.formats.coco import CocoOptions, write_coco
from unseg_studio.formats.coco_reader import open_coco, read_coco
from unseg_studio.formats.pixels import painted


@dataclass(frozen=True)
class StuffOptions:
    """What can be chosen about a COCO stuff file."""

    images_root: Path | None = field(
        default=None,
        metadata={
            "label": "Images folder",
            "help": "File names are written relative to it; by default to the folder of the file.",
        },
    )


def write_stuff(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: StuffOptions | None = None,
) -> None:
    """Write one run-length annotation for each category that occurs in an image.

    Raises
    ------
    ValueError
        If two images have the same file name, or category tables contradict each other.
    OSError
        If the file cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    root = (options or StuffOptions()).images_root
    write_coco(map(by_category, given), path, options=CocoOptions(images_root=root))


def by_category(annotation: Annotation) -> Annotation:
    """Unite the regions of each category; of regions that overlap, the later one counts."""
    return replace(annotation, regions=tuple(_united(annotation)))


def _united(annotation: Annotation) -> Iterator[Region]:
    labels = painted(annotation, dtype=np.uint16)
    for category in sorted({region.category for region in annotation.regions}):
        rows, cols = _bounds([r.patch for r in annotation.regions if r.category == category])
        mask = labels[rows, cols] == category
        if mask.any():
            yield Region(category, Patch(rows, cols, mask))


def _bounds(patches: Sequence[Patch]) -> tuple[slice, slice]:
    top, left = (min(patch.slices[axis].start for patch in patches) for axis in (0, 1))
    bottom, right = (max(patch.slices[axis].stop for patch in patches) for axis in (0, 1))
    return slice(top, bottom), slice(left, right)


def check_stuff(annotation: Annotation, options: StuffOptions) -> Iterator[Finding]:
    """Tell which things would no longer be told apart."""
    things = {category.id for category in annotation.categories if category.kind == "thing"}
    n = sum(region.category in things for region in annotation.regions)
    united = len({region.category for region in annotation.regions} & things)
    if n > united:
        yield Finding(
            "note",
            f"{n} regions of things will be written as {united}, one for each category, as this "
            "format has it; export as COCO or COCO panoptic to keep them apart.",
        )


STUFF = Format(
    "coco-stuff", "COCO stuff", ".json", StuffOptions, write_stuff, read_coco, check_stuff,
    open=open_coco,
    purpose="Training semantic models on COCO: one annotation for each category of an image.",
)  # fmt: skip
