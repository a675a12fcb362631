"""Long work that yields: in a thread of its own, to be paused, gone on with and cancelled.

    GUI thread                  thread
    Stream(make)     ------->   for item in make(): ...
    pause(), go_on() ------->   does not ask for the next item, or does again
    cancel()         ------->   closes the iterator when its next item is there
    take()           <-------   what came since

Other threads go first: no more cores than all but one, the last place where cores are scarce, and
nothing at all for a while where somebody waits for something else.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Generic, TypeVar

from unseg_studio.document.worker import let_others_go_first
from unseg_studio.segmenters import leave_a_core

T = TypeVar("T")

POLITE_S, MOST_POLITE_S = 0.02, 3.0
"""How often it looks whether somebody else still waits, and for how long it lets others go first
before it takes a step all the same."""


def _never() -> bool:
    return False


class Stream(Generic[T]):
    """Asks a generator for one item after the other.

    Parameters
    ----------
    make : callable
        Makes the generator, in the thread.
    others_wait : callable
        Asked in the thread before each item: whether somebody waits for other work.
    """

    def __init__(
        self,
        make: Callable[[], Generator[T, None, None]],
        others_wait: Callable[[], bool] = _never,
    ) -> None:
        self._make, self._others_wait = make, others_wait
        self._change = threading.Condition()
        self._inbox: list[T] = []
        self._is_paused = self._is_resting = self._is_cancelled = self._is_over = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._loop, name="unseg-stream", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # torch must not compute while the interpreter goes

    @property
    def is_paused(self) -> bool:
        """Nothing more is asked for."""
        return self._is_paused

    @property
    def is_resting(self) -> bool:
        """It was paused, and the step that was under way has ended."""
        return self._is_resting

    @property
    def is_over(self) -> bool:
        """The generator has ended, by itself or not; the last items may be still to be taken."""
        return self._is_over

    @property
    def error(self) -> Exception | None:
        """What ended it."""
        return self._error

    def take(self) -> list[T]:
        """The items that came since it was last asked, in their order."""
        with self._change:
            items, self._inbox = self._inbox, []
        return items

    def pause(self) -> None:
        """Do not ask for the next item."""
        self._set(is_paused=True)

    def go_on(self) -> None:
        """Ask for the next one again."""
        self._set(is_paused=False)

    def cancel(self) -> None:
        """Close the generator when its next item is there; returns at once."""
        with self._change:
            self._is_cancelled = True
            self._change.notify_all()

    def close(self) -> None:
        """Cancel it and wait until it has ended."""
        self.cancel()
        self._thread.join()

    def _set(self, *, is_paused: bool) -> None:
        with self._change:
            self._is_paused = is_paused
            self._change.notify_all()

    def _loop(self) -> None:
        try:
            let_others_go_first()
            if self._may_go_on():
                leave_a_core()
                self._run()
        except Exception as error:  # every failure belongs on the screen
            self._error = error
        finally:
            self._is_over = True
            atexit.unregister(self.close)

    def _run(self) -> None:
        with closing(self._make()) as items:
            for item in items:
                with self._change:
                    self._inbox.append(item)
                if not self._may_go_on():
                    return

    def _may_go_on(self) -> bool:
        """Wait as long as it is paused or others wait; False when it was cancelled."""
        waited = 0.0
        with self._change:
            while not self._is_cancelled:
                self._is_resting = self._is_paused
                if self._is_paused:
                    self._change.wait()
                elif waited < MOST_POLITE_S and self._others_wait():
                    self._change.wait(POLITE_S)
                    waited += POLITE_S
                else:
                    return True
        return False
