"""A napari viewer with the dock in it.

napari's pytest plugin is off for the other tests, since it would load napari for each of them;
only what makes a viewer is taken from it here.
"""

from __future__ import annotations

from pathlib import Path

import napari_unseg
import numpy as np
import pytest
from napari.utils import _testsupport
from npe2 import PluginManifest

MANIFEST = Path(napari_unseg.__file__).parent / "napari.yaml"

_TAKEN = (  # not every napari has each of them
    "_clean_themes",
    "_disable_qt_warnings",
    "make_napari_viewer",
    "mock_app_model",
    "napari_plugin_manager",
    "pytest_runtest_makereport",
)
globals().update({name: value for name, value in vars(_testsupport).items() if name in _TAKEN})

# Without napari's plugin its options are unknown; these are their defaults.
_OPTIONS = {"--show-napari-viewer": False, "--save-leaked-object-graph": False}


@pytest.fixture
def viewer(request, monkeypatch, npe2pm):
    """An empty viewer that knows no plugin but this one."""
    for name, value in _OPTIONS.items():
        monkeypatch.setattr(request.config.option, name, value, raising=False)
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return request.getfixturevalue("make_napari_viewer")()


@pytest.fixture
def dock(viewer):
    """The dock, opened as napari's menu opens it."""
    return viewer.window.add_plugin_dock_widget("unseg-studio")[1]


@pytest.fixture
def image(viewer):
    """A selected layer with a dark and a light half, not at the origin and with pixels of 0.5."""
    pixels = np.random.default_rng(3).integers(0, 80, (40, 60, 1)).astype(np.uint8).repeat(3, -1)
    pixels[:, 30:] += 120
    return viewer.add_image(pixels, name="halves", scale=(0.5, 0.5), translate=(3, 4))


@pytest.fixture
def cells(viewer):
    """A selected z-stack of six planes, shown at plane 2: a bright square that moves along."""
    pixels = np.random.default_rng(3).integers(0, 40, (6, 48, 64)).astype(np.uint8)
    for plane in range(6):
        pixels[plane, 10 + plane : 34 + plane, 12:44] += 160
    layer = viewer.add_image(pixels, name="cells", scale=(3, 0.5, 0.5), axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 2)
    return layer
