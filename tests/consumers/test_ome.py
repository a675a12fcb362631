"""The readers of OME: ome-types for the metadata, ome-zarr and napari-ome-zarr for labels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari_ome_zarr import napari_get_reader
from ome_types import from_tiff
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

from unseg_studio.formats.ome_zarr import OmeZarrOptions


def test_ome_types_finds_the_plane(written, blobs):
    path = written("ome-tiff", "cell.ome.tif")
    pixels = from_tiff(path, validate=True).images[0].pixels
    assert (pixels.size_y, pixels.size_x) == blobs.shape
    assert (pixels.size_c, pixels.size_z, pixels.size_t) == (1, 1, 1)
    np.testing.assert_array_equal(tifffile.imread(path), blobs)


@pytest.fixture(params=["0.4", "0.5"])
def zarr(request, written):
    return written("ome-zarr", "cell.ome.zarr", OmeZarrOptions(version=request.param))


def test_ome_zarr_finds_the_labels(zarr, blobs):
    (node, *_) = Reader(parse_url(str(zarr / "labels/categories")))()
    np.testing.assert_array_equal(np.asarray(node.data[0]).squeeze(), blobs)
    assert any(type(spec).__name__ == "Label" for spec in node.specs)


def test_napari_shows_the_labels(zarr, blobs):
    layers = napari_get_reader(str(zarr / "labels/categories"))()
    ((data, _, kind),) = layers
    assert kind == "labels"
    np.testing.assert_array_equal(np.asarray(data[0]).squeeze(), blobs)
