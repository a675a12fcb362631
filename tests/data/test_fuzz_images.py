"""Whatever strangers put into an image, every reader gives the image or one sentence, soon."""

from __future__ import annotations

import io
import shutil
import struct
import sys
import time
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from tests.fuzzing import fuzzed, said_seed  # noqa: F401
from unseg_studio.data import UnreadableImageError, describe_image, open_levels, read_image

LONGEST_S = 5.0
MOST_MEMORY = 2 * 10**9

NOISE = np.random.default_rng(11).integers(0, 256, (32, 48, 3)).astype(np.uint8)
GREY = NOISE[..., 0]
DEEP = GREY.astype(np.uint16) * 250


def raster(format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Picture.fromarray(NOISE).save(stream, format_, **options)
    return stream.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


TIFFS = {
    "plain": tiff(NOISE, photometric="rgb"),
    "big": tiff(DEEP, bigtiff=True, tile=(16, 16), compression="lzw", predictor=True),
    "jpeg": tiff(NOISE, photometric="rgb", tile=(16, 16), compression="jpeg"),
    "jpeg 2000": tiff(NOISE, photometric="rgb", tile=(16, 16), compression="jpeg2000"),
    "webp": tiff(NOISE, photometric="rgb", tile=(16, 16), compression="webp"),
    "zstd": tiff(DEEP, rowsperstrip=8, compression="zstd"),
    "ome": tiff(DEEP.reshape(2, 2, 8, 48), ome=True, metadata={"axes": "TZYX"}),
    "imagej": tiff(DEEP.reshape(2, 2, 8, 48), imagej=True, metadata={"axes": "TZYX"}),
}
RASTERS = {
    "png": raster("PNG"),
    "deep png": imagecodecs.png_encode(DEEP),
    "jpeg": raster("JPEG", progressive=True),
    "bmp": raster("BMP"),
    "webp": raster("WEBP", lossless=True),
}
NUMBERS = [0, 1, 2, 255, 256, 2**15, 2**16 - 1, 10**6, 2**31 - 1, 2**31, 2**32 - 1]
WORDS = [b"../../x", b"999999999", b"<!ENTITY a 'b'>", b"null", b"-1", b"1e999", b"{", b"[]"]


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with some changes: noise, wild numbers, wild words, parts cut out or doubled."""
    hurt = bytearray(content)
    for _ in range(draw(st.integers(1, 5))):
        near_head = st.integers(0, min(500, max(0, len(hurt) - 1)))
        at = draw(st.one_of(near_head, st.integers(0, max(0, len(hurt) - 1))))
        match draw(st.integers(0, 4)):
            case 0:
                hurt[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                size = draw(st.sampled_from(["<H", ">H", "<I", ">I"]))
                limit = 2 ** (8 * struct.calcsize(size)) - 1
                number = struct.pack(size, draw(st.sampled_from(NUMBERS)) & limit)
                hurt[at : at + len(number)] = number
            case 2:
                word = draw(st.sampled_from(WORDS))
                hurt[at : at + len(word)] = word
            case 3:
                del hurt[at : at + draw(st.integers(1, 64))]
            case _:
                hurt[at:at] = hurt[at : at + draw(st.integers(1, 64))]
    return bytes(hurt)


def peak() -> int:
    """Bytes that the process took at most so far; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def opened_every_way(path: Path) -> list[str]:
    """Read, describe and read a rectangle of a file; the sentences that came of it."""

    def rectangle() -> None:
        with open_levels(path) as levels:
            levels.read((slice(0, 6), slice(0, 20)))

    sentences = []
    for way in (lambda: describe_image(path), lambda: read_image(path), rectangle):
        began, before = time.process_time(), peak()
        try:
            way()
        except (ValueError, OSError) as error:
            sentences.append(str(error))
        assert time.process_time() - began < LONGEST_S
        assert peak() - before < MOST_MEMORY
    return sentences


def nameless(sentences: list[str]) -> list[str]:
    """Those that do not say which file they are about."""
    return [sentence for sentence in sentences if "wild" not in sentence]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@fuzzed
@given(data=st.data())
@pytest.mark.parametrize("reader", ["tiff", "raster"])
def test_a_mutated_file_gives_an_image_or_a_sentence(folder, reader, data):
    files = TIFFS if reader == "tiff" else RASTERS
    content = files[data.draw(st.sampled_from(sorted(files)))]
    (folder / "wild").write_bytes(data.draw(mutated(content)))
    assert nameless(opened_every_way(folder / "wild")) == []


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """OME-Zarr images of both formats."""
    root = tmp_path_factory.mktemp("images")
    for name, format_ in (("second.zarr", 2), ("third.zarr", 3), ("shards.zarr", 3)):
        group = zarr.open_group(root / name, mode="w", zarr_format=format_)
        shards = {"shards": (2, 32, 48)} if name == "shards.zarr" else {}
        array = group.create_array("0", shape=(2, 32, 48), dtype="u2", chunks=(1, 16, 16), **shards)
        array[...] = np.stack([DEEP, DEEP[::-1]])
        axes = [{"name": axis, "type": "space"} for axis in "zyx"]
        scale = [{"type": "scale", "scale": [1, 1, 1]}]
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        meta = [{"axes": axes, "datasets": datasets}]
        group.attrs.update(
            {"multiscales": meta} if format_ == 2 else {"ome": {"multiscales": meta}}
        )
    return root


@fuzzed
@given(data=st.data())
def test_a_mutated_zarr_image_gives_an_image_or_a_sentence(folder, images, data):
    whole = images / data.draw(st.sampled_from(["second.zarr", "third.zarr", "shards.zarr"]))
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    meta = [file for file in files if file.name in (".zarray", ".zattrs", "zarr.json")]
    target = data.draw(st.one_of(st.sampled_from(meta), st.sampled_from(files)))
    wild = folder / "wild.zarr"
    shutil.rmtree(wild, ignore_errors=True)
    shutil.copytree(whole, wild)
    (wild / target).write_bytes(data.draw(mutated((whole / target).read_bytes())))
    assert nameless(opened_every_way(wild)) == []


def with_segment(compression: str, segment: bytes) -> bytes:
    """A TIFF of one 64 x 64 tile whose compressed bytes are others."""
    values = np.resize(NOISE, (64, 64, 3))
    raw = bytearray(tiff(values, photometric="rgb", compression=compression, tile=(64, 64)))
    with tifffile.TiffFile(io.BytesIO(raw)) as opened:
        tags = opened.pages[0].tags
        for name, value in (("TileOffsets", len(raw)), ("TileByteCounts", len(segment))):
            struct.pack_into("<H", raw, tags[name].offset + 2, 4)
            struct.pack_into("<I", raw, tags[name].valueoffset, value)
    return bytes(raw) + segment


def huge_jpeg() -> bytes:
    content = bytearray(imagecodecs.jpeg_encode(NOISE))
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 60_000, 60_000)
    return bytes(content)


def huge_jpeg_2000() -> bytes:
    content = bytearray(imagecodecs.jpeg2k_encode(NOISE, codecformat="j2k"))
    struct.pack_into(">II", content, content.index(b"\xff\x4f\xff\x51") + 8, 60_000, 60_000)
    return bytes(content)


BOMBS = {
    "zlib": lambda: zlib.compress(bytes(10**8), 9),
    "zstd": lambda: imagecodecs.zstd_encode(bytes(10**8)),
    "jpeg": huge_jpeg,
    "jpeg2000": huge_jpeg_2000,
}


@pytest.mark.parametrize("compression", BOMBS)
def test_a_tile_that_swells_is_refused_before_it_is_decoded(tmp_path, compression):
    (tmp_path / "bomb.tif").write_bytes(with_segment(compression, BOMBS[compression]()))
    before = peak()
    sentences = opened_every_way(tmp_path / "bomb.tif")
    assert len(sentences) == 2  # the header is in order
    assert all("damaged or incomplete" in sentence for sentence in sentences)
    assert peak() - before < 10**8


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_that_follow_each_other_in_a_circle_are_noticed(tmp_path, order):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, byteorder=order) as writer:
        for _ in range(3):
            writer.write(GREY, metadata=None, contiguous=False)
    raw = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(raw)) as opened:
        last, first = opened.pages[2].offset, opened.pages[0].offset
    n_tags = struct.unpack_from(f"{order}H", raw, last)[0]
    struct.pack_into(f"{order}I", raw, last + 2 + 12 * n_tags, first)
    (tmp_path / "circle.tif").write_bytes(raw)
    with pytest.raises(UnreadableImageError, match="damaged or incomplete TIFF"):
        read_image(tmp_path / "circle.tif")


OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels '
HOSTILE_OME = {
    "planes": (OME + 'SizeT="1000000" SizeZ="1000000" SizeC="1"/></Image></OME>', "claims 10"),
    "elsewhere": (
        OME + 'SizeT="1" SizeZ="1" SizeC="1"><TiffData><UUID FileName="../x.tif">u</UUID>'
        "</TiffData></Pixels></Image></OME>",
        r"parts of it lie in '\.\./x\.tif'",
    ),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]>' + OME + "/></Image></OME>", "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE_OME)
def test_ome_metadata_may_not_reach_out_or_count_absurdly(tmp_path, name):
    xml, sentence = HOSTILE_OME[name]
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, GREY, description=xml, metadata=None)
    for way in (read_image, describe_image, open_levels):
        with pytest.raises(UnreadableImageError, match=sentence):
            way(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.ome.tif"]


def test_a_few_bytes_that_claim_a_huge_picture_are_refused(tmp_path):
    content = bytearray(RASTERS["png"])
    struct.pack_into(">II", content, 16, 20_000, 20_000)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content[:100])
    with pytest.raises(UnreadableImageError, match="but stores only 100 bytes"):
        read_image(tmp_path / "a.png")
