"""Pascal VOC: maps of classes and objects as indexed PNG, boxes as XML, lists of names.

Indices are category ids, colours those that VOC gives to indices, 255 means "not said". Boxes count
pixels from 1, as VOC has it, both ends belonging to the object. `labelmap.txt` is the list of
classes as datumaro and CVAT have it; what it has no room for stands in `categories.csv`. Images
are not copied: they go into `JPEGImages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category, Region
from unseg_studio.formats.atomic import write_folder
from unseg_studio.formats.base import Finding, Format, StartingLabels, image_name
from unseg_studio.formats.indices import (
    LARGEST_TABLE,
    Row,
    category_csv,
    read_category_csv,
    starting_labels,
)
from unseg_studio.formats.naming import Register, file_of, holds
from unseg_studio.formats.numbering import unique_name
from unseg_studio.formats.pixels import N_INDICES, indexed_png, painted
from unseg_studio.formats.png import Shape, read_indices, require_indices
from unseg_studio.formats.reading import read_bytes

HIGHEST = 254
"""Highest index of a class or an object."""

UNSAID = 255
"""Index of pixels that belong to nothing that counts."""

TABLE = "categories.csv"
LABEL_MAP = "labelmap.txt"
BACKGROUND = "background"


@dataclass(frozen=True)
class VocOptions:
    """There is nothing to choose about Pascal VOC."""


def write_voc(
    annotations: Iterable[Annotation], path: str | Path, *, options: VocOptions | None = None
) -> None:
    """Write two PNGs and one XML file for each image, and the lists of a data set.

    Without a split, `train.txt` and `trainval.txt` name all images and `val.txt` none.

    Raises
    ------
    ValueError
        If two images have the same name, or one has a category id or more regions above 254.
    OSError
        If the files cannot be written.
    """
    write_folder(Path(path), _files(annotations))


def _files(annotations: Iterable[Annotation]) -> Iterator[tuple[str, bytes]]:
    register = Register()
    parts: dict[str, list[str]] = {"train": [], "val": []}
    for annotation in annotations:
        stem = register.enter(annotation)
        _require_room(annotation)
        parts["val" if annotation.subset == "val" else "train"].append(stem)
        objects = painted(annotation, range(1, len(annotation.regions) + 1), dtype=np.uint8)
        classes = painted(annotation, dtype=np.uint8)
        yield f"SegmentationClass/{stem}.png", indexed_png(classes, voc_palette())
        yield f"SegmentationObject/{stem}.png", indexed_png(objects, voc_palette())
        yield f"Annotations/{stem}.xml", _xml(annotation)
    for part, names in {**parts, "trainval": parts["train"] + parts["val"]}.items():
        yield f"ImageSets/Segmentation/{part}.txt", "".join(f"{n}\n" for n in names).encode("utf-8")
    yield LABEL_MAP, _label_map(register.categories)
    yield TABLE, category_csv(register.categories)


@cache
def voc_palette() -> NDArray[np.uint8]:
    """VOC's colours of the indices, (256, 3), made of their bits: red, green, blue in turn."""
    indices = np.arange(N_INDICES)
    palette = np.zeros((N_INDICES, 3), np.uint8)
    for place in range(3):
        for channel in range(3):
            palette[:, channel] |= ((indices >> (3 * place + channel) & 1) << (7 - place)).astype(
                np.uint8
            )
    return palette


def _xml(annotation: Annotation) -> bytes:
    root = Xml.Element("annotation")
    _add(root, folder="JPEGImages", filename=_plain(image_name(annotation.source)))
    height, width = annotation.shape
    _add(Xml.SubElement(root, "size"), width=width, height=height, depth=3)
    _add(root, segmented=1)
    labels = class_names(annotation.categories)
    for region in annotation.regions:
        _object(root, region, labels[region.category])
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8"))


def _object(root: Xml.Element, region: Region, label: str) -> None:
    entry = Xml.SubElement(root, "object")
    _add(entry, name=label, pose="Unspecified", truncated=0, difficult=0, occluded=0)
    left, top, width, height = region.box
    _add(
        Xml.SubElement(entry, "bndbox"),
        xmin=left + 1, ymin=top + 1, xmax=left + width, ymax=top + height,
    )  # fmt: skip


def _add(parent: Xml.Element, **texts: object) -> None:
    for tag, text in texts.items():
        Xml.SubElement(parent, tag).text = str(text)


def _plain(text: str, *, without: str = "") -> str:
    """Replace what XML, or a line of a list, cannot hold."""
    return "".join(c if c.isprintable() and c not in without else "_" for c in text)


def class_names(categories: Sequence[Category]) -> dict[int, str]:
    """Names by id, as far as VOC's lists have room for them: without colons, differing."""
    names: dict[int, str] = {}
    for category in categories:
        wanted = _plain(category.name.strip(), without=":").lstrip("#")
        names[category.id] = unique_name(wanted, category.id, taken={BACKGROUND, *names.values()})
    return names


def _label_map(categories: Sequence[Category]) -> bytes:
    names = {0: BACKGROUND, **class_names([c for c in categories if c.id <= HIGHEST])}
    lines = ["# label:color_rgb:parts:actions"]
    for id_, name in names.items():
        lines.append(f"{name}:{','.join(str(part) for part in voc_palette()[id_])}::")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", errors="replace")


def _require_room(annotation: Annotation) -> None:
    require_indices(annotation, highest=HIGHEST, what="Pascal VOC")
    n = len(annotation.regions)
    if n > HIGHEST:
        raise ValueError(
            f"{annotation.source.name} has {n} regions; Pascal VOC has room for {HIGHEST} objects "
            "in one image. Leave small ones out by a larger minimum area, or export as COCO."
        )


# Back again.


def read_voc(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the map of classes of one image.

    Names come from `categories.csv`, or else from `labelmap.txt`, whose colours say the index.

    Parameters
    ----------
    path : str or Path
        The folder that holds `SegmentationClass`.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name; the ending makes no difference.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If there is no map of this image, or it is damaged or of another size.
    """
    classes = Path(path) / "SegmentationClass"
    file = file_of(classes if classes.is_dir() else Path(path), file_name, endings=(".png",))
    rows: Mapping[int, Row] = read_category_csv(Path(path) / TABLE)
    rows = rows or _read_label_map(Path(path) / LABEL_MAP)
    values, palette = read_indices(file, shape=shape)
    if UNSAID not in rows:
        values = np.where(values == UNSAID, 0, values)
    return starting_labels(values, rows, path=file, colors=palette)


def _read_label_map(path: Path) -> dict[int, Row]:
    """Names by index: that of the colour in VOC's palette, or of the line in the list."""
    if not path.exists():
        return {}
    text = read_bytes(path, limit=LARGEST_TABLE).decode("utf-8", errors="replace")
    lines = [line.split(":") for line in text.splitlines() if line.strip() and line[0] != "#"]
    known = {",".join(str(part) for part in color): n for n, color in enumerate(voc_palette())}
    rows = ((known.get(line[1], n) if line[1:] else n, line[0]) for n, line in enumerate(lines))
    return {index: {"name": name} for index, name in rows if 0 < index <= HIGHEST}


def check_voc(annotation: Annotation, options: VocOptions) -> Iterator[Finding]:
    """Tell whether there is room, and which names change."""
    try:
        _require_room(annotation)
    except ValueError as error:
        yield Finding("error", str(error))
    names = class_names(annotation.categories)
    changed = [c.name for c in annotation.categories if names[c.id] != c.name.strip()]
    if changed:
        yield Finding(
            "note",
            f"The category {changed[0]!r} will be called {_renamed(annotation, changed[0])!r} in "
            "the lists of Pascal VOC, which have no room for every character.",
        )


def _renamed(annotation: Annotation, name: str) -> str:
    ids = {category.name: category.id for category in annotation.categories}
    return class_names(annotation.categories)[ids[name]]


def recognises(path: Path) -> bool:
    """Say whether it is a folder with maps of classes."""
    return holds(path, "SegmentationClass/*.png")


VOC = Format(
    "voc",
    "Pascal VOC",
    "",
    VocOptions,
    write_voc,
    read_voc,
    check_voc,
    is_folder=True,
    splits=True,
    recognises=recognises,
    purpose="Training with Pascal VOC loaders: PNG masks, XML boxes and lists of images.",
)
