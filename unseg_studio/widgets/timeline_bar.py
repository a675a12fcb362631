"""Step back to an earlier moment of the run, and go on from there."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QSlider, QWidget

from unseg_studio.document import Document, Live, Moment
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.layout import button, column, row, words
from unseg_studio.widgets.painting import Patience

_HINT = "Drag back to an earlier moment of the run; the labels of then come back."


class TimelineBar(QWidget):
    """A slider over the moments of the newest run.

    Parameters
    ----------
    document, live : Document, Live
        Whose run to step through.
    """

    def __init__(self, document: Document, live: Live) -> None:
        super().__init__()
        self._live = live
        self._shown: tuple[Moment, ...] | None = None
        self._slider = self._make_slider()
        self._go_on = button("Go on", "Optimise on from the moment that is shown", live.go_on)
        self._moment = words(quiet=True)
        column(self, row(self._slider, self._go_on, stretch=0), self._moment, margin=0)
        self._patience = Patience(self._show_moments, self)
        self._show_moments()

        self._slider.valueChanged.connect(self._on_moment_chosen)
        follow(self, live.moments_changed, self._on_changed)
        follow(self, document.events.status_changed, self._on_changed)

    def _make_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setTracking(False)  # one step back is one undo step, however far the drag
        slider.setAccessibleName("Timeline of the run")
        return slider

    def _on_moment_chosen(self, index: int) -> None:
        if index < len(self._live.moments):  # a new run may have begun that is not shown yet
            self._live.look_back(index)
            self._say(self._live.moments[index])

    def _on_changed(self, _new: object) -> None:
        self._patience.tell(lasts=bool(self._live.moments))

    def _show_moments(self) -> None:
        busy, moments = self._live.document.status.is_busy, self._live.moments
        if moments is not self._shown:
            self._shown = moments
            with QSignalBlocker(self._slider):
                self._slider.setRange(0, max(0, len(moments) - 1))
                self._slider.setValue(len(moments) - 1)
            self._say(moments[-1] if moments else None)
        self._slider.setEnabled(len(moments) > 1)
        self._slider.setToolTip(_HINT if len(moments) > 1 else "A run fills the timeline.")
        self._go_on.setEnabled(bool(moments) and not busy)

    def _say(self, moment: Moment | None) -> None:
        text = f"step {moment.step} · {moment.n_labels} labels" if moment else "no run yet"
        self._moment.setText(text)
