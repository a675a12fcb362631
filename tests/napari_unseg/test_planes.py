"""What one plane of a layer is, without a viewer."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels, Points
from napari_unseg.planes import Planes

RNG = np.random.default_rng(5)


def noise(*shape, dtype=np.uint8):
    return RNG.integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    ("pixels", "options", "counts", "channels"),
    [
        (noise(20, 30), {}, (), 1),
        (noise(40, 50, 3), {"rgb": True}, (), 3),
        (noise(40, 50, 4), {"rgb": True}, (), 3),
        (noise(5, 20, 30, dtype=np.uint16), {}, (5,), 1),
        (noise(5, 40, 50, 3), {"rgb": True}, (5,), 3),
        (noise(2, 3, 4, 20, 30), {}, (2, 3, 4), 1),
        (noise(3, 20, 30), {"axis_labels": ("c", "y", "x")}, (), 3),
        (noise(5, 2, 20, 30), {"axis_labels": ("z", "Channel", "y", "x")}, (5,), 2),
        (noise(2, 5, 3, 20, 30), {"axis_labels": ("t", "z", "c", "y", "x")}, (2, 5), 3),
        (noise(20, 30, 5), {"axis_labels": ("y", "x", "c"), "rgb": False}, (), 5),
        (RNG.random((2, 20, 30)) > 0.5, {}, (2,), 1),
        ([noise(4, 20, 30), noise(4, 10, 15)], {"multiscale": True}, (4,), 1),
    ],
)
def test_axes_are_read_as_planes_and_channels(pixels, options, counts, channels):
    layer = Image(pixels, **options)
    planes = Planes.of(layer)
    index = tuple(n - 1 for n in counts)
    image = planes.read(index)
    assert planes.axes.counts == counts
    assert image.n_channels == channels
    assert image.shape == planes.axes.plane_shape


def test_channels_are_put_last_and_planes_are_those_asked_for():
    pixels = noise(4, 3, 20, 30)
    image = Planes.of(Image(pixels, axis_labels=("z", "c", "y", "x"))).read((2,))
    np.testing.assert_array_equal(image.pixels, np.moveaxis(pixels[2], 0, -1))
    last = noise(20, 30, 5)
    image = Planes.of(Image(last, axis_labels=("y", "x", "c"), rgb=False)).read(())
    np.testing.assert_array_equal(image.pixels, last)


def test_opacity_is_laid_over_white():
    rgba = np.zeros((2, 40, 50, 4), np.uint8)
    rgba[:, 0, :, 3] = 255
    image = Planes.of(Image(rgba, rgb=True)).read((1,))
    assert image.pixels[0].max() == 0
    assert image.pixels[1:].min() == 255


def test_the_data_of_the_person_stay_writeable():
    pixels = noise(3, 20, 30)
    Planes.of(Image(pixels)).read((1,))
    pixels[1, 0, 0] = 7


def test_planes_are_numbered_through():
    planes = Planes.of(Image(noise(2, 3, 20, 30), name="cells"))
    assert [planes.source(index).plane for index in ((0, 0), (0, 2), (1, 1))] == [0, 2, 4]
    assert planes.source((1, 1)).n_planes == 6


def test_units_of_length_give_the_size_of_a_pixel():
    options = {"scale": (2, 0.5, 0.25), "units": ("um", "um", "mm")}
    assert Planes.of(Image(noise(3, 20, 30), **options)).pixel_size == pytest.approx((0.5, 250))
    assert Planes.of(Image(noise(20, 30), scale=(2, 2))).pixel_size is None


def test_of_a_dask_stack_only_the_plane_asked_for_is_computed():
    read = []

    def plane(z):
        read.append(z)
        return noise(20, 30)[np.newaxis]

    parts = [da.from_delayed(dask.delayed(plane)(z), (1, 20, 30), np.uint8) for z in range(9)]
    layer = Image(da.concatenate(parts), contrast_limits=(0, 255))
    read.clear()
    Planes.of(layer).read((7,))
    assert read == [7]


def test_a_zarr_stack_is_read_and_a_broken_part_of_it_is_said(tmp_path):
    stack = zarr.create_array(
        tmp_path / "a.zarr", shape=(4, 20, 30), chunks=(1, 20, 30), dtype="u1"
    )
    stack[:] = noise(4, 20, 30)
    broken = tmp_path / "a.zarr" / "c" / "2" / "0" / "0"
    broken.write_bytes(b"rubbish")
    planes = Planes.of(Image(zarr.open_array(tmp_path / "a.zarr"), name="cells"))
    assert planes.read((1,)).shape == (20, 30)
    with pytest.raises(ValueError, match="'cells', plane 2 could not be read"):
        planes.read((2,))


class Strange:
    """Data that napari would not take, or only with luck."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.ndim = len(shape)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (Strange((4, 20, 30), complex), "holds values of type complex128"),
        (Strange((4, 20, 30), object), "holds values of type object"),
        (Strange((0, 20, 30), np.uint8), "holds no pixel"),
    ],
)
def test_data_that_are_no_image_are_refused(monkeypatch, data, sentence):
    layer = Image(noise(4, 20, 30), name="cells")
    monkeypatch.setattr(type(layer), "data", data)
    with pytest.raises(ValueError, match=sentence) as caught:
        Planes.of(layer)
    assert "accepted are" in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (None, "No single layer is selected"),
        (Points([[1, 1]]), "is a Points layer"),
        (Labels(np.zeros((4, 5), int)), "is a Labels layer"),
    ],
)
def test_what_is_no_image_layer_is_refused(layer, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        Planes.of(layer)
    assert "accepted are image layers" in str(caught.value)


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((3, 20, 30)), "'cells', plane 1 has the same value"),
        (np.full((3, 20, 30), np.nan), "'cells', plane 1 holds 600 values that are NaN"),
    ],
)
def test_a_plane_without_content_is_refused_by_its_name(pixels, sentence):
    planes = Planes.of(Image(pixels, name="cells", contrast_limits=(0, 1)))
    with pytest.raises(ValueError, match=sentence):
        planes.read((1,))
