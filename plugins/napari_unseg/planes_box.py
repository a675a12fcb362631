"""Which plane is at work, what became of the others, and carrying labels on to them."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QProgressBar, QWidget

from napari_unseg.planes import in_words
from napari_unseg.session import Session
from unseg_studio.document import PlaneIndex, PlaneStatus
from unseg_studio.widgets.layout import button, column, row, words
from unseg_studio.widgets.painting import painted_later

REST_MS = 80
"""Words follow a slider when it rests this long: laying them out anew must not slow it down."""

_STATUS: dict[PlaneStatus, str] = {
    "untouched": "not worked on yet",
    "carried": "has labels that were carried here",
    "scribbled": "has scribbles",
    "corrected": "was corrected by hand",
}
_HERE = "Show this plane's settings, and segment it if nothing is there yet (Alt+T)"
_NEXT = "Carry the labels to the next plane along the slider that was moved last (Alt+N)"
_ALL = "Carry the labels to every plane that nobody drew on (Alt+A)"


class PlanesBox(QWidget):
    """Where the work is in a stack.

    Parameters
    ----------
    session : Session
        Whose planes to show.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._at_work = words()
        self._shown = words(quiet=True)
        self._here = button("Work on this plane", _HERE, session.work_here, picture="scribble")
        self._next = button("Apply to next plane", _NEXT, lambda: session.carry(everywhere=False))
        self._all = button("To all planes", _ALL, lambda: session.carry(everywhere=True))
        self._bar = QProgressBar()
        self._bar.setAccessibleName("Progress over the planes")
        self._cancel = button(
            "Cancel", "Planes that are done keep their labels", session.stop_carrying,
            picture="stop",
        )  # fmt: skip
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        column(
            self, self._at_work, self._shown, row(self._here), row(self._next, self._all),
            row(self._bar, self._cancel, stretch=0),
        )  # fmt: skip
        self._show_words()
        self._on_progressed()

        self._rest.timeout.connect(self._show_words)
        session.looked.connect(self._on_looked)
        session.moved.connect(self._show_words)
        session.progressed.connect(self._on_progressed)

    def _on_looked(self) -> None:
        if not self._rest.isActive():
            self._rest.start()

    def _show_words(self) -> None:
        stack, shown = self._session.stack, self._session.link.sight.shown
        tally, at = stack.tally, stack.at_work
        self._at_work.setText(
            f"<b>Plane {in_words(at)}</b> is at work ({_in_all(stack.counts)}). "
            f"{tally.carried} carried, {tally.scribbled} scribbled, {tally.corrected} corrected."
        )
        is_here = shown == at
        self._shown.setText(self._about(shown))
        self._shown.setVisible(not is_here)
        self._here.setVisible(not is_here)

    def _about(self, shown: PlaneIndex) -> str:
        status = _STATUS[self._session.stack.status(shown)]
        return f"Shown: plane {in_words(shown)}, {status}. Painting on it begins the work there."

    def _on_progressed(self) -> None:
        progress = self._session.progress
        for widget in (self._bar, self._cancel):
            widget.setVisible(progress is not None)
        for widget in (self._next, self._all):
            widget.setEnabled(progress is None)
        if progress is not None:
            with painted_later(self._bar):
                self._bar.setRange(0, progress.total)
                self._bar.setValue(progress.done)
                self._bar.setFormat(f"%v of %m{_left(progress.seconds_left)}")
        self._show_words()


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"


def _in_all(counts: tuple[int, ...]) -> str:
    """How planes are counted along each axis: as napari's sliders do, from 0."""
    return ", ".join(f"0 to {n - 1}" for n in counts)
