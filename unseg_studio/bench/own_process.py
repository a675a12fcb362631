"""Work in a process of its own, so that what hangs can be ended and memory is its own.

this process              the other process
process.begin()      ->   make()              ->  nothing, or why not
process.ask(...)     ->   answer(...)         ->  its value, or why there is none
no reply within the limit: kill    ends by itself when this process is gone
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from unseg_studio.bench.game import NoAnswerError

READY_SECONDS = 300.0
"""For loading libraries and the first, tiny work, on a machine that is busy."""

MIB = 2**20

Serve = Callable[..., Any]
"""Answers to whatever is asked; what it raises becomes a NoAnswerError."""

_START = multiprocessing.get_context("spawn")


class OwnProcess:
    """A process that answers, which is started when it is first needed.

    Parameters
    ----------
    make : callable
        Makes what answers; called in the other process, so it must be importable there.
    limit : float
        Seconds that an answer may take; then the process is ended, and `begin` starts another one.
    """

    def __init__(self, make: Callable[[], Serve], *, limit: float) -> None:
        self._make = make
        self._limit = limit
        self._process: multiprocessing.process.BaseProcess | None = None
        self._line: Connection | None = None

    def begin(self) -> None:
        """Start the process where there is none.

        Raises
        ------
        NoAnswerError
            If it does not come up.
        """
        if self._line is not None:
            return
        self._line, theirs = _START.Pipe()
        self._process = _START.Process(target=_serve, args=(theirs, self._make), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()
        try:
            self._hear(READY_SECONDS)
        except NoAnswerError:
            self.close()
            raise

    def ask(self, *question: Any) -> Any:
        """Ask, and wait for the answer.

        Raises
        ------
        NoAnswerError
            If there is none, or there is no process.
        """
        if self._line is None:
            raise NoAnswerError("no image is open")
        try:
            self._line.send(question)
        except OSError as error:
            self.close()
            raise NoAnswerError("its process has ended") from error
        return self._hear(self._limit)

    def close(self) -> None:
        """End the process."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._line = self._process = None

    def _hear(self, seconds: float) -> Any:
        if self._line is None or not self._line.poll(seconds):
            self.close()
            raise NoAnswerError(f"does not return within {seconds:g} s")
        try:
            value = self._line.recv()
        except EOFError as error:
            self.close()
            raise NoAnswerError("its process has ended, perhaps for lack of memory") from error
        if isinstance(value, NoAnswerError):
            raise value
        return value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process that starts here does not hear Ctrl+C; whoever started it ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(line: Connection, make: Callable[[], Serve]) -> None:
    """What the other process does until the line is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    served: list[Serve] = []
    line.send(_value_of(lambda: served.append(make())))
    while True:
        try:
            question = line.recv()
        except EOFError:
            return
        line.send(_value_of(served[0], *question))


def _end_with_parent() -> None:
    """What hangs would outlive a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _value_of(answer: Serve, *question: Any) -> Any:
    try:
        return answer(*question)
    except NoAnswerError as error:
        return error
    except Exception as error:  # whatever a method raises belongs into the report
        return NoAnswerError(f"fails with {type(error).__name__}: {error}")


_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Count the most memory from now on, where the system can; elsewhere from the start."""
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return


def peak_mib() -> float:
    """Most memory of this process so far in MiB, NaN where the system does not say."""
    # Linux first, since there `ru_maxrss` of a new process begins with that of its parent.
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return _peak_of_usage()
    kib = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kib[0]) / 1024 if kib else _peak_of_usage()


def _peak_of_usage() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB  # bytes on macOS
