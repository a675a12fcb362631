"""Views follow as long as they exist, and end once, however they end."""

from __future__ import annotations

import gc

import pytest
from psygnal import Signal
from qtpy.QtWidgets import QWidget

from unseg_studio.widgets.following import follow, when_gone


class Speaker:
    said = Signal(str)


class Listener(QWidget):
    def __init__(self, speaker, ended):
        super().__init__()
        self.heard = []
        follow(self, speaker.said, self.hear)
        when_gone(self, lambda: ended.append(True))

    def hear(self, word):
        self.heard.append(word)


@pytest.fixture
def ended():
    return []


def test_a_view_follows_until_it_is_deleted(qtbot, ended):
    speaker = Speaker()
    view = Listener(speaker, ended)
    speaker.said.emit("a")
    view.deleteLater()
    qtbot.waitUntil(lambda: ended == [True])
    speaker.said.emit("b")
    assert view.heard == ["a"]


def test_a_view_that_goes_with_another_one_ends(qtbot, ended):
    around = QWidget()
    Listener(Speaker(), ended).setParent(around)
    around.deleteLater()
    qtbot.waitUntil(lambda: ended == [True])


def test_a_view_that_python_collects_ends_once(qapp, ended):
    view = Listener(Speaker(), ended)
    view.itself = view
    del view
    gc.collect()
    assert ended == [True]
