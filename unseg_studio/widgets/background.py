"""Work that the GUI thread must not do, and its result handed back to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from qtpy.QtCore import QObject, QTimer

T = TypeVar("T")

_LOOK_MS = 5

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="unseg-background")
"""The interpreter waits for them when it ends, so an export is never cut short."""


@dataclass(frozen=True, eq=False)
class _Task:
    future: Future[Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    dropped: Callable[[Any], object] | None

    def forget(self) -> None:
        """The result is no use; one that there is all the same is put away."""
        if not self.future.cancel() and self.dropped is not None:
            self.future.add_done_callback(self._drop)

    def _drop(self, future: Future[Any]) -> None:
        if self.dropped is not None and future.exception() is None:
            self.dropped(future.result())


class Background(QObject):
    """Runs functions in a thread, the newest of them only.

        GUI thread                          thread
        run(work, done, failed)  ------->   work()
        timer looks for a result <-------   result or exception
        done(result) or failed(error)

    The result of a superseded run is dropped, as is that of one whose owner has gone.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: _Task | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_busy(self) -> bool:
        """A result is still to come."""
        return self._task is not None

    def run(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
        *,
        dropped: Callable[[T], object] | None = None,
    ) -> None:
        """Call `work` in a thread, then `done` or `failed` in this one.

        Without `failed` an exception is raised here, where the window's own guard shows it. A
        result that nobody waits for any more goes to `dropped`, in either thread: what it holds
        open is closed there.
        """
        self.forget()
        self._task = _Task(_threads.submit(work), done, failed or _raise, dropped)
        self._timer.start()

    def forget(self) -> None:
        """Drop the result that is still to come; work that has not begun never does."""
        if self._task is not None:
            self._task.forget()
        self._rest()

    def _rest(self) -> None:
        self._task = None
        self._timer.stop()

    def _look(self) -> None:
        task = self._task
        if task is None or not task.future.done():
            return
        self._rest()
        error = task.future.exception()
        if error is None:
            task.done(task.future.result())
        elif isinstance(error, Exception):
            task.failed(error)
        else:
            raise error


def _raise(error: Exception) -> None:
    raise error
