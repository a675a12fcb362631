"""Tooltips name the keys of the face that they are in."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QWidget

from unseg_studio.widgets import CategoryList, ExportBox, RunBar, SegmenterBox
from unseg_studio.widgets.keys import Keys, with_key

OTHERS = Keys("Alt+R", "Alt+S", more="", fewer="", k_less="", export="", lock="", category="Alt")


@pytest.mark.parametrize(
    ("tip", "key", "wanted"),
    [
        ("Stop", "Esc", "Stop (Esc)"),
        ("It stops.", "Esc", "It stops (Esc)."),
        ("Stop.", "", "Stop."),
    ],
)
def test_a_key_stands_in_brackets_before_the_full_stop(tip, key, wanted):
    assert with_key(tip, key) == wanted


@pytest.mark.parametrize("kind", [CategoryList, ExportBox, RunBar, SegmenterBox])
def test_another_face_has_none_of_the_keys_of_the_window(qtbot, document, live, kind):
    widget = kind(document, live, keys=OTHERS)
    qtbot.addWidget(widget)
    tips = " ".join(part.toolTip() for part in widget.findChildren(QWidget))
    for key in ("(R)", "(Esc)", "(K)", "(Shift+K)", "(Ctrl+K)", "(Ctrl+E)", "(X)"):
        assert key not in tips
    if kind is RunBar:
        assert "(Alt+R)" in tips
