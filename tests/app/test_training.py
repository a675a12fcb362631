"""A training in the real window, on real projects."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.app import test_queue_in_window as queue
from tests.app.test_queue_in_window import CTRL, ENGINE_MS, LEFT, shown
from unseg_studio.app.gallery import GalleryDialog
from unseg_studio.app.training import TrainingDialog
from unseg_studio.project import Project
from unseg_studio.segmenters import make_segmenter

folder, project_file, with_project = queue.folder, queue.project_file, queue.with_project


def brief(**more):
    return make_segmenter(
        "diffcluster", **{"iterations": 20, "size": 32, "max_clusters": 6, **more}
    )


@pytest.fixture
def dialog(qtbot, with_project):
    return opened(qtbot, with_project)


def opened(qtbot, window, segmenter=None):
    dialog = asked_for(qtbot, window)
    dialog.view.choose(segmenter or brief())
    return dialog


def asked_for(qtbot, window):
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_T, CTRL)
    (dialog,) = shown(TrainingDialog)
    qtbot.waitUntil(dialog.view.start_button.isEnabled, timeout=ENGINE_MS)
    return dialog


def press(button):
    assert button.isVisible() and button.isEnabled()
    QTest.mouseClick(button, LEFT)


def train(qtbot, dialog):
    with qtbot.waitSignal(dialog.view.trained, timeout=ENGINE_MS):
        press(dialog.view.start_button)


class TestMayTrain:
    def test_without_a_project_it_says_why_not(self, window):
        action = window.actions_["train"]
        assert not action.isEnabled() and "No project is open" in action.toolTip()

    def test_a_project_that_is_read_only_says_why_not(self, qtbot, window, project_file):
        with Project.open(project_file):
            window.open_paths([project_file])
            queue.wait_for(qtbot, window, "cell 1.png")
            action = window.actions_["train"]
            assert not action.isEnabled() and window.projects.project.notice in action.toolTip()
            window.projects.let_go()

    def test_rejected_images_are_not_learned_from(self, qtbot, with_project):
        project = with_project.projects.project
        project.set_status(4, "rejected")
        dialog = opened(qtbot, with_project)
        assert dialog.view._count.text() == "Learns from 3 images."
        dialog.close()
        for image in (1, 2, 3):
            project.set_status(image, "rejected")
        with_project.actions_.refresh()
        assert "add some" in with_project.actions_["train"].toolTip()


class TestTraining:
    def test_a_model_is_learned_used_and_proposes_for_all(self, qtbot, with_project, dialog):
        window, project = with_project, with_project.projects.project
        train(qtbot, dialog)
        (model,) = project.trained.all()
        assert model.method == "diffcluster" and model.facts["n_images"] == 4
        assert "diffcluster 1" in window.messages.message.sentence
        box = window.panels.segmenter.models
        assert [box.itemText(i) for i in range(box.count())] == ["None", "diffcluster 1"]
        for image in (2, 3):  # each image more is a process more
            project.set_status(image, "rejected")
        with qtbot.waitSignal(dialog.view.proposed, timeout=ENGINE_MS):
            press(dialog.view.propose_button)
        press(dialog.view.gallery_button)
        (gallery,) = shown(GalleryDialog)
        gallery.close()
        project.flush()
        assert 4 in project.made_by(model.segmenter)
        qtbot.waitUntil(lambda: window.document.segmenter == model.segmenter, timeout=ENGINE_MS)
        box = window.panels.segmenter.models  # of the open image, which shows what was proposed
        assert box.currentText() == "diffcluster 1"
        QTest.keyClick(box, Qt.Key.Key_Up)
        qtbot.waitUntil(lambda: not window.document.segmenter.model, timeout=ENGINE_MS)
        QTest.keyClick(box, Qt.Key.Key_Down)
        qtbot.waitUntil(lambda: window.document.segmenter == model.segmenter, timeout=ENGINE_MS)
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
        dialog.close()

    def test_strokes_are_answered_meanwhile(self, qtbot, with_project):
        window = with_project
        dialog = opened(qtbot, window, brief(iterations=2000))
        press(dialog.view.start_button)
        qtbot.waitUntil(lambda: bool(dialog.view.curve.losses), timeout=ENGINE_MS)
        window.document.set_segmenter(make_segmenter("diffcluster", iterations=4, size=32))
        window.document.paint([(5, 5), (5, 15)], radius=2)
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
        assert window.document.labels[5, 10] == 1
        assert dialog.view.phase == "training"
        dialog.close()

    def test_after_the_dialog_was_closed_it_goes_on_where_it_was(self, qtbot, with_project):
        window, project = with_project, with_project.projects.project
        dialog = opened(qtbot, window, brief(iterations=200))
        press(dialog.view.start_button)
        qtbot.waitUntil(lambda: bool(project.trained.left()), timeout=ENGINE_MS)
        dialog.close()
        assert window.trainings.dialog is None
        again = asked_for(qtbot, window)
        qtbot.waitUntil(lambda: again.view.left is not None, timeout=ENGINE_MS)
        assert again.view.segmenter == brief(iterations=200)
        n = again.view.left.n_steps
        press(again.view.start_button)
        qtbot.waitUntil(lambda: bool(again.view.curve.losses), timeout=ENGINE_MS)
        assert again.view.curve.losses[0][0] > n
        again.close()

    def test_a_window_that_closes_ends_the_training_and_keeps_it(
        self, qtbot, with_project, project_file
    ):
        window, project = with_project, with_project.projects.project
        dialog = opened(qtbot, window, brief(iterations=500))
        press(dialog.view.start_button)
        qtbot.waitUntil(lambda: bool(project.trained.left()), timeout=ENGINE_MS)
        streams = dialog.view.streams
        window.leave()
        assert all(stream.is_over for stream in streams)
        with Project.open(project_file) as kept:
            assert not kept.read_only
            (left,) = kept.trained.left()
            assert left.method == "diffcluster" and left.n_steps > 0

    def test_an_image_that_is_broken_is_left_out(self, qtbot, with_project, folder):
        (folder / "cell 3.png").write_bytes(b"no image")
        dialog = opened(qtbot, with_project)
        train(qtbot, dialog)
        assert "1 image was left out" in dialog.view._skipped.text()
        (model,) = with_project.projects.project.trained.all()
        assert model.facts["n_images"] == 3
        dialog.close()

    def test_escape_closes_the_dialog_and_there_is_one_at_a_time(self, qtbot, with_project, dialog):
        assert asked_for(qtbot, with_project) is dialog
        dialog.activateWindow()
        qtbot.waitUntil(dialog.isActiveWindow)
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        assert not shown(TrainingDialog)
