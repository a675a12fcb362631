"""Read a file of bounded size, with errors for the person at the screen."""

from __future__ import annotations

from pathlib import Path


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Give the content of a file of at most `limit` bytes.

    Raises
    ------
    OSError
        If it cannot be read, in a sentence.
    ValueError
        If it is empty or larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        told = type(error)(
            f"{path} cannot be read: {error.strerror}. Check the path and its permissions."
        )
        told.errno = error.errno
        raise told from error
    if not data:
        raise ValueError(f"{path} is empty; choose a file with content.")
    if len(data) > limit:
        raise ValueError(
            f"{path} is larger than {limit >> 20} MiB, which is the most that is read at once; "
            "split it first."
        )
    return data
