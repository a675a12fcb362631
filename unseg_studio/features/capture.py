"""A step of fixed shapes, recorded once and replayed: a hundred small launches become one.

A small network on a small image keeps a graphics processor waiting for the next order most of the
time. A CUDA graph holds the orders of one step, whatever they are: forward, losses, backward and
the change of weights; replayed, they run without Python and without a pause. What a step must be
for that:

    it takes nothing and gives nothing: it reads and changes tensors that stay where they are;
    it never asks for a value: no `item`, no `bool` of a tensor, no `unique`, no index by a mask;
    it does the same operations on the same shapes each time.

Everywhere else, and where the recording fails, the very same step simply runs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from unseg_studio.features.lazy_torch import torch

T = TypeVar("T")

Step = Callable[[], None]

WARM_UP = 3
"""Steps before the recording: libraries choose their algorithms in the first ones, and ask."""

N_KEPT = 4
"""Recordings that are kept at a time; each holds the memory of all that lies between."""


class Recorder(Protocol):
    """What records a step on a device."""

    def warmed_up(self, step: Step) -> None:
        """Take the step a few times, off the stream that everything else is on."""
        ...

    def recorded(self, step: Step) -> Step:
        """Record one step without taking it; what is given back takes it.

        Raises
        ------
        RuntimeError
            If the step cannot be recorded.
        """
        ...


@dataclass(frozen=True, eq=False)
class Captured:
    """A step that is ready to be taken again and again.

    Parameters
    ----------
    step : callable
        Takes it; the changed tensors are there as soon as the device has come so far.
    is_replayed : bool
        It is a recording: results lie in the same tensors after each step, so who wants to keep
        one copies it.
    note : str
        Why it is none although this device could record, in a sentence; mostly empty.
    """

    step: Step
    is_replayed: bool = False
    note: str = ""

    def __call__(self) -> None:
        """Take the step."""
        self.step()


def capture(
    step: Step,
    changes: Sequence[torch.Tensor],
    device: torch.device,
    *,
    recorder: Recorder | None = None,
) -> Captured:
    """Record a step where the device can; it is not taken by this.

    Parameters
    ----------
    step : callable
        See the head of this module.
    changes : sequence of Tensor
        All that a step changes and a later one reads: weights, momentum, counters. The steps that
        warm up change them, and this puts them back.
    device : torch.device
        Where the tensors are.
    recorder : Recorder or None
        None: the one of the device, which only CUDA has.
    """
    recorder = recorder or _recorder_of(device)
    if recorder is None:
        return Captured(step)
    before = [tensor.clone() for tensor in changes]
    try:
        recorder.warmed_up(step)
        return Captured(recorder.recorded(step), is_replayed=True)
    except RuntimeError as error:  # torch's own, of memory too: without a recording it needs less
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        note = f"Steps run one by one, which is slower: they could not be recorded ({reason})."
        return Captured(step, note=note)
    finally:
        with torch.no_grad():
            for tensor, value in zip(changes, before, strict=True):
                tensor.copy_(value)


class CaptureShelf(Generic[T]):
    """What was recorded and used last, by what it was made for."""

    def __init__(self, limit: int = N_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """That of a key, made where there is none; the one not used for longest makes room."""
        if key not in self._kept:
            while len(self._kept) >= self._limit:
                self._kept.popitem(last=False)
            self._kept[key] = make()
        self._kept.move_to_end(key)
        return self._kept[key]

    def clear(self) -> None:
        """Let go of all, and of the memory of the device that they hold."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


class CudaRecorder:
    """CUDA graphs; each has a pool of memory of its own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def warmed_up(self, step: Step) -> None:
        """See `Recorder`."""
        with torch.cuda.device(self._device):
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            here = torch.cuda.current_stream()
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    step()
            here.wait_stream(side)

    def recorded(self, step: Step) -> Step:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device):
            # Of this device: the stream that torch would take is of whichever one came first.
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            # Other threads may use the device meanwhile; what they do is no part of the step.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                step()

        def replay() -> None:
            with torch.cuda.device(self._device):
                graph.replay()

        return replay


def _recorder_of(device: torch.device) -> Recorder | None:
    return CudaRecorder(device) if device.type == "cuda" else None


@contextmanager
def rounded_convolutions(device: torch.device, *, allowed: bool) -> Iterator[None]:
    """Let convolutions round their factors to 10 bits (TF32) on CUDA, or forbid it.

    Their sums stay float32. The matrix units that do this are several times as quick.
    """
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cudnn
    before = settings.allow_tf32
    settings.allow_tf32 = allowed
    try:
        yield
    finally:
        settings.allow_tf32 = before
