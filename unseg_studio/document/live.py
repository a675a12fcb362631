"""Keeps the labels of a document following what the person does."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from unseg_studio.document.document import Document
from unseg_studio.document.solve import Frame, Job
from unseg_studio.document.state import RunStatus
from unseg_studio.document.worker import Failure, Worker

PULL_MS = 33
"""How often a view should call `Live.pull`."""


class Live:
    """Document signals in, jobs out; frames in, `Document.show` out.

    The view calls `pull` about every `PULL_MS` milliseconds in the thread that owns the document.

    Parameters
    ----------
    document : Document
        Whose labels to keep.
    worker : Worker or None
        Where to compute; None: a worker of its own.
    device : str
        See `resolve_device`.
    """

    def __init__(
        self, document: Document, worker: Worker | None = None, *, device: str = "auto"
    ) -> None:
        self.document = document
        self.device = device
        self._worker = worker or Worker()
        self._began = 0.0
        document.events.steered.connect(self._on_document_steered)
        document.events.travelled.connect(self.stop)

    def start(self) -> None:
        """Ask for the first proposal."""
        self.document.propose()

    def stop(self) -> None:
        """End the run; the labels stay as they are."""
        self._worker.cancel()
        if self.document.status.is_busy:
            self.document.report(replace(self.document.status, phase="stopped"))

    def close(self) -> None:
        """Let go of the document and end the worker."""
        self.document.events.steered.disconnect(self._on_document_steered)
        self.document.events.travelled.disconnect(self.stop)
        self._worker.close()

    def pull(self) -> bool:
        """Show the newest frame, if there is one; says whether there was."""
        result = self._worker.take()
        if result is None:
            return False
        if isinstance(result, Failure):
            self._report_failure(result.error)
        else:
            self._show(result)
        return True

    def wait(self, seconds: float = 60.0) -> RunStatus:
        """Pull until the run has ended, for scripts without an event loop.

        Raises
        ------
        TimeoutError
            If it takes longer.
        """
        deadline = time.monotonic() + seconds
        while self.document.status.is_busy:
            if not self._worker.wait(max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"The run has not ended within {seconds:g} s; it was stopped.")
            self.pull()
        return self.document.status

    def _on_document_steered(self, cold: bool) -> None:
        document = self.document
        self._began = time.perf_counter()
        self._worker.submit(Job.of(document.image, document.state, device=self.device, cold=cold))
        document.report(RunStatus("preparing", n_labels=document.status.n_labels))

    def _show(self, frame: Frame) -> None:
        self.document.show(frame.labels)
        self.document.report(
            RunStatus(
                phase="done" if frame.is_last else "running",
                step=frame.step,
                total=frame.total,
                loss=frame.loss,
                n_labels=frame.n_labels,
                seconds=time.perf_counter() - self._began,
            )
        )

    def _report_failure(self, error: Exception) -> None:
        seconds = time.perf_counter() - self._began
        self.document.report(
            RunStatus("failed", loss=math.nan, seconds=seconds, message=sentence(error))
        )


def sentence(error: Exception) -> str:
    """What went wrong, in words for the person."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "There is not enough memory for this run. Choose a smaller working size."
    return f"The run failed: {type(error).__name__}: {error}. The document is unchanged; run again."
