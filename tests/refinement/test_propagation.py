"""Scribbles spread along weak edges, and what was learned counts where they say nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.recording import Tape
from unseg_studio.refinement import Grid, propagate, propagate_among, propagation

from .conftest import EDGE, drawn, random_grid, uniform, unmarked


def unsure(n_labels: int, grid: Grid) -> torch.Tensor:
    return torch.full((n_labels, *grid.shape), 1 / n_labels)


def solved(prior: torch.Tensor, seeds: np.ndarray, grid: Grid, *, gamma: float) -> np.ndarray:
    """The answer of the dense system."""
    n = seeds.size
    flat = torch.eye(n).reshape(n, *grid.shape)
    weights = grid.neighbours(flat).reshape(n, n).double().numpy()
    system = np.diag(weights.sum(axis=1) + gamma) - weights
    right = gamma * prior.reshape(len(prior), n).double().numpy().T
    sure = seeds.ravel() >= 0
    system[sure] = np.eye(n)[sure]
    right[sure] = np.eye(len(prior))[seeds.ravel()[sure]]
    return np.asarray(np.linalg.solve(system, right).T.reshape(prior.shape))


def assert_probabilities(walked: torch.Tensor) -> None:
    assert walked.dtype == torch.float32
    assert walked.min() >= 0
    torch.testing.assert_close(walked.sum(dim=0), torch.ones(walked.shape[1:]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_probabilities_sum_to_one_and_lie_between(n_labels: int, seed: int, noise: Grid) -> None:
    walked = propagate(*drawn(n_labels, noise, seed), noise)
    assert walked.shape == (n_labels, *noise.shape)
    assert_probabilities(walked)


@pytest.mark.parametrize("shape", [(2, 2), (2, 61), (27, 26), (63, 53), (111, 25)])
def test_planes_of_odd_sizes_are_walked(shape: tuple[int, int]) -> None:
    grid = random_grid(shape, 8)
    seeds = unmarked(grid)
    seeds[0, 0], seeds[-1, -1] = 0, 1
    walked = propagate(unsure(3, grid), seeds, grid)
    assert_probabilities(walked)
    assert walked[0, 0, 0] > 0.999 and walked[1, -1, -1] > 0.999


@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_seeds_stay(n_labels: int, noise: Grid) -> None:
    prior, seeds = drawn(n_labels, noise, 7)
    walked = propagate(prior, seeds, noise).numpy()
    rows, cols = np.nonzero(seeds >= 0)
    np.testing.assert_allclose(walked[seeds[rows, cols], rows, cols], 1, atol=1e-4)


def test_one_seed_in_each_half_cuts_at_the_edge(split: Grid) -> None:
    seeds = unmarked(split)
    seeds[3, 3], seeds[16, 26] = 0, 1
    labels = propagate(unsure(2, split), seeds, split).argmax(dim=0).numpy()
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(30) >= EDGE, labels.shape))


def test_without_seeds_a_prior_that_knows_wins(split: Grid) -> None:
    prior = torch.full((2, *split.shape), 0.3)
    prior[0, :, :EDGE] = prior[1, :, EDGE:] = 0.7
    labels = propagate(prior, unmarked(split), split).argmax(dim=0)
    assert (labels == prior.argmax(dim=0)).all()


def test_a_seed_convinces_its_side_against_a_weak_prior(split: Grid) -> None:
    prior = torch.stack([torch.full(split.shape, p) for p in (0.45, 0.55)])
    seeds = unmarked(split)
    seeds[10, 2:10] = 0
    labels = propagate(prior, seeds, split).argmax(dim=0).numpy()
    assert (labels[:, :EDGE] == 0).mean() > 0.95
    assert (labels[:, EDGE:] == 1).mean() > 0.95


def test_a_second_walk_from_the_solution_changes_little(split: Grid) -> None:
    prior, _ = drawn(3, split, 1)
    seeds = unmarked(split)
    seeds[3, 2:9], seeds[16, 20:28], seeds[3, 20:28] = 0, 1, 2
    once = propagate(prior, seeds, split)
    twice = propagate(once, seeds, split)
    assert (once.argmax(dim=0) == twice.argmax(dim=0)).float().mean() > 0.97


def test_a_heavy_prior_is_kept_beside_the_seeds(noise: Grid) -> None:
    prior, seeds = drawn(3, noise, 2)
    walked = propagate(prior, seeds, noise, gamma=1e4)
    free = seeds < 0
    np.testing.assert_allclose(walked[:, free], prior[:, free], atol=0.01)


def test_the_order_of_labels_does_not_matter(noise: Grid) -> None:
    prior, seeds = drawn(3, noise, 3)
    order = np.array([2, 0, 1])
    turned = np.where(seeds < 0, -1, np.argsort(order)[seeds]).astype(np.int32)
    again = propagate(prior[order], turned, noise)
    torch.testing.assert_close(again, propagate(prior, seeds, noise)[order], rtol=0, atol=0.02)


def test_labels_with_seeds_walk_among_others_as_they_do_alone(noise: Grid) -> None:
    prior, seeds = drawn(5, noise, 6)
    seeds[seeds > 1] = -1
    among, walked = propagate_among(prior, seeds, noise), propagate(prior, seeds, noise)
    assert_probabilities(among)
    torch.testing.assert_close(among[:2], walked[:2], rtol=0, atol=0.01)


def test_labels_without_seeds_share_what_is_left_by_their_priors(noise: Grid) -> None:
    prior, seeds = drawn(5, noise, 6)
    seeds[seeds > 1] = -1
    among = propagate_among(prior, seeds, noise)
    free = torch.from_numpy(seeds < 0)
    torch.testing.assert_close((among[2] * prior[3])[free], (among[3] * prior[2])[free])


def test_without_any_seed_the_priors_stay(noise: Grid) -> None:
    prior, _ = drawn(3, noise, 6)
    torch.testing.assert_close(propagate_among(prior, unmarked(noise), noise), prior)


@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_where_every_label_has_seeds_it_is_the_plain_walk(n_labels: int, noise: Grid) -> None:
    prior, seeds = drawn(n_labels, noise, 2)
    seeds[0, :n_labels] = range(n_labels)
    among = propagate_among(prior, seeds, noise)
    torch.testing.assert_close(among, propagate(prior, seeds, noise), rtol=0, atol=0.01)


def test_what_was_given_is_not_changed(noise: Grid) -> None:
    prior, seeds = drawn(3, noise, 5)
    before = prior.clone(), seeds.copy(), noise.right.clone()
    propagate(prior, seeds, noise)
    assert torch.equal(prior, before[0]) and (seeds == before[1]).all()
    assert torch.equal(noise.right, before[2])


def test_neighbours_are_weighted_the_same_in_both_directions(noise: Grid) -> None:
    n = noise.shape[0] * noise.shape[1]
    matrix = noise.neighbours(torch.eye(n).reshape(n, *noise.shape)).reshape(n, n)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-6)
    torch.testing.assert_close(matrix.sum(dim=0).reshape(noise.shape), noise.degree)


@pytest.mark.parametrize("weight", [1.0, 0.01])
def test_the_halved_grid_of_a_uniform_grid_is_the_same_uniform_grid(weight: float) -> None:
    halved = uniform((26, 40), weight).halved
    assert halved.shape == (13, 20)
    for weights in (halved.right, halved.down):
        torch.testing.assert_close(weights, torch.full_like(weights, weight))


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (27, 40), (27, 41), (26, 41)])
def test_a_grid_of_any_size_is_halved_upwards(shape: tuple[int, int]) -> None:
    halved = random_grid(shape, 1).halved
    assert halved.shape == ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    for weights in (halved.right, halved.down):
        assert torch.isfinite(weights).all() and (weights > 0).all()


def test_an_edge_between_blocks_and_one_within_a_block_stay_weak_when_halved() -> None:
    for column in (9, 10):
        grid = uniform((20, 30))
        grid.right[:, column] = 1e-3
        halved = grid.halved.right
        assert halved.min(dim=1).values.max() < 0.005
        assert (halved > 0.5).sum(dim=1).min() >= halved.shape[1] - 2


def fields(shape: tuple[int, int], seed: int) -> Grid:
    """As images give them: fields of strong weights between lines of weak ones."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    field = rows // 11 * 100 + (cols + rows // 3) // 13
    right, down = (
        np.where(np.diff(field, axis=axis) != 0, 1e-3, 1) * random.uniform(0.3, 1, size)
        for axis, size in ((1, (shape[0], shape[1] - 1)), (0, (shape[0] - 1, shape[1])))
    )
    return Grid(torch.from_numpy(right).float(), torch.from_numpy(down).float())


SYSTEMS = [((16, 20), 0), ((27, 31), 1), ((28, 32), 1), ((52, 51), 2)]


@pytest.mark.parametrize(("shape", "seed"), SYSTEMS)
@pytest.mark.parametrize("made", [fields, random_grid])
def test_coarse_to_fine_leads_to_the_answer_of_the_dense_system(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], seed: int, made: Callable[..., Grid]
) -> None:
    monkeypatch.setattr(propagation, "ITERATIONS", 240)
    grid = made(shape, seed)
    prior, seeds = drawn(3, grid, seed)
    walked = propagate(prior, seeds, grid, gamma=0.01)
    np.testing.assert_allclose(walked, solved(prior, seeds, grid, gamma=0.01), atol=0.01)


@pytest.mark.parametrize(("shape", "seed"), SYSTEMS)
@pytest.mark.parametrize("made", [fields, random_grid])
def test_the_iterations_that_there_is_time_for_lead_near_that_answer(
    shape: tuple[int, int], seed: int, made: Callable[..., Grid]
) -> None:
    grid = made(shape, seed)
    prior, seeds = drawn(3, grid, seed)
    walked = propagate(prior, seeds, grid, gamma=0.01).numpy()
    expected = solved(prior, seeds, grid, gamma=0.01)
    assert np.abs(walked - expected).mean() < 0.02
    assert (walked.argmax(axis=0) == expected.argmax(axis=0)).mean() > 0.95


def test_far_seeds_reach_across_two_hundred_pixels() -> None:
    grid = uniform((120, 200))
    seeds = unmarked(grid)
    seeds[:, 0], seeds[:, -1] = 0, 1
    walked = propagate(unsure(2, grid), seeds, grid, gamma=1e-6).numpy()
    falling = np.broadcast_to(np.linspace(1, 0, 200), grid.shape)
    np.testing.assert_allclose(walked[0], falling, atol=0.02)


@pytest.mark.parametrize(("shape", "seed"), [*SYSTEMS, ((120, 90), 3)])
@pytest.mark.parametrize("made", [fields, random_grid])
@pytest.mark.parametrize("recorder", [None, Tape()])
def test_a_walk_that_never_asks_ends_at_the_same_place(
    shape: tuple[int, int], seed: int, made: Callable[..., Grid], recorder: Tape | None
) -> None:
    grid = made(shape, seed)
    prior, seeds = drawn(4, grid, seed)
    expected = propagate(prior, seeds, grid, gamma=0.02)[:-1]
    certain = (torch.arange(4)[:, None, None] == torch.from_numpy(seeds)).float()
    walked = propagation.walked_again(prior[:-1], certain, grid, 0.02, recorder=recorder)
    torch.testing.assert_close(walked.clamp_min(1e-6), expected, rtol=0, atol=2e-5)


def test_a_recorded_walk_serves_other_images_of_the_shape() -> None:
    tape = Tape()
    for seed in range(3):
        grid = random_grid((40, 30), seed)
        prior, seeds = drawn(3, grid, seed)
        certain = (torch.arange(3)[:, None, None] == torch.from_numpy(seeds)).float()
        walked = propagation.walked_again(prior[:-1], certain, grid, 0.02, recorder=tape)
        expected = propagate(prior, seeds, grid, gamma=0.02)[:-1]
        torch.testing.assert_close(walked.clamp_min(1e-6), expected, rtol=0, atol=2e-5)
    assert (tape.n_recorded, tape.n_replayed) == (1, 3)
