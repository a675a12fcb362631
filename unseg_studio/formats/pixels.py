"""Maps of pixels: regions painted into one array, and arrays as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
from numpy.typing import DTypeLike, NDArray

from unseg_studio.data import Annotation, Category

N_INDICES = 256
"""Entries of a palette."""

_COMPRESSION = 3
"""Three times as fast as zlib's default, for files that are twice as large."""


def painted(
    annotation: Annotation, values: Iterable[int] | None = None, *, dtype: DTypeLike
) -> NDArray[Any]:
    """Regions painted into one `(H, W)` map; later ones cover earlier ones, 0 = nothing.

    Parameters
    ----------
    annotation : Annotation
        Regions of one image.
    values : iterable of int or None
        One for each region; None for the ids of their categories.
    dtype : dtype
        Type of the map, which has room for the values.
    """
    given = [region.category for region in annotation.regions] if values is None else values
    pixels = np.zeros(annotation.shape, dtype)
    for region, value in zip(annotation.regions, given, strict=True):
        pixels[region.patch.slices][region.patch.mask] = value
    return pixels


def palette_of(categories: Sequence[Category]) -> NDArray[np.uint8]:
    """Colours by category id, (256, 3); black where there is no category."""
    palette = np.zeros((N_INDICES, 3), np.uint8)
    for category in categories:
        if category.id < N_INDICES:
            palette[category.id] = category.rgb
    return palette


def indexed_png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG of 8-bit indices (H, W) into a palette (256, 3)."""
    image = PIL.Image.fromarray(indices).convert("L")
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, bits=8, compress_level=_COMPRESSION)
    return buffer.getvalue()


def rgb_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of colours (H, W, 3), without a filter, which does not help maps of few values."""
    return bytes(imagecodecs.png_encode(pixels, level=_COMPRESSION, filter=0))
