"""Labels of a finished plane, found again on others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.refinement import Example, Guide, Trace, learned, recognised
from unseg_studio.refinement.recognition import agreement

SHAPE = (60, 80)
NOWHERE = np.full(SHAPE, -1, np.int32)


def truth(n_discs: int, shift: int = 0) -> np.ndarray:
    rows, cols = np.indices(SHAPE)
    found = np.zeros(SHAPE, np.int32)
    for number in range(n_discs):
        centre = 15 + 30 * (number // 3), 12 + 26 * (number % 3) + shift
        found[(rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= 64] = 1
    return found


def image(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-12, 13, (*SHAPE, 3))
    colours = np.where(labels[..., None] == 1, (190, 90, 60), (40, 80, 130))
    return (colours + noise).astype(np.uint8)


def shares(labels: np.ndarray, n_labels: int = 2) -> np.ndarray:
    return np.stack([labels == label for label in range(n_labels)]).astype(np.float32)


def example(labels: np.ndarray, seeds: np.ndarray = NOWHERE) -> Example:
    return Example(Guide(image(labels)), shares(labels), seeds)


def iou(found: torch.Tensor, wanted: np.ndarray) -> float:
    mine, theirs = found.argmax(dim=0).numpy() == 1, wanted == 1
    return float((mine & theirs).sum() / (mine | theirs).sum())


def test_what_looks_alike_gets_the_label_wherever_it_is() -> None:
    knowledge = learned([example(truth(2))])
    target = truth(5, shift=4)
    guide = Guide(image(target, seed=1), like=knowledge.standard)
    found = recognised(knowledge, guide, None)
    assert found.shape == (2, *SHAPE)
    np.testing.assert_allclose(found.sum(dim=0), 1, atol=1e-5)
    assert iou(found, target) > 0.9


def test_it_is_found_where_there_is_far_more_of_it() -> None:
    """By its own standard the plane's features would mean something else."""
    knowledge, target = learned([example(truth(1))]), truth(6)
    rgb = image(target, seed=1)
    found = recognised(knowledge, Guide(rgb, like=knowledge.standard), None)
    assert iou(found, target) > 0.85
    assert iou(recognised(knowledge, Guide(rgb), None), target) < iou(found, target)


def test_what_looks_the_same_is_told_apart_by_where_it_was() -> None:
    left_right = truth(2)
    left_right[:, :26] *= 2  # one disc is the label 2
    first = Example(Guide(image(truth(2))), shares(left_right, 3), NOWHERE)
    knowledge = learned([first])
    guide = Guide(image(truth(2, shift=2), seed=1), like=knowledge.standard)
    before = Trace.of(first.guide, first.shares)
    found = recognised(knowledge, guide, before).argmax(dim=0).numpy()
    assert found[15, 14] == 2
    assert found[15, 40] == 1


def test_a_plane_before_that_shows_something_else_has_no_say() -> None:
    knowledge = learned([example(truth(2))])
    target = truth(5, shift=4)
    guide = Guide(image(target, seed=1), like=knowledge.standard)
    noise = np.random.default_rng(0).random(SHAPE) < 0.5
    unlike = Trace.of(guide, shares(noise.astype(np.int32)))
    found = [recognised(knowledge, guide, before) for before in (unlike, None)]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_strokes_count_more_than_what_is_shown() -> None:
    wrong = np.zeros(SHAPE, np.int32)
    wrong[truth(6) == 1] = 1
    wrong[:30] = 0  # half of the discs are shown as ground
    seeds = NOWHERE.copy()
    seeds[truth(6) == 1] = 1
    guide = Guide(image(truth(6)))
    posterior = [
        learned([Example(guide, shares(wrong), drawn)]).classifiers.posterior(guide.views)
        for drawn in (NOWHERE, seeds)
    ]
    inside = torch.from_numpy(truth(6).ravel() == 1)
    without, with_strokes = (p[1][inside].mean() for p in posterior)
    assert with_strokes > without + 0.05


def test_two_planes_teach_together() -> None:
    one = example(truth(2))
    rows = np.indices(SHAPE)[0]
    bands = (rows % 20 < 6).astype(np.int32)
    other_rgb = np.where(bands[..., None] == 1, 230, image(np.zeros(SHAPE, np.int32)))
    other_guide = Guide(other_rgb.astype(np.uint8), like=one.guide.standard)
    other = Example(other_guide, shares(bands), NOWHERE)
    alone, both = learned([one]), learned([one, other])
    guide = Guide(other_rgb.astype(np.uint8), like=one.guide.standard)
    assert iou(recognised(both, guide, None), bands) > 0.8
    assert iou(recognised(both, guide, None), bands) > iou(recognised(alone, guide, None), bands)


def test_a_single_label_is_everywhere() -> None:
    guide = Guide(image(truth(2)))
    knowledge = learned([Example(guide, np.ones((1, *SHAPE), np.float32), NOWHERE)])
    assert torch.equal(recognised(knowledge, guide, None), torch.ones(1, *SHAPE))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((0, 0, 1, 1), (0, 0, 1, 1), 1.0), ((0, 0, 0, 1), (0, 1, 0, 1), (2 / 3 + 1 / 2) / 2)],
)
def test_agreement_is_the_mean_iou_of_labels_that_occur(
    one: tuple[int, ...], other: tuple[int, ...], expected: float
) -> None:
    planes = [torch.from_numpy(shares(np.array([labels]), 4)) for labels in (one, other)]
    assert agreement(*planes) == pytest.approx(expected)


def test_an_image_by_its_own_standard_is_as_without_one() -> None:
    rgb = image(truth(3))
    guide = Guide(rgb)
    again = Guide(rgb, like=guide.standard)
    torch.testing.assert_close(again.views, guide.views)
    torch.testing.assert_close(again.grid.right, guide.grid.right)
    assert again.standard is again.like
