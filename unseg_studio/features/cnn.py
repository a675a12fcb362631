"""The deep levels of timm's convolutional networks, for images of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.capture import rounded_convolutions
from unseg_studio.features.efficientnet import resized
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.vit import prepared

LEVELS = 3
"""The last ones: of a cell for 8, 16 and 32 pixels of the resized image."""


def pyramid(network: Any, rgb: NDArray[np.uint8], *, side: int) -> tuple[torch.Tensor, ...]:
    """What a network that has seen many photographs makes of an image, at three resolutions.

    Parameters
    ----------
    network : Module
        Of timm, with `forward_intermediates`.
    rgb : ndarray, (H, W, 3) uint8
    side : int
        As for `efficientnet.pyramid`.

    Returns
    -------
    tuple of Tensor, (C, h, w) float32 each, on the CPU
        Finest first; may go into a computation that autograd follows.
    """
    planes = prepared(network, resized(rgb, side))
    with torch.inference_mode(), rounded_convolutions(planes.device, allowed=False):
        levels = network.forward_intermediates(planes, indices=LEVELS, intermediates_only=True)
        found = [level[0].float().cpu() for level in levels]
    return tuple(level.clone(memory_format=torch.contiguous_format) for level in found)
