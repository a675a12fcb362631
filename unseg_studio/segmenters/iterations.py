"""DiffCluster's iterations at one resolution: taken without asking, judged a little later.

Whoever asks a graphics processor for a value waits until it has done all that it was told. So an
iteration leaves what the stopping tests need in memory that the processor copies to the host by
itself, and is judged when the next few are on their way already:

    device   | 4 | 5 | 6 | 7 | 8 |          each keeps the weights that it began with
    host       judges 0, 1, 2, 3 ...        until an end: then the weights of that moment are taken

Where nothing runs beside the host (`device` is the processor itself) the delay is none, and the
labels are the same with any: what was done after the end is undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from unseg_studio.features.capture import Captured, Recorder, capture, rounded_convolutions
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import losses
from unseg_studio.segmenters.response import Level
from unseg_studio.segmenters.sgd import SGD

DELAY = 4
"""Iterations on CUDA that are on their way while one is judged."""

STRIDE = 8
"""Every so many iterations on CUDA are shown at most, of small planes; so many of the `paper`
preset at 481 x 321 px are 16 ms where they run at the pace that is wanted of it."""

SHOWN = 1_250_000
"""Pixels between two that are shown: of large planes, whose iterations take long, each one is."""

RESTING = 1e-3
"""Labels rest when a smaller part of the pixels than this changes its label in an iteration."""

End = Literal["no", "here", "before"]
"""Whether a run ends: with this iteration, or with the one before it."""


class Outcome(NamedTuple):
    """What the stopping tests need of an iteration.

    Parameters
    ----------
    loss : float
        Value of the objective.
    n_labels : float
        How many clusters win at least one pixel.
    churn : float
        Part of the pixels whose label differs from the one in the iteration before, 0 to 1.
    """

    loss: float
    n_labels: float
    churn: float


class Shown(NamedTuple):
    """An iteration that somebody may look at: its number from 0, response (q, h, w), loss."""

    number: int
    response: torch.Tensor
    loss: float


@dataclass(frozen=True)
class Pace:
    """How far the device runs ahead of the host.

    Parameters
    ----------
    delay : int
        Iterations that are on their way while one is judged.
    stride : int
        Every so many are shown.
    """

    delay: int = 0
    stride: int = 1

    @classmethod
    def of(cls, device: torch.device) -> Pace:
        """That of a device: CUDA alone works while the host does something else."""
        return cls(DELAY, STRIDE) if device.type == "cuda" else cls()

    def on(self, shape: tuple[int, int]) -> Pace:
        """The same on a (h, w) plane: iterations on large ones are shown more often."""
        return Pace(self.delay, min(self.stride, max(1, SHOWN // (shape[0] * shape[1]))))


@dataclass
class Ending:
    """The stopping tests of a run.

    Parameters
    ----------
    fewest : int
        With so many labels a run ends as published; with `patience` it never has fewer.
    patience : int
        Iterations that the labels must rest; 0: as published.
    quiet : int
        For how many they have rested.
    """

    fewest: int
    patience: int
    quiet: int = 0

    def of(self, number: int, outcome: Outcome) -> End:
        """Take the outcome of iteration `number`, in order, and say whether the run ends."""
        if not self.patience:
            return "here" if outcome.n_labels <= self.fewest else "no"
        if number and outcome.n_labels < self.fewest:
            return "before"
        self.quiet = self.quiet + 1 if number and outcome.churn < RESTING else 0
        return "here" if self.quiet >= self.patience else "no"


@dataclass(frozen=True)
class Weighting:
    """What an iteration is made with.

    Parameters
    ----------
    mu, nu : float
        Weights of continuity and scribbles.
    n_clusters : int
        Channels of the response.
    is_scribbled : bool
        The objective has a term of scribbles.
    is_rounded : bool
        Convolutions may round their factors on CUDA; see `rounded_convolutions`.
    """

    mu: float
    nu: float
    n_clusters: int
    is_scribbled: bool = False
    is_rounded: bool = False


class Iteration:
    """One iteration of the paper at one resolution, on tensors that stay where they are.

    Parameters
    ----------
    net : Sequential
        The network.
    descent : SGD
        Changes its weights.
    level : Level
        The image.
    weighting : Weighting
        Of the objective.
    pace : Pace
        Of those who take it; so many weights are kept.
    """

    def __init__(
        self,
        net: torch.nn.Sequential,
        descent: SGD,
        level: Level,
        *,
        weighting: Weighting,
        pace: Pace,
    ) -> None:
        self._net, self._descent, self._level = net, descent, level
        self._weighting, self._n_kept = weighting, pace.delay + 2
        device = level.image.device
        self.outcome = torch.zeros(3, device=device)
        self.response = torch.empty(0, *level.shape, device=device)
        self._labels = torch.zeros(level.shape, dtype=torch.int64, device=device)
        self._targets = torch.full_like(self._labels, losses.UNSCRIBBLED)
        self._moved = [*descent.parameters, *descent.momenta]
        size = sum(tensor.numel() for tensor in self._moved)
        self._kept = torch.zeros(self._n_kept, size, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)

    def __call__(self) -> None:
        """Take it."""
        with rounded_convolutions(self._level.image.device, allowed=self._weighting.is_rounded):
            response = self._net(self._level.image)[0].permute(1, 2, 0)
            if not response.is_cuda:  # the layout whose sums the published losses have
                response = response.contiguous()
            labels = response.detach().argmax(dim=2)
            self._keep()
            loss = losses.objective(
                response,
                labels,
                self._targets if self._weighting.is_scribbled else None,
                mu=self._weighting.mu,
                nu=self._weighting.nu,
            )
            self._descent.step(loss)
        n_labels = winners(labels, self._weighting.n_clusters).sum()
        churn = (labels != self._labels).float().mean()
        self.outcome.copy_(torch.stack([loss.detach(), n_labels, churn]))
        self._labels.copy_(labels)
        self.response = response.detach().permute(2, 0, 1)

    def begin(self, targets: torch.Tensor) -> None:
        """Start a run: the next iteration is its first, towards these targets, (h, w) int64."""
        self._targets.copy_(targets)
        self._place.zero_()

    def go_to(self, number: int) -> None:
        """Take the weights and the momentum that iteration `number` of the run began with."""
        with torch.no_grad():
            kept, sizes = self._kept[number % self._n_kept], [t.numel() for t in self._moved]
            values = torch.split(kept, sizes)
            for tensor, value in zip(self._moved, values, strict=True):
                tensor.copy_(value.view(tensor.shape))

    def forget(self) -> None:
        """Begin anew, without momentum."""
        self._descent.forget()

    def looked(self) -> torch.Tensor:
        """The response to the weights as they are, (q, h, w)."""
        with (
            torch.no_grad(),
            rounded_convolutions(self._level.image.device, allowed=self._weighting.is_rounded),
        ):
            response: torch.Tensor = self._net(self._level.image)[0]
        return response

    def changes(self) -> list[torch.Tensor]:
        """All that an iteration changes and a later one reads."""
        own = [self._kept, self._place, self._labels]
        return [*self._moved, *self._net.buffers(), *own]

    def _keep(self) -> None:
        """Remember weights and momentum; where, the device counts by itself."""
        with torch.no_grad():
            flat = torch.cat([tensor.reshape(-1) for tensor in self._moved])
            self._kept.index_copy_(0, self._place, flat[None])
            self._place.add_(1).remainder_(self._n_kept)


class Readings:
    """Outcomes on their way from the device to the host, the last few; of so many values each."""

    def __init__(self, device: torch.device, n_kept: int, *, width: int = 3) -> None:
        self._is_apart, self._n_kept = device.type == "cuda", n_kept
        self._values = torch.zeros(n_kept, width, pin_memory=self._is_apart)
        self._arrived: list[torch.cuda.Event] = []
        if self._is_apart:
            new = torch.cuda.Event
            self._arrived = [new() for _ in range(n_kept)]  # type: ignore[no-untyped-call]

    def send(self, number: int, outcome: torch.Tensor) -> None:
        """Send that of an iteration, (width,), without waiting for it."""
        place = number % self._n_kept
        self._values[place].copy_(outcome, non_blocking=self._is_apart)
        if self._is_apart:
            self._arrived[place].record(torch.cuda.current_stream(outcome.device))

    def read(self, number: int) -> Outcome:
        """Wait for that of an iteration."""
        return Outcome(*self.values(number))

    def values(self, number: int) -> list[float]:
        """The same for others who send something."""
        place = number % self._n_kept
        if self._is_apart:
            self._arrived[place].synchronize()
        return [float(value) for value in self._values[place].tolist()]


class Iterations:
    """An iteration that is ready to be taken many times, recorded where the device can.

    Parameters
    ----------
    iteration : Iteration
        See there.
    device : torch.device
        Where it runs.
    pace : Pace
        How far the device runs ahead.
    recorder : Recorder or None
        See `capture`.
    """

    def __init__(
        self,
        iteration: Iteration,
        device: torch.device,
        *,
        pace: Pace,
        recorder: Recorder | None = None,
    ) -> None:
        self._iteration, self._pace = iteration, pace
        self._readings = Readings(device, pace.delay + 1)
        self._step: Captured = capture(iteration, iteration.changes(), device, recorder=recorder)

    @property
    def note(self) -> str:
        """Why they could not be recorded; mostly empty."""
        return self._step.note

    def run(self, budget: int, targets: torch.Tensor, ending: Ending) -> Iterator[Shown]:
        """Take at most so many; each yield is a place to stop at.

        Afterwards weights and momentum are those that the iteration after the last shown one would
        begin with. Where too few labels ended the run, the weights are those that the last shown
        one began with, and the momentum that led away from them is forgotten.
        """
        self._iteration.begin(targets)
        judged, before, n_shown = 0, None, 0
        for number in range(budget):
            self._step()
            self._readings.send(number, self._iteration.outcome)
            is_shown = (number + 1) % self._pace.stride == 0 or number == budget - 1
            while judged <= (number if is_shown else number - self._pace.delay):
                outcome = self._readings.read(judged)
                end = ending.of(judged, outcome)
                if end == "here":
                    yield Shown(judged, self._back_after(judged, number), outcome.loss)
                    return
                if end == "before" and before is not None:
                    response = self._back_to(judged - 1)
                    if judged > n_shown:
                        yield Shown(judged - 1, response, before.loss)
                    return
                judged, before = judged + 1, outcome
            if is_shown and before is not None:
                n_shown = judged
                yield Shown(number, self._response(), before.loss)

    def _back_after(self, number: int, taken: int) -> torch.Tensor:
        """Undo what was taken after iteration `number`; its response."""
        if taken == number:
            return self._response()
        self._iteration.go_to(number)
        response = self._iteration.looked()
        self._iteration.go_to(number + 1)
        return response

    def _back_to(self, number: int) -> torch.Tensor:
        """Take the weights that iteration `number` began with; its response."""
        self._iteration.go_to(number)
        self._iteration.forget()
        return self._iteration.looked()

    def _response(self) -> torch.Tensor:
        """Of the last iteration that was taken; the next one does not change it."""
        response = self._iteration.response
        return response.clone() if self._step.is_replayed else response


def winners(labels: torch.Tensor, n_clusters: int) -> torch.Tensor:
    """For each of the clusters, 1 where it has a pixel and 0 where it has none, (q,) float32.

    Parameters
    ----------
    labels : Tensor, (h, w) int64
        0 to n_clusters - 1.
    n_clusters : int
        q.
    """
    none = torch.zeros(n_clusters, device=labels.device)
    return none.index_fill_(0, labels.reshape(-1), 1.0)
