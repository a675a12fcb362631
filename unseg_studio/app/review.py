"""One image of a project after the other: open, go on, accept, reject, comment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from unseg_studio.app.ahead import Ahead, Prepared, settle
from unseg_studio.app.faults import message_of
from unseg_studio.app.message_bar import Message
from unseg_studio.app.queue_order import (
    FINISHED,
    could_be_in_doubt,
    most_uncertain,
    next_unfinished,
)
from unseg_studio.app.queue_panel import QueuePanel
from unseg_studio.app.stopwatch import Stopwatch
from unseg_studio.data import Image, open_image
from unseg_studio.document import Document, Origin, RunStatus, Taught, can_teach
from unseg_studio.document.history import NAMES_OF_PROJECT
from unseg_studio.project import ImageEntry, Journal, Project
from unseg_studio.widgets import Background

NO_PROJECT = "No project is open; open a folder or a project first."
NO_IMAGE = "No image of the project is open; choose one in the list."

TURN_S = 0.03
"""Panels of an image that was not prepared are made so long at a time."""

LEAST_S = 0.1
"""Less time than this on an image is not written down."""

Guard = Callable[[Callable[[], None]], None]
"""Calls something, at once or after the person said what becomes of unsaved work."""


class Review(QObject):
    """The way through the images of a project.

    Parameters
    ----------
    panel : QueuePanel
        Shows the queue.
    guard : callable
        Asked before another image takes the place of one whose work nothing keeps.
    """

    shown = Signal(object)
    """A Prepared to be shown; then it is the window's."""
    said = Signal(object)
    """A Message."""
    busy_changed = Signal(str)
    """What is going on, empty when nothing is."""
    kept = Signal()
    """The document that is left now has all its work in the project."""
    changed = Signal()
    """Another image is open, or none."""

    def __init__(self, panel: QueuePanel, guard: Guard, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._panel, self._guard = panel, guard
        self._background = Background(self)
        self._asked: int | None = None
        self._coming: Prepared | None = None
        self._steps: Iterator[None] = iter(())
        self._turn = QTimer(self, interval=0)
        self._turn.timeout.connect(self._furnish)
        self._project: Project | None = None
        self._current: int | None = None
        self._document: Document | None = None
        self._journal: Journal | None = None
        self._taught: Taught | None = None
        self._watch = Stopwatch()
        self._direction = -1
        self.ahead = Ahead(self._is_busy, self)
        self.beside = Ahead(lambda: self._is_busy() or self.ahead.is_at_work, self, computes=False)
        self.ahead.proposed.connect(self._on_proposed)
        panel.thumbnails.fill_while(self._is_resting)
        panel.chosen.connect(self.open)
        panel.comment_written.connect(self._on_comment_written)
        panel.wish_changed.connect(self._look_ahead)

    # What is true

    @property
    def project(self) -> Project | None:
        """The project that is open."""
        return self._project

    @property
    def current(self) -> ImageEntry | None:
        """The image of the project that is open."""
        if self._project is None or self._current is None:
            return None
        try:
            return self._project.image(self._current)
        except ValueError:  # removed
            return None

    @property
    def document(self) -> Document | None:
        """Its document."""
        return self._document if self._current is not None else None

    def why_not_step(self, step: int) -> str:
        """Why there is no next or previous image."""
        if self._project is None:
            return NO_PROJECT
        if self._neighbour(step) is None:
            return f"This is the {'last' if step > 0 else 'first'} image that the list shows."
        return ""

    def why_not_judge(self) -> str:
        """Why the open image can be neither accepted nor rejected."""
        if self._project is None:
            return NO_PROJECT
        if self._project.read_only:
            return self._project.notice or "The project is open for reading only."
        return "" if self.current else NO_IMAGE

    def why_not_uncertain(self) -> str:
        """Why there is no image that is most in doubt."""
        if self._project is None:
            return NO_PROJECT
        if not self._is_any_uncertain():
            return "No other unfinished image in the list has labels that could be in doubt yet."
        return ""

    # What the person does

    def take(self, project: Project | None) -> None:
        """Go through the images of another project, or of none."""
        self.step_out()
        self._project, self._taught = project, None
        self._panel.take(project)
        self.changed.emit()

    def open(self, image_id: int) -> None:
        """Show an image of the project; what was shown is kept as it is."""
        if self._project is not None and image_id not in (self._current, self._asked):
            self._guard(partial(self._open, self._project.image(image_id)))

    def step(self, step: int) -> None:
        """Show the image that many rows further down."""
        entry = self._neighbour(step)
        self._direction = step
        if entry is not None:
            self.open(entry.id)

    def accept(self, *, device: str) -> None:
        """The open image is done, labelled on this device; go on with the next that is not."""
        if self._project is None or self._current is None or self._document is None:
            raise ValueError(self.why_not_judge())
        following = self._following()
        self._project.accept(
            self._current, self._document, device=device, seconds=self._watch.taken()
        )
        self._learn_from(self._document)
        self._go_on(following)

    def reject(self) -> None:
        """The open image is no use; go on with the next one."""
        if self._project is None or self._current is None:
            raise ValueError(self.why_not_judge())
        following = self._following()
        self._project.set_status(self._current, "rejected")
        self._go_on(following)

    def open_most_uncertain(self) -> None:
        """Show the unfinished image whose labels are most in doubt."""
        entry = self._most_uncertain()
        if entry is None:
            raise ValueError(self.why_not_uncertain())
        self.open(entry.id)

    def open_first(self, wanted: int | None = None) -> None:
        """Show the image that is wanted, else the first that is not finished, else the first."""
        entries = self._panel.model.entries()
        entry = next((e for e in entries if e.id == wanted), None)
        entry = entry or next((e for e in entries if e.status not in FINISHED), None)
        entry = entry or (entries[0] if entries else None)
        if entry is not None:
            self.open(entry.id)

    def refresh(self, entry: ImageEntry) -> None:
        """The project says that something about an image is different."""
        self._panel.refresh(entry)
        if entry.id == self._current and entry.id != self._asked and self._is_outdated:
            self._open(entry)

    def arrange(self) -> None:
        """There are other images in the project."""
        self._panel.arrange()
        self._panel.thumbnails.fill()
        self._look_ahead()
        self.changed.emit()

    def tick(self) -> None:
        """The person is at work."""
        self._watch.tick()

    def close(self) -> None:
        """Let go of everything that computes."""
        self.take(None)
        self.ahead.close()
        self.beside.close()
        self._panel.thumbnails.close()

    def step_out(self) -> None:
        """An image that is no part of the project takes the place of the one that was open."""
        self._leave()
        self.ahead.forget()
        self.beside.forget()
        self._stop_opening()
        self._current, self._document = None, None
        self._panel.show_current(None)

    # One image after the other

    def _open(self, entry: ImageEntry) -> None:
        self._stop_opening()
        prepared = self.ahead.take(entry.id) or self.beside.take(entry.id)
        if prepared is not None:
            self._show(prepared)
            return
        self._asked = entry.id
        self.busy_changed.emit(f"Opening {entry.name} …")
        self._background.run(
            partial(open_image, entry.file, entry.plane),
            partial(self._on_read, entry),
            self._on_failed,
        )

    def _on_read(self, entry: ImageEntry, image: Image) -> None:
        if self._project is None:
            return
        try:
            document = self._project.open_document(entry.id, image)
        except (ValueError, OSError) as error:
            self._on_failed(error)
            return
        settle(document)
        self._coming = Prepared.of(entry.id, document)
        self._steps = self._coming.furnish()
        self._turn.start()

    def _furnish(self) -> None:
        """Some panels each time, so that the window never stands still for all of them."""
        until = time.perf_counter() + TURN_S
        for _ in self._steps:
            if time.perf_counter() >= until:
                return
        prepared, self._coming = self._coming, None
        self._stop_opening()
        if prepared is not None:
            self._show(prepared)

    def _stop_opening(self) -> None:
        self._background.forget()
        self._turn.stop()
        if self._coming is not None:
            self._coming.drop()
            self._coming = None
        if self._asked is not None:
            self._asked = None
            self.busy_changed.emit("")

    def _on_failed(self, error: Exception) -> None:
        self._stop_opening()
        self.said.emit(message_of(error))

    def _show(self, prepared: Prepared) -> None:
        assert self._project is not None
        self._leave()
        self._current, self._document = prepared.image_id, prepared.document
        self.shown.emit(prepared)
        if not self._project.read_only:
            self._journal = self._project.journal(prepared.document, prepared.image_id)
        prepared.document.events.status_changed.connect(self._on_status_changed)
        self._watch = Stopwatch()
        self._panel.show_current(self.current)
        self.changed.emit()
        self._look_ahead()

    def keep(self, document: Document, image_id: int) -> None:
        """A document that is on the screen already is that of an image from now on."""
        assert self._project is not None
        self._current, self._document = image_id, document
        self._journal = self._project.journal(document, image_id)
        document.events.status_changed.connect(self._on_status_changed)
        self._panel.show_current(self.current)
        self.changed.emit()

    def _leave(self) -> None:
        """The image that was open is kept; its last words are written after the next is shown."""
        if self._document is not None:
            self._document.events.status_changed.disconnect(
                self._on_status_changed, missing_ok=True
            )
        project, journal = self._project, self._journal
        seconds = self._watch.taken()
        # `accept` has just told the project of all time but this.
        if (entry := self.current) and project and not project.read_only and seconds >= LEAST_S:
            project.add_seconds(entry.id, seconds)
        self._journal = None
        if journal is not None:
            self.kept.emit()
            QTimer.singleShot(0, partial(_closed, journal))

    def _go_on(self, following: ImageEntry | None) -> None:
        if following is not None:
            self.open(following.id)
            return
        self._panel.arrange()
        self.changed.emit()
        more = "" if self._panel.model.wish.is_all else " that the list shows"
        self.said.emit(Message(f"Every image{more} is done or rejected.", grade="info"))

    def _neighbour(self, step: int) -> ImageEntry | None:
        row = self._panel.model.row_of(self._current)
        if row < 0:
            row = -1 if step > 0 else self._panel.model.rowCount()
        return self._panel.model.entry(row + step)

    def _following(self) -> ImageEntry | None:
        model = self._panel.model
        if self._project is None:
            return None
        row = model.row_of(self._current)
        return next_unfinished(model.order, self._project.image, row=row)

    def _is_any_uncertain(self) -> bool:
        """Asked after every stroke, so that nothing is put in order for it."""
        assert self._project is not None
        rows = self._panel.model
        return any(
            could_be_in_doubt(entry, self._current) and rows.row_of(entry.id) >= 0
            for entry in self._project.images()
        )

    def _most_uncertain(self) -> ImageEntry | None:
        return most_uncertain(self._panel.model.entries(), self._current)

    # The next image, and what the engine says

    def _is_busy(self) -> bool:
        """The engine of the open image works, or another image is being opened."""
        busy = self._document is not None and self._document.status.is_busy
        return busy or self._asked is not None

    @property
    def _is_outdated(self) -> bool:
        """A model has proposed other labels of the open image, which nobody has worked on."""
        document, project = self._document, self._project
        if document is None or project is None:
            return False
        by_hand = document.undo_text not in (None, NAMES_OF_PROJECT)
        return not (by_hand or project.is_current(document))

    def _is_resting(self) -> bool:
        """Nothing is to be computed or prepared."""
        return not (self._is_busy() or self.ahead.is_at_work or self.beside.is_at_work)

    def _look_ahead(self) -> None:
        """Prepare the image that comes next, and the one beside this, where the person went."""
        if self._project is not None and self._current is not None:
            following = self._following()
            self.ahead.prepare(self._project, following, self._taught)
            self.beside.prepare(self._project, self._beside(following))

    def _beside(self, following: ImageEntry | None) -> ImageEntry | None:
        """Where the person may step to, if that is not where `accept` leads."""
        sides = [self._neighbour(step) for step in (self._direction, -self._direction)]
        known = following.id if following else None
        return next((entry for entry in sides if entry and entry.id != known), None)

    def _learn_from(self, document: Document) -> None:
        """What was accepted last tells what the images after it show."""
        if can_teach(document.image, document.state):
            self._taught = Taught(Origin(document.image, document.state))

    def _on_proposed(self, prepared: Prepared) -> None:
        project = self._project
        if project is None or project.read_only:
            return
        project.proposed(
            prepared.image_id, prepared.document, uncertainty=doubt_of(prepared.document)
        )

    def _on_status_changed(self, status: RunStatus) -> None:
        project, entry = self._project, self.current
        if status.phase != "done" or project is None or entry is None or project.read_only:
            return
        assert self._document is not None
        project.set_uncertainty(entry.id, doubt_of(self._document))
        project.found.name(entry.id, self._document)
        if entry.status == "new":
            project.set_status(entry.id, "proposed")

    def _on_comment_written(self, comment: str) -> None:
        project, entry = self._project, self.current
        if project is not None and entry is not None and comment != entry.comment:
            project.set_comment(entry.id, comment)


def doubt_of(document: Document) -> float | None:
    """Mean doubt of the labels of an image, 0 to 1, in hundredths; None: unknown."""
    uncertainty = document.uncertainty
    return None if uncertainty is None else round(float(uncertainty.plane.mean()), 2)


def _closed(journal: Journal) -> None:
    """Write what is not written yet; where that fails, the project has said so."""
    try:
        journal.close()
    except OSError:
        return
