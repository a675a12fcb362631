"""How many pixels each id has, counted beside the GUI thread a few times a second."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from unseg_studio.document import Document
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import follow

COUNT_MS = 200
_ROWS_AT_ONCE = 256

Areas = dict[int, int]


def count_areas(labels: NDArray[np.int32]) -> Areas:
    """Id -> number of pixels, ids that occur only.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Ids >= 0. Counted strip by strip, so that other threads get their turn.
    """
    totals = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for top in range(0, labels.shape[0], _ROWS_AT_ONCE):
        strip = labels[top : top + _ROWS_AT_ONCE].ravel()
        totals += np.bincount(strip, minlength=totals.size)
    return {int(id_): int(totals[id_]) for id_ in np.flatnonzero(totals)}


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
        self._background.run(partial(count_areas, self._document.labels), self._take)

    def _take(self, areas: Areas) -> None:
        self.areas = areas
        self.counted.emit(areas)


def in_words(pixels: int, total: int) -> str:
    """Pixels and their share of the image, such as "12,345 px, 8.0 %"."""
    return f"{pixels:,} px, {pixels / total:.1%}".replace("%", " %")
