"""A guide is made once for an image and goes with it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch

from unseg_studio.data import Image
from unseg_studio.refinement import WORKING_SIZE, Guide, guide_of
from unseg_studio.refinement import guide as guide_module
from unseg_studio.refinement.guide import MOST_GUIDES

KERNELS = slice(0, 2)


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
    assert guide.rgb.shape == (*shape, 3)
    assert max(guide.shape) <= max(WORKING_SIZE, 2)
    assert min(guide.shape) >= 2
    assert all(small <= large for small, large in zip(guide.shape, shape, strict=True))
    assert guide.small.shape == (*guide.shape, 3)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_any_number_of_channels_gives_finite_colours(n_channels: int) -> None:
    guide = guide_of(image(12, 16, n_channels))
    assert guide.small.dtype == np.float32
    assert np.isfinite(guide.small).all()


@pytest.mark.parametrize("shape", [(2, 2), (3, 7)])
def test_the_smallest_images_have_contours_and_features(shape: tuple[int, int]) -> None:
    assert_complete(Guide(image(*shape).rgb))


def test_an_image_of_one_colour_has_contours_and_features() -> None:
    guide = Guide(np.full((9, 14, 3), 128, np.uint8))
    assert_complete(guide)
    assert guide.grid.right.min() > 0.1


def assert_complete(guide: Guide) -> None:
    """Every plane is there, of the right shape and finite."""
    height, width = guide.shape
    assert guide.grid.shape == guide.shape
    blocks, views = guide.halved
    assert blocks.shape == ((height + 1) // 2, (width + 1) // 2)
    assert views.shape == (3, blocks.shape[0] * blocks.shape[1], guide.views.shape[2])
    for planes in (guide.views, views, guide.grid.right, guide.grid.down, blocks.right):
        assert planes.dtype == torch.float32
        assert torch.isfinite(planes).all()


def test_weights_are_high_inside_and_low_across_an_edge(halves: Guide) -> None:
    right, down = halves.grid.right, halves.grid.down
    assert right.shape == (40, 59) and down.shape == (39, 60)
    inside = torch.cat([right[:, 4:20], right[:, 28:56]], dim=1)
    assert right[:, 23].max() < 0.1 * inside.median()
    assert down[:, 4:20].median() > 0.3 and down[:, 28:56].median() > 0.3


def test_each_view_ends_with_a_constant(halves: Guide) -> None:
    assert halves.views.shape[1] == 40 * 60
    assert (halves.views[:, :, -1] == 1).all()


def test_kernels_are_high_for_alike_pixels_and_low_for_others(halves: Guide) -> None:
    waves = halves.views[KERNELS, :, :-1]
    left, near, right = (waves[:, row * 60 + col] for row, col in ((20, 8), (21, 9), (20, 50)))
    to_itself, to_alike, to_other = ((left * other).sum(dim=1) for other in (left, near, right))
    torch.testing.assert_close(to_itself, torch.full((2,), 25.0), rtol=0.25, atol=0)
    assert (to_alike > to_other + 5).all()
    assert (to_other < 15).all()


def test_the_halved_views_are_means_of_blocks(halves: Guide) -> None:
    blocks = halves.views.reshape(3, 20, 2, 30, 2, -1).mean(dim=(2, 4))
    torch.testing.assert_close(halves.halved[1], blocks.flatten(1, 2), rtol=0, atol=1e-5)


def test_views_are_the_same_whole_in_parts_and_of_some_pixels(halves: Guide) -> None:
    parts = torch.cat(list(halves.parts_of_views()), dim=1)
    torch.testing.assert_close(halves.views, parts, rtol=0, atol=0)
    some = torch.tensor([0, 7, 400])
    torch.testing.assert_close(halves.views_at(some), halves.views[:, some], rtol=0, atol=1e-5)


def test_what_views_are_made_of_goes_before_the_last_one_is_there(monkeypatch) -> None:
    held = []
    plain = guide_module._fill

    def fill(view: torch.Tensor, planes: torch.Tensor, *, waves: bool) -> None:
        held[:] = [ref for ref in held if ref() is not None]
        base = planes._base if planes._base is not None else planes
        if all(ref() is not base for ref in held):
            held.append(weakref.ref(base))
        plain(view, planes, waves=waves)
        assert len(held) == 1

    monkeypatch.setattr(guide_module, "_fill", fill)
    assert Guide(image(40, 60).rgb).views.isfinite().all()
    assert sum(ref() is not None for ref in held) == 0


def test_the_same_image_is_seen_the_same_way_twice(halves: Guide) -> None:
    again = Guide(halves.rgb.copy())
    torch.testing.assert_close(again.views, halves.views, rtol=0, atol=1e-5)
    torch.testing.assert_close(again.grid.right, halves.grid.right, rtol=0, atol=1e-5)


def test_the_guides_in_use_lately_are_kept_and_older_ones_are_not() -> None:
    images = [image(8, 9 + number) for number in range(MOST_GUIDES + 1)]
    guides = [guide_of(each) for each in images[:-1]]
    assert guide_of(images[0]) is guides[0]  # so the second one is the oldest now
    guides.append(guide_of(images[-1]))
    for number in (0, *range(2, MOST_GUIDES + 1)):
        assert guide_of(images[number]) is guides[number]
    assert guide_of(images[1]) is not guides[1]
