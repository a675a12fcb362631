"""The folder for results."""

from __future__ import annotations

import tempfile
from pathlib import Path


def ready_folder(path: Path) -> None:
    """Make the folder where it is missing, and try whether a file can be written into it.

    Better now than after an hour of work.

    Raises
    ------
    OSError
        In a sentence that names the folder and what to do.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        told = type(error)(
            f"Results cannot be written into {path} ({error.strerror}); accepted is a folder that "
            "may be written to, on a disk with free space. Choose another one with --out."
        )
        told.errno = error.errno
        raise told from error
