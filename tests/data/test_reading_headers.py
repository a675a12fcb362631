"""What a header says is what reading gives; planes have names."""

from __future__ import annotations

import time

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from unseg_studio.data import describe_image, plane_index, plane_name, read_image
from unseg_studio.data.image_file import plane_position

NOISE = np.random.default_rng(3).integers(0, 256, (24, 36, 4)).astype(np.uint8)
GREY = NOISE[..., 0]


def exif(orientation: int) -> Picture.Exif:
    said = Picture.Exif()
    said[274] = orientation
    return said


def png_with_exif_last(path, orientation):
    """A PNG whose EXIF block follows its pixels."""
    Picture.fromarray(NOISE[..., :3]).save(path, exif=exif(orientation))
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    length = int.from_bytes(content[start : start + 4]) + 12
    chunk, rest = content[start : start + length], content[:start] + content[start + length :]
    end = rest.index(b"IEND") - 4
    path.write_bytes(rest[:end] + chunk + rest[end:])


def pillow(mode, suffix, **options):
    def write(path):
        picture = Picture.fromarray(NOISE[..., :3]).convert(mode)
        picture.save(path.with_suffix(suffix), **options)
        return path.with_suffix(suffix)

    return write


def tiffs(values, **options):
    def write(path):
        tifffile.imwrite(path.with_suffix(".tif"), values, **options)
        return path.with_suffix(".tif")

    return write


def deep(values):
    def write(path):
        path.with_suffix(".png").write_bytes(imagecodecs.png_encode(values.astype(np.uint16) * 99))
        return path.with_suffix(".png")

    return write


def last(path):
    png_with_exif_last(path.with_suffix(".png"), 8)
    return path.with_suffix(".png")


COLORMAP = np.arange(768, dtype=np.uint16).reshape(3, 256) * 80
FILES = {
    "rgb png": pillow("RGB", ".png"),
    "grey png": pillow("L", ".png"),
    "bits": pillow("1", ".png"),
    "palette": pillow("P", ".png"),
    "alpha": pillow("RGBA", ".png"),
    "deep grey": deep(GREY),
    "deep alpha": deep(NOISE),
    "jpeg on its side": pillow("RGB", ".jpg", exif=exif(6)),
    "grey jpeg": pillow("L", ".jpg"),
    "inks": pillow("CMYK", ".jpg"),
    "png with exif": pillow("RGB", ".png", exif=exif(5)),
    "png with exif last": last,
    "webp": pillow("RGB", ".webp"),
    "bmp": pillow("L", ".bmp"),
    "tiff": tiffs(GREY),
    "tiff inks": tiffs(NOISE, photometric="separated"),
    "tiff alpha": tiffs(NOISE, photometric="rgb", extrasamples=["unassalpha"]),
    "tiff palette": tiffs(GREY, photometric="palette", colormap=COLORMAP),
    "tiff bits": tiffs(GREY > 9),
    "tiff big-endian": tiffs(GREY.astype(">u2"), byteorder=">"),
    "tiff on its side": tiffs(GREY, extratags=[(274, 3, 1, 6, True)], metadata=None),
    "tiff channels": tiffs(NOISE.transpose(2, 0, 1), photometric="minisblack",
                           metadata={"axes": "CYX"}),
    "ome": tiffs(np.stack([NOISE] * 3), ome=True, photometric="rgb",
                 metadata={"axes": "ZYXS"}, extrasamples=["unspecified"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_the_header_says_what_reading_gives(tmp_path, kind):
    path = FILES[kind](tmp_path / "a")
    said, image = describe_image(path), read_image(path)
    assert (*said.shape, said.channels) == image.pixels.shape
    assert said.dtype == image.pixels.dtype
    assert said.n_planes == image.source.n_planes
    assert said.pixel_size == image.source.pixel_size
    assert said.raw_bytes == image.pixels.nbytes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_in_tiff_are_turned_upright_as_in_jpeg(tmp_path, orientation):
    """Pillow turns the same way."""
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=tags, metadata=None)
    Picture.fromarray(GREY).save(tmp_path / "a.png", exif=exif(orientation))
    upright = read_image(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, upright)


AXES = ["TZCYX", "ZTCYX", "CTZYX", "TCZYX", "ZCTYX", "CZTYX"]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_of_ome_are_counted_in_file_order_whatever_it_is(tmp_path, axes, compression):
    size = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 30}
    stack = np.random.default_rng(0).integers(0, 999, [size[a] for a in axes]).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", stack, metadata={"axes": axes}, compression=compression
    )
    said = describe_image(tmp_path / "a.ome.tif")
    assert said.axes == {axis: size[axis] for axis in axes if axis in "TZ"}
    named = [said.plane_name(n) for n in range(said.n_planes)]
    assert len(set(named)) == 6
    at = {"T": 1, "Z": 2}
    plane = named.index(", ".join(f"{axis.lower()} {at[axis]}" for axis in axes if axis in at))
    place = tuple(at.get(axis, slice(None)) for axis in axes)
    expected = np.moveaxis(stack[place], 0, 2)
    np.testing.assert_array_equal(read_image(said.path, plane).pixels, expected)


def test_of_several_series_the_first_is_read_and_the_others_are_counted(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for factor in (1, 2, 3):
            writer.write(GREY // factor, photometric="minisblack")
    said = describe_image(tmp_path / "a.ome.tif")
    assert said.remark == "a.ome.tif holds 3 images; the first one is read."
    np.testing.assert_array_equal(read_image(said.path).pixels[..., 0], GREY)


def test_the_levels_of_a_pyramid_are_named_full_resolution_first(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        large = np.resize(GREY, (240, 360))
        writer.write(large, tile=(16, 16), subifds=2, metadata=None)
        writer.write(large[::2, ::2], tile=(16, 16), subfiletype=1, metadata=None)
        writer.write(large[::4, ::4], tile=(16, 16), subfiletype=1, metadata=None)
    assert describe_image(tmp_path / "a.tif").levels == ((240, 360), (120, 180), (60, 90))


@pytest.mark.parametrize("compression", ["jpeg2000", "webp", "lzma"])
def test_further_compressions_open(tmp_path, compression):
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    tifffile.imwrite(
        tmp_path / "a.tif", NOISE[..., :3], photometric="rgb", compression=compression, **options
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, NOISE[..., :3])


def test_a_compression_whose_size_cannot_be_checked_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="jpegxl")
    with pytest.raises(ValueError, match=r"compressed with JPEGXL.*; accepted are LZW, Deflate"):
        read_image(tmp_path / "a.tif")


def test_headers_of_many_files_are_read_soon(tmp_path):
    """A list of 10,000 files must not wait for pixels: the picture here takes longer to decode."""
    path = pillow("RGB", ".png")(tmp_path / "a")
    Picture.fromarray(np.resize(NOISE[..., :3], (2000, 3000, 3))).save(path)
    describe_image(path)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        describe_image(path)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.005


axes_ = st.dictionaries(st.sampled_from("TZQIA"), st.integers(1, 7), max_size=4)


@given(axes=axes_, data=st.data())
def test_places_and_indices_of_planes_are_the_same_thing(axes, data):
    n_planes = int(np.prod(list(axes.values()), dtype=int))
    plane = data.draw(st.integers(0, n_planes - 1))
    position = plane_position(axes, plane)
    assert plane_index(axes, position) == plane
    expected = np.unravel_index(plane, list(axes.values())) if axes else ()
    assert tuple(position.values()) == tuple(int(at) for at in expected)


def test_planes_have_names():
    assert plane_name({"T": 3, "Z": 5}, 7) == "t 1, z 2"
    assert plane_name({"I": 9}, 8) == "page 8"
    assert plane_name({}, 0) == ""
    with pytest.raises(ValueError, match="no plane 15; accepted are 0 to 14"):
        plane_name({"T": 3, "Z": 5}, 15)
    with pytest.raises(ValueError, match="T is 3; accepted are 0 to 2"):
        plane_index({"T": 3}, {"T": 3})
    with pytest.raises(ValueError, match="no axis 'Z'; accepted are T"):
        plane_index({"T": 3}, {"Z": 0})
