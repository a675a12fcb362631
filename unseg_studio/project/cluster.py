"""The workers of a Dask cluster as the crew of a batch.

this process                       scheduler            worker: any of several, on any machine
question: path, fingerprint   ->   whoever is free  ->  the file is there: its labels
                              <-                    <-  it is not: Unseen, so it travels, once
Answer                        <-                    <-  labels, packed

As many questions are on their way as the workers have threads, so that a worker that is killed
costs the images that it had in hand and no others: Dask gives those to another one, and says so
when an image has ended several.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseg_studio.document.scheduler import (
    MOST_SENT,
    ClusterError,
    address_of,
    connected,
    large_messages,
)
from unseg_studio.features import determinism
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.fingerprint import fingerprint
from unseg_studio.project.proposal import Answer, Labels, about
from unseg_studio.segmenters import Segmenter
from unseg_studio.segmenters.models import digest_in, kept

if TYPE_CHECKING:
    from distributed import Future

    from unseg_studio.project.cluster_worker import Question

LOOK_S = 1.0
"""How often somebody looks whether the cluster is still there, while nothing comes."""

NO_WORKER_S = 60.0
"""For a cluster whose workers are all gone to get another one."""


class ClusterCrew:
    """Workers of a cluster that share the images among them.

    Parameters
    ----------
    address : str
        Of the scheduler.
    segmenter : Segmenter
        Method and parameters; the trained model that it names goes along.
    device : str
        Of the workers.

    Raises
    ------
    ValueError
        If the address or the model is none.
    ClusterError
        If the cluster cannot be used.
    """

    def __init__(self, address: str, segmenter: Segmenter, device: str) -> None:
        digest = digest_in(segmenter)
        model = kept(digest).to_bytes() if digest else b""
        self._address = address_of(address)
        self._how = segmenter, device
        self._client = connected(address)
        self._name = f"unseg-labels-{uuid.uuid4().hex}"
        self._asked: dict[str, tuple[Future[Any], ImageEntry]] = {}
        self._ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._sends_files = False
        try:
            self._equip(model)
        except BaseException:
            self._client.close()
            raise

    def answers(self, images: Iterable[ImageEntry]) -> Generator[Answer, None, None]:
        """Have all images segmented; see `Crew.answers`."""
        left, told = deque(images), list[Answer]()
        while True:
            told += self._asked_more(left)  # before anything is told, so that no worker waits
            yield from told
            if not self._asked:
                return
            told = self._heard(left)

    def close(self) -> None:
        """Cancel what is in progress, and leave the workers as they were."""
        with suppress(Exception):  # whatever is gone need not be told
            if self._client.status == "running":
                self._client.cancel([future for future, _ in self._asked.values()], force=True)
                self._client.unregister_worker_plugin(self._name)
        self._asked = {}
        with suppress(Exception):
            self._client.close(timeout=LOOK_S)

    def _equip(self, model: bytes) -> None:
        """Get the workers ready, also those that come later."""
        from unseg_studio.project.cluster_worker import Equipment

        try:
            equipment = Equipment(self._name, model, alike=determinism.is_wanted())
            self._client.register_plugin(equipment, name=self._name)
        except Exception as error:  # what another program at the other end says has any type
            raise ClusterError(
                f"The workers of the cluster at {self._address} cannot be used "
                f"({type(error).__name__}: {error}). Each needs UnSeg Studio of this version: "
                'pip install "unseg-studio[cluster]"'
            ) from error

    def _asked_more(self, left: deque[ImageEntry]) -> list[Answer]:
        """Ask as much as there are threads for; answers for what could not even be asked."""
        problems, n_threads = [], self._n_threads()
        while left and len(self._asked) < n_threads:
            entry = left.popleft()
            try:
                question = self._question(entry)
            except (OSError, ValueError) as error:
                problems.append(Answer(entry, None, about(entry, str(error))))
            else:
                self._ask(entry, question)
        return problems

    def _n_threads(self) -> int:
        """Of all workers; one question waits where there is none at the moment."""
        try:
            return max(1, int(sum(self._client.nthreads().values())))
        except Exception as error:
            raise self._gone() from error

    def _ask(self, entry: ImageEntry, question: Question) -> None:
        from unseg_studio.project.cluster_worker import answer

        key = f"{self._name}-{entry.id}-{uuid.uuid4().hex}"
        try:
            with large_messages():
                future = self._client.submit(answer, question, key=key, pure=False)
        except Exception as error:
            raise self._gone() from error
        self._asked[future.key] = future, entry
        future.add_done_callback(self._ended.put)

    def _question(self, entry: ImageEntry) -> Question:
        """What a worker has to know of an image.

        Raises
        ------
        OSError, ValueError
            If it cannot be read or sent; in a sentence.
        """
        from unseg_studio.project.cluster_worker import Question

        file = entry.file
        try:
            print_ = fingerprint(file)
            data = _sent(file) if self._sends_files else b""
        except OSError as error:
            raise OSError(f"{file} cannot be read ({error.strerror or error}).") from error
        return Question(self._name, str(file), entry.plane, print_, data, *self._how)

    def _next(self) -> Future[Any]:
        """The next that has ended, as long as there is a cluster."""
        had_worker = time.monotonic()
        while True:
            try:
                future = self._ended.get(timeout=LOOK_S)
            except queue.Empty:
                if self._has_worker():
                    had_worker = time.monotonic()
                elif time.monotonic() - had_worker > NO_WORKER_S:
                    raise self._gone() from None
                continue
            if self._client.status not in ("running", "connecting"):
                raise self._gone()
            if future.key in self._asked:
                return future

    def _has_worker(self) -> bool:
        if self._client.status == "closed":
            raise self._gone()
        if self._client.status != "running":
            return True  # it tries to find the scheduler again, and is closed in the end
        try:
            return bool(self._client.nthreads())
        except Exception:  # lost at this moment; its status says so in the next one
            return True

    def _heard(self, left: deque[ImageEntry]) -> list[Answer]:
        """Wait for the next; none where an image is among those that are left again."""
        future = self._next()
        _, entry = self._asked.pop(future.key)
        answer = self._answer_of(future, entry)
        if answer is None:
            left.appendleft(entry)
        return [answer] if answer else []

    def _answer_of(self, future: Future[Any], entry: ImageEntry) -> Answer | None:
        """What a worker says of an image; None: nothing, and it is to be asked once more."""
        from distributed import KilledWorker

        try:
            found = future.result(timeout=10 * LOOK_S)
        except KilledWorker as error:
            return Answer(
                entry,
                None,
                f"{entry.file}: the workers that segmented it ended {error.allowed_failures + 1} "
                "times, perhaps for lack of memory. Give workers fewer threads, or take a smaller "
                "image.",
            )
        except Exception as error:  # what a library of another version raises has any type
            if future.cancelled() or self._client.status != "running":
                return None  # it was lost on the way
            return Answer(entry, None, about(entry, f"{type(error).__name__}: {error}."))
        finally:
            future.release()
        if isinstance(found, Labels):
            return Answer(entry, found)
        if isinstance(found, str):
            return Answer(entry, None, about(entry, found))
        self._sends_files = True
        return None

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"The cluster at {self._address} does not answer any more, or has no workers left. "
            "All proposals so far are kept; the same command goes on with the rest."
        )


def _sent(file: Path) -> bytes:
    if file.is_dir() or file.stat().st_size > MOST_SENT:
        what = "folder" if file.is_dir() else f"file of more than {MOST_SENT >> 20} MB"
        raise ValueError(
            f"{file}: the workers do not see it, and a {what} is not sent to them. Put it where "
            "they see it under the same path."
        )
    return file.read_bytes()
