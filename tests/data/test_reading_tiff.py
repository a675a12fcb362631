"""TIFF of every value type and layout opens, one plane at a time."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from unseg_studio.data import read_image

PLANE = np.arange(20 * 30).reshape(20, 30)


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"],
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_grey_keeps_its_value_type(tmp_path, dtype, byteorder):
    values = (PLANE % 100).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=byteorder)
    image = read_image(tmp_path / "a.tif")
    assert image.pixels.dtype == np.dtype(dtype)
    assert image.pixels.dtype.isnative
    np.testing.assert_array_equal(image.pixels[..., 0], values)
    assert 0 <= image.unit.min() < image.unit.max() <= 1


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colours_lie_in_the_last_axis_however_they_are_stored(tmp_path, planar, dtype):
    colors = np.dstack([PLANE % 200, PLANE % 70, PLANE % 11]).astype(dtype)
    stored = colors if planar == "contig" else np.moveaxis(colors, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, colors)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "deflate", "packbits"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 7}, {"tile": (16, 16)}])
def test_compressed_pixels_come_back_unchanged(tmp_path, compression, layout):
    values = PLANE.astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, compression=compression, **layout)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels[..., 0], values)


def test_jpeg_inside_tiff_opens_as_rgb(tmp_path):
    colors = np.zeros((32, 32, 3), np.uint8)
    colors[:, 16:] = (250, 30, 30)
    options = {"compression": "jpeg", "compressionargs": {"level": 98}}
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", **options)
    error = np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - colors)
    assert error[:, :14].max() < 12  # colours bleed a little where they meet
    assert error[:, 18:].max() < 12


def test_full_opacity_is_dropped(tmp_path):
    colors = np.dstack([PLANE % 200, PLANE % 70, PLANE % 11, np.full_like(PLANE, 255)])
    colors = colors.astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, colors[..., :3])


@pytest.mark.parametrize(("kind", "expected"), [("unassalpha", 178), ("assocalpha", 228)])
def test_transparent_parts_lie_over_white(tmp_path, kind, expected):
    colors = np.full((8, 8, 4), (100, 0, 0, 127), np.uint8)
    colors[0] = (1, 2, 3, 255)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="rgb", extrasamples=[kind])
    pixels = read_image(tmp_path / "a.tif").pixels
    assert pixels[0, 0].tolist() == [1, 2, 3]
    assert pixels[5, 5, 0] == expected


def test_a_fourth_sample_that_is_no_opacity_stays(tmp_path):
    samples = np.dstack([PLANE % 200, PLANE % 70, PLANE % 11, PLANE % 5]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, samples)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["CYX", "YXC"])
def test_axes_say_where_the_channels_are(tmp_path, axes, compression):
    channels = np.dstack([PLANE + c * 1000 for c in range(5)]).astype(np.uint16)
    stored = channels if axes == "YXC" else np.moveaxis(channels, 2, 0)
    options = {"compression": compression, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", stored, metadata={"axes": axes}, **options)
    image = read_image(tmp_path / "a.tif")
    assert (image.source.n_planes, image.n_channels) == (1, 5)
    np.testing.assert_array_equal(image.pixels, channels)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("flavour", [{"ome": True}, {"imagej": True}, {}])
def test_planes_are_counted_over_time_and_depth(tmp_path, flavour, compression):
    if flavour.get("imagej") and compression:
        compression = "lzw"
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 60_000, (3, 4, 2, 20, 30)).astype(np.uint16)
    metadata = {"axes": "TZCYX"}
    tifffile.imwrite(
        tmp_path / "a.tif", stack, metadata=metadata, compression=compression, **flavour
    )
    first = read_image(tmp_path / "a.tif")
    assert (first.source.plane, first.source.n_planes) == (0, 12)
    np.testing.assert_array_equal(first.pixels, np.moveaxis(stack[0, 0], 0, 2))
    other = read_image(tmp_path / "a.tif", plane=6)
    assert other.source.name == "a.tif [6]"
    np.testing.assert_array_equal(other.pixels, np.moveaxis(stack[1, 2], 0, 2))


def test_pages_of_one_shape_are_planes(tmp_path):
    pages = np.stack([PLANE, PLANE[::-1], PLANE + 7]).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, contiguous=False, metadata=None)
    assert read_image(tmp_path / "a.tif").source.n_planes == 3
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 1).pixels[..., 0], pages[1])


def test_a_thumbnail_behind_the_image_is_no_plane(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PLANE.astype(np.uint16), metadata=None)
        writer.write(PLANE[::4, ::4].astype(np.uint16), metadata=None)
    image = read_image(tmp_path / "a.tif")
    assert (image.shape, image.source.n_planes, image.source.plane) == ((20, 30), 1, None)


@pytest.mark.parametrize("plane", [-1, 3, 10**12])
def test_a_plane_that_is_not_there_is_named_with_those_that_are(tmp_path, plane):
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([PLANE] * 3).astype(np.uint16), photometric="minisblack"
    )
    with pytest.raises(ValueError, match=rf"a\.tif has no plane {plane}; it has planes 0 to 2"):
        read_image(tmp_path / "a.tif", plane=plane)


def test_only_the_wanted_plane_is_decoded(tmp_path):
    """The other pages are damaged beyond decoding, which nobody notices."""
    stack = np.random.default_rng(1).integers(0, 255, (4, 64, 64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        spots = [page.dataoffsets[0] for page in tiff.pages]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    for spot in (spots[0], spots[1], spots[3]):
        content[spot : spot + 40] = b"\xff" * 40
    (tmp_path / "a.tif").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 2).pixels[..., 0], stack[2])
    with pytest.raises(ValueError, match="damaged or incomplete TIFF"):
        read_image(tmp_path / "a.tif", 1)


def test_a_huge_uncompressed_stack_costs_only_its_plane(tmp_path):
    """4 GB of stack, sparse on the disk; the limit is one of a plane, not of a file."""
    shape = (2000, 1024, 1024)
    tifffile.imwrite(tmp_path / "a.tif", shape=shape, dtype=np.uint16, bigtiff=True, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[5].dataoffsets[0]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset)
        file.write(np.arange(1024, dtype="<u2").tobytes())
    image = read_image(tmp_path / "a.tif", plane=5)
    assert image.pixels[0, :, 0].tolist() == list(range(1024))
    assert image.source.n_planes == 2000


def test_single_bits_become_black_and_white(tmp_path):
    bits = PLANE % 3 == 0
    tifffile.imwrite(tmp_path / "a.tif", bits, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels[..., 0], np.where(bits, 255, 0))


def test_where_zero_is_white_the_values_are_turned_round(tmp_path):
    values = (PLANE % 200).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels[..., 0], 255 - values)


def test_palettes_become_colours(tmp_path):
    colormap = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256) * 64
    values = (PLANE % 200).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="palette", colormap=colormap)
    expected = np.moveaxis((colormap >> 8).astype(np.uint8)[:, values], 0, 2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, expected)


def test_inks_become_light(tmp_path):
    inks = np.full((8, 8, 4), (0, 255, 255, 0), np.uint8)
    inks[0] = (255, 255, 255, 255)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    pixels = read_image(tmp_path / "a.tif").pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[5, 5].tolist() == [255, 0, 0]


def test_the_pixel_size_comes_from_ome(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLANE.astype(np.uint16), ome=True, metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").source.pixel_size == (0.5, 0.25)


@pytest.mark.parametrize(("unit", "expected"), [("um", (0.25, 0.5)), ("pixel", None)])
def test_the_pixel_size_comes_from_imagej(tmp_path, unit, expected):
    options = {"imagej": True, "resolution": (2.0, 4.0), "metadata": {"unit": unit}}
    tifffile.imwrite(tmp_path / "a.tif", PLANE.astype(np.uint16), **options)
    assert read_image(tmp_path / "a.tif").source.pixel_size == expected


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((20_000, 10_000), "centimeter", (1.0, 0.5)),
        ((118.11, 118.11), "centimeter", None),  # 300 dots per inch: print, not optics
        ((72, 72), "inch", None),
        ((0, 0), "centimeter", None),
    ],
)
def test_plain_resolution_tags_count_where_they_tell_of_optics(
    tmp_path, resolution, unit, expected
):
    options = {"resolution": resolution, "resolutionunit": unit, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", PLANE.astype(np.uint16), **options)
    assert read_image(tmp_path / "a.tif").source.pixel_size == expected


def test_colour_spaces_that_would_look_wrong_are_refused(tmp_path):
    colors = np.dstack([PLANE % 200, PLANE % 70, PLANE % 11]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colors, photometric="cielab")
    with pytest.raises(ValueError, match=r"stores its colours as CIELAB; .* Save it as RGB"):
        read_image(tmp_path / "a.tif")


def rewritten(path, values, **tags):
    """A small TIFF whose header is changed to claim something else."""
    tifffile.imwrite(path, values, metadata=None, **tags.pop("options", {}))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for name, value in tags.items():
            tiff.pages[0].tags[name].overwrite(value)
    return path


def test_a_header_that_claims_an_absurd_size_is_refused_before_decoding(tmp_path):
    claims = {"ImageWidth": 2**31, "ImageLength": 2**31}
    path = rewritten(tmp_path / "bomb.tif", PLANE.astype(np.uint16), **claims)
    with pytest.raises(ValueError, match=r"bomb\.tif claims to be 2147483648 x 2147483648 px"):
        read_image(path)


def test_an_absurd_count_of_channels_is_refused_before_decoding(tmp_path):
    claims = {"ImageWidth": 19_000, "ImageLength": 19_000, "SamplesPerPixel": 50_000}
    path = rewritten(tmp_path / "bomb.tif", PLANE.astype(np.uint16), **claims)
    with pytest.raises(ValueError, match="GiB of memory; accepted are up to 4 GiB"):
        read_image(path)


def test_an_absurd_tile_is_refused_before_decoding(tmp_path):
    tiles = {"tile": (16, 16), "compression": "zlib"}
    claims = {"TileWidth": 2**20, "TileLength": 2**20}
    path = rewritten(tmp_path / "bomb.tif", PLANE.astype(np.uint16), options=tiles, **claims)
    with pytest.raises(ValueError, match="GiB of memory"):
        read_image(path)


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 4}])
def test_pixels_that_the_file_does_not_hold_are_noticed(tmp_path, options):
    path = rewritten(tmp_path / "a.tif", PLANE.astype(np.uint16), options=options, ImageLength=4000)
    with pytest.raises(ValueError, match="damaged or incomplete TIFF"):
        read_image(path)
