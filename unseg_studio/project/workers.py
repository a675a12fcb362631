"""Work in processes of their own: one that is killed, or short of memory, takes nobody along.

this process               another process
worker.ask(question)  ->   answer(question)    ->  its value, or a sentence why there is none
worker.answer()       <-
close: kill                ends by itself when this process is gone
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import cv2

from unseg_studio.data import heap

_START = multiprocessing.get_context("spawn")
"""A forked copy of a process with threads may hang."""

_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by libraries when they are loaded, long before anybody could tell them."""


class WorkerGoneError(RuntimeError):
    """The process has ended before it answered."""


class Worker:
    """A process that answers questions, one at a time.

    Parameters
    ----------
    answer : callable
        What answers; importable by its name in the other process. An OSError or ValueError that it
        raises is one here, too.
    n_threads : int
        How many threads it may compute with.
    """

    def __init__(self, answer: Callable[..., Any], *, n_threads: int) -> None:
        self.line, theirs = _START.Pipe()
        arguments = (theirs, answer, n_threads)
        self._process = _START.Process(target=_serve, args=arguments, daemon=True)
        with _deaf_to_interrupts(), _few_threads(n_threads):
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return self._process.pid

    def ask(self, *question: Any) -> None:
        """Ask; `line` can be read, or is closed, as soon as there is something to hear."""
        with suppress(OSError):  # it is gone, which `answer` says
            self.line.send(question)

    def answer(self) -> Any:
        """Wait for the answer to what was asked last.

        Raises
        ------
        WorkerGoneError
            If there will be none.
        ValueError, OSError
            What the other side raised.
        """
        try:
            value = self.line.recv()
        except (EOFError, OSError) as error:
            raise WorkerGoneError("The process has ended.") from error
        if isinstance(value, ValueError | OSError):
            raise value
        return value

    def close(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self.line.close()


def _serve(line: Connection, answer: Callable[..., Any], n_threads: int) -> None:
    """What the other process does until the line is closed."""
    heap.keep_little()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(n_threads)  # which, unlike torch and numpy, asks no environment
    while True:
        try:
            question = line.recv()
        except EOFError:
            return
        line.send(value_of(answer, *question))


def value_of(answer: Callable[..., Any], *question: Any) -> Any:
    """The answer, or why there is none as an error that can be sent."""
    try:
        return answer(*question)
    except (ValueError, OSError) as error:
        return ValueError(str(error))
    except Exception as error:  # whatever an image does to a library, the next one may go well
        return ValueError(f"It fails with {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """Nobody waits for the answer when the parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _few_threads(n: int) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _LIBRARIES}
    os.environ.update(dict.fromkeys(_LIBRARIES, str(n)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
