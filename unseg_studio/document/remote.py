"""The engine on another machine: a fit in a worker of a Dask cluster, seen as one that is here.

document -> worker thread -> RemoteFit.refine -> scribbles ---->  Seat, in a worker of the cluster
                             estimates, each with where the fit stood  <----  the newest, when asked

When the worker or the line is lost, the run goes on here from the last estimate that has come, and
says so. Meanwhile somebody looks for a new seat, at longer and longer intervals; the first run
after it is found goes there, from where the last one ended.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from unseg_studio.data import Image, Scribbles
from unseg_studio.document.placed import PlacedFit
from unseg_studio.document.scheduler import ClusterError, address_of, connected, large_messages
from unseg_studio.features import determinism
from unseg_studio.features.devices import Place
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import Estimate, Segmenter
from unseg_studio.segmenters.models import digest_in, kept

if TYPE_CHECKING:
    from distributed import Client

ANSWER_S = 8.0
"""A worker that has not even said that it has nothing yet is lost."""

LOOK_S = 0.1
"""How often somebody looks whether the worker is still there while it has not answered."""

SEAT_S = 120.0
"""For a worker to load its libraries and fit an image."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two attempts to find a seat; each pause is twice as long as the one before."""


class Snapshot:
    """Where a fit stood, for here and for there; see `Fit.memory`.

    Parameters
    ----------
    data : bytes
        See `remote_worker.packed`; empty: `value` is packed when it has to travel.
    value : object
        The memory itself; None: `data` is unpacked when it is needed here.
    """

    def __init__(self, data: bytes = b"", value: object = None) -> None:
        self._data, self._value = data, value

    @property
    def data(self) -> bytes:
        """For the line."""
        from unseg_studio.document.remote_worker import packed

        self._data = self._data or packed(self._value)
        return self._data

    @property
    def value(self) -> object:
        """For a fit that is here."""
        from unseg_studio.document.remote_worker import unpacked

        if self._value is None:
            self._value = unpacked(self._data, "cpu")  # the fit takes it to its own device
        return self._value


class Engine:
    """The cluster at an address, connected to when somebody needs it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._client: Client | None = None

    def seat(self, segmenter: Segmenter, image: Image) -> Seated:
        """A new fit in one of the workers, in one with a GPU if there is one.

        Raises
        ------
        ClusterError
            If there is none to be had; in a sentence.
        ValueError
            What `Segmenter.fit` raises.
        """
        from unseg_studio.document.remote_worker import Seat

        digest = digest_in(segmenter)
        model = kept(digest).to_bytes() if digest else b""
        plain = Image(image.pixels, image.source, image.value_range)  # without what it remembers
        client = self._connected()
        try:
            with large_messages():
                future = client.submit(
                    *(Seat, segmenter, plain, model, determinism.is_wanted()),
                    actor=True,
                    pure=False,
                    workers=_gpus(client),
                )
            return Seated(client, future, future.result(timeout=SEAT_S))
        except ValueError:
            raise
        except Exception as error:  # whatever ends a line or a worker
            raise ClusterError(
                f"No worker of the cluster at {self.address} takes the engine "
                f"({type(error).__name__})."
            ) from error

    def _connected(self) -> Client:
        with self._lock:
            if self._client is not None and self._client.status != "running":
                with suppress(Exception):
                    self._client.close(timeout=0)
                self._client = None
            if self._client is None:
                self._client = connected(self.address)
            return self._client

    def close(self) -> None:
        """Let go of the cluster."""
        with self._lock:
            if self._client is not None:
                with suppress(Exception):
                    self._client.close()
            self._client = None


@lru_cache(maxsize=4)
def engine_at(address: str) -> Engine:
    """The one that all documents of this process share."""
    return Engine(address)


class LostError(OSError):
    """A seat does not answer any more."""


class Seated:
    """A fit in a worker, as long as it answers."""

    def __init__(self, client: Client, future: Any, actor: Any) -> None:
        self._client, self._future, self._actor = client, future, actor
        self._run = 0

    def estimates(self, scribbles: Scribbles, memory: bytes) -> Iterator[tuple[Estimate, bytes]]:
        """The newest ones, each with where the fit stood; the last one is the settled result.

        Raises
        ------
        LostError
            If the worker does not answer any more.
        ValueError, MemoryError, RuntimeError
            What the fit has raised there.
        """
        self._run += 1
        run, number = self._run, 0
        try:
            packet = self._asked("refine", run, scribbles, memory)
            while True:
                if packet is not None:
                    if packet.error is not None:
                        raise packet.error
                    number = packet.number
                    scores = torch.from_numpy(packet.scores).float()
                    estimate = Estimate(scores, **packet.estimate)
                    yield estimate, packet.memory
                    if estimate.is_last:
                        return
                packet = self._asked("newest", run, number)
        finally:
            with suppress(Exception):  # nobody waits for an answer
                self._method("stop")(run)

    def _asked(self, method: str, *question: Any) -> Any:
        try:
            answer, end = self._method(method)(*question), time.monotonic() + ANSWER_S
            while self._future.status == "finished" and time.monotonic() < end:
                with suppress(TimeoutError):
                    return answer.result(timeout=LOOK_S)
        except Exception as error:  # the seat itself raises nothing
            raise LostError(f"{type(error).__name__}: {error}") from error
        raise LostError("There is no answer.")

    def _method(self, name: str) -> Any:
        if self._client.status != "running":
            raise LostError("The scheduler is gone.")
        with self._client.as_current():
            return getattr(self._actor, name)


class RemoteFit:
    """A fit of an image in a worker of a cluster, or here as long as there is none; see `Fit`.

    Parameters
    ----------
    segmenter, image
        What to fit.
    address : str
        Of the scheduler.
    """

    def __init__(self, segmenter: Segmenter, image: Image, address: str) -> None:
        self._segmenter, self._image = segmenter, image
        self._engine = engine_at(address_of(address))
        self._here: PlacedFit | None = None
        self._seated: Seated | None = None
        self._search: _Search | None = None
        self._snapshot: Snapshot | None = None
        self._is_recalled = False
        self._note = ""
        try:
            self._seated = self._engine.seat(segmenter, image)
        except ClusterError as error:
            self._stay_here(f"{error} The engine runs on this machine until it is there.")

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        """There if somebody answers there, otherwise here; see `Fit.refine`."""
        scribbles.require_shape(self._image.shape)
        if self._search is not None and (found := self._search.found()) is not None:
            self._seated, self._search, self._note = found, None, ""
            self._is_recalled = self._snapshot is not None
        if self._seated is not None:
            try:
                yield from self._from_there(self._seated, scribbles)
                return
            except LostError:
                self._stay_here(
                    f"The engine at {self._engine.address} does not answer any more; the run goes "
                    "on on this machine, and later ones return to it when it is back."
                )
        yield from self._from_here(scribbles)

    def memory(self) -> object:
        """Where the newest estimate was made; see `Fit.memory`."""
        return self._snapshot

    def recall(self, memory: object) -> None:
        """Go back to that; see `Fit.recall`."""
        known = isinstance(memory, Snapshot)
        self._snapshot = memory if isinstance(memory, Snapshot) else Snapshot(value=memory)
        self._is_recalled = known or memory is not None

    @property
    def place(self) -> Place | None:
        """Where it is, as long as that is this machine."""
        return None if self._here is None or self._seated is not None else self._here.place

    def _from_there(self, seated: Seated, scribbles: Scribbles) -> Iterator[Estimate]:
        memory = self._snapshot.data if self._is_recalled and self._snapshot else b""
        for estimate, told in seated.estimates(scribbles, memory):
            self._snapshot, self._is_recalled = Snapshot(told), False
            yield estimate

    def _from_here(self, scribbles: Scribbles) -> Iterator[Estimate]:
        if self._here is None:
            self._here = PlacedFit(self._segmenter, self._image, "auto")
        if self._is_recalled and self._snapshot is not None:
            self._here.recall(self._snapshot.value)
        self._is_recalled = False
        for estimate in self._here.refine(scribbles):
            self._snapshot = Snapshot(value=self._here.memory())
            yield replace(estimate, note=" ".join(filter(None, (self._note, estimate.note))))

    def _stay_here(self, note: str) -> None:
        """Until a seat is found, from where the last estimate was made."""
        self._seated, self._note = None, note
        self._is_recalled = self._snapshot is not None
        self._search = _Search(self._engine, self._segmenter, self._image)
        weakref.finalize(self, self._search.end)


class _Search:
    """Looks for a seat in a thread of its own, until there is one or nobody needs it any more."""

    def __init__(self, engine: Engine, segmenter: Segmenter, image: Image) -> None:
        self._ends = threading.Event()
        self._found: Seated | None = None
        work = (engine, segmenter, image)
        threading.Thread(target=self._look, args=work, name="unseg-engine", daemon=True).start()

    def found(self) -> Seated | None:
        """The seat, None as long as there is none."""
        return self._found

    def end(self) -> None:
        """Nobody needs it any more."""
        self._ends.set()

    def _look(self, engine: Engine, segmenter: Segmenter, image: Image) -> None:
        pause = FIRST_PAUSE_S
        while not self._ends.wait(pause):
            try:
                self._found = engine.seat(segmenter, image)
            except (OSError, ValueError):
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                return


def _gpus(client: Client) -> list[str] | None:
    """Workers that say they have a GPU; None: none does, so any will do."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    found = [address for address, facts in workers.items() if facts["resources"].get("GPU")]
    return found or None
