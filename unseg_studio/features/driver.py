"""torch's functions that touch a device, in one place; all else asks `devices`.

Nothing here decides or explains: what torch raises comes out as it is. Tests put another driver in
the place of this one, which computes on the CPU and fails when they want it to.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from unseg_studio.features.lazy_torch import torch


@dataclass(frozen=True)
class Card:
    """One GPU.

    Parameters
    ----------
    name : str
        As its maker calls it.
    capability : tuple of int
        Which instructions it knows: major and minor number.
    free, total : int
        Bytes of its memory.
    """

    name: str
    capability: tuple[int, int]
    free: int
    total: int


class Driver:
    """The accelerators of this machine, as torch sees them."""

    def wheel(self) -> str:
        """What torch was built for: a version of CUDA or ROCm; empty: CPU only."""
        return str(torch.version.cuda or torch.version.hip or "")

    def architectures(self) -> tuple[str, ...]:
        """Which cards torch brings code for, such as sm_90; empty: unknown."""
        return tuple(torch.cuda.get_arch_list())

    def count(self) -> int:
        """How many cards there are; raises RuntimeError where the driver does not let them be used.

        torch only warns of a driver that is too old, and then says that there is no card.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            n = torch.cuda.device_count()
            if n == 0:
                torch.cuda.init()  # type: ignore[no-untyped-call]
        return int(n)

    def card(self, index: int) -> Card:
        """What one of them is, and how much of its memory is free now.

        Asking takes a few hundred MB of the card, as everything that is done there for the first
        time does.
        """
        found = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        return Card(found.name, (found.major, found.minor), free, total)

    def has_mps(self) -> bool:
        """Whether this is a Mac whose GPU torch can use."""
        return bool(torch.backends.mps.is_available())

    def device(self, word: str) -> torch.device:
        """Where tensors go."""
        return torch.device(word)

    def at(self, word: str, stage: str) -> AbstractContextManager[None]:
        """What is done within is done on this device; `stage` is what it is done for."""
        del stage
        return _on_card(word) if word.startswith("cuda") else nullcontext()

    def select(self, word: str) -> None:
        """Do on this card what is done without saying where."""
        if word.startswith("cuda"):
            torch.cuda.set_device(word)

    def finish(self, word: str) -> None:
        """Wait until the device has done what it was told."""
        if word.startswith("cuda"):
            torch.cuda.synchronize(word)
        elif word == "mps":
            torch.mps.synchronize()

    def give_back(self, word: str) -> None:
        """Let others have the device's memory that this process keeps but does not use."""
        if word.startswith("cuda"):
            with _on_card(word):
                torch.cuda.empty_cache()
        elif word == "mps":
            torch.mps.empty_cache()


@contextmanager
def _on_card(word: str) -> Iterator[None]:
    with torch.cuda.device(word):
        yield
