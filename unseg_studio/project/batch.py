"""Proposals for many images of a project, made by several processes while nobody waits.

crew: read, fit, refine, decode ---- packed labels ---->  this process: project.proposed
      one image each at a time                            the only one that writes

The crew are processes of this machine, or the workers of a cluster (`cluster`).

A proposal is kept as soon as it is made, in a transaction of its own. So whatever ends the batch,
it costs the images that were in progress; the next one asks `unproposed` which are left.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait

from unseg_studio.document.machine import core_count
from unseg_studio.document.packing import mosaic_of
from unseg_studio.project.database import ReadOnlyError
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.gallery import Gallery
from unseg_studio.project.project import Project
from unseg_studio.project.proposal import Answer, Crew, about, labels_of
from unseg_studio.project.workers import Worker, WorkerGoneError
from unseg_studio.segmenters import Segmenter, resolve_device
from unseg_studio.segmenters.models import digest_in

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
    cluster: str = "",
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
    cluster : str
        Address of a Dask cluster whose workers segment the images; empty: processes here do.

    Yields
    ------
    Outcome
        One for each image, as it comes. Closing the generator cancels what is in progress.

    Raises
    ------
    OSError
        If the project is open for reading only or its file cannot be written any more: nothing
        would be kept; or if the cluster cannot be reached any more. In a sentence.
    ValueError
        If the trained model of the segmenter is damaged, or the cluster has no such address.
    """
    _require_file(project)
    project.trained.provide(segmenter)
    crew = _crew(segmenter, len(images), device=device, n_processes=n_processes, cluster=cluster)
    try:
        for answer in crew.answers([project.image(image) for image in images]):
            outcome = _kept(project, segmenter, answer)
            _require_file(project)
            yield outcome
    finally:
        crew.close()


def _crew(
    segmenter: Segmenter, n_images: int, *, device: str, n_processes: int | None, cluster: str
) -> Crew:
    """Those who segment: processes of this machine, or the workers of a cluster."""
    if cluster:
        from unseg_studio.project.cluster import ClusterCrew

        return ClusterCrew(cluster, segmenter, device)
    wanted = default_processes(device) if n_processes is None else n_processes
    return LocalCrew(min(wanted, n_images), segmenter, device)


def _require_file(project: Project) -> None:
    """Raise OSError where what is proposed would not be in the file."""
    if project.read_only:
        raise ReadOnlyError(
            project.notice or f"{project.path.name} is open for reading only. Open it for writing."
        )
    project.flush()
    if project.dirty_reason:
        raise OSError(project.dirty_reason)


def _kept(project: Project, segmenter: Segmenter, answer: Answer) -> Outcome:
    entry, labels, problem = answer
    if labels is None:
        return Outcome(entry, False, problem)
    is_kept = project.proposed(
        entry.id,
        mosaic_of(labels.packed, labels.shape),
        segmenter=segmenter,
        uncertainty=labels.uncertainty,
        doubts=labels.doubts,
        seconds=labels.seconds,
        pixel_size=labels.pixel_size,
    )
    if is_kept:
        _cut(project, segmenter, entry.id)
    now = project.image(entry.id)
    return Outcome(now, is_kept, "" if is_kept else f"{now.name}: a person has worked on it.")


def _cut(project: Project, segmenter: Segmenter, image: int) -> None:
    """Clusters that were split in the gallery are so in later images, too."""
    digest = digest_in(segmenter)
    trained = next((model for model in project.trained.all() if model.digest == digest), None)
    if trained is None or not project.trained.naming(digest).cuts:
        return
    with suppress(ValueError, OSError):  # it waits for the gallery, which says why
        Gallery(project, trained).follow_image(image)


class LocalCrew:
    """Processes that share the images among them; one that ends is replaced."""

    def __init__(self, n: int, segmenter: Segmenter, device: str) -> None:
        self._how = segmenter, device
        self._n_threads = max(1, core_count() // max(n, 1))
        self._idle = [self._new() for _ in range(n)]
        self._busy: dict[Worker, ImageEntry] = {}
        self._ended: Counter[int] = Counter()

    def answers(self, images: Iterable[ImageEntry]) -> Generator[Answer, None, None]:
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
        return Worker(labels_of, n_threads=self._n_threads)

    def _ask(self, worker: Worker, entry: ImageEntry) -> None:
        self._busy[worker] = entry
        worker.ask(entry.file, entry.plane, *self._how)

    def _heard(self, worker: Worker, entry: ImageEntry) -> Answer | None:
        """What a process says of an image; None: nothing, and it is to be tried once more."""
        try:
            labels = worker.answer()
        except WorkerGoneError:
            worker.close()
            self._idle.append(self._new())
            self._ended[entry.id] += 1
            if self._ended[entry.id] < MOST_ATTEMPTS:
                return None
            return Answer(
                entry,
                None,
                f"{entry.file}: the process that segmented it ended {MOST_ATTEMPTS} times, perhaps "
                "for lack of memory. Use fewer processes, or a smaller image.",
            )
        except (ValueError, OSError) as error:
            self._idle.append(worker)
            return Answer(entry, None, about(entry, str(error)))
        self._idle.append(worker)
        return Answer(entry, labels)
