"""What the engine is doing: progress, run again, stop, and what went wrong."""

from __future__ import annotations

import math
from datetime import datetime

from qtpy.QtWidgets import QPlainTextEdit, QProgressBar, QToolButton, QWidget

from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.document.provenance import provenance
from unseg_studio.document.scheduler import is_address
from unseg_studio.features.devices import Place, known_place
from unseg_studio.features.lazy_torch import is_torch_loaded
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.keys import WINDOW, Keys, with_key
from unseg_studio.widgets.layout import button, column, row, words
from unseg_studio.widgets.painting import Patience, painted_later
from unseg_studio.widgets.timeline_bar import TimelineBar

_TITLES = {
    "idle": "Waiting for the first run",
    "preparing": "Preparing …",
    "running": "Optimising",
    "done": "Done",
    "stopped": "Stopped",
    "failed": "Failed",
}

_LOADING = "Loading the engine …"
_UNBROKEN = "\N{NO-BREAK SPACE}"


class RunBar(QWidget):
    """Run again, stop, progress, figures.

    Parameters
    ----------
    document, live : Document, Live
        Whose runs to show and steer.
    keys : Keys
        Which keys the tooltips name.
    """

    def __init__(self, document: Document, live: Live, *, keys: Keys = WINDOW) -> None:
        super().__init__()
        self._document, self._live = document, live
        again_tip = with_key("Start afresh from the scribbles", keys.run)
        self._stop_tip = with_key("Keep the labels as they are now", keys.stop)
        self._again = button("Run again", again_tip, document.run, picture="run")
        self._stop = button("Stop", self._stop_tip, live.stop, picture="stop")
        self._progress = self._make_progress()
        self._figures = words()
        self._updated = words(quiet=True)
        self._sentence = words()
        self._more, self._details = self._make_details()
        column(
            self, row(self._again, self._stop), self._progress, self._figures, self._updated,
            TimelineBar(document, live), self._sentence, row(self._more), self._details,
        ).addStretch(1)  # fmt: skip
        self._patience = Patience(self._show_status, self)
        self._show_status()

        self._more.toggled.connect(self._details.setVisible)
        follow(self, document.events.status_changed, self._on_status_changed)

    def _make_progress(self) -> QProgressBar:
        bar = QProgressBar()
        bar.setTextVisible(False)
        bar.setMaximumHeight(8)
        bar.setAccessibleName("Progress of the run")
        return bar

    def _make_details(self) -> tuple[QToolButton, QPlainTextEdit]:
        more = QToolButton()
        more.setText("Details")
        more.setCheckable(True)
        details = QPlainTextEdit(readOnly=True)
        details.setMaximumHeight(140)
        details.hide()
        return more, details

    def _on_status_changed(self, status: RunStatus) -> None:
        self._patience.tell(lasts=status.phase != "preparing")

    def _show_status(self) -> None:
        status = self._document.status
        self._stop.setEnabled(status.is_busy)
        self._stop.setToolTip(self._stop_tip if status.is_busy else "Nothing is running.")
        with painted_later(self._progress):
            self._progress.setRange(0, status.total if status.total else int(not status.is_busy))
            self._progress.setValue(status.total if status.phase == "done" else status.step)
        self._figures.setText(figures(status))
        if status.step:
            label, words = device_in_words(self._live.device, status.place)
            where = f" on {label}" if label else ""
            self._updated.setText(f"Last update at {datetime.now():%H:%M:%S}{where}")
            self._updated.setToolTip(words)
        self._show_failure(status)

    def _show_failure(self, status: RunStatus) -> None:
        failed = status.phase == "failed"
        self._sentence.setVisible(bool(status.message))
        self._sentence.setText(status.message)
        self._more.setVisible(failed)
        if not failed:
            self._more.setChecked(False)
            return
        made = provenance(self._document.state, device=self._live.computed_on)
        lines = [status.message, *(f"{name}: {value}" for name, value in made.items())]
        self._details.setPlainText("\n".join(lines))


def figures(status: RunStatus) -> str:
    """Step, loss, clusters and time in one line, as far as there are any."""
    is_loading = status.phase == "preparing" and not is_torch_loaded()
    parts = [_LOADING if is_loading else _TITLES[status.phase]]
    if status.step:
        parts.append(f"step {status.step} of {status.total}")
    if math.isfinite(status.loss):
        parts.append(f"loss {status.loss:.3f}")
    if status.n_labels:
        parts.append(f"{status.n_labels} label{'s' * (status.n_labels != 1)}")
    if status.step:
        parts.append(f"{status.seconds:.1f} s")
    return " · ".join(part.replace(" ", _UNBROKEN) for part in parts)


def device_in_words(device: str, place: Place | None) -> tuple[str, str]:
    """Where the engine computes, in a word, and in sentences that say why; looks for nothing.

    Parameters
    ----------
    device : str
        What runs are asked to compute on.
    place : Place or None
        Where the newest labels were made, as far as that was on this machine.
    """
    if is_address(device) and place is None:
        return device.partition("://")[2], f"The engine computes in the cluster at {device}."
    there = place or known_place(device)
    if there is None:
        return "", "Where the engine computes is found out with the first run."
    return there.label, f"The engine computes on {there.name}. {there.reason}"
