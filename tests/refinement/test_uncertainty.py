"""Doubt is one minus the lead of the best label; the hint lies where most of it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.refinement import Hint, Uncertainty
from unseg_studio.refinement.uncertainty import uncertainty

SHAPE = (30, 40)
NOWHERE = np.zeros(SHAPE, bool)


def posterior(doubt: np.ndarray) -> np.ndarray:
    """Of two labels: the first is ahead by one minus the doubt."""
    first = 1 - doubt.astype(np.float32) / 2
    return np.stack([first, 1 - first])


def blob(row: int, col: int, radius: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rows, cols = np.indices(shape)
    return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2


def of(
    planes: np.ndarray,
    ids: tuple[int, ...] = (1, 2),
    settled: np.ndarray = NOWHERE,
    shape: tuple[int, int] = SHAPE,
) -> Uncertainty:
    return Uncertainty.of(planes, ids, settled=settled, shape=shape)


def hint_of(doubt: np.ndarray, settled: np.ndarray = NOWHERE) -> Hint | None:
    return of(posterior(doubt), settled=settled).hint


@given(
    seed=st.integers(0, 2**16),
    n_labels=st.integers(1, 9),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    sharpness=st.sampled_from([0.0, 1.0, 8.0, 60.0]),
)
@settings(max_examples=60, deadline=None, print_blob=True)
def test_it_is_one_minus_the_lead_of_the_best_label(
    seed: int, n_labels: int, height: int, width: int, sharpness: float
) -> None:
    random = np.random.default_rng(seed)
    powers = np.exp(sharpness * random.normal(size=(n_labels, height, width)))
    planes = (powers / powers.sum(axis=0)).astype(np.float32)
    found = uncertainty(planes)
    ranked = np.sort(np.concatenate([np.zeros((1, height, width)), planes]), axis=0)
    assert found.dtype == np.float32 and found.shape == (height, width)
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_allclose(found, 1 - (ranked[-1] - ranked[-2]), atol=1e-5)
    made = of(planes, tuple(range(1, n_labels + 1)), np.zeros((height, width), bool), (99, 99))
    np.testing.assert_allclose(made.plane, found, atol=0.5 / 31 + 1e-5)


def test_a_single_label_is_never_in_doubt() -> None:
    alone = np.ones((1, *SHAPE), np.float32)
    assert not uncertainty(alone).any()
    assert of(alone, (1,)).hint is None


def test_equal_labels_are_in_full_doubt() -> None:
    planes = np.full((4, *SHAPE), 0.25, np.float32)
    assert (uncertainty(planes) == 1).all()
    assert (of(planes, (1, 2, 3, 4)).plane == 1).all()


@given(row=st.integers(4, 25), col=st.integers(4, 35), level=st.sampled_from([0.6, 1.0]))
@settings(max_examples=40, deadline=None, print_blob=True)
def test_the_hint_lies_in_the_doubtful_blob(row: int, col: int, level: float) -> None:
    where = blob(row, col, 4)
    hint = hint_of(level * where)
    assert hint is not None
    assert where[hint.row, hint.col]
    assert np.hypot(hint.row - row, hint.col - col) <= 1.5
    assert 2 <= hint.radius <= 7
    assert set(hint.between) == {1, 2}


def test_of_two_blobs_the_one_with_more_doubt_is_meant() -> None:
    assert (hint := hint_of(blob(8, 8, 3) | blob(20, 30, 6))) and hint.col > 20
    assert (hint := hint_of(0.55 * blob(8, 8, 4) + blob(20, 30, 4))) and hint.col > 20
    assert (hint := hint_of(0.98 * blob(9, 9, 7) + blob(24, 34, 3))) and hint.col < 20


def test_of_two_equal_blobs_it_is_the_first_by_rows_each_time() -> None:
    twice = blob(8, 10, 4) | blob(8, 30, 4)
    hints = {hint_of(twice) for _ in range(3)}
    assert len(hints) == 1
    (hint,) = hints
    assert hint is not None and hint.col < 20


def test_a_thin_outline_is_no_place_for_a_stroke() -> None:
    shape = (160, 200)
    line = np.zeros(shape, np.float32)
    line[:, 150] = 1
    made = of(posterior(line), settled=np.zeros(shape, bool), shape=shape)
    assert made.hint is None
    both = np.maximum(line, blob(60, 60, 7, shape))
    made = of(posterior(both), settled=np.zeros(shape, bool), shape=shape)
    assert made.hint is not None and abs(made.hint.col - 60) < 8


def test_the_hint_is_deep_inside_and_not_at_the_border_of_its_region() -> None:
    doubt = np.zeros(SHAPE, np.float32)
    doubt[5:26, 10:31] = 0.9
    doubt[5:7, 10:31] = 1.0  # a little more doubt along one side
    hint = hint_of(doubt)
    assert hint is not None
    assert 10 <= hint.row <= 20 and 15 <= hint.col <= 25


def test_doubt_everywhere_points_to_the_middle() -> None:
    hint = hint_of(np.ones(SHAPE))
    assert hint is not None
    assert abs(hint.row - 15) <= 1 and 14 <= hint.col <= 25


@pytest.mark.parametrize("level", [0.0, 0.05, 0.15])
def test_where_little_is_in_doubt_there_is_no_hint(level: float) -> None:
    assert hint_of(np.full(SHAPE, level)) is None


def test_what_the_person_decided_is_certain_and_never_the_place() -> None:
    settled = blob(15, 20, 8)
    made = of(posterior(np.ones(SHAPE)), settled=settled)
    assert not made.plane[settled].any()
    assert (made.plane[~settled] == 1).all()
    assert made.hint is not None
    assert not settled[made.hint.row, made.hint.col]


@given(scale=st.floats(1, 40), row=st.integers(3, 26), col=st.integers(3, 36))
@settings(max_examples=40, deadline=None, print_blob=True)
def test_the_hint_is_in_pixels_of_the_image(scale: float, row: int, col: int) -> None:
    shape = round(30 * scale), round(40 * scale)
    doubt = blob(row, col, 3)
    small = hint_of(doubt)
    large = of(posterior(doubt), shape=shape).hint
    assert small is not None and large is not None
    assert 0 <= large.row < shape[0] and 0 <= large.col < shape[1]
    assert abs(large.row / shape[0] - (small.row + 0.5) / 30) <= 1 / shape[0]
    assert abs(large.col / shape[1] - (small.col + 0.5) / 40) <= 1 / shape[1]
    assert large.radius == pytest.approx(small.radius * min(shape[0] / 30, shape[1] / 40))


def test_the_place_does_not_depend_on_how_fine_the_plane_is() -> None:
    coarse = hint_of(blob(10, 30, 5))
    doubt = np.kron(blob(10, 30, 5), np.ones((4, 4)))
    fine = of(posterior(doubt), settled=np.zeros(doubt.shape, bool), shape=SHAPE).hint
    assert coarse is not None and fine is not None
    assert abs(coarse.row - fine.row) <= 1 and abs(coarse.col - fine.col) <= 1


def three() -> np.ndarray:
    """Doubt between the first two labels on the left, the last two on the right."""
    planes = np.zeros((3, *SHAPE), np.float32)
    planes[0] = 1
    left, right = blob(15, 10, 6), blob(15, 30, 5)
    planes[:, left] = np.array([0.5, 0.5, 0.0])[:, None]
    planes[:, right] = np.array([0.0, 0.45, 0.55])[:, None]
    return planes


def test_the_hint_says_which_labels_compete() -> None:
    hint = of(three(), (1, 1005, 1009)).hint
    assert hint is not None
    assert hint.col < 20 and set(hint.between) == {1, 1005}


def test_nothing_is_in_doubt_between_labels_that_became_one() -> None:
    before = of(three(), (1, 1005, 1009))
    after = before.renamed(1005, 1)
    assert not after.plane[blob(15, 10, 6)].any()
    np.testing.assert_array_equal(after.plane[:, 22:], before.plane[:, 22:])
    assert after.hint is not None
    assert after.hint.col > 20 and set(after.hint.between) == {1, 1009}
    assert after.renamed(1009, 1).hint is None


def test_a_label_with_a_new_name_leaves_the_doubt_as_it_was() -> None:
    before = of(three(), (1, 1005, 1009))
    after = before.renamed(1005, 7)
    np.testing.assert_array_equal(after.plane, before.plane)
    assert after.hint is not None and set(after.hint.between) == {1, 7}
    assert before.renamed(1077, 3) is before


@pytest.mark.parametrize("n_labels", [2, 256, 257, 400])
def test_any_number_of_labels_is_told_apart(n_labels: int) -> None:
    planes = np.zeros((n_labels, *SHAPE), np.float32)
    planes[0] = 1
    planes[0, blob(15, 20, 6)] = planes[-1, blob(15, 20, 6)] = 0.5
    ids = tuple(range(10, 10 + n_labels))
    made = of(planes, ids)
    assert made.hint is not None and set(made.hint.between) == {10, ids[-1]}
    assert made.renamed(ids[-1], 10).hint is None


def test_it_is_small_enough_for_every_undo_step() -> None:
    rows, cols = np.indices((134, 200))
    ridge = np.exp(-(((cols - 100 - 20 * np.sin(rows / 15)) / 12) ** 2))
    made = of(posterior(ridge), settled=np.zeros(ridge.shape, bool), shape=(321, 481))
    assert len(made._doubt) + len(made._pairs) < 8000
