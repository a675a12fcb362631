"""The review queue in the real window, on real projects."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pil
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from unseg_studio.app.ahead import Ahead
from unseg_studio.app.dialogs import key_sheet
from unseg_studio.app.project_dialogs import BY_CONTENT, RelinkDialog
from unseg_studio.project import Project

LEFT = Qt.MouseButton.LeftButton
ENTER, PAGE_UP, PAGE_DOWN = Qt.Key.Key_Return, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown
CTRL = Qt.KeyboardModifier.ControlModifier
ENGINE_MS = 60_000


def shown(kind):
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


def write_images(folder, count):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    for number in range(1, count + 1):
        pixels = rng.integers(0, 60, (40, 56, 3)).astype(np.uint8)
        pixels[:, 4 * number + 10 :] += 150
        Pil.fromarray(pixels).save(folder / f"cell {number}.png")
    return folder


def grey_image(number):
    """Dark on the left and bright on the right, where another column begins with each number."""
    pixels = np.random.default_rng(number).integers(0, 60, (40, 56)).astype(np.uint8)
    pixels[:, 20 + 4 * number :] += 150
    return pixels


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "cells", 4)


@pytest.fixture
def project_file(tmp_path, folder):
    path = tmp_path / "cells.unseg"
    with Project.create(path) as project:
        project.add_images(sorted(folder.iterdir()))
        project.wait_for_fingerprints()
    return path


@pytest.fixture
def with_project(qtbot, window, project_file):
    """The window on the first image of the project."""
    window.open_paths([project_file])
    wait_for(qtbot, window, "cell 1.png")
    window.canvas.setFocus()
    return window


def wait_for(qtbot, window, name):
    def is_open():
        entry = window.review.current
        return entry is not None and entry.name == name

    qtbot.waitUntil(is_open, timeout=ENGINE_MS)


def is_open_somewhere(path):
    with Project.open(path) as project:
        return project.read_only


def names(window):
    model = window.queue.model
    return [model.index(row).data() for row in range(model.rowCount())]


class TestOpening:
    def test_a_project_shows_its_images_and_opens_the_first_unfinished_one(self, with_project):
        window = with_project
        assert names(window) == [f"cell {n}.png" for n in range(1, 5)]
        assert window.document.image.source.name == "cell 1.png"
        assert "cells" in window.windowTitle()
        assert window._docks["Images"].isVisible()

    def test_without_a_project_the_queue_is_out_of_sight_and_says_why(self, window):
        assert not window._docks["Images"].isVisible()
        for name in ("next", "previous", "accept", "reject", "most_uncertain", "relink", "save"):
            action = window.actions_[name]
            assert not action.isEnabled()
            assert "No project is open" in action.toolTip()

    def test_a_dropped_folder_becomes_a_project_that_is_kept_from_the_start(
        self, qtbot, window, folder
    ):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(folder))])
        event = QDropEvent(
            QPointF(5, 5), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier
        )
        window.dropEvent(event)
        wait_for(qtbot, window, "cell 1.png")
        assert window.projects.is_unsaved
        assert "not saved yet" in window.windowTitle()
        window.document.brush([(5, 5)], radius=2)
        window.projects.project.flush()
        with Project.open(window.projects.project.path, read_only=True) as kept:
            assert kept.open_document(1).labels[5, 5] == window.document.active

    def test_an_unsaved_project_goes_on_under_the_name_that_it_gets(
        self, qtbot, window, folder, tmp_path
    ):
        window.open_paths([folder])
        wait_for(qtbot, window, "cell 1.png")
        window.document.brush([(5, 5)], radius=2)
        before = window.projects.project.path
        window.projects.save_copy(tmp_path / "kept.unseg")
        qtbot.waitUntil(lambda: window.projects.title == "kept", timeout=ENGINE_MS)
        wait_for(qtbot, window, "cell 1.png")
        assert not before.exists()
        assert window.document.labels[5, 5] == window.document.active

    def test_images_are_added_while_somebody_works(self, qtbot, with_project, tmp_path):
        window = with_project
        window.document.brush([(5, 5)], radius=2)
        document = window.document
        more = write_images(tmp_path / "more", 2)
        window.open_paths([more])
        qtbot.waitUntil(lambda: len(names(window)) == 6)
        assert window.document is document

    def test_a_folder_without_images_is_said_in_words(self, qtbot, window, tmp_path):
        empty = tmp_path / "empty"
        empty.mkdir()
        window.open_paths([empty])
        qtbot.waitUntil(window.messages.isVisible)
        assert "no image in empty" in window.messages.message.sentence
        assert window.projects.project is None

    def test_an_image_that_is_no_image_is_said_and_the_open_one_stays(
        self, qtbot, with_project, tmp_path
    ):
        window = with_project
        (tmp_path / "cells" / "cell 2.png").write_text("no image")
        qtbot.keyClick(window.canvas, PAGE_DOWN)
        qtbot.waitUntil(lambda: "cell 2.png" in window.messages.message.sentence, timeout=ENGINE_MS)
        assert window.review.current.name == "cell 1.png"

    def test_a_project_that_is_open_elsewhere_can_be_looked_at_only(
        self, qtbot, window, project_file
    ):
        with Project.open(project_file):
            window.open_paths([project_file])
            wait_for(qtbot, window, "cell 1.png")
            assert "reading only" in window.messages.message.sentence
            assert not window.actions_["accept"].isEnabled()
            assert "reading only" in window.actions_["accept"].toolTip()
            assert "read only" in window.windowTitle()


class TestReviewing:
    def test_enter_accepts_and_opens_the_next_unfinished_one(self, qtbot, with_project):
        window = with_project
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
        qtbot.keyClick(window.canvas, ENTER)
        wait_for(qtbot, window, "cell 2.png")
        project = window.review.project
        assert project.image(1).status == "done"
        assert project.annotation(1).provenance["device"] == "cpu"
        qtbot.waitUntil(lambda: window.queue.counter.text() == "1 of 4 done")

    def test_page_keys_go_down_and_up(self, qtbot, with_project):
        window = with_project
        assert not window.actions_["previous"].isEnabled()
        qtbot.keyClick(window.canvas, PAGE_DOWN)
        wait_for(qtbot, window, "cell 2.png")
        qtbot.keyClick(window.canvas, PAGE_UP)
        wait_for(qtbot, window, "cell 1.png")

    def test_a_click_on_a_row_opens_it(self, qtbot, with_project):
        window = with_project
        view = window.queue.list
        center = view.visualRect(window.queue.model.index(2)).center()
        qtbot.mouseClick(view.viewport(), LEFT, pos=center)
        wait_for(qtbot, window, "cell 3.png")

    def test_strokes_and_their_undo_come_back_with_the_image(self, qtbot, with_project):
        window = with_project
        window.document.brush([(5, 5)], radius=2)
        before = window.document
        qtbot.keyClick(window.canvas, PAGE_DOWN)
        wait_for(qtbot, window, "cell 2.png")
        qtbot.keyClick(window.canvas, PAGE_UP)
        wait_for(qtbot, window, "cell 1.png")
        assert window.document is not before
        assert window.document.labels[5, 5] == window.document.active
        assert window.review.current.status == "in work"
        window.document.undo()
        assert window.document.edits.is_empty

    def test_nothing_is_asked_on_the_way_out_and_everything_is_there_again(
        self, with_project, project_file
    ):
        window = with_project
        window.document.brush([(5, 5)], radius=2)
        assert not window.isWindowModified()
        assert window.close()
        with Project.open(project_file) as project:
            assert not project.read_only
            assert project.open_document(1).labels[5, 5] == 1

    def test_a_rejected_image_is_left_out_from_then_on(self, qtbot, with_project):
        window = with_project
        qtbot.keyClick(window.canvas, Qt.Key.Key_Backspace, CTRL)
        wait_for(qtbot, window, "cell 2.png")
        assert window.review.project.image(1).status == "rejected"
        qtbot.waitUntil(lambda: "1 rejected" in window.queue.counter.text())

    def test_enter_in_the_comment_writes_it_and_accepts_nothing(self, qtbot, with_project):
        window = with_project
        window.actions_["comment"].trigger()
        qtbot.keyClicks(window.queue.comment, "blurred")
        qtbot.keyClick(window.queue.comment, ENTER)
        entry = window.review.project.image(1)
        assert entry.comment == "blurred"
        assert entry.status != "done"

    def test_the_most_uncertain_image_is_opened(self, qtbot, with_project):
        window = with_project
        window.review.project.set_uncertainty(3, 0.9)
        window.review.project.set_uncertainty(2, 0.3)
        window.actions_.refresh()
        window.actions_["most_uncertain"].trigger()
        wait_for(qtbot, window, "cell 3.png")

    def test_all_done_is_said(self, qtbot, with_project):
        window = with_project
        for number in (2, 3, 4):
            window.review.project.set_status(number, "done")
        qtbot.keyClick(window.canvas, ENTER)
        qtbot.waitUntil(lambda: "Every image" in window.messages.message.sentence)

    def test_what_is_typed_filters_the_list(self, qtbot, with_project):
        window = with_project
        qtbot.keyClicks(window.queue.search, "cell 3")
        qtbot.waitUntil(lambda: names(window) == ["cell 1.png", "cell 3.png"])  # open one stays

    def test_categories_are_the_same_in_all_images(self, qtbot, with_project):
        window = with_project
        window.document.add_category("nucleus")
        qtbot.keyClick(window.canvas, PAGE_DOWN)
        wait_for(qtbot, window, "cell 2.png")
        assert "nucleus" in [c.name for c in window.document.categories]

    def test_its_keys_are_on_the_sheet(self):
        sheet = key_sheet()
        for text in ("Accept and next", "Previous", "Most uncertain", "Save now"):
            assert text in sheet


class TestThumbnails:
    def test_rows_that_are_seen_get_a_picture_which_the_project_keeps(self, qtbot, with_project):
        window = with_project
        project = window.review.project
        qtbot.waitUntil(lambda: all(e.has_thumbnail for e in project.images()), timeout=ENGINE_MS)
        project.flush()
        assert project.thumbnail(4).startswith(b"\x89PNG")

    def test_rows_that_nobody_sees_get_one_while_nothing_else_is_to_do(
        self, qtbot, window, tmp_path
    ):
        count = 24
        with Project.create(tmp_path / "many.unseg") as project:
            project.add_images(sorted(write_images(tmp_path / "many", count).iterdir()))
        resting, kept = [], window.queue.thumbnails
        kept.fill_while(lambda: bool(resting))
        window.open_paths([tmp_path / "many.unseg"])
        qtbot.waitUntil(lambda: len(names(window)) == count)
        seen = kept._pixmaps
        qtbot.waitUntil(lambda: len(seen) > 3 and not kept._underway, timeout=ENGINE_MS)
        project = window.review.project
        assert not all(e.has_thumbnail for e in project.images())
        n_seen = len(seen)
        resting.append(True)
        qtbot.waitUntil(lambda: all(e.has_thumbnail for e in project.images()), timeout=ENGINE_MS)
        assert len(seen) == n_seen  # kept in the file, not in memory


def two_clusters() -> np.ndarray:
    labels = np.full((40, 56), 1001, np.int32)
    labels[:, 9:] = 1002
    return labels


class TestAhead:
    def test_the_next_image_is_ready_with_labels_before_it_is_asked_for(self, qtbot, with_project):
        window, ahead = with_project, with_project.review.ahead
        qtbot.waitUntil(lambda: ahead.is_ready, timeout=ENGINE_MS)
        assert ahead.entry.name == "cell 2.png"
        assert window.review.project.image(2).status == "proposed"
        qtbot.keyClick(window.canvas, ENTER)
        assert window.review.current.name == "cell 2.png"  # at once, without the event loop
        assert window.document.status.phase == "done"
        assert window.document.state.proposal.areas.keys() != {0}

    def test_what_a_batch_proposes_meanwhile_is_not_replaced(
        self, qtbot, window, project_file, monkeypatch
    ):
        labels = two_clusters()
        compute = Ahead._first_run

        def while_a_batch_runs(ahead, prepared):
            ahead._project.proposed(prepared.image_id, labels, seconds=0.5)
            yield from compute(ahead, prepared)

        monkeypatch.setattr(Ahead, "_first_run", while_a_batch_runs)
        window.open_paths([project_file])
        wait_for(qtbot, window, "cell 1.png")
        project, ahead = window.review.project, window.review.ahead
        qtbot.waitUntil(lambda: project.image(2).status == "proposed", timeout=ENGINE_MS)
        qtbot.waitUntil(lambda: ahead.entry is None or ahead.is_ready, timeout=ENGINE_MS)
        window.canvas.setFocus()
        qtbot.keyClick(window.canvas, ENTER)
        wait_for(qtbot, window, "cell 2.png")
        np.testing.assert_array_equal(window.document.labels, labels)

    def test_what_a_batch_proposes_after_it_is_ready_is_what_is_opened(self, qtbot, with_project):
        window, review = with_project, with_project.review
        qtbot.waitUntil(lambda: review.ahead.is_ready, timeout=ENGINE_MS)
        labels = two_clusters()
        assert review.project.proposed(2, labels, seconds=0.5)
        window.canvas.setFocus()
        qtbot.keyClick(window.canvas, ENTER)
        wait_for(qtbot, window, "cell 2.png")
        np.testing.assert_array_equal(window.document.labels, labels)

    def test_what_a_batch_proposes_of_the_open_image_is_shown(self, qtbot, with_project):
        window, review = with_project, with_project.review
        before = window.document
        qtbot.waitUntil(lambda: before.status.phase == "done", timeout=ENGINE_MS)
        before.follow_names(before.state.changed(fill=not before.state.fill))  # not by hand
        labels = two_clusters()
        assert review.project.proposed(1, labels)
        qtbot.waitUntil(lambda: window.document is not before, timeout=ENGINE_MS)
        np.testing.assert_array_equal(window.document.labels, labels)
        review.project.flush()
        assert review.project.is_current(window.document)

    def test_what_was_computed_for_the_proposal_serves_the_first_stroke(self, qtbot, with_project):
        window = with_project
        qtbot.waitUntil(lambda: window.review.ahead.is_ready, timeout=ENGINE_MS)
        qtbot.keyClick(window.canvas, ENTER)
        fits = window.live._worker._fits
        fit = fits._fit
        assert fit is not None
        window.document.paint([(20, 5), (20, 9)], radius=2)  # one category: clusters stay
        qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=ENGINE_MS)
        assert window.document.labels[20, 7] == window.document.active
        assert fits._fit is fit

    def test_what_was_accepted_tells_what_the_image_after_the_next_one_shows(
        self, qtbot, window, tmp_path
    ):
        for number in (1, 2, 3):
            Pil.fromarray(grey_image(number)).save(tmp_path / f"cell {number}.png")
        with Project.create(tmp_path / "cells.unseg") as project:
            project.add_images([tmp_path / f"cell {number}.png" for number in (1, 2, 3)])
        window.open_paths([tmp_path / "cells.unseg"])
        wait_for(qtbot, window, "cell 1.png")
        document = window.document
        first, second = document.active, document.add_category().id
        document.polygon([(-1, -1), (-1, 23.5), (99, 23.5), (99, -1)], id_=first)
        document.polygon([(-1, 23.5), (-1, 99), (99, 99), (99, 23.5)], id_=second)
        window.canvas.setFocus()
        qtbot.keyClick(window.canvas, ENTER)
        wait_for(qtbot, window, "cell 2.png")
        ahead = window.review.ahead
        qtbot.waitUntil(
            lambda: ahead.is_ready and ahead.entry.name == "cell 3.png", timeout=ENGINE_MS
        )
        qtbot.keyClick(window.canvas, ENTER)
        assert window.review.current.name == "cell 3.png"
        labels = window.document.labels  # the edge is at column 32 here
        assert (labels[:, :30] == first).mean() > 0.9
        assert (labels[:, 34:] == second).mean() > 0.9
        assert window.document.is_grounded
        assert window.document.undo_text is None

    def test_the_image_before_is_ready_too_and_without_an_engine(self, qtbot, with_project):
        window, beside = with_project, with_project.review.beside
        qtbot.waitUntil(lambda: window.review.ahead.is_ready, timeout=ENGINE_MS)
        labels = window.document.labels
        qtbot.keyClick(window.canvas, ENTER)
        qtbot.waitUntil(lambda: beside.is_ready, timeout=ENGINE_MS)
        assert beside.entry.name == "cell 1.png"
        qtbot.keyClick(window.canvas, Qt.Key.Key_PageUp)
        assert window.review.current.name == "cell 1.png"  # at once, without the event loop
        assert window.document.status.phase == "done"
        assert (window.document.labels == labels).all()
        assert window.review.ahead.entry.name == "cell 2.png"

    def test_a_large_image_is_not_held_beside_the_one_that_is_open(
        self, qtbot, with_project, monkeypatch
    ):
        monkeypatch.setattr("unseg_studio.app.ahead.MOST_PIXELS", 10)
        window, beside = with_project, with_project.review.beside
        qtbot.keyClick(window.canvas, ENTER)
        wait_for(qtbot, window, "cell 2.png")
        qtbot.waitUntil(lambda: beside.is_ready, timeout=ENGINE_MS)
        assert beside.take(1) is None

    def test_somewhere_else_it_begins_anew(self, qtbot, with_project):
        window, ahead = with_project, with_project.review.ahead
        window.review.open(3)
        wait_for(qtbot, window, "cell 3.png")
        assert ahead.entry.name == "cell 4.png"


class TestTrouble:
    def test_missing_images_are_said_and_found_again_by_their_content(
        self, qtbot, window, project_file, folder, tmp_path
    ):
        moved = folder.rename(tmp_path / "moved")
        (moved / "cell 3.png").rename(moved / "renamed.png")
        window.open_paths([project_file])
        qtbot.waitUntil(lambda: "4 images are not" in window.messages.message.sentence)
        window.actions_["relink"].trigger()
        dialog = shown(RelinkDialog)[0]
        assert "4 images" in dialog.summary.text()
        dialog.look_in(moved)
        qtbot.waitUntil(lambda: "4 of 4" in dialog.summary.text())
        assert dialog.table.topLevelItem(2).text(1) == BY_CONTENT
        dialog.close()
        window.review.open(3)
        wait_for(qtbot, window, "renamed.png")

    def test_work_in_an_unsaved_project_is_asked_about_and_cancel_keeps_the_window(
        self, qtbot, window, folder
    ):
        window.open_paths([folder])
        wait_for(qtbot, window, "cell 1.png")
        window.document.brush([(5, 5)], radius=2)
        assert not window.close()
        box = shown(QMessageBox)[0]
        assert "no place yet" in box.text()
        qtbot.keyClick(box, ENTER)
        assert window.isVisible()

    def test_a_project_that_cannot_be_opened_leaves_everything(self, qtbot, window, tmp_path):
        (tmp_path / "bad.unseg").write_text("no project")
        before = window.document
        window.open_paths([tmp_path / "bad.unseg"])
        qtbot.waitUntil(lambda: "is no project" in window.messages.message.sentence)
        assert window.document is before

    def test_a_window_that_closes_while_a_project_is_opened_leaves_it_closed(
        self, qtbot, window, project_file
    ):
        window.open_paths([project_file])
        assert window.close()
        qtbot.waitUntil(lambda: not is_open_somewhere(project_file))


def test_ten_thousand_images_are_listed_within_ten_seconds(qtbot, window, tmp_path):
    """Generous: a slow machine passes, a query for every row does not."""
    path = tmp_path / "many.unseg"
    with Project.create(path) as project:
        project.add_images([tmp_path / f"cell {n}.png" for n in range(10_000)])
    with qtbot.waitSignal(window.projects.changed, timeout=10_000):
        window.open_paths([path])
    assert window.queue.model.rowCount() == 10_000
    assert window.queue.model.index(9_999).data() == "cell 9999.png"
