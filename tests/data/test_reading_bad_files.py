"""Whatever a file holds, opening it gives the image or one clear sentence, and nothing leaks."""

from __future__ import annotations

import gc
import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from unseg_studio.data import IMAGE_SUFFIXES, UnreadableImageError, accepted, read_image

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8)


def raster(format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Picture.fromarray(NOISE).save(stream, format_, **options)
    return stream.getvalue()


def deep_png() -> bytes:
    stream = io.BytesIO()
    Picture.fromarray(NOISE[..., 0].astype(np.uint16) * 200).save(stream, "PNG")
    return stream.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


FILES = {
    "png": raster("PNG"),
    "16-bit png": deep_png(),
    "jpeg": raster("JPEG"),
    "progressive jpeg": raster("JPEG", progressive=True),
    "bmp": raster("BMP"),
    "webp": raster("WEBP"),
    "lossless webp": raster("WEBP", lossless=True),
    "plain tiff": tiff(NOISE, photometric="rgb"),
    "lzw tiff": tiff(NOISE, photometric="rgb", compression="lzw"),
    "tiled tiff": tiff(NOISE[..., 0], tile=(16, 16), compression="zlib"),
    "imagej tiff": tiff(NOISE[..., 0].reshape(2, 12, 32), imagej=True),
    "ome tiff": tiff(NOISE[..., 0].reshape(2, 12, 32), ome=True, compression="zlib"),
}


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def outcome(path: Path) -> str | np.ndarray:
    """The pixels, or the sentence; anything else ends the test."""
    try:
        return read_image(path).pixels
    except (ValueError, OSError) as error:
        return str(error)


@pytest.mark.parametrize("kind", FILES)
def test_whole_files_open(folder, kind):
    (folder / "a").write_bytes(FILES[kind])
    assert isinstance(outcome(folder / "a"), np.ndarray)


@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_file_is_noticed_wherever_it_ends(folder, kind):
    """Cut anywhere: a sentence, or, where only the closing mark is gone, the whole image.

    OME writes its metadata last: without it the same pixels are planes instead of channels.
    """
    content, path = FILES[kind], folder / "cut.img"
    path.write_bytes(content)
    whole = read_image(path).pixels
    cuts = sorted({*range(0, len(content) - 16, max(1, len(content) // 60)), len(content) - 1})
    for cut in cuts:
        path.write_bytes(content[:cut])
        result = outcome(path)
        if isinstance(result, np.ndarray):
            known = whole[..., : result.shape[2]] if kind == "ome tiff" else whole
            np.testing.assert_array_equal(result, known, err_msg=f"{kind} cut at {cut}")
        else:
            assert "cut.img" in result


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=60, print_blob=True, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_a_damaged_file_gives_an_image_or_a_sentence(folder, kind, data):
    content = bytearray(FILES[kind])
    spots = st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1))
    for spot in data.draw(st.lists(spots, min_size=1, max_size=6)):
        content[spot] = data.draw(st.integers(0, 255))
    (folder / "hurt.img").write_bytes(content)
    result = outcome(folder / "hurt.img")
    assert isinstance(result, np.ndarray) or "hurt.img" in result


@settings(max_examples=60, print_blob=True, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    head=st.sampled_from([content[:n] for content in FILES.values() for n in (0, 2, 4, 12)]),
    rest=st.binary(max_size=300),
)
def test_wild_bytes_give_a_sentence(folder, head, rest):
    (folder / "wild.img").write_bytes(head + rest)
    result = outcome(folder / "wild.img")
    assert isinstance(result, np.ndarray) or "wild.img" in result


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"a\.png is empty \(0 bytes\); accepted are PNG"):
        read_image(tmp_path / "a.png")


def test_a_text_under_an_image_name_is_no_image(tmp_path):
    (tmp_path / "a.png").write_text("this is a shopping list")
    with pytest.raises(ValueError, match=r"content of .*a\.png is no image that can be read"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.png; .* Check"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("name", ["nul\0byte.png", "x" * 5000 + ".png"])
def test_a_name_that_no_file_can_have_is_said_to_be_missing(tmp_path, name):
    with pytest.raises(OSError, match=r"(There is no file|cannot be opened)"):
        read_image(tmp_path / name)


def test_a_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder; .* Choose one of the images in it"):
        read_image(tmp_path)


def test_a_zarr_folder_without_an_image_gives_a_sentence(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").write_text("{}")
    with pytest.raises(ValueError, match=r"a\.zarr is a damaged or incomplete OME-Zarr"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a system with named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="is no ordinary file"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_without_permission_is_said_to_be_locked(tmp_path):
    (tmp_path / "a.png").write_bytes(FILES["png"])
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(PermissionError, match=r"a\.png cannot be opened \(Permission denied\)"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["one.tif", "constant.tif", "nan.tif", "complex.tif"])
def test_planes_with_nothing_to_segment_are_refused(tmp_path, name):
    values = {
        "one.tif": np.ones((1, 1), np.uint8),
        "constant.tif": np.full((8, 8), 7, np.uint16),
        "nan.tif": np.array([[0, np.nan], [1, 2]], np.float32),
        "complex.tif": np.array([[0, 1j], [1, 2]], np.complex64),
    }
    tifffile.imwrite(tmp_path / name, values[name])
    with pytest.raises(ValueError, match=rf"^{name} .*; accepted "):
        read_image(tmp_path / name)


def test_a_plane_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(accepted, "MAX_BYTES", NOISE.nbytes - 1)
    (tmp_path / "a.tif").write_bytes(FILES["plain tiff"])
    with pytest.raises(UnreadableImageError, match="of memory; accepted"):
        read_image(tmp_path / "a.tif")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts handles as Linux shows them")
@pytest.mark.parametrize("kind", FILES)
def test_no_file_stays_open(folder, kind):
    path = folder / "a.img"

    def still_open() -> bool:
        gc.collect()
        handles = [handle for handle in Path("/proc/self/fd").iterdir() if handle.is_symlink()]
        maps = Path("/proc/self/maps").read_text()
        return path in {handle.readlink() for handle in handles} or str(path) in maps

    for content in (FILES[kind], FILES[kind][: len(FILES[kind]) // 2]):
        path.write_bytes(content)
        image = outcome(path)
        assert not still_open()
        del image


def test_every_accepted_suffix_is_lower_case_and_dotted():
    assert {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"} <= set(IMAGE_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in IMAGE_SUFFIXES)
