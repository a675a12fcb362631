"""COCO panoptic: a JSON file, and one PNG for each image whose colours are numbers of segments.

A pixel (R, G, B) belongs to the segment R + 256 G + 65536 B, black to none. The folder is laid out
as datumaro and CVAT have it: `annotations/panoptic_train.json`, `annotations/panoptic_train/*.png`;
without a split the part is called `default`. Images are not copied: they go into `images`, which
datumaro wants to be there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category
from unseg_studio.formats import geometry
from unseg_studio.formats.atomic import write_folder
from unseg_studio.formats.base import Finding, Format, Opened, StartingLabels, image_name
from unseg_studio.formats.indices import Row, starting_labels
from unseg_studio.formats.naming import Register, holds, stem_of
from unseg_studio.formats.pixels import painted, rgb_png
from unseg_studio.formats.png import Shape, read_colors
from unseg_studio.formats.reading import read_bytes

LARGEST_FILE = 1 << 29
WHOLE = "default"
"""Name of the part where there is no split."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class PanopticOptions:
    """There is nothing to choose about COCO panoptic."""


def write_panoptic(
    annotations: Iterable[Annotation], path: str | Path, *, options: PanopticOptions | None = None
) -> None:
    """Write one PNG for each image, and one JSON file for each part of the data set.

    Raises
    ------
    ValueError
        If two images have the same name, or category tables contradict each other.
    OSError
        If the files cannot be written.
    """
    write_folder(Path(path), _files(annotations))


def _files(annotations: Iterable[Annotation]) -> Iterator[tuple[str, bytes]]:
    register = Register()
    parts: dict[str, list[tuple[Entry, Entry]]] = {}
    for number, annotation in enumerate(annotations, 1):
        stem = register.enter(annotation)
        part = parts.setdefault(annotation.subset or WHOLE, [])
        segments = painted(annotation, range(1, len(annotation.regions) + 1), dtype=np.uint32)
        yield f"annotations/panoptic_{annotation.subset or WHOLE}/{stem}.png", _colored(segments)
        part.append((_image(annotation, number), _described(annotation, segments, number)))
    for name, entries in parts.items():
        yield f"annotations/panoptic_{name}.json", _content(entries, register.categories)


def _colored(segments: NDArray[np.uint32]) -> bytes:
    """A PNG of segment numbers: the three lower bytes of each, the lowest first."""
    colors = np.zeros((*segments.shape, 3), np.uint8)
    for channel in range(3):
        if int(segments.max(initial=0)) >> 8 * channel:
            colors[..., channel] = (segments >> 8 * channel).astype(np.uint8)
    return rgb_png(colors)


def _image(annotation: Annotation, number: int) -> Entry:
    height, width = annotation.shape
    name = image_name(annotation.source)
    return {
        "id": number, "width": int(width), "height": int(height), "file_name": name, "license": 1,
        "date_captured": "",
    }  # fmt: skip


def _described(annotation: Annotation, segments: NDArray[Any], number: int) -> Entry:
    stem = stem_of(image_name(annotation.source))
    infos = list(_segments(annotation, segments))
    return {"image_id": number, "file_name": f"{stem}.png", "segments_info": infos}


def _segments(annotation: Annotation, segments: NDArray[Any]) -> Iterator[Entry]:
    """What is left to be seen of each region under those that were painted later."""
    for number, region in enumerate(annotation.regions, 1):
        patch = region.patch
        seen = geometry.tight(type(patch)(patch.rows, patch.cols, segments[patch.slices] == number))
        if seen.mask.size:
            yield {
                "id": number,
                "category_id": int(region.category),
                "area": int(seen.mask.sum()),
                "bbox": list(geometry.box(seen)),
                "iscrowd": 0,
            }


def _content(entries: Sequence[tuple[Entry, Entry]], categories: Sequence[Category]) -> bytes:
    content = {
        "info": {"description": "Masks made with UnSeg Studio", "version": "1.0"},
        "licenses": [{"id": 1, "name": "not stated", "url": ""}],
        "images": [image for image, _ in entries],
        "annotations": [described for _, described in entries],
        "categories": [
            {
                "id": int(category.id),
                "name": category.name,
                "supercategory": "",
                "isthing": int(category.kind == "thing"),
                "color": list(category.rgb),
            }
            for category in categories
        ],
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")


# Back again.


def read_panoptic(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the categories of one image's segments.

    Parameters
    ----------
    path : str or Path
        The folder, or a JSON file beside whose PNGs lie in a folder of the same name.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name; the ending makes no difference.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If it is not COCO panoptic, is damaged or knows no such image.
    """
    return open_panoptic(path)(shape=shape, file_name=file_name)


def open_panoptic(path: str | Path) -> Opened:
    """Read the tables, to ask them about one image after the other; see `read_panoptic`."""
    tables = [_Table.of(file) for file in _tables(Path(path))]

    def about(*, shape: Shape, file_name: str = "") -> StartingLabels:
        for table in tables:
            described = table.described(file_name)
            if described is not None:
                return _labels(table, described, shape)
        raise ValueError(
            f"{path} knows no image {file_name!r}; accepted are files that list it. Choose the one "
            "that belongs to this image."
        )

    return about


@dataclass(frozen=True, eq=False)
class _Table:
    """One JSON file, and what it says of each image by the stem of its name."""

    file: Path
    content: Entry
    by_stem: dict[str, Entry]

    @classmethod
    def of(cls, file: Path) -> _Table:
        content = _parsed(file)
        first: dict[str, Entry] = {}
        for entry in content["annotations"]:
            first.setdefault(stem_of(str(entry.get("file_name", ""))), entry)
        return cls(file, content, first)

    def described(self, file_name: str) -> Entry | None:
        """The entry of an image; the only one where nobody asked for a name."""
        entries: list[Entry] = self.content["annotations"]
        alone = entries[0] if len(entries) == 1 and not file_name else None
        return self.by_stem.get(stem_of(file_name), alone)


def _tables(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"{path} cannot be read: No such file or folder. Check the path.")
    return sorted(path.glob("annotations/panoptic_*.json")) if path.is_dir() else [path]


def _parsed(file: Path) -> Entry:
    data = read_bytes(file, limit=LARGEST_FILE)
    try:
        content = json.loads(data)
        well = all(
            isinstance(e, dict) for key in ("annotations", "categories") for e in content[key]
        )
        well = well and all(isinstance(content[key], list) for key in ("annotations", "categories"))
    except (ValueError, TypeError, KeyError, RecursionError):
        well = False
    if not well:
        raise ValueError(
            f"{file} is not COCO panoptic, or is damaged; accepted is a JSON object with the lists "
            "images, annotations and categories. Choose another file."
        )
    return content  # type: ignore[no-any-return]


def _labels(table: _Table, described: Entry, shape: Shape) -> StartingLabels:
    file = table.file
    image = file.with_suffix("") / Path(str(described["file_name"]).replace("\\", "/")).name
    colors = read_colors(image, shape=shape)
    segments = np.zeros(shape, np.int32)
    for channel in range(3):
        segments |= colors[..., channel].astype(np.int32) << 8 * channel
    try:
        known = {int(info["id"]): int(info["category_id"]) for info in described["segments_info"]}
        rows = {int(entry["id"]): _row(entry) for entry in table.content["categories"]}
        values = _categories_of(segments, known)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{file}: the segments of {image.name} are damaged ({error}); accepted are those with "
            "an id and a category_id in whole numbers, one for each colour. Export it again."
        ) from error
    return starting_labels(values, rows, path=image)


def _row(entry: Mapping[str, Any]) -> Row:
    color, name = entry.get("color"), entry.get("name")
    row = {"kind": "stuff" if entry.get("isthing") == 0 else "thing"}
    if isinstance(name, str):
        row["name"] = name
    if isinstance(color, list) and len(color) == 3 and all(isinstance(c, int) for c in color):
        row["color"] = "#{:02x}{:02x}{:02x}".format(*color)
    return row


def _categories_of(segments: NDArray[np.int32], known: Mapping[int, int]) -> NDArray[np.int32]:
    """Category of each pixel; ValueError where a segment is not among those known."""
    table = np.full(int(segments.max(initial=0)) + 1, -1, np.int32)
    table[0] = 0
    for segment, category in known.items():
        if 0 < segment < len(table):
            table[segment] = category
    values = table[segments]
    if (values < 0).any():
        stray = int(segments[values < 0][0])
        raise ValueError(f"the PNG has the segment {stray}, which is not described")
    return values


def check_panoptic(annotation: Annotation, options: PanopticOptions) -> Iterator[Finding]:
    """Tell nothing: every pixel keeps its category and its region."""
    return iter(())


def recognises(path: Path) -> bool:
    """Say whether it is a folder laid out like this."""
    return holds(path, "annotations/panoptic_*.json")


PANOPTIC = Format(
    "coco-panoptic",
    "COCO panoptic",
    "",
    PanopticOptions,
    write_panoptic,
    read_panoptic,
    check_panoptic,
    open=open_panoptic,
    is_folder=True,
    splits=True,
    recognises=recognises,
    purpose="Training panoptic models: one PNG of segments for each image, things and stuff.",
)
