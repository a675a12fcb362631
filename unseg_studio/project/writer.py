"""One thread that writes, in the order in which things were said; nobody waits who need not."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from unseg_studio.project.database import Connection, Database, ProjectError

T = TypeVar("T")

log = logging.getLogger(__name__)


class Writer:
    """Does jobs on a database, one transaction for each, in a thread of its own.

    Parameters
    ----------
    database : Database
        Where to write.
    on_trouble : callable
        Called in that thread with a sentence when the file no longer follows, or a job fails.
    """

    def __init__(self, database: Database, on_trouble: Callable[[str], None]) -> None:
        self._database = database
        self._on_trouble = on_trouble
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop, name="unseg-project", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Write soon, in a transaction of its own."""
        return self.submit_bare(lambda: self._database.write(job))

    def submit_bare(self, job: Callable[[], T]) -> Future[T]:
        """Do something between two transactions.

        Raises
        ------
        ProjectError
            After `close`.
        """
        if self._is_closed:
            raise ProjectError("The project is closed, so nothing is kept any more; open it again.")
        done: Future[T] = Future()
        self._jobs.put((job, done))
        return done

    def run(self, job: Callable[[Connection], T]) -> T:
        """Write, and wait until it is written."""
        return self.submit(job).result()

    def flush(self) -> None:
        """Wait until all is written that was submitted so far."""
        self.submit_bare(lambda: None).result()

    def close(self) -> None:
        """Write what waits, and end the thread."""
        atexit.unregister(self.close)
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while (task := self._jobs.get()) is not None:
            job, done = task
            before = self._database.reason
            try:
                done.set_result(job())
            except Exception as error:  # belongs to who waits, and on the screen
                log.debug("a write failed", exc_info=True)
                done.set_exception(error)
                self._on_trouble(str(error))
            if self._database.reason and self._database.reason != before:
                self._on_trouble(self._database.reason)
