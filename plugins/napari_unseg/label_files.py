"""Label files and folders as layers, of every format that is read here.

A file tells the size of its image, or the layer that it is read for does. Of a stack, each plane
is looked for by its name, as exports call it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_info
from numpy.typing import NDArray

from napari_unseg.reader import LayerTuple, labels_layer, layer_alone, layers_of
from napari_unseg.sizes import Shape, own_size
from napari_unseg.tables import joined, words_in
from unseg_studio.data import Category, Source
from unseg_studio.formats import StartingLabels, image_name, load, recognised
from unseg_studio.formats.coco_reader import CocoFile

_COCO = ("coco", "coco-stuff")


@dataclass(frozen=True, eq=False)
class Like:
    """The layer that masks are read for.

    Parameters
    ----------
    path : Path
        What its image is called.
    lengths : tuple of int
        Of the axes before the last two; () for one plane.
    shape : (int, int)
        Height and width.
    place : dict
        Attributes that say where it lies.
    """

    path: Path
    shape: Shape
    lengths: tuple[int, ...] = ()
    place: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: Layer) -> Like | None:
        """An Image or Labels layer; None for another one."""
        if not isinstance(layer, Image | Labels):
            return None
        data = layer.data[0] if layer.multiscale else layer.data
        sides = tuple(int(n) for n in data.shape)
        if getattr(layer, "rgb", False):
            sides = sides[:-1]
        if len(sides) < 2:
            return None
        name = words_in(layer.metadata).get("file_name") or layer.source.path or layer.name
        place = {"scale": tuple(layer.scale), "translate": tuple(layer.translate)}
        return cls(Path(str(name)), (sides[-2], sides[-1]), sides[:-2], place)

    @property
    def names(self) -> list[str]:
        """By which exported files know its planes."""
        n = math.prod(self.lengths)
        return [image_name(Source(self.path, number, n)) for number in range(n)]


def layers_in(path: Path, like: Like | None = None) -> list[LayerTuple]:
    """Read everything that a file or folder says about one image; of a COCO file, about all.

    Parameters
    ----------
    path : Path
        A file or folder of any readable format.
    like : Like or None
        The layer that they belong to, where the file does not tell its size.

    Raises
    ------
    OSError, ValueError
        In a sentence, where that is not possible.
    """
    format_ = recognised(path)
    if format_ is not None and format_.name in _COCO:
        return layers_of(CocoFile.read(path))
    own = own_size(path)
    if like is not None and own in (None, like.shape):
        return [_beside(path, like)]
    if own is None:
        if format_ is None:
            load(path, shape=(1, 1))  # says what is accepted
        raise ValueError(
            f"{path.name} does not tell the size of its image; accepted is masks whose image is "
            "open. Open the image and select its layer first."
        )
    return [layer_alone(path, own)]


def _beside(path: Path, like: Like) -> LayerTuple:
    """A layer as large as another one, and where that lies."""
    planes = np.zeros((math.prod(like.lengths), *like.shape), np.int32)
    table: tuple[Category, ...] = ()
    notes: list[str] = []
    for number, read in _read_planes(path, like):
        table, moved = joined(table, read.categories)
        planes[number] = _moved(read.labels, moved)
        notes += read.notes
    for note in dict.fromkeys(notes):
        show_info(note)
    ids = planes.reshape(*like.lengths, *like.shape)
    return labels_layer(
        ids, table, name=f"{like.path.stem} masks", place=like.place, file_name=like.path.name
    )


def _read_planes(path: Path, like: Like) -> Iterator[tuple[int, StartingLabels]]:
    """Those planes that there are masks of; raises the first error where there are none."""
    first: ValueError | None = None
    found = False
    for number, name in enumerate(like.names):
        try:
            read = load(path, shape=like.shape, file_name=name)
        except ValueError as error:
            first = first or error
            continue
        found = True
        yield number, read
    if first is not None and not found:
        raise first


def _moved(labels: NDArray[np.int32], ids: Mapping[int, int]) -> NDArray[np.int32]:
    """The same plane with other ids."""
    if all(old == new for old, new in ids.items()):
        return labels
    moved = np.zeros_like(labels)
    for old, new in ids.items():
        moved[labels == old] = new
    return moved
