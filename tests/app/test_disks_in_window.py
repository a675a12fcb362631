"""Disks that are full, gone or read-only: the window says so, and saves the work elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image as Pil
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from unseg_studio.app.dialogs import ExportDialog
from unseg_studio.project import Project

resource = pytest.importorskip("resource")
LEFT, ENTER = Qt.MouseButton.LeftButton, Qt.Key.Key_Return
ENGINE_MS = 60_000


def shown(kind):
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


@contextmanager
def full_disk(_folder):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def folder_that_is_gone(folder):
    shutil.rmtree(folder)
    yield


@contextmanager
def read_only_folder(folder):
    if os.geteuid() == 0:
        pytest.skip("root may write")
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("trouble", [full_disk, folder_that_is_gone, read_only_folder])
def test_an_export_that_fails_is_said_and_goes_elsewhere(qtbot, window, tmp_path, trouble):
    bad, good = tmp_path / "bad", tmp_path / "good.json"
    bad.mkdir()
    window.document.brush([(row, 10) for row in range(48)], radius=12)
    assert window.isWindowModified()
    window.actions_["export"].trigger()
    dialog = shown(ExportDialog)[0]
    dialog.path.setText(str(bad / "masks.json"))
    with trouble(bad):
        qtbot.mouseClick(dialog.write_button, LEFT)
        qtbot.waitUntil(lambda: bool(dialog.message.sentence), timeout=ENGINE_MS)
    assert str(bad) in dialog.message.sentence
    assert dialog.isVisible()
    assert window.isWindowModified()
    assert window.files.is_dirty
    assert not bad.exists() or list(bad.iterdir()) == []

    dialog.path.setText(str(good))
    qtbot.mouseClick(dialog.write_button, LEFT)
    qtbot.waitUntil(lambda: not shown(ExportDialog), timeout=ENGINE_MS)
    assert json.loads(good.read_text())["annotations"]
    assert not window.isWindowModified()


@pytest.fixture
def on_full_disk(qtbot, window, tmp_path):
    """The window on a project whose file cannot grow, with a stroke that is not in it."""
    files = [tmp_path / f"cell {number}.png" for number in (1, 2)]
    for file in files:
        Pil.fromarray(np.random.default_rng(3).integers(0, 255, (40, 56, 3), np.uint8)).save(file)
    with Project.create(tmp_path / "cells.unseg") as project:
        project.add_images(files)
    window.open_paths([project.path])
    qtbot.waitUntil(lambda: window.review.current is not None, timeout=ENGINE_MS)
    qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
    project = window.projects.project
    project.wait_for_fingerprints()
    connection = project._database._writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    rng = np.random.default_rng(8)
    while not window.projects.is_dirty:  # a page that is there already takes some strokes
        window.document.brush(rng.uniform(0, 40, (30, 2)), radius=1.5)
        project.flush()
    return window


def test_a_full_disk_is_said_and_the_work_comes_into_the_file_once_there_is_room(
    qtbot, on_full_disk
):
    window = on_full_disk
    qtbot.waitUntil(lambda: "the disk is full" in window.messages.message.sentence)
    qtbot.waitUntil(window.isWindowModified)
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, ENTER)
    qtbot.waitUntil(lambda: window.document.image.source.name == "cell 2.png", timeout=ENGINE_MS)
    assert window.review.project.image(1).status == "done"
    path = window.projects.project.path
    window.projects.close()  # which tries again: there is room for another connection
    with Project.open(path) as again:
        assert again.image(1).status == "done"
        assert not again.open_document(1).edits.is_empty


def test_it_is_saved_elsewhere_with_all_work_and_goes_on_there(qtbot, on_full_disk, tmp_path):
    window, labels = on_full_disk, on_full_disk.document.labels.copy()
    window.projects.save_copy(tmp_path / "kept.unseg")
    qtbot.waitUntil(lambda: window.projects.title == "kept", timeout=ENGINE_MS)
    qtbot.waitUntil(lambda: window.review.current is not None, timeout=ENGINE_MS)
    assert not window.projects.is_dirty
    assert window.document.image.source.name == "cell 1.png"
    np.testing.assert_array_equal(window.document.labels, labels)
