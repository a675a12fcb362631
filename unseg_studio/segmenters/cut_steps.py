"""The steps of a cut: taken without asking, so that CUDA can record and replay them.

As in `iterations`, an objective is read when the next few steps are on their way. Here nothing is
undone: where the loss rests, the steps that were on their way count, too. On the processor, which
has no delay, each step is the one that it was when each was waited for.

What dropout leaves out is told by the seed and the number of the step. On the processor the network
draws it itself; on a device, for many steps at once, since drawing is no part of a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from unseg_studio.features.capture import Captured, Recorder, capture
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters import cuts
from unseg_studio.segmenters.base import seeded
from unseg_studio.segmenters.descent import AdamW
from unseg_studio.segmenters.iterations import Pace, Readings

N_DRAWN = 64
"""Steps for which dropout is drawn at once."""

STRIDE = 4
"""Every so many are shown at most: a step takes few milliseconds, as long as making it a frame."""

RESTING_LOSS = 1e-4
"""A loss rests when it falls by less than this."""


@dataclass(frozen=True, eq=False)
class Aim:
    """What a network is trained towards.

    Parameters
    ----------
    inputs : Tensor, (M, F) float32
        What it sees of each node.
    weights : Tensor, (M, M) float32, or None
        Ties between nodes, at least 0; None: no objective asks for them.
    signed : Tensor, (M, M) float32, or None
        Ties without k.
    targets : Tensor, (M,) int64, or None
        Cluster wanted of each node, -1 for none.
    """

    inputs: torch.Tensor
    weights: torch.Tensor | None = None
    signed: torch.Tensor | None = None
    targets: torch.Tensor | None = None

    @property
    def kind(self) -> tuple[bool, ...]:
        """Which parts there are: aims of a kind can share a recording."""
        return tuple(value is not None for value in vars(self).values())

    def copy(self) -> Aim:
        """The same in tensors of its own."""
        own = {name: value.clone() for name, value in vars(self).items() if value is not None}
        return Aim(**own)

    def take(self, other: Aim) -> None:
        """Take the values of another aim of this kind."""
        for own, value in zip(vars(self).values(), vars(other).values(), strict=True):
            if own is not None:
                own.copy_(value)


Objective = Callable[[Aim, "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""The loss, of an aim, logits and shares of the clusters, (M, K) both."""


@dataclass
class Rest:
    """Counts for how many steps the loss has rested; with patience 0 it never does."""

    patience: int
    best: float = float("inf")
    quiet: int = 0

    def is_reached(self, loss: float) -> bool:
        """Take the loss of a step and say whether it has rested for long enough."""
        self.quiet = 0 if loss < self.best - RESTING_LOSS else self.quiet + 1
        self.best = min(self.best, loss)
        return bool(self.patience) and self.quiet >= self.patience


class CutSteps:
    """Steps of one network towards aims of one kind.

    Parameters
    ----------
    net : Sequential
        From `cuts.network`: dropout, and a linear layer, are its last two.
    descent : AdamW
        Changes its weights.
    aim : Aim
        The first one.
    objective : callable
        See `Objective`.
    dropout, seed : float, int
        Share of the hidden layer that is left out in each step, and by which chance.
    recorder : Recorder or None
        See `capture`.
    """

    def __init__(
        self,
        net: torch.nn.Sequential,
        descent: AdamW,
        aim: Aim,
        objective: Objective,
        *,
        dropout: float = 0.0,
        seed: int = 0,
        recorder: Recorder | None = None,
    ) -> None:
        device = aim.inputs.device
        self._net, self._descent, self._objective = net, descent, objective
        self._dropout, self._seed, self._pace = dropout, seed, Pace.of(device)
        self._is_still = recorder is not None or device.type == "cuda"
        self._aim = aim.copy() if self._is_still else aim
        self._outcome = torch.zeros(1, device=device)
        self._shares = torch.empty(0, device=device)
        self._n_done = self.n_taken = 0
        self._masks: torch.Tensor | None = None
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        if dropout and self._is_still:
            self._masks = torch.zeros(N_DRAWN, len(aim.inputs), cuts.HIDDEN, device=device)
        self._readings = Readings(device, self._pace.delay + 1, width=1)
        changes = [*net.parameters(), *descent.state(), self._place]
        self._step: Captured = capture(self._take, changes, device, recorder=recorder)

    @property
    def shares(self) -> torch.Tensor:
        """Of the clusters, before the last step, (M, K); no later step changes them."""
        return self._shares.clone() if self._step.is_replayed else self._shares

    def run(self, aim: Aim, budget: int, rest: Rest, *, n_done: int) -> Iterator[float]:
        """Take at most so many steps: the loss of each that is shown.

        Parameters
        ----------
        aim : Aim
            Of this kind.
        budget : int
            The most steps.
        rest : Rest
            When to stop.
        n_done : int
            Steps that the network has taken before.
        """
        if self._is_still:
            self._aim.take(aim)
        else:
            self._aim = aim
        judged, loss, delay = 0, float("nan"), self._pace.delay
        stride = max(STRIDE, self._pace.stride)
        for number in range(budget):
            self._n_done = n_done + number
            self._draw(number)
            self._step()
            self.n_taken = number + 1
            self._readings.send(number, self._outcome)
            is_shown = (number + 1) % stride == 0 or number == budget - 1
            while judged <= (number if is_shown else number - delay):
                (loss,) = self._readings.values(judged)
                judged += 1
                if rest.is_reached(loss):
                    yield loss
                    return
            if is_shown:
                yield loss

    def _take(self) -> None:
        logits = self._logits(self._aim.inputs)
        shares = logits.softmax(dim=1)
        loss = self._objective(self._aim, logits, shares)
        self._descent.step(loss)
        self._outcome.copy_(loss.detach()[None])
        self._shares = shares.detach()

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self._dropout:
            return torch.as_tensor(self._net(inputs))
        if self._masks is None:
            with seeded(self._seed + self._n_done):
                return torch.as_tensor(self._net(inputs))
        hidden = self._net[:-2](inputs) * self._masks.index_select(0, self._place)[0]
        with torch.no_grad():
            self._place.add_(1).remainder_(N_DRAWN)
        return torch.as_tensor(self._net[-1](hidden))

    def _draw(self, number: int) -> None:
        """What dropout leaves out in the steps from this one on, where that is due."""
        if self._masks is None or number % N_DRAWN:
            return
        chance = torch.Generator(self._masks.device).manual_seed(self._seed + self._n_done)
        kept = 1 - self._dropout
        self._masks.bernoulli_(kept, generator=chance).div_(kept)
        self._place.zero_()
