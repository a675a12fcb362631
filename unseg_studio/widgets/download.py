"""Downloads of weights, each in a thread of its own, that outlive the widget that asked for them.

There is one for each backbone at most, whoever asks: two would write into the same file.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from unseg_studio.features import weights

Phase = Literal["running", "done", "cancelled", "failed"]

_FEW_SECONDS = 0.5
"""Until then the speed is not known well enough to promise anything."""


@dataclass(frozen=True)
class Standing:
    """How far a download is.

    Parameters
    ----------
    phase : str
        "running", or how it ended.
    done, total : int
        Bytes that are there, and that there will be; 0: unknown.
    seconds_left : float or None
        None: unknown.
    message : str
        What went wrong, and what to do.
    """

    phase: Phase = "running"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    message: str = ""


class Download:
    """The weights of one backbone on their way; asked by whoever shows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.standing = Standing()
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self._first: tuple[float, int] | None = None
        thread = threading.Thread(target=self._run, name="unseg-download", daemon=True)
        thread.start()

    @property
    def is_running(self) -> bool:
        """Nobody knows yet how it ends."""
        return not self._ended.is_set()

    def cancel(self) -> None:
        """End it soon; what has come is kept, and a later download goes on from there."""
        self._cancelled.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False when the time ran out."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            came = weights.download(self.name, self._on_progress, cancelled=self._cancelled.is_set)
            self._end("done" if came else "cancelled")
        except Exception as error:  # every failure belongs on the screen
            self._end("failed", str(error) or type(error).__name__)

    def _end(self, phase: Phase, message: str = "") -> None:
        now = self.standing
        self.standing = Standing(phase, now.done, now.total, message=message)
        self._ended.set()

    def _on_progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._first = self._first or (now, done)
        began, before = self._first
        left = seconds_left(done - before, total - done, seconds=now - began) if total else None
        self.standing = Standing("running", done, total, left)


def seconds_left(come: int, missing: int, *, seconds: float) -> float | None:
    """Time for the missing bytes at the speed of those that have come; None: too early to say."""
    if come <= 0 or seconds < _FEW_SECONDS:
        return None
    return max(0.0, missing * seconds / come)


_running: dict[str, Download] = {}
_starting = threading.Lock()


def download(name: str) -> Download:
    """Begin to download, or join the download that runs already."""
    with _starting:
        now = _running.get(name)
        if now is None or not now.is_running:
            now = _running[name] = Download(name)
    return now


def running() -> Download | None:
    """A download that runs, the newest one; None where there is none."""
    return next((d for d in reversed(list(_running.values())) if d.is_running), None)


def bytes_there(name: str) -> int:
    """What an earlier download has left, to go on from."""
    file = weights.weights_file(name)
    part = file.with_name(f"{file.name}.part")
    return part.stat().st_size if part.is_file() else 0
