"""How likely each place of an image belongs to an object, by how strongly the network reacts.

A network that was trained to name the object of a photograph answers loudly where there is one, and
stays quiet on sky, grass and walls (X.-S. Wei, J.-H. Luo, J. Wu, Z.-H. Zhou, "Selective
Convolutional Descriptor Aggregation for Fine-Grained Image Retrieval", IEEE TIP 26(6), 2017). Here
the mean square of the bundled network's last level counts, at three sizes of the image, and as it
is: against the rest of its image, a thing that fills it would never stand out.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.efficientnet import pyramid
from unseg_studio.features.lazy_torch import torch

SIDES = (224, 320, 480)
"""Longer sides of the image that the network sees, in pixels."""

SLOPE, AT_REST = 3.1, -7.7
"""Of the logistic regression of objects on loudness; fitted to photographs with masks of their
objects, the same for every image."""

LEAST = 1e-3
"""Mean square below which the network is silent."""


def objectness(rgb: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Log-odds that a place belongs to an object rather than to the background.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
        The image.
    shape : tuple of int
        (h, w) of the answer; it is smooth, for the network's last level has a pixel for 32.

    Returns
    -------
    ndarray, (h, w) float32

    Raises
    ------
    OSError
        If the bundled network cannot be loaded.
    """
    lasts = (pyramid(rgb, side=side)[-1] for side in SIDES)
    return np.asarray(np.mean([odds_of(last, shape) for last in lasts], axis=0), np.float32)


def odds_of(last: torch.Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The same at one size of the image only, whose last level, (C, h, w), is there already."""
    loudness = last.square().mean(dim=0).clamp_min(LEAST).log().numpy()
    resized = cv2.resize(loudness, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(SLOPE * resized + AT_REST, np.float32)
