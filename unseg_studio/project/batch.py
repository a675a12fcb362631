"""Proposals for many images of a project, made by several processes while nobody waits.

processes: read, fit, refine, decode ---- packed labels ---->  this one: project.proposed
           one image each at a time                            the only one that writes

A proposal is kept as soon as it is made, in a transaction of its own. So whatever ends the batch,
it costs the images that were in progress; the next one asks `unproposed` which are left.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

from unseg_studio.data import Mosaic, open_image
from unseg_studio.document.machine import core_count
from unseg_studio.document.packing import mosaic_bytes, mosaic_of
from unseg_studio.document.solve import Fits, first_run
from unseg_studio.document.state import fresh_state
from unseg_studio.project.database import ReadOnlyError
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.project import Project
from unseg_studio.project.workers import Worker, WorkerGoneError
from unseg_studio.segmenters import Segmenter, resolve_device

MOST_PROCESSES = 8
"""Where nobody says how many: each holds the libraries, the network and an image in memory."""

MOST_ATTEMPTS = 2
"""A process may be killed by chance once; if the same image ends two of them, it is the cause."""


@dataclass(frozen=True)
class Outcome:
    """What became of one image of a batch.

    Parameters
    ----------
    image : ImageEntry
        Which one, as it is now.
    is_kept : bool
        The project has its proposal.
    problem : str
        Why not, in a sentence; empty where it has.
    """

    image: ImageEntry
    is_kept: bool
    problem: str = ""


def unproposed(
    project: Project, segmenter: Segmenter, *, only_new: bool = False
) -> tuple[int, ...]:
    """Images that a batch has something to do for, in the order of the project.

    Those are the images that no person has worked on, without those that have a proposal of exactly
    this method and these parameters already, such as from a batch that was killed.

    Parameters
    ----------
    project : Project
        Where to look.
    segmenter : Segmenter
        What the batch would propose with.
    only_new : bool
        Leave out all that have a proposal, whatever made it.
    """
    if only_new:
        return tuple(entry.id for entry in project.images() if entry.status == "new")
    made = project.made_by(segmenter)
    return tuple(
        entry.id
        for entry in project.images()
        if entry.status == "new" or (entry.status == "proposed" and entry.id not in made)
    )


def default_processes(device: str) -> int:
    """How many processes a device has work for; one that is no processor is shared badly."""
    return min(core_count(), MOST_PROCESSES) if resolve_device(device).type == "cpu" else 1


def propose(
    project: Project,
    segmenter: Segmenter,
    images: Sequence[int],
    *,
    device: str = "auto",
    n_processes: int | None = None,
) -> Generator[Outcome, None, None]:
    """Propose labels for images and keep them, unless a person has worked on them meanwhile.

    Parameters
    ----------
    project : Project
        Open for writing.
    segmenter : Segmenter
        Method and parameters.
    images : sequence of int
        Which ones, such as those that are `unproposed`.
    device : str
        See `resolve_device`.
    n_processes : int or None
        How many at a time; None: as many as make sense.

    Yields
    ------
    Outcome
        One for each image, as it comes. Closing the generator cancels what is in progress.

    Raises
    ------
    OSError
        If the project is open for reading only or its file cannot be written any more: nothing
        would be kept. In a sentence.
    ValueError
        If the trained model of the segmenter is damaged.
    """
    _require_file(project)
    project.trained.provide(segmenter)
    wanted = default_processes(device) if n_processes is None else n_processes
    crew = _Crew(min(wanted, len(images)), segmenter, device)
    try:
        for answer in crew.answers([project.image(image) for image in images]):
            outcome = _kept(project, segmenter, answer)
            _require_file(project)
            yield outcome
    finally:
        crew.close()


def _require_file(project: Project) -> None:
    """Raise OSError where what is proposed would not be in the file."""
    if project.read_only:
        raise ReadOnlyError(
            project.notice or f"{project.path.name} is open for reading only. Open it for writing."
        )
    project.flush()
    if project.dirty_reason:
        raise OSError(project.dirty_reason)


class _Labels(NamedTuple):
    """What a process sends: small, since most of it is compressed."""

    shape: tuple[int, int]
    packed: bytes
    uncertainty: float | None
    seconds: float


class _Answer(NamedTuple):
    image: ImageEntry
    labels: _Labels | None
    problem: str = ""


def _kept(project: Project, segmenter: Segmenter, answer: _Answer) -> Outcome:
    entry, labels, problem = answer
    if labels is None:
        return Outcome(entry, False, problem)
    is_kept = project.proposed(
        entry.id,
        mosaic_of(labels.packed, labels.shape),
        segmenter=segmenter,
        uncertainty=labels.uncertainty,
        seconds=labels.seconds,
    )
    now = project.image(entry.id)
    return Outcome(now, is_kept, "" if is_kept else f"{now.name}: a person has worked on it.")


# In the other processes


def _labels_of(file: Path, plane: int | None, segmenter: Segmenter, device: str) -> _Labels:
    """Read one image and segment it to the end."""
    began = time.perf_counter()
    image = open_image(file, plane)
    run = first_run(image, fresh_state(image, (), segmenter), device=device)
    *_, last = (frame for frame in run.results(Fits(), lambda _: False) if frame is not None)
    packed = mosaic_bytes(last.mosaic or Mosaic.of(last.labels))
    doubt = None if last.uncertainty is None else float(last.uncertainty.plane.mean())
    return _Labels(image.shape, packed, doubt, time.perf_counter() - began)


class _Crew:
    """Processes that share the images among them; one that ends is replaced."""

    def __init__(self, n: int, segmenter: Segmenter, device: str) -> None:
        self._how = segmenter, device
        self._n_threads = max(1, core_count() // max(n, 1))
        self._idle = [self._new() for _ in range(n)]
        self._busy: dict[Worker, ImageEntry] = {}
        self._ended: Counter[int] = Counter()

    def answers(self, images: Iterable[ImageEntry]) -> Generator[_Answer, None, None]:
        """Have all images segmented; the answers come as they are ready."""
        coming, again = iter(images), deque[ImageEntry]()
        while True:
            while self._idle and (entry := again.popleft() if again else next(coming, None)):
                self._ask(self._idle.pop(), entry)
            if not self._busy:
                return
            ready = wait([worker.line for worker in self._busy])
            for worker in [worker for worker in self._busy if worker.line in ready]:
                entry = self._busy.pop(worker)
                answer = self._heard(worker, entry)
                if answer is None:
                    again.append(entry)
                else:
                    yield answer

    def close(self) -> None:
        """End all processes."""
        for worker in (*self._idle, *self._busy):
            worker.close()
        self._idle, self._busy = [], {}

    def _new(self) -> Worker:
        return Worker(_labels_of, n_threads=self._n_threads)

    def _ask(self, worker: Worker, entry: ImageEntry) -> None:
        self._busy[worker] = entry
        worker.ask(entry.file, entry.plane, *self._how)

    def _heard(self, worker: Worker, entry: ImageEntry) -> _Answer | None:
        """What a process says of an image; None: nothing, and it is to be tried once more."""
        try:
            labels = worker.answer()
        except WorkerGoneError:
            worker.close()
            self._idle.append(self._new())
            self._ended[entry.id] += 1
            if self._ended[entry.id] < MOST_ATTEMPTS:
                return None
            return _Answer(
                entry,
                None,
                f"{entry.file}: the process that segmented it ended {MOST_ATTEMPTS} times, perhaps "
                "for lack of memory. Use fewer processes, or a smaller image.",
            )
        except (ValueError, OSError) as error:
            self._idle.append(worker)
            return _Answer(entry, None, _about(entry, str(error)))
        self._idle.append(worker)
        return _Answer(entry, labels)


def _about(entry: ImageEntry, sentence: str) -> str:
    """The sentence, with the name of the image where it says none."""
    return sentence if entry.file.name in sentence else f"{entry.file}: {sentence}"
