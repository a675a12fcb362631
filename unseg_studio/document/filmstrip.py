"""Keeps the strip of thumbnails beside a document up to date, and never in the way of its labels.

The order that matters, in time from top to bottom:

    document                        filmstrip                      worker of its own, less urgent
    run is done, person rests  ->   begin()   ->   job for what is missing
                                    pull()    <-   strip, longer by one thumbnail at a time
    stroke: status is busy     ->   pause()   ->   job ends at its next yield; the strip stays
    run is done, person rests  ->   begin()   ->   goes on with what is missing
"""

from __future__ import annotations

from psygnal import Signal

from unseg_studio.document.dial import K, with_k
from unseg_studio.document.document import Document
from unseg_studio.document.live import sentence
from unseg_studio.document.scheduler import local_device
from unseg_studio.document.state import RunStatus
from unseg_studio.document.thumbnails import Strip, StripJob, Thumbnail, Variant, variants_of
from unseg_studio.document.worker import Failure, Worker
from unseg_studio.segmenters import Segmenter


class Filmstrip:
    """Document signals in, jobs out; thumbnails in, one `set_segmenter` out.

    The view calls `begin` when the person rests, and `pull` while `is_working`, in the thread
    that owns the document.

    Parameters
    ----------
    document : Document
        Whose image and method to compare with other numbers of clusters.
    device : str
        See `resolve_device`.
    """

    changed = Signal()
    """Variants, thumbnails, the current one or the message are different."""

    def __init__(self, document: Document, *, device: str = "auto") -> None:
        self.document = document
        self._device = local_device(device)
        self._worker: Worker | None = None  # a thread only where a strip is looked at
        self._variants = variants_of(document.segmenter)
        self._strip = Strip()
        self._is_working = False
        self._message = ""
        self._has_ended = False
        document.events.segmenter_changed.connect(self._on_segmenter_changed)
        document.events.status_changed.connect(self._on_status_changed)
        document.events.steered.connect(self._on_steered)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What is compared, in the order of the strip."""
        return self._variants

    @property
    def current(self) -> Variant | None:
        """The one that the document has, None where it has another number."""
        segmenter = self.document.segmenter
        return next((v for v in self._variants if with_k(segmenter, v.k) == segmenter), None)

    @property
    def message(self) -> str:
        """Why there is nothing, or nothing more, to see, or how what is there was made.

        Empty where that is plain.
        """
        if not self._variants:
            title = self.document.segmenter.title
            return f"{title} has no number of clusters that could be compared."
        return self._message or self._strip.note

    @property
    def is_working(self) -> bool:
        """Thumbnails are being made."""
        return self._is_working

    @property
    def may_begin(self) -> bool:
        """Thumbnails are missing, and neither a run nor a failure is in the way."""
        rests = self.document.status.phase in ("done", "stopped")
        missing = bool(self._strip.missing(self._variants))
        return rests and missing and not (self._message or self._is_working or self._has_ended)

    def thumbnail(self, variant: Variant) -> Thumbnail | None:
        """What is there of a variant."""
        return self._strip.of(variant)

    def begin(self) -> None:
        """Make what is missing, if now is a time for it."""
        if not self.may_begin:
            return
        self._worker = self._worker or Worker(is_urgent=False)
        self._is_working = True
        document, shown = self.document, self.document.state.proposal
        job = StripJob(document.image, self._variants, self._strip, self._device, shown)
        self._worker.submit(job)

    def pause(self) -> None:
        """Let the labels go first; what is there stays."""
        if self._worker is not None:
            self._worker.cancel()
        self._is_working = False

    def pull(self) -> bool:
        """Take the newest strip, if there is one; says whether there was."""
        match self._worker.take() if self._worker else None:
            case Strip() as strip:
                self._strip = strip
                self._is_working = bool(strip.missing(self._variants))
            case Failure(error):
                self._is_working = False
                self._message = sentence(error)
            case _:
                return False
        self.changed.emit()
        return True

    def take(self, k: K) -> None:
        """Give the document this number of clusters, as one undo step; the labels follow.

        Raises
        ------
        ValueError
            If the method does not accept it.
        """
        self.document.set_segmenter(with_k(self.document.segmenter, k))

    def close(self, *, wait: bool = True) -> None:
        """Let go of the document and end the worker; `wait`: until it has ended."""
        events = self.document.events
        events.segmenter_changed.disconnect(self._on_segmenter_changed, missing_ok=True)
        events.status_changed.disconnect(self._on_status_changed, missing_ok=True)
        events.steered.disconnect(self._on_steered, missing_ok=True)
        self._has_ended = True
        self.pause()
        if self._worker is not None:
            self._worker.close(wait=wait)

    def _on_segmenter_changed(self, segmenter: Segmenter) -> None:
        variants = variants_of(segmenter)
        if variants != self._variants:
            self.pause()
            self._variants, self._message = variants, ""
            self._strip = self._strip.only(variants)
        self.changed.emit()

    def _on_status_changed(self, status: RunStatus) -> None:
        if status.is_busy:
            self.pause()

    def _on_steered(self, cold: bool) -> None:
        """A run from a cold start is a new try here, too."""
        if cold and self._message:
            self._message = ""
            self.changed.emit()
