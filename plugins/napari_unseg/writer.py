"""Labels layers as files: each plane of each layer becomes one annotation.

    layers -> Page (name, planes, table) -> annotations, plane by plane -> formats

Nothing of napari but the tuples that it hands to writers is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from scipy import ndimage

from napari_unseg.tables import categories_in, color_in, joined, names_in, words_in
from unseg_studio.data import (
    NOTHING,
    PALETTE,
    Annotation,
    Category,
    Patch,
    Region,
    Source,
    regions_from_labels,
)
from unseg_studio.data.boxes import Box
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.formats import FORMATS, export
from unseg_studio.formats.coco import write_coco as write_coco_file
from unseg_studio.formats.numbering import free_ids, unique_name
from unseg_studio.formats.png import MAX_INDEX

LayerTuple = tuple[Any, dict[str, Any], str]
"""Data, attributes and type of a layer, as napari hands them to writers."""

LAYER = "layer"
"""Key of an annotation's provenance under which its place in a layer stands."""

_PLACE = ("scale", "translate", "axis_labels", "units")
_DENSE = 1 << 20
"""Labels below are counted, others sorted."""


def write_coco(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers to one COCO file; every label is a category.

    Parameters
    ----------
    path : str
        The file; its folder exists.
    layers : list of (data, attributes, type)
        Planes are the last two axes. The table of categories is taken from the metadata, or else
        made of features, colours and labels.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    OSError
        If that is not possible, in a sentence; what was there before stays.
    """
    return _told(_write_coco, Path(path), layers, objects=False)


def write_objects(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers to one COCO file; every label is an object, every layer a category.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(_write_coco, Path(path), layers, objects=True)


def write_png(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers as indexed PNG, one file per plane, each with its table beside it.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_each, format="png"), Path(path), layers, objects=False)


def write_coco_stuff(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers to one COCO file, one annotation for each category of a plane.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_together, format="coco-stuff"), Path(path), layers, objects=False)


def write_cvat(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers to one file for CVAT.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_together, format="cvat"), Path(path), layers, objects=False)


def write_labelme(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers for labelme, one file per plane.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_each, format="labelme"), Path(path), layers, objects=False)


def write_qupath(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers as GeoJSON for QuPath, one file per plane.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_each, format="qupath"), Path(path), layers, objects=False)


def write_ome_tiff(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers as OME-TIFF with names and colours, one file per plane.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_each, format="ome-tiff"), Path(path), layers, objects=False)


def write_ome_zarr(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write Labels layers as OME-Zarr labels with names and colours, one folder per plane.

    Parameters, what is returned and raised: as `write_coco`.
    """
    return _told(partial(_write_each, format="ome-zarr"), Path(path), layers, objects=False)


def _told(write: Any, path: Path, layers: list[LayerTuple], *, objects: bool) -> list[str]:
    """Write, and say what was left out."""
    try:
        pages = _pages(layers, path.parent, objects=objects)
        written: list[str] = write(pages, path)
    except ValueError as error:
        # napari takes a ValueError for "there is no such writer" and hides its sentence.
        raise OSError(str(error)) from error
    for page in pages:
        if page.left_out:
            show_warning(page.left_out)
    return written


def _write_coco(pages: Sequence[Page], path: Path) -> list[str]:
    write_coco_file((annotation for page in pages for annotation in page.annotations()), path)
    return [str(path)]


def _write_together(pages: Sequence[Page], path: Path, *, format: str) -> list[str]:
    export((annotation for page in pages for annotation in page.annotations()), path, format=format)
    return [str(path)]


def _write_each(pages: Sequence[Page], path: Path, *, format: str) -> list[str]:
    """Write a file for each plane: `out.png`, or `out_z0000.png`, or `out cells_z0000.png`."""
    if format == "png":
        for page in pages:
            _require_indices(page)
    ending = FORMATS[format].suffix or FORMATS[format].single
    stem = path.name[: -len(ending)] if path.name.lower().endswith(ending) else path.stem
    taken: list[str] = []
    written = []
    for page in pages:
        name = stem if len(pages) == 1 else f"{stem} {page.path.stem}"
        taken.append(_unlike(name, taken))
        for number, annotation in enumerate(page.annotations()):
            plane = f"_z{number:04d}" if page.n_planes > 1 else ""
            target = path.with_name(f"{taken[-1]}{plane}{ending}")
            export(annotation, target, format=format)
            written.append(str(target))
    return written


def _require_indices(page: Page) -> None:
    """Refuse before the first of several files is written."""
    highest = max(page.ids.values(), default=NOTHING)
    if highest > MAX_INDEX:
        raise ValueError(
            f"{page.path.name} has labels up to {highest}; an indexed PNG has room for labels up "
            f"to {MAX_INDEX}. Save the layer as COCO instead."
        )


@dataclass(frozen=True, eq=False)
class Content:
    """All planes of some layers, to be gone over as often as is needed; `len` counts them."""

    pages: Sequence[Page]

    @classmethod
    def of(cls, layers: Sequence[LayerTuple], folder: Path) -> Content:
        """Every label is a category.

        Raises
        ------
        ValueError
            If a layer cannot be written, in a sentence.
        """
        return cls(_pages(layers, folder, objects=False))

    def __len__(self) -> int:
        return sum(page.n_planes for page in self.pages)

    def __iter__(self) -> Iterator[Annotation]:
        for page in self.pages:
            yield from page.annotations()

    @property
    def left_out(self) -> str:
        """Sentences about labels that are not written; empty where all are."""
        return " ".join(page.left_out for page in self.pages if page.left_out)


@dataclass(frozen=True, eq=False)
class Page:
    """One layer, ready to be written.

    Parameters
    ----------
    path : Path
        Where the image would lie that the layer belongs to.
    data : array_like, (..., H, W)
        Integers; numpy, dask or zarr. Only one plane is read at a time.
    categories : tuple of Category
        The table, common to all layers that are written together.
    ids : dict
        Label -> category id. Other labels are left out.
    objects : bool
        Whether every label is an object of its own.
    names : tuple of str
        File names of the planes, where each is an image of its own.
    place : dict
        Where the layer lies in the world, and its name: plain values.
    left_out : str
        A sentence about labels that are not written; empty where all are.
    """

    path: Path
    data: Any
    categories: tuple[Category, ...]
    ids: Mapping[int, int]
    objects: bool = False
    names: tuple[str, ...] = ()
    place: Mapping[str, Any] | None = None
    left_out: str = ""

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long the axes are that planes are counted along; () for one plane."""
        return tuple(int(length) for length in self.data.shape[:-2])

    @property
    def n_planes(self) -> int:
        """How many planes there are."""
        return math.prod(self.lengths)

    def annotations(self) -> Iterator[Annotation]:
        """One per plane, in the order of the data; each is made when it is asked for."""
        for number, index in enumerate(np.ndindex(self.lengths)):
            labels = plane_of(self.data, index)
            yield Annotation(
                (labels.shape[0], labels.shape[1]),
                self._source(number),
                self.categories,
                tuple(self._regions(labels)),
                {LAYER: {**(self.place or {}), "index": list(index)}},
            )

    def _source(self, number: int) -> Source:
        if self.names:
            return Source(self.path.parent / self.names[number])
        return Source(self.path, number if self.lengths else None, self.n_planes)

    def _regions(self, labels: NDArray[Any]) -> Iterator[Region]:
        by_id = {category.id: category for category in self.categories}
        for label, box in boxes_of(labels):
            if (id_ := self.ids.get(label)) is not None:
                mask = labels[box] == label
                kind = "stuff" if self.objects else by_id[id_].kind
                yield from _parts(mask, box, replace(by_id[id_], kind=kind))


def _parts(mask: NDArray[np.bool_], box: Box, category: Category) -> Iterator[Region]:
    """Regions of a mask that lies in this box of the plane."""
    top, left = box[0].start, box[1].start
    for region in regions_from_labels(mask * np.int32(category.id), [category]):
        rows, cols = region.patch.slices
        yield Region(
            category.id,
            Patch(
                slice(rows.start + top, rows.stop + top),
                slice(cols.start + left, cols.stop + left),
                region.patch.mask,
            ),
        )


# Planes


def plane_of(data: Any, index: tuple[int, ...]) -> NDArray[Any]:
    """One plane (H, W) of integers, whatever holds the others."""
    return np.asarray(data[index] if index else data)


def labels_in(plane: NDArray[Any]) -> list[int]:
    """Labels that occur, ascending, without 0."""
    if plane.dtype.kind == "b" or (plane.min() >= 0 and plane.max() < _DENSE):
        found = np.flatnonzero(np.bincount(plane.ravel().astype(np.int64)))
    else:
        found = np.unique(plane)
    return [int(label) for label in found if label != NOTHING]


def boxes_of(plane: NDArray[Any]) -> Iterator[tuple[int, Box]]:
    """Labels that occur and the smallest rectangle around each."""
    labels = labels_in(plane)
    if not labels:
        return
    if labels[0] > NOTHING and labels[-1] < _DENSE:
        dense, slots = plane.astype(np.int32), labels
    else:
        dense, slots = _dense(plane, labels), list(range(1, len(labels) + 1))
    boxes = ndimage.find_objects(dense)
    for label, slot in zip(labels, slots, strict=True):
        yield label, boxes[slot - 1]


def _dense(plane: NDArray[Any], labels: Sequence[int]) -> NDArray[np.int32]:
    """The same plane with the labels 1, 2, ... in their order."""
    numbers = np.searchsorted(np.array(labels, plane.dtype), plane).astype(np.int32) + 1
    return np.where(plane == 0, np.int32(0), numbers)


# What a layer means


def _pages(layers: Sequence[LayerTuple], folder: Path, *, objects: bool) -> list[Page]:
    pages: list[Page] = []
    taken: list[str] = []
    table: tuple[Category, ...] = ()
    for layer in layers:
        page = _page(layer, folder, taken=taken, objects=objects)
        taken.append(page.path.name)
        table, moved = joined(table, page.categories)
        pages.append(replace(page, ids={label: moved[id_] for label, id_ in page.ids.items()}))
    return [replace(page, categories=table) for page in pages]


def _page(layer: LayerTuple, folder: Path, *, taken: Sequence[str], objects: bool) -> Page:
    data, attributes, kind = layer
    name = str(attributes.get("name") or "labels")
    if kind != "labels":
        raise ValueError(
            f"{name!r} is a layer of {kind}; accepted are Labels layers. Select those only."
        )
    data = _largest(data, multiscale=bool(attributes.get("multiscale")))
    _require_planes(data, name)
    meaning = _objects if objects else _categories
    categories, ids, left_out = meaning(_labels_of(data), attributes, name)
    words = words_in(attributes.get("metadata") or {})
    file_name = words.get("file_name")
    own_name = file_name if isinstance(file_name, str) and file_name else _as_file_name(name)
    return Page(
        folder / _unlike(own_name, taken),
        data,
        categories,
        ids,
        objects=objects,
        names=_plane_names(words.get("file_names"), math.prod(data.shape[:-2])),
        place=_place(attributes, data.shape),
        left_out=left_out,
    )


def _largest(data: Any, *, multiscale: bool) -> Any:
    largest = data[0] if multiscale else data
    return largest if hasattr(largest, "shape") else np.asarray(largest)


def _require_planes(data: Any, name: str) -> None:
    if len(data.shape) < 2 or 0 in data.shape:
        raise ValueError(
            f"{name!r} has the shape {tuple(data.shape)}; accepted are planes of at least 1 x 1 px "
            "and stacks of them. Choose another layer."
        )


def _labels_of(data: Any) -> list[int]:
    """Labels that occur anywhere, ascending, without 0; plane by plane."""
    found: set[int] = set()
    for index in np.ndindex(tuple(data.shape[:-2])):
        found.update(labels_in(plane_of(data, index)))
    return sorted(found)


_Meaning = tuple[tuple[Category, ...], dict[int, int], str]


def _objects(labels: list[int], attributes: Mapping[str, Any], name: str) -> _Meaning:
    category = Category(1, name.strip() or "object", PALETTE[0])
    return (category,), dict.fromkeys(labels, category.id), ""


def _categories(labels: list[int], attributes: Mapping[str, Any], name: str) -> _Meaning:
    """Table, label -> id, and a sentence about what has no place in it."""
    known = categories_in(attributes.get("metadata") or {})
    if known:
        return _by_table(known, labels, attributes, name)
    if len(labels) > MAX_CATEGORY:
        raise ValueError(
            f"{name!r} has {len(labels)} labels; accepted are up to {MAX_CATEGORY} categories. If "
            "every label is an object, save it as COCO with labels as objects (File > IO "
            "Utilities)."
        )
    ids = dict(zip(labels, free_ids(labels), strict=True))
    return _made_of(ids, (), attributes), ids, _about_moved(ids, name)


def _by_table(
    known: tuple[Category, ...], labels: list[int], attributes: Mapping[str, Any], name: str
) -> _Meaning:
    kept = {label: label for label in labels if 1 <= label <= MAX_CATEGORY}
    n = len(labels) - len(kept)
    without = (
        f"{n} label{'s' * (n > 1)} of {name!r} that {'are' if n > 1 else 'is'} no category "
        f"{'were' if n > 1 else 'was'} left out; give clusters a category to save them."
    )
    return _made_of(kept, known, attributes), kept, without if n else ""


def _about_moved(ids: Mapping[int, int], name: str) -> str:
    n = sum(label != id_ for label, id_ in ids.items())
    return f"{n} labels of {name!r} got ids of 1 to {MAX_CATEGORY}." if n else ""


def _made_of(
    ids: Mapping[int, int], known: tuple[Category, ...], attributes: Mapping[str, Any]
) -> tuple[Category, ...]:
    """The known table, and a category for every other label."""
    table = {category.id: category for category in known}
    names = [category.name for category in known]
    given = names_in(attributes.get("features"))
    for label, id_ in ids.items():
        if id_ not in table:
            name = unique_name(given.get(label, f"label {label}"), id_, taken=names)
            table[id_] = Category(id_, name, _color(attributes.get("colormap"), label, id_))
            names.append(name)
    return tuple(table[id_] for id_ in sorted(table))


def _color(colormap: Any, label: int, id_: int) -> str:
    shown = color_in(colormap, label) if hasattr(colormap, "map") else None
    return shown or PALETTE[(id_ - 1) % len(PALETTE)]


# Names and places


def _as_file_name(name: str) -> str:
    """A layer's name without what means a folder somewhere."""
    cleaned = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in name)
    return cleaned.strip(" .") or "labels"


def _unlike(name: str, taken: Sequence[str]) -> str:
    """The name, numbered before its suffix where another layer has it."""
    path = Path(name)
    candidate, n = name, 1
    while Path(candidate).name in taken:
        n += 1
        candidate = str(path.with_name(f"{path.stem} ({n}){path.suffix}"))
    return candidate


def _plane_names(names: object, n_planes: int) -> tuple[str, ...]:
    """As they stand in the metadata, if there is one for each plane and all differ."""
    if not isinstance(names, Sequence) or isinstance(names, str):
        return ()
    words = tuple(name for name in names if isinstance(name, str) and name)
    return words if len(words) == len(names) == n_planes == len(set(words)) else ()


def _place(attributes: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """Plain values of what puts the layer back where it was."""
    place: dict[str, Any] = {"name": str(attributes.get("name") or "labels")}
    place["lengths"] = [int(length) for length in shape[:-2]]
    for key in _PLACE:
        values = attributes.get(key)
        if values is not None and len(values) == len(shape):
            numbers = key in ("scale", "translate")
            place[key] = [float(v) if numbers else str(v) for v in values]
    return place
