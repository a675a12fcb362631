"""Training on images of napari: layers, planes of a stack, folders; and the model in the dock."""

from __future__ import annotations

import numpy as np
import pytest
from napari_unseg.training import NO_IMAGES, TrainDock, kept_choices
from PIL import Image as Pil
from qtpy.QtCore import Qt

from unseg_studio.segmenters import make_segmenter
from unseg_studio.segmenters.models import kept, load
from unseg_studio.widgets import SegmenterBox

LEFT = Qt.MouseButton.LeftButton
ENGINE_MS = 60_000


def brief(**more):
    return make_segmenter(
        "diffcluster", **{"iterations": 10, "size": 32, "max_clusters": 4, **more}
    )


@pytest.fixture
def opened(qtbot, viewer):
    """Opens the widget as napari's menu does, after layers were added."""
    docks = []

    def open_widget(segmenter=None):
        dock = viewer.window.add_plugin_dock_widget("unseg-studio", "Train on images")[1]
        docks.append(dock)
        assert isinstance(dock, TrainDock)
        if dock.view.names:
            qtbot.waitUntil(dock.view.start_button.isEnabled, timeout=ENGINE_MS)
        dock.view.choose(segmenter or brief())
        return dock

    yield open_widget
    for dock in docks:
        dock.view.stop()
        for stream in dock.view.streams:
            stream.close()


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, LEFT)


def train(qtbot, dock):
    with qtbot.waitSignal(dock.view.trained, timeout=ENGINE_MS):
        press(qtbot, dock.view.start_button)


class TestImages:
    def test_without_a_layer_it_says_what_to_do(self, opened):
        dock = opened()
        assert dock._about.text() == NO_IMAGES
        assert not dock.view.start_button.isEnabled()

    def test_all_planes_of_the_selected_layers_count(self, viewer, cells, image, opened):
        dock = opened()
        assert len(dock.view.names) == 1  # the layer that was added last is selected
        viewer.layers.selection = {cells, image}
        assert len(dock.view.names) == 7
        assert "7 images in the selected layers." in dock._about.text()
        viewer.add_labels(np.zeros((4, 4), np.uint8))
        assert dock.view.names == () or not len(dock.view.names)

    def test_the_files_of_a_folder_count(self, qtbot, opened, tmp_path):
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 255, (30, 40, 3), np.uint8)
            Pil.fromarray(pixels).save(tmp_path / f"{number}.png")
        (tmp_path / "3.png").write_bytes(b"no image")
        dock = opened()
        dock.take_folder(tmp_path)
        qtbot.waitUntil(dock.view.start_button.isEnabled, timeout=ENGINE_MS)
        assert len(dock.view.names) == 3
        train(qtbot, dock)
        assert "1 image was left out" in dock.view._skipped.text()

    def test_a_folder_that_is_gone_is_said(self, opened, tmp_path):
        dock = opened()
        dock.take_folder(tmp_path / "nowhere")
        assert "cannot be looked into" in dock.said


class TestModels:
    def test_a_model_is_kept_as_a_file_and_at_hand_in_the_dock(
        self, qtbot, viewer, cells, opened, dock, tmp_path
    ):
        training = opened()
        train(qtbot, training)
        choice = kept_choices()[0]
        assert choice.name.startswith("DiffCluster, 6 images")
        path = tmp_path / "cells.safetensors"
        training.keep_as(path)
        qtbot.waitUntil(lambda: str(path) in training.said, timeout=ENGINE_MS)
        assert load(path) == kept(choice.digest)
        training.open_model(path)
        qtbot.waitUntil(lambda: "offers now" in training.said, timeout=ENGINE_MS)
        dock.begin()
        box = dock.panels._make_segmenter()
        assert isinstance(box, SegmenterBox)
        qtbot.addWidget(box)
        box.models.setFocus()
        qtbot.keyClick(box.models, Qt.Key.Key_Down)
        document = dock.session.document
        qtbot.waitUntil(lambda: document.segmenter == choice.segmenter(), timeout=ENGINE_MS)
        qtbot.waitUntil(lambda: document.status.phase == "done", timeout=ENGINE_MS)

    def test_a_file_that_is_no_model_is_refused_in_a_sentence(self, qtbot, opened, tmp_path):
        path = tmp_path / "odd.safetensors"
        path.write_bytes(b"no model")
        training = opened()
        training.open_model(path)
        qtbot.waitUntil(lambda: "is no model" in training.said, timeout=ENGINE_MS)

    def test_what_was_cancelled_is_gone_on_with_on_the_same_images(
        self, qtbot, viewer, cells, opened
    ):
        first = opened(brief(iterations=300))
        press(qtbot, first.view.start_button)
        qtbot.waitUntil(lambda: bool(first.view._source.left()), timeout=ENGINE_MS)
        press(qtbot, first.view.cancel_button)
        qtbot.waitUntil(lambda: first.view.left is not None, timeout=ENGINE_MS)
        second = opened(brief(iterations=300))
        assert second.view.left is not None and second.view.left.n_steps > 0
        first.view._source.forget("diffcluster")
