"""JSON files as layers: masks as Labels and, of COCO, the images that lie beside the file.

CocoFile -> Group (images that make one layer) -> one Labels layer, one Image layer
labelme, GeoJSON -> one Labels layer, as large as the file tells

PNG, TIFF and OME-Zarr are napari's to open: whoever offers to read them, too, makes napari ask at
every image which plugin to take. Their labels come in by the menu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils import progress
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray

from napari_unseg.groups import MOST_IMAGES, MOST_LAYERS, Group, arranged
from napari_unseg.pictures import picture_of
from napari_unseg.sizes import Shape, own_size
from napari_unseg.tables import colormap_of, features_of, stored
from unseg_studio.data import Category
from unseg_studio.formats import StartingLabels, load, recognised
from unseg_studio.formats.coco_reader import CocoFile, NoCocoError

LayerTuple = tuple[Any, dict[str, Any], str]
"""Data, attributes and type of a layer, as napari takes them from readers."""


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerTuple]] | None:
    """Give what reads this file, or None where it is neither COCO, labelme nor GeoJSON of areas.

    Parameters
    ----------
    path : str or list of str
        One file, or several whose layers are wanted together.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a COCO file, but damaged; in a sentence that says where.
    """
    paths = [Path(each) for each in ([path] if isinstance(path, str | Path) else path)]
    if paths and all(_is_outlines(each) for each in paths):
        return partial(_read_outlines, paths)
    try:
        files = [CocoFile.read(each) for each in paths]
    except NoCocoError:
        return None  # other plugins read JSON, too
    return partial(_read, files)


def _is_outlines(path: Path) -> bool:
    """By the beginning of the file; one that tells no size cannot become a layer on its own."""
    format_ = recognised(path) if path.is_file() else None
    outlines = format_ is not None and format_.name in ("labelme", "qupath")
    return outlines and own_size(path) is not None


def _read_outlines(paths: Sequence[Path], path: str | Sequence[str]) -> list[LayerTuple]:
    sizes = [(each, own_size(each)) for each in paths]
    return [layer_alone(each, size) for each, size in sizes if size is not None]


def layer_alone(path: Path, shape: Shape) -> LayerTuple:
    """A layer of a file about one image of this size.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, in a sentence.
    """
    read = load(path, shape=shape)
    for note in read.notes:
        show_info(note)
    return labels_layer(read.labels.copy(), read.categories, name=path.stem, file_name=path.name)


def _read(files: Sequence[CocoFile], path: str | Sequence[str]) -> list[LayerTuple]:
    return [layer for file in files for layer in layers_of(file)]


def layers_of(file: CocoFile) -> list[LayerTuple]:
    """Layers of one file, the lowest first: an image, if there is one, and its masks.

    Raises
    ------
    ValueError
        If the file knows no image, one has no size, masks are damaged, or nothing of it fits into
        the memory; in a sentence.
    """
    groups = arranged(file)
    notes: list[str] = []
    layers = [layer for group in groups for layer in _layers(file, group, notes=notes)]
    for note in dict.fromkeys(notes):
        show_info(note)
    n = sum(len(group.images) for group in groups)
    if n < len(file.images):
        show_warning(
            f"{file.path.name} knows {len(file.images)} images; {n} of them are opened, in "
            f"{len(groups)} layer{'s' * (len(groups) > 1)}. Put others into a file of at most "
            f"{MOST_IMAGES} images, of few sizes, to see them."
        )
    return layers


def _layers(file: CocoFile, group: Group, *, notes: list[str]) -> Iterator[LayerTuple]:
    """The image, if there is one, and its masks; adds to the notes."""
    try:
        picture = picture_of(group, file.path.parent)
    except (OSError, ValueError) as error:
        picture = None
        notes.append(f"Only the masks of {group.title} are opened: {error}")
    if picture is not None:
        data, attributes = picture
        where = group.place if data.ndim - attributes["rgb"] == len(group.lengths) + 2 else {}
        yield data, {"name": group.title, **attributes, **where}, "image"
    stack, table = _masks(file, group, notes=notes)
    names = {"file_name": group.name} if group.is_one_file else {"file_names": group.file_names()}
    title = group.layer_name or f"{group.title} masks"
    yield labels_layer(stack, table, name=title, place=group.place, **names)


def _masks(
    file: CocoFile, group: Group, *, notes: list[str]
) -> tuple[NDArray[np.int32], tuple[Category, ...]]:
    """Ids of a whole layer, and what they mean."""
    planes = np.zeros((group.n_planes, *group.shape), np.int32)
    table: tuple[Category, ...] = ()
    read = _progressing(file.labels_of(group.images), len(group.images))
    for number, labels in zip(group.numbers, read, strict=True):
        planes[number] = labels.labels
        table = labels.categories
        notes += labels.notes
    return planes.reshape(*group.lengths, *group.shape), table


def _progressing(labels: Iterable[StartingLabels], total: int) -> Iterable[StartingLabels]:
    return progress(labels, total=total, desc="Reading masks") if total > MOST_LAYERS else labels


def labels_layer(
    ids: NDArray[np.int32],
    categories: Sequence[Category],
    *,
    name: str,
    place: Mapping[str, Any] | None = None,
    **words: Any,
) -> LayerTuple:
    """A Labels layer in the colours of its categories, which lie in its metadata.

    Parameters
    ----------
    ids : ndarray, (..., H, W) int32
        Category ids, 0 = nothing.
    categories : sequence of Category
        The whole table.
    name : str
        Of the layer.
    place : dict or None
        Attributes that say where it lies.
    words
        What stands beside the table in the metadata; see `napari_unseg.tables`.
    """
    attributes = {
        "name": name,
        "metadata": stored(categories, **words),
        "colormap": colormap_of(categories),
        "features": features_of(categories),
        **(place or {}),
    }
    return ids, attributes, "labels"
