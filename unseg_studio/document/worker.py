"""One thread, newest job wins, one frame in the mailbox.

    asking thread              worker thread
    submit(job) -> serial+1 -> next yield of the old run sees that its serial is past: closed
                               solve(job): frame -> mailbox, only when it is empty; last one always
    take()      <-             newest frame, tagged with its serial; stale ones are dropped
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import dataclass

from unseg_studio.document.solve import Fits, Frame, Job, solve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A run that ended in an exception."""

    error: Exception


class Worker:
    """Runs jobs in a thread of its own; usable from one asking thread, without Qt."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._job: Job | None = None
        self._serial = 0
        self._mail: tuple[int, Frame | Failure] | None = None
        self._closing = False
        self._fits = Fits()
        self._thread = threading.Thread(target=self._loop, name="unseg-worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Run this next; whatever runs or waits is superseded."""
        with self._wake:
            self._serial += 1
            self._job, self._mail = job, None
            self._wake.notify_all()

    def cancel(self) -> None:
        """End the run at its next yield; nothing of it will be taken any more."""
        with self._wake:
            self._serial += 1
            self._job = self._mail = None

    def take(self) -> Frame | Failure | None:
        """The newest result that was not taken yet, None where there is none."""
        with self._wake:
            mail, self._mail = self._mail, None
        return mail[1] if mail else None

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to take; False when the time ran out."""
        with self._wake:
            return self._wake.wait_for(lambda: self._mail is not None, timeout=seconds)

    def close(self) -> None:
        """Cancel and end the thread."""
        with self._wake:
            self._serial += 1
            self._closing, self._job = True, None
            self._wake.notify_all()
        self._thread.join()

    def _loop(self) -> None:
        while (task := self._next()) is not None:
            serial, job = task
            try:
                self._run(serial, job)
            except Exception as error:  # every failure belongs on the screen
                log.debug("run failed", exc_info=True)
                self._fits = Fits()
                self._post(serial, Failure(error))

    def _next(self) -> tuple[int, Job] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._job is not None or self._closing)
            job, self._job = self._job, None
            return None if job is None else (self._serial, job)

    def _run(self, serial: int, job: Job) -> None:
        with closing(solve(job, self._fits, wanted=lambda _: self._mail is None)) as frames:
            for frame in frames:
                if serial != self._serial:
                    return
                if frame is not None:
                    self._post(serial, frame)

    def _post(self, serial: int, result: Frame | Failure) -> None:
        with self._wake:
            if serial == self._serial:
                self._mail = (serial, result)
                self._wake.notify_all()
