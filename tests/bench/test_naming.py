"""Clusters and categories: who is called what, and how right that is."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.bench.naming import (
    NAMELESS,
    by_strokes,
    counted,
    many_to_one,
    one_to_one,
    right,
)

COUNTS = np.array([[50, 10, 0], [40, 0, 0], [0, 5, 30]])
"""Three clusters, two of which are the first category."""


def test_pixels_are_counted_where_the_truth_is_known() -> None:
    clusters = np.array([[0, 0, 1], [2, 1, 1]], np.int32)
    truth = np.array([[1, 2, 2], [0, 1, 2]], np.int32)
    counts = counted(clusters, truth, n_clusters=3, n_categories=2)
    assert counts.tolist() == [[1, 1], [1, 2], [0, 0]]


def test_one_to_one_gives_each_category_one_cluster() -> None:
    names = one_to_one(COUNTS)
    assert sorted(names.tolist()) == [0, 1, 2]
    assert COUNTS[np.arange(3), names].sum() == max(
        COUNTS[np.arange(3), list(p)].sum()
        for p in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0])
    )


def test_more_clusters_than_categories_leave_some_without_a_name() -> None:
    names = one_to_one(np.array([[5, 0], [4, 0], [0, 3]]))
    assert names.tolist() == [0, NAMELESS, 1]


def test_many_to_one_gives_each_cluster_its_best_category() -> None:
    assert many_to_one(COUNTS).tolist() == [0, 0, 2]


def test_what_is_right_is_what_the_formulas_say() -> None:
    told = right(COUNTS, many_to_one(COUNTS))
    assert told.accuracy == pytest.approx(120 / 135)
    assert told.mean_iou == pytest.approx(np.mean([90 / 100, 0, 30 / 35]))
    nothing = right(COUNTS, np.full(3, NAMELESS))
    assert (nothing.accuracy, nothing.mean_iou) == (0, 0)


def test_categories_that_never_occur_do_not_count() -> None:
    assert right(np.array([[7, 0, 0], [0, 3, 0]]), np.array([0, 1])).mean_iou == 1


def test_strokes_name_the_clusters_they_lie_on_and_no_others() -> None:
    truth = np.ones((40, 60), np.int32)
    truth[:, 30:] = 2
    clusters = truth - 1
    clusters[:3, :3] = 2  # a corner that no stroke reaches
    names = by_strokes([(clusters.astype(np.int32), truth)], n_clusters=4, n_categories=2)
    assert names.tolist() == [0, 1, NAMELESS, NAMELESS]
