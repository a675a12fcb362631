"""PNG, JPEG, BMP and WebP."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from unseg_studio.data.accepted import Decoded, require_plane, require_size
from unseg_studio.data.channels import Pixels, without_alpha

# The formats' own classes, since Image.open knows only one pixel limit for the whole process.
_OPENERS: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}

_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What brings a photograph upright, by its EXIF orientation."""

_BIT_DEPTH = 24
"""Where a PNG file states the bits of a value."""


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
    require_size(path, (picture.height, picture.width, 4), itemsize=2 if deep else 1)
    pixels = _deep_png(file) if deep else _bytes(picture)
    return Decoded(np.ascontiguousarray(_TURNS.get(_orientation(picture), _same)(pixels)))


def _same(pixels: Pixels) -> Pixels:
    return pixels


def _orientation(picture: ImageFile) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1  # a damaged EXIF block is no reason to refuse the pixels


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
    grey = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        return without_alpha(np.asarray(picture.convert("LA" if grey else "RGBA")))
    pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
