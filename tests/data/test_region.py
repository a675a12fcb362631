"""Label maps fall into regions and come together again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unseg_studio.data import Annotation, Category, Source, regions_from_labels

CELL = Category(1, "cell", "#ff0000")
SKY = Category(2, "sky", "#0000ff", "stuff")
MAP = np.array(
    [
        [1, 1, 0, 2, 2],
        [0, 0, 1, 0, 0],
        [1, 0, 0, 0, 2],
        [1, 0, 9, 0, 0],
    ],
    np.int32,
)


def test_each_connected_part_of_a_thing_is_a_region():
    regions = regions_from_labels(MAP, [CELL])
    assert [(region.area, region.box) for region in regions] == [
        (3, (0, 0, 3, 2)),
        (2, (0, 2, 1, 2)),
    ]


def test_whether_corners_join_can_be_chosen():
    assert len(regions_from_labels(MAP, [CELL], connectivity=4)) == 3


def test_stuff_is_one_region():
    (region,) = regions_from_labels(MAP, [SKY])
    assert (region.area, region.box) == (3, (3, 0, 2, 3))
    np.testing.assert_array_equal(region.mask(MAP.shape), MAP == 2)


def test_small_parts_are_left_out():
    assert [r.area for r in regions_from_labels(MAP, [CELL, SKY], min_area=3)] == [3]
    assert [r.area for r in regions_from_labels(MAP, [SKY], min_area=2)] == [2]


def test_absent_categories_have_no_regions():
    absent = [Category(4, "a", "#000000"), Category(5, "b", "#000000", "stuff")]
    assert regions_from_labels(MAP, absent) == ()


@pytest.mark.parametrize("connectivity", [4, 8])
@settings(print_blob=True, deadline=None)
@given(data=st.data())
def test_regions_painted_together_give_the_labels_back(connectivity, data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    labels = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 2)))
    regions = regions_from_labels(labels, [CELL, SKY], connectivity=connectivity)
    annotation = Annotation(shape, Source(), (CELL, SKY), regions)
    np.testing.assert_array_equal(annotation.labels(), labels)
    for region in regions:
        mask = region.mask(shape)
        left, top, width, height = region.box
        rows, cols = np.nonzero(mask)
        assert (rows.min(), cols.min()) == (top, left)
        assert (rows.max(), cols.max()) == (top + height - 1, left + width - 1)
        assert region.area == mask.sum()


@pytest.mark.parametrize("many", [0, 1000])  # all parts at once, and one by one
@settings(max_examples=60, print_blob=True)
@given(labels=hnp.arrays(np.int32, (9, 11), elements=st.integers(0, 2)), scale=st.integers(1, 3))
def test_parts_are_those_that_scipy_finds(many, labels, scale):
    labels = np.kron(labels, np.ones((scale, scale), np.int32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unseg_studio.data.region.MANY", many)
        regions = regions_from_labels(labels, (Category(1, "cell", "#e69f00"),))
    parts, n = ndimage.label(labels == 1, np.ones((3, 3)))
    assert len(regions) == n
    for number, region in enumerate(regions, 1):
        mask = np.zeros(labels.shape, bool)
        mask[region.patch.slices] = region.patch.mask
        assert np.array_equal(mask, parts == number)
