"""The robot marks the largest mistake, inside it, along its middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unseg_studio.bench.robot import (
    REACH,
    categories_in,
    first_strokes,
    mean_iou,
    next_stroke,
    stroke_in,
)

TRUTHS = hnp.arrays(np.int32, st.tuples(st.integers(3, 20), st.integers(3, 20)),
                    elements=st.integers(0, 3))  # fmt: skip


def halves(height=30, width=60):
    truth = np.ones((height, width), np.int32)
    truth[:, width // 2 :] = 2
    return truth


@settings(print_blob=True, deadline=None)
@given(TRUTHS)
def test_the_first_strokes_mark_every_category_and_nothing_else(truth):
    drawn = first_strokes(truth)
    assert categories_in(drawn) == categories_in(truth)
    assert (drawn[drawn > 0] == truth[drawn > 0]).all()


@settings(print_blob=True, deadline=None)
@given(TRUTHS, st.integers(0, 2**32 - 1))
def test_a_later_stroke_marks_one_category_where_it_was_wrong(truth, seed):
    labels = np.random.default_rng(seed).integers(0, 4, truth.shape).astype(np.int32)
    stroke = next_stroke(truth, labels)
    if stroke is None:
        assert ((truth == 0) | (labels == truth)).all()
        return
    drawn = stroke > 0
    assert len(categories_in(stroke)) == 1
    assert (stroke[drawn] == truth[drawn]).all()
    assert (labels[drawn] != truth[drawn]).all()


def test_the_largest_wrong_part_is_marked_not_the_largest_wrong_sum():
    truth = halves()
    labels = truth.copy()
    labels[2:12, 40:50] = 1  # one part of 100 pixels
    labels[2:28:4, 2:22] = 2  # many lines, 140 pixels in all
    stroke = next_stroke(truth, labels)
    assert categories_in(stroke) == [2]
    rows, cols = np.nonzero(stroke)
    assert rows.min() >= 2
    assert rows.max() < 12
    assert cols.min() >= 40
    assert cols.max() < 50


def test_what_is_not_scored_is_never_marked():
    truth = halves()
    truth[:, 20:40] = 0
    labels = np.where(truth == 0, 7, truth).astype(np.int32)
    assert next_stroke(truth, labels) is None


def test_a_stroke_runs_three_pixels_wide_along_the_middle():
    part = np.zeros((40, 100), bool)
    part[10:31, 5:95] = True
    rows, cols = np.nonzero(stroke_in(part))
    assert set(rows) == {19, 20, 21}
    assert np.ptp(cols) >= 16


def test_a_stroke_reaches_no_further_than_a_disc_around_the_deepest_point():
    part = np.zeros((40, 200), bool)
    part[10:31, 5:195] = True
    _, cols = np.nonzero(stroke_in(part))
    assert np.ptp(cols) <= 2 * (REACH * 200 + 1)
    assert np.ptp(cols) > REACH * 200


def test_one_pixel_is_stroke_enough():
    part = np.zeros((9, 9), bool)
    part[0, 0] = True
    assert (stroke_in(part) == part).all()


def test_the_score_is_the_mean_over_the_categories_of_the_image():
    truth = halves()
    assert mean_iou(truth, truth) == 1
    assert mean_iou(truth, np.ones_like(truth)) == pytest.approx((0.5 + 0) / 2)
    assert mean_iou(truth, np.zeros_like(truth)) == 0


def test_pixels_without_truth_do_not_count():
    truth = halves()
    truth[:, 30:40] = 0
    assert mean_iou(truth, halves()) == 1
    assert mean_iou(truth, np.where(truth == 0, 1, halves())) == 1
