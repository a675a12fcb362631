"""The number of clusters, the switch that does without it, and the document: both ways."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QSlider

from tests.made_up_segmenter import MadeUp
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.segmenters import SEGMENTERS, DiffCluster
from unseg_studio.widgets import Form, SegmenterBox

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def made_up_method(monkeypatch):
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)


@pytest.fixture
def dialled(document):
    document.set_segmenter(MadeUp())
    return document


@pytest.fixture
def box(qtbot, dialled, live):
    box = SegmenterBox(dialled, live)
    qtbot.addWidget(box)
    box.resize(300, 500)
    box.show()
    return box


@pytest.fixture
def dial(box):
    return box.dial


def switch(qtbot, dial):
    place = QPoint(8, dial._k_less.height() // 2)
    qtbot.mouseClick(dial._k_less, LEFT, pos=place)


def slider_of(dial):
    return dial._sensitivity.findChild(QSlider)


def test_one_number_is_asked_for(dial):
    assert dial._number.isVisible()
    assert dial._number.text() == "k = 5"
    assert not dial._limits.isVisible()
    assert not dial._shown.isVisible()


def test_plus_and_minus_ask_for_one_more_and_one_fewer(qtbot, dial, document):
    qtbot.mouseClick(dial._more, LEFT)
    qtbot.mouseClick(dial._more, LEFT)
    assert dial._number.value() == 7
    qtbot.waitUntil(lambda: document.segmenter.n_clusters == 7)
    qtbot.mouseClick(dial._fewer, LEFT)
    qtbot.waitUntil(lambda: document.segmenter.n_clusters == 6)


def test_several_presses_are_one_undo_step(qtbot, dial, document):
    for _ in range(3):
        qtbot.mouseClick(dial._more, LEFT)
    qtbot.waitUntil(lambda: document.segmenter.n_clusters == 8)
    document.undo()
    assert document.segmenter == MadeUp()
    assert dial._number.value() == 5


def test_a_number_is_typed(qtbot, dial, document):
    dial._number.setFocus()
    dial._number.selectAll()
    qtbot.keyClicks(dial._number, "12")
    assert document.segmenter.n_clusters == 5  # 1 is not what is wanted
    qtbot.keyClick(dial._number, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: document.segmenter.n_clusters == 12)


@pytest.mark.parametrize(("button", "end"), [("_fewer", 2), ("_more", 32)])
def test_the_dial_ends_where_the_method_does(qtbot, dial, document, button, end):
    for _ in range(40):
        qtbot.mouseClick(getattr(dial, button), LEFT)
        if dial._number.value() == 31:  # which this method refuses
            dial.wished.emit({"n_clusters": 32})
    qtbot.waitUntil(lambda: document.segmenter.n_clusters == end)


def test_a_number_that_the_method_refuses_is_told_and_taken_back(qtbot, box, dial, document):
    with qtbot.waitSignal(box.refused) as refused:
        dial.wished.emit({"n_clusters": 31})
    assert "accepted is every other number" in refused.args[0]
    assert dial._number.value() == 5


def test_the_switch_lets_the_image_decide(qtbot, dial, document):
    switch(qtbot, dial)
    qtbot.waitUntil(lambda: document.segmenter.k_less)
    document.report(RunStatus("done", n_labels=7))
    assert not dial._number.isVisible()
    assert dial._shown.text() == "k = 7"
    switch(qtbot, dial)
    qtbot.waitUntil(lambda: not document.segmenter.k_less)
    assert dial._number.value() == 5


def test_one_more_than_the_image_wanted_is_a_number_again(qtbot, dial, document):
    switch(qtbot, dial)
    qtbot.waitUntil(lambda: document.segmenter.k_less)
    document.report(RunStatus("done", n_labels=7))
    qtbot.mouseClick(dial._more, LEFT)
    qtbot.waitUntil(lambda: not document.segmenter.k_less)
    assert document.segmenter.n_clusters == 8


def test_the_sensitivity_can_be_moved_only_without_k(qtbot, dial, document):
    slider = slider_of(dial)
    assert not slider.isEnabled()
    assert "switch it on above (Ctrl+K)" in slider.toolTip()
    switch(qtbot, dial)
    assert slider.isEnabled()
    assert "More of it gives more clusters." in slider.toolTip()


def test_the_sensitivity_follows_the_keys_and_the_document(qtbot, dial, document):
    switch(qtbot, dial)
    qtbot.keyClick(slider_of(dial), Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: document.segmenter == MadeUp(k_less=True, sensitivity=0.55))
    document.undo()
    assert dial._sensitivity.values() == {"sensitivity": 0.5}


def test_what_the_dial_sets_has_no_line_in_the_form(box):
    lines = box.findChild(Form).values()
    assert "smoothness" in lines
    assert not {"n_clusters", "k_less", "sensitivity"} & set(lines)


def test_a_method_that_needs_k_says_who_does_not(qtbot, dial, document):
    document.set_segmenter(DiffCluster())
    assert not dial._k_less.isEnabled()
    assert "Made up" in dial._k_less.toolTip()
    assert not dial._sensitivity.isVisible()
    assert dial._limits.isVisible()
    assert not dial._number.isVisible()
    with pytest.raises(ValueError, match="always needs a number"):
        dial.toggle_k_less()


def test_the_form_follows_the_method(box, document):
    document.set_segmenter(DiffCluster())
    assert "mu" in box.findChildren(Form)[-1].values()


def test_no_text_is_cut_in_the_narrowest_dock(qtbot, box, dial):
    switch(qtbot, dial)
    for label in dial.findChildren(QLabel):
        if label.isVisible():
            assert label.width() >= label.minimumSizeHint().width()
    assert box.minimumSizeHint().width() <= 300
    assert slider_of(dial).width() >= 80


def test_a_new_document_starts_with_what_it_has(qtbot, small_document):
    live = Live(small_document, device="cpu")
    box = SegmenterBox(small_document, live)
    qtbot.addWidget(box)
    assert box.dial.is_k_less
    live.close()


@pytest.fixture
def small_document(document):
    return Document(document.image, (), MadeUp(k_less=True))
