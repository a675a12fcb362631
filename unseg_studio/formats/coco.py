"""COCO: one JSON file for any number of images.

Ids of images, annotations and categories start at 1, since 0 means "unmatched" to evaluators and
"no label" to importers; category ids are those of the category table, whatever occurs. `iscrowd` is
always 0, since 1 tells evaluators to ignore a region. How the masks were made stands under
`info["unseg_studio"]`, where no reader stumbles over it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category, Patch
from unseg_studio.formats import geometry, rle
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.formats.base import (
    Finding,
    Format,
    image_name,
    merged_categories,
    require_choices,
)
from unseg_studio.formats.coco_reader import OWN_INFO, open_coco, read_coco

Segmentation = Literal["rle", "polygon", "polygon-cv2"]
Holes = Literal["rle", "fill"]

Shape = tuple[int, int]
_Drawn = tuple[Patch, list[NDArray[np.int64]]]

_MANY_PARTS = 20

__all__ = ["COCO", "CocoOptions", "read_coco", "write_coco"]


@dataclass(frozen=True)
class CocoOptions:
    """What can be chosen about a COCO file.

    Raises
    ------
    ValueError
        If a word is none of the choices.
    """

    segmentation: Segmentation = field(
        default="rle",
        metadata={
            "label": "Masks as",
            "help": "rle: compressed run lengths, exact everywhere. polygon: along the edges of "
            "pixels, exact in pycocotools. polygon-cv2: through pixel centres, exact for "
            "readers that draw with OpenCV, such as Ultralytics and supervision.",
            "choices": get_args(Segmentation),
        },
    )
    holes: Holes = field(
        default="rle",
        metadata={
            "label": "Regions with holes",
            "help": "Polygons cannot have holes. rle: write such regions as run lengths. fill: "
            "close the holes, for readers that know polygons only.",
            "choices": get_args(Holes),
        },
    )
    images_root: Path | None = field(
        default=None,
        metadata={
            "label": "Images folder",
            "help": "File names are written relative to it; by default to the folder of the file.",
        },
    )

    def __post_init__(self) -> None:
        require_choices(self, "COCO")


def write_coco(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: CocoOptions | None = None,
) -> None:
    """Write images, with and without regions, and the whole category table to one COCO file.

    Annotations are asked for one by one, and each is let go before the next.

    Raises
    ------
    ValueError
        If two images have the same file name, or category tables contradict each other.
    OSError
        If the file cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    content = coco_content(given, Path(path), options=options or CocoOptions())
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_bytes(path, text.encode("utf-8", errors="replace"))


def coco_content(
    annotations: Iterable[Annotation], path: Path, *, options: CocoOptions
) -> dict[str, Any]:
    """What stands in the COCO file at `path`: plain dicts, lists, words and python numbers."""
    bare: list[Annotation] = []
    regions: list[dict[str, Any]] = []
    for number, annotation in enumerate(annotations, 1):
        merged_categories((annotation,))  # refuses regions without a category
        regions.extend(_region_entries(annotation, number, options))
        bare.append(replace(annotation, regions=()))  # masks of many planes would fill the memory
    names = _file_names(bare, path, options)
    return {
        "info": _info(bare, options),
        "licenses": [{"id": 1, "name": "not stated", "url": ""}],
        "images": [
            _image_entry(annotation, name, number)
            for number, (annotation, name) in enumerate(zip(bare, names, strict=True), 1)
        ],
        "categories": [
            {"id": int(category.id), "name": category.name, "supercategory": ""}
            for category in merged_categories(bare)
        ],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(regions, 1)],
    }


def _info(annotations: Sequence[Annotation], options: CocoOptions) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "year": now.year,
        "version": "1.0",
        "description": "Masks made with UnSeg Studio",
        "contributor": "",
        "url": "",
        "date_created": now.isoformat(timespec="seconds"),
        OWN_INFO: {
            "segmentation": options.segmentation,
            "categories": [_look(category) for category in merged_categories(annotations)],
            "provenance": {
                str(number): plain(annotation.provenance)
                for number, annotation in enumerate(annotations, 1)
                if annotation.provenance
            },
        },
    }


def _look(category: Category) -> dict[str, Any]:
    return {"id": int(category.id), "color": category.color, "kind": category.kind}


def _image_entry(annotation: Annotation, file_name: str, number: int) -> dict[str, Any]:
    height, width = annotation.shape
    entry: dict[str, Any] = {
        "id": number,
        "width": int(width),
        "height": int(height),
        "file_name": file_name,
        "license": 1,
        "date_captured": "",
    }
    source = annotation.source
    if source.path is not None and source.plane is not None and source.n_planes > 1:
        entry |= {"plane": int(source.plane), "stack": source.path.name}
    return entry


def _file_names(
    annotations: Sequence[Annotation], path: Path, options: CocoOptions
) -> tuple[str, ...]:
    roots = [root for root in (options.images_root, path.parent) if root is not None]
    names = tuple(_relative_name(annotation, roots) for annotation in annotations)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(names)} images were given and more than one would be called {twice[0]!r}; "
            "accepted are images whose names differ. Choose an images folder that holds all of "
            "them, or export them to separate files."
        )
    return names


def _relative_name(annotation: Annotation, roots: Sequence[Path]) -> str:
    """Name the image below the first root that holds it, with forward slashes, else without one."""
    name = image_name(annotation.source)
    if annotation.source.path is None:
        return name
    folder = annotation.source.path.resolve().parent
    for root in roots:
        if folder.is_relative_to(root.resolve()):
            return (folder.relative_to(root.resolve()) / name).as_posix()
    return name


def _region_entries(
    annotation: Annotation, number: int, options: CocoOptions
) -> Iterator[dict[str, Any]]:
    for region in annotation.regions:
        patch = _kept(region.patch, options)
        if patch.mask.size:
            yield {
                "image_id": number,
                "category_id": int(region.category),
                "segmentation": _segmentation(patch, annotation.shape, options=options),
                "area": int(np.count_nonzero(patch.mask)),
                "bbox": list(geometry.box(patch)),
                "iscrowd": 0,
            }


def _kept(patch: Patch, options: CocoOptions) -> Patch:
    """What of a region will stand in the file: area and box are taken from that."""
    if options.segmentation == "rle" or options.holes == "rle":
        return geometry.tight(patch)
    return geometry.filled(geometry.tight(patch), touching=_touching(options))


def _touching(options: CocoOptions) -> bool:
    return options.segmentation == "polygon-cv2"


def _segmentation(
    patch: Patch, shape: Shape, *, options: CocoOptions
) -> dict[str, Any] | list[list[int]]:
    if not _as_polygons(patch, options):
        text = rle.text_of_runs(rle.run_lengths(patch, shape))
        return {"size": [int(side) for side in shape], "counts": text}
    return [polygon[:, ::-1].ravel().tolist() for polygon in _traced(patch, options)]


def _traced(patch: Patch, options: CocoOptions) -> list[NDArray[np.int64]]:
    trace = geometry.pixel_polygons if _touching(options) else geometry.edge_polygons
    return trace(patch)


def _as_polygons(patch: Patch, options: CocoOptions) -> bool:
    if options.segmentation == "rle":
        return False
    return not geometry.has_holes(patch, touching=_touching(options))


def plain(value: object) -> Any:
    """Make a value of dicts, lists, words and finite numbers: what JSON knows.

    What JSON does not know becomes its text; NaN and infinity become null.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return value.as_posix()
    return value if isinstance(value, str | int | None) else str(value)


# What the file would do to the masks, said before it is written.


def check_coco(annotation: Annotation, options: CocoOptions) -> Iterator[Finding]:
    """Tell which masks polygons cannot hold, and how exactly readers get back the others."""
    if options.segmentation == "rle" or not annotation.regions:
        return
    patches = [geometry.tight(region.patch) for region in annotation.regions]
    yield from _about_holes(patches, options)
    kept = (_kept(patch, options) for patch in patches)
    drawn = [(patch, _traced(patch, options)) for patch in kept if _as_polygons(patch, options)]
    if drawn:
        yield from _about_parts([polygons for _, polygons in drawn])
        yield _about_readers(drawn, annotation.shape, options=options)


def _about_holes(patches: Sequence[Patch], options: CocoOptions) -> Iterator[Finding]:
    n = sum(geometry.has_holes(patch, touching=_touching(options)) for patch in patches)
    if n and options.holes == "rle":
        yield Finding(
            "note",
            f"{_counted(n, 'region')} with holes will be written as run lengths, since polygons "
            "cannot have holes; readers that know polygons only will skip them.",
        )
    elif n:
        yield Finding("warning", f"The holes of {_counted(n, 'region')} will be filled.")


def _about_parts(regions: Sequence[Sequence[geometry.Polygon]]) -> Iterator[Finding]:
    most = max(len(polygons) for polygons in regions)
    if most > _MANY_PARTS:
        yield Finding(
            "note",
            f"One region falls into {most} polygons, and tools such as CVAT open each as a shape "
            "of its own; run lengths keep it together.",
        )


def _about_readers(drawn: Sequence[_Drawn], shape: Shape, *, options: CocoOptions) -> Finding:
    edges = _agreement(drawn, shape, convention="edges")
    pixels = _agreement(drawn, shape, convention="pixels")
    return Finding(
        "note" if (pixels if _touching(options) else edges) == 1 else "warning",
        f"The polygons agree with the masks to {_percent(edges)} in pycocotools, and to "
        f"{_percent(pixels)} in readers that draw with OpenCV (intersection over union).",
    )


def _agreement(drawn: Sequence[_Drawn], shape: Shape, *, convention: geometry.Convention) -> float:
    """Intersection over union of masks and what a reader of this convention gets back."""
    pairs = [
        geometry.overlap(patch, geometry.fill(polygons, shape, convention=convention))
        for patch, polygons in drawn
    ]
    return sum(common for common, _ in pairs) / sum(union for _, union in pairs)


def _percent(share: float) -> str:
    """Round down, so that 100 % means exactly that."""
    return "100 %" if share == 1 else f"{math.floor(share * 1000) / 10:.1f} %"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


COCO = Format(
    "coco", "COCO", ".json", CocoOptions, write_coco, read_coco, check_coco,
    open=open_coco,
    purpose="Training and scoring of detectors; most tools read it. One file for all images.",
)  # fmt: skip
