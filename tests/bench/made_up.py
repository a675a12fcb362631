"""Small made-up masks and the pictures that belong to them."""

from __future__ import annotations

import numpy as np


def picture(truth, *, seed=0):
    """A noisy colour for every value of a mask: (H, W, 3) uint8."""
    colours = np.array([(30, 60, 160), (210, 150, 40), (60, 190, 70), (190, 40, 150)])
    noise = np.random.default_rng(seed).integers(-12, 13, (*truth.shape, 3))
    return np.clip(colours[truth % 4] + noise, 0, 255).astype(np.uint8)


def disc(shape=(40, 56), *, centre=(18, 24), radius=11):
    """Values 0 and 1: a disc on a background."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    inside = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2
    return inside.astype(np.uint8)
