"""OME-Zarr folders and zip files open plane by plane; what they name outside stays unread."""

from __future__ import annotations

import json
import os
import shutil
import warnings

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.codecs.crc32c_ import Crc32cCodec

from unseg_studio.data import UnreadableImageError, describe_image, open_levels, read_image

STACK = np.random.default_rng(5).integers(0, 60_000, (2, 3, 4, 45, 70)).astype(np.uint16)
AXES = [
    {"name": "t", "type": "time"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "nanometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def multiscales(paths, *, axes=AXES):
    """What a group says of its levels."""
    datasets = [
        {
            "path": path,
            "coordinateTransformations": [
                {"type": "scale", "scale": [1, 1, 2, 500 * 2**n, 0.25 * 2**n][-len(axes) :]}
            ],
        }
        for n, path in enumerate(paths)
    ]
    return [{"axes": axes, "datasets": datasets}]


def saved(folder, arrays, version="0.4", *, axes=AXES, **options):
    """Write an OME-Zarr folder with the zarr package."""
    format_ = 3 if version == "0.5" else 2
    group = zarr.open_group(folder, mode="w", zarr_format=format_)
    for name, values in arrays.items():
        options.setdefault("chunks", (1, 2, 3, 20, 32)[-values.ndim :])
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, **options)
        array[...] = values
    meta = multiscales(list(arrays), axes=axes)
    said = {"version": version, "multiscales": meta}
    group.attrs.update({"ome": said} if format_ == 3 else {"multiscales": meta})
    return folder


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_planes_are_counted_over_time_and_depth(tmp_path, version):
    path = saved(tmp_path / "a.zarr", {"0": STACK}, version)
    image = read_image(path, 6)
    np.testing.assert_array_equal(image.pixels, np.moveaxis(STACK[1, :, 2], 0, 2))
    assert (image.source.plane, image.source.n_planes) == (6, 8)
    assert image.source.pixel_size == (0.5, 0.25)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_metadata_say_what_it_holds(tmp_path, version):
    levels = {"0": STACK, "1": STACK[..., ::2, ::2]}
    file = describe_image(saved(tmp_path / "a.zarr", levels, version))
    assert (file.kind, file.shape, file.channels, file.dtype) == ("OME-Zarr", (45, 70), 3, "uint16")
    assert (file.axes, file.n_planes) == ({"T": 2, "Z": 4}, 8)
    assert file.levels == ((45, 70), (23, 35))
    assert file.plane_name(6) == "t 1, z 2"


COMPRESSORS_2 = [
    None, {"id": "zlib", "level": 1}, {"id": "gzip", "level": 1}, {"id": "zstd", "level": 1},
    {"id": "bz2", "level": 1}, {"id": "lz4", "acceleration": 1},
    {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
]  # fmt: skip


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", COMPRESSORS_2, ids=str)
def test_compressed_chunks_of_format_2_come_back_unchanged(tmp_path, compressor, order):
    path = saved(
        tmp_path / "a.zarr", {"0": STACK}, compressors=compressor, order=order, filters=None
    )
    np.testing.assert_array_equal(read_image(path).pixels, np.moveaxis(STACK[0, :, 0], 0, 2))


COMPRESSORS_3 = {
    "plain": None, "gzip": [GzipCodec()], "zstd": [ZstdCodec()], "blosc": [BloscCodec()],
    "checksum": [ZstdCodec(), Crc32cCodec()],
}  # fmt: skip


@pytest.mark.parametrize("layout", ["chunks", "shards", "shards ahead", "turned", "big-endian"])
@pytest.mark.parametrize("compressors", COMPRESSORS_3)
def test_compressed_chunks_of_format_3_come_back_unchanged(tmp_path, compressors, layout):
    options = {"compressors": COMPRESSORS_3[compressors]}
    if layout.startswith("shards"):
        options["shards"] = (
            {"shape": (1, 2, 3, 40, 64), "index_location": "start"}
            if layout == "shards ahead"
            else (1, 2, 3, 40, 64)
        )
    if layout == "turned":
        options["filters"] = [TransposeCodec(order=(0, 4, 3, 2, 1))]
    if layout == "big-endian":
        options["serializer"] = BytesCodec(endian="big")
    path = saved(tmp_path / "a.zarr", {"0": STACK}, "0.5", **options)
    for plane in (0, 7):
        expected = np.moveaxis(STACK[plane // 4, :, plane % 4], 0, 2)
        np.testing.assert_array_equal(read_image(path, plane).pixels, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, "x", None, [3], {}])
def test_a_fill_value_that_is_none_of_the_type_is_0(tmp_path, number, dtype):
    path = saved(tmp_path / "a.zarr", {"0": STACK.astype(dtype)}, "0.5")
    described = json.loads((path / "0" / "zarr.json").read_text())
    (path / "0" / "zarr.json").write_text(json.dumps(described | {"fill_value": number}))
    shutil.rmtree(path / "0" / "c" / "0" / "0" / "0" / "1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_image(path).pixels[20:40, :, :2] == 0).all()


def test_chunks_that_were_never_written_hold_the_fill_value(tmp_path):
    path = saved(tmp_path / "a.zarr", {"0": STACK}, "0.5", fill_value=9)
    shutil.rmtree(path / "0" / "c" / "0" / "0" / "0" / "1")
    pixels = read_image(path).pixels
    assert (pixels[20:40, :, :2] == 9).all()
    np.testing.assert_array_equal(pixels[:20, :, 0], STACK[0, 0, 0, :20])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", ">u2", ">f8"])
def test_values_keep_their_type(tmp_path, dtype):
    values = (STACK[0, 0, 0] % 100).astype(dtype)
    path = saved(tmp_path / "a.zarr", {"s0": values}, axes=AXES[3:])
    image = read_image(path)
    assert image.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image.pixels[..., 0], values)


def test_a_rectangle_of_any_level_is_the_same_as_in_the_array(tmp_path):
    levels = {"0": STACK, "1": STACK[..., ::2, ::2] // 2}
    with open_levels(saved(tmp_path / "a.zarr", levels, "0.5"), 5) as opened:
        assert opened.shapes == ((45, 70), (23, 35))
        for level, values in enumerate(levels.values()):
            part = opened.read((slice(11, 22), slice(5, 34)), level)
            expected = np.moveaxis(values[1, :, 1, 11:22, 5:34], 0, 2)
            np.testing.assert_array_equal(part, expected)


def test_of_several_images_the_first_is_read_and_the_others_are_counted(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    group.create_group("OME").attrs["series"] = ["0", "1"]
    saved(tmp_path / "a.zarr" / "0", {"0": STACK})
    saved(tmp_path / "a.zarr" / "1", {"0": STACK // 2})
    file = describe_image(tmp_path / "a.zarr")
    assert file.remark == "a.zarr holds 2 images; the first one is read."
    np.testing.assert_array_equal(read_image(file.path).pixels[..., 0], STACK[0, 0, 0])


def test_a_bare_array_opens_too(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", data=STACK[0, 0], chunks=(1, 20, 20))
    assert array.shape == (4, 45, 70)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr", 3).pixels[..., 0], STACK[0, 0, 3])


@pytest.mark.parametrize("inside", ["", "folder/"])
def test_a_zipped_image_opens(tmp_path, inside):
    saved(tmp_path / "root" / inside / "", {"0": STACK}, "0.5")
    shutil.make_archive(str(tmp_path / "a.ome.zarr"), "zip", tmp_path / "root")
    pixels = read_image(tmp_path / "a.ome.zarr.zip", 1).pixels
    np.testing.assert_array_equal(pixels, np.moveaxis(STACK[0, :, 1], 0, 2))


def test_another_zip_file_is_no_image(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "list.txt").write_text("milk")
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "root")
    with pytest.raises(UnreadableImageError, match=r"a\.zip is a zip file without a Zarr image"):
        read_image(tmp_path / "a.zip")


def test_a_plate_says_what_to_open(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    with pytest.raises(ValueError, match=r"is a plate of many images; .* such as A/1/0"):
        read_image(tmp_path / "a.zarr")


def changed(path, file, change):
    """Change the metadata of a Zarr folder."""
    meta = json.loads((path / file).read_text())
    change(meta)
    (path / file).write_text(json.dumps(meta))
    return path


@pytest.mark.parametrize(
    "place", ["../secret", "/etc", "0/../../secret", "a\\..\\b", "C:/secret", ".."]
)
def test_a_path_out_of_the_folder_is_refused(tmp_path, place):
    saved(tmp_path / "secret", {"0": STACK})

    def change(meta):
        meta["multiscales"][0]["datasets"][0]["path"] = place

    path = changed(saved(tmp_path / "a.zarr", {"0": STACK}), ".zattrs", change)
    with pytest.raises(UnreadableImageError, match="accepted are parts inside of it"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs a system with links")
def test_a_link_out_of_the_folder_is_refused(tmp_path):
    saved(tmp_path / "secret", {"0": STACK})
    path = saved(tmp_path / "a.zarr", {"0": STACK})
    shutil.rmtree(path / "0")
    (path / "0").symlink_to(tmp_path / "secret" / "0")
    with pytest.raises(UnreadableImageError, match="is a link to a place outside of it"):
        read_image(path)


HOSTILE_2 = {
    "huge chunk": ({"chunks": [1, 1, 1, 10**5, 10**5]}, r"chunks of 18\.6 GiB"),
    "huge shape": ({"shape": [1, 1, 1, 10**9, 10**9]}, "claims to be 1000000000 x 1000000000 px"),
    "huge stack": ({"shape": [10**9, 1, 1, 45, 70]}, "claims 1000000000 planes"),
    "tiny chunks": ({"shape": [1, 1, 1, 9000, 9000], "chunks": [1] * 5}, "81000000 chunks"),
    "pickles": ({"filters": [{"id": "pickle"}]}, "the codec 'pickle'"),
    "objects": ({"dtype": "|O"}, "values of type '|O'"),
    "strange codec": ({"compressor": {"id": "evil"}}, "uses the codec 'evil'"),
    "negative": ({"shape": [1, 1, 1, -45, 70]}, "damaged or incomplete OME-Zarr"),
    "no lengths": ({"chunks": "many"}, "damaged or incomplete OME-Zarr"),
    "other count": ({"chunks": [20, 20]}, "damaged or incomplete OME-Zarr"),
}


@pytest.mark.parametrize("name", HOSTILE_2)
def test_absurd_arrays_are_refused_before_anything_is_read(tmp_path, name):
    claims, sentence = HOSTILE_2[name]
    path = changed(
        saved(tmp_path / "a.zarr", {"0": STACK}), "0/.zarray", lambda m: m.update(claims)
    )
    with pytest.raises(UnreadableImageError, match=sentence.replace("|", r"\|")):
        read_image(path)


ENDLESS = "x" * 5000
ENDLESS_WORDS = {
    "codec": ("0/.zarray", lambda meta: meta.update(compressor={"id": ENDLESS})),
    "place": (
        ".zattrs",
        lambda meta: meta["multiscales"][0]["datasets"][0].update(path="../x" * 999),
    ),
    "axes": (".zattrs", lambda meta: meta["multiscales"][0].update(axes=list(ENDLESS))),
}


@pytest.mark.parametrize("name", ENDLESS_WORDS)
def test_endless_words_are_cut_in_the_sentence_about_them(tmp_path, name):
    path = changed(saved(tmp_path / "a.zarr", {"0": STACK}), *ENDLESS_WORDS[name])
    with pytest.raises(UnreadableImageError) as raised:
        read_image(path)
    assert len(str(raised.value)) < 400 + len(str(path))


@pytest.mark.parametrize("compressor", COMPRESSORS_2[1:], ids=str)
def test_a_chunk_that_swells_is_noticed(tmp_path, compressor):
    """The chunk decodes to far more values than its array has."""
    bomb = saved(
        tmp_path / "big.zarr", {"0": np.ones((2000, 3000), np.uint8)}, axes=AXES[3:],
        chunks=(2000, 3000), compressors=compressor, filters=None,
    )  # fmt: skip
    path = saved(
        tmp_path / "a.zarr", {"0": STACK[0, 0, 0].astype(np.uint8)}, axes=AXES[3:],
        chunks=(20, 35), compressors=compressor, filters=None,
    )  # fmt: skip
    chunk = next((path / "0").glob("0*0")) if (path / "0" / "0.0").exists() else path / "0/0/0"
    source = bomb / "0" / "0.0" if (bomb / "0" / "0.0").exists() else bomb / "0/0/0"
    shutil.copy(source, chunk)
    with pytest.raises(UnreadableImageError, match="damaged or incomplete OME-Zarr"):
        read_image(path)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_truncated_chunk_is_noticed(tmp_path, cut):
    path = saved(tmp_path / "a.zarr", {"0": STACK}, "0.5")
    chunk = path / "0" / "c" / "0" / "0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:cut])
    with pytest.raises(UnreadableImageError, match="damaged or incomplete OME-Zarr"):
        read_image(path)


@pytest.mark.parametrize("content", ["", "[]", "{", "null", "[" * 100_000, '{"zarr_format": 2}'])
def test_metadata_that_are_none_give_a_sentence(tmp_path, content):
    path = saved(tmp_path / "a.zarr", {"0": STACK})
    (path / "0" / ".zarray").write_text(content)
    with pytest.raises(UnreadableImageError, match="damaged or incomplete OME-Zarr"):
        read_image(path)
