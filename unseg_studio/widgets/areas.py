"""How many pixels each id has, counted beside the GUI thread a few times a second."""

from __future__ import annotations

from qtpy.QtCore import QObject, QTimer, Signal

from unseg_studio.document import Document
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import follow

COUNT_MS = 200

Areas = dict[int, int]


class AreaCounter(QObject):
    """Follows the labels of a document; `counted` carries id -> pixels."""

    counted = Signal(object)

    def __init__(self, document: Document, parent: QObject) -> None:
        super().__init__(parent)
        self.areas: Areas = {}
        self._document = document
        self._background = Background(self)
        self._timer = QTimer(self, singleShot=True, interval=COUNT_MS)

        self._timer.timeout.connect(self._count)
        follow(self, document.events.labels_changed, self._on_labels_changed)
        self._timer.start(0)

    def _on_labels_changed(self) -> None:
        if not self._timer.isActive():
            self._timer.start(COUNT_MS)

    def _count(self) -> None:
        shown = self._document.shown
        self._background.run(lambda: shown.areas, self._take)

    def _take(self, areas: Areas) -> None:
        self.areas = areas
        self.counted.emit(areas)


def in_words(pixels: int, total: int) -> str:
    """Pixels and their share of the image, such as "12,345 px, 8.0 %"."""
    return f"{pixels:,} px, {pixels / total:.1%}".replace("%", " %")
