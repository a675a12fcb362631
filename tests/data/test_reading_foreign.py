"""Formats that nothing here knows are read through bioio where it is installed."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest
import tifffile

from unseg_studio.data import UnreadableImageError, read_image
from unseg_studio.data.foreign import describe_foreign, read_foreign

needs_bioio = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("bioio", "bioio_tifffile")),
    reason="needs bioio and bioio-tifffile: pip install unseg-studio[bioio] bioio-tifffile",
)
STACK = np.random.default_rng(4).integers(0, 9999, (2, 3, 2, 20, 30)).astype(np.uint16)


@needs_bioio
def test_a_plane_comes_through_bioio_as_through_our_own_reader(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "TZCYX"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("unseg_studio.data.foreign.IMAGE_SUFFIXES", ())
            for plane in (0, 4):
                decoded = read_foreign(path, plane)
                np.testing.assert_array_equal(decoded.pixels, read_image(path, plane).pixels)
            said = describe_foreign(path)
    assert (said.axes, said.shape, said.channels) == ({"T": 2, "Z": 3}, (20, 30), 2)


@pytest.mark.parametrize(("name", "reader"), [("a.czi", "bioio-czi"), ("B.ND2", "bioio-nd2")])
def test_a_format_without_its_reader_says_what_to_install(tmp_path, name, reader):
    (tmp_path / name).write_bytes(b"ZISRAWFILE" + bytes(100))
    with (
        warnings.catch_warnings(),
        pytest.raises(UnreadableImageError, match=rf'unseg-studio\[bioio\]" {reader}, or save'),
    ):
        warnings.simplefilter("ignore")
        read_image(tmp_path / name)


def test_no_reader_is_named_for_what_is_no_image(tmp_path):
    (tmp_path / "a.txt").write_text("milk")
    with (
        warnings.catch_warnings(),
        pytest.raises(UnreadableImageError, match="Choose another file, or save it as PNG"),
    ):
        warnings.simplefilter("ignore")
        read_image(tmp_path / "a.txt")
