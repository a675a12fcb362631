"""The other half of `remote`: a fit that lives in a worker of a Dask cluster, as an actor.

its thread: refine -> refine -> refine -> ...      goes on, whether or not somebody asks
an answer:  the first estimate that is ready after it was asked for, and where the fit stood then

So a slow line skips estimates instead of waiting for all of them. The last one is always kept.
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from contextlib import closing, nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import Image, Scribbles
from unseg_studio.document.placed import PlacedFit
from unseg_studio.features.determinism import deterministic
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import Estimate, Segmenter
from unseg_studio.segmenters.models import keep, of_bytes

WAIT_S = 1.0
"""For an estimate; then the answer is that there is none yet, by which it is known to be alive."""

FORGOTTEN_S = 30.0
"""Nobody has asked for so long, so nobody will: a run that was begun for them ends."""


class Packet(NamedTuple):
    """An estimate on its way.

    Parameters
    ----------
    number : int
        Of the estimate in its run, from 1.
    scores : ndarray, (K, h, w) float16, or float32 of the last one
        See `Estimate`.
    estimate : dict
        Its other fields.
    memory : bytes
        See `packed`.
    error : Exception or None
        Why there is no estimate, and none will come.
    """

    number: int
    scores: NDArray[Any]
    estimate: dict[str, Any]
    memory: bytes
    error: Exception | None = None


def packed(memory: object) -> bytes:
    """The memory of a fit for another machine, whose devices are others."""
    stream = io.BytesIO()
    torch.save(memory, stream)
    return stream.getvalue()


def unpacked(data: bytes, device: str) -> Any:
    """What was packed, by a peer that is trusted as much as whoever runs code in the cluster."""
    return torch.load(io.BytesIO(data), map_location=device, weights_only=False)


class Seat:
    """A fit, and the thread in which it is refined.

    Parameters
    ----------
    segmenter, image
        What to fit.
    model : bytes
        What the segmenter has learned from many images; empty: nothing.
    alike : bool
        Whether the same labels have to come out each time; see `determinism`.
    """

    def __init__(self, segmenter: Segmenter, image: Image, model: bytes, alike: bool) -> None:
        if model:
            keep(of_bytes(model, "The model of this engine"))
        self._fit = PlacedFit(segmenter, image, "auto")
        self._computing = deterministic if alike else nullcontext
        self._news = threading.Condition()
        self._run = 0
        self._thread: threading.Thread | None = None
        self._mail: Packet | None = None
        self._asked_at = 0.0
        self._is_asked = False

    async def refine(self, run: int, scribbles: Scribbles, memory: bytes) -> Packet | None:
        """Begin a run, from `memory` if there is one, and wait for its first estimate."""
        with self._news:
            self._run, self._mail = run, None
            work = (run, scribbles, memory, self._thread)
            self._thread = threading.Thread(target=self._refine, args=work, daemon=True)
            self._is_asked, self._asked_at = True, time.monotonic()
            self._thread.start()
        return await self.newest(run, 0)

    async def newest(self, run: int, after: int) -> Packet | None:
        """The next estimate after one of a run; None: there is none yet."""
        return await asyncio.to_thread(self._newest, run, after)

    async def stop(self, run: int) -> None:
        """End a run, at the estimate that it is at."""
        with self._news:
            if run == self._run:
                self._run = 0
                self._news.notify_all()

    def _newest(self, run: int, after: int) -> Packet | None:
        def is_there() -> bool:
            return run != self._run or (self._mail is not None and self._mail.number > after)

        with self._news:
            self._is_asked, self._asked_at = True, time.monotonic()
            self._news.wait_for(is_there, WAIT_S)
            mail = self._mail
        return mail if mail is not None and mail.number > after else None

    def _refine(
        self, run: int, scribbles: Scribbles, memory: bytes, before: threading.Thread | None
    ) -> None:
        """In the thread of the run: begins when that of the run before has ended."""
        if before is not None:
            before.join()
        try:
            if memory:
                self._fit.recall(unpacked(memory, "cpu"))
            with self._computing(), closing(self._fit.refine(scribbles)) as estimates:
                for number, estimate in enumerate(estimates, 1):
                    if not self._goes_on(run):
                        return
                    self._tell(run, number, estimate)
        except Exception as error:  # it belongs on the screen of whoever asked
            self._post(run, Packet(2**31, np.zeros((0, 0, 0)), {}, b"", _sendable(error)))

    def _goes_on(self, run: int) -> bool:
        return run == self._run and time.monotonic() < self._asked_at + FORGOTTEN_S

    def _tell(self, run: int, number: int, estimate: Estimate) -> None:
        if self._is_asked or estimate.is_last:
            self._is_asked = False
            self._post(run, _packet(number, estimate, packed(self._fit.memory())))

    def _post(self, run: int, packet: Packet) -> None:
        with self._news:
            if run == self._run:
                self._mail = packet
                self._news.notify_all()


def _packet(number: int, estimate: Estimate, memory: bytes) -> Packet:
    """Half as many bytes for what is only seen for a moment."""
    scores = estimate.scores.detach().cpu()
    dtype = torch.float32 if estimate.is_last else torch.float16
    rest = {name: value for name, value in vars(estimate).items() if name != "scores"}
    return Packet(number, scores.to(dtype).numpy(), rest, memory)


def _sendable(error: Exception) -> Exception:
    """An error that can travel, whatever it holds."""
    if isinstance(error, ValueError | OSError):
        return ValueError(str(error))
    if isinstance(error, MemoryError):
        return MemoryError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")
