"""Guides of small images, made without the image room's estimates where the size matters."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data import Image
from unseg_studio.refinement import Guide, guide_of


@pytest.fixture
def halves() -> Guide:
    """20 x 30 px: dark left of column 12, light from there on."""
    pixels = np.full((20, 30, 3), 40, np.uint8)
    pixels[:, 12:] = 200
    return guide_of(Image.of(pixels))


@pytest.fixture
def noise() -> Guide:
    pixels = np.random.default_rng(4).integers(0, 255, (16, 24, 3), np.uint8)
    return guide_of(Image.of(pixels))
