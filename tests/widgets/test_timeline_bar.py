"""The slider over the moments of a run."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSlider

from unseg_studio.widgets.timeline_bar import TimelineBar


@pytest.fixture
def bar(qtbot, document, live):
    bar = TimelineBar(document, live)
    qtbot.addWidget(bar)
    bar.show()
    return bar


@pytest.fixture
def slider(bar):
    return bar.findChild(QSlider)


@pytest.fixture
def go_on(bar):
    return bar.findChild(QPushButton)


def test_without_a_run_there_is_nothing_to_step_through(slider, go_on):
    assert not slider.isEnabled()
    assert not go_on.isEnabled()


def test_a_run_fills_the_slider_and_leaves_it_at_the_end(slider, go_on, live):
    live.start()
    live.wait(60)
    assert slider.isEnabled()
    assert slider.value() == slider.maximum() == len(live.moments) - 1
    assert go_on.isEnabled()


def test_a_key_steps_back_and_the_button_goes_on(qtbot, slider, go_on, live, document):
    live.start()
    live.wait(60)
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_Home)
    assert (document.labels == live.moments[0].labels).all()
    assert document.undo_text.startswith("look back")
    qtbot.mouseClick(go_on, Qt.MouseButton.LeftButton)
    assert document.status.is_busy
    live.wait(60)
    assert document.status.phase == "done"
    assert slider.value() == slider.maximum()
