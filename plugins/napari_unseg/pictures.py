"""Images that lie beside a file of masks; nothing outside its folder is ever opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from napari_unseg.groups import Group
from unseg_studio.data import Image, read_image

Shape = tuple[int, int]
PlaneSource = tuple[Path | None, int | None]
"""A file and a plane of it, None for the only one; None for a file that is not there."""

Picture = tuple[Any, dict[str, Any]]
"""Data and attributes of an Image layer."""


def picture_of(group: Group, folder: Path) -> Picture | None:
    """The images that belong to masks; None where none of them lies beside the file.

    Planes of a stack are read when they are looked at.

    Raises
    ------
    OSError, ValueError
        If none of them can be read or is of the size of the masks, in a sentence.
    """
    if group.is_stack:
        path = image_path(folder, group.name)
        sources: list[PlaneSource] = [(path, number) for number in range(group.n_planes)]
    else:
        sources = [(image_path(folder, name), None) for name in group.file_names()]
    image = _first(sources, group.shape)
    if image is None:
        return None
    return _stacked(image, sources, group) if group.lengths else _single(image)


def _first(sources: Sequence[PlaneSource], shape: Shape) -> Image | None:
    """The first image that can be read, since the ends of many stacks are blank."""
    failures: list[Exception] = []
    for path, plane in sources:
        try:
            if path is not None:
                return _read(path, plane, shape)
        except (OSError, ValueError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return None


def image_path(folder: Path, name: str) -> Path | None:
    """Where an image lies that a file of masks in `folder` names; None if not in that folder.

    Parameters
    ----------
    folder : Path
        The folder of the file of masks.
    name : str
        A path from there, as it stands in the file, with either kind of slashes.
    """
    try:
        inside = folder.resolve()
        path = (inside / PurePosixPath(name.replace("\\", "/"))).resolve()
        return path if path.is_relative_to(inside) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a null byte
        return None


def _read(path: Path, plane: int | None, shape: Shape) -> Image:
    image = read_image(path, plane)
    if image.shape != shape:
        raise ValueError(
            f"{path.name} is {image.shape[1]} x {image.shape[0]} px, its masks are {shape[1]} x "
            f"{shape[0]} px; accepted are images of their size. Put the right one there."
        )
    return image


def _single(image: Image) -> Picture:
    if image.n_channels == 3:
        return image.rgb.copy(), {"rgb": True}
    attributes = {"rgb": False, "contrast_limits": image.value_range}
    if image.n_channels == 1:
        return image.pixels[..., 0].copy(), attributes
    return np.moveaxis(image.pixels, 2, 0).copy(), attributes  # a slider for the channels


def _stacked(image: Image, sources: Sequence[PlaneSource], group: Group) -> Picture:
    """Planes that look like the first one: grey of its type, or RGB."""
    is_grey = image.n_channels == 1
    seen = _grey(image.pixels.dtype) if is_grey else _rgb
    template = seen(image)
    shown = [
        da.from_delayed(  # type: ignore[no-untyped-call]
            delayed(_shown)(path, plane, group.shape, seen, template.dtype),
            template.shape,
            template.dtype,
        )
        for path, plane in sources
    ]
    stack = da.stack(shown)  # type: ignore[no-untyped-call]
    data = stack.reshape(*group.lengths, *template.shape)
    attributes: dict[str, Any] = {"rgb": not is_grey}
    if is_grey:
        attributes["contrast_limits"] = image.value_range
    return data, attributes


def _grey(dtype: np.dtype[Any]) -> Callable[[Image], NDArray[Any]]:
    def seen(image: Image) -> NDArray[Any]:
        pixels = image.pixels
        grey = pixels[..., 0] if image.n_channels == 1 else pixels.mean(axis=2)
        return grey.astype(dtype)

    return seen


def _rgb(image: Image) -> NDArray[np.uint8]:
    return image.rgb


def _shown(
    path: Path | None,
    plane: int | None,
    shape: Shape,
    seen: Callable[[Image], NDArray[Any]],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """One plane; black where there is none, for the slider has to go on."""
    try:
        if path is not None:
            return seen(_read(path, plane, shape))
    except (OSError, ValueError) as error:
        show_warning(f"This plane stays black: {error}")
    trailing = (3,) if seen is _rgb else ()
    return np.zeros((*shape, *trailing), dtype)
