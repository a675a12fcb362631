"""Objectives that segmenters share, as functions of tensors."""

from __future__ import annotations

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
    rows, wanted = response.reshape(-1, response.shape[-1]), targets.reshape(-1)
    # On CUDA torch adds up the losses of rows in a single block, forwards and backwards.
    how = "none" if rows.is_cuda else "sum"
    missed = torch.nn.functional.cross_entropy(
        rows, wanted, ignore_index=UNSCRIBBLED, reduction=how
    )
    return missed.sum() / (wanted != UNSCRIBBLED).sum().clamp_min(1)


def continuity(response: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbours, vertical plus horizontal, of `(h, w, q)` scores."""
    vertical = (response[1:] - response[:-1]).abs().mean()
    horizontal = (response[:, 1:] - response[:, :-1]).abs().mean()
    return vertical + horizontal
