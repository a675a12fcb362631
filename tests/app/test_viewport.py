"""The viewport: pure geometry between image and view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.app.viewport import MAX_SCALE, Viewport

views = st.builds(
    lambda height, width, down, right, scale: Viewport((height, width), (300.0, 400.0)).centred(
        down * height, right * width, scale=scale
    ),
    st.integers(60, 5000),
    st.integers(60, 5000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.05, 60),
)


def test_a_fitted_view_shows_the_whole_image_in_the_middle():
    view = Viewport((100, 400), (300, 400)).fitted()
    assert view.scale == 1
    assert view.to_view(-0.5, -0.5) == (0, 100)
    assert view.to_view(99.5, 399.5) == (400, 200)


def test_whole_numbers_are_the_centres_of_pixels():
    view = Viewport((10, 10), (80, 80)).fitted()
    assert view.to_image(4, 4) == (0, 0)
    assert view.pixel_at(7.9, 7.9) == (0, 0)
    assert view.pixel_at(8, 7.9) == (0, 1)


def test_no_pixel_lies_outside_the_image():
    view = Viewport((10, 20), (80, 80)).fitted()
    assert view.pixel_at(40, 19.9) is None
    assert view.pixel_at(40, 20) == (0, 10)
    assert view.pixel_at(80, 40) is None


@given(views, st.floats(0, 400), st.floats(0, 300))
@settings(print_blob=True)
def test_to_view_undoes_to_image(view, x, y):
    assert view.to_view(*view.to_image(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(views, st.floats(0.2, 5), st.floats(0, 400), st.floats(0, 300))
@settings(print_blob=True)
def test_zooming_keeps_the_image_point_that_is_under_the_cursor(view, factor, x, y):
    if view.pixel_at(x, y) is None:
        return
    zoomed = view.zoomed_by(factor, x, y)
    assert zoomed.to_image(x, y) == pytest.approx(view.to_image(x, y), abs=1e-6)


@given(views, st.floats(0.01, 100))
@settings(print_blob=True)
def test_the_scale_stays_within_limits(view, factor):
    zoomed = view.zoomed_by(factor, 0, 0)
    assert min(view.fit_scale, 1) / 4 <= zoomed.scale <= MAX_SCALE


@given(views, st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
@settings(print_blob=True)
def test_the_image_cannot_be_moved_out_of_sight(view, dx, dy):
    assert 0 not in view.panned(dx, dy).samples().shape


def test_panning_moves_the_image_with_the_mouse():
    view = Viewport((1000, 1000), (300, 400)).centred(500, 500, scale=2)
    x, y = view.to_view(500, 500)
    assert view.panned(30, -20).to_view(500, 500) == pytest.approx((x + 30, y - 20))


def test_resizing_keeps_the_middle():
    view = Viewport((1000, 1000), (300, 400)).centred(400, 600, scale=2)
    assert view.resized((500, 700)).to_image(350, 250) == pytest.approx((399.5, 599.5))


@given(views)
@settings(print_blob=True)
def test_samples_are_what_lies_under_the_middle_of_each_view_pixel(view):
    samples = view.samples()
    for i in {0, len(samples.rows) - 1}:
        for j in {0, len(samples.cols) - 1}:
            pixel = view.pixel_at(samples.left + j + 0.5, samples.top + i + 0.5)
            assert pixel == (samples.rows[i], samples.cols[j])


@given(views)
@settings(print_blob=True)
def test_samples_stay_inside_the_image_and_the_view(view):
    samples = view.samples()
    rows, cols = samples.place
    assert 0 <= rows.start < rows.stop <= view.image[0]
    assert 0 <= cols.start < cols.stop <= view.image[1]
    assert samples.top + samples.shape[0] <= view.view[0]
    assert samples.left + samples.shape[1] <= view.view[1]


def test_samples_of_a_plane_are_its_nearest_pixels():
    plane = np.arange(12).reshape(3, 4)
    samples = Viewport((3, 4), (6, 8)).fitted().samples()
    assert (samples.of(plane) == plane.repeat(2, axis=0).repeat(2, axis=1)).all()


@given(views, st.integers(2, 3))
@settings(print_blob=True)
def test_finer_samples_cover_the_same_view_pixels(view, factor):
    coarse, fine = view.samples(), view.samples(factor)
    assert fine.shape == (coarse.shape[0] * factor, coarse.shape[1] * factor)
    assert (fine.top, fine.left) == (coarse.top, coarse.left)


def test_a_screen_with_more_device_pixels_shows_the_same_part():
    view = Viewport((1000, 1000), (300, 400)).centred(400, 600, scale=2)
    row, col = view.to_image(120, 80)
    assert view.magnified(1.5).to_view(row, col) == pytest.approx((180, 120))


def test_the_pixel_grid_begins_at_eight_times():
    view = Viewport((1000, 1000), (300, 400))
    assert not view.zoomed_to(7.9).shows_grid
    assert view.zoomed_to(8).shows_grid
