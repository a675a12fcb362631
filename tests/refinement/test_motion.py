"""Where pixels were on the plane before."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.refinement.motion import SIDE, followed, grey_of

SHAPE = (90, 120)


def scene(shift: int = 0) -> np.ndarray:
    """A bright square on a coarse pattern; the square is moved to the right."""
    rows, cols = np.indices(SHAPE)
    light = 60 + 20 * np.sin(rows / 7) * np.cos(cols / 9)
    light[30:60, 40 + shift : 70 + shift] = 200
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


def square(shift: int = 0) -> np.ndarray:
    planes = np.zeros((2, *SHAPE), np.float32)
    planes[1, 30:60, 40 + shift : 70 + shift] = 1
    planes[0] = 1 - planes[1]
    return planes


@pytest.mark.parametrize("shift", [0, 3, -4])
def test_labels_move_with_what_they_lie_on(shift: int) -> None:
    moved = followed(square(), grey_of(scene()), grey_of(scene(shift)))
    wanted = square(shift)[1] > 0.5
    found = moved[1] > 0.5
    assert (wanted & found).sum() / (wanted | found).sum() > 0.93


def test_shares_still_sum_to_one() -> None:
    moved = followed(square(), grey_of(scene()), grey_of(scene(3)))
    np.testing.assert_allclose(moved.sum(axis=0), 1, atol=1e-5)


def test_planes_smaller_than_the_search_are_followed_as_well() -> None:
    small = square()[:, ::3, ::3].copy()
    moved = followed(small, grey_of(scene()), grey_of(scene(6)))
    centre = np.argwhere(moved[1] > 0.5).mean(axis=0)[1]
    assert centre == pytest.approx((40 + 6 + 14.5) / 3, abs=0.7)


@pytest.mark.parametrize("shape", [(2, 2), (3, 900), (1200, 800)])
def test_any_size_of_image_is_brought_to_the_plane_of_the_search(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    grey = grey_of(noise)
    assert max(grey.shape) == SIDE and min(grey.shape) >= 16
    moved = followed(np.ones((1, *shape), np.float32), grey, grey)
    np.testing.assert_allclose(moved, 1, atol=1e-5)
