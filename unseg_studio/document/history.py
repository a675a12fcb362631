"""Unlimited undo: what changed between two states, packed small.

A step is open from the action that began it until the next action, so that it also holds what the
engine made of it: undoing a stroke brings back the labels from before the stroke.

    act("stroke")      engine frames ...      act("merge")      undo
    |<------ step "stroke" is open ------>|<--- "merge" --->|   back to the state before "merge"
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from imagecodecs import lz4_decode, lz4_encode
from numpy.typing import NDArray

from unseg_studio.data import Box, Mosaic, Tile
from unseg_studio.data.boxes import bounds
from unseg_studio.data.tile import IndexType, Pattern, index_type
from unseg_studio.document.state import UNDOABLE, Plane, State, mosaic_of, with_mosaic

_packer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unseg-undo")
"""Compression lets go of the interpreter lock, so packing never makes the screen wait."""


class Packed:
    """A mosaic, compressed in the background."""

    def __init__(self, mosaic: Mosaic) -> None:
        self._shape = mosaic.shape
        self._tiles: Future[list[_PackedTile]] = _packer.submit(_packed_tiles, mosaic.tiles)

    @property
    def mosaic(self) -> Mosaic:
        """The mosaic again."""
        return Mosaic(self._shape, tuple(tile.tile for tile in self._tiles.result()))

    @property
    def n_bytes(self) -> int:
        """Memory that it takes once packed."""
        return sum(len(tile.index) for tile in self._tiles.result())


@dataclass(frozen=True, eq=False)
class _PackedTile:
    palette: tuple[int, ...]
    size: tuple[int, ...]
    index: bytes

    @property
    def tile(self) -> Tile:
        index = _expanded(self.index, self.size, np.dtype(index_type(len(self.palette))))
        return Tile(self.palette, Pattern(index))


def _packed_tiles(tiles: tuple[Tile, ...]) -> list[_PackedTile]:
    return [
        _PackedTile(tile.palette, tile.pattern.index.shape, _compress(tile.pattern.index))
        for tile in tiles
    ]


def _compress(array: NDArray[Any]) -> bytes:
    return bytes(lz4_encode(array.tobytes(), header=True))


def _expanded(packed: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(lz4_decode(packed, header=True), dtype).reshape(shape)


@dataclass(frozen=True, eq=False)
class TileChange:
    """What leads from one tile to another and back.

    Parameters
    ----------
    palettes : (tuple of int, tuple of int)
        Before and after.
    place : (slice, slice)
        The rectangle in which the patterns differ.
    bits : bytes
        In which bits they do so there, compressed; empty where they are the same.
    """

    palettes: tuple[tuple[int, ...], tuple[int, ...]]
    place: Box
    bits: bytes

    @property
    def n_bytes(self) -> int:
        """Memory that it takes, about."""
        return len(self.bits) + 8 * sum(map(len, self.palettes))

    @property
    def bits_type(self) -> IndexType:
        """The wider type of the two patterns."""
        return index_type(max(map(len, self.palettes)))

    @classmethod
    def between(cls, before: Tile, after: Tile) -> TileChange:
        """What leads from one to the other."""
        palettes = before.palette, after.palette
        bits = before.pattern.index ^ after.pattern.index
        place = bounds(bits != 0)
        if before.pattern is after.pattern or place is None:
            return cls(palettes, (slice(0, 0), slice(0, 0)), b"")
        return cls(palettes, place, _compress(bits[place]))

    def applied(self, tile: Tile, *, back: bool) -> Tile:
        """The tile after the change, given the one before it; or the other way round."""
        palette = self.palettes[not back]
        if not self.bits:
            return Tile(palette, tile.pattern)
        index: NDArray[Any] = tile.pattern.index.astype(self.bits_type)
        part = index[self.place]
        index[self.place] = np.bitwise_xor(part, _expanded(self.bits, part.shape, index.dtype))
        return Tile(palette, Pattern(index.astype(index_type(len(palette)), copy=False)))


class PlaneChange:
    """What changed in a plane, tile by tile, compressed in the background."""

    def __init__(self, before: Mosaic, after: Mosaic) -> None:
        pairs = {n: (before.tiles[n], after.tiles[n]) for n in before.apart(after)}
        self._tiles: Future[dict[int, TileChange]] = _packer.submit(_tile_changes, pairs)

    def applied(self, plane: Plane, *, back: bool) -> Plane:
        """The plane after the change, given the one before it; or the other way round."""
        mosaic = mosaic_of(plane)
        changes = self._tiles.result().items()
        tiles = {n: change.applied(mosaic.tiles[n], back=back) for n, change in changes}
        return with_mosaic(plane, mosaic.with_tiles(tiles))

    @property
    def n_bytes(self) -> int:
        """Memory that it takes once packed."""
        return sum(change.n_bytes for change in self._tiles.result().values())


def _tile_changes(pairs: dict[int, tuple[Tile, Tile]]) -> dict[int, TileChange]:
    # Equal tiles may have other palettes: the steps before then lead from those.
    changes = {number: TileChange.between(*pair) for number, pair in pairs.items()}
    return {number: c for number, c in changes.items() if c.bits or c.palettes[0] != c.palettes[1]}


@dataclass(frozen=True, eq=False)
class ValueChange:
    """A small value, before and after."""

    before: Any
    after: Any

    def applied(self, _value: Any, *, back: bool) -> Any:
        """The value after the change, or the one before it."""
        return self.before if back else self.after


@dataclass(frozen=True, eq=False)
class Step:
    """One thing that can be undone.

    Parameters
    ----------
    text : str
        What the person did, as the Undo menu entry says it: "stroke", "merge clusters".
    changes : dict
        Name of a field of `State` -> its change.
    """

    text: str
    changes: dict[str, PlaneChange | ValueChange]

    @classmethod
    def between(cls, text: str, before: State, after: State) -> Step:
        """What leads from one state to another."""
        changes = {
            name: _change(getattr(before, name), getattr(after, name))
            for name in UNDOABLE
            if getattr(before, name) is not getattr(after, name)
        }
        return cls(text, {name: change for name, change in changes.items() if change})

    def undone(self, state: State) -> State:
        """The state before the step, given the one after it."""
        return self._applied(state, back=True)

    def redone(self, state: State) -> State:
        """The state after the step, given the one before it."""
        return self._applied(state, back=False)

    @property
    def n_bytes(self) -> int:
        """Memory that the planes of the step take."""
        return sum(c.n_bytes for c in self.changes.values() if isinstance(c, PlaneChange))

    def _applied(self, state: State, *, back: bool) -> State:
        values = {
            name: change.applied(getattr(state, name), back=back)
            for name, change in self.changes.items()
        }
        return state.with_values(**values)


def _change(before: Any, after: Any) -> PlaneChange | ValueChange | None:
    if isinstance(before, Plane):
        return PlaneChange(mosaic_of(before), mosaic_of(after))
    return ValueChange(before, after) if before != after else None


class History:
    """The past and the future of one document."""

    def __init__(self) -> None:
        self._past: list[Step] = []
        self._future: list[Step] = []
        self._open: tuple[str, State] | None = None
        self._ahead: State | None = None

    @property
    def undo_text(self) -> str | None:
        """What `undo` would take back, None when there is nothing."""
        if self._open:
            return self._open[0]
        return self._past[-1].text if self._past else None

    @property
    def redo_text(self) -> str | None:
        """What `redo` would do again, None when there is nothing."""
        return self._future[-1].text if self._future else None

    @property
    def is_between_steps(self) -> bool:
        """No step is open, but there are some: a change now would make them inexact."""
        return self._open is None and bool(self._past or self._future)

    @property
    def n_bytes(self) -> int:
        """Memory that the planes of all closed steps take, once they are packed."""
        return sum(step.n_bytes for step in (*self._past, *self._future))

    def begin(self, text: str, state: State) -> None:
        """Open a step at `state`, which is about to change; what was undone is forgotten."""
        self._close(state)
        self._future.clear()
        self._open = (text, state)

    def settle(self, state: State) -> None:
        """End the open step here: what becomes different now is of no step."""
        self._close(state)

    def undo(self, state: State) -> State | None:
        """The state before the newest step, None when there is none."""
        before = self._close(state)
        if not self._past:
            return None
        step = self._past.pop()
        self._future.append(step)
        self._ahead = state
        return before or step.undone(state)

    def redo(self, state: State) -> State | None:
        """The state after the step that was undone last, None when there is none."""
        if not self._future:
            return None
        step, ahead = self._future.pop(), self._ahead
        self._past.append(step)
        self._ahead = None
        return ahead or step.redone(state)

    def _close(self, state: State) -> State | None:
        """End the open step, where there is one: the state before it, which need not be packed."""
        self._ahead = None
        if self._open is None:
            return None
        text, before = self._open
        self._past.append(Step.between(text, before, state))
        self._open = None
        return before
