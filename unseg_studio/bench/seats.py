"""Each method in a process of its own, so that one that hangs can be ended and memory is its own.

    this process                       the method's process
    seat.open(image, ids)      ->      method.start      ->  seconds
    seat.update(scribbles)     ->      player.update     ->  labels, seconds, peak memory
    no reply within the limit: kill    ends by itself when this process is gone

Times are taken in the method's process, so sending arrays does not count. Before its first image it
plays a tiny one, so that loading libraries does not count either.
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

import numpy as np
from numpy.typing import NDArray

from unseg_studio.bench.game import Answer, Here, NoAnswerError
from unseg_studio.bench.methods import Method, methods
from unseg_studio.data import Image

Labels = NDArray[np.int32]

READY_SECONDS = 300.0
"""For loading libraries and playing the tiny image, on a machine that is busy."""

MIB = 2**20

_START = multiprocessing.get_context("spawn")


def chosen_method(name: str, seed: int, device: str) -> Method:
    """The method that a process plays."""
    return methods(seed=seed, device=device)[name]


class Seat:
    """An opponent in a process of its own, which is started when it is first needed.

    Parameters
    ----------
    make : callable
        Makes the method; called in the other process, so it must be importable there.
    limit : float
        Seconds that opening or an update may take; then the process is ended and the next `open`
        starts another one.
    """

    def __init__(self, make: Callable[[], Method], *, limit: float) -> None:
        self._make = make
        self._limit = limit
        self._process: multiprocessing.process.BaseProcess | None = None
        self._line: Connection | None = None

    def open(self, image: Image, ids: tuple[int, ...]) -> float:
        """See `Opponent.open`."""
        if self._line is None:
            self._begin()
        return float(self._ask("open", (image, ids)))

    def update(self, scribbles: Labels) -> Answer:
        """See `Opponent.update`."""
        answer: Answer = self._ask("update", (scribbles,))
        return answer

    def close(self) -> None:
        """End the process."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._line = self._process = None

    def _begin(self) -> None:
        self._line, theirs = _START.Pipe()
        self._process = _START.Process(target=_serve, args=(theirs, self._make), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()
        self._hear(READY_SECONDS)

    def _ask(self, what: str, arguments: tuple[Any, ...]) -> Any:
        if self._line is None:
            raise NoAnswerError("no image is open")
        try:
            self._line.send((what, arguments))
        except OSError as error:
            self.close()
            raise NoAnswerError("its process has ended") from error
        return self._hear(self._limit)

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


def _serve(line: Connection, make: Callable[[], Method]) -> None:
    """What the other process does until the line is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    here = Here(make())
    line.send(_reply(here, "warm up", ()))
    while True:
        try:
            what, arguments = line.recv()
        except EOFError:
            return
        line.send(_reply(here, what, arguments))


def _end_with_parent() -> None:
    """A method that hangs would outlive a parent that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _reply(here: Here, what: str, arguments: tuple[Any, ...]) -> Any:
    try:
        if what == "warm up":
            return _warm_up(here)
        if what == "open":
            forget_peak()
            return here.open(*arguments)
        answer = here.update(*arguments)
    except Exception as error:  # whatever a method raises belongs into the report
        return NoAnswerError(f"fails with {type(error).__name__}: {error}")
    return Answer(answer.labels, answer.seconds, answer.first_frame, peak_mib())


def _warm_up(here: Here) -> None:
    """Play 16 x 16 pixels of two colours."""
    pixels = np.random.default_rng(0).integers(0, 40, (16, 16, 3)).astype(np.uint8)
    pixels[:, 8:] += 160
    scribbles = np.zeros((16, 16), np.int32)
    scribbles[4:12, 2:5], scribbles[4:12, 11:14] = 1, 2
    here.open(Image.of(pixels), (1, 2))
    here.update(scribbles)


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
