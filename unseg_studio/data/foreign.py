"""Formats that only a reader of bioio knows, where one is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from unseg_studio.data.accepted import (
    ACCEPTED,
    IMAGE_SUFFIXES,
    Decoded,
    UnreadableImageError,
    require_plane,
    require_size,
)
from unseg_studio.data.image_file import ImageFile, plane_position

_READERS = {
    ".czi": "bioio-czi", ".lif": "bioio-lif", ".nd2": "bioio-nd2", ".dv": "bioio-dv",
    ".sldy": "bioio-sldy", ".gif": "bioio-imageio", ".ims": "bioio-bioformats",
    ".oib": "bioio-bioformats", ".oif": "bioio-bioformats", ".vsi": "bioio-bioformats",
    ".svs": "bioio-bioformats",
}  # fmt: skip
"""What reads the formats that microscopes write most."""


def read_foreign(path: Path, plane: int | None) -> Decoded:
    """Decode one plane of the first scene through bioio: `(H, W, C)`.

    Raises
    ------
    UnreadableImageError
        If no installed reader knows the file.
    """
    picture = _opened(path)
    axes = _stack_axes(picture)
    described = describe_opened(path, picture)
    require_size(path, (*described.shape, described.channels), described.dtype.itemsize)
    index = require_plane(path, plane, described.n_planes)
    place = {"T": 0, "Z": 0, **plane_position(axes, index)}
    order = "YXCS" if "S" in picture.dims.order else "YXC"
    stored = np.asarray(picture.get_image_dask_data(order, **place).compute())
    pixels = stored.reshape(*stored.shape[:2], -1)
    native = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return Decoded(native, described.n_planes, described.pixel_size)


def describe_foreign(path: Path) -> ImageFile:
    """Say what a file holds that only bioio knows."""
    return describe_opened(path, _opened(path))


def describe_opened(path: Path, picture: Any) -> ImageFile:
    """Say what an opened `BioImage` holds."""
    dims = picture.dims
    size = picture.physical_pixel_sizes
    samples = getattr(dims, "S", 1)
    return ImageFile(
        path,
        path.suffix[1:].upper() or "image",
        (int(dims.Y), int(dims.X)),
        channels=int(dims.C) * int(samples),
        dtype=np.dtype(picture.dtype).newbyteorder("="),
        axes=_stack_axes(picture),
        pixel_size=(float(size.Y), float(size.X)) if size.Y and size.X else None,
        n_series=len(picture.scenes),
    )


def _stack_axes(picture: Any) -> dict[str, int]:
    return {axis: int(picture.dims[axis][0]) for axis in "TZ" if picture.dims[axis][0] > 1}


def _opened(path: Path) -> Any:
    # bioio takes seconds to load and chooses its readers by the names of files.
    strange = path.suffix.lower() not in ("", *IMAGE_SUFFIXES)
    if not strange or importlib.util.find_spec("bioio") is None:
        raise UnreadableImageError(_missing(path))
    import bioio
    import bioio_base.exceptions as said

    try:
        return bioio.BioImage(path)
    except said.UnsupportedFileFormatError as error:
        raise UnreadableImageError(_missing(path)) from error


def _missing(path: Path) -> str:
    start = f"The content of {path} is no image that can be read here; {ACCEPTED}. "
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        return start + "Choose another file, or save it as PNG or TIFF in another program."
    return (
        f"{start}Its name ends with {path.suffix}, which bioio can read: install it with "
        f'pip install "unseg-studio[bioio]" {reader}, or save the image as OME-TIFF.'
    )
