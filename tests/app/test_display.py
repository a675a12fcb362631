"""The display: values of any type become colours of the right brightness, at view size."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.app.display import Look, Pyramid, value_at
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import Image

FULL = Look(0, 255, channels=(0, 1, 2))


def shown(pixels, view, look):
    pyramid = Pyramid(pixels)
    pyramid.build()
    return pyramid.rendered(view, look)


def smooth_plane(height, width, channels=1, dtype=np.uint8):
    rows, cols = np.mgrid[:height, :width]
    plane = 120 + 60 * np.sin(rows / 40) + 60 * np.cos(cols / 55)
    return np.repeat(plane[..., None], channels, axis=2).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_low_is_black_and_high_is_white_whatever_the_type(dtype):
    values = np.array([[[0], [10], [60], [110], [127]]], dtype)
    light = Look(10, 110).bytes_of(values).ravel()
    assert light.tolist() == [0, 0, 128, 255, 255]


def test_a_boolean_plane_is_black_and_white():
    values = np.array([[[False], [True]]])
    assert Look(0, 1).rgb_of(values)[0, :, 0].tolist() == [0, 255]


def test_sixteen_bits_differ_where_eight_would_not():
    values = np.array([[[40_000], [40_004]]], np.uint16)
    assert Look(40_000, 40_010).bytes_of(values).ravel().tolist() == [0, 102]


def test_gamma_below_one_brightens_the_middle_only():
    values = np.array([[[0], [64], [255]]], np.uint8)
    dark, bright = (Look(0, 255, gamma).bytes_of(values).ravel() for gamma in (1.0, 0.5))
    assert bright[1] > dark[1] + 40
    assert (bright[[0, 2]] == dark[[0, 2]]).all()


def test_one_channel_alone_is_grey():
    values = np.array([[[7, 200, 30]]], np.uint8)
    assert Look(0, 255, channels=(1,)).rgb_of(values[..., 1:2]).tolist() == [[[200] * 3]]


def test_channels_of_a_colour_image_keep_their_colours_when_one_is_hidden():
    values = np.array([[[7, 30]]], np.uint8)
    assert Look(0, 255, channels=(0, 2)).rgb_of(values).tolist() == [[[7, 0, 30]]]


def test_further_channels_add_their_light():
    values = np.array([[[100, 200]]], np.uint8)
    assert Look(0, 255, channels=(0, 3)).rgb_of(values).tolist() == [[[255, 200, 200]]]


def test_the_first_look_is_the_value_range_and_at_most_three_channels():
    image = Image.of(np.random.default_rng(3).integers(0, 5000, (20, 20, 5)).astype(np.uint16))
    look = Look.of(image)
    assert (look.low, look.high) == image.value_range
    assert look.channels == (0, 1, 2)


def test_magnified_pixels_stay_sharp():
    pixels = np.random.default_rng(1).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    view = Viewport((6, 8), (60, 80)).fitted()
    assert (shown(pixels, view, FULL) == pixels.repeat(10, 0).repeat(10, 1)).all()


@pytest.mark.parametrize("scale", [0.9, 0.5, 0.31, 0.13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_a_reduced_image_lies_where_the_viewport_says(scale, dtype):
    pixels = smooth_plane(700, 900, dtype=dtype)
    view = Viewport((700, 900), (150.0, 170.0)).centred(333.3, 401.7, scale=scale)
    rgb, samples = shown(pixels, view, Look(0, 255)), view.samples()
    assert rgb.shape[:2] == samples.shape
    nearest = samples.of(pixels[..., 0]).astype(float)
    assert np.abs(rgb[..., 0] - nearest).max() <= 255 * 0.5 / 40 / scale + 2


def test_reduction_averages_instead_of_picking():
    checkers = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None]
    view = Viewport((512, 512), (64, 64)).fitted()
    assert np.abs(shown(checkers, view, Look(0, 255)).astype(int) - 127).max() <= 2


def test_a_view_is_shown_before_its_pyramid_is_built():
    pixels = smooth_plane(700, 900)
    view = Viewport((700, 900), (70, 90)).fitted()
    early, built = Pyramid(pixels).rendered(view, Look(0, 255)), shown(pixels, view, Look(0, 255))
    assert early.shape == built.shape
    assert np.abs(early.astype(int) - built).max() < 40


@pytest.mark.parametrize("shape", [(1025, 2, 1), (3, 3000, 3), (2, 2, 1), (777, 1023, 6)])
def test_odd_sizes_render_at_every_scale(shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    look = Look(0, 255, channels=tuple(range(shape[2])))
    fitted = Viewport(shape[:2], (120, 160)).fitted()
    for view in (fitted, fitted.zoomed_by(0.5, 0, 0), fitted.zoomed_by(9, 160, 120)):
        assert shown(pixels, view, look).shape[:2] == view.samples().shape


def test_a_pyramid_ends_before_nothing_is_left():
    pyramid = Pyramid(np.zeros((5000, 5, 1), np.uint8))
    pyramid.build()
    assert pyramid.n_levels == 2


def test_without_channels_the_image_is_black():
    view = Viewport((6, 8), (60, 80)).fitted()
    assert not shown(np.full((6, 8, 3), 200, np.uint8), view, Look(0, 255, channels=())).any()


def test_values_are_those_of_the_file():
    image = Image.of(np.array([[[1, 60_000], [2, 7]], [[3, 4], [5, 6]]], np.uint16))
    assert value_at(image, 0, 0) == (1, 60_000)
    assert isinstance(value_at(image, 0, 0)[0], int)
