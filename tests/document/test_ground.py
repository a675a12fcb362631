"""Strokes on labels that are there already."""

from __future__ import annotations

import numpy as np

from unseg_studio.data import FIRST_CLUSTER, UNEDITED, Edits, Scribbles
from unseg_studio.document.ground import grounded

SHAPE = (80, 120)


def ground():
    """Category 1 on the left, 2 on the right."""
    ids = np.full(SHAPE, 1, np.int32)
    ids[:, 60:] = 2
    return Edits(ids)


def stroke(category, row, col):
    return Scribbles.empty(SHAPE).painted([(row, col)], category, radius=2)


def test_the_ground_steers_where_nobody_drew():
    seeds = grounded(Scribbles.empty(SHAPE), ground()).ids
    assert seeds[40, 10] == 1
    assert seeds[40, 110] == 2


def test_along_outlines_nothing_steers_so_that_they_can_move():
    assert not grounded(Scribbles.empty(SHAPE), ground()).ids[:, 58:62].any()


def test_around_a_stroke_that_disagrees_only_the_stroke_steers():
    seeds = grounded(stroke(2, 40, 20), ground()).ids
    assert seeds[40, 20] == 2
    assert seeds[40, 26] == 0
    assert seeds[5, 45] == 1


def test_a_stroke_that_agrees_leaves_the_ground_as_it_is():
    np.testing.assert_array_equal(
        grounded(stroke(1, 40, 20), ground()).ids, grounded(Scribbles.empty(SHAPE), ground()).ids
    )


def test_clusters_without_a_name_cannot_steer():
    ids = np.full(SHAPE, FIRST_CLUSTER, np.int32)
    scribbles = stroke(1, 40, 20)
    assert grounded(scribbles, Edits(ids)) is scribbles
    assert grounded(scribbles, Edits.none(SHAPE)) is scribbles


def test_pixels_without_labels_stay_free():
    ids = np.full(SHAPE, UNEDITED, np.int32)
    ids[:30] = 1
    assert not grounded(stroke(1, 60, 60), Edits(ids)).ids[35:55].any()
