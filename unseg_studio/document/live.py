"""Keeps the labels of a document following what the person does."""

from __future__ import annotations

import time
from dataclasses import replace

from psygnal import Signal

from unseg_studio.data import NOTHING, Box, is_large
from unseg_studio.document.document import Document
from unseg_studio.document.scheduler import chosen_engine, is_address
from unseg_studio.document.sight import Sight
from unseg_studio.document.solve import Frame, PartRun, Preparation, Run
from unseg_studio.document.split import Cut, Parts
from unseg_studio.document.state import RunStatus
from unseg_studio.document.timeline import Moment, with_moment
from unseg_studio.document.worker import Failure, Job, Worker

SOON_MS = 4
PULL_MS = 33
"""How often a view should call `Live.pull`: soon for the first and for the last frame of a run, in
between as often as eyes follow, so that the engine has the rest of the time."""

SCREEN_MS = 16
"""In between where the engine has a device of its own: as often as screens show something new."""


def pull_ms(status: RunStatus) -> int:
    """Milliseconds until a view should pull again."""
    is_edge = status.phase == "preparing" or status.step + 1 >= status.total
    if is_edge:
        return SOON_MS
    return PULL_MS if status.place is None or status.place.is_cpu else SCREEN_MS


class Live:
    """Document signals in, jobs out; frames in, `Document.show` out.

    Of a large image only what is looked at (`Document.look_at`) is worked on. Where that has no
    labels yet, a first proposal is made for it, after whatever runs.

    The view calls `pull` every `pull_ms` milliseconds in the thread that owns the document.

    Parameters
    ----------
    document : Document
        Whose labels to keep.
    worker : Worker or None
        Where to compute; None: a worker of its own.
    device : str or None
        See `Run`; None: what `chosen_engine` says.
    is_grounded : bool
        Labels were there before anybody drew: strokes change them only around where they disagree,
        until the person asks for a run from cold.
    """

    moments_changed = Signal(tuple)
    """The moments of the newest run, oldest first."""

    def __init__(
        self,
        document: Document,
        worker: Worker | None = None,
        *,
        device: str | None = None,
        is_grounded: bool = False,
    ) -> None:
        self.document = document
        self.device = chosen_engine() if device is None else device
        self._worker = worker or Worker()
        self._began = 0.0
        self._owes_cold = False
        self._is_grounded = is_grounded
        self._memory: object = None
        self._moments: tuple[Moment, ...] = ()
        self._is_large = is_large(document.image.shape)
        self._sight: Sight | None = None
        self._only_fills = False
        self._has_begun = False
        document.events.steered.connect(self._on_document_steered)
        document.events.travelled.connect(self.stop)
        if self._is_large:
            document.events.looked_at.connect(self._on_looked_at)

    def start(self) -> None:
        """Ask for the first proposal."""
        self.document.propose()

    def split(self, id_: int, n_parts: int = 2) -> None:
        """Cut an id into parts of similar colour; whatever runs is superseded.

        The parts become one undo step when they are there.

        Raises
        ------
        ValueError
            If the category is locked.
        """
        self.document.require_unlocked(id_)
        cut = Cut(self.document.image, self.document.state, id_, n_parts)
        self._submit(replace(cut, sight=self._look()))

    @property
    def computed_on(self) -> str:
        """Where the newest labels were made, for the record: a device, or the address of a cluster.

        "unknown" where they were made before the document was opened.
        """
        place = self.document.status.place
        if place is None:
            return self.device if is_address(self.device) else "unknown"
        return place.device

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What the newest run has shown so far, oldest first."""
        return self._moments

    def look_back(self, index: int) -> None:
        """Stop, and show a moment of the run again; the next run goes on from there.

        Raises
        ------
        IndexError
            If there is no such moment.
        """
        moment = self._moments[index]
        self.stop()
        self._memory = moment.memory if moment.sight == self._sight else None
        labels = moment.onto(self.document.state)
        self.document.look_back(labels, moment.step, uncertainty=moment.uncertainty)
        self.document.report(
            RunStatus(
                "stopped", moment.step, moment.total, moment.loss, moment.n_labels,
                place=self.document.status.place,
            )
        )  # fmt: skip

    def go_on(self) -> None:
        """Optimise on from the moment that is shown."""
        self._on_document_steered(cold=False)

    def stop(self) -> None:
        """End the run; the labels stay as they are."""
        self._only_fills = False
        self._worker.cancel()
        if self.document.status.is_busy:
            self.document.report(replace(self.document.status, phase="stopped"))

    def close(self, *, wait: bool = True) -> None:
        """Let go of the document and end the worker; `wait`: until it has ended."""
        self.document.events.steered.disconnect(self._on_document_steered, missing_ok=True)
        self.document.events.travelled.disconnect(self.stop, missing_ok=True)
        self.document.events.looked_at.disconnect(self._on_looked_at, missing_ok=True)
        self.stop()
        self._worker.close(wait=wait)

    def pull(self) -> bool:
        """Show the newest result, if there is one; says whether there was."""
        match self._worker.take():
            case Frame() as frame:
                self._show(frame)
            case Parts() as parts:
                self._cut(parts)
            case Failure(error):
                self._report_failure(error)
            case None:
                return False
        return True

    def wait(self, seconds: float = 60.0) -> RunStatus:
        """Pull until the run has ended, for scripts without an event loop.

        Raises
        ------
        TimeoutError
            If it takes longer; the run is stopped then.
        """
        deadline = time.monotonic() + seconds
        while self.document.status.is_busy:
            if not self._worker.wait(max(0.0, deadline - time.monotonic())):
                self.stop()
                raise TimeoutError(
                    f"The run has not ended within {seconds:g} s, so it was stopped; the labels "
                    "are those of its last step."
                )
            self.pull()
        return self.document.status

    def _on_document_steered(self, cold: bool) -> None:
        # A cold start that has shown nothing may not have begun: the next run owes it.
        self._owes_cold = self._owes_cold or cold
        if self._owes_cold:
            self._memory, self._is_grounded = None, False
        self._has_begun = True
        self._keep_moments(())
        self._run(self._job(cold=self._owes_cold), fills=False)

    def _job(self, *, cold: bool) -> Run | PartRun:
        """A run on the image, or on what is seen of a large one."""
        image, state = self.document.image, self.document.state
        before, sight = self._sight, self._look()
        if sight is None:
            run: Run | PartRun = Run.of(image, state, device=self.device, cold=cold)
        else:
            run = PartRun(image, state, sight, self.device, cold)
        memory = self._memory if sight == before else None
        return replace(run, memory=memory, is_grounded=self._is_grounded)

    def _run(self, job: Run | PartRun, *, fills: bool) -> None:
        self._only_fills = fills
        self._submit(job)

    # What is seen of a large image

    def _look(self) -> Sight | None:
        """What to work on now; None where that is the whole image."""
        if self._is_large:
            self._sight = Sight.of(self.document.image.shape, self.document.seen, self._sight)
        return self._sight

    def _on_looked_at(self, _box: Box) -> None:
        # What the person asked for ends first, and then says what is seen by then.
        if self._only_fills or not self.document.status.is_busy:
            self._see_to_what_is_seen()

    def _see_to_what_is_seen(self) -> None:
        """Propose where there are no labels yet, or get ready for a stroke."""
        document, sight = self.document, self._look()
        if sight is None or not self._has_begun:
            return
        may_show = document.redo_text is None  # what is shown now would end what can be redone
        if may_show and sight.lacks_labels(document.state.proposal):
            run = PartRun(document.image, document.state, sight, self.device, cold=True, fills=True)
            self._run(run, fills=True)
        elif not document.status.is_busy:
            self._worker.submit(Preparation(document.image, sight))

    def _keep_moments(self, moments: tuple[Moment, ...]) -> None:
        self._moments = moments
        self.moments_changed.emit(moments)

    def _submit(self, job: Job) -> None:
        self._began = time.perf_counter()
        self._worker.submit(job)
        n_labels, told = self.document.status.n_labels, coarseness(self._sight)
        place = self.document.status.place
        self.document.report(RunStatus("preparing", n_labels=n_labels, message=told, place=place))

    def _show(self, frame: Frame) -> None:
        self._owes_cold, self._memory = False, None
        self.document.show(frame.mosaic or frame.labels, frame.uncertainty)
        self._keep_moments(with_moment(self._moments, frame))
        self.document.report(
            RunStatus(
                phase="done" if frame.is_last else "running",
                step=frame.step,
                total=frame.total,
                loss=frame.loss,
                n_labels=frame.n_labels,
                seconds=time.perf_counter() - self._began,
                message=" ".join(filter(None, (coarseness(frame.sight), frame.note))),
                place=frame.place or self.document.status.place,
            )
        )
        if frame.is_last:
            self._rest(frame)

    def _rest(self, frame: Frame) -> None:
        """Use the time after a run."""
        self._only_fills = False
        if not self._is_large:
            if self.document.scribbles.is_empty:
                self._worker.submit(Preparation(self.document.image))
        elif self._look() != frame.sight:
            self._see_to_what_is_seen()
        elif self.document.scribbles.is_empty:
            self._worker.submit(Preparation(self.document.image, self._sight))

    def _cut(self, parts: Parts) -> None:
        try:
            self.document.split(parts.id_, parts.labels)
        except ValueError as error:  # the category was locked meanwhile
            self._report_failure(error)
            return
        n_labels = len(self.document.shown.areas.keys() - {NOTHING})
        seconds = time.perf_counter() - self._began
        place = self.document.status.place
        self.document.report(RunStatus("done", n_labels=n_labels, seconds=seconds, place=place))

    def _report_failure(self, error: Exception) -> None:
        self._only_fills = False
        status = RunStatus(
            "failed",
            n_labels=self.document.status.n_labels,
            seconds=time.perf_counter() - self._began,
            message=sentence(error),
            place=self.document.status.place,
        )
        self.document.report(status)


def coarseness(sight: Sight | None) -> str:
    """How coarsely a large image is worked on, in words for the person; empty where it is not."""
    if sight is None or sight.step == 1:
        return ""
    return (
        f"From afar, every {sight.step} x {sight.step} px of this large image are worked on as "
        "one; zoom in to work at full resolution."
    )


def sentence(error: Exception) -> str:
    """What went wrong, in words for the person."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "There is not enough memory for this run. Choose a smaller working size."
    return f"The run failed: {type(error).__name__}: {error}. The document is unchanged; run again."
