"""Sample data opens from napari's menu and says where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari_unseg import samples

from .conftest import MANIFEST

ASSETS = MANIFEST.parents[2] / "assets" / "samples"
SHAPES = {
    "nuclei": (520, 696),
    "tissue": (256, 320, 3),
    "cat": (300, 451, 3),
    "nuclei_stack": (31, 61, 57),
}


@pytest.mark.parametrize(("key", "shape"), SHAPES.items())
def test_a_sample_opens_in_the_viewer(viewer, key, shape):
    (layer,) = viewer.open_sample("unseg-studio", key)
    assert layer.data.shape == shape
    assert layer.rgb == (shape[-1] == 3)
    assert layer.metadata["licence"] in ("CC0 1.0", "BSD-3-Clause")
    assert layer.data.flags.writeable


def test_the_stack_has_named_axes_and_all_its_planes(viewer):
    (layer,) = viewer.open_sample("unseg-studio", "nuclei_stack")
    assert tuple(layer.axis_labels) == ("z", "y", "x")
    np.testing.assert_array_equal(layer.data, tifffile.imread(ASSETS / samples.STACK))
    assert layer.data.dtype == np.uint16
    assert viewer.dims.nsteps[0] == 31


def test_the_stack_is_small_and_its_licence_is_written_down():
    assert (ASSETS / samples.STACK).stat().st_size < 200_000
    words = Path(ASSETS / "LICENCES.md").read_text("utf-8")
    assert re.search(rf"^\| `{samples.STACK}` \|.*\| BSD-3-Clause \|$", words, re.MULTILINE)
    assert "Uwe Schmidt, Martin Weigert" in words
    assert "this list of conditions" in words
