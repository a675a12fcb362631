"""Each label wins as soon as its outline lies on contours, and no sooner."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.refinement import Grid
from unseg_studio.refinement.balance import (
    FREE_PAIRS,
    MOST_LABELS,
    STRIDE,
    THRESHOLDS,
    _disobedience,
    _mean_barriers,
    balanced,
)

from .conftest import drawn, random_grid, uniform, unmarked

SHAPE = (40, 60)
EDGE = 24
"""The contour of `divided` lies before this column."""


PLAIN = uniform(SHAPE)


def divided(weight: float = 1e-2) -> Grid:
    """A plane with one vertical contour."""
    right = PLAIN.right.clone()
    right[:, EDGE - 1] = weight
    return Grid(right, PLAIN.down)


def slanted() -> torch.Tensor:
    """Label 0 is likelier left of the contour, but ends only before column 51."""
    column = np.arange(SHAPE[1])
    lead = np.where(column < EDGE, 2.0, 0.5 - 0.5 * (column - EDGE) / 26.5)
    plane = torch.from_numpy(np.broadcast_to(lead, SHAPE).astype(np.float32).copy())
    return torch.stack([plane.sigmoid(), 1 - plane.sigmoid()])


def ends(posterior: torch.Tensor) -> set[int]:
    """How far to the right label 0 wins, over all rows."""
    return set((posterior.argmax(dim=0) == 0).sum(dim=1).tolist())


def test_an_outline_in_a_plain_region_moves_to_the_contour() -> None:
    assert ends(slanted()) == {51}
    assert ends(balanced(slanted(), unmarked(PLAIN), divided())) == {EDGE}


def test_it_stays_where_there_is_no_contour() -> None:
    torch.testing.assert_close(balanced(slanted(), unmarked(PLAIN), PLAIN), slanted())


def test_it_stays_where_strokes_would_be_contradicted() -> None:
    seeds = unmarked(PLAIN)
    seeds[5, 3:6], seeds[5, 55:], seeds[10:30, 28:48] = 0, 1, 0
    assert ends(balanced(slanted(), seeds, divided(weight=0.03))) == {51}
    assert ends(balanced(slanted(), unmarked(PLAIN), divided(weight=0.03))) == {EDGE}


@pytest.mark.parametrize("n_labels", [2, 3, 8])
def test_the_order_of_the_labels_does_not_matter(n_labels: int) -> None:
    grid = random_grid(SHAPE, n_labels)
    posterior, seeds = drawn(n_labels, grid, seed=n_labels)
    turned = np.where(seeds < 0, seeds, n_labels - 1 - seeds)
    there, back = balanced(posterior, seeds, grid), balanced(posterior.flip(0), turned, grid)
    torch.testing.assert_close(there, back.flip(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(there.sum(dim=0), torch.ones(SHAPE))


def test_labels_that_are_equally_likely_everywhere_stay_so() -> None:
    even = torch.full((3, *SHAPE), 1 / 3)
    torch.testing.assert_close(balanced(even, unmarked(PLAIN), divided()), even)


def test_very_many_labels_are_left_as_they_are() -> None:
    grid = random_grid(SHAPE, 0)
    posterior, seeds = drawn(MOST_LABELS + 1, grid, seed=0)
    torch.testing.assert_close(balanced(posterior, seeds, grid), posterior)


def steps_of(n_labels: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, len(THRESHOLDS) + 1, (n_labels, *SHAPE)).astype(np.int16)


@pytest.mark.parametrize("seed", range(3))
def test_barriers_along_every_outline_are_their_mean(seed: int) -> None:
    steps = steps_of(3, seed)
    grid = random_grid(SHAPE, seed)
    right, down = grid.barriers
    found = _mean_barriers(steps, grid)
    for label, threshold in ((0, 0), (1, 30), (2, len(THRESHOLDS) - 1)):
        inside = steps[label] > threshold
        across = (inside[:, 1:] != inside[:, :-1])[::STRIDE]
        upright = (inside[1:] != inside[:-1])[:, ::STRIDE]
        total = right[::STRIDE][across].sum() + down[:, ::STRIDE][upright].sum()
        expected = total / (across.sum() + upright.sum() + FREE_PAIRS)
        assert found[label, threshold] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_disobedience_is_the_share_of_seeds_on_the_wrong_side(seed: int) -> None:
    steps = steps_of(4, seed)
    seeds = drawn(3, PLAIN, seed)[1]  # the last label has none
    found = _disobedience(steps, seeds)
    for label in range(4):
        for threshold in (0, 17, len(THRESHOLDS) - 1):
            inside, own, others = steps[label] > threshold, seeds == label, seeds >= 0
            others &= ~own
            lost = (~inside & own).sum() / max(1, own.sum())
            won = (inside & others).sum() / max(1, others.sum())
            assert found[label, threshold] == pytest.approx(lost + won)
