"""Scribbles spread along weak edges, and what was learned counts where they say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.refinement import Guide, propagate


def unsure(n_labels: int, guide: Guide) -> np.ndarray:
    return np.full((n_labels, *guide.shape), 1 / n_labels, np.float32)


def drawn(n_labels: int, guide: Guide, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random prior and a few random seeds."""
    random = np.random.default_rng(seed)
    prior = random.dirichlet(np.ones(n_labels), guide.shape).transpose(2, 0, 1)
    seeds = np.full(guide.shape, -1, np.int32)
    places = random.choice(seeds.size, 5 * n_labels, replace=False)
    seeds.flat[places] = random.integers(0, n_labels, len(places))
    return prior.astype(np.float32), seeds


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_probabilities_sum_to_one_and_lie_between(n_labels: int, seed: int, noise: Guide) -> None:
    walked = propagate(*drawn(n_labels, noise, seed), noise)
    assert walked.shape == (n_labels, *noise.shape)
    assert walked.dtype == np.float32
    assert walked.min() >= 0
    np.testing.assert_allclose(walked.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_seeds_stay(n_labels: int, noise: Guide) -> None:
    prior, seeds = drawn(n_labels, noise, 7)
    walked = propagate(prior, seeds, noise)
    rows, cols = np.nonzero(seeds >= 0)
    np.testing.assert_allclose(walked[seeds[rows, cols], rows, cols], 1, atol=1e-5)


def test_one_seed_in_each_half_cuts_at_the_edge(halves: Guide) -> None:
    seeds = np.full(halves.shape, -1, np.int32)
    seeds[3, 3], seeds[16, 26] = 0, 1
    labels = propagate(unsure(2, halves), seeds, halves).argmax(axis=0)
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(30) >= 12, labels.shape))


def test_without_seeds_a_prior_that_knows_wins(halves: Guide) -> None:
    prior = np.full((2, *halves.shape), 0.3, np.float32)
    prior[0, :, :12] = prior[1, :, 12:] = 0.7
    labels = propagate(prior, np.full(halves.shape, -1, np.int32), halves).argmax(axis=0)
    np.testing.assert_array_equal(labels, prior.argmax(axis=0))


def test_a_seed_convinces_its_side_against_a_weak_prior(halves: Guide) -> None:
    prior = np.stack([np.full(halves.shape, p, np.float32) for p in (0.45, 0.55)])
    seeds = np.full(halves.shape, -1, np.int32)
    seeds[10, 2:10] = 0
    labels = propagate(prior, seeds, halves).argmax(axis=0)
    assert (labels[:, :12] == 0).mean() > 0.95
    assert (labels[:, 12:] == 1).mean() > 0.95


def test_a_second_walk_from_the_solution_changes_little(halves: Guide) -> None:
    prior, _ = drawn(3, halves, 1)
    seeds = np.full(halves.shape, -1, np.int32)
    seeds[3, 2:9], seeds[16, 20:28], seeds[3, 20:28] = 0, 1, 2
    once = propagate(prior, seeds, halves)
    twice = propagate(once, seeds, halves)
    assert (once.argmax(axis=0) == twice.argmax(axis=0)).mean() > 0.97


def test_a_heavy_prior_is_kept_beside_the_seeds(noise: Guide) -> None:
    prior, seeds = drawn(3, noise, 2)
    walked = propagate(prior, seeds, noise, gamma=1e4)
    free = seeds < 0
    np.testing.assert_allclose(walked[:, free], prior[:, free], atol=0.01)


def test_the_order_of_labels_does_not_matter(noise: Guide) -> None:
    prior, seeds = drawn(3, noise, 3)
    order = np.array([2, 0, 1])
    turned = np.where(seeds < 0, -1, np.argsort(order)[seeds]).astype(np.int32)
    again = propagate(np.ascontiguousarray(prior[order]), turned, noise)
    np.testing.assert_allclose(again, propagate(prior, seeds, noise)[order], atol=0.02)
