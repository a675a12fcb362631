"""Files of a Zarr image by their keys, in a folder or in a zip file; nothing outside of it."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from unseg_studio.data.accepted import UnreadableImageError, damaged

_LONGEST_JSON = 16 * 2**20
_UNSAFE = re.compile(r"[\\:\0]|^/|(^|/)\.\.(/|$)")


class Store(Protocol):
    """Where the parts of a Zarr image lie.

    Parameters
    ----------
    path : Path
        The folder or the zip file, for messages.
    """

    @property
    def path(self) -> Path:
        """The folder or the zip file."""

    def read(self, key: str, limit: int) -> bytes | None:
        """The whole file at a key of at most so many bytes; None where there is none."""

    def part(self, key: str, start: int, length: int) -> bytes | None:
        """Some bytes of the file at a key; a negative start counts from its end."""

    def close(self) -> None:
        """Let go of the files."""


@dataclass(frozen=True, eq=False)
class FolderStore:
    """A folder; links that lead out of it are refused."""

    path: Path

    def read(self, key: str, limit: int) -> bytes | None:
        """The whole file at a key."""
        file = self._file(key)
        if file is None:
            return None
        if file.stat().st_size > limit:
            raise damaged(self.path, "OME-Zarr")
        return file.read_bytes()

    def part(self, key: str, start: int, length: int) -> bytes | None:
        """Some bytes of the file at a key."""
        file = self._file(key)
        if file is None:
            return None
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            begin = start if start >= 0 else size + start
            if begin < 0 or begin + length > size:
                raise damaged(self.path, "OME-Zarr")
            stream.seek(begin)
            return stream.read(length)

    def close(self) -> None:
        """Nothing stays open."""

    def _file(self, key: str) -> Path | None:
        file = self.path / safe_key(key, self.path)
        if not file.is_file():
            return None
        if not file.resolve().is_relative_to(self.path.resolve()):
            raise UnreadableImageError(
                f"{key} in {self.path} is a link to a place outside of it; accepted are images "
                "whose parts lie in their folder. Copy the linked files into it."
            )
        return file


@dataclass(frozen=True, eq=False)
class ZipStore:
    """A zip file; its parts are found below the folder that holds the first metadata."""

    path: Path
    archive: zipfile.ZipFile
    root: str
    _lock: Any = field(default_factory=Lock)

    @classmethod
    def of(cls, path: Path) -> ZipStore:
        """Open a zip file and find the image in it."""
        archive = zipfile.ZipFile(path)
        marks = (".zattrs", ".zgroup", ".zarray", "zarr.json")
        names = [name for name in archive.namelist() if name.rpartition("/")[2] in marks]
        if not names:
            archive.close()
            raise UnreadableImageError(
                f"{path} is a zip file without a Zarr image; accepted are zipped OME-Zarr "
                "images. Unpack it and open the images in it."
            )
        top = min(names, key=lambda name: name.count("/"))
        return cls(path, archive, top.rpartition("/")[0])

    def read(self, key: str, limit: int) -> bytes | None:
        """The whole file at a key."""
        info = self._info(key)
        if info is None:
            return None
        if info.file_size > limit:
            raise damaged(self.path, "OME-Zarr")
        with self._lock, self.archive.open(info) as stream:
            return stream.read(limit)

    def part(self, key: str, start: int, length: int) -> bytes | None:
        """Some bytes of the file at a key."""
        info = self._info(key)
        if info is None:
            return None
        begin = start if start >= 0 else info.file_size + start
        if begin < 0 or begin + length > info.file_size:
            raise damaged(self.path, "OME-Zarr")
        with self._lock, self.archive.open(info) as stream:
            stream.seek(begin)
            return stream.read(length)

    def close(self) -> None:
        """Close the zip file."""
        self.archive.close()

    def _info(self, key: str) -> zipfile.ZipInfo | None:
        key = safe_key(key, self.path)
        try:
            return self.archive.getinfo(f"{self.root}/{key}" if self.root else key)
        except KeyError:
            return None


def safe_key(key: str, path: Path) -> str:
    """A key that stays below the root.

    Raises
    ------
    UnreadableImageError
        If it leads out of it.
    """
    if _UNSAFE.search(key):
        raise UnreadableImageError(
            f"{path} says that a part of it lies in {key!r:.80}; accepted are parts inside of it. "
            "Copy the image again from where it came from."
        )
    return key


def metadata(store: Store, key: str) -> dict[str, Any] | None:
    """The JSON object at a key; None where there is none."""
    content = store.read(key, _LONGEST_JSON)
    if content is None:
        return None
    value = json.loads(content)
    if not isinstance(value, dict):
        raise damaged(store.path, "OME-Zarr")
    return value
