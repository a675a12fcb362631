"""Neighbours belong together inside and hardly across an edge, whichever way they lie."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from unseg_studio.features.filters import N_FILTERS
from unseg_studio.refinement import Guide
from unseg_studio.refinement.contours import DEEP_DISTANCES, WEAKEST, Network, contours, pairs_of

Planes = tuple[np.ndarray, tuple[torch.Tensor, ...], np.ndarray]

N_VALUES = 3 * 3 + len(DEEP_DISTANCES) + 2 + 6
"""Of each pair: colours, deep levels, textures and deviations, edges and ridges."""


def planes(shape: tuple[int, int], seed: int = 0, size: float = 1.0) -> Planes:
    """Random colours and features."""
    random = np.random.default_rng(seed)
    colour = size * random.standard_normal((*shape, 3), np.float32)
    deep = tuple(
        torch.from_numpy(size * random.standard_normal((width, *shape), np.float32) / width**0.5)
        for width in (4, 5, 6, 6, 7)
    )
    return colour, deep, size * random.standard_normal((N_FILTERS, *shape), np.float32)


def turned(given: Planes) -> Planes:
    """Rows become columns."""
    colour, deep, filters = given
    return (
        np.ascontiguousarray(colour.swapaxes(0, 1)),
        tuple(level.mT.contiguous() for level in deep),
        np.ascontiguousarray(filters.swapaxes(1, 2)),
    )


def mirrored(given: Planes) -> Planes:
    """Left becomes right."""
    colour, deep, filters = given
    return (
        np.ascontiguousarray(colour[:, ::-1]),
        tuple(level.flip(2) for level in deep),
        np.ascontiguousarray(filters[:, :, ::-1]),
    )


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 0.1, 1.0, 100.0])
def test_weights_lie_above_the_weakest_and_below_one_and_the_weakest(size: float) -> None:
    grid = contours(*planes((14, 19), size=size))
    assert grid.shape == (14, 19)
    for weights in (grid.right, grid.down):
        assert weights.dtype == torch.float32
        assert weights.min() >= np.float32(WEAKEST)
        assert weights.max() <= 1 + WEAKEST + 1e-6


@pytest.mark.parametrize("shape", [(2, 2), (2, 9), (14, 19)])
def test_each_pair_of_neighbours_has_its_values(shape: tuple[int, int]) -> None:
    height, width = shape
    pairs = pairs_of(*planes(shape))
    assert pairs.right.shape == (N_VALUES, height, width - 1)
    assert pairs.down.shape == (N_VALUES, height - 1, width)
    assert torch.isfinite(pairs.right).all() and torch.isfinite(pairs.down).all()


def test_rows_are_treated_as_columns_are() -> None:
    given = planes((14, 19))
    grid, other = contours(*given), contours(*turned(given))
    close(other.right, grid.down.mT)
    close(other.down, grid.right.mT)


def test_from_left_to_right_is_as_from_right_to_left() -> None:
    given = planes((14, 19), 2)
    grid, other = contours(*given), contours(*mirrored(given))
    close(other.right, grid.right.flip(1))
    close(other.down, grid.down.flip(1))


def test_a_shift_of_all_colours_changes_nothing() -> None:
    colour, deep, filters = planes((14, 19), 3)
    close(contours(colour + 3, deep, filters).right, contours(colour, deep, filters).right)


def test_what_differs_more_belongs_less_together() -> None:
    colour, deep, filters = planes((14, 20), size=0.0)
    weights = []
    for step in (0.0, 1.0, 3.0):
        colour[:, 10:] = step
        for level in deep:
            level[:, :, 10:] = step / len(level) ** 0.5
        weights.append(float(contours(colour, deep, filters).right[7, 9]))
    assert weights[0] > 2 * weights[1] > 2 * weights[2]


@pytest.mark.parametrize("upright", [True, False])
def test_an_image_is_weak_across_its_edge_and_strong_inside(upright: bool) -> None:
    pixels = np.full((30, 48, 3), 60.0)
    pixels[:, 20:] = 170
    pixels += np.random.default_rng(1).normal(0, 5, pixels.shape)
    rgb = pixels.astype(np.uint8)
    grid = Guide(rgb if upright else np.ascontiguousarray(rgb.swapaxes(0, 1))).grid
    along = grid.right if upright else grid.down.mT
    assert along[:, 19].max() < 0.05
    assert torch.cat([along[:, 3:16], along[:, 24:45]], dim=1).median() > 0.3


def test_the_stored_numbers_are_plain_arrays_and_finite() -> None:
    file = resources.files("unseg_studio.refinement").joinpath("contours.npz")
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
        assert set(stored.files) >= set(Network._fields)
        numbers = {name: stored[name] for name in Network._fields}
    assert all(values.dtype == np.float32 for values in numbers.values())
    assert all(np.isfinite(values).all() for values in numbers.values())
    assert numbers["centre"].shape == numbers["scale"].shape == (N_VALUES,)
    assert (numbers["scale"] > 0).all()
    assert numbers["hidden"].shape == (*numbers["output"].shape, N_VALUES)
