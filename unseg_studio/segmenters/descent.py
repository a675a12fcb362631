"""AdamW by the function of torch, without the class around it.

The first step of any optimiser class of `torch.optim` loads torch's compiler, which nothing here
uses: a second of the first proposal, and a tenth of all memory that the window takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.peers import ALONE, Peers


@dataclass(frozen=True, eq=False)
class Momentum:
    """What the steps so far have left, for each parameter: their number and two running means."""

    counts: list[torch.Tensor]
    means: list[torch.Tensor]
    squares: list[torch.Tensor]

    def copy(self) -> Momentum:
        """The same, which no further step changes."""
        return Momentum(*([t.clone() for t in own] for own in vars(self).values()))


class AdamW:
    """I. Loshchilov, F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019.

    Parameters
    ----------
    parameters : iterable of Parameter
        What to change; each takes part in the loss.
    rate : float
        How far a step goes.
    decay : float
        By how much of the rate parameters shrink in a step; 0: what is called Adam.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], rate: float, *, decay: float = 0.01
    ) -> None:
        self._parameters: list[torch.Tensor] = list(parameters)
        self._rate, self._decay = rate, decay
        self._momentum = Momentum(
            [torch.zeros(()) for _ in self._parameters],
            [torch.zeros_like(p) for p in self._parameters],
            [torch.zeros_like(p) for p in self._parameters],
        )

    def step(self, loss: torch.Tensor, rate: float | None = None, *, peers: Peers = ALONE) -> None:
        """Change the parameters so that the loss gets smaller; `rate` is of this step alone.

        Several `peers` have the same loss, each with a path to the parameters from its share.
        """
        from torch.optim.adamw import adamw  # torch.optim hides the module behind the class

        gradients = peers.summed(torch.autograd.grad(loss, self._parameters))
        with torch.no_grad():
            adamw(
                *(self._parameters, gradients),
                *(self._momentum.means, self._momentum.squares, [], self._momentum.counts),
                lr=self._rate if rate is None else rate,
                beta1=0.9,
                beta2=0.999,
                eps=1e-8,
                weight_decay=self._decay,
                amsgrad=False,
                maximize=False,
            )

    def momentum(self) -> Momentum:
        """What the steps so far have left, for `recall`."""
        return self._momentum.copy()

    def recall(self, momentum: Momentum) -> None:
        """Go on from there."""
        self._momentum = momentum.copy()
