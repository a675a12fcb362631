"""The line at the bottom: what is going on, what the engine does, what lies under the pointer."""

from __future__ import annotations

from datetime import datetime

from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QStatusBar, QWidget

from unseg_studio.app.canvas import Hover
from unseg_studio.data import FIRST_CLUSTER, NOTHING
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.run_bar import device_in_words, figures

NO_DOUBT = "No place is in doubt enough to need a stroke."


class StatusLine(QStatusBar):
    """Hint of the tool on the left; pointer, run and device on the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document: Document | None = None
        self._live: Live | None = None
        self._hint = QLabel()
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._hint.setMinimumWidth(120)
        self._busy = QLabel()
        self._spinner = self._make_spinner()
        self._pointer, self._run, self._device = QLabel(), QLabel(), QLabel()
        self.addWidget(self._spinner)
        self.addWidget(self._busy)
        self.addWidget(self._hint, 1)
        for label in (self._pointer, self._run, self._device):
            # Text that grows with every step must not make the window grow.
            label.setMinimumWidth(1)
            self.addPermanentWidget(label)
        self._pointer.setToolTip("Row and column, value, and what it belongs to")
        self._run.setToolTip("Run, step, loss, labels, time since it was asked for, last update")
        self._device.setToolTip("Where the engine computes")

    def take(self, document: Document, live: Live) -> None:
        """Follow this document from now on."""
        self._document, self._live = document, live
        follow(self, document.events.status_changed, self._on_status_changed)
        self._on_status_changed(document.status)
        self.show_hover(None)

    def show_hint(self, text: str) -> None:
        """Say what the tool does."""
        self._hint.setText(text)

    def show_busy(self, what: str) -> None:
        """Say what is going on; empty when nothing is."""
        self._busy.setText(what)
        self._spinner.setVisible(bool(what))
        self._hint.setVisible(not what)

    def show_hover(self, hover: Hover | None) -> None:
        """Say what lies under the pointer."""
        if hover is None or self._document is None:
            self._pointer.clear()
            return
        values = ", ".join(f"{value:.4g}" for value in hover.values)
        name = name_of(self._document, hover.id)
        self._pointer.setText(f"row {hover.row}, col {hover.col} · {values} · {name}")

    def text(self) -> str:
        """Everything that is said, for tests and for screen readers."""
        labels = (self._busy, self._hint, self._pointer, self._run, self._device)
        return " | ".join(label.text() for label in labels if label.text())

    def _make_spinner(self) -> QProgressBar:
        bar = QProgressBar(maximum=0)
        bar.setMaximumSize(80, 10)
        bar.setTextVisible(False)
        bar.hide()
        return bar

    def _on_status_changed(self, status: RunStatus) -> None:
        if self._document is None or status is not self._document.status or self._live is None:
            return  # of a document that was replaced
        time = f" · {datetime.now():%H:%M:%S}" if status.step else ""
        self._run.setText(figures(status) + time)
        label, words = device_in_words(self._live.device, status.place)
        self._device.setText(label)
        self._device.setToolTip(words)


def name_of(document: Document, id_: int) -> str:
    """What people call an id of the labels."""
    if id_ == NOTHING:
        return "nothing"
    names = {category.id: category.name for category in document.categories}
    return names.get(id_, f"cluster {id_ - FIRST_CLUSTER + 1}")


def hint_in_words(document: Document) -> str:
    """Where one stroke would help most, and between what it would decide."""
    if document.hint is None:
        return NO_DOUBT
    names = [name_of(document, id_) for id_ in document.hint.between]
    return f"One stroke at the ring would help most: {' or '.join(names)}? (J goes there)"
