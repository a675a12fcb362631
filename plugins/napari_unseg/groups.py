"""Which images of a COCO file make a layer together.

Few images become a layer each. Planes of one stack become a stack again. Of many images those of
one size become a stack, so that a slider goes through them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from unseg_studio.formats.coco_reader import CocoFile

Entry = dict[str, Any]
"""An image, as it stands in the file."""

Shape = tuple[int, int]

MOST_LAYERS = 10
"""More images than this are stacked; more stacks are not opened."""

MOST_IMAGES = 200
"""Separate images that are opened of one file."""

MOST_PIXELS = 1 << 29
"""Of all Labels layers of a file together: 2 GiB."""


@dataclass(frozen=True, eq=False)
class Group:
    """Images of a file that make one layer.

    Parameters
    ----------
    name : str
        Of the file: of the image, of the stack, or of the first of several images.
    images : tuple of dict
        Entries of the file.
    shape : (int, int)
        Height and width of each.
    lengths : tuple of int
        Of the axes that planes are counted along; () for a single image.
    numbers : tuple of int
        On which plane each image lies, counted along these axes, the last one fastest.
    is_stack : bool
        Whether they are planes of one file; otherwise each image is a file of its own.
    place : dict
        Attributes of a layer that say where it lay, if the file knows.
    layer_name : str
        What it was called; empty if the file does not say.
    """

    name: str
    images: tuple[Entry, ...]
    shape: Shape
    lengths: tuple[int, ...] = ()
    numbers: tuple[int, ...] = (0,)
    is_stack: bool = False
    place: Mapping[str, Any] = field(default_factory=dict)
    layer_name: str = ""

    @property
    def is_one_file(self) -> bool:
        """Whether there is a single file that the whole layer belongs to."""
        return self.is_stack or len(self.images) == 1

    @property
    def n_planes(self) -> int:
        """How many planes the layer has."""
        return math.prod(self.lengths)

    @property
    def n_pixels(self) -> int:
        """How many pixels the layer has."""
        return self.n_planes * math.prod(self.shape)

    @property
    def title(self) -> str:
        """A name for people."""
        stem = PurePosixPath(self.name).stem or "image"
        return stem if self.is_one_file else f"{stem} and {len(self.images) - 1} more"

    def file_names(self) -> list[str]:
        """Of each plane, where each is a file of its own."""
        return [str(image.get("file_name", "")) for image in self.images]


# Which images make a layer


def arranged(file: CocoFile) -> list[Group]:
    """Sort the images of a file into layers that fit.

    Raises
    ------
    ValueError
        If there is no image, one has no size, or not a single layer fits.
    """
    stacks: dict[Hashable, list[Entry]] = {}
    singles: list[Entry] = []
    for image in file.images:
        key = _stack_key(file, image)
        singles.append(image) if key is None else stacks.setdefault(key, []).append(image)
    together = [_stack(file, images) for images in stacks.values()]
    return _fitting(file, [*together, *_separate(file, singles, room=MOST_LAYERS - len(together))])


def _separate(file: CocoFile, images: Sequence[Entry], *, room: int) -> list[Group]:
    """A layer each, or a stack for each size."""
    if len(images) <= room:
        return [_single(file, image) for image in images]
    sizes: dict[Shape, list[Entry]] = {}
    for image in images[:MOST_IMAGES]:
        sizes.setdefault(file.shape_of(image), []).append(image)
    groups = [_same_size(file, same) for same in sizes.values()]
    return sorted(groups, key=lambda group: -len(group.images))


def _fitting(file: CocoFile, groups: Sequence[Group]) -> list[Group]:
    if not groups:
        raise ValueError(f"{file.path} knows no images; accepted are files with one or more.")
    kept: list[Group] = []
    room = MOST_PIXELS
    for group in groups:
        if len(kept) < MOST_LAYERS and group.n_pixels <= room:
            kept.append(group)
            room -= group.n_pixels
    if not kept:
        raise ValueError(
            f"{file.path} has masks of {groups[0].n_pixels >> 20} megapixels in one layer; "
            f"accepted are up to {MOST_PIXELS >> 20}. Put fewer images into the file."
        )
    return kept


def _single(file: CocoFile, image: Entry) -> Group:
    told = _Told.of(file, image)
    lengths = told.lengths if math.prod(told.lengths) == 1 else ()
    name = str(image.get("file_name", ""))
    place = told.place if lengths == told.lengths else {}
    shape = file.shape_of(image)
    return Group(name, (image,), shape, lengths, place=place, layer_name=told.name)


def _same_size(file: CocoFile, images: Sequence[Entry]) -> Group:
    if len(images) == 1:
        return _single(file, images[0])
    name, shape = str(images[0].get("file_name", "")), file.shape_of(images[0])
    return Group(name, tuple(images), shape, (len(images),), tuple(range(len(images))))


def _stack_key(file: CocoFile, image: Entry) -> Hashable | None:
    """What planes of one layer have in common; None for an image that is no plane."""
    stack, plane = image.get("stack"), image.get("plane")
    if not isinstance(stack, str) or not stack or not _is_count(plane):
        return None
    name = PurePosixPath(str(image.get("file_name", "")).replace("\\", "/"))
    return str(name.with_name("_").parent / PurePosixPath(stack).name), file.shape_of(image)


def _stack(file: CocoFile, images: Sequence[Entry]) -> Group:
    """Planes where they lay."""
    key = _stack_key(file, images[0])
    name = key[0] if isinstance(key, tuple) else ""
    told, shape = _Told.of(file, images[0]), file.shape_of(images[0])
    numbers = tuple(image["plane"] for image in images)
    if len(set(numbers)) < len(numbers):
        raise ValueError(
            f"{file.path}: two planes of {name!r} have one number; accepted are planes that are "
            "counted from 0. Export the file again."
        )
    if math.prod(told.lengths) <= max(numbers):
        told = replace(told, lengths=(max(numbers) + 1,), place={})
    return Group(
        name, tuple(images), shape, told.lengths, numbers,
        is_stack=True, place=told.place, layer_name=told.name,
    )  # fmt: skip


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# Where layers lay


@dataclass(frozen=True, eq=False)
class _Told:
    """What our writer told of a layer, without what cannot be."""

    name: str = ""
    lengths: tuple[int, ...] = ()
    place: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: CocoFile, image: Entry) -> _Told:
        provenance = file.own.get("provenance")
        about = provenance.get(str(image["id"])) if isinstance(provenance, dict) else None
        told = about.get("layer") if isinstance(about, dict) else None
        if not isinstance(told, dict) or not _are(told.get("lengths"), _is_length):
            return cls()
        name = told["name"] if _is_word(told.get("name")) else ""
        return cls(name, tuple(told["lengths"]), _place(told))


def _place(told: Entry) -> dict[str, Any]:
    ndim = len(told["lengths"]) + 2
    place = {
        key: told[key]
        for key, check in _CHECKS.items()
        if _are(told.get(key), check) and len(told[key]) == ndim
    }
    if len(set(place.get("axis_labels", ()))) < ndim:
        place.pop("axis_labels", None)
    return place


def _are(values: object, check: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and all(check(value) for value in values)


def _is_length(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_scale(value: object) -> bool:
    return _is_finite(value) and value != 0


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_unit(value: object) -> bool:
    if not isinstance(value, str):
        return False
    import pint  # what napari measures with

    try:
        pint.Unit(value)
    except Exception:  # whatever the parser of units stumbles over
        return False
    return True


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "scale": _is_scale,
    "translate": _is_finite,
    "axis_labels": _is_word,
    "units": _is_unit,
}
