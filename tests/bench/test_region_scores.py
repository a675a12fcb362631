"""Objects and categories that were found without labels."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.made_up import disc
from unseg_studio.bench.region_scores import (
    foreground_iou,
    hungarian_iou,
    is_localised,
    matched_iou,
)


def square(left, *, side=10, shape=(20, 60)):
    mask = np.zeros(shape, bool)
    mask[5 : 5 + side, left : left + side] = True
    return mask


def as_truth(mask):
    return mask.astype(np.int32) + 1


def test_the_iou_of_an_object_leaves_pixels_out_that_are_not_scored():
    truth, found = as_truth(square(10)), square(15)
    assert foreground_iou(truth, found) == pytest.approx(50 / 150)
    truth[:, 20:] = 0
    assert foreground_iou(truth, found) == pytest.approx(50 / 100)
    assert foreground_iou(truth, np.zeros_like(found)) == 0


def test_an_object_is_localised_from_half_a_box_on():
    # Squares of 10 shifted by 3 share 70 of 130 pixels, by 4 only 60 of 140.
    assert is_localised(as_truth(square(10)), square(13))
    assert not is_localised(as_truth(square(10)), square(14))


def test_only_the_largest_part_that_was_found_counts_and_any_object_will_do():
    two = as_truth(square(5) | square(40))
    assert is_localised(two, square(40) | square(25, side=3))
    assert not is_localised(two, square(40) | square(20, side=12))
    assert not is_localised(two, square(5) | np.ones_like(square(5)))


def test_nothing_found_is_nothing_localised():
    assert not is_localised(as_truth(square(10)), np.zeros((20, 60), bool))


def test_clusters_are_named_by_the_category_that_they_overlap_most():
    truth = disc().astype(np.int32) + 1
    labels = np.where(truth == 1, 1007, 1001).astype(np.int32)
    labels[:, :20][truth[:, :20] == 1] = 1003
    assert matched_iou(truth, labels) == 1
    # One cluster for each category: the smaller part of the background has none.
    left = np.count_nonzero(labels == 1003) / np.count_nonzero(truth == 1)
    assert hungarian_iou(truth, labels) == pytest.approx((1 + max(left, 1 - left)) / 2)


def test_categories_without_a_cluster_count_as_missed():
    truth = np.array([[1, 1, 1, 2]], np.int32)
    assert matched_iou(truth, np.zeros_like(truth)) == pytest.approx(0.75 / 2)
    assert hungarian_iou(truth, np.zeros_like(truth)) == pytest.approx(0.75 / 2)


def test_the_one_to_one_assignment_is_that_of_the_most_pixels():
    truth = np.repeat([[1, 2]], 10, axis=1).astype(np.int32)
    truth.sort(axis=1)
    labels = np.array([[5] * 10 + [5] * 6 + [6] * 4], np.int32)
    # 5 is rather 1 (10 of 16) and 6 is 2 (4 of 10).
    assert hungarian_iou(truth, labels) == pytest.approx((10 / 16 + 4 / 10) / 2)
    assert matched_iou(truth, labels) == pytest.approx((10 / 16 + 4 / 10) / 2)


def test_pixels_that_are_not_scored_name_no_cluster():
    truth = np.array([[0, 0, 0, 1, 2, 2]], np.int32)
    labels = np.array([[7, 7, 7, 7, 8, 8]], np.int32)
    assert matched_iou(truth, labels) == hungarian_iou(truth, labels) == 1


def test_a_truth_without_categories_is_refused():
    with pytest.raises(ValueError, match="ids from 1 up"):
        matched_iou(np.zeros((2, 2), np.int32), np.zeros((2, 2), np.int32))
