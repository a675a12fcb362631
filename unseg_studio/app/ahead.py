"""The next image of the queue, made ready while the person works on the one before it.

In time from top to bottom, each line only while the engine of the open image rests:

    prepare(entry)   image is read in a thread
                     document as the project keeps it
                     first proposal, or where there is one the features, in a worker of its own
                     that lets all others go first
                     its panels, one at a time, so that nobody notices
    take(entry)      what there is by then

At most one image is held. A stroke on the open image ends the proposal at its next yield; it is
begun again when the engine rests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from unseg_studio.app.panels import PARTS
from unseg_studio.data import NOTHING, Image, open_image
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.document.solve import Frame, Preparation, Run
from unseg_studio.document.worker import Failure, Worker
from unseg_studio.project import ImageEntry, Project
from unseg_studio.widgets import Background

TICK_MS = 25
REST_MS = 300
"""So long the engine of the open image has to rest before anything is begun."""


@dataclass(eq=False)
class Prepared:
    """A document with everything that was made for it.

    Parameters
    ----------
    image_id : int
        Which image of the project.
    document : Document
        Its document.
    live : Live
        The loop that will follow it; rests.
    panels : dict
        Those of `PARTS` that are there.
    """

    image_id: int
    document: Document
    live: Live
    panels: dict[str, QWidget] = field(default_factory=dict)

    def drop(self) -> None:
        """Nobody wants it any more."""
        for panel in self.panels.values():
            panel.deleteLater()
        self.live.close(wait=False)


class Ahead(QObject):
    """Prepares one image, when there is time for it."""

    proposed = Signal(object)
    """A Prepared whose first labels are there."""
    ready = Signal()
    """There is nothing more to do."""

    def __init__(self, is_busy: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_busy = is_busy
        self._background = Background(self)
        self._worker: Worker | None = None
        self._project: Project | None = None
        self._entry: ImageEntry | None = None
        self._image: Image | None = None
        self._prepared: Prepared | None = None
        self._steps: Iterator[None] | None = None
        self._rested = 0
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def entry(self) -> ImageEntry | None:
        """The image that is prepared."""
        return self._entry

    @property
    def is_ready(self) -> bool:
        """Nothing more is to be done for it."""
        return self._entry is not None and not self._timer.isActive()

    def prepare(self, project: Project, entry: ImageEntry | None) -> None:
        """Make this image ready; what was made for another one goes."""
        if entry is not None and self._entry is not None and entry.id == self._entry.id:
            return
        self.forget()
        if entry is None:
            return
        self._project, self._entry = project, entry
        self._steps, self._rested = self._work(), 0
        self._timer.start()

    def take(self, image_id: int) -> Prepared | None:
        """What there is of an image; it is the caller's from then on."""
        if self._entry is None or self._entry.id != image_id:
            return None
        prepared, self._prepared = self._prepared, None
        self.forget()
        return prepared

    def forget(self) -> None:
        """Stop, and let go of everything."""
        self._timer.stop()
        self._background.forget()
        if self._worker is not None:
            self._worker.cancel()
        if self._prepared is not None:
            self._prepared.drop()
        self._entry = self._image = self._prepared = self._steps = self._project = None

    def close(self) -> None:
        """End the thread."""
        self.forget()
        if self._worker is not None:
            self._worker.close(wait=False)
            self._worker = None

    # How it is done

    def _tick(self) -> None:
        if self._is_busy():
            self._rested = 0
            if self._worker is not None:
                self._worker.cancel()
            return
        self._rested += TICK_MS
        if self._rested < REST_MS or self._steps is None:
            return
        with suppress(StopIteration):
            next(self._steps)
            return
        self._timer.stop()
        self.ready.emit()

    def _work(self) -> Iterator[None]:
        """Every yield is a place to rest, for as long as the person needs the machine."""
        assert self._entry is not None
        entry = self._entry
        self._background.run(
            partial(open_image, entry.file, entry.plane), self._keep_image, self._on_failed
        )
        while self._image is None:
            yield
        prepared = self._opened(self._image)
        if prepared is None:
            return
        yield
        if not has_labels(prepared.document):
            yield from self._proposal(prepared)
        yield from self._run(Preparation(prepared.document.image))
        for name, make in PARTS.items():
            prepared.panels[name] = make(prepared.document, prepared.live)
            yield

    def _keep_image(self, image: Image) -> None:
        self._image = image

    def _on_failed(self, _error: Exception) -> None:
        """The image cannot be read; opening it will say why."""
        self._timer.stop()

    def _opened(self, image: Image) -> Prepared | None:
        assert self._entry is not None
        assert self._project is not None
        try:
            document = self._project.open_document(self._entry.id, image)
        except (ValueError, OSError):  # opening it will say why
            return None
        settle(document)
        self._prepared = Prepared(self._entry.id, document, Live(document))
        return self._prepared

    def _proposal(self, prepared: Prepared) -> Iterator[None]:
        document, live = prepared.document, prepared.live
        run = Run.of(document.image, document.state, device=live.device, cold=True)
        yield from self._run(run, document)
        if has_labels(document):
            self.proposed.emit(prepared)

    def _run(self, job: Run | Preparation, document: Document | None = None) -> Iterator[None]:
        """Until the last frame is there, or for a job without frames its thread is free again."""
        worker = self._worker = self._worker or Worker(is_urgent=False)
        serial = worker.serial
        if isinstance(job, Preparation):
            worker.submit(job)
            while worker.is_working:
                yield
            return
        while True:
            if worker.serial != serial + 1:  # not begun, or a stroke came between
                serial = worker.serial
                worker.submit(job)
            match worker.take():
                case Frame(is_last=True) as frame if document is not None:
                    document.show(frame.mosaic or frame.labels, frame.uncertainty)
                    settle(document, seconds=frame.seconds)
                    return
                case Failure():
                    return  # it will be said when the image is open
            yield


def has_labels(document: Document) -> bool:
    """Say whether an engine has shown anything in a document."""
    return bool(document.state.proposal.areas.keys() - {NOTHING})


def settle(document: Document, *, seconds: float = 0.0) -> None:
    """Say of a document whose labels are there that nothing needs to run."""
    if has_labels(document):
        n_labels = len(document.shown.areas.keys() - {NOTHING})
        document.report(RunStatus("done", n_labels=n_labels, seconds=seconds))
