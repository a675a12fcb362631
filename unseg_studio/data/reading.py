"""Read one plane of an image file, or what its header says, or its levels piece by piece."""

from __future__ import annotations

import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from unseg_studio.data.accepted import (
    ACCEPTED,
    Decoded,
    UnreadableImageError,
    damaged,
    require_plane,
)
from unseg_studio.data.foreign import describe_foreign, read_foreign
from unseg_studio.data.image import Image, Source
from unseg_studio.data.image_file import ImageFile
from unseg_studio.data.levels import Levels
from unseg_studio.data.ngff import describe_zarr, is_zarr, opened_zarr, read_zarr
from unseg_studio.data.raster import describe_raster, raster_kind, read_raster
from unseg_studio.data.tiff import (
    Layout,
    describe_tiff,
    is_tiff,
    opened_tiff,
    pixel_size,
    read_tiff,
)
from unseg_studio.data.tiff_levels import tiff_grids

_HEAD = 16
_ZIP = b"PK\3\4"
_FOREIGN = "image"
_QUIET = threading.Lock()


def read_image(path: str | Path, plane: int | None = None) -> Image:
    """Read one plane of a PNG, JPEG, BMP, WebP or TIFF file or of an OME-Zarr folder.

    Photographs are turned upright, palettes and inks become RGB, transparent parts white.
    TIFF and OME-Zarr keep their value type and all of their channels. Of several images in one
    file the first is read. Formats that nothing here knows are read through bioio where it is
    installed.

    Parameters
    ----------
    path : str or Path
        The file. Its content says what it is, not its name.
    plane : int or None
        Index of the plane in a stack, counted from 0 over all axes but channels, rows and columns
        in the order of the file, the first axis slowest: with the axes T = 3, Z = 5, plane 7 is
        t 1, z 2 (`ImageFile.plane_name`). None for the first.

    Raises
    ------
    OSError
        If there is no such file or it may not be read.
    ValueError
        If it is no image, damaged, too large, without that plane, or without anything to segment.
    """
    path = Path(path)
    kind = _kind_of(path)
    with _told(path, kind), _opened(path, kind) as file:
        decoded = _decoded(file, path, kind=kind, plane=plane)
    number = (plane or 0) if decoded.n_planes > 1 else None
    return Image.of(decoded.pixels, Source(path, number, decoded.n_planes, decoded.pixel_size))


def describe_image(path: str | Path) -> ImageFile:
    """Say what an image file holds from its header, without decoding pixels.

    Parameters
    ----------
    path : str or Path
        The file or the OME-Zarr folder.

    Raises
    ------
    OSError
        If there is no such file or it may not be read.
    ValueError
        If it is no image or its header is damaged. Pixels may be damaged nevertheless.
    """
    path = Path(path)
    kind = _kind_of(path)
    with _told(path, kind), _opened(path, kind) as file:
        if kind == "TIFF":
            return describe_tiff(file, path)
        if kind == "OME-Zarr":
            return describe_zarr(path)
        if kind == _FOREIGN:
            return describe_foreign(path)
        return describe_raster(file, path, kind)


def open_levels(path: str | Path, plane: int | None = None) -> Levels:
    """Open one plane so that any rectangle can be read at any level.

    TIFF and OME-Zarr stay in their file; every rectangle decodes the tiles that it touches. Other
    formats, and TIFF files whose planes cannot be decoded tile by tile, are read into memory.

    Parameters
    ----------
    path : str or Path
        The file or the OME-Zarr folder.
    plane : int or None
        As for `read_image`.

    Raises
    ------
    OSError, ValueError
        As `read_image` does; a damaged tile is noticed when it is read.
    """
    path = Path(path)
    kind = _kind_of(path)
    with _told(path, kind), ExitStack() as resources:
        levels = _tiff_levels(path, plane, resources) if kind == "TIFF" else None
        levels = _zarr_levels(path, plane, resources) if kind == "OME-Zarr" else levels
        if levels is not None:
            return levels
    return Levels.of(read_image(path, plane))


def _tiff_levels(path: Path, plane: int | None, resources: ExitStack) -> Levels | None:
    file = resources.enter_context(_opened(path, "TIFF"))
    tiff = resources.enter_context(opened_tiff(file, path))
    tiff.filehandle.set_lock(True)
    n_planes = Layout.of(tiff.series[0], path).n_planes
    index = require_plane(path, plane, n_planes)
    grids = tiff_grids(tiff, path, index)
    if grids is None:
        return None
    source = Source(path, index if n_planes > 1 else None, n_planes, pixel_size(tiff))
    return Levels(source, grids, resources.pop_all())


def _zarr_levels(path: Path, plane: int | None, resources: ExitStack) -> Levels:
    image = opened_zarr(path, resources)
    n_planes = image.described().n_planes
    index = require_plane(path, plane, n_planes)
    source = Source(path, index if n_planes > 1 else None, n_planes, image.pixel_size)
    return Levels(source, image.grids(index), resources.pop_all())


def _kind_of(path: Path) -> str:
    """The format of a file or folder by its first bytes."""
    if _is_folder(path):
        return "OME-Zarr"
    with _opened(path, "") as file:
        head = file.read(_HEAD)
    if not head:
        raise UnreadableImageError(
            f"{path} is empty (0 bytes); {ACCEPTED}. Copy it again from where it came from."
        )
    if is_tiff(head):
        return "TIFF"
    return raster_kind(head) or ("OME-Zarr" if head.startswith(_ZIP) else _FOREIGN)


def _is_folder(path: Path) -> bool:
    """Say whether it is the folder of an image; anything but a file is refused."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, ValueError) as error:  # ValueError: a name with a null byte
        raise FileNotFoundError(
            f"There is no file {path}; {ACCEPTED} that exist. Check the name and the folder."
        ) from error
    except OSError as error:
        raise _not_opened(path, error) from error
    if stat.S_ISDIR(mode):
        if is_zarr(path):
            return True
        raise IsADirectoryError(f"{path} is a folder; {ACCEPTED}. Choose one of the images in it.")
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is no ordinary file; {ACCEPTED}. Choose an image file.")
    return False


def _not_opened(path: Path, error: OSError) -> OSError:
    return type(error)(
        f"{path} cannot be opened ({error.strerror}); accepted are files that you may read. "
        "Check its name and its permissions, or copy it elsewhere."
    )


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[BinaryIO]:
    """The file; nothing to read where the image is a folder or opened by others."""
    if kind in ("OME-Zarr", _FOREIGN):
        yield BytesIO()
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise _not_opened(path, error) from error
    with file:
        yield file


def _decoded(file: BinaryIO, path: Path, *, kind: str, plane: int | None) -> Decoded:
    if kind == "TIFF":
        return read_tiff(file, path, plane)
    if kind == "OME-Zarr":
        return read_zarr(path, plane)
    if kind == _FOREIGN:
        return read_foreign(path, plane)
    return read_raster(file, path, kind=kind, plane=plane)


@contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """Turn what decoders raise into sentences."""
    try:
        with _quiet():
            yield
    except (UnreadableImageError, FileNotFoundError, PermissionError):
        raise
    except MemoryError as error:
        raise UnreadableImageError(
            f"{path} does not fit into the memory that is free; accepted are smaller images. "
            "Close other programs, or cut the image into parts."
        ) from error
    except Exception as error:
        # Decoders fail on damaged files with whatever their first surprise raises.
        raise damaged(path, kind) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the decoders' remarks from the person; one at a time, since filters are global."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
