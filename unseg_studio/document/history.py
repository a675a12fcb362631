"""Unlimited undo: what changed between two states, packed small.

A step is open from the action that began it until the next action, so that it also holds what the
engine made of it: undoing a stroke brings back the labels from before the stroke.

    act("stroke")      engine frames ...      act("merge")      undo
    |<------ step "stroke" is open ------>|<--- "merge" --->|   back to the state before "merge"
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from imagecodecs import lz4_decode, lz4_encode
from numpy.typing import NDArray

from unseg_studio.data import Box, Category, Mosaic, Tile
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
        _PackedTile(tile.palette, tile.pattern.size, compressed(tile.pattern.index))
        for tile in tiles
    ]


def compressed(array: NDArray[Any]) -> bytes:
    """The bytes of an array, small; see `TileChange.bits`."""
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
        return cls(palettes, place, compressed(bits[place]))

    def raw_bits(self, size: tuple[int, ...]) -> NDArray[Any]:
        """The bits, expanded; `size` is that of `place`."""
        return _expanded(self.bits, size, np.dtype(self.bits_type))

    def applied(self, tile: Tile, *, back: bool) -> Tile:
        """The tile after the change, given the one before it; or the other way round."""
        palette = self.palettes[not back]
        pattern = self._applied_to(tile.pattern.index, palette) if self.bits else tile.pattern
        if int(pattern.index.max()) >= len(palette):  # a file may say anything
            raise ValueError("This undo step does not fit the labels; it is damaged.")
        return Tile(palette, pattern)

    def _applied_to(self, before: NDArray[Any], palette: tuple[int, ...]) -> Pattern:
        index: NDArray[Any] = before.astype(self.bits_type)
        part = index[self.place]
        index[self.place] = np.bitwise_xor(part, self.raw_bits(part.shape))
        return Pattern(index.astype(index_type(len(palette)), copy=False))


class PlaneChange:
    """What changed in a plane, tile by tile, compressed in the background."""

    def __init__(self, tiles: Future[dict[int, TileChange]]) -> None:
        self._tiles = tiles

    @classmethod
    def between(cls, before: Mosaic, after: Mosaic) -> PlaneChange:
        """What leads from one to the other."""
        pairs = {n: (before.tiles[n], after.tiles[n]) for n in before.apart(after)}
        return cls(_packer.submit(_tile_changes, pairs))

    @classmethod
    def of(cls, tiles: dict[int, TileChange]) -> PlaneChange:
        """A change that was packed before."""
        done: Future[dict[int, TileChange]] = Future()
        done.set_result(tiles)
        return cls(done)

    @property
    def tiles(self) -> dict[int, TileChange]:
        """Number of a tile -> its change; waits until they are packed."""
        return self._tiles.result()

    def applied(self, plane: Plane, *, back: bool) -> Plane:
        """The plane after the change, given the one before it; or the other way round."""
        mosaic = mosaic_of(plane)
        changes = self.tiles.items()
        tiles = {n: change.applied(mosaic.tiles[n], back=back) for n, change in changes}
        return with_mosaic(plane, mosaic.with_tiles(tiles))

    @property
    def n_bytes(self) -> int:
        """Memory that it takes once packed."""
        return sum(change.n_bytes for change in self.tiles.values())


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


class TableChange(ValueChange):
    """What a step changed in the category table.

    Other documents share the table and may have changed other categories since: those stay.
    """

    def applied(self, value: tuple[Category, ...], *, back: bool) -> tuple[Category, ...]:
        """The table with the categories that the step is about as they were after, or before it."""
        now = {category.id: category for category in value}
        wanted = {category.id: category for category in super().applied(value, back=back)}
        others = {category.id: category for category in super().applied(value, back=not back)}
        meant = {id_ for id_ in {*wanted, *others} if wanted.get(id_) != others.get(id_)}
        kept = {id_: category for id_, category in now.items() if id_ not in meant}
        taken = {category.name for category in kept.values()}
        for id_ in meant & wanted.keys():
            clashes = wanted[id_].name in taken and id_ in now
            kept[id_] = now[id_] if clashes else wanted[id_]
        order = [*wanted, *(id_ for id_ in now if id_ not in wanted)]
        return tuple(kept[id_] for id_ in order if id_ in kept) or value  # never an empty one


def value_change(name: str, before: Any, after: Any) -> ValueChange:
    """The change of a small field of `State`."""
    return (TableChange if name == "categories" else ValueChange)(before, after)


RUN, NAMES_OF_PROJECT = "run", "names of the project"
"""Steps that no person made in this image: a run, and names that all images follow."""

NOT_BY_HAND = frozenset({RUN, NAMES_OF_PROJECT})


class Undoable(Protocol):
    """One thing that can be undone, wherever what it needs is kept."""

    @property
    def text(self) -> str:
        """What the person did, as the Undo menu entry says it."""
        ...

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        ...

    def undone(self, state: State) -> State:
        """The state before the step, given the one after it."""
        ...

    def redone(self, state: State) -> State:
        """The state after the step, given the one before it."""
        ...


@dataclass(frozen=True, eq=False)
class Step:
    """A step that is kept in memory.

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
            name: _change(name, getattr(before, name), getattr(after, name))
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


def _change(name: str, before: Any, after: Any) -> PlaneChange | ValueChange | None:
    if isinstance(before, Plane):
        return PlaneChange.between(mosaic_of(before), mosaic_of(after))
    return value_change(name, before, after) if before != after else None


@dataclass(frozen=True, eq=False)
class Record:
    """A state and how it came about: all that has to be kept so that nothing is lost.

    Parameters
    ----------
    state : State
        What is true.
    steps : tuple of Undoable
        Every step, the oldest first, those among them that were undone.
    n_done : int
        So many of them led to the state; redo does the others again.
    """

    state: State
    steps: tuple[Undoable, ...] = ()
    n_done: int = 0

    def equals(self, other: Record) -> bool:
        """Say whether the two are one and the same moment."""
        return (
            self.state is other.state
            and self.n_done == other.n_done
            and len(self.steps) == len(other.steps)
            and self.steps[-1:] == other.steps[-1:]
        )


class History:
    """The past and the future of one document.

    Parameters
    ----------
    steps : sequence of Undoable
        What a record kept of it.
    n_done : int
        How many of them are done; the others can be done again.
    """

    def __init__(self, steps: Sequence[Undoable] = (), n_done: int = 0) -> None:
        self._past: list[Undoable] = list(steps[:n_done])
        self._future: list[Undoable] = list(reversed(steps[n_done:]))
        self._open: tuple[str, State] | None = None
        self._closed_at: tuple[State, Step] | None = None
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

    def record(self, state: State) -> Record:
        """The state as it would be with the open step ended here; the step stays open."""
        past = (*self._past, self._ended(state)) if self._open else tuple(self._past)
        return Record(state, (*past, *reversed(self._future)), len(past))

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
        earlier = before or self._past[-1].undone(state)  # which a damaged file may refuse
        self._future.append(self._past.pop())
        self._ahead = state
        return earlier

    def redo(self, state: State) -> State | None:
        """The state after the step that was undone last, None when there is none."""
        if not self._future:
            return None
        later = self._ahead or self._future[-1].redone(state)
        self._past.append(self._future.pop())
        self._ahead = None
        return later

    def _close(self, state: State) -> State | None:
        """End the open step, where there is one: the state before it, which need not be packed."""
        self._ahead = None
        if self._open is None:
            return None
        before = self._open[1]
        self._past.append(self._ended(state))
        self._open = self._closed_at = None
        return before

    def _ended(self, state: State) -> Step:
        """The open step, as it is if it ends here; packed once for each state."""
        if self._open is None:
            raise LookupError("No step is open.")
        if self._closed_at is None or self._closed_at[0] is not state:
            self._closed_at = state, Step.between(*self._open, state)
        return self._closed_at[1]
