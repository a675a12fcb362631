"""A stroke covers exactly the pixels near its line."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import Patch, polygon_patch, stroke_patch

SHAPE = (40, 60)


def plane(patch: Patch, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return patch.painted_on(np.zeros(shape, np.int32), 1).astype(bool)


points = st.lists(
    st.tuples(st.integers(-30, 70), st.integers(-30, 90)), min_size=1, max_size=5
)  # fmt: skip


@settings(print_blob=True, deadline=None)
@given(st.tuples(st.integers(-9, 49), st.integers(-9, 69)), st.floats(1, 30))
def test_a_dab_is_a_disc(centre, radius):
    rows, cols = np.indices(SHAPE)
    disc = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2
    differs = plane(stroke_patch(SHAPE, [centre], radius)) != disc
    distance = np.hypot(rows - centre[0], cols - centre[1])
    assert np.abs(distance[differs] - radius).max(initial=0) < 1e-5


@pytest.mark.parametrize("radius", [0, 0.5, 0.9])
def test_a_thin_brush_marks_a_line_of_single_pixels(radius):
    mask = plane(stroke_patch(SHAPE, [(5, 5), (5, 20)], radius))
    assert mask.sum() == 16
    assert mask[5, 5:21].all()


@settings(print_blob=True, deadline=None)
@given(points, st.sampled_from([0, 1, 2.5, 8]))
def test_a_stroke_is_the_same_wherever_the_plane_ends(path, radius):
    """The plane cuts a stroke, it does not bend it, save for lines entering from far outside."""
    pad = 200
    wide = plane(stroke_patch((40 + 2 * pad, 60 + 2 * pad), np.add(path, pad), radius), (440, 460))
    cut = wide[pad : pad + 40, pad : pad + 60]
    mask = plane(stroke_patch(SHAPE, path, radius))
    inside = all(0 <= row < 40 and 0 <= col < 60 for row, col in path)
    if inside:
        np.testing.assert_array_equal(mask, cut)
    else:  # OpenCV may set the pixel beside the ideal line once it cuts a line
        reach = stroke_tolerance(cut), stroke_tolerance(mask)
        assert not (mask & ~reach[0]).any()
        assert not (cut & ~reach[1]).any()


def stroke_tolerance(mask: np.ndarray) -> np.ndarray:
    """The mask and the pixels around it, the plane's outermost ring included."""
    grown = np.pad(mask, 2)
    shifts = range(-2, 3)
    near = np.any([np.roll(grown, (r, c), (0, 1)) for r in shifts for c in shifts], axis=0)
    near = near[2:-2, 2:-2]
    near[:3], near[-3:], near[:, :3], near[:, -3:] = True, True, True, True
    return near


@pytest.mark.parametrize("path", [[(-500, 5)], [(10, 900), (20, 800)], [(-1e9, -1e9)]])
def test_a_stroke_outside_covers_nothing(path):
    patch = stroke_patch(SHAPE, path, 10)
    assert patch.mask.size == 0
    assert not plane(patch).any()


@pytest.mark.parametrize("cover", [stroke_patch, lambda shape, path, _: polygon_patch(shape, path)])
def test_a_path_from_far_away_costs_no_memory(cover):
    start = time.perf_counter()
    mask = plane(cover(SHAPE, [(20, -1e12), (20, 1e12)], 2))
    assert mask[20].all()
    assert time.perf_counter() - start < 1


def test_a_wide_brush_is_quick():
    start = time.perf_counter()
    mask = plane(stroke_patch((1000, 1000), [(100, 100), (900, 900)], 300), (1000, 1000))
    assert mask[500, 500]
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("radius", [-1, np.nan, np.inf, 1e6])
def test_an_impossible_brush_is_refused(radius):
    with pytest.raises(ValueError, match=r"radius .*; accepted are 0 to 1000 pixels"):
        stroke_patch(SHAPE, [(1, 1)], radius)


@pytest.mark.parametrize("path", [[], [1, 2], [(1, 2, 3)], [(np.nan, 1)]])
@pytest.mark.parametrize("cover", [lambda path: stroke_patch(SHAPE, path, 1),
                                   lambda path: polygon_patch(SHAPE, path)])  # fmt: skip
def test_points_that_are_no_path_are_refused(cover, path):
    with pytest.raises(ValueError, match="accepted are N x 2 finite"):
        cover(path)


def test_a_polygon_covers_its_inside_and_its_outline():
    mask = plane(polygon_patch(SHAPE, [(5, 10), (5, 20), (15, 20), (15, 10)]))
    expected = np.zeros(SHAPE, bool)
    expected[5:16, 10:21] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_polygon_reaching_outside_is_cut():
    mask = plane(polygon_patch(SHAPE, [(-50, -50), (-50, 10), (10, 10), (10, -50)]))
    expected = np.zeros(SHAPE, bool)
    expected[:11, :11] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_whole_mask_is_cut_to_its_box():
    mask = np.zeros(SHAPE, bool)
    mask[3:7, 4:9] = True
    mask[3, 4] = False
    patch = Patch.whole(mask)
    assert patch.slices == (slice(3, 7), slice(4, 9))
    mask[:] = False
    assert patch.mask.sum() == 19


def test_an_empty_mask_is_an_empty_patch():
    assert not plane(Patch.whole(np.zeros(SHAPE, bool))).any()
