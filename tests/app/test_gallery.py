"""The gallery of clusters in the real window, with real clicks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.app.test_queue_in_window import ENGINE_MS, LEFT, shown, wait_for
from tests.project.test_batch import photographs
from tests.project.test_gallery import ROAD, SKY, A, B, C, labels, make
from unseg_studio.app.gallery import AREA, SELECT, SELECT_TWO, GalleryDialog
from unseg_studio.data import FIRST_CLUSTER, read_image
from unseg_studio.project import Project
from unseg_studio.project.gallery import Gallery
from unseg_studio.project.naming import FIRST_PART, IGNORED
from unseg_studio.project.train import train_on
from unseg_studio.segmenters import DiffCluster
from unseg_studio.segmenters.models import Model

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def project_file(tmp_path):
    project = make(tmp_path)
    project.wait_for_fingerprints()
    project.close()
    return project.path


@pytest.fixture
def with_clusters(qtbot, window, project_file):
    """The window on the first of four images for which a model has proposed labels."""
    window.open_paths([project_file])
    wait_for(qtbot, window, "photo 0.png")
    return window


@pytest.fixture
def gallery(qtbot, with_clusters):
    return opened(qtbot, with_clusters)


def opened(qtbot, window):
    """Press the keys, and wait until all thumbnails are there."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_G, CTRL)
    qtbot.waitUntil(lambda: bool(shown(GalleryDialog)), timeout=ENGINE_MS)
    dialog = shown(GalleryDialog)[0]
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)
    rest(qtbot, dialog)
    return dialog


def rest(qtbot, dialog):
    qtbot.waitUntil(lambda: not dialog.is_busy, timeout=ENGINE_MS)


def trained_project(folder):
    """Two images and a model that has not seen any of them yet."""
    files = photographs(folder / "images", 2)
    with Project.create(folder / "new.unseg") as project:
        project.add_images(files)
        segmenter = DiffCluster(iterations=4, size=32, width=8, max_clusters=3)
        for _ in train_on(project, segmenter, device="cpu"):
            pass
        project.wait_for_fingerprints()
    return project.path


def judged(project, model):
    """Clusters of the first image by a model."""
    scorer = model.segmenter.scorer(project.trained.model(model.digest), torch.device("cpu"))
    with torch.no_grad():
        winners = scorer(read_image(project.image(1).file).rgb).argmax(dim=0)
    return winners.numpy() + FIRST_CLUSTER


def rows(dialog):
    return {item.cluster.id: item for item in dialog._items()}


def select(dialog, *ids):
    """Click rows, with Ctrl from the second on."""
    for number, id_ in enumerate(ids):
        place = dialog.list.visualItemRect(rows(dialog)[id_]).center()
        keys = CTRL if number else Qt.KeyboardModifier.NoModifier
        QTest.mouseClick(dialog.list.viewport(), LEFT, keys, place)


def press(qtbot, dialog, push):
    assert push.isEnabled(), push.toolTip()
    QTest.mouseClick(push, LEFT)
    rest(qtbot, dialog)


def type_name(dialog, name):
    edit = dialog.category.lineEdit()
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, name)


def labels_in(window, image):
    project = window.projects.project
    project.flush()
    return project.open_document(image).labels


class TestLooking:
    def test_each_cluster_has_a_row_with_thumbnails_and_figures(self, gallery):
        items = rows(gallery)
        assert set(items) == {A, B, C}
        texts = [items[B].text(place) for place in range(5)]
        assert texts[0] == "cluster 2" and texts[AREA:] == ["35.4%", "4", "50%"]
        assert items[C].text(4) == "not known"
        assert all(not item.icon(1).isNull() for item in items.values())
        assert gallery.summary.text() == "3 clusters in 4 images, 0 named"

    def test_columns_are_sorted_by_what_they_mean(self, gallery):
        gallery.list.sortByColumn(4, Qt.SortOrder.AscendingOrder)
        assert [item.cluster.id for item in gallery._items()] == [C, A, B]

    def test_without_a_project_the_action_says_why(self, window):
        action = window.actions_["clusters"]
        assert not action.isEnabled() and "No project is open" in action.toolTip()

    def test_without_a_model_it_says_what_to_do_first(self, qtbot, window, tmp_path):
        with Project.create(tmp_path / "empty.unseg") as project:
            project.set_categories(window.document.categories)
        window.open_paths([tmp_path / "empty.unseg"])
        qtbot.waitUntil(lambda: window.projects.project is not None, timeout=ENGINE_MS)
        dialog = opened(qtbot, window)
        assert dialog.empty.isVisible() and "train a model" in dialog.empty.text()
        assert not dialog.name_button.isEnabled()

    def test_without_proposals_it_says_what_to_do_first(self, qtbot, with_clusters):
        for image in range(1, 5):
            with_clusters.projects.project.set_status(image, "rejected")
        dialog = opened(qtbot, with_clusters)
        assert dialog.empty.isVisible() and "has not proposed labels" in dialog.empty.text()

    def test_the_model_proposes_labels_from_here(self, qtbot, window, tmp_path):
        window.open_paths([trained_project(tmp_path)])
        wait_for(qtbot, window, "photo 0.png")
        dialog = opened(qtbot, window)
        assert dialog.empty.isVisible() and "1 image," in dialog.propose_button.toolTip()
        press(qtbot, dialog, dialog.propose_button)
        assert dialog.summary.text().endswith("in 1 image, 0 named")
        assert not dialog.propose_button.isEnabled()
        project = window.projects.project
        assert project.image(2).status == "proposed"

    def test_a_model_that_runs_in_the_window_calls_its_clusters_as_in_all_images(
        self, qtbot, window, tmp_path
    ):
        window.open_paths([trained_project(tmp_path)])
        wait_for(qtbot, window, "photo 0.png")
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
        project = window.projects.project
        model = project.trained.all()[0]
        truth = judged(project, model)
        first = int(truth.min())
        Gallery(project, model).name([first], 1)
        window.document.set_segmenter(model.segmenter)
        qtbot.waitUntil(lambda: 1 in window.document.shown.areas, timeout=ENGINE_MS)
        found = Gallery(project, model).clusters()
        assert {row.id for row in found} == set(np.unique(truth).tolist())
        assert next(row for row in found if row.id == first).name == 1
        assert set(window.document.shown.areas) == {1, *np.unique(truth).tolist()} - {first}

    def test_an_unreadable_image_is_told_and_the_others_are_shown(self, qtbot, with_clusters):
        with_clusters.projects.project.image(2).file.write_bytes(b"no image")
        dialog = opened(qtbot, with_clusters)
        assert "photo 1.png" in dialog.bar.message.sentence
        assert all(not item.icon(1).isNull() for item in rows(dialog).values())

    def test_a_project_that_is_only_read_is_shown_and_the_buttons_say_why(
        self, qtbot, window, project_file
    ):
        with Project.open(project_file):
            window.open_paths([project_file])
            wait_for(qtbot, window, "photo 0.png")
            dialog = opened(qtbot, window)
            select(dialog, A, B)
            assert set(rows(dialog)) == {A, B, C}
            for push in (dialog.name_button, dialog.merge_button, dialog.split_button,
                         dialog.ignore_button, dialog.undo_button):  # fmt: skip
                assert not push.isEnabled() and "reading only" in push.toolTip()
            dialog.reject()


class TestNaming:
    def test_a_name_that_is_typed_is_that_of_all_images_and_of_the_open_one(
        self, qtbot, with_clusters, gallery
    ):
        select(gallery, A)
        type_name(gallery, "forest")
        QTest.keyClick(gallery.category.lineEdit(), Qt.Key.Key_Return)
        rest(qtbot, gallery)
        forest = next(c for c in with_clusters.document.categories if c.name == "forest")
        assert rows(gallery)[A].text(0) == "forest"
        assert gallery.summary.text() == "3 clusters in 4 images, 1 named"
        assert with_clusters.document.labels[0, 0] == forest.id
        assert labels_in(with_clusters, 3)[0, 0] == forest.id

    def test_the_open_image_takes_the_name_back_by_its_own_undo(
        self, qtbot, with_clusters, gallery
    ):
        select(gallery, A)
        type_name(gallery, "sky")
        press(qtbot, gallery, gallery.name_button)
        gallery.reject()
        assert with_clusters.document.labels[0, 0] == SKY
        with_clusters.activateWindow()
        qtbot.waitUntil(with_clusters.isActiveWindow)
        QTest.keyClick(with_clusters, Qt.Key.Key_Z, CTRL)
        np.testing.assert_array_equal(with_clusters.document.labels, labels(0))
        assert labels_in(with_clusters, 2)[0, 0] == SKY

    def test_two_clusters_are_merged_and_taken_apart_again(self, qtbot, with_clusters, gallery):
        select(gallery, A, B)
        press(qtbot, gallery, gallery.merge_button)
        assert set(rows(gallery)) == {A, C} and "+ 1" in rows(gallery)[A].text(0)
        assert set(np.unique(labels_in(with_clusters, 2))) == {A, C}
        assert "merge clusters" in gallery.undo_button.toolTip()
        QTest.keyClick(gallery, Qt.Key.Key_Z, CTRL)
        qtbot.waitUntil(lambda: set(rows(gallery)) == {A, B, C}, timeout=ENGINE_MS)
        np.testing.assert_array_equal(labels_in(with_clusters, 2), labels(1))

    def test_a_cluster_is_ignored_by_key(self, qtbot, with_clusters, gallery):
        select(gallery, C)
        QTest.keyClick(gallery.list, Qt.Key.Key_Delete)
        qtbot.waitUntil(lambda: rows(gallery)[C].text(0) == "ignored", timeout=ENGINE_MS)
        assert rows(gallery)[C].cluster.name == IGNORED
        np.testing.assert_array_equal(labels_in(with_clusters, 4) == 0, labels(3) == C)

    def test_a_cluster_is_split_in_all_images(self, qtbot, with_clusters, gallery):
        select(gallery, A, B)
        press(qtbot, gallery, gallery.merge_button)
        select(gallery, A)
        press(qtbot, gallery, gallery.split_button)
        (part,) = (id_ for id_ in rows(gallery) if id_ >= FIRST_PART)
        assert rows(gallery)[part].text(0).startswith("part ")
        for image in (2, 4):
            assert {A, part} <= set(np.unique(labels_in(with_clusters, image)))
        assert part in np.unique(with_clusters.document.labels)

    def test_different_names_are_not_merged_and_it_says_why(self, qtbot, gallery):
        for id_, name in ((A, "sky"), (B, "road")):
            select(gallery, id_)
            type_name(gallery, name)
            press(qtbot, gallery, gallery.name_button)
        select(gallery, A, B)
        press(qtbot, gallery, gallery.merge_button)
        assert "have different names" in gallery.bar.message.sentence
        assert [rows(gallery)[id_].cluster.name for id_ in (A, B)] == [SKY, ROAD]

    def test_accepted_images_follow_when_that_is_ticked(self, qtbot, with_clusters, gallery):
        project = with_clusters.projects.project
        document = project.open_document(4)
        project.accept(4, document)
        del document
        select(gallery, A)
        type_name(gallery, "sky")
        press(qtbot, gallery, gallery.name_button)
        assert labels_in(with_clusters, 4)[0, 0] == A
        QTest.mouseClick(gallery.accepted_too, LEFT, pos=left_of(gallery.accepted_too))
        assert gallery.accepted_too.isChecked()
        select(gallery, B)
        type_name(gallery, "road")
        press(qtbot, gallery, gallery.name_button)
        assert labels_in(with_clusters, 4)[0, 0] == SKY
        assert project.image(4).status == "done"

    def test_the_names_of_another_model_are_taken_by_a_click(self, qtbot, window, tmp_path):
        path = trained_project(tmp_path)
        with Project.open(path) as project:
            old = project.trained.all()[0]
            ids = {int(i) for i in np.unique(judged(project, old))}
            Gallery(project, old).name(sorted(ids), 1)
            model = project.trained.model(old.digest)
            again = Model(model.method, model.parameters, model.tensors, {"seed": 9})
            project.trained.add(again, "again")
        window.open_paths([path])
        wait_for(qtbot, window, "photo 0.png")
        dialog = opened(qtbot, window)
        assert dialog.model.currentText() == "again"
        press(qtbot, dialog, dialog.inherit_button)
        assert dialog.inherit_button.isHidden()
        assert f"{len(ids)} cluster" in dialog.bar.message.sentence
        names = window.projects.project.trained.naming(again.digest).names
        assert names == dict.fromkeys(ids, 1)

    def test_what_was_cancelled_follows_when_it_is_opened_again(
        self, qtbot, with_clusters, gallery
    ):
        project = with_clusters.projects.project
        select(gallery, A)
        type_name(gallery, "sky")
        QTest.mouseClick(gallery.name_button, LEFT)
        gallery._errand.stop()  # as the button does, but sooner than a hand could
        rest(qtbot, gallery)
        qtbot.waitUntil(lambda: bool(rows(gallery)[A].cluster.name), timeout=ENGINE_MS)
        gallery.reject()
        dialog = opened(qtbot, with_clusters)
        assert rows(dialog)[A].cluster.name == SKY
        assert all(project.open_document(image).labels[0, 0] == SKY for image in (2, 3, 4))

    def test_buttons_say_what_they_need(self, gallery):
        assert gallery.name_button.toolTip() == SELECT
        assert gallery.merge_button.toolTip() == SELECT_TWO
        assert "nothing to take back" in gallery.undo_button.toolTip()
        select(gallery, A)
        assert gallery.name_button.isEnabled() and "Ctrl" in gallery.name_button.toolTip()
        QTest.mouseClick(gallery.name_button, LEFT)
        assert "Type a name" in gallery.bar.message.sentence

    def test_images_that_were_left_follow_when_it_is_opened_again(self, qtbot, with_clusters):
        project = with_clusters.projects.project
        model = project.trained.all()[0]
        naming = project.trained.naming(model.digest).named((A,), SKY)
        project.trained.keep_naming(model.digest, naming, "name clusters")  # and then killed
        dialog = opened(qtbot, with_clusters)
        assert rows(dialog)[A].text(0) == "sky"
        assert labels_in(with_clusters, 3)[0, 0] == SKY
        assert with_clusters.document.labels[0, 0] == SKY


def left_of(box):
    """Where the square of a check box is."""
    point = box.rect().center()
    point.setX(8)
    return point
