"""The files that networks' weights come in: downloaded, or brought by hand."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from unseg_studio.features import efficientnet
from unseg_studio.features.catalogue import backbone
from unseg_studio.features.folders import cache_folder


def weights_file(name: str) -> Path:
    """Where the weights of a backbone lie, or will lie once they are downloaded."""
    if backbone(name).is_bundled:
        return efficientnet.bundled_file()
    return cache_folder() / "weights" / f"{name}.safetensors"


def fingerprint(name: str, file: Path | None = None) -> str:
    """What tells weights from others: a digest of their file.

    Raises
    ------
    OSError
        If there is no such file; the sentence says what to do.
    """
    path = file or weights_file(name)
    known = path.stat()
    return _digest(path, known.st_mtime_ns, known.st_size)


@lru_cache(maxsize=32)
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
