"""Masks to polygons and back, measured against the readers themselves."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from unseg_studio.data import Patch
from unseg_studio.formats import geometry

# pycocotools 2.0.11 and numpy 2 disagree about a keyword, harmlessly.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = st.one_of(
    hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))).map(
        lambda mask: mask.repeat(3, axis=0).repeat(3, axis=1)
    ),
)
examples = settings(max_examples=150, deadline=None, print_blob=True)


def in_pycocotools(polygons, shape):
    parts = [p[:, ::-1].ravel().astype(float).tolist() for p in polygons]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, *shape))).astype(bool)


def in_opencv(polygons, shape):
    canvas = np.zeros(shape, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [polygon[:, ::-1].astype(np.int32).reshape(-1, 1, 2)], 1)
    return canvas.astype(bool)


def mask_of(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


@examples
@given(MASKS)
def test_edge_polygons_decode_to_exactly_the_mask_without_its_holes(mask):
    whole = geometry.filled(Patch.whole(mask), touching=False)
    expected = geometry.in_plane(whole, mask.shape)
    polygons = geometry.edge_polygons(Patch.whole(mask))
    assert bool(polygons) == bool(mask.any())
    if polygons:
        # Rings around islands inside holes are outer rings as well and change nothing.
        np.testing.assert_array_equal(in_pycocotools(polygons, mask.shape), expected)
    ours = geometry.in_plane(geometry.fill(polygons, mask.shape), mask.shape)
    np.testing.assert_array_equal(ours, expected)


@examples
@given(MASKS)
def test_pixel_polygons_decode_to_exactly_the_mask_without_its_holes(mask):
    whole = geometry.filled(Patch.whole(mask), touching=True)
    polygons = geometry.pixel_polygons(whole)
    expected = geometry.in_plane(whole, mask.shape)
    assert all(len(polygon) >= 3 for polygon in polygons)
    np.testing.assert_array_equal(in_opencv(polygons, mask.shape), expected)
    ours = geometry.fill(polygons, mask.shape, convention="pixels")
    np.testing.assert_array_equal(geometry.in_plane(ours, mask.shape), expected)


@examples
@given(MASKS)
def test_filling_agrees_with_pycocotools_where_it_says_there_is_no_hole(mask):
    patch = Patch.whole(mask)
    if mask.any() and not geometry.has_holes(patch, touching=False):
        decoded = in_pycocotools(geometry.edge_polygons(patch), mask.shape)
        np.testing.assert_array_equal(decoded, mask)


@pytest.mark.parametrize(
    ("rows", "n_rings"),
    [
        (("#",), 1),
        (("#####",), 1),
        (("##.", "##.", "..#"), 2),
        ((".#", "#."), 2),
        ((".#.", "#.#", ".#."), 4),
        (("#.#", "###", "#.#"), 1),
    ],
)
def test_every_part_gets_a_ring_of_its_own(rows, n_rings):
    mask = mask_of(*rows)
    rings = geometry.edge_polygons(Patch.whole(mask))
    assert len(rings) == n_rings
    np.testing.assert_array_equal(in_pycocotools(rings, mask.shape), mask)


def test_a_ring_has_corners_only():
    (ring,) = geometry.edge_polygons(Patch.whole(np.ones((50, 70), bool)))
    assert sorted(map(tuple, ring.tolist())) == [(0, 0), (0, 70), (50, 0), (50, 70)]


@pytest.mark.parametrize(
    ("rows", "open_corners", "touching_corners"),
    [
        (("###", "#.#", "###"), True, True),
        ((".#.", "#.#", ".#."), False, True),
        (("##.", "#.#", "###"), False, True),
        (("###", "#.#", "#.#"), False, False),
    ],
)
def test_a_corner_closes_a_hole_only_where_the_reader_draws_it_closed(
    rows, open_corners, touching_corners
):
    patch = Patch.whole(mask_of(*rows))
    assert geometry.has_holes(patch, touching=False) is open_corners
    assert geometry.has_holes(patch, touching=True) is touching_corners


def test_polygons_of_other_programs_are_read_as_pycocotools_reads_them():
    rng = np.random.default_rng(3)
    agreement = []
    for _ in range(100):
        angles = np.sort(rng.random(9)) * 2 * np.pi
        radii = rng.uniform(30, 70, 9)
        polygon = np.c_[50 + radii * np.sin(angles), 50 + radii * np.cos(angles)]  # leaves it, too
        theirs = in_pycocotools([polygon], (100, 100))
        ours = geometry.in_plane(geometry.fill([polygon], (100, 100)), (100, 100))
        agreement.append((ours & theirs).sum() / (ours | theirs).sum())
    assert min(agreement) > 0.97
    assert np.mean(agreement) > 0.985


def test_a_polygon_that_crosses_itself_fills_by_the_even_odd_rule():
    star = np.array([(0, 5), (10, 8), (3, 0), (3, 10), (10, 2)]) * 10
    shape = (100, 100)
    ours = geometry.in_plane(geometry.fill([star], shape), shape)
    theirs = in_pycocotools([star], shape)
    assert not ours[50, 50]
    assert (ours ^ theirs).mean() < 0.02


def test_polygons_outside_the_plane_give_nothing():
    square = np.array([(0, 0), (0, 5), (5, 5), (5, 0)])
    for convention in ("edges", "pixels"):
        patch = geometry.fill([square + 100, square - 100], (20, 20), convention=convention)
        assert not patch.mask.any()


def test_a_huge_polygon_is_cut_to_the_plane():
    far = geometry.FARTHEST
    huge = np.array([(-far, -far), (-far, far), (far, far), (far, -far)])
    for convention in ("edges", "pixels"):
        assert geometry.fill([huge], (9, 7), convention=convention).mask.shape == (9, 7)
        assert geometry.fill([huge], (9, 7), convention=convention).mask.all()


def test_a_polygon_with_very_many_crossings_is_filled_in_bands(monkeypatch):
    rng = np.random.default_rng(1)
    zigzag = np.c_[rng.integers(0, 60, 400), rng.integers(0, 60, 400)]
    at_once = geometry.fill([zigzag], (60, 60))
    monkeypatch.setattr(geometry, "_CROSSINGS_AT_ONCE", 500)
    in_bands = geometry.fill([zigzag], (60, 60))
    np.testing.assert_array_equal(
        geometry.in_plane(at_once, (60, 60)), geometry.in_plane(in_bands, (60, 60))
    )


def test_box_is_that_of_the_pixels_and_not_of_a_loose_patch():
    mask = np.zeros((9, 9), bool)
    mask[2:4, 5] = True
    loose = Patch(slice(10, 19), slice(20, 29), mask)
    assert geometry.box(geometry.tight(loose)) == (25, 12, 1, 2)


@examples
@given(st.data(), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_overlap_of_patches_is_that_of_their_masks(data, shape):
    one, other = (data.draw(hnp.arrays(bool, shape)) for _ in range(2))
    found = geometry.overlap(Patch.whole(one), Patch.whole(other))
    assert found == ((one & other).sum(), (one | other).sum())


def test_tracing_a_large_ragged_mask_takes_seconds_at_most():
    noise = np.random.default_rng(0).random((512, 512)).astype(np.float32)
    mask = cv2.resize(cv2.GaussianBlur(noise, (0, 0), 1.5), (2048, 2048)) > 0.5
    start = time.perf_counter()
    geometry.edge_polygons(Patch.whole(mask))
    assert time.perf_counter() - start < 5
