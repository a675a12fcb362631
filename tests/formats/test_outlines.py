"""Outlines that tell of holes, measured against those who draw them."""

from __future__ import annotations

import time

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import measure

from unseg_studio.data import Patch
from unseg_studio.formats import geometry, outlines

MASKS = st.one_of(
    hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))),
    hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))).map(
        lambda mask: mask.repeat(3, axis=0).repeat(2, axis=1)
    ),
)
examples = settings(max_examples=120, deadline=None, print_blob=True)

EDGES, PIXELS = (1 / 16, 15 / 16), (1 / 16, 7 / 16)


def in_opencv(points, shape):
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [points[:, ::-1].astype(np.int32)], 1)
    return canvas.astype(bool)


def in_pillow(points, shape):
    canvas = PIL.Image.new("L", shape[::-1])
    xy = [tuple(point) for point in points[:, ::-1].tolist()]
    PIL.ImageDraw.Draw(canvas).polygon(xy, fill=1, outline=1)
    return np.array(canvas, bool)


def by_centres(points, shape):
    return geometry.in_plane(geometry.fill([points], shape), shape)


def drawn(mask, draw, ends, tidy=np.asarray):
    """What comes back of a mask from a reader that draws one ring after the other."""
    canvas = np.zeros(mask.shape, bool)
    for outline in outlines.keyholes(Patch.whole(mask)):
        canvas |= draw(tidy(outline.at(*ends)), mask.shape)
    return canvas


READERS = {
    "OpenCV, rounding down": (in_opencv, EDGES, np.floor),
    "Pillow": (in_pillow, EDGES, np.asarray),
    "centres inside": (by_centres, EDGES, np.asarray),
    "OpenCV, rounding down, through pixels": (in_opencv, PIXELS, np.floor),
    "OpenCV, rounding, through pixels": (in_opencv, PIXELS, np.round),
}


@pytest.mark.parametrize("reader", READERS)
@examples
@given(MASKS)
def test_keyholes_come_back_exactly_holes_included(reader, mask):
    np.testing.assert_array_equal(drawn(mask, *READERS[reader]), mask)


@examples
@given(MASKS)
def test_there_is_one_keyhole_for_each_connected_part(mask):
    n = measure.label(mask, connectivity=2).max()
    assert len(outlines.keyholes(Patch.whole(mask))) == n


@examples
@given(MASKS)
def test_areas_are_valid_by_the_standard_and_fill_to_exactly_the_mask(mask):
    areas = outlines.edge_areas(Patch.whole(mask))
    filled = geometry.fill_areas(areas, mask.shape)
    np.testing.assert_array_equal(geometry.in_plane(filled, mask.shape), mask)
    if not areas:
        return
    shape = shapely.MultiPolygon([(area[0], area[1:]) for area in areas])
    assert shape.is_valid, shapely.is_valid_reason(shape)
    assert shape.area == mask.sum()


def test_outlines_stand_where_their_patch_does():
    patch = Patch(slice(10, 12), slice(20, 23), np.ones((2, 3), bool))
    (area,) = outlines.edge_areas(patch)
    assert area[0].min(axis=0).tolist() == [10, 20]
    assert area[0].max(axis=0).tolist() == [12, 23]
    (outline,) = outlines.keyholes(patch)
    assert outline.at(0, 1).min(axis=0).tolist() == [10, 20]
    assert outline.at(0, 1).max(axis=0).tolist() == [12, 23]


def test_a_large_region_with_many_holes_takes_less_than_two_seconds():
    mask = np.ones((400, 400), bool)
    mask[1:-1:4, 1:-1:4] = False  # 10,000 holes
    start = time.process_time()
    (outline,) = outlines.keyholes(Patch.whole(mask))
    assert time.process_time() - start < 2
    assert (in_opencv(outline.at(*EDGES), mask.shape) == mask).all()
