from __future__ import annotations

import pytest
from qtpy.QtCore import QObject

from unseg_studio.widgets.painting import Patience


@pytest.fixture
def shown():
    return []


@pytest.fixture
def patience(qapp, shown):
    parent = QObject()
    yield Patience(lambda: shown.append(1), parent)
    parent.deleteLater()


def test_what_lasts_is_shown_at_once(patience, shown):
    patience.tell(lasts=True)
    assert shown == [1]


def test_what_may_pass_is_shown_once_when_it_does_not(qtbot, patience, shown):
    patience.tell(lasts=False)
    patience.tell(lasts=False)
    assert shown == []
    qtbot.waitUntil(lambda: shown == [1])


def test_what_has_passed_is_never_shown(qtbot, patience, shown):
    patience.tell(lasts=False)
    patience.tell(lasts=True)
    assert not patience._timer.isActive()
    assert shown == [1]
