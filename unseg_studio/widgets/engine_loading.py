"""Loads the engine as soon as a view of it is on the screen, beside the GUI thread."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer, Signal

from unseg_studio.features.lazy_torch import load_torch
from unseg_studio.widgets.background import Background

BEGIN_MS = 100
"""The view is drawn first, since loading slows every other thread down."""


class EngineLoading(QObject):
    """Loads torch once, in a thread; a run that is asked for meanwhile waits there as well.

    Parameters
    ----------
    parent : QObject
        The view that is being opened.
    """

    failed = Signal(str)
    """The engine cannot be loaded; in a sentence."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._timer = QTimer(self, singleShot=True, interval=BEGIN_MS)
        self._timer.timeout.connect(self._begin)
        self._timer.start()

    def _begin(self) -> None:
        self._background.run(load_torch, lambda _: None, lambda error: self.failed.emit(str(error)))
