"""All images of a project in one file, from the window."""

from __future__ import annotations

import json

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.app import test_queue_in_window as queue
from tests.app.test_queue_in_window import ENGINE_MS, LEFT, shown
from unseg_studio.app.dialogs import ExportDialog
from unseg_studio.app.project_export import ProjectForm

folder, project_file, with_project = queue.folder, queue.project_file, queue.with_project
CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def labelled(window, n=3):
    """Accept so many images with clusters, the first of which has a name."""
    project = window.projects.project
    for image in range(1, n + 1):
        document = project.open_document(image)
        labels = document.state.live.copy()
        labels[:], labels[5:20, 5:20] = 1001, 1
        document.show(labels)
        project.accept(image, document)
    project.flush()
    window.actions_.refresh()


def export_dialog(qtbot, window):
    QTest.keyClick(
        window,
        Qt.Key.Key_E,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    qtbot.waitUntil(lambda: bool(shown(ExportDialog)), timeout=ENGINE_MS)
    return shown(ExportDialog)[0]


class TestExportingAProject:
    def test_nothing_can_be_exported_before_an_image_has_labels(self, with_project):
        action = with_project.actions_["export_project"]
        assert not action.isEnabled() and "accept one first" in action.toolTip()

    def test_the_accepted_images_are_looked_at_and_written_together(
        self, qtbot, with_project, tmp_path
    ):
        window = with_project
        labelled(window)
        dialog = export_dialog(qtbot, window)
        assert isinstance(dialog.form, ProjectForm)
        assert dialog.form.images.currentText() == "Accepted (3)"
        with qtbot.waitSignal(dialog.form.checked, timeout=ENGINE_MS) as checked:
            dialog.form.check_soon()
        told = checked.args[0].told
        assert (told.n_images, told.n_unnamed) == (3, 3)
        dialog.path.setText(str(tmp_path / "all.json"))
        with qtbot.waitSignal(dialog.exported, timeout=ENGINE_MS):
            QTest.mouseClick(dialog.write_button, LEFT)
        content = json.loads((tmp_path / "all.json").read_text())
        assert [image["file_name"] for image in content["images"]] == [
            f"cells/cell {n}.png" for n in (1, 2, 3)
        ]
        assert len(content["annotations"]) == 3
        assert "Exported 3 images" in window.messages.message.sentence

    def test_another_choice_of_images_is_looked_at_anew(self, qtbot, with_project):
        window = with_project
        labelled(window)
        window.projects.project.set_status(3, "in work")
        dialog = export_dialog(qtbot, window)
        box = dialog.form.images
        assert [box.itemText(i) for i in range(3)] == [
            "Accepted (2)",
            "Accepted and in work (3)",
            "All with labels (3)",
        ]
        with qtbot.waitSignal(dialog.form.checked, timeout=ENGINE_MS) as checked:
            box.setFocus()
            QTest.keyClick(box, Qt.Key.Key_Down)
            box.activated.emit(box.currentIndex())
        assert checked.args[0].told.n_images in (2, 3)
        qtbot.waitUntil(lambda: "3 images" in dialog.form.summary, timeout=ENGINE_MS)
        dialog.reject()
