"""From the colours that files store to the channels that people see: `(H, W, C)` arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.generic]


def without_alpha(pixels: Pixels, *, premultiplied: bool = False) -> Pixels:
    """Lay the colours over white and drop the last channel, which holds their opacity.

    White is what viewers show behind a cut-out. An opacity that is full everywhere, or zero
    everywhere (written by some microscopes), or no integer, says nothing and is dropped.

    Parameters
    ----------
    pixels : ndarray, (H, W, C + 1)
        Colours and opacity.
    premultiplied : bool
        Whether the colours were multiplied with their opacity already.
    """
    colors, alpha = pixels[..., :-1], pixels[..., -1:]
    if pixels.dtype.kind != "u" or not alpha.any():
        return colors
    opaque = _largest(pixels)
    if (alpha == opaque).all():
        return colors
    opacity = alpha.astype(np.float32) / np.float32(opaque)
    light = colors.astype(np.float32) * (np.float32(1) if premultiplied else opacity)
    over_white = light + np.float32(opaque) * (1 - opacity)
    shown: Pixels = np.rint(np.clip(over_white, 0, opaque)).astype(pixels.dtype)
    return shown


def rgb_from_cmyk(pixels: Pixels) -> Pixels:
    """Show printing inks `(H, W, 4)`, unsigned integers, as light `(H, W, 3)`."""
    full = np.float32(_largest(pixels))
    paper = full - pixels.astype(np.float32)
    return np.rint(paper[..., :3] * paper[..., 3:] / full).astype(pixels.dtype)


def rgb_from_palette(indices: Pixels, colormap: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Look indices `(H, W, 1)` up in a `(3, n)` uint16 colour table: `(H, W, 3)` uint8."""
    table = (colormap >> 8).astype(np.uint8).T
    return table[np.minimum(indices[..., 0].astype(np.int64), len(table) - 1)]


def inverted(pixels: Pixels) -> Pixels:
    """Exchange black and white of unsigned integers; other values stay."""
    if pixels.dtype.kind != "u":
        return pixels
    turned: Pixels = np.invert(pixels)
    return turned


def _largest(pixels: Pixels) -> int:
    """The largest value that unsigned integers of this type can have."""
    return int(2 ** (8 * pixels.dtype.itemsize) - 1)
