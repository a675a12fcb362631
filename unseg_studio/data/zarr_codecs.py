"""Undo the compression of Zarr chunks: a closed list of codecs, into memory of known size.

The decoders of the zarr package believe the sizes that a chunk states, and its codecs come from a
register that any installed package may add to; files of strangers are read with these instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs

Codec = Callable[[bytes, int], bytes]
"""From stored bytes to at most so many bytes."""

SPARE = 2**12
"""Bytes that may follow the values, such as checksums."""


def _lz4(data: bytes, size: int) -> bytes:
    return bytes(imagecodecs.lz4_decode(data, header=True, out=size))


def _without_checksum(data: bytes, size: int) -> bytes:
    return data[:-4]


CODECS: dict[str, Codec] = {
    "blosc": lambda data, size: bytes(imagecodecs.blosc_decode(data, out=size)),
    "zlib": lambda data, size: bytes(imagecodecs.zlib_decode(data, out=size)),
    "gzip": lambda data, size: bytes(imagecodecs.gzip_decode(data, out=size)),
    "zstd": lambda data, size: bytes(imagecodecs.zstd_decode(data, out=size)),
    "bz2": lambda data, size: bytes(imagecodecs.bz2_decode(data, out=size)),
    "lzma": lambda data, size: bytes(imagecodecs.lzma_decode(data, out=size)),
    "lz4": _lz4,
    "crc32c": _without_checksum,
}
"""By the names of Zarr 2 and 3."""


def codec_named(name: Any) -> Codec | None:
    """The codec of that name; None for one that is not accepted."""
    return CODECS.get(name.removeprefix("numcodecs.")) if isinstance(name, str) else None


def decompressed(data: bytes, codecs: tuple[Codec, ...], size: int) -> bytes:
    """Undo the codecs, the last one first; the values take exactly `size` bytes.

    Raises
    ------
    ValueError
        If they do not.
    """
    for codec in reversed(codecs):
        data = codec(data, size + SPARE)
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes instead of {size}")
    return data
