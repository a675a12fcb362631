"""Classifiers learn from strokes, and say little about what resembles none of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unseg_studio.refinement.appearance import (
    EARLIER_STEP,
    MOST_SEEDS,
    N_UNMARKED,
    UNMARKED_WEIGHT,
    Lesson,
    taught,
)
from unseg_studio.refinement.guide import _waves

RED, BLUE, OTHER = (0.0, 0.0), (9.0, 0.0), (0.0, 9.0)


def seeds_of(*counts: int) -> np.ndarray:
    """(20, 60): that many pixels of each label, the rest unmarked."""
    seeds = np.full(1200, -1, np.int32)
    seeds[: sum(counts)] = np.repeat(np.arange(len(counts)), counts)
    return seeds.reshape(20, 60)


def posterior_of(n_labels: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    planes = random.dirichlet(np.full(n_labels, 0.3), (40, 50)).transpose(2, 0, 1)
    return torch.from_numpy(planes.astype(np.float32))


def kernels(*colours: tuple[float, float], n: int = 40) -> torch.Tensor:
    """(3, n per colour, F): views with kernels on noisy colours."""
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(colour, 0.2, (n, 2)) for colour in colours])
    plane = torch.from_numpy(points.T.astype(np.float32))
    # Each view has waves of its own since its colours are turned.
    waves = torch.stack([_waves(plane.roll(k, 0) * (-1) ** k) for k in range(3)])
    return torch.nn.functional.pad(waves, (0, 1), value=1)


def masses(lesson: Lesson) -> torch.Tensor:
    """How much each label counts in all."""
    return (lesson.targets * lesson.weights).sum(dim=1)


@pytest.mark.parametrize("counts", [(1, 1), (3, 90), (700, 1, 20), (1,) * 200, (5,)])
def test_scribbled_pixels_count_one_together(counts: tuple[int, ...]) -> None:
    lesson = Lesson.of_seeds(seeds_of(*counts), len(counts))
    assert float(lesson.weights.sum()) == pytest.approx(1, abs=1e-4)
    assert (lesson.weights > 0).all()
    assert (lesson.targets.sum(dim=0) == 1).all()


def test_a_lesson_is_of_the_scribbled_pixels_and_their_labels() -> None:
    seeds = np.full((4, 5), -1, np.int32)
    seeds[1, 2], seeds[3, 4], seeds[0, 0] = 1, 0, 1
    lesson = Lesson.of_seeds(seeds, 3)
    found = dict(zip(lesson.pixels.tolist(), lesson.targets.argmax(dim=0).tolist(), strict=True))
    assert found == {0: 1, 7: 1, 19: 0}


def test_of_many_scribbled_pixels_some_are_looked_at() -> None:
    lesson = Lesson.of_seeds(seeds_of(500, 700), 2)
    assert MOST_SEEDS / 2 < len(lesson.pixels) <= MOST_SEEDS


@pytest.mark.parametrize("first", [598, 701, 1197])
def test_a_single_pixel_beside_a_large_area_is_not_left_out(first: int) -> None:
    lesson = Lesson.of_seeds(seeds_of(first, 1), 2)
    torch.testing.assert_close(masses(lesson), torch.tensor([0.5, 0.5]), rtol=0, atol=1e-4)


def test_two_labels_count_the_same_however_much_is_drawn() -> None:
    lesson = Lesson.of_seeds(seeds_of(10, 300), 2)
    torch.testing.assert_close(masses(lesson), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("n_labels", [3, 8])
def test_of_more_labels_long_strokes_count_more_but_less_than_their_length(n_labels: int) -> None:
    lesson = Lesson.of_seeds(seeds_of(160, *[10] * (n_labels - 1)), n_labels)
    mass = masses(lesson)
    assert float(mass[0] / mass[1]) == pytest.approx(16 ** (1 - (2 / n_labels) ** 2), rel=1e-3)


@pytest.mark.parametrize("n_labels", [2, 5])
def test_unmarked_pixels_count_twice_the_scribbled_ones(n_labels: int) -> None:
    lesson = Lesson.of_posterior(posterior_of(n_labels))
    assert float(lesson.weights.sum()) == pytest.approx(UNMARKED_WEIGHT, abs=1e-3)
    assert (lesson.weights > 0).all()
    assert len(set(lesson.pixels.tolist())) == N_UNMARKED
    torch.testing.assert_close(lesson.targets.sum(dim=0), torch.ones(N_UNMARKED))


@pytest.mark.parametrize("n_labels", [2, 5])
def test_what_was_shown_teaches_a_sample_of_the_pixels_that_have_a_label(n_labels: int) -> None:
    labels = np.random.default_rng(n_labels).integers(-1, n_labels, (40, 50)).astype(np.int32)
    lesson = Lesson.of_labels(labels, n_labels)
    assert len(set(lesson.pixels.tolist())) == len(lesson.pixels) == 1 + 2000 // EARLIER_STEP
    np.testing.assert_array_equal(lesson.targets.argmax(dim=0), labels.ravel()[lesson.pixels])
    assert (lesson.targets.sum(dim=0) == 1).all()
    assert float(lesson.weights.sum()) == pytest.approx(UNMARKED_WEIGHT, abs=1e-3)


def test_where_nothing_has_a_label_there_is_nothing_to_learn() -> None:
    seeds = np.full((4, 5), -1, np.int32)
    assert len(Lesson.of_labels(seeds, 2).pixels) == 0
    seeds[0, 0], seeds[3, 4] = 0, 1
    drawn = Lesson.of_seeds(seeds, 2)
    both = drawn.and_(Lesson.of_labels(np.full((4, 5), -1, np.int32), 2))
    torch.testing.assert_close(both.weights, drawn.weights)


def test_a_clear_unmarked_pixel_counts_more_than_a_doubtful_one() -> None:
    planes = torch.full((2, 20, 20), 0.5)
    planes[0, :10], planes[1, :10] = 0.95, 0.05
    lesson = Lesson.of_posterior(planes)
    clear = lesson.pixels < 200
    assert lesson.weights[clear].min() > 100 * lesson.weights[~clear].max()


def test_two_lessons_are_learned_together() -> None:
    posterior = posterior_of(2)
    seeds = np.full((40, 50), -1, np.int32)
    seeds[3, :9], seeds[30, :9] = 0, 1
    both = Lesson.of_seeds(seeds, 2).and_(Lesson.of_posterior(posterior))
    assert len(both.pixels) == both.targets.shape[1] == len(both.weights) == 18 + N_UNMARKED
    assert float(both.weights.sum()) == pytest.approx(1 + UNMARKED_WEIGHT, abs=1e-3)


def two_colours() -> tuple[torch.Tensor, np.ndarray]:
    """Views of red, blue and other pixels; five of the red and five of the blue are scribbled."""
    seeds = np.full((3, 40), -1, np.int32)
    seeds[0, :5], seeds[1, :5] = 0, 1
    return kernels(RED, BLUE, OTHER), seeds


def test_two_colours_are_told_apart() -> None:
    views, seeds = two_colours()
    planes = taught(views, Lesson.of_seeds(seeds, 2)).posterior(views)[0].reshape(3, 40)
    assert planes[0].min() > 0.8
    assert planes[1].max() < 0.2


def test_a_pixel_like_nothing_drawn_may_be_anything() -> None:
    views, seeds = two_colours()
    planes = taught(views, Lesson.of_seeds(seeds, 2)).posterior(views)[0].reshape(3, 40)
    assert (planes[2].mean() - 0.5).abs() < 0.2
    assert planes[2].mean() < planes[0].min() and planes[2].mean() > planes[1].max()


@pytest.mark.parametrize("n_labels", [2, 3, 200])
def test_the_posterior_sums_to_one(n_labels: int) -> None:
    seeds = seeds_of(*[2] * n_labels)
    views = kernels(RED, BLUE, OTHER, n=400)
    posterior = taught(views, Lesson.of_seeds(seeds, n_labels)).posterior(views)
    assert posterior.shape == (n_labels, 1200)
    assert posterior.min() > 0
    torch.testing.assert_close(posterior.sum(dim=0), torch.ones(1200))


def test_teaching_goes_on_from_what_was_known() -> None:
    views, seeds = two_colours()
    lesson = Lesson.of_seeds(seeds, 2)
    once = taught(views, lesson)
    again = taught(views, lesson, once)
    change = (again.posterior(views) - once.posterior(views)).abs().max()
    assert change < 0.2
    other = taught(views, Lesson.of_seeds(np.where(seeds < 0, seeds, 1 - seeds), 2), once)
    assert other.posterior(views)[0, 5:40].max() < 0.5


def test_the_same_lesson_teaches_the_same() -> None:
    views, seeds = two_colours()
    first, second = (taught(views, Lesson.of_seeds(seeds, 2)).weights for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)
