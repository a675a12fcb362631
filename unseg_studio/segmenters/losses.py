"""Objectives that segmenters share, as functions of tensors."""

from __future__ import annotations

from unseg_studio.features.lazy_torch import torch

UNSCRIBBLED = -1
"""Target of a pixel that nobody scribbled."""


def objective(
    response: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor, *, mu: float, nu: float
) -> torch.Tensor:
    """DiffCluster's objective: similarity + nu scribbles + mu continuity.

    Kim et al. 2020, equations 2 and 4, with means instead of sums as in the authors' code, so
    that the weights do not depend on the size of the image.

    Parameters
    ----------
    response : Tensor, (h, w, q) float32
        r', one score per cluster.
    labels : Tensor, (h, w) int64
        Its arg-max over the clusters.
    targets : Tensor, (h, w) int64
        Wanted cluster of scribbled pixels, `UNSCRIBBLED` elsewhere.
    mu, nu : float
        Weights of continuity and scribbles.

    Returns
    -------
    Tensor, () float32
    """
    scribbled = targets != UNSCRIBBLED
    if not bool(scribbled.any()):
        return similarity(response, labels) + mu * continuity(response)
    own = torch.where(scribbled, UNSCRIBBLED, labels)
    return (
        similarity(response, own) + nu * similarity(response, targets) + mu * continuity(response)
    )


def similarity(response: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean softmax cross-entropy of `(h, w, q)` scores over the pixels that have a target.

    0 where no pixel has one.
    """
    rows, wanted = response.reshape(-1, response.shape[-1]), targets.reshape(-1)
    has_target = wanted != UNSCRIBBLED
    if not bool(has_target.all()):
        rows, wanted = rows[has_target], wanted[has_target]
    if not len(rows):
        return response.new_zeros(())
    return torch.nn.functional.cross_entropy(rows, wanted)


def continuity(response: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbours, vertical plus horizontal, of `(h, w, q)` scores."""
    vertical = (response[1:] - response[:-1]).abs().mean()
    horizontal = (response[:, 1:] - response[:, :-1]).abs().mean()
    return vertical + horizontal
