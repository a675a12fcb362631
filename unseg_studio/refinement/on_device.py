"""Refinement where the scores are: on a graphics processor, from which only labels come back.

The same answers as `edges` gives, up to the last digits of floats.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unseg_studio.features.devices import frees
from unseg_studio.features.lazy_torch import torch
from unseg_studio.refinement.edges import COLOUR_SIGMA, SPACE_SIGMA
from unseg_studio.refinement.guide import Guide

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PIXELS = 2**24
"""Of an image whose colours are kept on a device, where each takes 12 bytes."""

_colours: weakref.WeakKeyDictionary[Guide, torch.Tensor] = weakref.WeakKeyDictionary()
"""Of the images that were seen lately: on the device where they were last asked for."""

frees(_colours.clear)


def fits(guide: Guide) -> bool:
    """Whether the colours of an image may lie on a device."""
    height, width = guide.rgb.shape[:2]
    return bool(height * width <= MOST_PIXELS)


def resized(planes: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Planes at another size: means where they shrink, else lines between the centres of pixels.

    Parameters
    ----------
    planes : Tensor, (K, H, W) float32
        On any device.
    shape : tuple of int
        (h, w) wanted, with about the same aspect.

    Returns
    -------
    Tensor, (K, h, w) float32
        As OpenCV's INTER_AREA and INTER_LINEAR would give.
    """
    shrinks = planes.shape[1] > shape[0]
    down, across = (
        torch.from_numpy(_shares(n, wanted, shrinks=shrinks)).to(planes.device)
        for n, wanted in zip(planes.shape[1:], shape, strict=True)
    )
    return down @ planes @ across.T


def _shares(n: int, wanted: int, *, shrinks: bool) -> NDArray[np.float32]:
    """How much each of n pixels in a row is of each of those that are wanted, (wanted, n)."""
    scale, own = n / wanted, np.arange(n)
    place = np.arange(wanted)[:, None]
    if shrinks and scale > 1:
        end = np.minimum((place + 1) * scale, own + 1)
        overlap = end - np.maximum(place * scale, own)
        return np.asarray(np.clip(overlap, 0, 1) / scale, np.float32)
    centre = np.clip((place + 0.5) * scale - 0.5, 0, n - 1)
    return np.asarray(np.clip(1 - np.abs(centre - own), 0, 1), np.float32)


def sharpened_ids(
    probabilities: torch.Tensor, guide: Guide, ids: tuple[int, ...]
) -> NDArray[np.int32]:
    """The id of the most probable label, with outlines where the image's colours change.

    Parameters
    ----------
    probabilities : Tensor, (K, h, w) float32
        On the working plane of the guide, or on a smaller one.
    guide : Guide
        Colours of the image, small and large.
    ids : tuple of int, length K
        What each label is called.

    Returns
    -------
    ndarray, (H, W) int32
        Nothing else is copied from the device. Every pixel asks its neighbours, not those near an
        outline alone as in `edges.sharpened`: far from outlines they agree anyway.
    """
    device = probabilities.device
    (h, w), shape = probabilities.shape[1:], guide.rgb.shape[:2]
    flat = probabilities.reshape(len(probabilities), -1)
    near = list(_neighbours(guide, (h, w), (shape[0], shape[1]), device))
    best, most = torch.zeros(shape, dtype=torch.int64, device=device), torch.zeros(0)
    for label, plane in enumerate(flat):
        votes = torch.zeros(shape, device=device)
        for index, weight in near:
            votes += weight * plane[index]
        if label:
            leads = votes > most
            best.masked_fill_(leads, label)
        most = votes if not label else torch.maximum(most, votes)
    return on_host(torch.tensor(ids, dtype=torch.int32, device=device)[best])


def on_host(labels: torch.Tensor) -> NDArray[np.int32]:
    """Labels in memory that a graphics processor writes into by itself, where it is one."""
    if not labels.is_cuda:
        return np.asarray(labels.cpu().numpy())
    pinned = torch.empty(labels.shape, dtype=labels.dtype, pin_memory=True)
    pinned.copy_(labels, non_blocking=True)
    torch.cuda.current_stream(labels.device).synchronize()
    return np.asarray(pinned.numpy())


def _neighbours(
    guide: Guide, small: tuple[int, int], large: tuple[int, int], device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """For each of the 2 x 2 small pixels around a large one: which, and its say; (H, W) each."""
    (h, w), (height, width) = small, large
    colours = torch.from_numpy(guide.small_at(small)).to(device).reshape(-1, 3)
    own = _colours_on(guide, device)
    y, x = (
        torch.from_numpy(_places(n, wanted)).to(device) for n, wanted in ((h, height), (w, width))
    )
    top, left = y.to(torch.int64)[:, None], x.to(torch.int64)[None]
    y, x = y[:, None], x[None]
    for near_y in (top, (top + 1).clamp_max(h - 1)):
        for near_x in (left, (left + 1).clamp_max(w - 1)):
            index = near_y * w + near_x
            difference = own - colours[index]
            colour = (difference * difference).sum(dim=2) / (2 * COLOUR_SIGMA**2)
            space = ((y - near_y) ** 2 + (x - near_x) ** 2) / (2 * SPACE_SIGMA**2)
            yield index, (-(colour + space).clamp_max(60)).exp()


def _places(n: int, wanted: int) -> NDArray[np.float32]:
    """Where the centres of so many large pixels lie among n small ones."""
    return np.clip((np.arange(wanted) + 0.5) / wanted * n - 0.5, 0, n - 1).astype(np.float32)


def _colours_on(guide: Guide, device: torch.device) -> torch.Tensor:
    known = _colours.get(guide)
    if known is None or known.device != device:
        known = torch.from_numpy(guide.colour_of(guide.rgb)).to(device)
        _colours[guide] = known
    return known
