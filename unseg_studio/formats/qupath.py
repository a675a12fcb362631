"""GeoJSON for QuPath: a folder with one file per image, each region an annotation object.

Coordinates are pixels, whole numbers their edges, as QuPath counts; holes are inner rings. What
only this program reads stands beside the features, where readers of GeoJSON pass over it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from unseg_studio.data import Annotation, Category, Region
from unseg_studio.formats import outlines
from unseg_studio.formats.atomic import write_bytes, write_folder
from unseg_studio.formats.base import Finding, Format, image_name, require_choices
from unseg_studio.formats.naming import Register, holds, is_single, only_one
from unseg_studio.formats.painting import OWN_KEY, beginning, own_entry
from unseg_studio.formats.qupath_reader import SUFFIX, read_qupath

ObjectType = Literal["annotation", "detection"]

__all__ = ["QUPATH", "QupathOptions", "read_qupath", "write_qupath"]


@dataclass(frozen=True)
class QupathOptions:
    """What can be chosen about GeoJSON for QuPath.

    Raises
    ------
    ValueError
        If a word is none of the choices.
    """

    objects: ObjectType = field(
        default="annotation",
        metadata={
            "label": "Regions as",
            "help": "annotation: can be edited in QuPath. detection: for many thousand regions, "
            "which QuPath then draws faster and does not edit.",
            "choices": get_args(ObjectType),
        },
    )
    locked: bool = field(
        default=False,
        metadata={"label": "Locked", "help": "QuPath guards locked objects against the mouse."},
    )

    def __post_init__(self) -> None:
        require_choices(self, "QuPath")


def write_qupath(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: QupathOptions | None = None,
) -> None:
    """Write a folder of files, `cells.geojson` for `cells.tif`, or a single `.geojson` file.

    Raises
    ------
    ValueError
        If two images would share a file, there are several for one file, or category tables
        contradict each other.
    OSError
        If they cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    target, files = Path(path), _files(given, options or QupathOptions())
    if is_single(target, SUFFIX):
        write_bytes(target, only_one(files, target))
        return
    write_folder(target, files)


def _files(
    annotations: Iterable[Annotation], options: QupathOptions
) -> Iterator[tuple[str, bytes]]:
    register = Register()
    for annotation in annotations:
        stem = register.enter(annotation)
        content = geojson_content(annotation, options=options)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        yield f"{stem}{SUFFIX}", text.encode("utf-8", errors="replace")


def geojson_content(annotation: Annotation, *, options: QupathOptions) -> dict[str, Any]:
    """What stands in the file of one image: plain dicts, lists, words and python numbers."""
    categories = {category.id: category for category in annotation.categories}
    height, width = annotation.shape
    return {
        "type": "FeatureCollection",
        "features": [
            _feature(region, categories[region.category], annotation, options=options)
            for region in annotation.regions
            if region.patch.mask.any()
        ],
        OWN_KEY: {
            "image": image_name(annotation.source),
            "width": int(width),
            "height": int(height),
            "categories": own_entry(annotation.categories),
        },
    }


def _feature(
    region: Region, category: Category, annotation: Annotation, *, options: QupathOptions
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": _geometry(region) | _plane(annotation),
        "properties": {
            "objectType": options.objects,
            "classification": {"name": category.name, "color": list(category.rgb)},
            "isLocked": options.locked,
        },
    }


def _geometry(region: Region) -> dict[str, Any]:
    areas = [[_closed(ring) for ring in area] for area in outlines.edge_areas(region.patch)]
    if len(areas) == 1:
        return {"type": "Polygon", "coordinates": areas[0]}
    return {"type": "MultiPolygon", "coordinates": areas}


def _closed(ring: outlines.Ring) -> list[list[int]]:
    points: list[list[int]] = ring[:, ::-1].tolist()
    return [*points, points[0]]


def _plane(annotation: Annotation) -> dict[str, Any]:
    """Where in a stack the outlines lie, as QuPath says it; nothing for a single image."""
    source = annotation.source
    if source.plane is None or source.n_planes == 1:
        return {}
    return {"plane": {"c": -1, "z": int(source.plane), "t": 0}}


def check_qupath(annotation: Annotation, options: QupathOptions) -> Iterator[Finding]:
    """Tell which names QuPath would take apart."""
    for category in annotation.categories:
        if ":" in category.name:
            yield Finding(
                "warning",
                f"QuPath reads the colon in {category.name!r} as a class within a class; rename "
                "the category to keep it one.",
            )


def is_qupath(path: Path) -> bool:
    """Say whether this is GeoJSON or a folder of it, by name and beginning."""
    if path.suffix.lower() == SUFFIX:
        return True
    if path.suffix.lower() == ".json":
        return b'"Feature' in beginning(path)
    return holds(path, f"*{SUFFIX}")


QUPATH = Format(
    "qupath", "GeoJSON for QuPath", "", QupathOptions, write_qupath, read_qupath, check_qupath,
    is_folder=True,
    recognises=is_qupath,
    purpose="Going on in QuPath: one file for each image, to be dropped on it there.",
    single=SUFFIX,
)  # fmt: skip
