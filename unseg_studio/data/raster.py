"""PNG, JPEG, BMP and WebP."""

from __future__ import annotations

import struct
from collections.abc import Callable
from os import SEEK_CUR, SEEK_END
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as Pictures
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from unseg_studio.data.accepted import Decoded, require_content, require_plane, require_size
from unseg_studio.data.channels import Pixels, without_alpha
from unseg_studio.data.image_file import ImageFile as Described
from unseg_studio.data.turns import FIRST_ON_ITS_SIDE, turned

# The formats' own classes, since Image.open knows only one pixel limit for the whole process.
_OPENERS: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}

_LONGEST_EXIF = 2**20

_GREY = ("1", "L", "LA")

_BIT_DEPTH = 24
"""Where a PNG file states the bits of a value; the kind of its colours follows."""


def raster_kind(head: bytes) -> str | None:
    """Name the format of a file by its first 16 bytes, None for any other."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    return "BMP" if head.startswith(b"BM") else None


def read_raster(file: BinaryIO, path: Path, *, kind: str, plane: int | None) -> Decoded:
    """Decode an image upright, as grey or RGB: `(H, W, 1 or 3)` uint8, or uint16 from PNG."""
    require_plane(path, plane, n_planes=1)
    picture = _OPENERS[kind](file)
    deep = kind == "PNG" and _is_deep(file)
    shape = picture.height, picture.width, 4
    require_size(path, shape, itemsize=2 if deep else 1)
    if kind != "WebP":  # whose own limit is low, and which may be one colour in a few bytes
        require_content(path, shape[0] * shape[1], file.seek(0, SEEK_END))
    pixels = _deep_png(file) if deep else _bytes(picture)
    return Decoded(np.ascontiguousarray(turned(pixels, _orientation(picture))))


def describe_raster(file: BinaryIO, path: Path, kind: str) -> Described:
    """Say what a file holds from its header."""
    picture = _OPENERS[kind](file)
    deep = kind == "PNG" and _is_deep(file)
    grey = _deep_grey(file) if deep else picture.mode in _GREY
    shape = picture.height, picture.width
    lies = _orientation_ahead(picture, file, kind) >= FIRST_ON_ITS_SIDE
    return Described(
        path,
        kind,
        shape[::-1] if lies else shape,
        channels=1 if grey else 3,
        dtype=np.dtype(np.uint16 if deep else np.uint8),
    )


def _orientation(picture: ImageFile) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1  # a damaged EXIF block is no reason to refuse the pixels


def _orientation_ahead(picture: ImageFile, file: BinaryIO, kind: str) -> int:
    """The orientation without decoding pixels, behind which a PNG file may state it."""
    if kind != "PNG" or "exif" in picture.info:
        return _orientation(picture)
    exif = Pictures.Exif()
    try:
        exif.load(_png_chunk(file, b"eXIf"))
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1


def _png_chunk(file: BinaryIO, name: bytes) -> bytes:
    """The content of the first chunk of that name, nothing where there is none."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4])
        if head[4:] == name:
            return file.read(min(length, _LONGEST_EXIF))
        file.seek(length + 4, SEEK_CUR)
    return b""


def _deep_grey(file: BinaryIO) -> bool:
    file.seek(_BIT_DEPTH + 1)
    return file.read(1) in (b"\0", b"\4")


def _is_deep(file: BinaryIO) -> bool:
    position = file.tell()
    file.seek(_BIT_DEPTH)
    depth = file.read(1)
    file.seek(position)
    return depth == b"\x10"


def _deep_png(file: BinaryIO) -> Pixels:
    """16-bit PNG, whose colours Pillow would cut to 8 bits."""
    file.seek(0)
    decoded: NDArray[np.uint16] = imagecodecs.png_decode(file.read())
    pixels = decoded if decoded.ndim == 3 else decoded[..., np.newaxis]
    return without_alpha(pixels) if pixels.shape[2] in (2, 4) else pixels


def _bytes(picture: ImageFile) -> Pixels:
    """Palettes, inks and single bits as grey or RGB bytes."""
    grey = picture.mode in _GREY
    if picture.has_transparency_data:
        return without_alpha(np.asarray(picture.convert("LA" if grey else "RGBA")))
    pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
