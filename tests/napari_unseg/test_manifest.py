"""What napari reads before it loads anything of the plugin, and what its menus show of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from napari._app_model.constants import MenuId
from napari_unseg.dock import Dock
from npe2 import PluginManifest

from unseg_studio.formats import FORMATS

from .conftest import MANIFEST

HEAVY = {"torch", "timm", "qtpy", "PySide6", "PyQt6", "napari"}
DOCK = "Segment and annotate (UnSeg Studio)"
IO_UTILITIES = [
    "Import masks from a file... (UnSeg Studio)",
    "Import masks from a folder... (UnSeg Studio)",
    "Export selected labels... (UnSeg Studio)",
    "Export selected labels as COCO... (UnSeg Studio)",
    "Export selected labels as COCO, every label an object... (UnSeg Studio)",
    "Export selected labels as indexed PNG... (UnSeg Studio)",
]
SAMPLES = {
    "Fluorescent cell nuclei",
    "Stained tissue",
    "Fluorescent cell nuclei in depth",
    "Photograph of a cat",
}


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


def commands():
    return PluginManifest.from_file(MANIFEST).contributions.commands


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_the_manifest_is_valid(manifest):
    manifest.validate_imports()
    assert manifest.display_name == "UnSeg Studio"
    assert manifest.is_visible
    assert {"Annotation", "Segmentation"} <= set(manifest.categories)


def test_npe2_validates_the_manifest():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", str(MANIFEST)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_entry_point_leads_to_the_manifest():
    project = tomllib.loads((MANIFEST.parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    entries = project["entry-points"]["napari.manifest"]
    module, _, file = entries[PluginManifest.from_file(MANIFEST).name].partition(":")
    assert Path(import_module(module).__file__).parent / file == MANIFEST


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.id)
def test_what_a_command_names_can_be_called(command):
    module, _, name = command.python_name.partition(":")
    assert callable(getattr(import_module(module), name))


def test_every_contribution_has_its_command_and_every_command_its_use(manifest):
    points = manifest.contributions
    used = {
        item.command
        for items in (points.readers, points.writers, points.widgets, points.sample_data)
        for item in items
    }
    used |= {item.command for items in points.menus.values() for item in items}
    assert used == {command.id for command in points.commands}


def test_menus_are_those_that_napari_opens_to_plugins(manifest):
    assert set(manifest.contributions.menus) <= {str(menu) for menu in MenuId.contributables()}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_files_can_be_written_by_napari(manifest, name):
    writers = {writer.command: writer for writer in manifest.contributions.writers}
    writer = writers.get(f"unseg-studio.write_{name.replace('-', '_')}")
    ending = FORMATS[name].suffix or FORMATS[name].single
    assert (writer.filename_extensions if writer else []) == [ending] * bool(ending)


def test_no_image_and_no_folder_is_claimed(manifest):
    """Whoever claims them makes napari ask which plugin to take, every time."""
    for reader in manifest.contributions.readers:
        assert set(reader.filename_patterns) <= {"*.json", "*.geojson"}
        assert not reader.accepts_directories


def test_importing_the_plugin_loads_nothing_heavy():
    assert run(f"import napari_unseg, sys; sys.exit(bool({HEAVY!r} & set(sys.modules)))") == 0


def test_files_are_read_and_written_without_torch(tmp_path):
    path = tmp_path / "out.json"
    code = f"""
import sys
import numpy as np
from napari_unseg.reader import get_reader
from napari_unseg.writer import write_coco
write_coco({str(path)!r}, [(np.eye(8, dtype=int), {{"name": "eye"}}, "labels")])
layers = get_reader({str(path)!r})({str(path)!r})
sys.exit(len(layers) != 1 or bool({{"torch", "timm", "qtpy"}} & set(sys.modules)))
"""
    assert run(code) == 0
    assert json.loads(path.read_text())["annotations"]


def titles(menu):
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def opened(menu, *path):
    """The menu under these titles, shown as a person would."""
    for title in path:
        menu.aboutToShow.emit()
        menu = next(a.menu() for a in menu.actions() if a.text().replace("&", "") == title)
    menu.aboutToShow.emit()
    return menu


def test_the_file_menu_shows_import_and_export(viewer):
    menu = opened(viewer.window.file_menu, "IO Utilities")
    assert [title for title in titles(menu) if "UnSeg" in title] == IO_UTILITIES


@pytest.mark.parametrize("name", ["Segment", "Annotate"])
def test_the_layers_menu_opens_the_dock(viewer, name):
    menu = opened(viewer.window.layers_menu, name)
    assert DOCK in titles(menu)
    next(action for action in menu.actions() if action.text() == DOCK).trigger()
    assert viewer.window._qt_window.findChild(Dock) is not None


def test_the_plugins_menu_has_both_docks(viewer):
    menu = opened(viewer.window.plugins_menu, "UnSeg Studio")
    assert titles(menu) == [DOCK, "Train on images (UnSeg Studio)"]


def test_the_samples_are_in_the_file_menu(viewer):
    menu = opened(viewer.window.file_menu, "Open Sample", "UnSeg Studio")
    assert set(titles(menu)) == SAMPLES
