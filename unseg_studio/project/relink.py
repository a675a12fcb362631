"""Finds images again after their folder was moved or renamed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unseg_studio.project.fingerprint import (
    fingerprint,
    is_folder_image,
    length_in,
    length_of,
)


@dataclass(frozen=True)
class RelinkReport:
    """What became of the images that were missing.

    Parameters
    ----------
    found : tuple of int
        Ids of those that are the same files, byte for byte as far as fingerprints say.
    by_name : tuple of int
        Ids of those that had no fingerprint yet, and were taken for the only file of their name.
    missing : tuple of int
        Ids of those that are not in the folder.
    """

    found: tuple[int, ...]
    by_name: tuple[int, ...]
    missing: tuple[int, ...]


class Candidates:
    """The files in a folder and in the folders in it, by name and by length."""

    def __init__(self, folder: Path) -> None:
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_length: dict[int, list[Path]] = defaultdict(list)
        self._prints: dict[Path, bytes] = {}
        for file in _files_in(folder):
            self._by_name[file.name].append(file)
            with suppress(OSError):
                self._by_length[length_of(file)].append(file)

    def same(self, name: str, print_: bytes) -> Path | None:
        """The file with this fingerprint; those of the same name are looked at first."""
        candidates = self._by_length[length_in(print_)]
        candidates = sorted(candidates, key=lambda file: (file.name != name, file))
        return next((file for file in candidates if self._print_of(file) == print_), None)

    def named(self, name: str) -> Path | None:
        """The only file of this name."""
        files = self._by_name[name]
        return files[0] if len(files) == 1 else None

    def _print_of(self, file: Path) -> bytes:
        if file not in self._prints:
            try:
                self._prints[file] = fingerprint(file)
            except OSError:
                self._prints[file] = b""
        return self._prints[file]


def _files_in(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        if is_folder_image(Path(root)):
            folders.clear()
            yield Path(root)
            continue
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def found_again(
    files: Iterable[tuple[int, Path]], prints: Mapping[int, bytes], folder: Path
) -> tuple[dict[int, Path], RelinkReport]:
    """Look for missing files in a folder; where they are now, by id, and the report."""
    candidates = Candidates(folder)
    places: dict[int, Path] = {}
    found: list[int] = []
    by_name: list[int] = []
    missing: list[int] = []
    for id_, file in files:
        known = prints.get(id_)
        place = candidates.same(file.name, known) if known else candidates.named(file.name)
        if place is None:
            missing.append(id_)
            continue
        places[id_] = place
        (found if known else by_name).append(id_)
    return places, RelinkReport(tuple(found), tuple(by_name), tuple(missing))
