"""The form: every field of a dataclass can be seen and edited, and nothing is said by itself."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QSlider

from unseg_studio.formats import FORMATS
from unseg_studio.segmenters import SEGMENTERS, param, params_of
from unseg_studio.widgets import Form, fields_of_options, fields_of_segmenter


@dataclass(frozen=True)
class Every:
    """One field of each kind."""

    name = "every"
    title = "Every"
    count: int = param(3, "Count", "How many.", low=1, high=9, step=1, unit="px")
    share: float = param(0.25, "Share", "How much.", low=0.0, high=1.0, step=0.05)
    large: int = param(5, "Large", "A wide range.", low=0, high=2**31 - 1, step=1, advanced=True)
    kind: str = param("round", "Kind", "Which one.", choices=("round", "square"))
    on: bool = param(True, "On", "Whether.")
    text: str = param("abc", "Text", "Any words.")


@pytest.fixture
def form(qtbot):
    form = Form(fields_of_segmenter(Every()))
    qtbot.addWidget(form)
    form.resize(300, 400)
    form.show()
    return form


def test_the_form_shows_the_values_of_the_dataclass(form):
    assert Every(**form.values()) == Every()


def test_values_that_the_program_shows_are_not_said_to_be_edited(qtbot, form):
    other = Every(count=7, share=0.5, large=9, kind="square", on=False, text="x")
    with qtbot.assertNotEmitted(form.edited, wait=20):
        form.show_values({f.name: getattr(other, f.name) for f in fields(other)})
    assert Every(**form.values()) == other


def test_what_the_person_types_is_said_once(qtbot, form):
    box = form.editor("count")
    box.setFocus()
    box.selectAll()
    with qtbot.waitSignal(form.edited) as said:
        qtbot.keyClicks(box, "8")
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert said.args == ["count", 8]


def test_a_value_finer_than_the_step_survives(form):
    form.show_values({"share": 0.125})
    assert form.values()["share"] == 0.125


def test_a_slider_moves_its_number_and_follows_it(qtbot, form):
    slider = next(s for s in form.findChildren(QSlider) if s.accessibleName() == "Share")
    with qtbot.waitSignal(form.edited) as said:
        slider.setFocus()
        qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert said.args == ["share", pytest.approx(0.3)]
    form.show_values({"share": 1.0})
    assert slider.value() == slider.maximum()


def test_ranges_too_wide_for_a_slider_get_none(form):
    assert "Large" not in {slider.accessibleName() for slider in form.findChildren(QSlider)}


def test_the_tooltip_tells_help_and_range(form):
    assert form.editor("count").toolTip() == "How many.\nAccepted: 1 to 9 px."


def test_numbers_outside_the_range_cannot_be_chosen(form):
    form.editor("count").setValue(99)
    assert form.values()["count"] == 9


def test_scrolling_past_an_editor_does_not_turn_it(qtbot, form):
    box = form.editor("count")
    form.editor("text").setFocus()
    event = QWheelEvent(
        QPointF(5, 5), box.mapToGlobal(QPointF(5, 5)), QPoint(), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(box, event)
    assert form.values()["count"] == 3


def test_advanced_fields_are_folded_away_at_first(form):
    assert not form.editor("count").visibleRegion().isEmpty()
    assert form.editor("large").visibleRegion().isEmpty()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_every_segmenter_has_a_form_that_gives_it_back(qtbot, name):
    segmenter = SEGMENTERS[name]()
    form = Form(fields_of_segmenter(segmenter))
    qtbot.addWidget(form)
    assert set(form.values()) == set(params_of(segmenter))
    assert replace(segmenter, **form.values()) == segmenter


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_form_that_gives_its_options_back(qtbot, name):
    options = FORMATS[name].options
    form = Form(fields_of_options(options))
    qtbot.addWidget(form)
    assert options(**form.values()) == options()


def test_choices_are_a_combo_box(form):
    assert isinstance(form.editor("kind"), QComboBox)
