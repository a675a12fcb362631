"""Read a file of bounded size, with errors for the person at the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PIECE = 1 << 20


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Give the content of a file of at most `limit` bytes.

    Raises
    ------
    OSError
        If it cannot be read, in a sentence.
    ValueError
        If it is empty or larger.
    """
    with readable(path) as file:
        data = _up_to(file, limit + 1)
    if not data:
        raise ValueError(f"{path} is empty; choose a file with content.")
    if len(data) > limit:
        raise ValueError(
            f"{path} is larger than {limit >> 20} MiB, which is the most that is read at once; "
            "split it first."
        )
    return data


@contextmanager
def readable(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read.

    Raises
    ------
    OSError
        If it cannot be opened, or read within the block, in a sentence.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        told = type(error)(
            f"{path} cannot be read: {error.strerror}. Check the path and its permissions."
        )
        told.errno = error.errno
        raise told from error


def _up_to(file: BinaryIO, limit: int) -> bytes:
    """Read in pieces: asked for `limit` bytes at once, python would reserve them first."""
    data = bytearray()
    while len(data) < limit and (piece := file.read(min(_PIECE, limit - len(data)))):
        data += piece
    return bytes(data)
