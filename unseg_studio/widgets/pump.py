"""Brings the newest frame to the screen, at the rate of the screen."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt, QTimer

from unseg_studio.document import Document, Live, RunStatus, pull_ms
from unseg_studio.widgets.following import follow


class Pump(QObject):
    """Calls `Live.pull` every `pull_ms` milliseconds while the engine works.

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

        self._timer.timeout.connect(self._pull)
        follow(self, document.events.status_changed, self._on_status_changed)
        self._on_status_changed(document.status)

    @property
    def is_running(self) -> bool:
        """Frames are being pulled."""
        return bool(self._timer.isActive())

    def _pull(self) -> None:
        self._live.pull()

    def _on_status_changed(self, status: RunStatus) -> None:
        if not status.is_busy:
            self._timer.stop()
        elif not self._timer.isActive() or self._timer.interval() != pull_ms(status):
            self._timer.start(pull_ms(status))
