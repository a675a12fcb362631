"""The window: keys, menus, undo, closing, first steps, what it remembers."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections import Counter

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog, QMenu, QMessageBox

from unseg_studio.app.actions import COMMANDS, keys_of
from unseg_studio.app.dialogs import ExportDialog, KeySheet, LabelsDialog, key_sheet
from unseg_studio.app.faults import catch_faults
from unseg_studio.app.hint_bar import STEPS
from unseg_studio.app.tools import Tool
from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.document import Document, RunStatus
from unseg_studio.widgets import ExportWish
from unseg_studio.widgets.layout import button

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


def key(qtbot, window, name, modifier=NONE):
    qtbot.keyClick(window.canvas, name, modifier)


def on_screen(window, row, col):
    x, y = window.canvas.viewport().to_view(row, col)
    return QPoint(round(x), round(y))


def draw(qtbot, window, *points):
    places = [on_screen(window, row, col) for row, col in points]
    qtbot.mousePress(window.canvas, LEFT, pos=places[0])
    for place in places[1:]:
        qtbot.mouseMove(window.canvas, place)
    qtbot.mouseRelease(window.canvas, LEFT, pos=places[-1])


def menu_entry(window, name):
    """The entry as a menu shows it: it must stand in one."""
    for menu in window.menuBar().findChildren(QMenu):
        for action in menu.actions():
            if action.objectName() == name:
                return action
    raise AssertionError(f"No menu has {name}")


def shown(kind):
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, kind) and w.isVisible()]


def finished(window):
    return lambda: window.document.status.phase == "done"


class TestKeys:
    @pytest.mark.parametrize("tool", Tool)
    def test_a_tool_is_chosen_by_its_key(self, qtbot, window, tool):
        window.set_tool(Tool.PAN if tool is not Tool.PAN else Tool.FILL)
        *shift, name = tool.key.split("+")
        key(qtbot, window, name, SHIFT if shift else NONE)
        assert window.tool is tool
        assert menu_entry(window, f"tool_{tool.name.lower()}").isChecked()
        assert tool.hint in window.status_line.text()

    def test_numbers_choose_categories(self, qtbot, window):
        key(qtbot, window, "2")
        assert window.document.active == 2
        key(qtbot, window, "1")
        assert window.document.active == 1

    def test_the_next_free_number_adds_a_category(self, qtbot, window):
        key(qtbot, window, "3")
        assert [c.id for c in window.document.categories] == [1, 2, 3]
        assert window.document.active == 3

    def test_a_number_far_above_does_nothing(self, qtbot, window):
        key(qtbot, window, "9")
        assert len(window.document.categories) == 2

    def test_a_number_after_the_eraser_paints_again(self, qtbot, window):
        key(qtbot, window, "0")
        key(qtbot, window, "2")
        assert window.tool is Tool.PAINT

    def test_k_and_shift_k_change_the_number_of_clusters(self, qtbot, window):
        assert window.document.segmenter.k_less  # the image is a photograph
        key(qtbot, window, "K")
        qtbot.waitUntil(lambda: not window.document.segmenter.k_less)
        k = window.document.segmenter.n_clusters
        key(qtbot, window, "K", SHIFT)
        qtbot.waitUntil(lambda: window.document.segmenter.n_clusters == k - 1)

    def test_r_runs_again_and_escape_stops(self, qtbot, window):
        key(qtbot, window, "R")
        assert window.document.status.phase == "preparing"
        key(qtbot, window, Qt.Key.Key_Escape)
        assert window.document.status.phase == "stopped"

    def test_x_locks_the_active_category(self, qtbot, window):
        key(qtbot, window, "X")
        assert window.document.locks == {1}
        key(qtbot, window, "X")
        assert not window.document.locks

    def test_brackets_change_the_brush(self, qtbot, window):
        before = window.canvas.brush_radius()
        key(qtbot, window, "]")
        assert window.canvas.brush_radius() > before
        for _ in range(20):
            key(qtbot, window, "[")
        assert window.canvas.brush_radius() == 0.5
        key(qtbot, window, "]")
        assert window.canvas.brush_radius() > 0.5

    def test_c_shows_outlines(self, qtbot, window):
        filled = window.canvas.grab_view()
        key(qtbot, window, "C")
        assert window.display.contours
        assert window.canvas.grab_view() != filled
        key(qtbot, window, "C")
        assert not window.display.contours

    def test_labels_hide_as_long_as_tab_is_held(self, qtbot, window):
        key(qtbot, window, "H")
        with_labels = window.canvas.grab_view()
        qtbot.keyPress(window.canvas, Qt.Key.Key_Tab)
        assert window.canvas.grab_view() != with_labels
        qtbot.keyRelease(window.canvas, Qt.Key.Key_Tab)
        assert window.canvas.grab_view() == with_labels

    def test_labels_can_be_hidden_from_the_menu(self, window):
        menu_entry(window, "hide").trigger()
        assert window.overlay_hidden
        menu_entry(window, "hide").trigger()
        assert not window.overlay_hidden

    @pytest.mark.parametrize(
        ("name", "modifier", "kind"),
        [
            ("O", CTRL, QFileDialog),
            ("I", CTRL, LabelsDialog),
            ("E", CTRL, ExportDialog),
            (Qt.Key.Key_F1, NONE, KeySheet),
            ("?", NONE, KeySheet),
        ],
    )
    def test_a_key_opens_its_dialog(self, qtbot, window, name, modifier, kind):
        key(qtbot, window, name, modifier)
        dialogs = shown(kind)
        assert len(dialogs) == 1
        dialogs[0].close()

    def test_ctrl_q_closes_the_window(self, qtbot, window):
        key(qtbot, window, "Q", CTRL)
        assert not window.isVisible()

    def test_keys_in_a_name_are_letters(self, qtbot, window):
        window.panels.categories.add()
        editor = QApplication.focusWidget()
        editor.selectAll()
        qtbot.keyClicks(editor, "bx1")
        qtbot.keyClick(editor, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: window.document.categories[-1].name == "bx1")
        assert window.tool is Tool.SCRIBBLE
        assert not window.document.locks

    def test_split_without_a_cluster_under_the_pointer_says_what_to_do(self, qtbot, window):
        window.canvas.hovered.emit(None)
        key(qtbot, window, "M", SHIFT)
        assert "point at one" in window.messages.message.sentence

    def test_shift_m_splits_what_is_under_the_pointer(self, qtbot, make_window):
        pixels = np.zeros((40, 60), np.uint8)
        pixels[:, 30:], pixels[:20, :30] = 100, 200
        window = make_window(Image.of(pixels))
        qtbot.mouseMove(window.canvas, on_screen(window, 10, 10))
        qtbot.mouseMove(window.canvas, on_screen(window, 11, 11))
        key(qtbot, window, "M", SHIFT)
        qtbot.waitUntil(lambda: len(np.unique(window.document.labels)) == 3, timeout=60_000)
        labels = window.document.labels
        assert labels[5, 5] != labels[35, 5]


class TestTable:
    def test_no_two_commands_share_a_key(self):
        keys = Counter(key for command in COMMANDS for key in command.keys)
        assert not [key for key, count in keys.items() if count > 1]

    def test_every_command_stands_in_a_menu(self, window):
        for command in COMMANDS:
            assert menu_entry(window, command.name).text()

    def test_every_icon_button_says_what_it_does(self, window):
        for command in COMMANDS:
            tip = window.actions_[command.name].toolTip()
            assert keys_of(command) in tip
            assert "\n" in tip

    def test_what_cannot_be_used_says_why(self, window):
        blocked = {c.name for c in COMMANDS if not window.actions_[c.name].isEnabled()}
        assert {"undo", "redo", "stop"} <= blocked
        for command in COMMANDS:
            if command.name in blocked:
                assert command.blocked(window) in window.actions_[command.name].toolTip()

    def test_the_key_sheet_has_every_key(self):
        sheet = key_sheet()
        for name in ("Ctrl+Z", "Shift+M", "Tab (held)", "F1 or ?", "1 – 9"):
            assert f"<b>{name}</b>" in sheet


class TestUndo:
    def test_a_correction_is_undone_and_redone_from_the_menu(self, qtbot, window):
        key(qtbot, window, "P")
        draw(qtbot, window, (10, 10), (10, 20))
        assert window.document.labels[10, 15] == 1
        assert menu_entry(window, "undo").text() == "Undo brush"
        menu_entry(window, "undo").trigger()
        assert window.document.labels[10, 15] == FIRST_CLUSTER
        assert not menu_entry(window, "undo").isEnabled()
        menu_entry(window, "redo").trigger()
        assert window.document.labels[10, 15] == 1

    def test_keys_undo_and_redo(self, qtbot, window):
        key(qtbot, window, "F")
        draw(qtbot, window, (10, 40))
        assert window.document.labels[40, 60] == 1
        key(qtbot, window, "Z", CTRL)
        assert window.document.labels[40, 60] == FIRST_CLUSTER + 1
        key(qtbot, window, "Z", CTRL | SHIFT)
        assert window.document.labels[40, 60] == 1

    def test_clearing_is_undone_and_says_when_there_is_nothing(self, qtbot, window):
        menu_entry(window, "clear_scribbles").trigger()
        assert window.messages.message.sentence == "There is no scribble to remove."
        menu_entry(window, "clear_edits").trigger()
        assert window.messages.message.sentence == "There is no hand correction to take back."
        window.document.paint([(5, 5)], radius=2)
        menu_entry(window, "clear_scribbles").trigger()
        assert window.document.scribbles.is_empty
        key(qtbot, window, "Z", CTRL)
        assert not window.document.scribbles.is_empty

    def test_naming_and_merging_with_the_mouse(self, qtbot, window):
        key(qtbot, window, "N")
        draw(qtbot, window, (10, 10))
        assert (window.document.labels[:, :32] == 1).all()
        qtbot.wait(QApplication.doubleClickInterval() + 50)
        key(qtbot, window, "M")
        draw(qtbot, window, (10, 50), (10, 30), (10, 10))
        assert (window.document.labels == 1).all()


class TestMessages:
    def test_a_refusal_is_told_in_the_window(self, qtbot, window):
        key(qtbot, window, "X")
        key(qtbot, window, "P")
        draw(qtbot, window, (10, 10), (10, 20))
        assert window.messages.isVisible()
        assert "locked" in window.messages.message.sentence

    def test_a_message_does_not_move_the_image(self, qtbot, window):
        before = window.canvas.geometry()
        window.files.open(window.document.image.source.path.parent / "missing.png")
        qtbot.waitUntil(window.messages.isVisible)
        qtbot.wait(1)
        assert window.canvas.geometry() == before

    def test_a_failed_run_is_told(self, window):
        window.document.report(RunStatus("failed", message="There is not enough memory."))
        assert window.messages.message.sentence == "There is not enough memory."

    def test_after_a_fault_in_a_slot_the_window_goes_on(self, qtbot, window):
        def fault():
            raise RuntimeError("broken")

        culprit = button("Break", "", fault)
        qtbot.addWidget(culprit)
        culprit.show()
        with qtbot.capture_exceptions() as caught:
            before = catch_faults(window.tell)
            try:
                qtbot.mouseClick(culprit, LEFT)
            finally:
                sys.excepthook = before
        assert len(caught) == 1
        assert "broken" in window.messages.message.sentence
        assert "Your work is still here" in window.messages.message.sentence
        assert "RuntimeError" in window.messages.message.details
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        key(qtbot, window, "2")
        assert window.document.active == 2

    def test_details_are_shown_on_demand(self, qtbot, window, bad_files):
        window.files.open(bad_files["text.png"])
        qtbot.waitUntil(window.messages.isVisible)
        qtbot.mouseClick(window.messages._details, LEFT)
        dialogs = [d for d in shown(QDialog) if d.windowTitle() == "Details"]
        assert len(dialogs) == 1
        dialogs[0].close()


class TestStatusLine:
    def test_it_tells_what_lies_under_the_pointer(self, qtbot, window):
        qtbot.mouseMove(window.canvas, on_screen(window, 10, 50))
        qtbot.waitUntil(lambda: "row 10, col 50" in window.status_line.text())
        assert "cluster 2" in window.status_line.text()

    def test_it_tells_step_loss_clusters_time_and_device(self, window):
        window.document.report(RunStatus("done", step=7, total=9, loss=0.25, n_labels=4))
        text = window.status_line.text().replace("\N{NO-BREAK SPACE}", " ")
        for part in ("step 7 of 9", "loss 0.250", "4 labels", "C"):
            assert part in text


class TestClosing:
    def test_nothing_is_asked_where_nothing_was_done(self, window):
        assert window.close()

    def test_unsaved_work_is_asked_about_and_cancel_is_the_default(self, qtbot, window):
        window.document.brush([(5, 5)], radius=2)
        assert not window.close()
        box = shown(QMessageBox)[0]
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert window.isVisible()
        assert not window.document.edits.is_empty

    def test_discard_closes(self, qtbot, window):
        window.document.brush([(5, 5)], radius=2)
        window.close()
        box = shown(QMessageBox)[0]
        discard = next(b for b in box.buttons() if b.text() == "Discard")
        qtbot.mouseClick(discard, LEFT)
        assert not window.isVisible()

    def test_work_that_was_taken_back_is_not_asked_about(self, window):
        window.document.brush([(5, 5)], radius=2)
        window.document.undo()
        assert window.close()

    def test_sizes_and_habits_are_remembered(self, qtbot, make_window):
        first = make_window()
        first.resize(first.width(), 700)
        first.canvas.set_brush_radius(12)
        first.display._opacity.setValue(80)
        first._docks["Export"].close()
        qtbot.wait(1)
        first.close()
        second = make_window()
        assert second.height() == 700
        assert second.canvas.brush_radius() == 12
        assert second.display._opacity.value() == 80
        assert not second._docks["Export"].isVisible()
        assert second._docks["Run"].isVisible()


class TestFirstSteps:
    def test_three_steps_are_shown_and_ticked(self, qtbot, make_window):
        window = make_window(is_sample=True)
        assert len(window._hint.done) == len(STEPS) == 3
        assert window._hint.isVisible()
        window.document.report(RunStatus("done", step=1, total=1))
        window.document.paint([(5, 5)], radius=2)
        window.document.set_active(2)
        window.document.paint([(5, 50)], radius=2)
        assert window._hint.done == (True, True, False)

    def test_dismissed_steps_do_not_come_back(self, qtbot, make_window):
        first = make_window(is_sample=True)
        first._hint._dismiss()
        assert make_window(is_sample=True)._hint is None

    def test_an_own_image_has_no_steps(self, window):
        assert window._hint is None


class TestEngine:
    def test_a_proposal_follows_by_itself(self, qtbot, make_window):
        window = make_window(idle=False)
        qtbot.waitUntil(finished(window), timeout=60_000)
        assert window.document.labels.min() >= FIRST_CLUSTER
        assert "k = " in window.panels.segmenter.dial._shown.text()

    def test_two_scribbles_and_the_categories_fill_the_image(self, qtbot, window):
        window.canvas.set_brush_radius(2)
        draw(qtbot, window, (10, 5), (40, 10))
        key(qtbot, window, "2")
        draw(qtbot, window, (10, 55), (40, 60))
        qtbot.waitUntil(finished(window), timeout=60_000)
        labels = window.document.labels
        assert set(np.unique(labels)) == {1, 2}
        assert (labels[:, :28] == 1).mean() > 0.9
        assert (labels[:, 36:] == 2).mean() > 0.9


class TestTabs:
    def test_a_tab_behind_is_made_when_it_comes_to_the_front(self, qtbot, window):
        export = window.panels.export
        assert not export.is_made
        window._docks["Export"].raise_()
        qtbot.waitUntil(lambda: export.is_made)
        assert export.panel.isVisible()
        export.panel.export_requested.emit(ExportWish())
        assert shown(ExportDialog)

    def test_a_tab_in_front_is_there_at_once_with_the_next_image(self, qtbot, window):
        window._docks["Correct"].raise_()
        qtbot.waitUntil(lambda: window.panels.corrections.is_made)
        window.show_document(Document(window.document.image, window.document.categories))
        assert window.panels.corrections.is_made
        assert not window.panels.export.is_made

    def test_what_a_tab_refuses_is_said(self, qtbot, window):
        window.panels.corrections.panel.refused.emit("This cannot be done.")
        assert window.messages.message.sentence == "This cannot be done."


class TestDisplay:
    def test_contrast_of_sixteen_bit_images_changes_the_picture_only(self, make_window):
        values = np.random.default_rng(1).integers(1000, 3000, (40, 50)).astype(np.uint16)
        window = make_window(Image.of(values))
        window.canvas.set_overlay_hidden(True)
        before, box = window.canvas.grab_view(), window.panels.contrast.panel
        box._limits.setValue((1000, 1500))
        bright = window.canvas.grab_view()
        assert bright != before
        box._gamma.setValue(0.5)
        assert window.canvas.grab_view() != bright
        box.reset()
        assert window.canvas.grab_view() == before

    def test_channels_can_be_switched_off(self, make_window):
        values = np.random.default_rng(1).integers(0, 255, (40, 50, 5)).astype(np.uint8)
        window = make_window(Image.of(values))
        boxes = window.panels.contrast.panel._channels
        assert [box.isChecked() for box in boxes] == [True, True, True, False, False]
        boxes[0].click()
        assert window.canvas.look().channels == (1, 2)

    def test_grey_images_have_no_channels_to_choose(self, make_window):
        values = np.random.default_rng(1).integers(0, 255, (40, 50)).astype(np.uint8)
        assert make_window(Image.of(values)).panels.contrast.panel._channels == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer bindings want a QPointF
def test_dropping_a_file_on_the_canvas_opens_it(qtbot, window, tmp_path):
    from PIL import Image as Pil

    path = tmp_path / "dropped.png"
    Pil.fromarray(np.random.default_rng(2).integers(0, 255, (20, 30), np.uint8)).save(path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    QApplication.sendEvent(
        window.canvas,
        QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, data, LEFT, NONE),
    )
    event = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, data, LEFT, NONE)
    QApplication.sendEvent(window.canvas, event)
    qtbot.waitUntil(lambda: window.document.image.shape == (20, 30))


def test_the_old_document_is_let_go(qtbot, window, small_image):
    old = weakref.ref(window.document)
    window.show_document(Document(small_image))
    qtbot.wait(50)

    def gone():
        gc.collect()
        assert old() is None

    qtbot.waitUntil(gone)


def test_categories_go_on_to_the_next_image(qtbot, window, tmp_path):
    from PIL import Image as Pil

    path = tmp_path / "next.png"
    Pil.fromarray(np.random.default_rng(2).integers(0, 255, (20, 30), np.uint8)).save(path)
    window.document.add_category("nucleus")
    window.files._work.written(window.document.state)
    window.files.open(path)
    qtbot.waitUntil(lambda: window.document.image.shape == (20, 30))
    assert [c.name for c in window.document.categories][-1] == "nucleus"


def test_everything_is_in_reach_at_1280_by_800(window):
    window.resize(1280, 800)
    assert window.minimumSizeHint().width() <= 1280
    assert window.minimumSizeHint().height() <= 800


def test_the_window_is_on_screen_before_torch_is_loaded():
    code = (
        "import sys\n"
        "from unseg_studio.app.main import make_application, make_window\n"
        "app = make_application()\n"
        "window = make_window(None)\n"
        "window.show()\n"
        "app.processEvents()\n"
        "assert window.isVisible()\n"
        "assert 'torch._C' not in sys.modules\n"
        "window.leave()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
