"""How large the image is that a file with labels is about, where the file itself tells that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import PIL.Image

from napari_unseg.groups import MOST_PIXELS
from unseg_studio.data import describe_image
from unseg_studio.data.stores import FolderStore
from unseg_studio.data.zarr_array import ZarrArray
from unseg_studio.formats import recognised
from unseg_studio.formats.ome_zarr import NAME
from unseg_studio.formats.painting import OWN_KEY, parsed_json, telling

Shape = tuple[int, int]


def own_size(path: Path) -> Shape | None:
    """Height and width, where the file itself tells them.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or tells a size that is no image.
    """
    format_ = recognised(path)
    measure = _SIZES.get(format_.name) if format_ and _is_single(path) else None
    size = measure(path) if measure else None
    if size is not None and not 0 < size[0] * size[1] <= MOST_PIXELS:
        raise ValueError(
            f"{path.name} is of an image of {size[1]} x {size[0]} px; accepted are up to "
            f"{MOST_PIXELS:,} px. Choose another file."
        )
    return size


def _is_single(path: Path) -> bool:
    return path.is_file() or path.name.lower().endswith(".zarr")


def _labelme_size(path: Path) -> Shape | None:
    with telling(path, "labelme file"):
        content = parsed_json(path)
    return _whole((content.get("imageHeight"), content.get("imageWidth"))) if _is(content) else None


def _qupath_size(path: Path) -> Shape | None:
    """As we wrote it, or else as far as the areas reach."""
    with telling(path, "GeoJSON file of areas in pixels"):
        content = parsed_json(path)
    own = content.get(OWN_KEY) if _is(content) else None
    if _is(own) and (size := _whole((own.get("height"), own.get("width")))):
        return size
    corners = np.array([*_corners(content)], float).reshape(-1, 2)
    if not len(corners) or not np.isfinite(corners).all():
        return None
    width, height = np.ceil(np.minimum(corners.max(axis=0), MOST_PIXELS + 1)).astype(int)
    return int(max(height, 1)), int(max(width, 1))


def _corners(content: object) -> Iterator[tuple[float, float]]:
    """Every pair of numbers below a key `coordinates`."""
    waiting = [(content, False)]
    while waiting:
        value, inside = waiting.pop()
        if isinstance(value, dict):
            waiting += [(item, inside or key == "coordinates") for key, item in value.items()]
        elif isinstance(value, list):
            if inside and len(value) >= 2 and all(_is_number(item) for item in value[:2]):
                yield value[0], value[1]
            else:
                waiting += [(item, inside) for item in value]


def _png_size(path: Path) -> Shape | None:
    try:
        with PIL.Image.open(path, formats=("PNG",)) as image:
            return image.height, image.width
    except (ValueError, SyntaxError, PIL.UnidentifiedImageError):
        return 1, 1  # its reader says what is wrong


def _tiff_size(path: Path) -> Shape | None:
    return describe_image(path).shape


def _zarr_size(path: Path) -> Shape | None:
    """Of the first array that is there: labels are as large as their image."""
    for key in (f"labels/{NAME}/0", f"{NAME}/0", "0"):
        try:
            array = ZarrArray.opened(FolderStore(path), key)
        except (OSError, ValueError):
            continue
        if len(array.shape) == 2 or math.prod(array.shape[:-2]) == 1:
            return int(array.shape[-2]), int(array.shape[-1])
    return None


_SIZES = {
    "labelme": _labelme_size,
    "qupath": _qupath_size,
    "png": _png_size,
    "ome-tiff": _tiff_size,
    "ome-zarr": _zarr_size,
}


def _is(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(size: tuple[object, object]) -> Shape | None:
    height, width = size
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None
