"""What tells a moved file from another one: its length, and a hash of its ends and its middle.

Files up to 3 MiB, which most photographs are, are hashed as a whole. Of larger ones three parts
of 1 MiB are, so that 10,000 of them take minutes and not hours: compressed images that differ have
other lengths; uncompressed ones of equal size differ in the middle. A fingerprint only helps to
find a file again, nothing is believed because of it. Of an image that is a folder, as OME-Zarr
is, the names and lengths of its first files count: those of compressed chunks differ from image
to image.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

PART = 2**20
"""Bytes of each part."""

_LENGTH = 8


MOST_FILES = 1000
"""Of a folder, so many files are looked at."""

_MARKS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def is_folder_image(path: Path) -> bool:
    """Say whether a folder is an image rather than a place for images."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def fingerprint(file: Path) -> bytes:
    """24 bytes: the length of a file, or of the first files in a folder, and the hash.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if file.is_dir():
        return _of_folder(file)
    with file.open("rb") as stream:
        length = os.fstat(stream.fileno()).st_size
        digest = hashlib.blake2b(digest_size=16)
        for start in _starts(length):
            stream.seek(start)
            digest.update(stream.read(PART))
    return length.to_bytes(_LENGTH, "big") + digest.digest()


def _of_folder(folder: Path) -> bytes:
    """The same of an image that is a folder."""
    length, digest = 0, hashlib.blake2b(digest_size=16)
    for file in islice(_files_of(folder), MOST_FILES):
        size = file.stat().st_size
        length += size
        digest.update(f"{file.relative_to(folder).as_posix()}\0{size}\0".encode())
    return length.to_bytes(_LENGTH, "big") + digest.digest()


def _files_of(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def length_of(file: Path) -> int:
    """What `length_in` says of its fingerprint; quicker than taking one of a file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return length_in(_of_folder(file)) if file.is_dir() else file.stat().st_size


def _starts(length: int) -> Iterable[int]:
    if length <= 3 * PART:
        return range(0, length, PART)
    return 0, (length - PART) // 2, length - PART


def length_in(print_: bytes) -> int:
    """The length of the file that has this fingerprint."""
    return int.from_bytes(print_[:_LENGTH], "big")


Found = list[tuple[int, bytes]]
"""Fingerprints by the id of the image."""

_BATCH = 100

BREATH_S = 0.001
"""Rest between two files, for those who are waited for."""


class Fingerprinter:
    """Takes fingerprints in a thread of its own; files that cannot be read are left out.

    Parameters
    ----------
    files : iterable of (int, Path)
        Images by id; gone through in that thread.
    keep : callable
        Takes some fingerprints as soon as they are there.
    """

    def __init__(self, files: Iterable[tuple[int, Path]], keep: Callable[[Found], object]) -> None:
        self._files = files
        self._keep = keep
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="unseg-fingerprints", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until all are taken."""
        self._thread.join()

    def close(self) -> None:
        """Stop after the file that is being read."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        found: Found = []
        for id_, file in self._files:
            if self._closing.wait(BREATH_S):
                break
            try:
                found.append((id_, fingerprint(file)))
            except (OSError, ValueError):  # missing, or a name that no file has
                continue
            if len(found) >= _BATCH:
                self._keep(found)
                found = []
        if found:
            self._keep(found)
