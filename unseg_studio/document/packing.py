"""Planes, tiles and undo steps as bytes, for files.

Nothing here can run code, and nothing is expanded beyond what its place in the image can hold,
since a file may come from anywhere. What does not fit raises `DamagedError`.

    plane   joined([shape, tile, tile, ...])
    tile    squeezed(palette, index)
    step    joined([text and values as JSON, numbers of tiles, change, change, ...])
    change  squeezed(both palettes, rectangle, bits)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from imagecodecs import zstd_decode, zstd_encode
from numpy.typing import NDArray

from unseg_studio.data import Mosaic, Tile
from unseg_studio.data.boxes import Box, size_of
from unseg_studio.data.mosaic import SIDE
from unseg_studio.data.tile import Pattern, index_type
from unseg_studio.document.history import (
    PlaneChange,
    Step,
    TileChange,
    ValueChange,
    compressed,
    value_change,
)
from unseg_studio.document.state import UNDOABLE
from unseg_studio.document.values import plain_value, value_of

PLANES = ("scribbles", "named", "edits", "proposal")
"""Fields of `State` that have a value for every pixel."""

LEVEL = 3
"""Of compression; higher ones take several times as long for a tenth less."""

MOST_IDS = SIDE * SIDE
"""A tile cannot hold more than one id a pixel."""

MOST_TEXT = 2**24
"""Bytes of JSON in a step: a thousand categories before and after take a hundredth of it."""

_LENGTH = struct.Struct("<I")


class DamagedError(ValueError):
    """Bytes that are not what they should be."""


_SIGNS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    struct.error,
    RuntimeError,  # what the decoder and endless brackets in JSON raise
)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Whatever damaged bytes lead to is one kind of error."""
    try:
        yield
    except DamagedError:
        raise
    except _SIGNS as error:
        raise DamagedError(f"This part of the file is damaged ({error}).") from error


# Bytes in bytes


def joined(parts: Sequence[bytes]) -> bytes:
    """Several pieces as one; see `parted`."""
    lengths = np.array([len(parts), *map(len, parts)], "<u4")
    return b"".join([lengths.tobytes(), *parts])


def parted(data: bytes) -> list[bytes]:
    """The pieces again."""
    with _damage_told():
        (count,) = _LENGTH.unpack_from(data)
        lengths = np.frombuffer(data, "<u4", count, offset=_LENGTH.size).tolist()
        ends = list(accumulate(lengths, initial=_LENGTH.size * (1 + count)))
        if ends[-1] != len(data):
            raise DamagedError("This part of the file is cut off.")
        return [data[start:end] for start, end in pairwise(ends)]


def squeezed(data: bytes) -> bytes:
    """Compressed, with the length that it had before it."""
    return _LENGTH.pack(len(data)) + bytes(zstd_encode(data, level=LEVEL))


def expanded(data: bytes, *, most: int) -> bytes:
    """What was compressed; never more than `most` bytes."""
    with _damage_told():
        (length,) = _LENGTH.unpack_from(data)
        if length > most:
            raise DamagedError(f"A part of the file claims {length} bytes, at most {most} fit.")
        raw = bytes(zstd_decode(data[_LENGTH.size :], out=length)) if length else b""
        if len(raw) != length:
            raise DamagedError("A part of the file is shorter than it claims.")
        return raw


# Tiles and planes


def tile_bytes(tile: Tile) -> bytes:
    """Palette and pattern, exactly: undo steps lead from those."""
    head = np.array([len(tile.palette), *tile.palette], "<i4")
    return squeezed(head.tobytes() + tile.pattern.index.tobytes())


def tile_of(data: bytes, size: tuple[int, int]) -> Tile:
    """The tile again; `size` is its height and width."""
    raw = expanded(data, most=4 * (1 + MOST_IDS) + 2 * SIDE * SIDE)
    with _damage_told():
        palette, offset = _palette(raw, 0)
        dtype = np.dtype(index_type(len(palette)))
        index = np.frombuffer(raw, dtype, offset=offset).reshape(size)
        if int(index.max()) >= len(palette):
            raise DamagedError("A tile has more ids than its palette.")
        return Tile(palette, Pattern(index))


def _palette(raw: bytes, offset: int) -> tuple[tuple[int, ...], int]:
    """The palette that begins somewhere, and where it ends."""
    (count,) = _LENGTH.unpack_from(raw, offset)
    if not 0 < count <= MOST_IDS:
        raise DamagedError(f"A palette claims {count} ids.")
    palette = np.frombuffer(raw, "<i4", count, offset=offset + _LENGTH.size)
    return tuple(palette.tolist()), offset + _LENGTH.size * (1 + count)


def mosaic_bytes(mosaic: Mosaic) -> bytes:
    """A whole plane; tiles that are one and the same are packed once."""
    packed = {tile: tile_bytes(tile) for tile in set(mosaic.tiles)}
    return joined([struct.pack("<II", *mosaic.shape), *(packed[tile] for tile in mosaic.tiles)])


def mosaic_of(data: bytes, shape: tuple[int, int]) -> Mosaic:
    """The plane again; `shape` is what it has to be."""
    with _damage_told():
        head, *tiles = parted(data)
        if struct.unpack("<II", head) != shape:
            raise DamagedError(f"A plane is not {shape[1]} x {shape[0]} px, as it should be.")
    blank = Mosaic.full(shape, 0)
    if len(tiles) != len(blank.tiles):
        raise DamagedError("A plane lacks tiles.")
    sizes = [size_of(blank.box_of(number)) for number in range(len(tiles))]
    return Mosaic(shape, tuple(tile_of(t, size) for t, size in zip(tiles, sizes, strict=True)))


# Undo steps


def step_bytes(step: Step) -> bytes:
    """A step; waits until it is packed."""
    planes = {n: c.tiles for n, c in step.changes.items() if isinstance(c, PlaneChange)}
    values = {
        name: [plain_value(name, change.before), plain_value(name, change.after)]
        for name, change in step.changes.items()
        if isinstance(change, ValueChange)
    }
    counts = {name: len(tiles) for name, tiles in planes.items()}
    text = json.dumps({"text": step.text, "values": values, "planes": counts}).encode()
    numbers = np.array([n for tiles in planes.values() for n in tiles], "<u4")
    changes = [_change_bytes(c) for tiles in planes.values() for c in tiles.values()]
    return joined([squeezed(text), numbers.tobytes(), *changes])


def step_of(data: bytes, shape: tuple[int, int]) -> Step:
    """The step again, for an image of this (height, width)."""
    with _damage_told():
        text, numbers, *changes = parted(data)
        told = json.loads(expanded(text, most=MOST_TEXT))
        values = {
            name: value_change(name, value_of(name, before), value_of(name, after))
            for name, (before, after) in told["values"].items()
        }
        pairs = list(zip(np.frombuffer(numbers, "<u4").tolist(), changes, strict=True))
        planes = dict(_planes_of(told["planes"], pairs, shape))
        _require_undoable({*values, *planes})
        return Step(str(told["text"]), {**values, **planes})


def _planes_of(
    counts: dict[str, int], pairs: list[tuple[int, bytes]], shape: tuple[int, int]
) -> Iterator[tuple[str, PlaneChange]]:
    blank = Mosaic.full(shape, 0)
    ends = list(accumulate(counts.values(), initial=0))
    for name, (start, end) in zip(counts, pairwise(ends), strict=True):
        if name not in PLANES:
            raise DamagedError(f"A step changes {name!r:.80}, which is no plane.")
        tiles = {n: _change_of(data, size_of(blank.box_of(n))) for n, data in pairs[start:end]}
        yield name, PlaneChange.of(tiles)


def _require_undoable(names: set[str]) -> None:
    if strays := names.difference(UNDOABLE):
        raise DamagedError(f"A step changes {sorted(strays)!s:.80}, which is not known here.")


def _change_bytes(change: TileChange) -> bytes:
    rows, cols = change.place
    place = rows.start, rows.stop, cols.start, cols.stop
    heads = [np.array([len(palette), *palette], "<i4") for palette in change.palettes]
    raw = change.raw_bits(size_of(change.place)).tobytes() if change.bits else b""
    return squeezed(b"".join([*(h.tobytes() for h in heads), struct.pack("<4I", *place), raw]))


def _change_of(data: bytes, size: tuple[int, int]) -> TileChange:
    raw = expanded(data, most=8 * (1 + MOST_IDS) + 16 + 2 * SIDE * SIDE)
    before, offset = _palette(raw, 0)
    after, offset = _palette(raw, offset)
    top, bottom, left, right = struct.unpack_from("<4I", raw, offset)
    place = slice(top, bottom), slice(left, right)
    if not (top <= bottom <= size[0] and left <= right <= size[1]):
        raise DamagedError("An undo step reaches beyond the image.")
    return TileChange((before, after), place, _bits(raw[offset + 16 :], place, (before, after)))


def _bits(raw: bytes, place: Box, palettes: tuple[tuple[int, ...], tuple[int, ...]]) -> bytes:
    """Compressed as steps in memory are."""
    if not raw:
        return b""
    bits: NDArray[Any] = np.frombuffer(raw, index_type(max(map(len, palettes))))
    return compressed(bits.reshape(size_of(place)))
