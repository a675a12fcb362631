"""An image keeps what was read, and shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unseg_studio.data import Image, Source

RAMP = np.arange(6 * 8).reshape(6, 8)


def test_grey_gets_a_channel_axis():
    image = Image.of(RAMP.astype(np.uint16))
    assert (image.shape, image.n_channels) == ((6, 8), 1)


def test_pixels_cannot_be_changed_afterwards():
    image = Image.of(RAMP.astype(np.float32))
    for array in (image.pixels, image.unit, image.rgb):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_bytes_keep_their_full_range():
    image = Image.of((RAMP + 100).astype(np.uint8))
    assert image.value_range == (0.0, 255.0)
    np.testing.assert_allclose(image.unit[..., 0], (RAMP + 100) / 255, atol=1e-6)


def test_hot_pixels_do_not_darken_the_rest():
    values = np.tile(np.arange(100, 200, dtype=np.uint16), (100, 1))
    values[3, 3] = 65_535
    low, high = Image.of(values).value_range
    assert 100 <= low < 102
    assert 197 < high < 202


def test_a_few_bright_pixels_on_nothing_still_get_a_range():
    values = np.zeros((200, 200), np.float32)
    values[0, 0] = 5
    assert Image.of(values).value_range == (0.0, 5.0)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.zeros((4, 4, 1), np.uint8), [51, 51, 51]),
        (np.zeros((4, 4, 2), np.uint8), [51, 102, 0]),
        (np.zeros((4, 4, 3), np.uint8), [51, 102, 153]),
        (np.zeros((4, 4, 5), np.uint8), [51, 102, 153]),
    ],
)
def test_any_channel_count_can_be_seen(pixels, expected):
    pixels[1:] = (np.arange(pixels.shape[2]) + 1) * 51
    rgb = Image.of(pixels).rgb
    assert (rgb.shape, rgb.dtype) == ((4, 4, 3), np.uint8)
    assert rgb[2, 2].tolist() == expected


@settings(print_blob=True, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]),
        st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4)),
    ),
    st.tuples(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30)),
)
def test_every_accepted_array_shows_without_a_warning(array, limits):
    try:
        image = Image.of(array)
    except ValueError as error:
        assert "accepted are" in str(error)
        return
    for shown in (image, image.with_range(*limits)):
        assert shown.unit.dtype == np.float32
        assert shown.unit.min() >= 0
        assert shown.unit.max() <= 1
        assert shown.rgb.shape == (*image.shape, 3)


def test_small_differences_of_large_values_survive():
    image = Image.of(RAMP.astype(np.uint32) + np.uint32(4_000_000_000)).with_range(4e9, 4e9 + 47)
    np.testing.assert_allclose(image.unit[..., 0], RAMP / 47, atol=1e-6)


def test_another_range_leaves_the_pixels():
    image = Image.of(RAMP.astype(np.uint16)).with_range(10, 20)
    assert image.unit[0, 0, 0] == 0
    assert image.unit[5, 7, 0] == 1
    assert image.unit[1, 7, 0] == pytest.approx(0.5)
    assert image.pixels[5, 7, 0] == 47


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((1, 1), np.uint8), r"1 x 1 px; accepted are images of at least 2 x 2"),
        (np.zeros((1, 50), np.uint8), r"50 x 1 px"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5, 1\); accepted is one plane"),
        (np.zeros((2, 3, 4, 5), np.uint8), r"Choose a plane or drop the extra axes"),
        (np.full((4, 4), 7, np.uint8), r"same value \(7\) in every pixel"),
        (np.array([[0, np.nan], [np.inf, 1]]), r"2 values that are NaN or infinite"),
        (np.array([[0, 1e200], [2, 1]]), r"values from 0 to 1e\+200; accepted are values between"),
        (np.array([[0, 1j], [2, 1]]), r"type complex128; accepted are integers and real"),
        (np.array([["a", "b"], ["c", "d"]]), r"Convert the image first"),
    ],
)
def test_what_cannot_be_segmented_is_refused_in_a_sentence(array, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        Image.of(array, Source(Path("folder/cell.tif"), plane=3))
    assert str(caught.value).startswith("cell.tif [3] ")


def test_an_array_without_a_file_has_a_name_too():
    assert Image.of(RAMP.astype(np.uint8)).source.name == "array"
