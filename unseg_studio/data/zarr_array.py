"""Read chunks of a Zarr array, formats 2 and 3, sharded or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data.accepted import UnreadableImageError, damaged
from unseg_studio.data.channels import Pixels
from unseg_studio.data.stores import Store, metadata
from unseg_studio.data.zarr_codecs import Codec, codec_named, decompressed

LARGEST_CHUNK = 2**30
"""Most bytes of one chunk once it is decoded."""

_LONGEST_SHARD = 2**20
"""Most chunks in one shard."""

_KINDS = "buif"
_NO_CHUNK = 2**64 - 1


@dataclass(frozen=True, eq=False)
class Shards:
    """How chunks are packed into files.

    Parameters
    ----------
    shape : tuple of int
        Values of a shard along each axis.
    codecs : tuple of Codec
        Of the table that says where the chunks lie.
    at_end : bool
        Whether the table lies at the end of the file.
    """

    shape: tuple[int, ...]
    codecs: tuple[Codec, ...]
    at_end: bool


@dataclass(frozen=True, eq=False)
class ZarrArray:
    """An array in a store; every chunk is decoded by itself.

    Parameters
    ----------
    store : Store
        The folder or zip file.
    key : str
        Where the array lies in it.
    shape, chunks : tuple of int
        Values along each axis, of the array and of a chunk.
    dtype : np.dtype
        As stored.
    fill : object
        What chunks without a file hold.
    prefix, separator : str
        What the names of chunks are made of.
    codecs : tuple of Codec
        What was done to the bytes of a chunk, in this order.
    order : tuple of int or None
        How axes were exchanged before.
    shards : Shards or None
        How chunks are packed.
    """

    store: Store
    key: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fill: Any = 0
    prefix: str = ""
    separator: str = "/"
    codecs: tuple[Codec, ...] = ()
    order: tuple[int, ...] | None = None
    shards: Shards | None = None
    _tables: dict[str, NDArray[np.uint64] | None] = field(default_factory=dict)

    @classmethod
    def opened(cls, store: Store, key: str) -> ZarrArray:
        """Read the metadata at a key.

        Raises
        ------
        UnreadableImageError
            If there is no array, or none that is accepted.
        """
        base = f"{key}/" if key else ""
        third = metadata(store, f"{base}zarr.json")
        second = None if third is not None else metadata(store, f"{base}.zarray")
        if third is not None and third.get("node_type") == "array":
            return _third(store, key, third)
        if second is not None:
            return _second(store, key, second)
        raise damaged(store.path, "OME-Zarr")

    def chunk(self, index: tuple[int, ...]) -> Pixels:
        """Decode a chunk, whole even where the array ends within it: shape `chunks`."""
        data = self._stored(index)
        if data is None:
            return np.full(self.chunks, self.fill, self.dtype.newbyteorder("="))
        size = prod(self.chunks) * self.dtype.itemsize
        values = np.frombuffer(decompressed(data, self.codecs, size), self.dtype)
        if self.order is None:
            return values.reshape(self.chunks)
        stored = values.reshape([self.chunks[axis] for axis in self.order])
        return stored.transpose(np.argsort(self.order))

    def _stored(self, index: tuple[int, ...]) -> bytes | None:
        limit = 2 * prod(self.chunks) * self.dtype.itemsize + 2**16
        if self.shards is None:
            return self.store.read(self._name(index), limit)
        per_shard = self._per_shard(self.shards)
        outer = tuple(at // n for at, n in zip(index, per_shard, strict=True))
        inner = tuple(at % n for at, n in zip(index, per_shard, strict=True))
        name = self._name(outer)
        table = self._table(name, self.shards)
        if table is None:
            return None
        start, length = (int(value) for value in table[inner])
        if start == _NO_CHUNK and length == _NO_CHUNK:
            return None
        if length > limit or start >= 2**62:
            raise damaged(self.store.path, "OME-Zarr")
        return self.store.part(name, start, length)

    def _name(self, index: tuple[int, ...]) -> str:
        numbers = [self.prefix] if self.prefix else []
        name = self.separator.join([*numbers, *map(str, index)]) or "0"
        return f"{self.key}/{name}" if self.key else name

    def _per_shard(self, shards: Shards) -> tuple[int, ...]:
        return tuple(s // c for s, c in zip(shards.shape, self.chunks, strict=True))

    def _table(self, name: str, shards: Shards) -> NDArray[np.uint64] | None:
        """Where the chunks lie in a shard: `(..., 2)`, start and length."""
        if name not in self._tables:
            lengths = self._per_shard(shards)
            size = 16 * prod(lengths)
            stored = size + 4 * len(shards.codecs)  # checksums are all that may follow
            start = -stored if shards.at_end else 0
            data = self.store.part(name, start, stored)
            whole = None if data is None else decompressed(data, shards.codecs, size)
            table = None if whole is None else np.frombuffer(whole, "<u8").reshape(*lengths, 2)
            self._tables[name] = table
        return self._tables[name]


def _second(store: Store, key: str, meta: dict[str, Any]) -> ZarrArray:
    shape, chunks = _lengths(store, meta, "shape"), _lengths(store, meta, "chunks")
    compressor = meta.get("compressor")
    names = [entry.get("id") for entry in (compressor, *(meta.get("filters") or [])) if entry]
    dtype = _dtype(store, meta.get("dtype"))
    _require(store, shape, chunks, dtype)
    backwards = tuple(reversed(range(len(shape)))) if meta.get("order") == "F" else None
    return ZarrArray(
        store, key, shape, chunks, dtype, _fill(meta.get("fill_value"), dtype),
        separator=_separator(store, meta.get("dimension_separator", ".")),
        codecs=_codecs(store, names), order=backwards,
    )  # fmt: skip


def _third(store: Store, key: str, meta: dict[str, Any]) -> ZarrArray:
    shape, grid = _lengths(store, meta, "shape"), meta["chunk_grid"]
    if grid["name"] != "regular":
        raise _foreign(store, f"the chunk grid {grid['name']!r:.80}")
    chunks = _lengths(store, grid["configuration"], "chunk_shape")
    shards, codecs = None, meta["codecs"]
    if codecs[-1]["name"] == "sharding_indexed" and len(codecs) == 1:
        inside = codecs[0]["configuration"]
        at_end = inside.get("index_location", "end") == "end"
        names = [codec["name"] for codec in inside["index_codecs"] if codec["name"] != "bytes"]
        if any(name != "crc32c" for name in names):
            raise _foreign(store, "a compressed table of shards")
        shards = Shards(chunks, _codecs(store, names), at_end)
        chunks, codecs = _lengths(store, inside, "chunk_shape"), inside["codecs"]
    dtype, order, names = _chain(store, meta, codecs)
    _require(store, shape, chunks, dtype)
    if shards is not None:
        _require_shards(store, shards, chunks)
    encoding = meta["chunk_key_encoding"]
    plain = encoding["name"] == "v2"
    separator = encoding.get("configuration", {}).get("separator", "." if plain else "/")
    return ZarrArray(
        store, key, shape, chunks, dtype, _fill(meta.get("fill_value"), dtype),
        prefix="" if plain else "c", separator=_separator(store, separator),
        codecs=_codecs(store, names), order=order, shards=shards,
    )  # fmt: skip


def _chain(
    store: Store, meta: dict[str, Any], codecs: list[dict[str, Any]]
) -> tuple[np.dtype[np.generic], tuple[int, ...] | None, list[str]]:
    """Type, order of axes and names of the codecs of bytes."""
    order, endian = None, "little"
    names: list[str] = []
    for codec in codecs:
        configuration = codec.get("configuration") or {}
        if codec["name"] == "transpose" and order is None and not names:
            order = tuple(configuration["order"])
        elif codec["name"] == "bytes":
            endian = configuration.get("endian", "little")
        else:
            names.append(codec["name"])
    if order is not None and sorted(order) != list(range(len(meta["shape"]))):
        raise damaged(store.path, "OME-Zarr")
    dtype = _dtype(store, meta.get("data_type"))
    return dtype.newbyteorder("<" if endian == "little" else ">"), order, names


def _codecs(store: Store, names: list[Any]) -> tuple[Codec, ...]:
    found = [codec_named(name) for name in names]
    unknown = [name for name, codec in zip(names, found, strict=True) if codec is None]
    if unknown:
        raise _foreign(store, f"the codec {unknown[0]!r:.80}")
    return tuple(codec for codec in found if codec is not None)


def _foreign(store: Store, what: str) -> UnreadableImageError:
    return UnreadableImageError(
        f"{store.path} uses {what}; accepted are chunks that are plain or compressed with Blosc, "
        "Zstd, Gzip, Zlib, LZ4, BZ2 or LZMA. Save it with one of those."
    )


def _dtype(store: Store, name: Any) -> np.dtype[np.generic]:
    try:
        dtype = np.dtype(name) if isinstance(name, str) and len(name) < 16 else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in _KINDS:
        raise UnreadableImageError(
            f"{store.path} holds values of type {name!r:.80}; accepted are integers and real "
            "numbers. Convert it first."
        )
    return dtype


def _lengths(store: Store, meta: dict[str, Any], name: str) -> tuple[int, ...]:
    lengths = meta.get(name)
    good = isinstance(lengths, list) and 0 < len(lengths) <= 8
    if not good or not all(type(n) is int and 0 < n < 2**40 for n in lengths or ()):
        raise damaged(store.path, "OME-Zarr")
    return tuple(lengths or ())


def _separator(store: Store, separator: Any) -> Literal[".", "/"]:
    if separator not in (".", "/"):
        raise damaged(store.path, "OME-Zarr")
    return "." if separator == "." else "/"


def _fill(value: Any, dtype: np.dtype[np.generic]) -> Any:
    """The number of chunks that were never written; 0 where it is none, or none of this type."""
    words = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
    number = words.get(value, 0) if isinstance(value, str) else value
    if not isinstance(number, int | float):
        return dtype.type(0)
    with np.errstate(invalid="raise", over="raise"):
        try:
            return dtype.type(number)
        except (ValueError, ArithmeticError):
            return dtype.type(0)


def _require(
    store: Store, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype[np.generic]
) -> None:
    if len(shape) != len(chunks):
        raise damaged(store.path, "OME-Zarr")
    size = prod(chunks) * dtype.itemsize
    if size > LARGEST_CHUNK:
        raise UnreadableImageError(
            f"{store.path} is stored in chunks of {size / 2**30:.1f} GiB; accepted are chunks of "
            f"up to {LARGEST_CHUNK // 2**30} GiB. Save it with smaller chunks."
        )


def _require_shards(store: Store, shards: Shards, chunks: tuple[int, ...]) -> None:
    if len(shards.shape) != len(chunks):
        raise damaged(store.path, "OME-Zarr")
    pairs = tuple(zip(shards.shape, chunks, strict=True))
    if any(s % c for s, c in pairs) or prod(s // c for s, c in pairs) > _LONGEST_SHARD:
        raise damaged(store.path, "OME-Zarr")
