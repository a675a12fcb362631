"""A guide is made once for an image and goes with it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from unseg_studio.data import Image
from unseg_studio.refinement import WORKING_SIZE, guide_of


def image(height: int, width: int, n_channels: int = 3) -> Image:
    shape = (height, width, n_channels)
    return Image.of(np.random.default_rng(0).integers(0, 255, shape, np.uint8))


def test_an_image_has_one_guide_that_is_freed_with_it() -> None:
    first, second = image(20, 30), image(20, 30)
    guide = guide_of(first)
    assert guide_of(first) is guide
    assert guide_of(second) is not guide
    gone = weakref.ref(guide)
    del guide, first
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("shape", [(2, 2), (2, 999), (700, 500), (30, 20)])
def test_the_working_plane_is_small_and_has_the_images_shape(shape: tuple[int, int]) -> None:
    guide = guide_of(image(*shape))
    assert guide.colour.shape == (*shape, 3)
    assert max(guide.shape) <= max(WORKING_SIZE, 2)
    assert min(guide.shape) >= 2
    assert all(small <= large for small, large in zip(guide.shape, shape, strict=True))


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_any_number_of_channels_gives_finite_colours(n_channels: int) -> None:
    guide = guide_of(image(12, 16, n_channels))
    assert guide.colour.dtype == np.float32
    assert np.isfinite(guide.colour).all()


def test_weights_are_high_inside_and_low_across_an_edge() -> None:
    pixels = np.full((10, 12, 3), 30, np.uint8)
    pixels[:, 6:] = 220
    right, down = guide_of(Image.of(pixels)).edges
    assert right.shape == (10, 11) and down.shape == (9, 12)
    assert right[:, 5].max() < 0.1 * np.delete(right, 5, axis=1).min()
    assert down.min() > 0.9


def test_neighbours_are_weighted_the_same_in_both_directions() -> None:
    guide = guide_of(image(5, 6))
    flat = np.eye(30, dtype=np.float32).reshape(30, 5, 6)
    matrix = guide.neighbours(flat).reshape(30, 30)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    np.testing.assert_allclose(matrix.sum(axis=0).reshape(5, 6), guide.degree, atol=1e-5)
