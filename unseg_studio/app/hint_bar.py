"""The three steps that a newcomer sees under the sample image."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QLabel, QWidget

from unseg_studio.document import Document, RunStatus
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.layout import column, row, small_button, words

STEPS = (
    "<b>Watch</b> the clusters form: no labels are needed for it.",
    "Press <b>1</b> or <b>2</b> and <b>draw</b> over two things that you want to tell apart.",
    "Correct by hand with <b>P</b>, then <b>Ctrl+E</b> exports. Drop your own image here.",
)
_OPEN, _DONE = "①②③", "✓"


class HintBar(QFrame):
    """Three steps; each gets its tick when it was done."""

    dismissed = Signal()
    """The person does not want to see it again."""

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._done = [False] * len(STEPS)
        self._marks = [QLabel(mark) for mark in _OPEN]
        self.setFrameShape(QFrame.Shape.StyledPanel)
        parts: list[QWidget] = []
        for mark, text in zip(self._marks, STEPS, strict=True):
            parts += [mark, words(text)]
        close = small_button("close", "Do not show these steps again", self._dismiss)
        line = row(*parts, close, stretch=1)
        for i in range(1, len(STEPS)):
            line.setStretch(2 * i + 1, 1)
        column(self, line, margin=6)

        follow(self, document.events.status_changed, self._on_status_changed)
        follow(self, document.events.history_changed, self._on_history_changed)

    @property
    def done(self) -> tuple[bool, ...]:
        """Which steps have their tick."""
        return tuple(self._done)

    def tick(self, step: int) -> None:
        """Mark a step, counted from 0, as done."""
        self._done[step] = True
        self._marks[step].setText(_DONE)

    def _on_status_changed(self, status: RunStatus) -> None:
        if status.phase == "done":
            self.tick(0)

    def _on_history_changed(self) -> None:
        if len(self._document.scribbles.categories) >= 2:
            self.tick(1)

    def _dismiss(self) -> None:
        self.hide()
        self.dismissed.emit()
