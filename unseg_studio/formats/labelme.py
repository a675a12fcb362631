"""labelme: a folder with one JSON file per image, each connected part one shape.

A shape of labelme is one ring, so holes are reached through a keyhole. Its vertices lie just
inside the pixels at the edge, since labelme rounds down when it draws: both what labelme draws and
what lies inside by geometry is then exactly the mask.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import PIL.Image

from unseg_studio.data import Annotation, Patch, Region
from unseg_studio.formats import geometry, outlines
from unseg_studio.formats.atomic import write_bytes, write_folder
from unseg_studio.formats.base import Finding, Format, image_name, require_choices
from unseg_studio.formats.labelme_reader import read_labelme
from unseg_studio.formats.naming import Register, is_single, only_one
from unseg_studio.formats.painting import OWN_KEY, beginning, own_entry

Shapes = Literal["polygon", "mask"]

_VERSION = "5.5.0"
"""Of labelme's files, the first that are certain to know masks."""

_INSET = 1 / 16
"""How far inside their pixels vertices lie."""

__all__ = ["LABELME", "LabelmeOptions", "read_labelme", "write_labelme"]


@dataclass(frozen=True)
class LabelmeOptions:
    """What can be chosen about labelme files.

    Raises
    ------
    ValueError
        If a word is none of the choices.
    """

    shapes: Shapes = field(
        default="polygon",
        metadata={
            "label": "Regions as",
            "help": "polygon: one outline for each connected part, which labelme edits. mask: one "
            "small picture for each region, for labelme 5.3 and later; smaller where outlines are "
            "ragged.",
            "choices": get_args(Shapes),
        },
    )

    def __post_init__(self) -> None:
        require_choices(self, "labelme")


def write_labelme(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: LabelmeOptions | None = None,
) -> None:
    """Write a folder of labelme files, `cells.json` for `cells.tif`, or a single `.json` file.

    labelme looks for them beside the images.

    Raises
    ------
    ValueError
        If two images would share a file, there are several for one file, or category tables
        contradict each other.
    OSError
        If they cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    target, options = Path(path), options or LabelmeOptions()
    if is_single(target, LABELME.single):
        write_bytes(target, only_one(_files(given, target.parent, options=options), target))
        return
    write_folder(target, _files(given, target, options=options))


def _files(
    annotations: Iterable[Annotation], folder: Path, *, options: LabelmeOptions
) -> Iterator[tuple[str, bytes]]:
    register = Register()
    for annotation in annotations:
        register.enter(annotation)
        stem = Path(image_name(annotation.source)).stem
        content = labelme_content(annotation, folder, options=options)
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        yield f"{stem}.json", text.encode("utf-8", errors="replace")


def labelme_content(
    annotation: Annotation, folder: Path, *, options: LabelmeOptions
) -> dict[str, Any]:
    """What stands in the file of one image: plain dicts, lists, words and python numbers."""
    height, width = annotation.shape
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": list(_shapes(annotation, options)),
        "imagePath": _image_path(annotation, folder),
        "imageData": None,
        "imageHeight": int(height),
        "imageWidth": int(width),
        OWN_KEY: {"categories": own_entry(annotation.categories)},
    }


def _image_path(annotation: Annotation, folder: Path) -> str:
    """From the folder of the file to the image, with forward slashes."""
    name = image_name(annotation.source)
    if annotation.source.path is None or annotation.source.path.parent == Path():
        return name
    try:
        there = os.path.relpath(annotation.source.path.parent.resolve(), folder.resolve())
    except ValueError:  # on another drive of Windows
        return name
    return (Path(there) / name).as_posix()


def _shapes(annotation: Annotation, options: LabelmeOptions) -> Iterator[dict[str, Any]]:
    names = {category.id: category.name for category in annotation.categories}
    for number, region in enumerate(annotation.regions, 1):
        drawn = [_mask(region.patch)] if options.shapes == "mask" else list(_polygons(region))
        for shape in drawn if region.patch.mask.any() else ():
            yield {
                "label": names[region.category],
                "group_id": number if len(drawn) > 1 else None,
                "description": "",
                "flags": {},
                "mask": None,
                **shape,
            }


def _polygons(region: Region) -> Iterator[dict[str, Any]]:
    for outline in outlines.keyholes(region.patch):
        points = outline.at(_INSET, 1 - _INSET)[:, ::-1].tolist()
        yield {"shape_type": "polygon", "points": points}


def _mask(patch: Patch) -> dict[str, Any]:
    patch = geometry.tight(patch)
    left, top, width, height = geometry.box(patch)
    buffer = io.BytesIO()
    PIL.Image.fromarray(patch.mask.astype(np.uint8)).save(buffer, "PNG")
    return {
        "shape_type": "mask",
        "points": [[left, top], [left + width - 1, top + height - 1]],
        "mask": base64.b64encode(buffer.getvalue()).decode("ascii"),
    }


def check_labelme(annotation: Annotation, options: LabelmeOptions) -> Iterator[Finding]:
    """Tell what labelme could not open or would show otherwise."""
    if annotation.source.plane is not None and annotation.source.n_planes > 1:
        yield Finding(
            "warning",
            "labelme knows no stacks: it will look for the plane as an image file of its own, "
            f"{image_name(annotation.source)!r}.",
        )


def is_labelme(path: Path) -> bool:
    """Say whether this is a labelme file or a folder of them, by name and beginning."""
    try:
        if path.is_dir():
            path = next(path.glob("*.json"), path)
    except OSError:
        return False
    start = beginning(path) if path.suffix.lower() == ".json" else b""
    return b'"shapes"' in start or (b'"imagePath"' in start and b'"images"' not in start)


LABELME = Format(
    "labelme", "labelme", "", LabelmeOptions, write_labelme, read_labelme, check_labelme,
    is_folder=True,
    recognises=is_labelme,
    purpose="Going on in labelme: one JSON file for each image, to lie beside it.",
    single=".json",
)  # fmt: skip
