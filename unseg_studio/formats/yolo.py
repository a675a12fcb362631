"""YOLO segmentation: a folder with `data.yaml` and one text file per image.

Each connected part is one row, a category's index and the outline in shares of width and height;
holes are reached through a keyhole. Categories count from 0 in the order of the category table.
What only this program reads, sizes of images and ids of categories, stands in `unseg_studio.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Patch
from unseg_studio.formats import geometry, outlines
from unseg_studio.formats.atomic import write_folder
from unseg_studio.formats.base import Finding, Format, image_name, require_choices
from unseg_studio.formats.naming import Register, holds
from unseg_studio.formats.painting import own_entry
from unseg_studio.formats.reading import read_bytes
from unseg_studio.formats.yolo_reader import OWN_FILE, TABLES, holds_rows, is_rows, read_yolo

Outline = Literal["edges", "pixels"]

_ENDS: dict[Outline, tuple[float, float]] = {"edges": (1 / 16, 15 / 16), "pixels": (1 / 16, 7 / 16)}
"""How far into its pixel a vertex lies, coming from above or the left, and at the far end."""

_READ_BY_ULTRALYTICS = frozenset(
    {".avif", ".bmp", ".dng", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif",
     ".tiff", ".webp"}
)  # fmt: skip

_LARGEST_IMAGE = 1 << 30

_ABOUT = """Masks made with UnSeg Studio, for training with Ultralytics: data.yaml names the
categories and the folders, labels/ holds one text file for each image.

Ultralytics looks for the images in images/, which mirrors labels/: labels/train/cell.txt belongs to
images/train/cell.png. {images}
"""

__all__ = ["YOLO", "YoloOptions", "read_yolo", "write_yolo"]


@dataclass(frozen=True)
class YoloOptions:
    """What can be chosen about a YOLO data set.

    Raises
    ------
    ValueError
        If a word is none of the choices.
    """

    copy_images: bool = field(
        default=False,
        metadata={
            "label": "Copy the images",
            "help": "Put a copy of each image where Ultralytics looks for it; the folder can then "
            "be trained on as it is.",
        },
    )
    outline: Outline = field(
        default="edges",
        metadata={
            "label": "Outlines",
            "help": "edges: along the edges of pixels, exact in Ultralytics and in tools that ask "
            "which centres lie inside. pixels: through the boundary pixels, exact in Ultralytics "
            "and in tools that round, such as supervision.",
            "choices": get_args(Outline),
        },
    )

    def __post_init__(self) -> None:
        require_choices(self, "YOLO")


def write_yolo(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: YoloOptions | None = None,
) -> None:
    """Write a folder for Ultralytics; parts of a split data set lie in folders within.

    Raises
    ------
    ValueError
        If two images would share a file, or category tables contradict each other.
    OSError
        If the folder cannot be written, or an image not copied; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else annotations
    write_folder(Path(path), _files(given, options or YoloOptions()))


def _files(annotations: Iterable[Annotation], options: YoloOptions) -> Iterator[tuple[str, bytes]]:
    register = Register()
    indices: dict[int, int] = {}
    images: dict[str, dict[str, Any]] = {}
    for annotation in annotations:
        register.enter(annotation)
        stem = Path(image_name(annotation.source)).stem
        for category in annotation.categories:
            indices.setdefault(category.id, len(indices))
        inside = f"{annotation.subset}/{stem}" if annotation.subset else stem
        rows = "".join(f"{row}\n" for row in _rows(annotation, indices, options=options))
        yield f"labels/{inside}.txt", rows.encode("ascii")
        if options.copy_images:
            yield _copied(annotation, inside)
        images[f"labels/{inside}.txt"] = _entry(annotation)
    by_id = {category.id: category for category in register.categories}
    table = [by_id[id_] for id_ in indices]
    subsets = dict.fromkeys(entry["subset"] for entry in images.values())
    own = {"categories": own_entry(table), "images": images}
    yield OWN_FILE, json.dumps(own, ensure_ascii=False).encode("utf-8", errors="replace")
    yield TABLES[0], _data_yaml([category.name for category in table], list(subsets))
    yield "README.txt", _about(options).encode("ascii")


def _entry(annotation: Annotation) -> dict[str, Any]:
    height, width = annotation.shape
    return {
        "image": image_name(annotation.source),
        "width": int(width),
        "height": int(height),
        "subset": annotation.subset,
    }


def _about(options: YoloOptions) -> str:
    there = "The images are copied there already."
    missing = "Copy or link the images there before training."
    return _ABOUT.format(images=there if options.copy_images else missing)


def _data_yaml(names: list[str], subsets: list[str]) -> bytes:
    folders: dict[str, Any] = {
        part: f"images/{part}" for part in ("train", "val", "test") if part in subsets
    }
    content: dict[str, Any] = {
        "train": folders.get("train", "images"),
        "val": folders.get("val", folders.get("train", "images")),
        **folders,
        "names": dict(enumerate(names)),
    }
    text: bytes = yaml.safe_dump(
        content, encoding="utf-8", allow_unicode=True, sort_keys=False, width=1000
    )
    return text


def _rows(
    annotation: Annotation, indices: dict[int, int], *, options: YoloOptions
) -> Iterator[str]:
    near, far = _ENDS[options.outline]
    for region in annotation.regions:
        for outline in outlines.keyholes(region.patch):
            points = outline.at(near, far) / annotation.shape
            yield f"{indices[region.category]} {_numbers(points[:, ::-1])}"


def _numbers(points: NDArray[np.float64]) -> str:
    """Nine digits keep a vertex in its pixel on any side that an image can have."""
    shares = points.ravel().tolist()
    words = {share: f"{share:.9g}" for share in set(shares)}  # far fewer than points
    return " ".join([words[share] for share in shares])


def _copied(annotation: Annotation, inside: str) -> tuple[str, bytes]:
    source = annotation.source
    if source.path is None or (source.plane is not None and source.n_planes > 1):
        raise ValueError(
            f"{source.name} is no image file of its own and cannot be copied; accepted are files "
            "of one plane. Save the image as a file first, or export without copies."
        )
    return f"images/{inside}{source.path.suffix}", read_bytes(source.path, limit=_LARGEST_IMAGE)


def check_yolo(annotation: Annotation, options: YoloOptions) -> Iterator[Finding]:
    """Tell what Ultralytics could not read or would take apart."""
    yield from _about_the_image(annotation, options)
    several = sum(_n_parts(region.patch) > 1 for region in annotation.regions)
    if several:
        yield Finding(
            "note",
            f"{several} region{'s fall' if several > 1 else ' falls'} into several parts, each of "
            "which Ultralytics takes for an object of its own.",
        )


def _about_the_image(annotation: Annotation, options: YoloOptions) -> Iterator[Finding]:
    source, name = annotation.source, image_name(annotation.source)
    if source.plane is not None and source.n_planes > 1:
        yield Finding(
            "error" if options.copy_images else "warning",
            f"Ultralytics knows no stacks: it will look for the plane as an image file of its own, "
            f"{name!r}.",
        )
    elif options.copy_images and (source.path is None or not source.path.is_file()):
        yield Finding("error", f"The image {name!r} cannot be copied, since it is no file.")
    elif source.path and source.path.suffix.lower() not in _READ_BY_ULTRALYTICS:
        yield Finding(
            "warning",
            f"Ultralytics does not read {source.path.suffix!r} files; save the image as PNG or "
            "TIFF for training.",
        )


def _n_parts(patch: Patch) -> int:
    return len(geometry.pixel_polygons(patch))


def is_yolo(path: Path) -> bool:
    """Say whether this is a YOLO data set, its table or a file of rows, by name and beginning."""
    if path.name in TABLES:
        return True
    if path.suffix.lower() == ".txt":
        return is_rows(path)
    if any(holds(path, name) for name in TABLES):
        return True
    return path.is_dir() and ("labels" in (path.name, path.parent.name) or holds_rows(path))


YOLO = Format(
    "yolo", "YOLO segmentation", "", YoloOptions, write_yolo, read_yolo, check_yolo,
    is_folder=True,
    splits=True,
    recognises=is_yolo,
    purpose="Training Ultralytics YOLO: one text file of outlines for each image.",
)  # fmt: skip
