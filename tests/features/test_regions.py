from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import label

from unseg_studio.features.regions import DEEP_WEIGHT, Regions, pooled, regions, together

SHAPE = (48, 64)


def four_blocks(grain: int = 6) -> np.ndarray:
    """Four grainy blocks of different colours, (48, 64, 3)."""
    rows, cols = np.indices(SHAPE)
    block = 2 * (rows >= 24) + (cols >= 32)
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [210, 210, 80]])
    noise = np.random.default_rng(0).integers(0, grain + 1, (*SHAPE, 3))
    return (colours[block] + noise).astype(np.uint8)


def flat_levels(*shapes: tuple[int, int, int]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.ones(shape) for shape in shapes)


def found_in(rgb: np.ndarray) -> Regions:
    return regions(rgb).with_deep(flat_levels((4, 6, 8), (5, 3, 4)))


def test_blocks_of_one_colour_become_one_region_each() -> None:
    merged = found_in(four_blocks()).merged(2.0)
    assert len(merged) == 4, merged.sizes
    corners = merged.plane[[4, 4, -4, -4], [4, -4, 4, -4]]
    assert sorted(corners) == [0, 1, 2, 3]
    np.testing.assert_array_equal(merged.plane[:22, :30], corners[0])


def test_every_region_is_connected_and_counted() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    for found in (found_in(noise), found_in(noise).merged(2.0)):
        assert len(np.unique(found.plane)) == len(found)
        np.testing.assert_array_equal(np.bincount(found.plane.ravel()), found.sizes)
        assert label(found.plane, background=-1, connectivity=1).max() == len(found)


def test_what_is_known_of_merged_regions_is_what_would_be_measured_anew() -> None:
    noise = np.random.default_rng(2).integers(0, 255, (30, 36, 3), np.uint8)
    before = found_in(noise)
    after = before.merged(1.5)
    assert 1 < len(after) < len(before)
    into = np.zeros(len(before), int)
    into[before.plane.ravel()] = after.plane.ravel()
    for region in range(len(after)):
        own, sizes = into == region, before.sizes[into == region]
        np.testing.assert_allclose(
            after.looks[region], np.average(before.looks[own], axis=0, weights=sizes)
        )
        np.testing.assert_allclose(
            after.texture[region], np.average(before.texture[own], weights=sizes)
        )
    lengths = np.zeros((len(after), len(after)))
    for one, other in (
        (after.plane[:, :-1], after.plane[:, 1:]),
        (after.plane[:-1], after.plane[1:]),
    ):
        np.add.at(lengths, (one, other), 1)
    lengths += lengths.T
    first, second = after.borders.pairs
    np.testing.assert_array_equal(after.borders.lengths, lengths[first, second])
    assert (first < second).all()


def test_neighbours_differ_by_more_than_the_limit_in_the_end() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (40, 40, 3), np.uint8)
    merged = found_in(noise).merged(2.5)
    assert merged.differences.size == 0 or merged.differences.min() > 2.5


def test_nothing_is_merged_at_a_limit_below_all_differences() -> None:
    found = found_in(four_blocks(grain=40))
    assert len(found.merged(found.differences.min() - 1e-6)) == len(found)


def test_everything_is_merged_without_a_limit() -> None:
    assert len(found_in(four_blocks()).merged(np.inf)) == 1


def test_deep_features_keep_regions_of_one_colour_apart() -> None:
    grey = np.random.default_rng(0).integers(100, 150, (*SHAPE, 1), np.uint8).repeat(3, axis=2)
    deep = torch.zeros(4, 12, 16)
    deep[0, :, :8], deep[1, :, 8:] = 1, 1
    small = regions(grey)
    plain, split = (small.with_deep(levels) for levels in (flat_levels((4, 12, 16)), (deep,)))
    np.testing.assert_array_equal(plain.plane, split.plane)
    one, other = split.borders.pairs
    apart = np.abs(split.looks[one, 3:] - split.looks[other, 3:]).max(axis=1) > DEEP_WEIGHT
    assert apart.any() and not apart.all()
    assert (split.differences[apart] > plain.differences[apart] + 0.25).all()


@pytest.mark.parametrize("shape", [(2, 2), (1, 40), (60, 3)])
def test_the_smallest_images_have_regions(shape: tuple[int, int]) -> None:
    found = found_in(np.zeros((*shape, 3), np.uint8))
    assert found.plane.shape == shape and len(found) == 1
    assert len(found.merged(1.0)) == 1


def test_features_are_averaged_over_regions() -> None:
    plane = np.repeat(np.repeat(np.array([[0, 0, 1], [2, 2, 1]], np.int32), 4, 0), 4, 1)
    values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_allclose(pooled(plane, values)[:, 0], [0.5, 3.5, 3.5])


def test_a_region_between_the_pixels_of_features_takes_those_at_its_middle() -> None:
    plane = np.zeros((8, 8), np.int32)
    plane[0, 0] = 1
    values = np.array([[[5.0, 6.0], [7.0, 8.0]]], np.float32)
    np.testing.assert_allclose(pooled(plane, values)[:, 0], [6.5, 5.0])


def test_levels_count_alike_whatever_their_size() -> None:
    torch.manual_seed(0)
    loud, quiet = 100 * torch.randn(8, 6, 8), torch.randn(3, 12, 16)
    planes = together((loud, quiet), (12, 16))
    assert planes.shape == (11, 12, 16)
    torch.testing.assert_close(planes.mean(dim=(1, 2)), torch.zeros(11), atol=1e-5, rtol=0)
    for part in planes.split([8, 3]):
        assert part.square().sum(dim=0).mean().item() == pytest.approx(1, rel=1e-3)
