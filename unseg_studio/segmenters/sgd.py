"""Stochastic gradient descent with momentum, in place: nothing of it moves, so a step can be
recorded.

The classes of `torch.optim` make their buffers in the first step, and load torch's compiler; see
`descent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unseg_studio.features.lazy_torch import torch

MOMENTUM = 0.9


class SGD:
    """B. Polyak, *Some Methods of Speeding up the Convergence of Iteration Methods*, 1964.

    Parameters
    ----------
    parameters : iterable of Parameter
        What to change; each takes part in the loss.
    rate : float
        How far a step goes.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], rate: float) -> None:
        self.parameters: list[torch.Tensor] = list(parameters)
        self.momenta = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self._rate = rate

    def step(self, loss: torch.Tensor) -> None:
        """Change the parameters so that the loss gets smaller."""
        self.apply(torch.autograd.grad(loss, self.parameters))

    def apply(self, gradients: Sequence[torch.Tensor]) -> None:
        """The same with gradients that are known."""
        with torch.no_grad():
            torch._foreach_mul_(self.momenta, MOMENTUM)
            torch._foreach_add_(self.momenta, list(gradients))
            torch._foreach_add_(self.parameters, self.momenta, alpha=-self._rate)

    def momentum(self) -> list[torch.Tensor]:
        """What the steps so far have left, for `recall`."""
        return [momentum.clone() for momentum in self.momenta]

    def recall(self, momentum: Sequence[torch.Tensor]) -> None:
        """Go on from there."""
        for own, other in zip(self.momenta, momentum, strict=True):
            own.copy_(other)

    def forget(self) -> None:
        """Begin anew, from where the parameters are."""
        for momentum in self.momenta:
            momentum.zero_()
