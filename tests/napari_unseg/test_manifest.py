"""What napari reads before it loads anything of the plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest
from npe2 import PluginManifest

from .conftest import MANIFEST

HEAVY = ("torch", "timm", "qtpy", "PySide6", "napari")


def test_the_manifest_is_valid_and_what_it_names_can_be_imported():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.display_name == "UnSeg Studio"
    assert set(manifest.categories) == {"Annotation", "Segmentation"}
    assert [widget.display_name for widget in manifest.contributions.widgets] == ["UnSeg Studio"]


@pytest.mark.parametrize("name", HEAVY)
def test_importing_the_plugin_loads_nothing_heavy(name):
    code = f"import napari_unseg, sys; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
