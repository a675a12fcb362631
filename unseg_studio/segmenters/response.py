"""DiffCluster's network, and the resolutions at which it sees an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.augment import Rgb
from unseg_studio.features.lazy_torch import torch
from unseg_studio.segmenters.base import seeded

if TYPE_CHECKING:
    from unseg_studio.segmenters.diffcluster import DiffCluster

Unit: TypeAlias = NDArray[np.float32]

FINAL_SIZE = 640
"""Longer side of the last forward pass of a pyramid, in pixels: full resolution for photographs
of annotation data sets, and bounded memory for larger planes."""


def network(n_channels: int, segmenter: DiffCluster) -> torch.nn.Sequential:
    """The published network: M times conv3x3, ReLU, batch norm; then conv1x1, batch norm.

    A pyramid pads by repeating the border, since zeros make a cluster of the image's frame.
    """
    nn, width = torch.nn, segmenter.width
    padding: Literal["replicate", "zeros"] = "replicate" if segmenter.is_pyramid else "zeros"
    layers: list[torch.nn.Module] = []
    for i in range(segmenter.n_conv):
        inputs = n_channels if i == 0 else width
        layers.append(nn.Conv2d(inputs, width, 3, padding=1, padding_mode=padding))
        layers += [nn.ReLU(), nn.BatchNorm2d(width)]
    layers += [nn.Conv2d(width, segmenter.max_clusters, 1), nn.BatchNorm2d(segmenter.max_clusters)]
    return nn.Sequential(*layers)


def seeded_network(
    n_channels: int, segmenter: DiffCluster, device: torch.device | str = "cpu"
) -> torch.nn.Sequential:
    """The network with the random weights of the segmenter's seed, ready to be trained."""
    with seeded(segmenter.seed):
        net = network(n_channels, segmenter)
    net = net.to(device).train()
    if is_packed(segmenter, device):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def is_packed(segmenter: DiffCluster, device: torch.device | str) -> bool:
    """Whether planes lie pixel after pixel.

    That is faster on processors, rounded a little differently; and on the matrix units of CUDA.
    Channel after channel is the layout whose rounding the published losses have.
    """
    return segmenter.is_pyramid or (segmenter.is_rounded and torch.device(device).type == "cuda")


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution of the pyramid.

    Parameters
    ----------
    image : Tensor, (1, C, h, w) float32
        The plane in [0, 1].
    share : float
        Part of the iterations that it gets.
    """

    image: torch.Tensor
    share: float

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return self.image.shape[2], self.image.shape[3]


def pyramid(segmenter: DiffCluster, unit: Unit, device: torch.device) -> list[Level]:
    """Half the working size, then the working size; or the image, (H, W, C) in [0, 1], as it is."""
    packed = is_packed(segmenter, device)
    if not segmenter.is_pyramid:
        return [Level(_planes(unit, device, packed=packed), 1.0)]
    half, whole = (_shrunk(unit, size) for size in (segmenter.size // 2, segmenter.size))
    sizes = zip((half, whole), (0.75, 0.25), strict=True)
    return [Level(_planes(plane, device, packed=packed), share) for plane, share in sizes]


def final_plane(segmenter: DiffCluster, unit: Unit, device: torch.device) -> torch.Tensor:
    """What the last forward pass sees of an image, (1, C, h, w)."""
    plane = _shrunk(unit, FINAL_SIZE) if segmenter.is_pyramid else unit
    return _planes(plane, device, packed=is_packed(segmenter, device))


def unit_of(rgb: Rgb) -> Unit:
    """What people see of an image, (H, W, 3) uint8, in [0, 1]."""
    return np.asarray(rgb, np.float32) / np.float32(255)


def _shrunk(unit: Unit, size: int) -> Unit:
    scale = size / max(unit.shape[:2])
    if scale >= 1:
        return unit
    width, height = (max(2, round(n * scale)) for n in (unit.shape[1], unit.shape[0]))
    small = cv2.resize(unit, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small).reshape(height, width, -1)


def _planes(unit: Unit, device: torch.device, *, packed: bool) -> torch.Tensor:
    """(1, C, h, w), channel after channel or, packed, pixel after pixel."""
    planes = torch.from_numpy(np.array(unit.transpose(2, 0, 1), order="C"))[None].to(device)
    return planes.contiguous(memory_format=torch.channels_last) if packed else planes
