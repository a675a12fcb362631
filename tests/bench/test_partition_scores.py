"""Divisions of an image are compared with those of people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import variation_of_information
from sklearn.metrics import adjusted_rand_score

from unseg_studio.bench.partition_scores import (
    Overlap,
    bsds_scores,
    connected_parts,
    pooled,
)

PLANES = arrays(np.int32, (6, 7), elements=st.integers(0, 4))


def halves(n_left=4, shape=(4, 8)):
    """1 left, 2 right."""
    plane = np.full(shape, 2, np.int32)
    plane[:, :n_left] = 1
    return plane


def test_the_same_division_has_full_scores_whatever_its_ids():
    scores = bsds_scores(halves() * 500 + 7, [halves()])
    assert scores.all.tolist() == [1, 1]
    assert (scores.covering, scores.adjusted_rand) == (1, 1)
    assert scores.variation_of_information == pytest.approx(0)


def test_each_true_segment_has_the_iou_of_what_fits_it_best():
    scores = bsds_scores(halves(2), [halves()])
    # The left 16 px are met by 8 of 16 and 8 of 32, the right 16 px by 16 of 24.
    assert scores.all == pytest.approx([0.5, 2 / 3])
    assert scores.covering == pytest.approx((0.5 + 2 / 3) / 2)


def test_covering_weighs_segments_by_their_size():
    scores = bsds_scores(np.zeros((4, 8), np.int32), [halves(2)])
    assert scores.all == pytest.approx([0.25, 0.75])
    assert scores.covering == pytest.approx(0.25 * 0.25 + 0.75 * 0.75)


def test_unconnected_parts_of_a_label_are_segments_of_their_own():
    truth = np.repeat([[1, 1, 2, 2, 3, 3]], 4, axis=0).astype(np.int32)
    striped = np.where(truth == 2, 5, 0).astype(np.int32)
    assert bsds_scores(striped, [truth]).all.tolist() == [1, 1, 1]
    assert len(np.unique(connected_parts(striped))) == 3


def test_corners_do_not_connect():
    plane = np.array([[0, 1], [1, 0]], np.int32)
    assert sorted(connected_parts(plane).ravel()) == [1, 2, 3, 4]


def test_unconnected_true_segments_stay_one():
    truth = np.array([[1, 2, 1]], np.int32)
    assert bsds_scores(np.zeros_like(truth), [truth]).all == pytest.approx([2 / 3, 1 / 3])


def test_fine_has_the_most_segments_and_coarse_the_fewest():
    fine, coarse = np.arange(32, dtype=np.int32).reshape(4, 8), np.ones((4, 8), np.int32)
    scores = bsds_scores(coarse, [halves(), fine, coarse])
    assert (len(scores.all), len(scores.fine), len(scores.coarse)) == (35, 32, 1)
    assert scores.fine == pytest.approx([1 / 32] * 32)


def test_segments_of_all_images_are_pooled():
    blank, fine = np.zeros((4, 8), np.int32), np.arange(32, dtype=np.int32).reshape(4, 8)
    found = pooled([bsds_scores(blank, [halves()]), bsds_scores(blank, [fine, blank])])
    # A blank prediction: annotations divided by segments.
    assert found["all"] == pytest.approx(3 / 35)
    assert found["fine"] == pytest.approx(2 / 34)
    assert found["coarse"] == pytest.approx(2 / 3)
    assert found["covering"] == pytest.approx((0.5 + (1 / 32 + 1) / 2) / 2)


def test_annotators_count_alike_in_all_other_scores():
    scores = bsds_scores(halves(), [halves(), np.zeros((4, 8), np.int32)])
    assert scores.adjusted_rand == pytest.approx(0.5)
    assert scores.variation_of_information == pytest.approx(0.5)
    assert scores.covering == pytest.approx(0.75)


@settings(deadline=None, max_examples=50, print_blob=True)
@given(PLANES, PLANES)
def test_scores_agree_with_other_formulas(truth, labels):
    overlap = Overlap.of(truth, labels)
    both = adjusted_rand_score(truth.ravel(), labels.ravel())
    assert overlap.adjusted_rand == pytest.approx(both, abs=1e-9)
    bits = sum(variation_of_information(truth, labels))
    assert overlap.variation_of_information == pytest.approx(bits, abs=1e-9)
    best = [
        max(
            np.sum((truth == t) & (labels == p)) / np.sum((truth == t) | (labels == p))
            for p in np.unique(labels)
        )
        for t in np.unique(truth)
    ]
    assert overlap.best_ious == pytest.approx(best)


def test_an_annotation_of_another_size_or_none_is_refused():
    with pytest.raises(ValueError, match="of the same rows and columns"):
        bsds_scores(halves(), [halves().T])
    with pytest.raises(ValueError, match="give one or more"):
        bsds_scores(halves(), [])
