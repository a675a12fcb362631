"""The keys of the dial in the real window."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from tests.made_up_segmenter import MadeUp
from unseg_studio.segmenters import SEGMENTERS, DiffCluster

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def made_up_method(monkeypatch):
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)


@pytest.fixture
def dialled(window):
    window.document.set_segmenter(MadeUp())
    return window


def test_k_and_shift_k_ask_for_one_more_and_one_fewer(qtbot, dialled):
    qtbot.keyClick(dialled.canvas, "K")
    qtbot.waitUntil(lambda: dialled.document.segmenter.n_clusters == 6)
    qtbot.keyClick(dialled.canvas, "K", SHIFT)
    qtbot.waitUntil(lambda: dialled.document.segmenter.n_clusters == 5)


def test_ctrl_k_lets_the_image_decide_and_takes_it_back(qtbot, dialled):
    qtbot.keyClick(dialled.canvas, "K", CTRL)
    assert dialled.actions_["k_less"].isChecked()
    qtbot.waitUntil(lambda: dialled.document.segmenter.k_less)
    dialled.document.undo()
    assert not dialled.document.segmenter.k_less
    assert not dialled.actions_["k_less"].isChecked()


def test_a_method_that_needs_k_says_so_in_the_menu(qtbot, window):
    window.document.set_segmenter(DiffCluster(mu=2.0))
    action = window.actions_["k_less"]
    assert not action.isEnabled()
    assert "Made up" in action.toolTip()
    qtbot.keyClick(window.canvas, "K", CTRL)
    assert window.document.segmenter == DiffCluster(mu=2.0)
