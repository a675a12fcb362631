"""OME-Zarr labels, 0.4 and 0.5: chunked, in levels of half the size, with names and colours.

`cells.ome.zarr/labels/categories` holds the category ids of `cells.tif` in `labels`, the place that
OME-Zarr has for them; an image in OME-Zarr that is at the path already gets them beside its own
labels. Written is a folder of such folders, or, where the path ends in `.zarr`, that of one image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Annotation, Category, UnreadableImageError
from unseg_studio.data.stores import FolderStore, metadata
from unseg_studio.data.zarr_array import ZarrArray
from unseg_studio.formats.atomic import write_folder
from unseg_studio.formats.base import Finding, Format, StartingLabels, require_choices
from unseg_studio.formats.indices import Row, starting_labels
from unseg_studio.formats.naming import PARTS, Register, file_of, holds, stem_of
from unseg_studio.formats.ome_tiff import smallest_type
from unseg_studio.formats.pixels import painted
from unseg_studio.formats.png import Shape

Version = Literal["0.4", "0.5"]
Pixels = NDArray[np.integer]
File = tuple[str, bytes]

NAME = "categories"
"""Name of our labels among those of an image."""

SUFFIX = ".zarr"
_SIDE = 1024
"""Of a chunk, in pixels."""

_SMALLEST = 256
"""Levels go on until both sides are this small."""

_LARGEST_CHUNK = 1 << 28
_MOST_CHUNKS = 1 << 16
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError,
    ArithmeticError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class OmeZarrOptions:
    """What can be chosen about OME-Zarr labels.

    Raises
    ------
    ValueError
        If the version is none of the choices.
    """

    version: Version = field(
        default="0.4",
        metadata={
            "label": "Version",
            "help": "0.4 is read by more programs; 0.5 stands on Zarr 3. An image that is there "
            "already keeps its own.",
            "choices": get_args(Version),
        },
    )

    def __post_init__(self) -> None:
        require_choices(self, "OME-Zarr")


def write_ome_zarr(
    annotations: Iterable[Annotation], path: str | Path, *, options: OmeZarrOptions | None = None
) -> None:
    """Write the labels of each image.

    Raises
    ------
    ValueError
        If two images have the same name, there are several for one `.zarr` folder, or the image
        that is there cannot be read.
    OSError
        If the files cannot be written.
    """
    folder, version = Path(path), (options or OmeZarrOptions()).version
    if folder.suffix.lower() != SUFFIX:
        write_folder(folder, _of_many(annotations, folder, version))
        return
    annotation, *more = islice(annotations, 2)
    if more:
        raise ValueError(
            f"Several images were given for {folder.name}; an OME-Zarr folder holds the labels of "
            "one. Choose a name without an ending, of a folder with one such folder for each."
        )
    Register().enter(annotation)
    write_folder(folder, _of_one(annotation, folder, version))


def _of_many(annotations: Iterable[Annotation], folder: Path, version: Version) -> Iterator[File]:
    register = Register()
    for annotation in annotations:
        name = f"{register.enter(annotation)}.ome{SUFFIX}"
        for key, data in _of_one(annotation, folder / name, version):
            yield f"{name}/{key}", data


def _of_one(annotation: Annotation, target: Path, version: Version) -> Iterator[File]:
    """The files of one image's labels, below `target`, where an image may lie already."""
    there = _version_of(target)
    version = there or version
    if there is None:
        yield from _group("", {}, version=version)
    names = _label_names(target) if there else []
    listed = {"labels": [*(name for name in names if name != NAME), NAME]}
    yield from _group("labels/", listed, version=version)
    levels = _levels(painted(annotation, dtype=smallest_type(annotation)))
    described = _described(annotation, len(levels), version=version, beside_image=bool(there))
    yield from _group(f"labels/{NAME}/", described, version=version)
    for level, pixels in enumerate(levels):
        yield from _array(f"labels/{NAME}/{level}/", pixels, version=version)


def _version_of(target: Path) -> Version | None:
    """Of the image that is at a path already; None where there is none."""
    if (target / "zarr.json").is_file():
        return "0.5"
    return "0.4" if (target / ".zgroup").is_file() or (target / ".zattrs").is_file() else None


def _label_names(target: Path) -> list[str]:
    """Names of the labels that an image has already."""
    with _Explained(target):
        names = _attributes(FolderStore(target), "labels").get("labels", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("its labels have no names")
        return names


def _levels(pixels: Pixels) -> list[Pixels]:
    """The map, and every second pixel of it, and so on: ids cannot be averaged."""
    levels = [pixels]
    while max(levels[-1].shape) > _SMALLEST:
        levels.append(levels[-1][::2, ::2])
    return levels


def _group(key: str, attributes: dict[str, Any], *, version: Version) -> Iterator[File]:
    """The metadata of a group, which are one file in 0.5 and two in 0.4."""
    if version == "0.4":
        yield f"{key}.zgroup", _json({"zarr_format": 2})
        if attributes:
            yield f"{key}.zattrs", _json(attributes)
        return
    ome = {"ome": {"version": version, **attributes}} if attributes else {}
    group = {"zarr_format": 3, "node_type": "group", "attributes": ome}
    yield f"{key}zarr.json", _json(group)


def _described(
    annotation: Annotation, n_levels: int, *, version: Version, beside_image: bool
) -> dict[str, Any]:
    size = annotation.source.pixel_size
    unit = {"unit": "micrometer"} if size else {}
    scale = [[float(side) * 2**level for side in size or (1.0, 1.0)] for level in range(n_levels)]
    stated = {"version": version} if version == "0.4" else {}
    return {
        "multiscales": [
            {
                **stated,
                "name": NAME,
                "axes": [{"name": axis, "type": "space", **unit} for axis in "yx"],
                "datasets": [
                    {
                        "path": str(level),
                        "coordinateTransformations": [{"type": "scale", "scale": scale[level]}],
                    }
                    for level in range(n_levels)
                ],
            }
        ],
        "image-label": {
            **stated,
            "colors": [_color(category) for category in annotation.categories],
            "properties": [_property(category) for category in annotation.categories],
            **({"source": {"image": "../../"}} if beside_image else {}),
        },
    }


def _color(category: Category) -> dict[str, Any]:
    return {"label-value": int(category.id), "rgba": [*category.rgb, 255]}


def _property(category: Category) -> dict[str, Any]:
    return {"label-value": int(category.id), "name": category.name, "kind": category.kind}


def _array(key: str, pixels: Pixels, *, version: Version) -> Iterator[File]:
    """The metadata of an array, and its chunks; those of zeros have no file."""
    form = _second if version == "0.4" else _third
    yield form(key, pixels)
    prefix = key if version == "0.4" else f"{key}c/"
    for row, col in product(*(range(-(-side // _SIDE)) for side in pixels.shape)):
        chunk = np.zeros((_SIDE, _SIDE), pixels.dtype.newbyteorder("<"))
        part = pixels[row * _SIDE : (row + 1) * _SIDE, col * _SIDE : (col + 1) * _SIDE]
        if part.any():
            chunk[: part.shape[0], : part.shape[1]] = part
            yield f"{prefix}{row}/{col}", _compressed(chunk)


def _compressed(chunk: Pixels) -> bytes:
    size = chunk.dtype.itemsize
    return bytes(
        imagecodecs.blosc_encode(chunk.tobytes(), 5, compressor="lz4", shuffle=1, typesize=size)
    )


_BLOSC = {"cname": "lz4", "clevel": 5, "blocksize": 0}


def _second(key: str, pixels: Pixels) -> File:
    return f"{key}.zarray", _json({
        "zarr_format": 2,
        "shape": list(pixels.shape),
        "chunks": [_SIDE, _SIDE],
        "dtype": pixels.dtype.newbyteorder("<").str,
        "compressor": {"id": "blosc", "shuffle": 1, **_BLOSC},
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
    })  # fmt: skip


def _third(key: str, pixels: Pixels) -> File:
    blosc = {**_BLOSC, "shuffle": "shuffle", "typesize": pixels.dtype.itemsize}
    return f"{key}zarr.json", _json({
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(pixels.shape),
        "data_type": pixels.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [_SIDE, _SIDE]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": blosc},
        ],
        "attributes": {},
        "dimension_names": ["y", "x"],
    })  # fmt: skip


def _json(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="replace")


# Back again.


def read_ome_zarr(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the labels of one image: our own if there are any, otherwise the first.

    Parameters
    ----------
    path : str or Path
        An OME-Zarr image, its `labels`, one of those, or a folder of such images.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name. Of labels of a stack, its ending `_z0003` says which plane.

    Raises
    ------
    OSError
        If there is nothing at the path.
    ValueError
        If there are no labels, or they are damaged, of another size or of another type.
    """
    folder = file_of(Path(path), file_name, endings=(f".ome{SUFFIX}", SUFFIX))
    with _Explained(folder):
        store = FolderStore(folder)
        key, notes = _chosen(store)
        attributes = _attributes(store, key)
        first = attributes["multiscales"][0]["datasets"][0]["path"]
        array = ZarrArray.opened(store, "/".join(part for part in (key, first) if part))
        _require(array, shape, folder)
        values = _plane(array, _plane_index(array, file_name, folder))
        rows = _rows(attributes.get("image-label") or {})
    labels = starting_labels(values, rows, path=folder)
    return StartingLabels(labels.categories, labels.labels.copy(), (*labels.notes, *notes))


def _chosen(store: FolderStore) -> tuple[str, tuple[str, ...]]:
    """Where the labels lie, and what is to be said about the choice."""
    if "multiscales" in _attributes(store, "") and not _attributes(store, "labels"):
        return "", ()
    base = "" if "labels" in _attributes(store, "") else "labels"
    names = _attributes(store, base).get("labels") or []
    if not names:
        raise _WrongError(
            f"{store.path} has no labels; accepted are OME-Zarr labels, or an image that has some. "
            "Choose another folder."
        )
    name = NAME if NAME in names else names[0]
    others = [other for other in names if other != name]
    listed = ", ".join(f"{other!s:.80}" for other in others[:5])
    note = f"Of {len(names)} label images {name!r:.80} is read; the others are {listed}."
    return (f"{base}/{name}" if base else name), ((note,) if others else ())


def _attributes(store: FolderStore, key: str) -> dict[str, Any]:
    """What is said about a group: nothing where there is none."""
    base = f"{key}/" if key else ""
    third = metadata(store, f"{base}zarr.json")
    if third is not None:
        return dict((third.get("attributes") or {}).get("ome") or {})
    return metadata(store, f"{base}.zattrs") or {}


def _require(array: ZarrArray, shape: Shape, folder: Path) -> None:
    """Refuse another size, another type, and chunks that are too large or too many."""
    if array.shape[-2:] != shape:
        height, width = array.shape[-2:] if len(array.shape) > 1 else (1, array.shape[-1])
        raise _WrongError(
            f"{folder} is {width} x {height} px, the open image is {shape[1]} x {shape[0]} px; "
            "accepted are labels of its size. Choose the folder that belongs to this image."
        )
    if array.dtype.kind not in "biu":
        raise _WrongError(
            f"{folder} holds values of type {array.dtype} instead of ids; accepted are labels of "
            "whole numbers. Choose the folder with the labels."
        )
    size = prod(array.chunks) * array.dtype.itemsize
    n = prod(-(-side // chunk) for side, chunk in zip(shape, array.chunks[-2:], strict=True))
    if size > _LARGEST_CHUNK or n > _MOST_CHUNKS:
        raise _WrongError(
            f"{folder} is stored in {n} chunks of {size / 2**20:.1f} MiB; accepted are up to "
            f"{_MOST_CHUNKS} chunks of up to {_LARGEST_CHUNK >> 20} MiB in a plane. Save it with "
            "chunks of about 1024 x 1024 px."
        )


def _plane_index(array: ZarrArray, file_name: str, folder: Path) -> int:
    n = prod(array.shape[:-2])
    if n == 1:
        return 0
    found = re.search(r"_z(\d{4,9})$", stem_of(file_name))
    if found is None or int(found.group(1)) >= n:
        raise _WrongError(
            f"{folder} holds the labels of {n} planes; accepted are those of one, or of a stack "
            f"that the open image, {file_name!r}, is a plane of. Choose the folder that belongs to "
            "this image."
        )
    return int(found.group(1))


def _plane(array: ZarrArray, index: int) -> Pixels:
    """One plane (H, W), put together from its chunks."""
    outer = [int(at) for at in np.unravel_index(index, array.shape[:-2])] if index else []
    outer = outer or [0] * (len(array.shape) - 2)
    depth = array.chunks[:-2]
    height, width = array.shape[-2:]
    rows, cols = array.chunks[-2:]
    plane = np.zeros((height, width), array.dtype.newbyteorder("="))
    for row, col in product(range(-(-height // rows)), range(-(-width // cols))):
        chunk = array.chunk((*(at // n for at, n in zip(outer, depth, strict=True)), row, col))
        inner = chunk[tuple(at % n for at, n in zip(outer, depth, strict=True))]
        target = plane[row * rows : (row + 1) * rows, col * cols : (col + 1) * cols]
        target[:] = inner[: target.shape[0], : target.shape[1]]
    return plane if plane.dtype.kind != "b" else plane.astype(np.uint8)


def _rows(image_label: dict[str, Any]) -> dict[int, Row]:
    """What is known about the ids: their colours, and names and kinds if they are ours."""
    rows: dict[int, dict[str, str]] = {}
    for entry in image_label.get("properties") or []:
        named = {key: str(entry[key]) for key in ("name", "kind") if key in entry}
        rows.setdefault(int(entry["label-value"]), {}).update(named)
    for entry in image_label.get("colors") or []:
        red, green, blue = (min(255, max(0, int(part))) for part in entry["rgba"][:3])
        row = rows.setdefault(int(entry["label-value"]), {})
        row["color"] = f"#{red:02x}{green:02x}{blue:02x}"
    return {id_: row for id_, row in rows.items() if 0 < id_ < 2**31}


class _WrongError(ValueError):
    """The folder is whole, but not what was asked for; in a sentence."""


class _Explained:
    """Turn whatever damage raises into one sentence about the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnreadableImageError | _WrongError):
            return
        if isinstance(error, _UNREADABLE):
            raise ValueError(
                f"{self._folder} is no OME-Zarr that can be read, or is damaged; accepted are "
                "labels in OME-Zarr 0.4 and 0.5. Choose another folder or export it again."
            ) from error


def check_ome_zarr(annotation: Annotation, options: OmeZarrOptions) -> Iterator[Finding]:
    """Tell nothing: every pixel keeps its category."""
    return iter(())


def recognises(path: Path) -> bool:
    """Say whether it is an OME-Zarr folder, or a folder of some."""
    marks = (".zgroup", ".zattrs", "zarr.json")
    if path.suffix.lower() == SUFFIX or any((path / mark).is_file() for mark in marks):
        return True
    return any(holds(folder, f"*{SUFFIX}") for folder in (path, *(path / p for p in PARTS)))


def has_labels_only(path: Path) -> bool:
    """Say whether there are labels, and no image that they lie over; raises nothing."""
    try:
        store = FolderStore(path)
        own = _attributes(store, "")
        if "image-label" in own or "labels" in own:
            return True
        return "multiscales" not in own and bool(_attributes(store, "labels").get("labels"))
    except (OSError, ValueError, TypeError, AttributeError):
        return False


OME_ZARR = Format(
    "ome-zarr",
    "OME-Zarr labels",
    "",
    OmeZarrOptions,
    write_ome_zarr,
    read_ome_zarr,
    check_ome_zarr,
    is_folder=True,
    recognises=recognises,
    purpose="Large microscopy images: labels in pyramid levels, inside the image if it is Zarr.",
    single=".ome.zarr",
)
