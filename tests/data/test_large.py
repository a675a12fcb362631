"""Large images stay in their file, and look like any other image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from unseg_studio.data import LargeImage, image, is_large, open_image, read_image
from unseg_studio.data.levels import Levels

SHAPE = (700, 900)


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "LARGE", 500_000)


def pixels(dtype: str = "uint8", channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, np.iinfo(dtype).max, (9, 12, channels)).astype(dtype)
    return cv2.resize(small, SHAPE[::-1], interpolation=cv2.INTER_CUBIC).reshape(*SHAPE, channels)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, pixels(), tile=(128, 128), compression="lzw", photometric="rgb")
    return path


@pytest.fixture
def pyramid(tmp_path: Path) -> Path:
    path, full = tmp_path / "pyramid.tif", pixels()
    levels = [full, *(cv2.resize(full, (900 // n, 700 // n)) for n in (2, 4))]
    options = {"tile": (128, 128), "photometric": "rgb", "compression": "jpeg"}
    with tifffile.TiffWriter(path) as file:
        file.write(levels[0], subifds=2, **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **options)
    return path


def test_a_large_tiled_file_is_not_read_when_it_is_opened(path: Path) -> None:
    opened = open_image(path)
    assert isinstance(opened, LargeImage)
    assert is_large(opened.shape)
    assert (opened.shape, opened.n_channels) == (SHAPE, 3)
    assert opened.pixels.dtype == np.uint8
    assert opened.source.path == path


def test_small_files_and_files_without_tiles_are_read(path: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), pixels())
    assert not isinstance(open_image(tmp_path / "large.png"), LargeImage)
    image.LARGE = 10**9
    assert not isinstance(open_image(path), LargeImage)


def test_rectangles_pixels_and_the_whole_are_those_of_the_file(path: Path) -> None:
    opened, whole = open_image(path), read_image(path)
    box = slice(100, 333), slice(200, 411)
    assert np.array_equal(opened.pixels[box], whole.pixels[box])
    assert np.array_equal(opened.pixels[17, 29], whole.pixels[17, 29])
    assert np.array_equal(opened.rgb, whole.rgb)
    assert np.array_equal(opened.part(box).pixels, whole.part(box).pixels)


@pytest.mark.parametrize("step", [1, 2, 4, 8])
def test_a_shrunken_rectangle_is_that_of_the_image_in_memory(path: Path, step: int) -> None:
    opened, whole = open_image(path), read_image(path)
    box = slice(64, 699), slice(128, 900)
    assert np.array_equal(opened.shrunk(box, step), whole.shrunk(box, step))


@pytest.mark.parametrize("step", [2, 4, 8])
def test_levels_of_the_file_are_used_where_they_fit(pyramid: Path, step: int) -> None:
    opened, whole = open_image(pyramid), read_image(pyramid)
    box = slice(0, 640), slice(0, 640)
    assert opened.levels is not None
    assert opened.levels._level_of(step)[1] == min(step, 4)
    apart = np.abs(opened.shrunk(box, step).astype(int) - whole.shrunk(box, step))
    assert apart.mean() < 4


def test_the_overview_comes_band_by_band_and_is_a_level_then(path: Path) -> None:
    opened, whole = open_image(path), read_image(path)
    assert opened.levels is not None
    bands = [band.copy() for band in opened.levels.filled(4)]
    assert np.array_equal(bands[-1], whole.shrunk((slice(0, 700), slice(0, 900)), 4))
    assert opened.levels._level_of(8)[1] == 4


def test_the_value_range_comes_from_places_all_over(tmp_path: Path) -> None:
    path, full = tmp_path / "grey.tif", pixels("uint16", 1)[..., 0]
    tifffile.imwrite(path, full, tile=(128, 128), compression="zlib")
    assert open_image(path).value_range == pytest.approx(read_image(path).value_range, rel=0.03)


def test_a_glimpse_shows_what_there_is(path: Path) -> None:
    opened, whole = open_image(path), read_image(path)
    assert opened.glimpse(128).mean() == pytest.approx(whole.glimpse(128).mean(), abs=12)


def test_the_file_is_closed_when_nobody_needs_the_image(path: Path) -> None:
    closed = []
    opened = open_image(path)
    assert opened.levels is not None
    opened.levels._resources.callback(lambda: closed.append(True))
    del opened
    assert closed == [True]


def test_levels_of_an_image_in_memory_know_it() -> None:
    held = image.Image.of(pixels())
    assert Levels.of(held).in_memory is held
