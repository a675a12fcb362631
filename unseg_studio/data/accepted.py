"""What image files are accepted, and the sentences for those that are not."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""File name endings for dialogs and drag and drop; what a file really is, its first bytes say."""

MAX_PIXELS = 400_000_000
"""Most pixels of one plane."""

MAX_BYTES = 4 * 2**30
"""Most memory that one plane may take once it is decoded, all channels together."""

MOST_SHRUNK = 50_000
"""No compression makes an image so many times smaller; a header that claims more is a trap."""

ACCEPTED = "accepted are PNG, JPEG, BMP, WebP, TIFF and OME-Zarr images"


class UnreadableImageError(ValueError):
    """A file that cannot be opened as an image; the message is a sentence for the person."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """One plane as it came out of a file.

    Parameters
    ----------
    pixels : ndarray, (H, W, C)
        Values as stored, in the machine's byte order.
    n_planes : int
        How many planes the file holds.
    pixel_size : tuple of float or None
        (row, column) size of a pixel in micrometres.
    """

    pixels: NDArray[np.generic]
    n_planes: int = 1
    pixel_size: tuple[float, float] | None = None


def require_size(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise UnreadableImageError if a plane is too large to decode.

    Parameters
    ----------
    path : Path
        The file, for the message.
    shape : tuple of int
        (height, width) and any further axes, as the header claims.
    itemsize : int
        Bytes per value.
    """
    height, width = shape[:2]
    if height * width > MAX_PIXELS:
        raise UnreadableImageError(
            f"{path} claims to be {width} x {height} px; accepted are planes of up to "
            f"{MAX_PIXELS // 10**6} megapixels. Cut it into parts or make it smaller first."
        )
    require_memory(path, prod(shape) * itemsize)


def require_memory(path: Path, n_bytes: int) -> None:
    """Raise UnreadableImageError if decoding would take too much memory."""
    if n_bytes > MAX_BYTES:
        raise UnreadableImageError(
            f"{path} would take {n_bytes / 2**30:.1f} GiB of memory; accepted are up to "
            f"{MAX_BYTES // 2**30} GiB. Cut it into parts, or keep fewer channels."
        )


def require_content(path: Path, claimed: int, stored: int) -> None:
    """Raise UnreadableImageError if a header claims far more bytes than the file can hold."""
    if claimed > max(stored, 1) * MOST_SHRUNK:
        raise UnreadableImageError(
            f"{path} claims {claimed / 1e6:.0f} MB of pixels but stores only {stored} bytes; "
            "accepted are whole images. Copy it again from where it came from."
        )


def require_plane(path: Path, plane: int | None, n_planes: int) -> int:
    """The plane to read, the first where none is asked for.

    Raises
    ------
    UnreadableImageError
        If the file has no such plane.
    """
    index = 0 if plane is None else operator.index(plane)
    if 0 <= index < n_planes:
        return index
    choice = "only plane 0" if n_planes == 1 else f"planes 0 to {n_planes - 1}"
    raise UnreadableImageError(
        f"{path} has no plane {index}; it has {choice}. Choose one of those."
    )


def damaged(path: Path, kind: str) -> UnreadableImageError:
    """The error for a file that starts like an image but cannot be decoded to its end."""
    return UnreadableImageError(
        f"{path} is a damaged or incomplete {kind} file; {ACCEPTED} that are whole. "
        "Copy it again from where it came from, or save it anew in another program."
    )
