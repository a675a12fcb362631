"""Objectives that segmenters share, as functions of tensors."""

from __future__ import annotations

from functools import cache
from typing import Any

from unseg_studio.features.lazy_torch import torch

UNSCRIBBLED = -1
"""Target of a pixel that nobody scribbled."""


def objective(
    response: torch.Tensor,
    labels: torch.Tensor,
    targets: torch.Tensor | None,
    *,
    mu: float,
    nu: float,
) -> torch.Tensor:
    """DiffCluster's objective: similarity + nu scribbles + mu continuity.

    Kim et al. 2020, equations 2 and 4, with means instead of sums as in the authors' code, so
    that the weights do not depend on the size of the image. No value is asked for meanwhile, so
    a device goes on.

    Parameters
    ----------
    response : Tensor, (h, w, q) float32
        r', one score per cluster.
    labels : Tensor, (h, w) int64
        Its arg-max over the clusters.
    targets : Tensor or None, (h, w) int64
        Wanted cluster of scribbled pixels, `UNSCRIBBLED` elsewhere; None: nothing is scribbled.
    mu, nu : float
        Weights of continuity and scribbles.

    Returns
    -------
    Tensor, () float32
    """
    if targets is None:
        return similarity(response, labels) + mu * continuity(response)
    own = labels.masked_fill(targets != UNSCRIBBLED, UNSCRIBBLED)
    return (
        similarity(response, own) + nu * similarity(response, targets) + mu * continuity(response)
    )


def similarity(response: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean softmax cross-entropy of `(h, w, q)` scores over the pixels that have a target.

    0 where no pixel has one.
    """
    count = (targets != UNSCRIBBLED).sum().clamp_min(1)
    if response.is_cuda:  # there torch adds up in a single block, forwards and backwards
        return missed(response, targets).sum() / count
    rows, wanted = response.reshape(-1, response.shape[-1]), targets.reshape(-1)
    cross_entropy = torch.nn.functional.cross_entropy
    return cross_entropy(rows, wanted, ignore_index=UNSCRIBBLED, reduction="sum") / count


def missed(response: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Softmax cross-entropy of each pixel, 0 where it has no target; nothing is copied for it.

    Whether `response` lies pixel after pixel, or plane after plane in spite of its shape.
    """
    if response.is_contiguous():
        rows, wanted = response.reshape(-1, response.shape[-1]), targets.reshape(-1)
    else:
        rows, wanted = response.permute(2, 0, 1)[None], targets[None]
    cross_entropy = torch.nn.functional.cross_entropy
    return cross_entropy(rows, wanted, ignore_index=UNSCRIBBLED, reduction="none")


def continuity(response: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbours, vertical plus horizontal, of `(h, w, q)` scores."""
    if response.is_cuda:  # processors keep the order of sums that the published losses have
        return continuity_in_place(response)
    vertical = (response[1:] - response[:-1]).abs().mean()
    horizontal = (response[:, 1:] - response[:, :-1]).abs().mean()
    return vertical + horizontal


def continuity_in_place(response: torch.Tensor) -> torch.Tensor:
    """The same through a little more than half as much memory; see `bench.work`.

    Whoever follows every operation writes each difference four times, and the gradient of the
    response once for each of its four slices.
    """
    mean: torch.Tensor = _steps().apply(response)
    return mean


@cache
def _steps() -> Any:
    class Steps(torch.autograd.Function):
        """Mean length of the steps down and to the right."""

        @staticmethod
        def forward(ctx: Any, response: torch.Tensor) -> torch.Tensor:
            steps = torch.diff(response, dim=0), torch.diff(response, dim=1)
            ctx.save_for_backward(*steps)
            ctx.shape, ctx.strides = response.shape, response.stride()
            norm = torch.linalg.vector_norm
            down, right = (norm(step, 1) / step.numel() for step in steps)
            total: torch.Tensor = down + right
            return total

        @staticmethod
        def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
            total = gradients[0].new_empty_strided(ctx.shape, ctx.strides).zero_()
            for dim, step in enumerate(ctx.saved_tensors):
                n, pull = ctx.shape[dim] - 1, step.sign() * (gradients[0] / step.numel())
                total.narrow(dim, 1, n).add_(pull)
                total.narrow(dim, 0, n).sub_(pull)
            return total

    return Steps
