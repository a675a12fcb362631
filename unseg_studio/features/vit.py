"""Keys, queries, values and tokens of vision transformers, for images of any shape.

The network is never changed: patches that overlap come from its own embedding with a smaller step,
and what a block attends to is asked of the block's projection itself. So no hook is left behind,
and threads may share one network.

Patches that overlap begin before the image's border and end after it, where the border's colours
are repeated. Their centres then divide the image evenly, as patches side by side do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.lazy_torch import torch
from unseg_studio.features.request import FeatureRequest

PROJECTED = ("query", "key", "value")
"""In the order in which blocks project them."""

LEAST = 1e-4
"""Attention, as a multiple of the mean, below which it is none."""


def features(
    network: Any, rgb: NDArray[np.uint8], wanted: FeatureRequest, *, rounded: bool = False
) -> torch.Tensor:
    """One facet of one block for each patch of an image.

    Parameters
    ----------
    network : Module
        A `VisionTransformer` or an `Eva` of timm, made with `dynamic_img_size`.
    rgb : ndarray, (H, W, 3) uint8
    wanted : FeatureRequest
        Resolved. Keys and queries are taken before a rotation by place, where a network has one;
        tokens are the block's output, without the last norm.
    rounded : bool
        Whether the network computes with 8 bits of precision; see `rounding`.

    Returns
    -------
    Tensor, (C, h, w) float32, on the CPU
        The heads one after the other; without class and register tokens.
    """
    stride, side = wanted.stride or 1, wanted.side or 1
    rows, columns = grid(rgb.shape, (side / stride) ** 2)
    planes = prepared(network, _resized(rgb, rows * stride, columns * stride))
    with torch.inference_mode(), rounding(planes.device, wanted=rounded):
        found = _facet(network, _embedded(network, planes, stride), wanted)
        found = found[0, network.num_prefix_tokens :].float().cpu()
    # a copy made outside of inference mode may be learned from
    return found.T.reshape(-1, rows, columns).clone(memory_format=torch.contiguous_format)


@contextmanager
def rounding(device: torch.device, *, wanted: bool) -> Iterator[None]:
    """Let networks multiply bfloat16: 8 bits of precision, the range of float32."""
    if not wanted:
        yield
        return
    with torch.autocast(device.type, dtype=torch.bfloat16):
        yield


def gaze(
    network: Any, rgb: NDArray[np.uint8], wanted: FeatureRequest
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the class token says of an image, and where it looks; parameters as for `features`.

    Returns
    -------
    summary : Tensor, (C,) float32, on the CPU
        The class token after the block.
    odds : Tensor, (h, w) float32, on the CPU
        Logarithm of the block's attention of the class token to each patch, as a mean over the
        heads; 0 where it is as much as if all patches had the same.
    """
    stride, side = wanted.stride or 1, wanted.side or 1
    rows, columns = grid(rgb.shape, (side / stride) ** 2)
    planes = prepared(network, _resized(rgb, rows * stride, columns * stride))
    with torch.inference_mode():
        last, tokens, where = _before(network, _embedded(network, planes, stride), wanted)
        query, key, _ = last.attn.qkv(last.norm1(tokens))[0].chunk(len(PROJECTED), dim=-1)
        shares = _shares(query[0], key[network.num_prefix_tokens :], last.attn.num_heads)
        summary = _through([last], tokens, where)[0, 0]
        odds = (shares * len(shares)).clamp_min(LEAST).log().reshape(rows, columns)
    return summary.cpu().clone(), odds.cpu().clone()


def _shares(query: torch.Tensor, keys: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Attention of one query, (C,), to each of (N, C) keys: (N,), of sum 1."""
    query, keys = query.reshape(n_heads, -1), keys.reshape(len(keys), n_heads, -1)
    fits = torch.einsum("hd,nhd->hn", query, keys) / sqrt(query.shape[1])
    return fits.softmax(dim=1).mean(dim=0)


def grid(shape: tuple[int, ...], n_cells: float) -> tuple[int, int]:
    """Rows and columns of about so many cells, as square as the image's shape allows."""
    height, width = shape[:2]
    rows = sqrt(n_cells * height / width)
    longest = round(n_cells)
    return min(max(round(rows), 1), longest), min(max(round(n_cells / rows), 1), longest)


def _resized(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    shrinks = height * width < rgb.shape[0] * rgb.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=how), np.uint8)


def prepared(network: Any, rgb: NDArray[np.uint8]) -> torch.Tensor:
    """(1, 3, H, W) float32 as a network of timm was trained, where the network is."""
    mean, std = (torch.tensor(network.pretrained_cfg[name]) for name in ("mean", "std"))
    colours = (torch.from_numpy(rgb).float() / 255 - mean) / std
    return colours.permute(2, 0, 1)[None].to(next(network.parameters()).device)


def _embedded(network: Any, planes: torch.Tensor, stride: int) -> torch.Tensor:
    """Each patch before its place is added, (1, h, w, C)."""
    embedding = network.patch_embed
    above = [extent - stride for extent in embedding.patch_size]
    padding = (above[1] // 2, above[1] - above[1] // 2, above[0] // 2, above[0] - above[0] // 2)
    planes = torch.nn.functional.pad(planes, padding, mode="replicate")
    weight, bias = embedding.proj.weight, embedding.proj.bias
    patches = torch.nn.functional.conv2d(planes, weight, bias, stride)
    placeless: torch.Tensor = embedding.norm(patches.permute(0, 2, 3, 1))
    return placeless


def _facet(network: Any, patches: torch.Tensor, wanted: FeatureRequest) -> torch.Tensor:
    """(1, N, C), with the tokens that stand before those of the patches."""
    last, tokens, where = _before(network, patches, wanted)
    if wanted.facet == "token":
        return _through([last], tokens, where)
    projected: torch.Tensor = last.attn.qkv(last.norm1(tokens))
    return projected.chunk(len(PROJECTED), dim=-1)[PROJECTED.index(wanted.facet)]


def _before(
    network: Any, patches: torch.Tensor, wanted: FeatureRequest
) -> tuple[Any, torch.Tensor, dict[str, torch.Tensor]]:
    """The wanted block, the tokens that reach it, and what blocks want to know of places."""
    placed = network._pos_embed(patches)  # timm fits the embedding of places to the grid
    first, turns = placed if isinstance(placed, tuple) else (placed, None)
    where = {} if turns is None else {"rope": turns}
    *before, last = network.blocks[: wanted.block + 1]
    return last, _through(before, network.norm_pre(first), where), where


def _through(
    blocks: list[Any], tokens: torch.Tensor, where: dict[str, torch.Tensor]
) -> torch.Tensor:
    for block in blocks:
        tokens = block(tokens, **where)
    return tokens
