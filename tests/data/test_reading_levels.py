"""Any rectangle of a large image can be read at any level, and costs what it holds."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

from unseg_studio.data import UnreadableImageError, open_levels, read_image
from unseg_studio.data import levels as levels_module
from unseg_studio.data.grids import ArrayGrid
from unseg_studio.data.image import Source, shrunk
from unseg_studio.data.levels import Levels

RNG = np.random.default_rng(2)
COLORS = RNG.integers(0, 256, (150, 205, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 60_000, (150, 205)).astype(np.uint16)
WHOLE = (slice(None), slice(None))
BOXES = [WHOLE, (slice(0, 1), slice(0, 1)), (slice(13, 97), slice(40, 161)),
         (slice(140, 150), slice(200, 205)), (slice(-5, 9), slice(100, 900))]  # fmt: skip

LAYOUTS = {
    "tiles": {"tile": (32, 64)},
    "strips": {"rowsperstrip": 17},
    "one strip": {},
    "lzw tiles": {"tile": (64, 32), "compression": "lzw", "predictor": True},
    "deflate strips": {"rowsperstrip": 8, "compression": "zlib"},
    "zstd tiles": {"tile": (16, 16), "compression": "zstd"},
}


def rectangle(pixels, box):
    """What a rectangle that may lead out of the plane holds."""
    rows, cols = (slice(max(0, part.start or 0), part.stop) for part in box)
    return pixels[rows, cols]


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rectangle_holds_what_the_whole_plane_holds_there(tmp_path, layout, box):
    for name, values in (("rgb", COLORS), ("minisblack", DEEP)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, values, photometric=name, **LAYOUTS[layout])
        whole = read_image(path).pixels
        with open_levels(path) as levels:
            np.testing.assert_array_equal(levels.read(box), rectangle(whole, box))
            assert (levels.shape, levels.n_channels) == ((150, 205), whole.shape[2])


KINDS = {
    "apart": (COLORS.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
    "channels": (
        np.stack([DEEP, DEEP // 2]),
        {"photometric": "minisblack", "metadata": {"axes": "CYX"}},
    ),
    "inks": (np.dstack([COLORS, DEEP.astype(np.uint8)]), {"photometric": "separated"}),
    "palette": (
        COLORS[..., 0],
        {"photometric": "palette", "colormap": np.arange(768, dtype=np.uint16).reshape(3, 256)},
    ),
    "jpeg": (COLORS, {"photometric": "rgb", "compression": "jpeg"}),
    "dark": (DEEP, {"photometric": "miniswhite"}),
    "bits": (DEEP > 9000, {"photometric": "minisblack"}),
    "alpha": (
        np.dstack([COLORS, DEEP.astype(np.uint8)]),
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    ),
    "on its side": (DEEP, {"extratags": [(274, 3, 1, 6, True)], "metadata": None}),
    "big-endian": (DEEP.astype(">u2"), {"byteorder": ">"}),
}


@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_colours_looks_the_same_in_a_rectangle(tmp_path, kind, tile):
    values, options = KINDS[kind]
    tifffile.imwrite(tmp_path / "a.tif", values, tile=tile, **options)
    whole = read_image(tmp_path / "a.tif").pixels
    with open_levels(tmp_path / "a.tif") as levels:
        assert levels.dtype == whole.dtype
        for box in BOXES[:3]:
            np.testing.assert_array_equal(levels.read(box), rectangle(whole, box))


def test_a_plane_of_a_stack_is_read_by_rectangles_too(tmp_path):
    stack = np.stack([DEEP, DEEP[::-1], DEEP // 3])
    tifffile.imwrite(tmp_path / "a.tif", stack, tile=(32, 32), photometric="minisblack",
                     compression="zlib", metadata={"axes": "ZYX"})  # fmt: skip
    with open_levels(tmp_path / "a.tif", 2) as levels:
        np.testing.assert_array_equal(levels.read(BOXES[2])[..., 0], stack[2][BOXES[2]])
        assert (levels.source.plane, levels.source.n_planes) == (2, 3)
    with pytest.raises(UnreadableImageError, match="has no plane 3"):
        open_levels(tmp_path / "a.tif", 3)


def pyramid(path, levels, **options):
    with tifffile.TiffWriter(path) as writer:
        writer.write(levels[0], subifds=len(levels) - 1, tile=(32, 32), metadata=None, **options)
        for level in levels[1:]:
            writer.write(level, subfiletype=1, tile=(32, 32), metadata=None, **options)


def test_each_level_of_a_pyramid_is_read_by_itself(tmp_path):
    levels = [DEEP, DEEP[::2, ::2] // 2, DEEP[::4, ::4] // 4]
    pyramid(tmp_path / "a.tif", levels)
    with open_levels(tmp_path / "a.tif") as opened:
        assert opened.shapes == ((150, 205), (75, 103), (38, 52))
        for number, values in enumerate(levels):
            box = (slice(3, 30), slice(7, 44))
            np.testing.assert_array_equal(opened.read(box, number)[..., 0], values[box])
        assert [opened.level_for(side) for side in (10, 52, 53, 104, 1000)] == [2, 2, 1, 0, 0]


def test_the_overview_comes_from_the_level_that_fits(tmp_path):
    """Full resolution is damaged beyond decoding, which nobody notices."""
    pyramid(tmp_path / "a.tif", [DEEP, DEEP[::2, ::2]], compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        spots = list(tiff.pages[0].dataoffsets)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    for spot in spots:
        content[spot : spot + 40] = b"\xff" * 40
    (tmp_path / "a.tif").write_bytes(content)
    with open_levels(tmp_path / "a.tif") as levels:
        *_, small = levels.overview(103)
        np.testing.assert_array_equal(small[..., 0], DEEP[::2, ::2])
        with pytest.raises(UnreadableImageError, match=r"a\.tif is a damaged"):
            levels.read(WHOLE)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32"])
@pytest.mark.parametrize("side", [30, 64, 110, 500])
def test_an_overview_holds_means(tmp_path, dtype, side):
    values = (DEEP // 300).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, tile=(32, 32), compression="zlib")
    with open_levels(tmp_path / "a.tif") as levels:
        *_, small = levels.overview(side)
    step = next(2**n for n in range(9) if side * 2**n >= 205)
    assert max(small.shape) <= side
    rows, cols = 150 // step, 205 // step
    blocks = values[: rows * step, : cols * step].reshape(rows, step, cols, step)
    error = np.abs(small[:rows, :cols, 0] - blocks.mean(axis=(1, 3), dtype=float))
    assert small.dtype == np.dtype(dtype)
    assert error.max() <= 0.51


def test_an_overview_fills_band_by_band(tmp_path):
    values = np.tile(DEEP, (20, 14))
    tifffile.imwrite(tmp_path / "a.tif", values, tile=(256, 256), compression="zlib")
    with open_levels(tmp_path / "a.tif") as levels:
        filled = [int((small != 0).any(axis=(1, 2)).sum()) for small in levels.overview(512)]
    assert len(filled) > 2
    assert filled == sorted(set(filled))


def test_a_rectangle_of_a_large_image_takes_little_memory(tmp_path):
    """100 megapixels of 16 bits, left out of the file but for one tile: 200 MB if it was whole."""
    shape, tile = (10_000, 10_000), (256, 256)
    first = np.full((1, *tile), 7, np.uint16)
    tiles = (first if n == 0 else None for n in range(40 * 40))
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=shape, dtype=np.uint16, tile=tile,
                     compression="zlib", metadata=None)  # fmt: skip
    tracemalloc.start()
    try:
        with open_levels(tmp_path / "a.tif") as levels:
            part = levels.read((slice(200, 300), slice(200, 300)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (part[:56, :56] == 7).all()
    assert (part[56:, 56:] == 0).all()
    assert peak < 5_000_000


def test_other_formats_have_the_same_face(tmp_path):
    Picture.fromarray(COLORS).save(tmp_path / "a.png")
    with open_levels(tmp_path / "a.png") as levels:
        np.testing.assert_array_equal(levels.read(BOXES[2]), COLORS[BOXES[2]])
        assert levels.shapes == ((150, 205),)


def test_a_part_becomes_an_image_for_the_engine(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, tile=(32, 32))
    with open_levels(tmp_path / "a.tif") as levels:
        image = levels.image(BOXES[2], levels.value_range())
    np.testing.assert_array_equal(image.pixels[..., 0], DEEP[BOXES[2]])
    assert image.value_range == read_image(tmp_path / "a.tif").value_range


def test_a_rectangle_beside_the_plane_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, tile=(32, 32))
    with (
        open_levels(tmp_path / "a.tif") as levels,
        pytest.raises(ValueError, match="holds no pixel of 205 x 150 px"),
    ):
        levels.read((slice(150, 160), slice(0, 9)))


def test_several_threads_may_read_at_once(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", COLORS, tile=(16, 16), compression="zlib")
    start = threading.Barrier(4)

    def read(number):
        start.wait()
        box = (slice(number * 7, number * 7 + 90), slice(number * 11, number * 11 + 120))
        return np.array_equal(levels.read(box), COLORS[box])

    with open_levels(tmp_path / "a.tif") as levels, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(8)))


class Counted(ArrayGrid):
    """A plane in memory that is read tile by tile, as from a file, and counts the tiles."""

    tile = (32, 32)
    n_decoded = 0

    def decoded(self, row, col):
        Counted.n_decoded += 1
        return self.pixels[32 * row : 32 * row + 32, 32 * col : 32 * col + 32]


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(levels_module, "_BAND", 5000)
    Counted.n_decoded = 0
    return Levels(Source(), [Counted(RNG.integers(0, 256, (320, 320, 3), np.uint8))])


def test_who_asks_for_the_whole_while_a_level_of_it_is_made_waits_for_that(counted):
    whole = counted.read(WHOLE, is_kept=False)
    Counted.n_decoded = 0
    bands = counted.filled(2)
    next(bands)
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(counted.shrunk, WHOLE, 4)
        assert sum(1 for _ in bands) > 2
        np.testing.assert_allclose(asked.result(), shrunk(whole, 4), atol=1)
    assert Counted.n_decoded == 100


def test_nobody_waits_for_a_level_that_is_given_up(counted):
    bands = counted.filled(2)
    next(bands)
    assert counted.shrunk(WHOLE, 4).shape == (80, 80, 3)  # who makes it does not wait for itself
    with ThreadPoolExecutor(1) as others:
        asked = others.submit(counted.shrunk, WHOLE, 4)
        bands.close()
        assert asked.result().shape == (80, 80, 3)
