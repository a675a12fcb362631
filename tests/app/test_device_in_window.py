"""Where the engine computes is in the status bar, why in its tooltip, and trouble in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel

from tests.faulty_device import ALWAYS, FULL, GONE, H200, OLD_DRIVER, FaultyDriver
from unseg_studio.features.devices import standing_in
from unseg_studio.segmenters import DiffCluster
from unseg_studio.widgets import RunBar
from unseg_studio.widgets.run_bar import device_in_words

WAIT_MS = 20_000
CARD = "NVIDIA H200, 139 GiB"
QUICK = DiffCluster(iterations=4, size=128, patience=0, max_clusters=4)


@pytest.fixture
def driver():
    faulty = FaultyDriver(H200)
    with standing_in(faulty):
        yield faulty


def device_label(window):
    return next(
        label
        for label in window.status_line.findChildren(QLabel)
        if label.toolTip().startswith("The engine computes on ")
    )


def run(qtbot, window):
    window.document.set_segmenter(QUICK)
    window.document.run()
    qtbot.waitUntil(lambda: window.document.status.phase in ("done", "failed"), timeout=WAIT_MS)
    assert window.document.status.phase == "done", window.document.status.message


def test_the_status_bar_names_the_card_and_why_it_is_this_one(qtbot, driver, make_window):
    window = make_window()
    run(qtbot, window)
    label = device_label(window)
    assert label.text() == "CUDA"
    assert label.toolTip() == (f"The engine computes on {CARD}. It is the GPU that works here.")
    assert window.live.computed_on == "cuda:0"


def test_an_old_driver_leaves_the_cpu_with_the_reason(qtbot, make_window):
    with standing_in(FaultyDriver(counting=OLD_DRIVER)):
        window = make_window()
        run(qtbot, window)
        label = device_label(window)
        assert label.text() == "CPU"
        assert "the NVIDIA driver is too old for this torch" in label.toolTip()
        assert window.document.status.message == ""


@pytest.mark.parametrize("error", [FULL, GONE])
def test_a_card_that_fails_in_the_middle_leaves_the_work_and_one_sentence(
    qtbot, driver, make_window, error
):
    window = make_window()
    run(qtbot, window)
    x, y = window.canvas.viewport().to_view(12, 12)
    place = QPoint(round(x), round(y))
    driver.fail("refine", error, times=ALWAYS)
    qtbot.mousePress(window.canvas, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseMove(window.canvas, place + QPoint(30, 0))
    qtbot.mouseRelease(window.canvas, Qt.MouseButton.LeftButton, pos=place + QPoint(30, 0))
    drawn = window.document.scribbles.ids.copy()
    assert drawn.any()
    qtbot.waitUntil(lambda: CARD in window.document.status.message, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.document.status.phase == "done", timeout=WAIT_MS)
    said = [
        label.text()
        for bar in window.findChildren(RunBar)
        for label in bar.findChildren(QLabel)
        if CARD in label.text()
    ]
    assert said == [window.document.status.message]
    assert said[0].endswith("It goes on on the CPU.")
    assert device_label(window).text() == "CPU"
    assert window.live.computed_on == "cpu"
    assert CARD in device_label(window).toolTip()
    np.testing.assert_array_equal(window.document.scribbles.ids, drawn)
    window.document.undo()
    assert not window.document.scribbles.ids.any()


def test_before_anybody_has_looked_nothing_is_claimed():
    with standing_in(FaultyDriver(H200)):
        assert device_in_words("auto", None)[0] == ""
    assert device_in_words("tcp://host:1234", None)[0] == "host:1234"
