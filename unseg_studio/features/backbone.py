"""Deep features of an image from any backbone of the catalogue, remembered by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features import cache, cnn, efficientnet, vit, weights
from unseg_studio.features.cache import Features as Features
from unseg_studio.features.catalogue import backbone
from unseg_studio.features.devices import here, working
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.request import FeatureRequest as FeatureRequest

ROUNDED = ("cuda",)
"""Kinds of device that multiply bfloat16 more quickly than float32."""

_RECIPE = "1"
"""Part of every key; to be raised when other numbers come out of the same request."""


def extract(
    rgb: NDArray[np.uint8],
    request: FeatureRequest | None = None,
    *,
    file: Path | None = None,
    device: torch.device | str | None = None,
    rounded: bool = False,
    memory: cache.FeatureCache | None = None,
) -> Features:
    """Deep features of an image: computed once, then remembered by content.

    Any number of threads may call at once.

    Parameters
    ----------
    rgb : ndarray, (H, W, 3) uint8
        Any size and aspect ratio.
    request : FeatureRequest, optional
        By default the levels of the bundled backbone.
    file : Path, optional
        Weights of the backbone, instead of those that were downloaded.
    device : torch.device, str or None
        Where the network computes; None: where the work runs that this is a part of, see
        `devices.here`.
    rounded : bool
        Whether a ViT may multiply bfloat16 where that is quicker, on CUDA. Its keys differ by half
        a per cent then. The bundled network would differ by three, and its regions with it, so it
        never does.
    memory : FeatureCache, optional
        By default `cache.default_cache()`.

    Returns
    -------
    tuple of Tensor, (C, h, w) float32 each, on the CPU
        One of a ViT, with the facet's heads one after the other; each cell is one patch, and the
        cells divide the image evenly. Of a CNN its levels, finest first: all of the bundled one,
        of others those from a stride of 8 pixels on. Shared with
        others who ask for the same: do not change them in place. They may go into a computation
        that autograd follows.

    Raises
    ------
    ValueError
        For another kind of array or a request that the backbone cannot fulfil.
    OSError
        If weights are missing or broken; the sentence says what to do.
    """
    wanted = (request or FeatureRequest()).resolved()
    efficientnet.checked(rgb)
    place = here().torch_device if device is None else torch.device(device)
    rounded = rounded and place.type in ROUNDED and backbone(wanted.backbone).kind == "vit"
    compute = _computation(rgb, wanted, file=file, device=place, rounded=rounded)
    key = _key(rgb, wanted, file=file, device=f"{place.type}{' rounded' if rounded else ''}")

    def guarded() -> Features:
        with working("features"):
            return compute()

    return (memory or cache.default_cache()).get(key, guarded)


def _computation(
    rgb: NDArray[np.uint8],
    wanted: FeatureRequest,
    *,
    file: Path | None,
    device: torch.device,
    rounded: bool,
) -> Callable[[], Features]:
    chosen, side = backbone(wanted.backbone), _longer_side(rgb.shape[:2], wanted)
    if chosen.is_bundled:
        return lambda: efficientnet.pyramid(rgb, side=side, device=device)

    def larger() -> Features:
        network = weights.load(wanted.backbone, file, device=device)
        if chosen.kind == "cnn":
            return cnn.pyramid(network, rgb, side=side)
        return (vit.features(network, rgb, wanted, rounded=rounded),)

    return larger


def _longer_side(shape: tuple[int, ...], wanted: FeatureRequest) -> int:
    """Of the image with as many pixels as were wanted; thin ones are as long as 32 px allow."""
    side = wanted.side or 0
    aspect = max(shape) / min(shape)
    return round(min(side * sqrt(aspect), side * side / efficientnet.SMALLEST_SIDE))


def _key(
    rgb: NDArray[np.uint8],
    wanted: FeatureRequest,
    *,
    file: Path | None,
    device: str,
) -> str:
    """Of everything that the numbers depend on."""
    origin = weights.fingerprint(wanted.backbone, file)
    words = f"{_RECIPE} {wanted} {origin} {device} {rgb.shape}"
    digest = hashlib.sha256(words.encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()
