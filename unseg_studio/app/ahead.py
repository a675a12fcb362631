"""Images of the queue that are made ready while the person works on another one.

In time from top to bottom, each line only while the engine of the open image rests:

    prepare(entry)   image is read in a thread
                     document as the project keeps it
                     first proposal: what the image accepted last teaches, else clusters; then
                     the features, in a worker of its own that lets all others go first
                     its panels, one at a time, so that nobody notices
    take(entry)      what there is by then

At most one image is held by each. A stroke on the open image ends the proposal at its next yield;
it is begun again when the engine rests. The one that is not `computing` leaves out the proposal and
the features: it is for an image that the person may only look at again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from unseg_studio.app.panels import PARTS
from unseg_studio.data import NOTHING, Image, open_image
from unseg_studio.document import Document, Live, Recognition, RunStatus, Taught, can_learn
from unseg_studio.document.solve import Fits, Frame, Preparation, Run, Wanted
from unseg_studio.document.worker import Failure, Job, Worker
from unseg_studio.features.devices import Place
from unseg_studio.project import ImageEntry, Project
from unseg_studio.widgets import Background

TICK_MS = 25
REST_MS = 300
"""So long the engine of the open image has to rest before anything is begun."""

MOST_PIXELS = 6_000_000
"""A larger image is held only where the person will most likely go."""


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
    worker : Worker
        Where that will compute.
    panels : dict
        Those of `PARTS` that are there.
    """

    image_id: int
    document: Document
    live: Live
    worker: Worker
    panels: dict[str, QWidget] = field(default_factory=dict)

    @classmethod
    def of(cls, image_id: int, document: Document) -> Prepared:
        """A document with nothing but a loop that rests."""
        worker = Worker()
        live = Live(document, worker, is_grounded=document.is_grounded)
        return cls(image_id, document, live, worker)

    def furnish(self) -> Iterator[None]:
        """Make its panels; every yield is a place to see to the person."""
        for name, make in PARTS.items():
            self.panels[name] = make(self.document, self.live)
            yield

    def drop(self) -> None:
        """Nobody wants it any more."""
        for panel in self.panels.values():
            panel.deleteLater()
        self.live.close(wait=False)


class Ahead(QObject):
    """Prepares one image, when there is time for it.

    Parameters
    ----------
    is_busy : callable
        Whether something else needs the machine.
    parent : QObject or None
        Ends it with itself.
    computes : bool
        Whether the labels and the features are made ready too, and large images held.
    """

    proposed = Signal(object)
    """A Prepared whose first labels are there."""
    ready = Signal()
    """There is nothing more to do."""

    def __init__(
        self, is_busy: Callable[[], bool], parent: QObject | None = None, *, computes: bool = True
    ) -> None:
        super().__init__(parent)
        self._is_busy, self._computes = is_busy, computes
        self._background = Background(self)
        self._worker: Worker | None = None
        self._project: Project | None = None
        self._entry: ImageEntry | None = None
        self._image: Image | None = None
        self._taught: Taught | None = None
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

    @property
    def is_at_work(self) -> bool:
        """Something is still to be done."""
        return self._timer.isActive()

    def prepare(
        self, project: Project, entry: ImageEntry | None, taught: Taught | None = None
    ) -> None:
        """Make this image ready; what was made for another one goes.

        Parameters
        ----------
        project : Project
            Where it is.
        entry : ImageEntry or None
            Which one; None: there is no other.
        taught : Taught or None
            What the image teaches that was accepted last.
        """
        if entry is not None and self._entry is not None and entry.id == self._entry.id:
            return
        self.forget()
        if entry is None:
            return
        self._project, self._entry, self._taught = project, entry, taught
        self._steps, self._rested = self._work(), 0
        self._timer.start()

    def take(self, image_id: int) -> Prepared | None:
        """What there is of an image, if it is still true; it is the caller's from then on."""
        if self._entry is None or self._entry.id != image_id:
            return None
        prepared = None
        if self._is_current:
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
        self._taught = None

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
        height, width = self._image.shape[:2]
        if not self._computes and height * width > MOST_PIXELS:
            self._image = None
            return
        prepared = self._opened(self._image)
        if prepared is None:
            return
        yield
        if self._computes:
            if not has_labels(prepared.document):
                proposed = yield from self._proposal(prepared)
                if proposed is None:
                    self.forget()
                    return
                prepared = proposed
            yield from self._features(prepared.document.image)
        yield from prepared.furnish()

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
        self._prepared = Prepared.of(self._entry.id, document)
        return self._prepared

    def _proposal(self, prepared: Prepared) -> Generator[None, None, Prepared | None]:
        """Labels to begin with; None: somebody else has proposed some meanwhile."""
        document = prepared.document
        if self._taught is not None and can_learn(document.image):
            prepared = yield from self._recognition(prepared, self._taught)
        if not has_labels(document):
            yield from self._first_run(prepared)
        if not self._is_current:
            return None
        if has_labels(document):
            self.proposed.emit(prepared)
        return prepared

    @property
    def _is_current(self) -> bool:
        """No model, say, has labelled the image since it was opened; that is not to be undone."""
        assert self._project is not None
        return self._prepared is not None and self._project.is_current(self._prepared.document)

    def _recognition(self, prepared: Prepared, taught: Taught) -> Generator[None, None, Prepared]:
        """What was accepted last tells what this image shows; strokes change it where they are."""
        document = prepared.document
        frame = yield from self._last_frame(Recognition(document.image, taught))
        table = {category.id for category in document.categories}
        if frame is None or frame.mosaic is None or not frame.mosaic.areas.keys() <= table:
            return prepared
        document.begin_with(frame.mosaic, frame.uncertainty)
        settle(document, seconds=frame.seconds, place=frame.place)
        prepared.live.close(wait=False)  # another one, which knows that labels were there
        self._prepared = Prepared.of(prepared.image_id, document)
        return self._prepared

    def _first_run(self, prepared: Prepared) -> Iterator[None]:
        document, fits = prepared.document, Fits()
        run = Run.of(document.image, document.state, device=prepared.live.device, cold=True)
        frame = yield from self._last_frame(_Warming(run, fits))
        if frame is not None:
            document.show(frame.mosaic or frame.labels, frame.uncertainty)
            settle(document, seconds=frame.seconds, place=frame.place)
            prepared.worker.adopt(fits)  # the first stroke goes on with it

    def _last_frame(self, job: Job) -> Generator[None, None, Frame | None]:
        """What a job comes to; None: it failed, which will be said when the image is open."""
        worker = self._worker = self._worker or Worker(is_urgent=False)
        serial = worker.serial
        while True:
            if worker.serial != serial + 1:  # not begun, or a stroke came between
                serial = worker.serial
                worker.submit(job)
            match worker.take():
                case Frame(is_last=True) as frame:
                    while worker.is_working:
                        yield
                    return frame
                case Failure():
                    return None
            yield

    def _features(self, image: Image) -> Iterator[None]:
        """What the first stroke needs, as far as one goes without being disturbed."""
        worker = self._worker = self._worker or Worker(is_urgent=False)
        worker.submit(Preparation(image))
        while worker.is_working:
            yield


@dataclass(frozen=True, eq=False)
class _Warming:
    """A run that leaves what it knows of the image in a memory of its own."""

    run: Run
    fits: Fits

    def results(self, _fits: Fits, wanted: Wanted) -> Generator[Frame | None, None, None]:
        return self.run.results(self.fits, wanted)


def has_labels(document: Document) -> bool:
    """Say whether an engine has shown anything in a document."""
    return bool(document.state.proposal.areas.keys() - {NOTHING})


def settle(document: Document, *, seconds: float = 0.0, place: Place | None = None) -> None:
    """Say of a document whose labels are there, made at a place, that nothing needs to run."""
    if has_labels(document):
        n_labels = len(document.shown.areas.keys() - {NOTHING})
        document.report(RunStatus("done", n_labels=n_labels, seconds=seconds, place=place))
