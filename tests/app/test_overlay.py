"""The overlay: ids become colours that can be told apart and stay the same."""

from __future__ import annotations

import colorsys
from itertools import combinations

import numpy as np
import pytest

from unseg_studio.app import overlay
from unseg_studio.data import FIRST_CLUSTER, PALETTE, Category

CATEGORIES = (Category(1, "cell", "#e69f00"), Category(2, "wall", "#0072b2"))


def parts(argb):
    """(alpha, red, green, blue) of premultiplied pixels, as the screen blends them."""
    return tuple(int(argb >> shift & 255) for shift in (24, 16, 8, 0))


def saturation(rgb):
    return colorsys.rgb_to_hsv(*(part / 255 for part in rgb))[1]


def test_a_category_has_its_own_colour():
    assert overlay.id_rgb(2, CATEGORIES) == (0, 0x72, 0xB2)


def test_clusters_are_quieter_than_any_category():
    quiet = [saturation(overlay.cluster_rgb(FIRST_CLUSTER + i)) for i in range(64)]
    loud = [saturation(Category(1, "x", color).rgb) for color in PALETTE]
    assert max(quiet) <= 0.42
    assert np.median(loud) > 0.7


def test_the_first_clusters_have_clearly_different_colours():
    colors = [np.array(overlay.cluster_rgb(FIRST_CLUSTER + i), int) for i in range(16)]
    assert min(np.abs(a - b).max() for a, b in combinations(colors, 2)) >= 16


def test_a_cluster_keeps_its_colour_beside_others():
    few = overlay.fill(np.full((3, 3), FIRST_CLUSTER + 4, np.int32), CATEGORIES, opacity=1)
    ids = np.arange(FIRST_CLUSTER, FIRST_CLUSTER + 9, dtype=np.int32).reshape(3, 3)
    assert overlay.fill(ids, CATEGORIES, opacity=1)[1, 1] == few[1, 1]


def test_nothing_is_clear():
    assert not overlay.fill(np.zeros((4, 4), np.int32), CATEGORIES, opacity=1).any()


def test_opacity_is_multiplied_into_the_colour():
    filled = overlay.fill(np.ones((5, 5), np.int32), CATEGORIES, opacity=0.5)
    assert parts(filled[2, 2]) == (128, 115, 80, 0)


def test_a_fill_is_stronger_along_its_border():
    ids = np.zeros((9, 9), np.int32)
    ids[2:7, 2:7] = 1
    filled = overlay.fill(ids, CATEGORIES, opacity=0.4)
    assert parts(filled[2, 4])[0] > parts(filled[4, 4])[0]
    assert filled[1, 4] == 0


def test_contours_are_lines_on_both_sides_of_a_border():
    ids = np.full((6, 6), 1, np.int32)
    ids[:, 3:] = 2
    lines = overlay.contours(ids, CATEGORIES)
    assert (lines[:, [0, 1, 4, 5]] == 0).all()
    assert parts(lines[0, 2]) == (255, 0xE6, 0x9F, 0)
    assert parts(lines[0, 3]) == (255, 0, 0x72, 0xB2)


def test_an_outline_is_light_inside_and_dark_outside():
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    lines = overlay.outline(mask)
    assert parts(lines[3, 3]) == (255, 255, 255, 255)
    assert parts(lines[2, 4])[1:] == (0, 0, 0)
    assert lines[4, 4] == lines[0, 0] == 0


def test_what_leaves_the_view_has_no_outline_there():
    mask = np.zeros((9, 9), bool)
    mask[:, :4] = True
    assert (overlay.outline(mask)[:, :3] == 0).all()


def test_scribbles_are_opaque_with_a_light_and_a_dark_rim():
    ids = np.zeros((11, 11), np.int32)
    ids[5, 5] = 1
    drawn = overlay.marks(ids, CATEGORIES)
    assert parts(drawn[5, 5]) == (255, 0xE6, 0x9F, 0)
    assert parts(drawn[5, 6])[1:] == (230, 230, 230)
    assert parts(drawn[5, 7]) == (153, 0, 0, 0)
    assert drawn[5, 9] == 0


def test_pooling_keeps_a_line_that_is_thinner_than_a_sample():
    ids = np.zeros((12, 12), np.int32)
    ids[:, 7] = 2
    pooled = overlay.pooled(ids, 3)
    assert pooled.shape == (4, 4)
    assert (pooled[:, 2] == 2).all()
    assert not pooled[:, [0, 1, 3]].any()


def test_a_region_ends_at_corners_and_other_ids():
    ids = np.array([[1, 2, 1], [1, 1, 2], [2, 2, 1]], np.int32)
    expected = [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert (overlay.region_around(ids, 0, 0) == np.array(expected, bool)).all()


def test_the_grid_lies_between_pixels():
    lines = overlay.grid(np.array([4, 4, 5, 5]), np.array([0, 1, 1]))
    assert (lines != 0).astype(int).tolist() == [[0, 1, 0], [0, 1, 0], [1, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 5)])
def test_tiny_views_are_drawn_too(shape):
    ids = np.ones(shape, np.int32)
    assert overlay.fill(ids, CATEGORIES, opacity=0.5).shape == shape
    assert overlay.contours(ids, CATEGORIES).shape == shape
