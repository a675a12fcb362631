"""A driver whose devices compute on the CPU, and fail when a test wants them to.

It stands in at the one place where devices are touched (`devices.standing_in`); everything above is
what runs in production.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from unseg_studio.features.driver import Card, Driver

GIB = 2**30
H200 = Card("NVIDIA H200", (9, 0), 130 * GIB, 139 * GIB)
A40 = Card("NVIDIA A40", (8, 6), 40 * GIB, 45 * GIB)
K80 = Card("Tesla K80", (3, 7), 11 * GIB, 11 * GIB)

FULL = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139 GiB."
)
MPS_FULL = RuntimeError("MPS backend out of memory (MPS allocated: 8.89 GB, max allowed: 9.07 GB).")
GONE = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")
NO_KERNEL = RuntimeError("CUDA error: no kernel image is available for execution on the device")
NO_OPERATOR = NotImplementedError(
    "The operator 'aten::made_up' is not currently implemented for the MPS device."
)
NO_DRIVER = RuntimeError("Found no NVIDIA driver on your system. Please check that you have ...")
OLD_DRIVER = RuntimeError(
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU ..."
)


@dataclass
class Fault:
    """What is raised, at which visits of a stage on devices of a kind."""

    error: Exception
    stage: str
    kind: str
    first: int
    last: int
    seen: int = 0

    def is_due(self, kind: str, stage: str) -> bool:
        if (kind, stage) != (self.kind, self.stage):
            return False
        self.seen += 1
        return self.first <= self.seen <= self.last


class FaultyDriver(Driver):
    """Cards, or a Mac's GPU, as a test wants them."""

    def __init__(
        self,
        *cards: Card,
        mps: bool = False,
        wheel: str = "12.8",
        counting: Exception | None = None,
        built: tuple[str, ...] = ("sm_80", "sm_90", "compute_90"),
    ) -> None:
        self._cards, self._mps, self._wheel = cards, mps, wheel
        self._counting, self._built = counting, built
        self._faults: list[Fault] = []
        self.visits: list[tuple[str, str]] = []
        self.n_given_back = 0
        self.given_back = threading.Event()

    def fail(
        self, stage: str, error: Exception, *, on: str = "cuda", at: int = 1, times: int = 1
    ) -> None:
        """Raise an error from the visit `at` of a stage on, so many times."""
        self._faults.append(Fault(error, stage, on, at, at + times - 1))

    def stages(self, word: str) -> list[str]:
        """What one device was at, in order, without repetitions in a row."""
        seen = [stage for device, stage in self.visits if device == word]
        return [s for i, s in enumerate(seen) if i == 0 or seen[i - 1] != s]

    def wheel(self) -> str:
        return self._wheel

    def architectures(self) -> tuple[str, ...]:
        return self._built

    def count(self) -> int:
        if self._counting is not None:
            raise self._counting
        return len(self._cards)

    def card(self, index: int) -> Card:
        return self._cards[index]

    def has_mps(self) -> bool:
        return self._mps

    def device(self, word: str) -> torch.device:
        return torch.device("cpu")

    @contextmanager
    def at(self, word: str, stage: str) -> Iterator[None]:
        self.visits.append((word, stage))
        kind = word.partition(":")[0]
        for fault in self._faults:
            if fault.is_due(kind, stage):
                raise fault.error
        yield

    def finish(self, word: str) -> None:
        pass

    def give_back(self, word: str) -> None:
        self.n_given_back += 1
        self.given_back.set()


ALWAYS = 10**6
