"""Corrections of a whole id, on planes of several tiles, against the plain way to do them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import flood

from unseg_studio.data import Category, Image, Mosaic, Patch
from unseg_studio.data.mosaic import SIDE
from unseg_studio.document import Document, corrections

SHAPE = (SIDE + 30, SIDE + 50)

seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=15, deadline=None, print_blob=True)


def blobs(seed: int, n_ids: int = 3) -> np.ndarray:
    """Ids 1, 2, ... in blobs of many sizes, with holes and crumbs, in a part of the plane."""
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.normal(size=SHAPE), (0, 0), random.uniform(2, 12))
    ranks = noise.ravel().argsort().argsort().reshape(SHAPE)
    labels = 1 + ranks * n_ids // ranks.size
    labels[random.random(SHAPE) < 0.002] = 1
    return np.asarray(labels, np.int32)


def plane(patch: Patch) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[patch.slices] = patch.mask
    return mask


@fast
@given(seeds)
def test_a_touched_region_is_the_connected_one(seed):
    labels = blobs(seed)
    for point in [(0, 0), (SIDE, SIDE), (SHAPE[0] - 1, 3)]:
        region = corrections.touched_region(Mosaic.of(labels), point)
        np.testing.assert_array_equal(plane(region), flood(labels, point, connectivity=1))


@fast
@given(seeds)
def test_holes_are_what_is_enclosed(seed):
    labels = blobs(seed)
    mask = labels == 1
    expected = ndimage.binary_fill_holes(mask) & ~mask
    np.testing.assert_array_equal(plane(corrections.holes(Mosaic.of(labels), 1)), expected)


@fast
@given(seeds, st.integers(1, 200))
def test_small_parts_are_the_connected_ones_below_the_area(seed, min_area):
    labels = blobs(seed)
    parts, _ = ndimage.label(labels == 1)
    sizes = np.bincount(parts.ravel())
    small = (sizes < min_area)[parts] & (labels == 1)
    found = corrections.small_parts(Mosaic.of(labels), 1, min_area=min_area)
    np.testing.assert_array_equal(plane(found), small)


@fast
@given(seeds, st.sampled_from([0.5, 2.0, 7.0]))
def test_smoothing_blurs_the_outline(seed, radius):
    labels = blobs(seed)
    labels[:, SIDE:] = np.where(labels[:, SIDE:] == 1, 2, labels[:, SIDE:])
    mask = labels == 1
    soft = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), radius, borderType=cv2.BORDER_REPLICATE
    )
    gained, lost = corrections.smoothed(Mosaic.of(labels), 1, radius=radius)
    np.testing.assert_array_equal((mask | plane(gained)) & ~plane(lost), soft > 0.5)


@fast
@given(seeds, st.sampled_from([3, 40, 4000]))
def test_nothing_is_given_to_a_locked_neighbour(seed, min_area):
    labels = blobs(seed)
    document = shown(labels)
    document.toggle_lock(3)
    given_away = plane(corrections.small_parts(Mosaic.of(labels), 1, min_area=min_area))
    document.remove_small(1, min_area=min_area)
    after = document.labels
    np.testing.assert_array_equal(after[~given_away], labels[~given_away])
    assert (after[given_away] == 2).all()


@fast
@given(seeds)
def test_the_nearest_of_several_neighbours_is_taken(seed):
    labels = blobs(seed, n_ids=5)
    given_away = plane(corrections.small_parts(Mosaic.of(labels), 1, min_area=60))
    document = shown(labels)
    document.remove_small(1, min_area=60)
    away = {
        id_: ndimage.distance_transform_edt((labels != id_) | given_away) for id_ in range(2, 6)
    }
    nearest = np.min([*away.values()], axis=0)
    for id_, distance in away.items():
        taken = given_away & (document.labels == id_)
        assert (distance[taken] <= 1.05 * nearest[taken] + 0.5).all()


def test_where_everything_around_is_locked_nothing_is_left():
    labels = np.full(SHAPE, 2, np.int32)
    labels[SIDE - 2 : SIDE + 2, SIDE - 2 : SIDE + 2] = 1
    document = shown(labels)
    document.toggle_lock(2)
    document.remove_small(1, min_area=50)
    assert (document.labels[labels == 1] == 0).all()
    assert (document.labels[labels == 2] == 2).all()


@pytest.mark.parametrize("verb", ["fill_holes", "smooth"])
def test_an_id_that_is_nowhere_changes_nothing(verb):
    document = shown(np.full(SHAPE, 2, np.int32))
    getattr(document, verb)(1)
    assert document.undo_text is None


def test_a_correction_made_aside_keeps_what_was_corrected_meanwhile():
    labels = np.full(SHAPE, 2, np.int32)
    labels[10:300, 10:300] = 1
    labels[SIDE - 9 : SIDE + 9, SIDE - 9 : SIDE + 9] = 2
    labels[40:50, 40:50] = 2
    document = shown(labels)
    made = corrections.holes_filled(document.state, 1)
    document.brush([(5, 5), (45, 45)], radius=3, id_=3)
    brushed = document.edits.ids == 3
    document.lay(made)
    assert document.undo_text == "fill holes"
    holes = plane(corrections.holes(Mosaic.of(labels), 1))
    assert (document.labels[holes] == 1).all()
    assert (document.labels[brushed & ~holes] == 3).all()


def test_a_correction_made_aside_is_refused_once_its_category_is_locked():
    labels = np.full(SHAPE, 2, np.int32)
    labels[10:30, 10:30] = 1
    labels[15:20, 15:20] = 2
    document = shown(labels)
    made = corrections.holes_filled(document.state, 1)
    document.toggle_lock(1)
    with pytest.raises(ValueError, match="is locked"):
        document.lay(made)
    np.testing.assert_array_equal(document.labels, labels)


def shown(labels: np.ndarray) -> Document:
    table = tuple(Category(i, f"category {i}", f"#00000{i}") for i in range(1, 6))
    document = Document(Image.of(np.arange(labels.size, dtype=np.float32).reshape(SHAPE)), table)
    document.show(labels.copy())
    return document
