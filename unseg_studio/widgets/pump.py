"""Brings the newest frame to the screen, at the rate of the screen."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject, Qt, QTimer

from unseg_studio.document import SOON_MS, Document, Live, RunStatus, pull_ms
from unseg_studio.widgets.following import follow

LONGEST_MS = 250
"""Between two frames, however slow the screen is."""

REST = 2
"""Times as long as a frame takes to be painted, the engine has the processor to itself."""


class Pump(QObject):
    """Calls `Live.pull` every `pull_ms` milliseconds while the engine works.

    Less often where the screen is slow to paint, for then the engine would hardly come to work, nor
    what the person does be heard.

    Parameters
    ----------
    document, live : Document, Live
        Whose frames to pull.
    parent : QObject or None
        Ends the pump when it goes.
    """

    def __init__(self, document: Document, live: Live, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._live = live
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._painted = QTimer(self, singleShot=True, interval=0)
        self._pulled = 0.0
        self._painted_ms = 0

        self._timer.timeout.connect(self._pull)
        self._painted.timeout.connect(self._on_painted)
        follow(self, document.events.status_changed, self._on_status_changed)
        self._on_status_changed(document.status)

    @property
    def is_running(self) -> bool:
        """Frames are being pulled."""
        return bool(self._timer.isActive())

    def _pull(self) -> None:
        self._pulled = time.perf_counter()
        if self._live.pull():
            self._painted.start()

    def _on_painted(self) -> None:
        """What came with a frame has been painted: nothing else waits for the event loop."""
        self._painted_ms = round((time.perf_counter() - self._pulled) * 1000)

    def _wait_ms(self, status: RunStatus) -> int:
        wanted = pull_ms(status)
        slow = min(REST * self._painted_ms, LONGEST_MS)
        return wanted if wanted == SOON_MS else max(wanted, slow)

    def _on_status_changed(self, status: RunStatus) -> None:
        if not status.is_busy:
            self._timer.stop()
        elif not self._timer.isActive() or self._timer.interval() != self._wait_ms(status):
            self._timer.start(self._wait_ms(status))
