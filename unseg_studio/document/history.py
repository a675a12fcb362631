"""Unlimited undo: what changed between two states, packed small.

A step is open from the action that began it until the next action, so that it also holds what the
engine made of it: undoing a stroke brings back the labels from before the stroke.

    act("stroke")      engine frames ...      act("merge")      undo
    |<------ step "stroke" is open ------>|<--- "merge" --->|   back to the state before "merge"
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Patch
from unseg_studio.document.state import UNDOABLE, Plane, State, ids_of, with_ids

_packer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unseg-undo")
"""zlib lets go of the interpreter lock, so packing never makes the screen wait."""


class Packed:
    """An array, compressed in the background."""

    def __init__(self, array: NDArray[np.int32]) -> None:
        self._shape = array.shape
        self._bytes: Future[bytes] = _packer.submit(_compress, np.ascontiguousarray(array))

    @property
    def array(self) -> NDArray[np.int32]:
        """The array again."""
        raw = zlib.decompress(self._bytes.result())
        return np.frombuffer(raw, np.int32).reshape(self._shape)

    @property
    def n_bytes(self) -> int:
        """Memory that it takes once packed."""
        return len(self._bytes.result())


def _compress(array: NDArray[np.int32]) -> bytes:
    return zlib.compress(array.tobytes(), level=1)


@dataclass(frozen=True, eq=False)
class ArrayChange:
    """The rectangle of a plane that changed, and the bits that differ: they lead both ways."""

    place: tuple[slice, slice]
    bits: Packed

    def applied(self, plane: Plane) -> Plane:
        """The plane after the change, given the one before it; or the other way round."""
        ids = ids_of(plane).copy()
        ids[self.place] ^= self.bits.array
        return with_ids(plane, ids)


@dataclass(frozen=True, eq=False)
class ValueChange:
    """A small value, before and after."""

    before: Any
    after: Any


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
    changes: dict[str, ArrayChange | ValueChange]

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
        return self._applied(state, lambda change: change.before)

    def redone(self, state: State) -> State:
        """The state after the step, given the one before it."""
        return self._applied(state, lambda change: change.after)

    @property
    def n_bytes(self) -> int:
        """Memory that the planes of the step take."""
        planes = (c.bits for c in self.changes.values() if isinstance(c, ArrayChange))
        return sum(bits.n_bytes for bits in planes)

    def _applied(self, state: State, side: Callable[[ValueChange], Any]) -> State:
        values = {
            name: change.applied(getattr(state, name))
            if isinstance(change, ArrayChange)
            else side(change)
            for name, change in self.changes.items()
        }
        return state.changed(**values)


def _change(before: Any, after: Any) -> ArrayChange | ValueChange | None:
    if not isinstance(before, Plane):
        return ValueChange(before, after) if before != after else None
    bits = ids_of(before) ^ ids_of(after)
    place = Patch.whole(bits != 0).slices
    if place[0].start == place[0].stop:
        return None
    return ArrayChange(place, Packed(bits[place]))


class History:
    """The past and the future of one document."""

    def __init__(self) -> None:
        self._past: list[Step] = []
        self._future: list[Step] = []
        self._open: tuple[str, State] | None = None

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

    def undo(self, state: State) -> State | None:
        """The state before the newest step, None when there is none."""
        self._close(state)
        if not self._past:
            return None
        step = self._past.pop()
        self._future.append(step)
        return step.undone(state)

    def redo(self, state: State) -> State | None:
        """The state after the step that was undone last, None when there is none."""
        if not self._future:
            return None
        step = self._future.pop()
        self._past.append(step)
        return step.redone(state)

    def _close(self, state: State) -> None:
        if self._open:
            text, before = self._open
            self._past.append(Step.between(text, before, state))
            self._open = None
