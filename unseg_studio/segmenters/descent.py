"""AdamW by the function of torch, without the class around it.

The first step of any optimiser class of `torch.optim` loads torch's compiler, which nothing here
uses: a second of the first proposal, and a tenth of all memory that the window takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.peers import ALONE, Peers

MEAN, SQUARE, TINY = 0.9, 0.999, 1e-8
"""How much of the two running means a step keeps, and what keeps a quotient finite."""


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
    is_still : bool or None
        A step asks for no value, so that it can be recorded; the numbers of steps lie where the
        parameters are. None: on CUDA. The same up to rounding.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        rate: float,
        *,
        decay: float = 0.01,
        is_still: bool | None = None,
    ) -> None:
        self._parameters: list[torch.Tensor] = list(parameters)
        self._rate, self._decay = rate, decay
        first = self._parameters[0]
        self._is_still = first.is_cuda if is_still is None else is_still
        place = first.device if self._is_still else None
        self._momentum = Momentum(
            [torch.zeros((), device=place) for _ in self._parameters],
            [torch.zeros_like(p, requires_grad=False) for p in self._parameters],
            [torch.zeros_like(p, requires_grad=False) for p in self._parameters],
        )

    def step(self, loss: torch.Tensor, rate: float | None = None, *, peers: Peers = ALONE) -> None:
        """Change the parameters so that the loss gets smaller; `rate` is of this step alone.

        Several `peers` have the same loss, each with a path to the parameters from its share.
        """
        gradients = peers.summed(torch.autograd.grad(loss, self._parameters))
        if self._is_still:
            self._still_step(gradients, self._rate if rate is None else rate)
            return
        from torch.optim.adamw import adamw  # torch.optim hides the module behind the class

        with torch.no_grad():
            adamw(
                *(self._parameters, gradients),
                *(self._momentum.means, self._momentum.squares, [], self._momentum.counts),
                lr=self._rate if rate is None else rate,
                beta1=MEAN,
                beta2=SQUARE,
                eps=TINY,
                weight_decay=self._decay,
                amsgrad=False,
                maximize=False,
            )

    def _still_step(self, gradients: list[torch.Tensor], rate: float) -> None:
        """The step of the paper, algorithm 2, in operations that nobody has to wait for."""
        with torch.no_grad():
            self._change(gradients, rate)

    def _change(self, gradients: list[torch.Tensor], rate: float) -> None:
        counts, means, squares = vars(self._momentum).values()
        torch._foreach_add_(counts, 1.0)
        torch._foreach_mul_(self._parameters, 1 - rate * self._decay)
        torch._foreach_lerp_(means, gradients, 1 - MEAN)
        torch._foreach_mul_(squares, SQUARE)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - SQUARE)
        n_steps = counts[0]  # all parameters take every step
        deviations = torch._foreach_sqrt(squares)
        torch._foreach_div_(deviations, (1 - SQUARE**n_steps).sqrt())
        torch._foreach_add_(deviations, TINY)
        changes = torch._foreach_div(means, deviations)
        torch._foreach_mul_(changes, rate / (1 - MEAN**n_steps))
        torch._foreach_sub_(self._parameters, changes)

    def state(self) -> list[torch.Tensor]:
        """All that a step changes beside the parameters, in place."""
        return [tensor for tensors in vars(self._momentum).values() for tensor in tensors]

    def momentum(self) -> Momentum:
        """What the steps so far have left, for `recall`."""
        return self._momentum.copy()

    def recall(self, momentum: Momentum) -> None:
        """Go on from there."""
        for own, others in zip(vars(self._momentum).values(), vars(momentum).values(), strict=True):
            for tensor, value in zip(own, others, strict=True):
                tensor.copy_(value)
