"""From strokes to probabilities: a first answer on half the plane, then one on the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch

from unseg_studio.data import Scribbles
from unseg_studio.refinement import Guide, steered
from unseg_studio.refinement.steering import _trusted

Stroke = tuple[int, tuple[tuple[int, int], ...]]

LEFT, RIGHT = (0, ((5, 4), (30, 12))), (1, ((5, 50), (30, 42)))


def seeds_of(strokes: Iterable[Stroke], shape: tuple[int, int]) -> Callable[..., np.ndarray]:
    """Lines of one pixel, on whatever plane they are wanted."""
    scribbles = Scribbles.empty(shape)
    for label, points in strokes:
        scribbles = scribbles.painted(points, label + 1, radius=0)
    return lambda plane: scribbles.resized(plane).ids - 1


def answers(guide: Guide, *strokes: Stroke, n_labels: int = 2) -> list[torch.Tensor]:
    return list(steered(seeds_of(strokes, guide.shape), n_labels, guide))


def expected() -> np.ndarray:
    return np.broadcast_to(np.arange(60) >= 24, (40, 60))


@pytest.mark.parametrize("n_labels", [2, 5])
def test_there_is_an_answer_on_half_the_plane_and_one_on_the_whole(
    halves: Guide, n_labels: int
) -> None:
    strokes = [(label, ((4 + 7 * label, 8 + 9 * label),)) for label in range(n_labels)]
    planes = answers(halves, *strokes, n_labels=n_labels)
    assert [tuple(p.shape) for p in planes] == [(n_labels, 20, 30), (n_labels, 40, 60)]
    for posterior in planes:
        assert posterior.min() >= 0
        torch.testing.assert_close(
            posterior.sum(dim=0), torch.ones(posterior.shape[1:]), rtol=0, atol=1e-5
        )


def test_seeds_stay_in_both_answers(halves: Guide) -> None:
    seeds = seeds_of((LEFT, RIGHT, (1, ((20, 3), (20, 8)))), halves.shape)
    for posterior in steered(seeds, 2, halves):
        given = seeds(posterior.shape[1:])
        rows, cols = np.nonzero(given >= 0)
        assert (posterior.numpy()[given[rows, cols], rows, cols] > 0.99).all()


@pytest.mark.parametrize(
    "strokes",
    [(LEFT, RIGHT), ((0, ((20, 10),)), (1, ((20, 50),))), ((0, ((0, 0),)), (1, ((39, 59),)))],
)
def test_two_colours_are_separated_exactly_away_from_the_edge(
    halves: Guide, strokes: tuple[Stroke, ...]
) -> None:
    coarse, fine = (p.argmax(dim=0).numpy() for p in answers(halves, *strokes))
    inside = np.abs(np.arange(60) - 23.5) > 2
    np.testing.assert_array_equal(fine[:, inside], expected()[:, inside])
    outside = np.abs(np.arange(30) - 11.5) > 2
    np.testing.assert_array_equal(coarse[:, outside], expected()[::2, ::2][:, outside])


def test_the_same_strokes_give_the_same_answer(halves: Guide) -> None:
    for first, second in zip(
        answers(halves, LEFT, RIGHT), answers(halves, LEFT, RIGHT), strict=True
    ):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_both_answers_keep_what_was_shown_where_strokes_leave_it_open(label: int) -> None:
    third = np.indices((40, 60))[1] // 20
    light = np.array([40, 120, 200])[third][..., None]
    noise = np.random.default_rng(0).normal(0, 5, (40, 60, 3))
    guide = Guide((light + noise).clip(0, 255).astype(np.uint8))
    seeds = seeds_of((LEFT, (1, ((5, 56), (30, 48)))), guide.shape)
    known = np.choose(third, [0, label, 1]).astype(np.int32)

    def earlier(shape: tuple[int, int]) -> np.ndarray:
        return known[:: 40 // shape[0], :: 60 // shape[1]]

    for posterior in steered(seeds, 2, guide, earlier=earlier):
        found = posterior.argmax(dim=0).numpy()
        agrees = found == earlier(found.shape)
        assert agrees.mean() > 0.95


def test_the_order_of_the_labels_does_not_matter(halves: Guide) -> None:
    turned = [(1 - label, points) for label, points in (LEFT, RIGHT)]
    (*_, one), (*_, other) = answers(halves, LEFT, RIGHT), answers(halves, *turned)
    torch.testing.assert_close(one, other.flip(0), rtol=0, atol=0.02)


def test_labels_without_a_seed_on_the_plane_do_not_spoil_the_others(halves: Guide) -> None:
    *_, fine = answers(halves, LEFT, RIGHT, n_labels=4)
    inside = np.abs(np.arange(60) - 23.5) > 2
    found = fine.argmax(dim=0).numpy()
    np.testing.assert_array_equal(found[:, inside], expected()[:, inside])


def test_a_plane_that_is_drawn_all_over_stays_as_drawn(halves: Guide) -> None:
    def seeds(shape: tuple[int, ...]) -> np.ndarray:
        return np.broadcast_to(np.arange(shape[1]) * 3 // shape[1], shape).astype(np.int32)

    for posterior in steered(seeds, 3, halves):
        np.testing.assert_array_equal(posterior.argmax(dim=0), seeds(tuple(posterior.shape[1:])))


@pytest.mark.parametrize(("n_taken", "teaches"), [(0, True), (8, True), (9, False), (40, False)])
def test_a_label_that_strokes_take_from_far_more_than_they_give_teaches_no_more(
    n_taken: int, teaches: bool
) -> None:
    shown = np.broadcast_to(np.int32(np.arange(80) >= 40), (10, 80))
    seeds = np.full(shown.shape, -1, np.int32)
    seeds[0, :4] = 0  # given to the first label
    seeds[1, :n_taken] = 1  # taken from it
    seeds[0, 60] = 1
    found = _trusted(shown, seeds, 2)
    np.testing.assert_array_equal(found[shown == 0], 0 if teaches else -1)
    np.testing.assert_array_equal(found[shown == 1], 1)


def test_where_nothing_was_shown_nothing_is_trusted() -> None:
    nothing = np.full((4, 5), -1, np.int32)
    seeds = np.zeros((4, 5), np.int32)
    np.testing.assert_array_equal(_trusted(nothing, seeds, 2), nothing)
