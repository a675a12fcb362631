"""Read one plane of an image file."""

from __future__ import annotations

import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from unseg_studio.data.accepted import (
    ACCEPTED,
    Decoded,
    UnreadableImageError,
    damaged,
)
from unseg_studio.data.image import Image, Source
from unseg_studio.data.raster import raster_kind, read_raster
from unseg_studio.data.tiff import is_tiff, read_tiff

_HEAD = 16
_QUIET = threading.Lock()


def read_image(path: str | Path, plane: int | None = None) -> Image:
    """Read one plane of a PNG, JPEG, BMP, WebP or TIFF file.

    Photographs are turned upright, palettes and inks become RGB, transparent parts white.
    TIFF keeps its value type and all of its channels.

    Parameters
    ----------
    path : str or Path
        The file. Its content says what it is, not its name.
    plane : int or None
        Index of the plane in a stack (z, time, pages), counted from 0; None for the first.

    Raises
    ------
    OSError
        If there is no such file or it may not be read.
    ValueError
        If it is no image, damaged, too large, without that plane, or without anything to segment.
    """
    path = Path(path)
    _require_file(path)
    with _opened(path) as file:
        decoded = _decoded(file, path, plane)
    number = (plane or 0) if decoded.n_planes > 1 else None
    return Image.of(decoded.pixels, Source(path, number, decoded.n_planes, decoded.pixel_size))


def _require_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, ValueError) as error:  # ValueError: a name with a null byte
        raise FileNotFoundError(
            f"There is no file {path}; {ACCEPTED} that exist. Check the name and the folder."
        ) from error
    except OSError as error:
        raise _not_opened(path, error) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(_folder_sentence(path))
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is no ordinary file; {ACCEPTED}. Choose an image file.")


def _not_opened(path: Path, error: OSError) -> OSError:
    return type(error)(
        f"{path} cannot be opened ({error.strerror}); accepted are files that you may read. "
        "Check its name and its permissions, or copy it elsewhere."
    )


def _folder_sentence(path: Path) -> str:
    if any((path / name).exists() for name in (".zgroup", ".zarray", ".zattrs", "zarr.json")):
        return (
            f"{path} is a Zarr folder, which cannot be read yet; {ACCEPTED}. "
            "Save the plane as TIFF and open that."
        )
    return f"{path} is a folder; {ACCEPTED}. Choose one of the images in it."


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise _not_opened(path, error) from error
    with file:
        yield file


def _decoded(file: BinaryIO, path: Path, plane: int | None) -> Decoded:
    head = file.read(_HEAD)
    file.seek(0)
    kind = _kind(head, path)
    try:
        with _quiet():
            if kind == "TIFF":
                return read_tiff(file, path, plane)
            return read_raster(file, path, kind=kind, plane=plane)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise UnreadableImageError(
            f"{path} does not fit into the memory that is free; accepted are smaller images. "
            "Close other programs, or cut the image into parts."
        ) from error
    except Exception as error:
        # Decoders fail on damaged files with whatever their first surprise raises.
        raise damaged(path, kind) from error


def _kind(head: bytes, path: Path) -> str:
    if not head:
        raise UnreadableImageError(
            f"{path} is empty (0 bytes); {ACCEPTED}. Copy it again from where it came from."
        )
    kind = "TIFF" if is_tiff(head) else raster_kind(head)
    if kind is None:
        raise UnreadableImageError(
            f"The content of {path} is no image that can be read here; {ACCEPTED}. "
            "Choose another file, or save it as PNG or TIFF in another program."
        )
    return kind


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the decoders' remarks from the person; one at a time, since filters are global."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
