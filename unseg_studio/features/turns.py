"""Several windows on one card take turns, step by step, so that none waits for long.

What could starve another window, and what is done about it:

    memory that torch keeps but does not use     given back at rest (`devices.give_back`)
    a card that is full all the same             less of it, or the CPU (`document.placed`)
    steps that are ordered far ahead of the card these turns

The driver shares out the time of a card by itself, but a process that orders a hundred steps
without waiting has them all run before long in the slices of the others. So whoever takes a step
holds a lock on a file meanwhile, and if somebody waits for it, until the card has done the step.
No bound is put on the memory of a process, since a window that is alone should have all of it.

A lock alone would go again and again to whoever has just let go of it. Hence two: one for the
turn, and one for the place at the head of the queue, without which nobody may ask for the turn.

    wait for the head -> wait for the turn -> leave the head -> work -> leave the turn

It is politeness, not safety: who has waited for `PATIENCE_S`, because the other one hangs, goes on
without, and does not ask again for a while. The system frees the locks of a process that ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unseg_studio.features import devices
from unseg_studio.features.devices import Place
from unseg_studio.features.folders import cache_folder

PATIENCE_S = 0.25
"""Longer than any step; a process that holds the turn for so long is stopped, or hangs."""

SULK_S = 5.0
"""For so long, nobody is asked after somebody hung."""

LOOK_S = 0.0005
"""Between two looks whether a lock is free."""

_own = threading.local()


@contextmanager
def turn(place: Place) -> Iterator[None]:
    """Take a step on a place when it is our turn; at once on the CPU, and within another turn."""
    if place.is_cpu or getattr(_own, "has_turn", False):
        yield
        return
    turns = _turns(place.device)
    has_turn = turns is not None and turns.take()
    _own.has_turn = True
    try:
        yield
    finally:
        _own.has_turn = False
        if turns is not None and has_turn:
            if turns.is_wanted():
                with suppress(RuntimeError):  # said by whoever asks for what was computed
                    devices.finish(place)
            turns.leave()


def _turns(device: str) -> Turns | None:
    """Those of this thread; None where no files can be made."""
    known: dict[str, Turns | None] = _own.__dict__.setdefault("turns", {})
    if device not in known:
        try:
            known[device] = Turns(cache_folder() / "turns" / device.replace(":", "-"))
        except OSError:
            known[device] = None
    return known[device]


class Turns:
    """The turns at one card, as one thread sees them.

    Parameters
    ----------
    path : Path
        Two files of this name, which all who share the card have.

    Raises
    ------
    OSError
        If they cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._head, self._turn = (_Lock(path.with_suffix(s)) for s in (".head", ".turn"))
        self._asks_after = 0.0

    def take(self) -> bool:
        """Wait for the turn; False: nobody may wait that long, so go on without."""
        now = time.monotonic()
        if now < self._asks_after:
            return False
        deadline = now + PATIENCE_S
        if self._head.taken_by(deadline):
            try:
                if self._turn.taken_by(deadline):
                    return True
            finally:
                self._head.leave()
        self._asks_after = time.monotonic() + SULK_S
        return False

    def leave(self) -> None:
        """Let the next one have it."""
        self._turn.leave()

    def is_wanted(self) -> bool:
        """Somebody waits for the turn."""
        is_free = self._head.taken_by(0.0)
        if is_free:
            self._head.leave()
        return not is_free


class _Lock:
    """A lock on a file, which every process can have, and every thread that has its own."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self._file)

    def taken_by(self, deadline: float) -> bool:
        """Take it, looking at least once; says whether that was in time."""
        while not self._is_taken():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_S)
        return True

    def leave(self) -> None:
        """Let go of it."""
        if sys.platform == "win32":
            import msvcrt

            os.lseek(self._file, 0, os.SEEK_SET)
            msvcrt.locking(self._file, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _is_taken(self) -> bool:
        try:
            if sys.platform == "win32":
                import msvcrt

                os.lseek(self._file, 0, os.SEEK_SET)
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
