"""When widgets paint themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

LASTING_MS = 150
"""What lasts a shorter time than this would only flicker."""


class Patience(QObject):
    """Shows what may be over in a moment only when it lasts, and everything else at once.

    The time that painting would take belongs to the engine meanwhile.

    Parameters
    ----------
    show : callable
        Shows how things are now.
    parent : QObject
        Ends the waiting when it goes.
    """

    def __init__(self, show: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._show = show
        self._timer = QTimer(self, singleShot=True, interval=LASTING_MS)
        self._timer.timeout.connect(show)

    def tell(self, *, lasts: bool) -> None:
        """Something is different; `lasts`: it will be so for a while."""
        if lasts:
            self._timer.stop()
            self._show()
        elif not self._timer.isActive():
            self._timer.start()


@contextmanager
def painted_later(widget: QWidget) -> Iterator[None]:
    """Let a widget change without painting itself there and then; it follows with all the others.

    A progress bar paints at every step. In a window with an OpenGL canvas, such as napari's, each
    time the whole window is put together anew.
    """
    widget.setUpdatesEnabled(False)
    try:
        yield
    finally:
        widget.setUpdatesEnabled(True)
