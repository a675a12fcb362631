"""Scribbles steer, edits correct, labels show; none of them changes in place."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.data import (
    FIRST_CLUSTER,
    UNEDITED,
    Edits,
    Mosaic,
    Patch,
    Scribbles,
    cluster_ids,
    present_ids,
    stroke_patch,
)
from unseg_studio.data.labels import is_cluster

SHAPE = (10, 12)


def test_painting_leaves_the_earlier_scribbles_alone():
    empty = Scribbles.empty(SHAPE)
    painted = empty.painted([(5, 2), (5, 9)], category=3, radius=1)
    assert empty.is_empty
    assert painted.categories == (3,)
    assert painted.ids[5, 2:10].tolist() == [3] * 8


def test_the_latest_stroke_lies_on_top():
    painted = Scribbles.empty(SHAPE).painted([(5, 5)], category=1, radius=3)
    painted = painted.painted([(5, 5)], category=2, radius=1)
    assert painted.categories == (1, 2)
    assert painted.ids[5, 5] == 2
    assert painted.ids[5, 8] == 1


def test_the_parts_hold_every_stroke_and_little_else():
    painted = Scribbles.empty((3000, 3000)).painted([(5, 5)], category=1, radius=3)
    painted = painted.painted([(2990, 2800), (2990, 2900)], category=2, radius=1)
    whole, n_pixels = np.zeros((3000, 3000), np.int32), 0
    for ids, box in painted.parts():
        whole[box] = ids
        n_pixels += ids.size
    assert np.array_equal(whole, painted.ids)
    assert n_pixels < whole.size / 4
    assert not list(Scribbles.empty((3000, 3000)).parts())


def test_erasing_takes_strokes_away():
    painted = Scribbles.empty(SHAPE).painted([(5, 2), (5, 9)], category=3, radius=1)
    assert painted.erased([(5, 5)], radius=1).ids[5, 3:8].tolist() == [3, 0, 0, 0, 3]
    assert painted.erased([(5, 0), (5, 11)], radius=5).is_empty


def test_strokes_add_to_those_that_are_all_still_there():
    one = Scribbles.empty((300, 300)).painted([(5, 5)], category=1, radius=2)
    both = one.painted([(280, 280)], category=2, radius=2)
    assert both.adds_to(one)
    assert both.adds_to(Scribbles(both.ids * (both.ids == 2)))
    assert both.adds_to(Scribbles.empty(both.shape))
    assert not one.adds_to(both)
    assert not both.erased([(5, 5)], radius=1).adds_to(one)
    assert not both.painted([(5, 5)], category=2, radius=0).adds_to(one)


def test_strokes_do_not_add_to_their_equals():
    one = Scribbles.empty(SHAPE).painted([(5, 5)], category=1, radius=2)
    assert not one.adds_to(one)
    assert not one.adds_to(Scribbles(one.ids.copy()))


def test_one_category_can_be_removed():
    painted = Scribbles.empty(SHAPE).painted([(2, 2)], category=1, radius=0)
    painted = painted.painted([(8, 8)], category=2, radius=0)
    assert painted.without(1).categories == (2,)


@pytest.mark.parametrize(
    "ids",
    [
        np.zeros(SHAPE, np.int64),
        np.zeros((2, 3, 4), np.int32),
        np.full(SHAPE, -1, np.int32),
        np.full(SHAPE, 1001, np.int32),
    ],
)
def test_scribbles_that_no_category_can_have_are_refused(ids):
    with pytest.raises(ValueError, match="accepted"):
        Scribbles(ids)


def test_scribbles_of_another_size_are_refused_with_both_sizes():
    scribbles = Scribbles.empty(SHAPE)
    scribbles.require_shape(SHAPE)
    with pytest.raises(ValueError, match="are 12 x 10 px, the image is 10 x 12 px; accepted"):
        scribbles.require_shape((12, 10))


@pytest.mark.parametrize("layer", [Scribbles.empty(SHAPE), Edits.none(SHAPE)])
def test_layers_cannot_be_changed_in_place(layer):
    with pytest.raises(ValueError, match="read-only"):
        layer.ids[0, 0] = 1


def test_edits_lie_over_the_labels_until_they_are_given_back():
    labels = Mosaic.full(SHAPE, 7)
    patch = stroke_patch(SHAPE, [(5, 5)], 0)
    edits = Edits.none(SHAPE).put(patch, 2)
    assert edits.over(labels).at(5, 5) == 2
    assert (edits.over(labels).array == 7).sum() == 119
    assert edits.put(patch, 0).over(labels).at(5, 5) == 0
    assert edits.put(patch, UNEDITED).is_empty


def test_without_edits_the_labels_are_shown_as_they_are():
    labels = Mosaic.full(SHAPE, 7)
    assert Edits.none(SHAPE).over(labels) is labels
    edits = Edits.none(SHAPE).put(Patch.whole(np.ones(SHAPE, bool)), 1)
    assert edits.over(labels).areas == {1: 120}


@pytest.mark.parametrize(
    "ids", [np.zeros(SHAPE), np.zeros(5, np.int32), np.full(SHAPE, -2, np.int32)]
)
def test_edits_that_mean_nothing_are_refused(ids):
    with pytest.raises(ValueError, match="accepted"):
        Edits(ids)


def test_ids_from_1001_up_are_clusters():
    labels = np.array([[0, 1, 5], [FIRST_CLUSTER, FIRST_CLUSTER + 2, 5]], np.int32)
    assert present_ids(labels) == (1, 5, 1001, 1003)
    assert cluster_ids(labels) == (1001, 1003)
    assert [is_cluster(i) for i in (0, 1000, 1001)] == [False, False, True]


@pytest.mark.parametrize("slab", [1, 13, 10**6])
def test_ids_are_found_wherever_they_are_in_a_plane(slab, monkeypatch):
    monkeypatch.setattr("unseg_studio.data.labels._SLAB", slab)
    labels = np.zeros((9, 7), np.int32)
    labels[0, 0], labels[4], labels[8, 6] = 3, FIRST_CLUSTER, 2
    labels[8, 0] = -1
    assert present_ids(labels) == (2, 3, FIRST_CLUSTER)
