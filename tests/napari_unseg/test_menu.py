"""File > IO Utilities, as a person uses it: the entry, the dialog, the layers or the file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from napari_unseg.set_export import SetExport
from napari_unseg.tables import categories_in
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLineEdit

from unseg_studio.data import Annotation, Category, Source, regions_from_labels
from unseg_studio.formats import FORMATS, export
from unseg_studio.widgets import ExportWish

TABLE = (Category(1, "nucleus", "#e69f00"),)
MASKS = np.kron(np.eye(4, dtype=np.int32), np.ones((3, 3), np.int32))


@pytest.fixture(autouse=True)
def nothing_said():
    notification_manager.records.clear()


def said():
    return [notification.message for notification in notification_manager.records]


def press(dialog):
    """The button that takes what is chosen."""
    box = dialog.findChild(QDialogButtonBox)
    accept = QDialogButtonBox.ButtonRole.AcceptRole
    next(button for button in box.buttons() if box.buttonRole(button) == accept).click()


@pytest.fixture
def choose(viewer, qtbot):
    """Click an entry of the menu, and answer its dialog with a path, or cancel it with None."""

    def choose(title, path=None):
        answered = []

        def answer():
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                return  # not yet
            timer.stop()
            answered.append(dialog.windowTitle())
            if path is None:
                dialog.reject()
            else:
                dialog.findChild(QLineEdit).setText(str(path))
                press(dialog)

        menu = next(
            action.menu()
            for action in viewer.window.file_menu.actions()
            if action.text().replace("&", "") == "IO Utilities"
        )
        menu.aboutToShow.emit()
        action = next(action for action in menu.actions() if action.text().startswith(title))
        timer = QTimer(interval=10)
        timer.timeout.connect(answer)
        timer.start()
        action.trigger()
        timer.stop()
        return answered

    return choose


def annotation(folder):
    regions = regions_from_labels(MASKS, TABLE)
    return Annotation(MASKS.shape, Source(folder / "cell.png"), TABLE, regions)


TELL_THEIR_SIZE = ("coco", "png", "ome-tiff", "labelme", "qupath")


@pytest.mark.parametrize("name", TELL_THEIR_SIZE)
def test_masks_are_imported_with_their_names(viewer, choose, tmp_path, name):
    path = tmp_path / FORMATS[name].named("masks")
    export(annotation(tmp_path), path, format=name)
    assert choose("Import masks from a file", path) == ["Import masks"]
    (layer,) = viewer.layers
    np.testing.assert_array_equal(layer.data, MASKS)
    assert categories_in(layer.metadata) == TABLE


@pytest.mark.parametrize("name", ["yolo", "voc", "png-folder", "coco-panoptic", "ome-zarr"])
def test_masks_of_a_folder_are_imported_over_the_selected_layer(viewer, choose, tmp_path, name):
    path = tmp_path / FORMATS[name].named("masks")
    export(annotation(tmp_path), path, format=name)
    viewer.add_image(MASKS.astype(float), name="cell.png", scale=(2, 2), translate=(3, 4))
    assert choose("Import masks from a folder", path) == ["Import masks from folder"]
    _, layer = viewer.layers
    np.testing.assert_array_equal(layer.data, MASKS)
    assert [category.name for category in categories_in(layer.metadata)][-1] == "nucleus"
    np.testing.assert_array_equal(layer.scale, (2, 2))
    np.testing.assert_array_equal(layer.translate, (3, 4))


def test_masks_that_tell_no_size_need_the_image(viewer, choose, tmp_path):
    export(annotation(tmp_path), tmp_path / "set", format="yolo")
    choose("Import masks from a folder", tmp_path / "set")
    assert "Open the image and select its layer first." in said()[0]
    assert not viewer.layers


@pytest.mark.parametrize("name", ["a.json", "a.png", "a.txt"])
def test_a_file_of_another_kind_is_refused_with_a_sentence(viewer, choose, tmp_path, name):
    (tmp_path / name).write_text("hello")
    choose("Import masks from a file", tmp_path / name)
    assert not viewer.layers
    assert "accepted" in said()[0]


def test_selected_labels_are_exported_as_coco(viewer, choose, tmp_path):
    layer = viewer.add_labels(MASKS, name="cells")
    viewer.add_labels(MASKS, name="other")
    viewer.layers.selection = {layer}
    choose("Export selected labels as COCO... ", tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["cells"]
    assert said() == [f"Wrote {tmp_path / 'out.json'}."]


def test_every_label_can_be_exported_as_an_object(viewer, choose, tmp_path):
    viewer.add_labels(np.arange(16).reshape(4, 4), name="cells")
    choose("Export selected labels as COCO, every label an object", tmp_path / "out")
    content = json.loads((tmp_path / "out.json").read_text())
    assert len(content["annotations"]) == 15


def test_a_stack_is_exported_as_png_files(viewer, choose, tmp_path):
    viewer.add_labels(np.stack([MASKS, MASKS]), name="cells")
    choose("Export selected labels as indexed PNG", tmp_path / "out.png")
    assert len([*tmp_path.glob("out_z*.png")]) == 2
    assert said() == [f"Wrote {tmp_path / 'out_z0000.png'} and 1 more."]


def test_an_export_that_fails_says_so(viewer, choose, tmp_path):
    viewer.add_labels(MASKS * 300, name="cells")
    choose("Export selected labels as indexed PNG", tmp_path / "out.png")
    assert "room for labels up to 255" in said()[0]
    assert not any(tmp_path.iterdir())


def test_without_labels_there_is_nothing_to_export(viewer, choose):
    viewer.add_image(np.eye(9))
    assert choose("Export selected labels as COCO... ") == []
    assert "No Labels layer is selected" in said()[0]


def test_a_dialog_may_be_cancelled(viewer, choose, tmp_path):
    viewer.add_labels(MASKS)
    for title in (
        "Import masks from a file",
        "Import masks from a folder",
        "Export selected labels as COCO... ",
        "Export selected labels as",
    ):
        assert len(choose(title)) == 1
    assert len(viewer.layers) == 1
    assert not said()


def exporting(viewer):
    """The dialog behind the entry that shows what will be written."""
    menu = next(
        action.menu()
        for action in viewer.window.file_menu.actions()
        if action.text().replace("&", "") == "IO Utilities"
    )
    menu.aboutToShow.emit()
    next(a for a in menu.actions() if a.text().startswith("Export selected labels...")).trigger()
    return next(w for w in QApplication.topLevelWidgets() if isinstance(w, SetExport))


def test_selected_labels_are_exported_to_a_split_data_set(viewer, qtbot, tmp_path):
    viewer.add_labels(MASKS, name="a")
    viewer.add_labels(np.stack([MASKS, 0 * MASKS]), name="b")
    viewer.layers.select_all()
    dialog = exporting(viewer)
    with qtbot.waitSignal(dialog.form.checked) as said_:
        pass
    assert said_.args[0].summary() == "2 regions in 1 category, 3 images"
    assert "b_z0001" in dialog.form._details.text()
    dialog.form.show_wish(ExportWish("yolo", val=0.5))
    with qtbot.waitSignal(dialog.written) as done:
        dialog.write(tmp_path / "set")
    assert done.args[0].agreement.overall == 1
    assert {p.parent.name for p in (tmp_path / "set" / "labels").glob("*/*.txt")} == {
        "train",
        "val",
    }
    qtbot.waitUntil(lambda: any("IoU 1.000" in sentence for sentence in said()))


def test_a_data_set_that_cannot_be_written_keeps_the_dialog(viewer, qtbot, tmp_path):
    viewer.add_labels(MASKS, name="a")
    dialog = exporting(viewer)
    dialog.write(tmp_path / "absent" / "out.json")
    qtbot.waitUntil(dialog._said.isVisible)
    assert "was not written" in dialog._said.text()
    assert dialog.export_button.isEnabled()
    dialog.reject()
