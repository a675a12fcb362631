"""One thread, newest job wins, one result in the mailbox.

The order that matters, in time from top to bottom:

    asking thread              worker thread
    submit(job) -> serial+1 -> next yield of the old job sees that its serial is past: closed
                               job.results(): result -> mailbox, when it is empty or to be last
    take()      <-             newest result; of a job that is past, there is none
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from unseg_studio.document.carry import Carried
from unseg_studio.document.solve import Fits, Frame, Wanted
from unseg_studio.document.split import Parts
from unseg_studio.document.thumbnails import Strip
from unseg_studio.segmenters import Estimate, leave_a_core

log = logging.getLogger(__name__)

REST_S = 2.0
"""A worker that nobody has asked for anything for so long lets other windows have the memory that
its device keeps for the next run."""

PATIENT = 10
"""Niceness of a worker that is not urgent: what the person waits for has the cores first."""


@dataclass(frozen=True)
class Failure:
    """A job that ended in an exception."""

    error: Exception


Answer = Frame | Parts | Strip | Carried
"""What jobs come to."""

Result = Answer | Failure


class Job(Protocol):
    """Something to compute, with everything that it needs, as it was when it was asked for."""

    def results(self, fits: Fits, wanted: Wanted, /) -> Generator[Answer | None, None, None]:
        """Called once, in the worker's thread.

        Every yield is a place to stop; None where there is nothing to show. What is dear and
        nobody waits for, by `wanted`, need not be computed, except for the last result. `fits` is
        the memory between jobs.
        """
        ...


class Worker:
    """Runs jobs in a thread of its own; usable from one asking thread, without Qt.

    Parameters
    ----------
    is_urgent : bool
        False: other threads go first where cores are scarce.
    """

    def __init__(self, *, is_urgent: bool = True) -> None:
        self._is_urgent = is_urgent
        self._wake = threading.Condition()
        self._job: Job | None = None
        self._serial = 0
        self._is_working = False
        self._mail: Result | None = None
        self._closing = False
        self._fits = Fits()
        self._thread = threading.Thread(target=self._loop, name="unseg-worker", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # torch must not compute while the interpreter goes

    def submit(self, job: Job) -> None:
        """Run this next; whatever runs or waits is superseded."""
        self._supersede(job)

    def adopt(self, fits: Fits) -> None:
        """Begin warm, with what another worker has made and leaves alone from now on."""
        self._fits = fits

    def cancel(self) -> None:
        """End the job at its next yield; nothing of it will be taken any more."""
        self._supersede(None)

    @property
    def serial(self) -> int:
        """Raised by every `submit` and `cancel`: says whether a job is still the newest."""
        return self._serial

    @property
    def is_working(self) -> bool:
        """The newest job waits or runs."""
        with self._wake:
            return self._job is not None or self._is_working

    def take(self) -> Result | None:
        """The newest result that was not taken yet, None where there is none."""
        with self._wake:
            mail, self._mail = self._mail, None
        return mail

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to take; False when the time ran out."""
        with self._wake:
            return self._wake.wait_for(lambda: self._mail is not None, timeout=seconds)

    def close(self, *, wait: bool = True) -> None:
        """Cancel and end the thread; `wait`: until it has ended, at the next yield of its job."""
        self._closing = True
        self._supersede(None)
        if wait:
            self._thread.join()

    def _supersede(self, job: Job | None) -> None:
        with self._wake:
            self._serial += 1
            self._job, self._mail = job, None
            self._wake.notify_all()

    def _loop(self) -> None:
        if not self._is_urgent:
            let_others_go_first()
        while (task := self._next()) is not None:
            serial, job = task
            try:
                self._run(serial, job)
            except Exception as error:  # every failure belongs on the screen
                log.debug("job failed", exc_info=True)
                self._fits.forget()
                self._post(serial, Failure(error))
            self._is_working = False
        self._fits.leave()
        atexit.unregister(self.close)

    def _next(self) -> tuple[int, Job] | None:
        with self._wake:
            is_idle = not self._wake.wait_for(self._has_news, timeout=REST_S)
        if is_idle:
            self._fits.rest()
        with self._wake:
            self._wake.wait_for(self._has_news)
            job, self._job = self._job, None
            self._is_working = job is not None
            return None if job is None else (self._serial, job)

    def _has_news(self) -> bool:
        return self._job is not None or self._closing

    def _run(self, serial: int, job: Job) -> None:
        leave_a_core()
        with closing(job.results(self._fits, self._is_empty)) as results:
            for result in results:
                if serial != self._serial:
                    return
                if result is not None:
                    self._post(serial, result)

    def _is_empty(self, _estimate: Estimate) -> bool:
        return self._mail is None

    def _post(self, serial: int, result: Result) -> None:
        with self._wake:
            if serial == self._serial:
                self._mail = result
                self._wake.notify_all()


def let_others_go_first() -> None:
    """Of this thread and of those that torch begins in it, where the system can do that."""
    if sys.platform == "linux":  # elsewhere, niceness is of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENT)
