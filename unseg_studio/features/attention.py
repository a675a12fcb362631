"""Where a network looks in an image, what it sees there, and what it says of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features import vit, weights
from unseg_studio.features.backbone import FeatureRequest
from unseg_studio.features.catalogue import backbone
from unseg_studio.features.deep import deep_levels
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.objectness import odds_of
from unseg_studio.features.regions import together


@dataclass(frozen=True, eq=False)
class Attention:
    """What is known of one image.

    Parameters
    ----------
    planes : Tensor, (C, h, w) float32
        Deep features, each level of length 1 everywhere.
    summary : Tensor, (D,) float32
        Of the image as a whole, of length 1: a ViT's class token, a CNN's mean last level.
    odds : Tensor, (h, w) float32
        The higher, the more the network looks there: logarithm of the class token's attention, or
        a CNN's `objectness`.
    """

    planes: torch.Tensor
    summary: torch.Tensor
    odds: torch.Tensor


def attention(
    rgb: NDArray[np.uint8], request: FeatureRequest, file: Path | None = None
) -> Attention:
    """Features and attention; parameters and what is raised as for `backbone.extract`."""
    levels = deep_levels(rgb, request, file)
    height, width = levels[0].shape[1:]
    if backbone(request.backbone).kind == "cnn":
        odds = torch.from_numpy(odds_of(levels[-1], (height, width)))
        summary = levels[-1].mean(dim=(1, 2))
    else:
        network = weights.load(request.backbone, file)
        summary, odds = vit.gaze(network, rgb, request.resolved())
    planes = together(levels, (height, width), centred=False)
    return Attention(planes, summary / (summary.norm() + 1e-6), odds)
