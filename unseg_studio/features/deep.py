"""One vector for each place of an image, by which places of any images are compared."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.backbone import Features, extract
from unseg_studio.features.cache import FeatureCache
from unseg_studio.features.folders import cache_folder
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.regions import together
from unseg_studio.features.request import FeatureRequest

DEEPEST = 3
"""The last levels of a CNN's pyramid, whose features count; those before them see edges only."""


def deep_levels(
    rgb: NDArray[np.uint8],
    request: FeatureRequest,
    weights: Path | None,
    *,
    rounded: bool = False,
    memory: FeatureCache | None = None,
) -> Features:
    """Those levels of a backbone that say what things are; parameters as for `extract`."""
    levels = extract(rgb, request, file=weights, rounded=rounded, memory=memory)
    return levels[-DEEPEST:]


def deep_planes(
    rgb: NDArray[np.uint8],
    request: FeatureRequest,
    weights: Path | None = None,
    *,
    is_kept: bool = True,
) -> torch.Tensor:
    """Deep features of all levels on the grid of the finest: (C, h, w) float32, on the CPU.

    Each level has length 1 everywhere, so that all of them count alike, whatever the image.

    Parameters
    ----------
    rgb, request, weights
        As for `extract`.
    is_kept : bool
        Whether somebody will ask again; a view by chance never comes back.

    Raises
    ------
    ValueError, OSError
        As `extract`.
    """
    levels = deep_levels(rgb, request, weights, memory=None if is_kept else _forgetful())
    height, width = levels[0].shape[1:]
    return together(levels, (height, width), centred=False)


@cache
def _forgetful() -> FeatureCache:
    return FeatureCache(cache_folder() / "features", memory_bytes=0, disk_bytes=0)
