"""What was shown before the newest strokes teaches, unless these strokes say that it may not."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import numpy as np
import pytest

from unseg_studio.data import Edits, Image, Scribbles
from unseg_studio.document import Context
from unseg_studio.document.decode import answers_of_strokes
from unseg_studio.document.earlier import MOST_ANSWERS, EarlierAnswers
from unseg_studio.document.solve import Fits, Run, solve
from unseg_studio.segmenters import default_segmenter

SHAPE = (60, 90)
THIRDS = np.indices(SHAPE)[1] // 30
"""Dark, between, light: what is between resembles neither stroke more than the other."""

Stroke = tuple[int, tuple[tuple[int, int], ...]]

DARK, LIGHT = (1, ((20, 6), (40, 20))), (2, ((20, 84), (40, 70)))
MORE = (2, ((8, 80), (12, 64)))
AGAIN = (1, ((50, 8), (54, 22)))
THIRD = (3, ((50, 40), (40, 50)))


@pytest.fixture(scope="module")
def image() -> Image:
    light = np.array([40, 120, 200])[THIRDS][..., None]
    noise = np.random.default_rng(0).normal(0, 5, (*SHAPE, 3))
    return Image.of((light + noise).clip(0, 255).astype(np.uint8))


def drawn(*strokes: Stroke) -> Scribbles:
    scribbles = Scribbles.empty(SHAPE)
    for id_, points in strokes:
        scribbles = scribbles.painted(points, id_, radius=1)
    return scribbles


def answer(image: Image, *strokes: Stroke, earlier: np.ndarray | None = None) -> np.ndarray:
    """Settled labels of strokes, with what was shown before them."""
    nothing = Context.empty(SHAPE)
    context = Context(nothing.previous, nothing.named, nothing.locked, earlier=earlier)
    *_, last = answers_of_strokes(image, drawn(*strokes), context=context)
    return last.labels


def last(runs: Iterator[object]) -> np.ndarray:
    *_, frame = filter(None, runs)
    return frame.labels


def played(image: Image, fits: Fits, *strokes: Stroke, cold: bool = False) -> np.ndarray:
    """The labels that a run leaves, as the worker makes it."""
    run = Run(image, default_segmenter(), drawn(*strokes), Context.empty(SHAPE), "cpu", cold)
    return last(solve(run, fits, lambda _: True))


def between(labels: np.ndarray) -> float:
    """How much of what is between has the second category."""
    return float((labels[THIRDS == 1] == 2).mean())


# What is remembered


def test_an_answer_serves_strokes_that_go_on_from_its_own() -> None:
    earlier = EarlierAnswers()
    assert earlier.before(drawn(DARK, LIGHT)) is None
    earlier.keep(drawn(DARK, LIGHT), np.full(SHAPE, 1, np.int32))
    earlier.keep(drawn(DARK, LIGHT, MORE), np.full(SHAPE, 2, np.int32))
    assert (earlier.before(drawn(DARK, LIGHT, MORE, AGAIN)) == 2).all()
    assert (earlier.before(drawn(DARK, LIGHT, AGAIN)) == 1).all()


def test_what_was_shown_before_a_category_was_scribbled_is_not_held_against_it() -> None:
    earlier = EarlierAnswers()
    earlier.keep(drawn(DARK, LIGHT), np.full(SHAPE, 1, np.int32))
    assert earlier.before(drawn(DARK, LIGHT, THIRD)) is None
    earlier.keep(drawn(DARK, LIGHT, THIRD), np.full(SHAPE, 2, np.int32))
    assert (earlier.before(drawn(DARK, LIGHT, THIRD, AGAIN)) == 2).all()


def test_the_same_strokes_are_not_taught_by_their_own_answer() -> None:
    earlier = EarlierAnswers()
    earlier.keep(drawn(DARK, LIGHT), np.full(SHAPE, 1, np.int32))
    assert earlier.before(drawn(DARK, LIGHT)) is None
    earlier.keep(drawn(DARK, LIGHT, MORE), np.full(SHAPE, 2, np.int32))
    assert (earlier.before(drawn(DARK, LIGHT, MORE)) == 1).all()


@pytest.mark.parametrize(
    "now", [(DARK,), (LIGHT, MORE), (DARK, LIGHT, (2, ((30, 10), (30, 14))), (3, DARK[1]))]
)
def test_an_answer_to_strokes_that_were_taken_back_teaches_no_more(now: tuple[Stroke, ...]) -> None:
    earlier = EarlierAnswers()
    earlier.keep(drawn(DARK, LIGHT), np.full(SHAPE, 1, np.int32))
    assert earlier.before(drawn(*now)) is None


def test_only_the_newest_answers_are_kept() -> None:
    earlier = EarlierAnswers()
    strokes = [(1, ((row, 5), (row, 9))) for row in range(0, 60, 4)]
    for n in range(1, len(strokes)):
        earlier.keep(drawn(*strokes[:n]), np.full(SHAPE, n, np.int32))
    kept = len(strokes) - MOST_ANSWERS
    assert earlier.before(drawn(*strokes[:kept])) is None
    assert (earlier.before(drawn(*strokes[: kept + 1])) == kept).all()


def test_large_labels_are_kept_small() -> None:
    earlier = EarlierAnswers()
    large = Scribbles.empty((900, 1200)).painted([(800, 5)], 1, radius=1)
    earlier.keep(large, np.ones(large.shape, np.int32))
    more = large.painted([(5, 5)], 1, radius=1)
    assert earlier.before(more).shape == (150, 200)


# What it teaches


@pytest.mark.parametrize("id_", [1, 2])
def test_what_was_let_pass_stays_where_the_strokes_leave_it_open(image: Image, id_: int) -> None:
    shown = np.choose(THIRDS, [1, id_, 2]).astype(np.int32)
    labels = answer(image, DARK, LIGHT, MORE, earlier=shown)
    assert (between(labels) > 0.9) if id_ == 2 else (between(labels) < 0.1)
    assert (labels[THIRDS == 0] == 1).mean() > 0.95
    assert (labels[THIRDS == 2] == 2).mean() > 0.95


def test_a_stroke_turns_what_was_let_pass(image: Image) -> None:
    shown = np.choose(THIRDS, [1, 1, 2]).astype(np.int32)
    labels = answer(image, DARK, LIGHT, (2, ((10, 40), (50, 50))), earlier=shown)
    assert between(labels) > 0.9


def test_labels_of_any_size_teach(image: Image) -> None:
    shown = np.choose(THIRDS, [1, 2, 2]).astype(np.int32)[::3, ::3]
    assert between(answer(image, DARK, LIGHT, MORE, earlier=shown)) > 0.9


def test_what_was_corrected_by_hand_teaches_as_it_was_corrected(image: Image) -> None:
    wrong = np.choose(THIRDS, [1, 1, 2]).astype(np.int32)
    edits = Edits(np.where(THIRDS == 1, 2, -1).astype(np.int32))
    nothing = Context.empty(SHAPE)
    context = Context(
        nothing.previous, nothing.named, nothing.locked, corrected=edits, earlier=wrong
    )
    *_, settled = answers_of_strokes(image, drawn(DARK, LIGHT, MORE), context=context)
    assert between(settled.labels) > 0.9


def test_where_all_that_was_shown_is_corrected_to_nothing_the_strokes_decide(image: Image) -> None:
    nothing = Context.empty(SHAPE)
    edits = Edits(np.zeros(SHAPE, np.int32))
    shown = np.choose(THIRDS, [1, 2, 2]).astype(np.int32)
    context = Context(
        nothing.previous, nothing.named, nothing.locked, corrected=edits, earlier=shown
    )
    *_, settled = answers_of_strokes(image, drawn(DARK, LIGHT), context=context)
    assert set(np.unique(settled.labels)) == {1, 2}


# From run to run


def test_a_run_is_taught_by_the_one_before_it(image: Image) -> None:
    fits = Fits()
    first = played(image, fits, DARK, LIGHT)
    second = played(image, fits, DARK, LIGHT, MORE)
    np.testing.assert_array_equal(second, answer(image, DARK, LIGHT, MORE, earlier=first))


def test_the_same_strokes_give_the_same_labels_again(image: Image) -> None:
    fits = Fits()
    played(image, fits, DARK, LIGHT)
    first, again = (played(image, fits, DARK, LIGHT, MORE) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_stroke_that_was_taken_back_leaves_no_trace(image: Image) -> None:
    fits = Fits()
    before = played(image, fits, DARK, LIGHT)
    played(image, fits, DARK, LIGHT, (1, ((10, 40), (50, 50))))
    np.testing.assert_array_equal(played(image, fits, DARK, LIGHT), before)
    after = played(image, fits, DARK, LIGHT, MORE)
    np.testing.assert_array_equal(after, answer(image, DARK, LIGHT, MORE, earlier=before))


def test_a_category_too_small_for_the_working_plane_does_not_keep_the_others_from_teaching(
    image: Image,
) -> None:
    shown = np.choose(THIRDS, [1, 2, 2]).astype(np.int32)
    dot = (3, ((30, 45),))
    labels = answer(image, DARK, LIGHT, MORE, dot, earlier=shown)
    away = (THIRDS == 1) & (np.abs(np.indices(SHAPE)[1] - 45) > 10)
    assert (labels[away] != 1).mean() > 0.9


def test_a_run_from_cold_asks_the_strokes_alone(image: Image) -> None:
    fits = Fits()
    played(image, fits, DARK, LIGHT)
    labels = played(image, fits, DARK, LIGHT, MORE, cold=True)
    np.testing.assert_array_equal(labels, answer(image, DARK, LIGHT, MORE))


def test_what_was_shown_of_one_image_teaches_nothing_of_another(image: Image) -> None:
    other = Image.of(np.ascontiguousarray(image.rgb[::-1]))
    fits = Fits()
    played(image, fits, DARK, LIGHT)
    labels = played(other, fits, DARK, LIGHT, MORE)
    np.testing.assert_array_equal(labels, answer(other, DARK, LIGHT, MORE))


def test_an_image_that_nobody_needs_is_not_kept_for_its_answers(image: Image) -> None:
    fits, other = Fits(), Image.of(np.ascontiguousarray(image.rgb[:, ::-1]))
    played(other, fits, DARK, LIGHT)
    gone = ref(other)
    del other
    gc.collect()
    assert gone() is None
