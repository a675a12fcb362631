"""Guides of small images and grids of made-up weights; both are read only, so tests share them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.threads import one_thread
from unseg_studio.refinement import Grid, Guide

__all__ = ["halves", "noise", "one_thread", "split"]

EDGE = 12
"""Between the pixels EDGE - 1 and EDGE of each row there is an edge."""


@pytest.fixture(scope="session")
def halves() -> Guide:
    """40 x 60 px: dark left of column 24, light from there on, with a little noise."""
    pixels = np.full((40, 60, 3), 40, float)
    pixels[:, 24:] = 200
    pixels += np.random.default_rng(3).normal(0, 4, pixels.shape)
    return Guide(pixels.astype(np.uint8))


@pytest.fixture(scope="session")
def split() -> Grid:
    """20 x 30 px, strong neighbours but for the edge."""
    right, down = torch.full((20, 29), 0.9), torch.full((19, 30), 0.9)
    right[:, EDGE - 1] = 1e-3
    return Grid(right, down)


@pytest.fixture(scope="session")
def noise() -> Grid:
    return random_grid((16, 24), 4)


def random_grid(shape: tuple[int, int], seed: int) -> Grid:
    """Weights of all sizes that the contours give, between 3e-4 and 1."""
    random = np.random.default_rng(seed)
    height, width = shape
    right, down = (
        torch.from_numpy(10 ** random.uniform(-3.5, 0, size)).float()
        for size in ((height, width - 1), (height - 1, width))
    )
    return Grid(right, down)


def unmarked(grid: Grid) -> np.ndarray:
    return np.full(grid.shape, -1, np.int32)


def uniform(shape: tuple[int, int], weight: float = 1.0) -> Grid:
    height, width = shape
    return Grid(torch.full((height, width - 1), weight), torch.full((height - 1, width), weight))


def drawn(n_labels: int, grid: Grid, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """A random prior and a few random seeds."""
    random = np.random.default_rng(seed)
    prior = random.dirichlet(np.ones(n_labels), grid.shape).transpose(2, 0, 1)
    seeds = unmarked(grid)
    places = random.choice(seeds.size, 5 * n_labels, replace=False)
    seeds.flat[places] = random.integers(0, n_labels, len(places))
    return torch.from_numpy(prior.astype(np.float32)), seeds
