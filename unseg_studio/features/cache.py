"""Features that were computed once: in memory, then on the disk, both within a budget."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeAlias

from unseg_studio.features.folders import cache_folder
from unseg_studio.features.lazy_torch import torch

Features: TypeAlias = "tuple[torch.Tensor, ...]"

MEMORY_BYTES = 256 * 2**20
DISK_BYTES = 2 * 2**30

CHECKSUM = "checksum"
"""The name of the tensor that guards the others; those are named by their place."""


class FeatureCache:
    """Features by key, the least recently used forgotten first.

    Threads may share one; those that ask for the same key at once wait for one computation. So
    may processes that share a folder. What is given out is what is kept: it must not be changed
    in place.

    Parameters
    ----------
    folder : Path
        For the entries on the disk; made when the first one is written.
    memory_bytes, disk_bytes : int
        What tensors in memory and files on the disk may take; 0 keeps nothing there.
    """

    def __init__(
        self, folder: Path, *, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES
    ) -> None:
        self._memory = _Memory(memory_bytes)
        self._disk = _Disk(folder, disk_bytes)
        self._lock = threading.Lock()
        self._underway: dict[str, Future[Features]] = {}

    def get(self, key: str, compute: Callable[[], Features]) -> Features:
        """What is kept under a key (letters and digits), else what `compute` returns, now kept.

        An entry on the disk that is damaged counts as absent. What `compute` raises is raised to
        all who wait for it, and nothing is kept.
        """
        with self._lock:
            if (kept := self._memory.get(key)) is not None:
                return kept
            if is_first := key not in self._underway:
                self._underway[key] = Future()
            result = self._underway[key]
        if is_first:
            self._resolve(key, compute, result)
        return result.result()

    @property
    def n_bytes(self) -> int:
        """What is kept in memory now."""
        return self._memory.n_bytes

    def _resolve(self, key: str, compute: Callable[[], Features], result: Future[Features]) -> None:
        try:
            found = self._found(key, compute)
        except BaseException as error:  # those who wait must not wait for ever
            with self._lock:
                del self._underway[key]
            result.set_exception(error)
        else:
            with self._lock:
                self._memory.put(key, found)
                del self._underway[key]
            result.set_result(found)

    def _found(self, key: str, compute: Callable[[], Features]) -> Features:
        if (read := self._disk.get(key)) is not None:
            return read
        computed = compute()
        self._disk.put(key, computed)
        return computed


@lru_cache(maxsize=8)
def _cache_in(folder: Path) -> FeatureCache:
    return FeatureCache(folder)


def default_cache() -> FeatureCache:
    """The one that all of this process share, in the user's cache folder."""
    return _cache_in(cache_folder() / "features")


class _Memory:
    """The newest entries within a budget; its owner locks."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._taken = 0
        self._entries: OrderedDict[str, Features] = OrderedDict()

    @property
    def n_bytes(self) -> int:
        return self._taken

    def get(self, key: str) -> Features | None:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: str, features: Features) -> None:
        self._entries[key] = features
        self._taken += _n_bytes(features)
        while self._taken > self._budget:
            _, oldest = self._entries.popitem(last=False)
            self._taken -= _n_bytes(oldest)


def _n_bytes(features: Features) -> int:
    return sum(tensor.nbytes for tensor in features)


class _Disk:
    """One file for each entry; when it was last used is when the file was last changed."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget

    def get(self, key: str) -> Features | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        features = _unpacked(content)
        with suppress(OSError):  # another process may have removed it meanwhile
            path.unlink() if features is None else path.touch()
        return features

    def put(self, key: str, features: Features) -> None:
        """Write an entry, if there is room: a full disk costs time, but no features."""
        if _n_bytes(features) > self._budget:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(key), _packed(features))
            self._shrink()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _write(self, path: Path, content: bytes) -> None:
        with NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
            written = Path(part.name)
            try:
                part.write(content)
            except OSError:
                written.unlink(missing_ok=True)
                raise
        written.replace(path)

    def _shrink(self) -> None:
        known = [(path.stat(), path) for path in self._folder.iterdir() if path.is_file()]
        taken = sum(facts.st_size for facts, _ in known)
        for facts, path in sorted(known, key=lambda entry: entry[0].st_mtime_ns):
            if taken <= self._budget:
                return
            path.unlink(missing_ok=True)
            taken -= facts.st_size


def _packed(features: Features) -> bytes:
    from safetensors.torch import save

    named = {str(place): tensor for place, tensor in enumerate(features)}
    return save({**named, CHECKSUM: torch.tensor(_checksum(features))})


def _unpacked(content: bytes) -> Features | None:
    """What was packed; none where a byte is wrong or missing."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        named = load(content)
        features = tuple(named[str(place)] for place in range(len(named) - 1))
        is_whole = int(named[CHECKSUM]) == _checksum(features)
    except (SafetensorError, KeyError, ValueError, RuntimeError):
        return None
    return features if is_whole else None


def _checksum(features: Features) -> int:
    """Of shapes and values."""
    total = zlib.crc32(repr([tuple(tensor.shape) for tensor in features]).encode())
    for tensor in features:
        total = zlib.crc32(tensor.contiguous().numpy().data, total)
    return total
