"""Files: what cannot be read leaves what is open; what is written can be read elsewhere."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil
from pycocotools.coco import COCO
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton

from unseg_studio.app.dialogs import ExportDialog, LabelsDialog
from unseg_studio.app.main import make_window as start_window
from unseg_studio.app.preview import export_preview
from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.formats import FORMATS, export

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
READABLE = [name for name, format_ in FORMATS.items() if format_.read is not None]
BAD = ("zero.png", "text.png", "nan.tif", "flat.tif", "missing.png", "truncated.png", "bomb.png")


def shown(kind):
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


def answer(qtbot, text):
    box = shown(QMessageBox)[0]
    qtbot.mouseClick(next(b for b in box.buttons() if b.text() == text), LEFT)


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "other.png"
    Pil.fromarray(np.random.default_rng(2).integers(0, 255, (20, 30), np.uint8)).save(path)
    return path


def paint_half(window):
    """Category 1 on the left half, with a hole."""
    window.document.polygon([(0, 0), (0, 31), (47, 31), (47, 0)])
    window.document.brush([(20, 15)], radius=3, id_=0)


def open_export(qtbot, window):
    qtbot.keyClick(window.canvas, "E", CTRL)
    dialog = shown(ExportDialog)[0]
    with qtbot.waitSignal(dialog.form.checked):
        pass
    return dialog


class TestOpen:
    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_image_gives_a_sentence_and_keeps_what_is_open(
        self, qtbot, window, bad_files, name
    ):
        window.document.brush([(5, 5)], radius=2)
        before = window.document
        window.files.open(bad_files[name])
        qtbot.waitUntil(window.messages.isVisible)
        sentence = window.messages.message.sentence
        assert name in sentence
        assert sentence.endswith(".")
        assert "Traceback" not in sentence
        assert window.document is before
        assert window.document.labels[5, 5] == 1

    def test_a_bad_image_on_the_command_line_opens_the_sample_and_says_why(
        self, qtbot, settings, monkeypatch, bad_files
    ):
        monkeypatch.setattr("unseg_studio.app.window.window_settings", lambda: settings)
        window = start_window(bad_files["zero.png"])
        qtbot.addWidget(window, before_close_func=lambda w: w.leave())
        assert "zero.png" in window.messages.message.sentence
        assert window.document.image.source.name == "cat.png"

    def test_an_image_is_opened_through_the_dialog(self, qtbot, window, png):
        qtbot.keyClick(window.canvas, "O", CTRL)
        dialog = shown(QFileDialog)[0]
        dialog.fileSelected.emit(str(png))
        dialog.close()
        qtbot.waitUntil(lambda: window.document.image.source.path == png)
        assert window.windowTitle().startswith("other.png")
        begun = "preparing", "running", "done"  # once the image is painted
        qtbot.waitUntil(lambda: window.document.status.phase in begun)

    def test_unsaved_work_keeps_the_image_unless_discarded(self, qtbot, window, png):
        window.document.brush([(5, 5)], radius=2)
        before = window.document
        window.files.open(png)
        qtbot.waitUntil(lambda: bool(shown(QMessageBox)))
        qtbot.keyClick(shown(QMessageBox)[0], Qt.Key.Key_Escape)
        assert window.document is before
        window.files.open(png)
        qtbot.waitUntil(lambda: bool(shown(QMessageBox)))
        answer(qtbot, "Discard")
        assert window.document.image.source.path == png

    def test_export_first_and_then_the_next_image(self, qtbot, window, png, tmp_path):
        window.document.brush([(5, 5)], radius=2)
        window.files.open(png)
        qtbot.waitUntil(lambda: bool(shown(QMessageBox)))
        answer(qtbot, "Export …")
        dialog = shown(ExportDialog)[0]
        qtbot.mouseClick(dialog.write_button, LEFT)
        qtbot.waitUntil(lambda: window.document.image.source.path == png)
        assert (tmp_path / "small.json").exists()

    def test_an_export_that_is_cancelled_keeps_the_image(self, qtbot, window, png):
        window.document.brush([(5, 5)], radius=2)
        before = window.document
        window.files.open(png)
        qtbot.waitUntil(lambda: bool(shown(QMessageBox)))
        answer(qtbot, "Export …")
        shown(ExportDialog)[0].reject()
        assert window.document is before

    def test_only_one_of_many_dropped_images_is_opened_and_that_is_said(self, qtbot, window, png):
        window.files.open_dropped([png, png.with_name("second.png")])
        assert "2 files" in window.messages.message.sentence
        qtbot.waitUntil(lambda: window.document.image.source.path == png)


class TestExport:
    def test_the_dialog_writes_a_file_that_pycocotools_reads(self, qtbot, window, tmp_path):
        paint_half(window)
        dialog = open_export(qtbot, window)
        path = tmp_path / "masks.json"
        dialog.path.setText(str(path))
        qtbot.mouseClick(dialog.write_button, LEFT)
        qtbot.waitUntil(path.exists)
        qtbot.waitUntil(lambda: not shown(ExportDialog))
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        mask = sum(coco.annToMask(ann) for ann in coco.loadAnns(coco.getAnnIds(catIds=[1])))
        np.testing.assert_array_equal(mask, window.document.labels == 1)
        assert str(path) in window.messages.message.sentence
        assert not window.files.is_dirty

    def test_it_shows_what_will_be_written(self, qtbot, window):
        paint_half(window)
        dialog = open_export(qtbot, window)
        row = dialog._table.topLevelItem(0)
        pixels = int((window.document.labels == 1).sum())
        assert [row.text(i) for i in range(4)] == ["category 1", "thing", "1", f"{pixels:,}"]
        qtbot.waitUntil(lambda: dialog.preview_is_shown)
        dialog.reject()

    def test_the_name_follows_the_format(self, qtbot, window):
        dialog = open_export(qtbot, window)
        combo = dialog.form._format
        combo.setFocus()
        for name in ("coco-panoptic", "coco-stuff", "voc", "png"):
            qtbot.keyClick(combo, Qt.Key.Key_Down)
            assert dialog.form.wish.format == name
        assert dialog.path.text().endswith("small.png")
        qtbot.keyClick(combo, Qt.Key.Key_Up)
        assert dialog.path.text().endswith("small_voc")
        assert dialog._note.text() == "A folder of this name will be made."
        dialog.reject()

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_is_written_and_compared(self, qtbot, window, tmp_path, name):
        paint_half(window)
        window.files.ask_for_export()
        dialog = shown(ExportDialog)[0]
        combo = dialog.form._format
        combo.setCurrentIndex(combo.findData(name))
        combo.activated.emit(combo.currentIndex())
        target = Path(dialog.path.text())
        assert target.parent == tmp_path
        with qtbot.waitSignal(dialog.exported) as said:
            qtbot.mouseClick(dialog.write_button, LEFT)
        assert target.exists()
        assert said.args[0].sentence == window.messages.message.sentence
        if FORMATS[name].read is not None:
            assert "the masks with IoU 1.000." in window.messages.message.sentence
        assert not window.files.is_dirty

    def test_browsing_asks_for_a_folder_where_a_format_writes_one(self, qtbot, window, tmp_path):
        dialog = open_export(qtbot, window)
        for name, mode in (
            ("yolo", QFileDialog.FileMode.Directory),
            ("ome-zarr", QFileDialog.FileMode.AnyFile),
            ("coco", QFileDialog.FileMode.AnyFile),
        ):
            dialog.form._format.setCurrentIndex(dialog.form._format.findData(name))
            dialog._browse()
            asked = next(d for d in shown(QFileDialog) if d.fileMode() == mode)
            asked.fileSelected.emit(str(tmp_path / name))
            asked.close()
            assert dialog.path.text() == str(tmp_path / name)
        dialog.reject()

    def test_a_file_that_exists_is_announced(self, qtbot, window, tmp_path):
        (tmp_path / "small.json").write_text("{}")
        dialog = open_export(qtbot, window)
        assert dialog._note.text() == "This file exists and will be replaced."
        dialog.reject()

    def test_a_folder_that_is_missing_leaves_the_dialog_open_for_another(
        self, qtbot, window, tmp_path
    ):
        window.document.brush([(5, 5)], radius=2)
        dialog = open_export(qtbot, window)
        dialog.path.setText(str(tmp_path / "nowhere" / "masks.json"))
        qtbot.mouseClick(dialog.write_button, LEFT)
        qtbot.waitUntil(lambda: bool(dialog.message.sentence))
        assert "masks.json" in dialog.message.sentence
        assert dialog.isVisible()
        assert window.files.is_dirty
        dialog.path.setText(str(tmp_path / "masks.json"))
        qtbot.mouseClick(dialog.write_button, LEFT)
        qtbot.waitUntil((tmp_path / "masks.json").exists)
        qtbot.waitUntil(lambda: not window.files.is_dirty)

    def test_a_full_disk_is_said_in_the_dialog_and_keeps_the_old_file(
        self, qtbot, window, tmp_path
    ):
        resource = pytest.importorskip("resource")
        old = tmp_path / "masks.json"
        old.write_text("{}")
        paint_half(window)
        dialog = open_export(qtbot, window)
        dialog.path.setText(str(old))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            qtbot.mouseClick(dialog.write_button, LEFT)
            qtbot.waitUntil(lambda: bool(dialog.message.sentence))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "the disk is full" in dialog.message.sentence
        assert old.read_text() == "{}"
        assert window.files.is_dirty
        dialog.reject()

    def test_work_during_the_export_counts_as_unsaved(self, qtbot, window, tmp_path):
        paint_half(window)
        dialog = open_export(qtbot, window)
        qtbot.mouseClick(dialog.write_button, LEFT)
        window.document.brush([(5, 50)], radius=2)
        qtbot.waitUntil((tmp_path / "small.json").exists)
        qtbot.waitUntil(lambda: not shown(ExportDialog))
        assert window.files.is_dirty

    def test_the_preview_dims_what_is_left_out(self, window):
        paint_half(window)
        picture = export_preview(window.document.image, window.document.annotation(), side=64)
        assert picture.shape == (48, 64, 3)
        bright = window.document.image.rgb[:, 40:].mean()
        assert picture[:, 40:].mean() == pytest.approx(0.45 * bright, rel=0.05)


class TestImport:
    @pytest.mark.parametrize("name", READABLE)
    def test_masks_come_back_as_corrections(self, qtbot, window, tmp_path, name):
        paint_half(window)
        path = tmp_path / FORMATS[name].named("masks")
        export(window.document.annotation(), path, format=name)
        expected = window.document.labels == 1
        window.document.clear_edits()
        assert (window.document.labels >= FIRST_CLUSTER).all()
        window.files.import_labels(path)
        qtbot.waitUntil(lambda: not window.document.edits.is_empty)
        np.testing.assert_array_equal(window.document.labels == 1, expected)
        assert "masks" in window.messages.message.sentence
        window.document.undo()
        assert (window.document.labels >= FIRST_CLUSTER).all()

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            ("not json", "bad.json"),
            ("{}", "bad.json"),
            (json.dumps({"images": [], "annotations": [], "categories": []}), "bad.json"),
        ],
    )
    def test_a_bad_file_gives_a_sentence_and_changes_nothing(
        self, qtbot, window, tmp_path, content, word
    ):
        path = tmp_path / "bad.json"
        path.write_text(content)
        before = window.document.state
        window.files.import_labels(path)
        qtbot.waitUntil(window.messages.isVisible)
        assert word in window.messages.message.sentence
        assert window.document.state is before

    def test_a_dropped_json_is_imported(self, qtbot, window, tmp_path):
        paint_half(window)
        path = tmp_path / "masks.json"
        export(window.document.annotation(), path)
        window.document.clear_edits()
        window.files.open_dropped([path])
        qtbot.waitUntil(lambda: not window.document.edits.is_empty)

    @pytest.mark.parametrize(
        "name", ["coco", "labelme", "qupath", "yolo", "voc", "ome-zarr", "png", "png-folder"]
    )
    def test_dropped_masks_of_any_format_are_imported(self, qtbot, window, tmp_path, name):
        paint_half(window)
        path = tmp_path / FORMATS[name].named("masks")
        export(window.document.annotation(), path, format=name)
        expected = window.document.labels == 1
        window.document.clear_edits()
        window.files.open_dropped([path])
        qtbot.waitUntil(lambda: not window.document.edits.is_empty)
        np.testing.assert_array_equal(window.document.labels == 1, expected)

    def test_the_dialog_says_what_was_chosen_and_imports_it(self, qtbot, window, tmp_path):
        paint_half(window)
        path = tmp_path / "set"
        export(window.document.annotation(), path, format="yolo")
        (tmp_path / "text.txt").write_text("hello")
        window.document.clear_edits()
        qtbot.keyClick(window.canvas, "I", CTRL)
        dialog = shown(LabelsDialog)[0]
        for text, note in (
            (tmp_path / "absent", "There is nothing at this path."),
            (tmp_path / "text.txt", "This is none of the formats"),
            (path, "This is YOLO segmentation."),
        ):
            dialog.path.setText(str(text))
            assert dialog._note.text().startswith(note)
            assert dialog.import_button.isEnabled() == (text == path)
        qtbot.mouseClick(dialog.import_button, LEFT)
        qtbot.waitUntil(lambda: not window.document.edits.is_empty)

    @pytest.mark.parametrize(("title", "folder"), [("File …", False), ("Folder …", True)])
    def test_the_dialog_asks_for_files_and_for_folders(
        self, qtbot, window, tmp_path, title, folder
    ):
        qtbot.keyClick(window.canvas, "I", CTRL)
        dialog = shown(LabelsDialog)[0]
        button = next(b for b in dialog.findChildren(QPushButton) if b.text() == title)
        qtbot.mouseClick(button, LEFT)
        asked = shown(QFileDialog)[0]
        assert (asked.fileMode() == QFileDialog.FileMode.Directory) == folder
        asked.fileSelected.emit(str(tmp_path))
        asked.close()
        assert dialog.path.text() == str(tmp_path)
        dialog.reject()
