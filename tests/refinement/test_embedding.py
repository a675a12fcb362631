"""A learned embedding: alike places together, whatever the size of the features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.features.efficientnet import WIDTHS
from unseg_studio.features.filters import N_FILTERS
from unseg_studio.refinement.embedding import Coordinates, embedded, stored

SHAPE = (12, 18)


def planes(scale: float = 1.0, *, seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Levels of mean 0 at five sizes, and hand-made features, at random."""
    generator = torch.Generator().manual_seed(seed)
    levels = [torch.randn(width, 24 // 2**i + 2, 36 // 2**i + 2, generator=generator)
              for i, width in enumerate(WIDTHS)]  # fmt: skip
    levels = [scale * (level - level.mean(dim=(1, 2), keepdim=True)) for level in levels]
    return levels, torch.randn(N_FILTERS, *SHAPE, generator=generator)


def place() -> torch.Tensor:
    rows, cols = (np.linspace(-1.7, 1.7, n, dtype=np.float32) for n in SHAPE)
    return torch.from_numpy(np.stack(np.meshgrid(rows, cols, indexing="ij")))


def embedding(scale: float = 1.0) -> Coordinates:
    return embedded(*planes(scale), place())


def test_every_pixel_has_finite_coordinates() -> None:
    found = embedding()
    n_pixels = SHAPE[0] * SHAPE[1]
    assert found.hand.shape == (N_FILTERS, n_pixels)
    assert found.deep.shape == found.plain.shape
    assert found.deep.shape[1] == n_pixels
    assert all(values.dtype == torch.float32 for values in found)
    assert all(torch.isfinite(values).all() for values in found)


def test_features_that_say_nothing_are_finite_as_well() -> None:
    levels, hand = planes(0.0)
    found = embedded(levels, torch.zeros_like(hand), place())
    assert all(torch.isfinite(values).all() for values in found)
    assert found.hand.abs().max() == 0


def test_a_level_counts_according_to_its_power_and_gain() -> None:
    levels, _ = planes()
    network = stored()
    one = network.projected([level.flatten(1) for level in levels])
    ten = network.projected([10 * level.flatten(1) for level in levels])
    for first, second, power in zip(one, ten, network.powers, strict=True):
        ratio = (second.norm() / first.norm()).item()
        assert ratio == pytest.approx(10 ** (1 - power.item()), rel=1e-3)


def test_the_place_is_among_the_coordinates_of_both_deep_views() -> None:
    found, scales = embedding(), stored().scales
    torch.testing.assert_close(found.deep[-2:], scales[1] * place().flatten(1))
    torch.testing.assert_close(found.plain[-2:], scales[2] * place().flatten(1))


def test_the_fitted_numbers_fit_each_other() -> None:
    network = stored()
    n_deep = sum(len(axes) for axes in network.projections)
    assert [axes.shape[1] for axes in network.projections] == list(WIDTHS)
    assert network.hidden.shape[1] == n_deep + N_FILTERS
    assert network.output.shape[1] == len(network.hidden) == len(network.hidden_bias)
    assert network.hand.shape == (N_FILTERS, N_FILTERS)
    assert len(network.gains) == len(WIDTHS) + 1
