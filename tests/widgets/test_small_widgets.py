"""Run bar, corrections, export box, pump, background work, and all of them in a narrow dock."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QPushButton

from unseg_studio.data import FIRST_CLUSTER
from unseg_studio.document import PULL_MS, SCREEN_MS, RunStatus
from unseg_studio.features.devices import Place
from unseg_studio.widgets import (
    Background,
    CategoryList,
    CorrectionsBox,
    ExportBox,
    Pump,
    RunBar,
    SegmenterBox,
    corrections_box,
    figures,
)
from unseg_studio.widgets.areas import AreaCounter, in_words
from unseg_studio.widgets.icons import DRAWINGS, icon

EVERY = (CategoryList, SegmenterBox, RunBar, CorrectionsBox, ExportBox)


def press(qtbot, widget, text):
    button = next(b for b in widget.findChildren(QPushButton) if b.text() == text)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("kind", EVERY)
def test_every_widget_fits_a_dock_of_300_pixels(qtbot, document, live, kind):
    widget = kind(document, live)
    qtbot.addWidget(widget)
    assert widget.minimumSizeHint().width() <= 300


@pytest.mark.parametrize("kind", EVERY)
def test_a_deleted_widget_is_not_called_by_its_document(qtbot, document, live, kind):
    widget = kind(document, live)
    widget.deleteLater()
    qtbot.wait(1)
    document.add_category()
    document.toggle_lock(1)
    document.report(RunStatus("running", step=1, total=2))
    document.show(np.array(document.labels))


@pytest.mark.parametrize("kind", EVERY)
def test_no_widget_is_kept_alive_by_its_document(qtbot, document, live, kind):
    widget = kind(document, live)
    kept = weakref.ref(widget)
    widget.deleteLater()
    del widget
    for _ in range(2):  # PyQt lets go of what was connected one turn of the loop later
        qtbot.wait(1)
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_icon_can_be_drawn(qapp, name):
    assert not icon(name).pixmap(16).isNull()


class TestRunBar:
    @pytest.fixture
    def bar(self, qtbot, document, live):
        bar = RunBar(document, live)
        qtbot.addWidget(bar)
        bar.show()
        return bar

    def test_figures_stand_in_one_line(self):
        status = RunStatus("running", step=12, total=60, loss=0.4567, n_labels=7, seconds=0.83)
        text = figures(status).replace("\N{NO-BREAK SPACE}", " ")
        assert text == "Optimising · step 12 of 60 · loss 0.457 · 7 labels · 0.8 s"

    def test_stop_can_be_pressed_while_something_runs_only(self, bar, document):
        assert not bar._stop.isEnabled()
        assert bar._stop.toolTip() == "Nothing is running."
        document.report(RunStatus("running", step=1, total=60))
        assert bar._stop.isEnabled()

    def test_run_again_asks_for_a_run(self, qtbot, bar, document):
        press(qtbot, bar, "Run again")
        assert document.status.phase == "preparing"

    def test_a_failure_is_told_in_words_and_details_on_demand(self, qtbot, bar, document):
        document.report(RunStatus("failed", message="There is not enough memory."))
        assert bar._sentence.text() == "There is not enough memory."
        assert not bar._details.isVisible()
        qtbot.mouseClick(bar._more, Qt.MouseButton.LeftButton)
        assert bar._details.isVisible()
        assert "method: diffcluster" in bar._details.toPlainText()
        document.report(RunStatus("done", step=2, total=2))
        assert not bar._sentence.isVisible()
        assert not bar._details.isVisible()


class TestCorrections:
    @pytest.fixture
    def box(self, qtbot, document, live):
        labels = np.array(document.labels)
        labels[8:12, 10:14] = FIRST_CLUSTER  # a hole in category 1
        labels[20:22, 2:4] = 1  # and a crumb beside it
        document.show(labels)
        box = CorrectionsBox(document, live)
        qtbot.addWidget(box)
        box.show()
        return box

    def test_holes_of_the_active_category_are_filled(self, qtbot, box, document):
        press(qtbot, box, "Fill holes")
        assert (document.labels[8:12, 10:14] == 1).all()

    def test_small_parts_go_to_their_surroundings(self, qtbot, box, document):
        press(qtbot, box, "Remove parts below")
        assert (document.labels[20:22, 2:4] == FIRST_CLUSTER).all()

    def test_smoothing_takes_corners_away(self, qtbot, box, document):
        press(qtbot, box, "Smooth")
        assert document.labels[5, 5] == FIRST_CLUSTER

    @pytest.mark.parametrize("text", ["Fill holes", "Smooth", "Remove parts below"])
    def test_a_large_image_is_corrected_beside_the_window(
        self, qtbot, box, document, monkeypatch, text
    ):
        monkeypatch.setattr(corrections_box, "_AT_ONCE", 0)
        press(qtbot, box, text)
        assert document.undo_text is None
        assert box._doing.text().endswith("…")
        assert not box._smooth.isEnabled()
        qtbot.waitUntil(lambda: document.undo_text is not None)
        assert box._doing.text() == ""
        assert box._smooth.isEnabled()

    def test_a_category_locked_meanwhile_is_refused_in_words(
        self, qtbot, box, document, monkeypatch
    ):
        monkeypatch.setattr(corrections_box, "_AT_ONCE", 0)
        with qtbot.waitSignal(box.refused) as said:
            press(qtbot, box, "Fill holes")
            document.toggle_lock(1)
        assert "locked" in said.args[0]
        assert box._holes.isEnabled()

    def test_a_cluster_can_be_chosen_instead(self, qtbot, box, document):
        qtbot.waitUntil(lambda: box._target.findData(FIRST_CLUSTER + 1) > 0)
        box.select(FIRST_CLUSTER + 1)
        assert box.target == FIRST_CLUSTER + 1

    def test_a_locked_category_is_refused_in_words(self, qtbot, box, document):
        document.toggle_lock(1)
        with qtbot.waitSignal(box.refused) as said:
            press(qtbot, box, "Fill holes")
        assert "locked" in said.args[0]

    def test_corrections_can_be_taken_back_once_there_are_some(self, qtbot, box, document):
        assert not box._clear.isEnabled()
        assert box._clear.toolTip() == "There is no hand correction yet."
        press(qtbot, box, "Fill holes")
        press(qtbot, box, "Clear all corrections")
        assert document.edits.is_empty


class TestExportBox:
    @pytest.fixture
    def box(self, qtbot, document, live):
        box = ExportBox(document, live)
        qtbot.addWidget(box)
        box.show()
        return box

    def test_it_says_what_would_be_written_and_left_out(self, qtbot, box):
        with qtbot.waitSignal(box.form.checked) as said:
            pass
        check = said.args[0]
        assert box.form._summary.text() == "1 region in 1 category will be written."
        assert any("without a name" in finding.sentence for finding in check.findings)

    def test_a_larger_smallest_part_is_heeded(self, qtbot, box):
        box.form._min_area.setValue(1000)
        qtbot.waitUntil(lambda: "0 regions" in box.form._summary.text())

    def test_the_button_tells_what_was_chosen(self, qtbot, box):
        box.form._min_area.setValue(7)
        with qtbot.waitSignal(box.export_requested) as said:
            press(qtbot, box, "Export …")
        assert (said.args[0].format, said.args[0].min_area) == ("coco", 7)

    def test_a_wish_can_be_shown(self, qtbot, box):
        wish = box.form.wish
        box.form._format.setCurrentIndex(box.form._format.findData("png"))
        box.form._on_format_chosen()
        assert box.form.wish.format == "png"
        box.form.show_wish(wish)
        assert box.form.wish == wish


class TestPump:
    def test_it_pulls_while_the_engine_works_and_rests_after(self, qtbot, document, live):
        owner = QObject()
        pump = Pump(document, live, owner)
        assert not pump.is_running
        document.report(RunStatus("preparing"))
        assert pump.is_running
        document.report(RunStatus("done"))
        assert not pump.is_running

    def test_where_painting_is_slow_the_engine_has_the_time_between(self, document, live):
        owner = QObject()
        pump = Pump(document, live, owner)
        for step, painted, wanted in ((1, 0, PULL_MS), (2, 80, 160), (3, 10_000, 250)):
            pump._painted_ms = painted
            document.report(RunStatus("running", step=step, total=9))
            assert pump._timer.interval() == wanted
        document.report(RunStatus("preparing"))
        assert pump._timer.interval() < PULL_MS

    def test_an_engine_on_a_card_is_asked_sixty_times_a_second(self, document, live):
        owner = QObject()
        pump = Pump(document, live, owner)
        card = Place("cuda:0", "a card", "")
        for painted, wanted in ((0, SCREEN_MS), (30, 60)):
            pump._painted_ms = painted
            document.report(RunStatus("running", step=1 + painted, total=99, place=card))
            assert pump._timer.interval() == wanted

    def test_frames_of_a_real_run_arrive(self, qtbot, document, live):
        owner = QObject()
        Pump(document, live, owner)
        document.run()
        qtbot.waitUntil(lambda: document.status.phase == "done", timeout=60_000)
        assert document.status.n_labels >= 1


class TestBackground:
    def test_work_runs_in_another_thread_and_its_result_comes_back(self, qtbot, qapp):
        owner, results = QObject(), []
        Background(owner).run(threading.get_ident, results.append)
        qtbot.waitUntil(lambda: len(results) == 1)
        assert results[0] != threading.get_ident()

    def test_only_the_newest_result_comes_back(self, qtbot, qapp):
        owner, results = QObject(), []
        background = Background(owner)
        for number in range(5):
            background.run(lambda number=number: number, results.append)
        qtbot.waitUntil(lambda: not background.is_busy)
        assert results == [4]

    def test_an_exception_is_handed_over(self, qtbot, qapp):
        owner, errors = QObject(), []
        Background(owner).run(lambda: 1 / 0, lambda _: None, errors.append)
        qtbot.waitUntil(lambda: bool(errors))
        assert isinstance(errors[0], ZeroDivisionError)


class TestAreas:
    def test_they_are_those_of_the_labels_and_follow_them(self, qtbot, document):
        owner = QObject()
        counter = AreaCounter(document, owner)
        for labels in (document.labels, np.where(document.labels == 1, 2, document.labels)):
            document.show(np.array(labels, np.int32))
            ids, counts = np.unique(labels, return_counts=True)
            wanted = dict(zip(ids.tolist(), counts.tolist(), strict=True))
            qtbot.waitUntil(lambda wanted=wanted: counter.areas == wanted)

    def test_they_are_told_in_pixels_and_per_cent(self):
        assert in_words(12345, 154_312) == "12,345 px, 8.0 %"
