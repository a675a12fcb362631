"""The segmenter box and the document: both ways, and only when the person rests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtCore import QPoint, Qt

from unseg_studio.document import RunStatus
from unseg_studio.segmenters import make_segmenter
from unseg_studio.widgets import Form, SegmenterBox
from unseg_studio.widgets.model_box import ModelChoice


@pytest.fixture
def box(qtbot, document, live):
    box = SegmenterBox(document, live)
    qtbot.addWidget(box)
    box.resize(300, 500)
    box.show()
    return box


def form_of(box):
    return box.findChild(Form)


def test_an_edited_parameter_reaches_the_document(qtbot, box, document):
    form_of(box).editor("mu").setValue(5.0)
    qtbot.waitUntil(lambda: document.segmenter.mu == 5.0)


def test_many_changes_in_a_row_are_one_step(qtbot, box, document):
    for value in (3.0, 4.0, 5.0):
        form_of(box).editor("mu").setValue(value)
    qtbot.waitUntil(lambda: document.segmenter.mu == 5.0)
    document.undo()
    assert document.segmenter.mu == 1.0


def test_undo_in_the_document_is_shown(box, document):
    document.set_segmenter(replace(document.segmenter, mu=9.0))
    assert form_of(box).values()["mu"] == 9.0
    document.undo()
    assert form_of(box).values()["mu"] == 1.0


def test_a_preset_is_applied_and_recognised(qtbot, box, document):
    box._preset.setFocus()
    qtbot.keyClick(box._preset, Qt.Key.Key_Down)
    assert document.segmenter == make_segmenter("diffcluster", "paper")
    assert box._preset.currentText() == "paper"


def test_parameters_of_no_preset_are_called_custom(box, document):
    document.set_segmenter(replace(document.segmenter, mu=9.0))
    assert box._preset.currentText() == "custom"


def test_another_number_of_clusters_is_still_the_same_preset(box, document):
    document.set_segmenter(make_segmenter("deepcut", k_less=True, sensitivity=0.7))
    assert box._preset.currentText() == "live"
    document.set_segmenter(make_segmenter("deepcut", "paper", n_clusters=7))
    assert box._preset.currentText() == "paper"


def test_k_up_asks_for_more_clusters_than_are_shown(qtbot, box, document):
    qtbot.mouseClick(box.dial._more, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: document.segmenter.min_clusters == 4)
    assert document.segmenter.max_clusters >= 4


def test_k_up_twice_asks_for_two_more(qtbot, box, document):
    box.dial.more()
    box.dial.more()
    qtbot.waitUntil(lambda: document.segmenter.min_clusters == 5)


def test_k_down_asks_for_fewer_clusters_than_are_shown(qtbot, box, document):
    document.report(RunStatus("done", n_labels=7))
    qtbot.mouseClick(box.dial._fewer, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: document.segmenter.max_clusters == 6)


def test_k_down_ends_at_the_least_that_the_method_knows(qtbot, box, document):
    for _ in range(30):
        box.dial.fewer()
    qtbot.waitUntil(lambda: document.segmenter.max_clusters == 2)
    assert document.segmenter.min_clusters <= 2


def test_the_fewest_above_the_most_moves_the_most(qtbot, box, document):
    box.dial._low.setValue(40)
    qtbot.waitUntil(lambda: document.segmenter.min_clusters == 40)
    assert document.segmenter.max_clusters == 40


def test_the_number_of_clusters_is_shown(box, document):
    document.report(RunStatus("running", step=3, total=9, n_labels=11))
    assert box.dial._shown.text() == "k = 11"


def test_fill_goes_both_ways(qtbot, box, document):
    indicator = QPoint(8, box._fill.height() // 2)
    qtbot.mouseClick(box._fill, Qt.MouseButton.LeftButton, pos=indicator)
    assert not document.state.fill
    document.undo()
    assert box._fill.isChecked()


class TestModels:
    def choices(self, *, refuses=False):
        def segmenter():
            if refuses:
                raise ValueError("The model is damaged. Train again.")
            return make_segmenter("picie", n_clusters=7, model="a" * 64)

        return (ModelChoice("streets", "picie", "a" * 64, segmenter, "Learned from 9 images."),)

    def test_a_model_is_chosen_by_its_name(self, qtbot, box, document):
        box.models.set_source(self.choices)
        assert [box.models.itemText(i) for i in range(2)] == ["None", "streets"]
        box.models.setFocus()
        qtbot.keyClick(box.models, Qt.Key.Key_Down)
        qtbot.waitUntil(lambda: document.segmenter.name == "picie")
        assert document.segmenter.n_clusters == 7
        assert (box.models.currentText(), box._method.currentText()) == ("streets", "PiCIE")
        assert "model" not in form_of(box).values()

    def test_without_a_model_the_method_learns_alone_again(self, qtbot, box, document):
        box.models.set_source(self.choices)
        document.set_segmenter(self.choices()[0].segmenter())
        box.models.setFocus()
        qtbot.keyClick(box.models, Qt.Key.Key_Up)
        assert document.segmenter == make_segmenter("picie", n_clusters=7)

    def test_a_model_that_nobody_knows_is_shown_by_its_digits(self, box, document):
        document.set_segmenter(make_segmenter("picie", model="b" * 64))
        assert box.models.currentText() == "model bbbbbbbb"

    def test_a_model_that_is_damaged_is_refused_in_a_sentence(self, qtbot, box, document):
        box.models.set_source(lambda: self.choices(refuses=True))
        with qtbot.waitSignal(box.refused) as told:
            box.models.setFocus()
            qtbot.keyClick(box.models, Qt.Key.Key_Down)
        assert "damaged" in told.args[0]
        assert (document.segmenter.name, box.models.currentText()) == ("diffcluster", "None")
