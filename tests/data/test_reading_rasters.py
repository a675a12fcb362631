"""PNG, JPEG, BMP and WebP open as an annotator sees them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Picture

from unseg_studio.data import read_image

GRADIENT = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
COLORS = np.dstack([GRADIENT, GRADIENT[::-1], GRADIENT[:, ::-1]])


def saved(path: Path, picture: Picture.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "A.PNG"])
def test_lossless_colours_come_back_unchanged(tmp_path, name):
    path = saved(tmp_path / name, Picture.fromarray(COLORS))
    image = read_image(path)
    assert image.pixels.dtype == np.uint8
    np.testing.assert_array_equal(image.pixels, COLORS)
    assert image.source.path == path
    assert (image.source.plane, image.source.n_planes) == (None, 1)
    assert image.value_range == (0.0, 255.0)


def test_lossless_webp_comes_back_unchanged(tmp_path):
    path = saved(tmp_path / "a.webp", Picture.fromarray(COLORS), lossless=True)
    np.testing.assert_array_equal(read_image(path).pixels, COLORS)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_colours_come_back_nearly(tmp_path, suffix):
    path = saved(tmp_path / f"a{suffix}", Picture.new("RGB", (32, 16), (200, 40, 90)))
    with pytest.raises(ValueError, match="same value"):
        read_image(saved(tmp_path / f"grey{suffix}", Picture.new("L", (32, 16), 128)))
    pixels = read_image(path).pixels.astype(int)
    assert pixels.shape == (16, 32, 3)
    assert np.abs(pixels - (200, 40, 90)).max() < 8


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg"])
def test_grey_stays_one_channel(tmp_path, suffix):
    image = read_image(saved(tmp_path / f"a{suffix}", Picture.fromarray(GRADIENT)))
    assert image.pixels.shape == (12, 20, 1)


def test_sixteen_bit_grey_png_keeps_its_values(tmp_path):
    deep = GRADIENT.astype(np.uint16) * 257 + 3
    image = read_image(saved(tmp_path / "a.png", Picture.fromarray(deep)))
    assert image.pixels.dtype == np.uint16
    np.testing.assert_array_equal(image.pixels[..., 0], deep)


def test_sixteen_bit_colour_png_keeps_its_values(tmp_path):
    deep = COLORS.astype(np.uint16) * 201
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, deep)


def test_sixteen_bit_png_with_full_opacity_loses_only_the_opacity(tmp_path):
    deep = np.dstack([COLORS.astype(np.uint16) * 201, np.full((12, 20), 65535, np.uint16)])
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, deep[..., :3])


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_single_bits_become_black_and_white(tmp_path, suffix):
    bits = GRADIENT % 3 == 0
    image = read_image(saved(tmp_path / f"a{suffix}", Picture.fromarray(bits)))
    np.testing.assert_array_equal(image.pixels[..., 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_palettes_become_colours(tmp_path, suffix):
    indexed = Picture.fromarray((GRADIENT % 3).astype(np.uint8), mode=None)
    indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image = read_image(saved(tmp_path / f"a{suffix}", indexed))
    expected = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)[GRADIENT % 3]
    np.testing.assert_array_equal(image.pixels, expected)


def test_inks_become_light(tmp_path):
    inks = Picture.new("CMYK", (16, 16), (0, 255, 255, 0))
    inks.paste((255, 0, 0, 0), (8, 0, 16, 16))
    pixels = read_image(saved(tmp_path / "a.jpg", inks, quality=95)).pixels.astype(int)
    assert np.abs(pixels[8, 2] - (255, 0, 0)).max() < 12
    assert np.abs(pixels[8, 13] - (0, 255, 255)).max() < 12


def test_full_opacity_is_dropped(tmp_path):
    opaque = np.dstack([COLORS, np.full((12, 20), 255, np.uint8)])
    image = read_image(saved(tmp_path / "a.png", Picture.fromarray(opaque)))
    np.testing.assert_array_equal(image.pixels, COLORS)


def test_transparent_parts_show_white(tmp_path):
    alpha = np.full((12, 20), 255, np.uint8)
    alpha[:, :5], alpha[:, 5:10] = 0, 128
    picture = Picture.fromarray(np.dstack([COLORS, alpha]))
    pixels = read_image(saved(tmp_path / "a.png", picture)).pixels
    assert (pixels[:, :5] == 255).all()
    half = 255 - (255 - COLORS[:, 5:10].astype(float)) * 128 / 255
    assert np.abs(pixels[:, 5:10] - half).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(pixels[:, 10:], COLORS[:, 10:])


def test_an_opacity_of_zero_everywhere_does_not_hide_the_image(tmp_path):
    hidden = np.dstack([COLORS, np.zeros((12, 20), np.uint8)])
    image = read_image(saved(tmp_path / "a.png", Picture.fromarray(hidden)))
    np.testing.assert_array_equal(image.pixels, COLORS)


def test_grey_with_opacity_stays_grey(tmp_path):
    alpha = np.where(GRADIENT < 50, 0, 255).astype(np.uint8)
    picture = Picture.fromarray(np.dstack([GRADIENT, alpha]))
    image = read_image(saved(tmp_path / "a.png", picture))
    np.testing.assert_array_equal(image.pixels[..., 0], np.where(GRADIENT < 50, 255, GRADIENT))


def test_a_transparent_palette_entry_shows_white(tmp_path):
    indexed = Picture.fromarray((GRADIENT % 2).astype(np.uint8))
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    image = read_image(saved(tmp_path / "a.png", indexed, transparency=0))
    assert image.pixels[0, 0].tolist() == [255, 255, 255]
    assert image.pixels[0, 1].tolist() == [40, 50, 60]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_photographs_stand_upright(tmp_path, suffix, orientation):
    stored = np.zeros((24, 32, 3), np.uint8)
    stored[:8, :8], stored[:8, 24:], stored[16:, :8] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Picture.Exif()
    exif[0x0112] = orientation
    picture = Picture.fromarray(stored)
    path = saved(tmp_path / f"a{suffix}", picture, exif=exif, quality=95)
    with Picture.open(path) as opened:
        from PIL import ImageOps

        upright = np.asarray(ImageOps.exif_transpose(opened))
    pixels = read_image(path).pixels
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() < 3
    assert pixels.flags.c_contiguous


def test_a_damaged_exif_block_does_not_refuse_the_photograph(tmp_path):
    path = saved(tmp_path / "a.jpg", Picture.fromarray(COLORS), exif=b"Exif\0\0II*\0\xff\xff\xff")
    assert read_image(path).shape == (12, 20)


def test_the_content_and_not_the_name_says_what_a_file_is(tmp_path):
    path = tmp_path / "really a png.tif"
    Picture.fromarray(COLORS).save(path, format="PNG")
    np.testing.assert_array_equal(read_image(path).pixels, COLORS)


def test_only_plane_0_of_a_single_image_can_be_asked_for(tmp_path):
    path = saved(tmp_path / "a.png", Picture.fromarray(COLORS))
    assert read_image(path, plane=0).source.plane is None
    with pytest.raises(ValueError, match=r"a\.png has no plane 1; it has only plane 0"):
        read_image(path, plane=1)


def png_claiming(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header claims any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("side", [25_000, 2**31 - 1])
def test_a_header_that_claims_an_absurd_size_is_refused_before_decoding(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_claiming(side, side))
    with pytest.raises(ValueError, match=rf"bomb\.png claims .* {side} px; accepted .* 400 mega"):
        read_image(tmp_path / "bomb.png")


def test_an_absurd_bitmap_header_is_refused(tmp_path):
    path = saved(tmp_path / "bomb.bmp", Picture.fromarray(COLORS))
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<ii", 60_000, 60_000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="400 megapixels"):
        read_image(path)


def test_a_png_whose_pixels_are_missing_is_damaged(tmp_path):
    (tmp_path / "hollow.png").write_bytes(png_claiming(300, 200, b"\0" * 90))
    with pytest.raises(ValueError, match=r"hollow\.png is a damaged or incomplete PNG file"):
        read_image(tmp_path / "hollow.png")
