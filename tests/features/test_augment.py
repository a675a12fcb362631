"""Views of an image: colours change and places stay; parts move places and keep colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseg_studio.features.augment import (
    BLURRED,
    GREYED,
    HUE,
    JITTER,
    JITTERED,
    SIGMAS,
    SMALLEST_CROP,
    Geometry,
    Photometry,
    Rgb,
)

SHARE = st.floats(0, 1)


def colourful(shape: tuple[int, int] = (24, 36)) -> Rgb:
    """Every row a colour of its own, every column a brightness of its own."""
    rows, columns = np.indices(shape)
    planes = (40 + 6 * rows, 60 + 4 * columns, 120 + 2 * rows + columns)
    return np.stack(planes, axis=2).astype(np.uint8)


def drawn(n: int) -> list[Photometry]:
    random = np.random.default_rng(0)
    return [Photometry.drawn(random) for _ in range(n)]


def test_nothing_changes_what_changes_nothing() -> None:
    rgb = colourful()
    np.testing.assert_array_equal(Photometry().of(rgb), rgb)
    np.testing.assert_array_equal(Geometry().of(rgb), rgb)


def test_an_image_that_lost_its_colours_is_as_bright_and_grey() -> None:
    rgb = colourful()
    grey = Photometry(is_grey=True).of(rgb).astype(int)
    assert np.ptp(grey, axis=2).max() == 0
    brightness = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - brightness).max() <= 1


def test_grey_stays_grey_whatever_hue_was_drawn() -> None:
    changed = Photometry(hue=0.1, saturation=1.3, is_grey=True).of(colourful())
    assert np.ptp(changed.astype(int), axis=2).max() == 0


def test_a_blur_takes_detail_and_the_more_the_wider_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    spreads = [Photometry(sigma=sigma).of(noise).std() for sigma in (0.0, 0.5, 1.0, 2.0)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < spreads[0] / 3


@pytest.mark.parametrize(("factor", "expected"), [(0.7, 70), (1.3, 130)])
def test_brightness_is_a_factor(factor: float, expected: int) -> None:
    plain = np.full((4, 4, 3), 100, np.uint8)
    assert np.abs(Photometry(brightness=factor).of(plain).astype(int) - expected).max() <= 1


def test_contrast_spreads_about_the_mean() -> None:
    rgb = colourful()
    low, high = (Photometry(contrast=c).of(rgb).astype(float) for c in (0.7, 1.3))
    assert low.std() < rgb.std() < high.std()
    assert abs(low.mean() - rgb.mean()) < 8


def test_a_whole_turn_of_hue_comes_back_and_a_third_does_not() -> None:
    red = np.full((3, 3, 3), (200, 20, 20), np.uint8)
    assert np.abs(Photometry(hue=1.0).of(red).astype(int) - red).max() <= 3
    assert Photometry(hue=1 / 3).of(red)[0, 0].argmax() == 1


def test_every_kind_of_change_happens_as_often_as_is_said() -> None:
    changes = drawn(4000)
    shares = {
        "brightness": np.mean([c.brightness != 1 for c in changes]),
        "contrast": np.mean([c.contrast != 1 for c in changes]),
        "saturation": np.mean([c.saturation != 1 for c in changes]),
        "hue": np.mean([c.hue != 0 for c in changes]),
        "grey": np.mean([c.is_grey for c in changes]),
        "blur": np.mean([c.sigma > 0 for c in changes]),
    }
    wanted = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), JITTERED)
    wanted |= {"grey": GREYED, "blur": BLURRED}
    assert shares == pytest.approx(wanted, abs=0.03)


def test_changes_stay_in_their_ranges_and_fill_them() -> None:
    changes = drawn(4000)
    for values in ([c.brightness for c in changes], [c.saturation for c in changes]):
        assert 1 - JITTER <= min(values) < 1 - 0.9 * JITTER
        assert 1 + 0.9 * JITTER < max(values) <= 1 + JITTER
    hues = [c.hue for c in changes]
    assert -HUE <= min(hues) < -0.9 * HUE and 0.9 * HUE < max(hues) <= HUE
    sigmas = [c.sigma for c in changes if c.sigma]
    assert SIGMAS[0] <= min(sigmas) and 0.9 * SIGMAS[1] < max(sigmas) <= SIGMAS[1]


def test_the_same_seed_draws_the_same_view() -> None:
    one, other = (np.random.default_rng(5) for _ in range(2))
    assert Photometry.drawn(one) == Photometry.drawn(other)
    assert Geometry.drawn(one, (20, 30)) == Geometry.drawn(other, (20, 30))


@given(st.integers(0, 2**31), st.integers(1, 200), st.integers(1, 200))
def test_a_part_is_a_square_of_at_least_half_the_shorter_side(
    seed: int, height: int, width: int
) -> None:
    geometry = Geometry.drawn(np.random.default_rng(seed), (height, width))
    rows, columns = geometry.box(height, width)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    sides = rows.stop - rows.start, columns.stop - columns.start
    assert abs(sides[0] - sides[1]) <= 1
    shorter = min(height, width)
    assert SMALLEST_CROP * shorter - 1 <= min(sides) and max(sides) <= shorter + 1


def test_half_of_the_parts_are_mirrored() -> None:
    random = np.random.default_rng(0)
    mirrored = [Geometry.drawn(random, (20, 30)).is_mirrored for _ in range(2000)]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.05)


def test_a_part_shows_what_lies_in_its_box_mirrored_or_not() -> None:
    rgb = colourful()
    geometry = Geometry(top=0.25, left=0.5, height=0.5, width=0.25)
    np.testing.assert_array_equal(geometry.of(rgb), rgb[6:18, 18:27])
    mirrored = replace(geometry, is_mirrored=True)
    np.testing.assert_array_equal(mirrored.of(rgb), rgb[6:18, 18:27][:, ::-1])


@given(st.integers(0, 2**31), SHARE, SHARE, st.integers(2, 60), st.integers(2, 60))
def test_places_of_a_part_show_the_same_pixel_in_the_whole(
    seed: int, down: float, across: float, height: int, width: int
) -> None:
    rows, columns = np.indices((height, width))
    rgb = np.stack([rows, columns, rows], axis=2).astype(np.uint8)
    geometry = Geometry.drawn(np.random.default_rng(seed), (height, width))
    part = geometry.of(rgb)
    row = min(int(down * part.shape[0]), part.shape[0] - 1)
    column = min(int(across * part.shape[1]), part.shape[1] - 1)
    middle = np.array([[(row + 0.5) / part.shape[0], (column + 0.5) / part.shape[1]]])
    ((there, aside),) = geometry.places(middle, (height, width)) * (height, width)
    np.testing.assert_array_equal(rgb[int(there), int(aside)], part[row, column])
