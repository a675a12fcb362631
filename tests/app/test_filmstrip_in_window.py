"""The strip in the real window: shown by menu and button, in nobody's way."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QToolBar, QToolButton

from tests.made_up_segmenter import Gate, MadeUp
from unseg_studio.segmenters import SEGMENTERS

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def gate(monkeypatch):
    gate = Gate()
    monkeypatch.setattr(MadeUp, "gate", gate)
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)
    yield gate
    gate.open.set()


@pytest.fixture
def window(make_window, gate, qtbot):
    window = make_window()
    window.document.set_segmenter(MadeUp())
    qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=20_000)
    gate.begun.clear()
    return window


def button_of(window, name):
    bar = window.findChild(QToolBar, "bar_main")
    return next(
        b for b in bar.findChildren(QToolButton) if b.defaultAction() is window.actions_[name]
    )


def strip_of(window):
    return window.panels.filmstrip.panel


def is_complete(window):
    strip = strip_of(window)
    return lambda: all("…" not in card.lines for card in strip._cards.values())


@pytest.fixture
def with_strip(qtbot, window):
    qtbot.mouseClick(button_of(window, "filmstrip"), LEFT)
    qtbot.waitUntil(is_complete(window), timeout=20_000)
    return window


def on_screen(window, row, col):
    x, y = window.canvas.viewport().to_view(row, col)
    return QPoint(round(x), round(y))


def stroke(qtbot, window):
    qtbot.mousePress(window.canvas, LEFT, pos=on_screen(window, 10, 10))
    qtbot.mouseMove(window.canvas, on_screen(window, 20, 20))
    qtbot.mouseRelease(window.canvas, LEFT, pos=on_screen(window, 20, 20))


def test_it_is_hidden_at_first_and_computes_nothing(window, gate):
    assert not strip_of(window).isVisible()
    assert not window.actions_["filmstrip"].isChecked()
    assert not gate.begun


def test_the_button_shows_and_hides_it(qtbot, window):
    qtbot.mouseClick(button_of(window, "filmstrip"), LEFT)
    assert strip_of(window).isVisible()
    assert window.actions_["filmstrip"].isChecked()
    qtbot.mouseClick(button_of(window, "filmstrip"), LEFT)
    assert not strip_of(window).isVisible()
    assert not window.actions_["filmstrip"].isChecked()


def test_closing_its_dock_is_seen_by_the_button(qtbot, with_strip):
    with_strip._docks["Filmstrip"].close()
    assert not with_strip.actions_["filmstrip"].isChecked()


def test_a_click_on_a_thumbnail_changes_the_labels(qtbot, with_strip):
    card = next(c for c in strip_of(with_strip)._cards.values() if c.lines[0] == "k = 2")
    qtbot.mouseClick(card, LEFT)
    qtbot.waitUntil(lambda: with_strip.document.status.phase == "done")
    assert with_strip.document.segmenter.n_clusters == 2
    assert with_strip.panels.segmenter.dial._number.value() == 2
    qtbot.keyClick(with_strip.canvas, "Z", Qt.KeyboardModifier.ControlModifier)
    assert with_strip.document.segmenter.n_clusters == 5


def test_a_stroke_goes_first_and_the_strip_goes_on_after_it(qtbot, window, gate):
    gate.open.clear()
    window.actions_["filmstrip"].trigger()
    qtbot.waitUntil(lambda: bool(gate.begun), timeout=20_000)
    stroke(qtbot, window)
    assert not strip_of(window).filmstrip.is_working
    assert window.document.status.is_busy
    gate.open.set()
    qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=20_000)
    qtbot.waitUntil(is_complete(window), timeout=20_000)


def test_it_is_remembered_between_starts(qtbot, with_strip, make_window):
    with_strip.leave()
    again = make_window()
    assert strip_of(again).isVisible()


def test_another_image_has_another_strip(qtbot, with_strip, gate):
    from unseg_studio.document import Document

    before = strip_of(with_strip).filmstrip
    image = with_strip.document.image.with_range(0, 200)
    with_strip.show_document(Document(image, (), MadeUp(smoothness=4.0)))
    qtbot.waitUntil(is_complete(with_strip), timeout=20_000)
    assert strip_of(with_strip).isVisible()
    qtbot.waitUntil(lambda: before._has_ended)
