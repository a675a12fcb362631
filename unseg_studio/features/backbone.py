"""Deep features of an image from any backbone of the catalogue, remembered by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features import cache, efficientnet, weights
from unseg_studio.features.catalogue import BUNDLED, backbone
from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.vit import FACETS, Facet

MAX_TOKENS = 10_000
"""Of a ViT, whose attention takes time with the square of their number."""

_RECIPE = "1"
"""Part of every key; to be raised when other numbers come out of the same request."""

Features = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class FeatureRequest:
    """What is wanted of a backbone; `None` stands for what the backbone usually does."""

    backbone: str = BUNDLED
    """A name of the catalogue."""

    side: int | None = None
    """Size of the resized image: the side of a square with as many pixels, >= 32."""

    facet: Facet = "key"
    """What a ViT gives of a block; a CNN gives its levels whatever is wanted here."""

    block: int = -1
    """Of a ViT; counted from 0, or from the end with -1 as the last."""

    stride: int | None = None
    """Pixels of the resized image from patch to patch, at most the ViT's patch size."""

    def resolved(self) -> FeatureRequest:
        """The same with every choice spelt out; two that ask for the same become equal.

        Raises
        ------
        ValueError
            For a name, size, facet, block or stride that the backbone does not have.
        """
        chosen = backbone(self.backbone)
        side = chosen.side if self.side is None else self.side
        _check(side >= 32, f"The side of an image for {chosen.title} is {side} px; give 32 or more")
        if chosen.kind == "cnn":
            return FeatureRequest(self.backbone, side=side, block=0, stride=1)
        stride = chosen.patch if self.stride is None else self.stride
        self._check_vit(chosen.title, chosen.depth, stride=stride, patch=chosen.patch)
        n_tokens = round(side / stride) ** 2
        _check(
            n_tokens <= MAX_TOKENS,
            f"A side of {side} px with stride {stride} makes about {n_tokens} patches, at most "
            f"{MAX_TOKENS} are computed; choose a smaller side or a larger stride",
        )
        return replace(self, side=side, stride=stride, block=self.block % chosen.depth)

    def _check_vit(self, title: str, depth: int, *, stride: int, patch: int) -> None:
        facets = ", ".join(FACETS)
        _check(self.facet in FACETS, f"Unknown facet {self.facet!r}; accepted are {facets}")
        _check(
            -depth <= self.block < depth,
            f"{title} has no block {self.block}; give 0 to {depth - 1}, or -1 for the last",
        )
        _check(
            1 <= stride <= patch,
            f"A stride of {stride} px does not suit {title}; give 1 to {patch}, its patch size",
        )


def _check(right: bool, fault: str) -> None:
    if not right:
        raise ValueError(f"{fault}.")


def extract(
    rgb: NDArray[np.uint8],
    request: FeatureRequest | None = None,
    *,
    file: Path | None = None,
    device: torch.device | str = "cpu",
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
    device : torch.device or str
        Where a ViT computes, such as "cpu" or "cuda"; the bundled backbone always takes the CPU.
    memory : FeatureCache, optional
        By default `cache.default_cache()`.

    Returns
    -------
    tuple of Tensor, (C, h, w) float32 each, on the CPU
        One of a ViT, with the facet's heads one after the other; each cell is one patch, and the
        cells divide the image evenly. Of a CNN one for each level, finest first. Shared with
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
    compute = _computation(rgb, wanted, file=file, device=device)
    key = _key(rgb, wanted, file=file, device=device)
    return (memory or cache.default_cache()).get(key, compute)


def _computation(
    rgb: NDArray[np.uint8],
    wanted: FeatureRequest,
    *,
    file: Path | None,
    device: torch.device | str,
) -> Callable[[], Features]:
    if backbone(wanted.backbone).kind == "cnn":
        return lambda: efficientnet.pyramid(rgb, side=_longer_side(rgb.shape[:2], wanted))
    raise NotImplementedError


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
    device: torch.device | str,
) -> str:
    """Of everything that the numbers depend on."""
    origin = weights.fingerprint(wanted.backbone, file)
    words = f"{_RECIPE} {wanted} {origin} {torch.device(device).type} {rgb.shape}"
    digest = hashlib.sha256(words.encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()
