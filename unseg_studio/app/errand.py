"""Work in steps beside the GUI thread: how far it is, its end, and a way to break it off."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from unseg_studio.widgets import Background

LOOK_MS = 40

Work = Callable[[], Generator[Any, None, Any]]
"""Makes a generator, which is run in a thread."""


class Errand(QObject):
    """Runs one generator at a time; another one takes the place of the first.

    GUI thread                        thread
    run(work, done, failed)  ----->   for step in work(): ...
    stepped(step)            <-----   each step, in the order in which they came
    done(result)             <-----   what the generator returns; None where it was broken off
    """

    stepped = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._steps: deque[Any] = deque()
        self._stop = threading.Event()
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._tell)

    @property
    def is_busy(self) -> bool:
        """Its end is still to come."""
        return self._background.is_busy

    def run(
        self, work: Work, done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Begin; `done` or `failed` is called in this thread."""
        self.forget()
        self._steps, self._stop = deque(), threading.Event()
        self._timer.start()
        self._background.run(
            partial(_through, work, self._steps, self._stop),
            lambda result: self._end(partial(done, result)),
            lambda error: self._end(partial(failed, error)),
        )

    def stop(self) -> None:
        """Break it off after its next step; `done` is called all the same."""
        self._stop.set()

    def forget(self) -> None:
        """Break it off, and hear nothing more of it."""
        self.stop()
        self._timer.stop()
        self._background.forget()

    def _end(self, then: Callable[[], None]) -> None:
        self._timer.stop()
        self._tell()
        then()

    def _tell(self) -> None:
        while self._steps:
            self.stepped.emit(self._steps.popleft())


def _through(work: Work, steps: deque[Any], stop: threading.Event) -> Any:
    with closing(work()) as course:
        while True:  # the first step is taken in any case: it may be what was asked for
            try:
                steps.append(next(course))
            except StopIteration as end:
                return end.value
            if stop.is_set():
                return None
