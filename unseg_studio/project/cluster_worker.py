"""What happens in the workers of a Dask cluster; see `cluster`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import cv2
from distributed import Worker, WorkerPlugin, get_worker

from unseg_studio.data import heap
from unseg_studio.document.machine import core_count
from unseg_studio.features.determinism import deterministic
from unseg_studio.features.lazy_torch import torch
from unseg_studio.project.fingerprint import fingerprint
from unseg_studio.project.proposal import Labels, labels_of
from unseg_studio.project.workers import value_of
from unseg_studio.segmenters import Segmenter
from unseg_studio.segmenters.models import keep, of_bytes

THREADS = "OMP_NUM_THREADS"
"""With how many torch computes; Dask's nannies say one."""


class Question(NamedTuple):
    """What a worker is asked of one image.

    Parameters
    ----------
    job : str
        The batch that it belongs to.
    file : str
        Where it is, for those who see it there.
    plane : int or None
        Of a stack.
    print_ : bytes
        Fingerprint of the file, by which another file of that name is told from it.
    data : bytes
        The file itself; empty: it is believed to be seen.
    segmenter, device
        How.
    """

    job: str
    file: str
    plane: int | None
    print_: bytes
    data: bytes
    segmenter: Segmenter
    device: str


class Unseen(NamedTuple):
    """The file is not where the worker looks, or another one is."""


class Equipment(WorkerPlugin):  # type: ignore[misc]
    """Gets a worker ready for one batch, and tidies up after it.

    Parameters
    ----------
    job : str
        The batch.
    model : bytes
        What the segmenter has learned from many images; empty: nothing.
    alike : bool
        Whether the same labels have to come out each time; see `determinism`.
    """

    def __init__(self, job: str, model: bytes, *, alike: bool) -> None:
        self.name, self._model, self._alike = job, model, alike
        self._tidy = ExitStack()

    def setup(self, worker: Worker) -> None:
        """Put the model where the segmenter finds it; called in every worker, also in new ones."""
        heap.keep_little()
        if self._alike:
            self._tidy.enter_context(deterministic())
        cv2.setNumThreads(_n_threads(worker))  # which asks no environment
        if self._model:
            keep(of_bytes(self._model, "The model of this batch"))

    def teardown(self, worker: Worker) -> None:
        """Remove the files that were sent, and compute as before."""
        self._tidy.close()
        shutil.rmtree(_received(worker, self.name), ignore_errors=True)


def answer(question: Question) -> Labels | Unseen | str:
    """Segment one image, or say why not; in a thread of the worker."""
    worker = get_worker()
    if THREADS not in os.environ:
        torch.set_num_threads(_n_threads(worker))
    found = value_of(_labels, question, worker, _is_wanted(worker))
    return str(found) if isinstance(found, Exception) else found


def _labels(question: Question, worker: Worker, is_wanted: Callable[[], bool]) -> Labels | Unseen:
    file = _file(question, _received(worker, question.job))
    if file is None:
        return Unseen()
    try:
        return labels_of(file, question.plane, question.segmenter, question.device, is_wanted)
    except (ValueError, OSError) as error:
        raise ValueError(str(error).replace(str(file), question.file)) from error
    finally:
        if question.data and question.plane is None:
            file.unlink(missing_ok=True)


def _file(question: Question, received: Path) -> Path | None:
    """Where the image is here: in its place, or among what was sent."""
    if _is(own := Path(question.file), question.print_):
        return own
    copy = received / question.print_.hex() / own.name
    if question.data and not copy.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as part:
            part.write(question.data)
        Path(part.name).replace(copy)
    return copy if copy.is_file() else None


def _is(file: Path, print_: bytes) -> bool:
    try:
        return fingerprint(file) == print_
    except OSError:
        return False


def _received(worker: Worker, job: str) -> Path:
    return Path(worker.local_directory) / job


def _n_threads(worker: Worker) -> int:
    """Threads for one image, where nobody said how many."""
    if THREADS in os.environ:
        return max(1, int(os.environ[THREADS].partition(",")[0] or 1))
    return max(1, core_count() // int(worker.state.nthreads))


def _is_wanted(worker: Worker) -> Callable[[], bool]:
    """Whether the scheduler still wants what this thread computes; it forgets what is cancelled."""
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return is_wanted
