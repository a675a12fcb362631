"""What kind of picture an image is, by its colours."""

from __future__ import annotations

import numpy as np

from unseg_studio.data import Image
from unseg_studio.features.filters import lab_of

GREYEST = 4.0
"""Mean distance of the largest from the smallest channel, out of 255, that makes a colour image."""

LEAST_CHROMA = 6.0
"""Distance from grey in CIE Lab from which on a pixel has a colour."""

PINKEST, BLUEST = 3.0, 3.0
"""Dyes of tissue, from pink to violet, have more of Lab's a than this, and less of its b."""

MOST_STAINED = 0.5
"""Share of the coloured pixels with the colour of such dyes that makes stained tissue."""

_RGB = 3
_SIDE = 128


def is_photograph(image: Image) -> bool:
    """Whether an image shows things in colour, and not stained tissue, as far as colours tell.

    Grey images may be photographs, too, but most are of microscopes.
    """
    if image.n_channels != _RGB:
        return False
    sample = image.glimpse(_SIDE)
    if np.ptp(sample.astype(np.int16), axis=2).mean() < GREYEST:
        return False
    _, a, b = np.moveaxis(lab_of(sample), 2, 0)
    coloured = np.hypot(a, b) >= LEAST_CHROMA
    stained = coloured & (a > PINKEST) & (b < BLUEST)
    return bool(stained.sum() <= MOST_STAINED * coloured.sum())
