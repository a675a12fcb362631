"""Writes down what happens to a document while it happens.

    stroke        -> its own transaction, at once
    engine frames -> nothing, but at most once a second, and when the engine has settled
    undo, redo    -> as strokes

The thread of the document only hands over a frozen record; packing and writing are done in the
writer's. A stroke waits for the one before it to be written, which is long done when a person
draws, so a process that is killed at any moment loses at most the newest stroke. A power cut is
another matter: SQLite's write-ahead log is not forced onto the disk with every transaction
(`synchronous = NORMAL`), so it may cost the last strokes, but never the project.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self

from unseg_studio.document import Document, Record
from unseg_studio.document.history import NOT_BY_HAND

FRAMES_S = 1.0
"""While the engine runs, its labels are written so often."""

PATIENCE_S = 2.0
"""A stroke waits no longer than this for the one before it, however slow the disk is."""

Keep = Callable[[Record, bool], "Future[None]"]
"""Writes a record; the flag says whether a person did something."""


class Journal:
    """Listens to a document; close it, or leave its with statement, before the document goes.

    Parameters
    ----------
    document : Document
        Whose changes to keep.
    keep : callable
        Takes a record, and whether it was the person who changed something.
    """

    def __init__(self, document: Document, keep: Keep) -> None:
        self._document = document
        self._keep = keep
        self._newest = document.record
        self._written_at = 0.0
        self._is_closed = False
        self._writing: Future[None] | None = None
        document.events.history_changed.connect(self._write)
        document.events.status_changed.connect(self._on_change)
        document.events.labels_changed.connect(self._on_change)
        document.events.categories_changed.connect(self._on_change)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def flush(self) -> None:
        """Wait until everything up to now is written.

        Raises
        ------
        OSError
            If it cannot be.
        """
        self._write()
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        """Write what is not written yet, and stop listening; may be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        events = self._document.events
        events.history_changed.disconnect(self._write, missing_ok=True)
        for signal in (events.status_changed, events.labels_changed, events.categories_changed):
            signal.disconnect(self._on_change, missing_ok=True)
        self.flush()

    def _on_change(self) -> None:
        """Labels of the engine, a table from another document, the end of a run."""
        is_due = time.monotonic() >= self._written_at + FRAMES_S
        if is_due or not self._document.status.is_busy:
            self._write()

    def _write(self) -> None:
        record = self._document.record
        if record.equals(self._newest):
            return
        by_person = _is_work(record, self._newest)
        if by_person and self._writing is not None:
            wait([self._writing], PATIENCE_S)
        self._newest, self._written_at = record, time.monotonic()
        self._writing = self._keep(record, by_person)


def _is_work(record: Record, before: Record) -> bool:
    """Say whether there is another step that a person made; the engine begins runs by itself."""
    if record.n_done == before.n_done:
        return False
    is_more = record.n_done > before.n_done
    return not (is_more and record.steps[record.n_done - 1].text in NOT_BY_HAND)
