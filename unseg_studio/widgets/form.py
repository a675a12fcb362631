"""A form made from a frozen dataclass whose fields say in their metadata what people need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from unseg_studio.segmenters import Segmenter, params_of
from unseg_studio.widgets.layout import SPACING, row

MOST_SLIDER_STEPS = 400
"""Ranges with more steps get no slider: a step would be less than a pixel of the mouse."""

_ANY = 1_000_000_000.0


@dataclass(frozen=True)
class FormField:
    """One line of a form.

    Parameters
    ----------
    name, label, help : str
        Of the dataclass field, for people, and one sentence about it.
    default : object
        Its type decides on the editor: bool, int, float, str (with or without choices), and None
        for a folder.
    low, high, step : float or None
        Range, ends included, and what one click changes.
    unit : str
        Shown behind the value.
    choices : tuple of str
        Accepted words.
    advanced : bool
        Folded away at first.
    """

    name: str
    label: str
    help: str
    default: Any
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    advanced: bool = False

    @property
    def tip(self) -> str:
        """What is said of it under the pointer: the sentence and the range."""
        if self.low is None or self.high is None:
            return self.help
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.help}\nAccepted: {self.low:g} to {self.high:g}{unit}."

    @property
    def n_steps(self) -> int:
        """Steps from one end of the range to the other, 0 where there is no range."""
        if self.low is None or self.high is None or not self.step:
            return 0
        return round((self.high - self.low) / self.step)


def fields_of_segmenter(segmenter: Segmenter) -> list[FormField]:
    """The lines for a segmenter's parameters."""
    return [
        FormField(
            name, spec.label, spec.help, getattr(segmenter, name), low=spec.low, high=spec.high,
            step=spec.step, unit=spec.unit, choices=spec.choices, advanced=spec.advanced,
        )
        for name, spec in params_of(segmenter).items()
    ]  # fmt: skip


def fields_of_options(options: type) -> list[FormField]:
    """The lines for a format's options; fields without a label are not for people."""
    return [
        FormField(
            field.name,
            field.metadata["label"],
            field.metadata.get("help", ""),
            field.default,
            choices=tuple(field.metadata.get("choices", ())),
        )
        for field in fields(options)
        if "label" in field.metadata
    ]


@dataclass(frozen=True, eq=False)
class Editor:
    """A widget for one value: how to read it, how to show another one."""

    widget: QWidget
    read: Callable[[], Any]
    write: Callable[[Any], None]
    slider: QSlider | None = None


class Form(QWidget):
    """Editors for the fields of a dataclass, advanced ones folded away.

    Parameters
    ----------
    lines : sequence of FormField
        What can be edited.
    without : collection of str
        Names that are edited elsewhere.
    """

    edited = Signal(str, object)
    """The person gave this field this value."""

    def __init__(self, lines: Sequence[FormField], without: Collection[str] = ()) -> None:
        super().__init__()
        shown = [line for line in lines if line.name not in without]
        self._editors = {line.name: self._make_editor(line) for line in shown}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addLayout(self._make_lines([line for line in shown if not line.advanced]))
        if folded := [line for line in shown if line.advanced]:
            layout.addWidget(self._make_folded(folded))

    def values(self) -> dict[str, Any]:
        """Name -> value, as the form shows them."""
        return {name: editor.read() for name, editor in self._editors.items()}

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show these values; what the person did not do is not said to be `edited`."""
        for name, editor in self._editors.items():
            if name in values and editor.read() != values[name]:
                with QSignalBlocker(editor.widget):
                    editor.write(values[name])

    def editor(self, name: str) -> QWidget:
        """The widget of one field."""
        return self._editors[name].widget

    def _make_lines(self, lines: Sequence[FormField]) -> QFormLayout:
        layout = QFormLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for line in lines:
            label = QLabel(line.label)
            label.setToolTip(line.tip)
            widget, slider = self._editors[line.name].widget, self._editors[line.name].slider
            label.setBuddy(widget)
            layout.addRow(label, row(slider, widget, stretch=0) if slider else widget)
        return layout

    def _make_folded(self, lines: Sequence[FormField]) -> QWidget:
        inside = QWidget()
        inside.setLayout(self._make_lines(lines))
        folded = QCollapsible("More parameters")
        folded.setDuration(0)
        folded.setContent(inside)
        folded.collapse(animate=False)
        widget: QWidget = folded
        return widget

    def _make_editor(self, line: FormField) -> Editor:
        editor, changed = _EDITORS[_kind(line)](line)
        editor.widget.setToolTip(line.tip)
        editor.widget.setAccessibleName(line.label)
        editor.widget.setObjectName(line.name)
        editor.widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        editor.widget.installEventFilter(_CalmWheel(editor.widget))
        changed.connect(lambda: self.edited.emit(line.name, editor.read()))
        return editor


class _CalmWheel(QObject):
    """Scrolling a panel must not turn the values that pass under the pointer."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget):
            event.ignore()
            return not watched.hasFocus()
        return False


def _kind(line: FormField) -> str:
    if line.choices:
        return "choice"
    return type(line.default).__name__


def _make_choice(line: FormField) -> tuple[Editor, Any]:
    box = QComboBox()
    box.addItems(line.choices)
    box.setCurrentText(str(line.default))
    return Editor(box, box.currentText, box.setCurrentText), box.currentTextChanged


def _make_flag(line: FormField) -> tuple[Editor, Any]:
    box = QCheckBox()
    box.setChecked(line.default)
    return Editor(box, box.isChecked, box.setChecked), box.toggled


def _make_whole(line: FormField) -> tuple[Editor, Any]:
    box = QSpinBox()
    box.setRange(int(-_ANY if line.low is None else line.low),
                 int(_ANY if line.high is None else line.high))  # fmt: skip
    box.setSingleStep(int(line.step or 1))
    box.setValue(line.default)
    return _as_number(box, line), box.valueChanged


def _make_real(line: FormField) -> tuple[Editor, Any]:
    box = QDoubleSpinBox()
    box.setDecimals(_decimals(line.step))
    box.setRange(-_ANY if line.low is None else line.low, _ANY if line.high is None else line.high)
    box.setSingleStep(line.step or 0.1)
    box.setValue(line.default)
    return _as_number(box, line), box.valueChanged


def _as_number(box: QSpinBox | QDoubleSpinBox, line: FormField) -> Editor:
    box.setSuffix(f" {line.unit}" if line.unit else "")
    box.setKeyboardTracking(False)
    box.setMinimumWidth(72)
    if not 1 < line.n_steps <= MOST_SLIDER_STEPS:
        return Editor(box, box.value, box.setValue)
    slider = _Slider(line, box.value())

    def write(value: Any) -> None:
        box.setValue(value)
        slider.follow(value)

    box.valueChanged.connect(slider.follow)
    slider.valueChanged.connect(lambda: box.setValue(slider.led(type(line.default))))
    return Editor(box, box.value, write, slider)


def _make_text(line: FormField) -> tuple[Editor, Any]:
    box = QLineEdit(line.default)
    return Editor(box, box.text, box.setText), box.editingFinished


def _make_folder(line: FormField) -> tuple[Editor, Any]:
    box = QLineEdit()
    box.setPlaceholderText("folder of the file")
    return (
        Editor(
            box,
            lambda: Path(box.text().strip()) if box.text().strip() else None,
            lambda path: box.setText(str(path or "")),
        ),
        box.editingFinished,
    )


_EDITORS: dict[str, Callable[[FormField], tuple[Editor, Any]]] = {
    "choice": _make_choice,
    "bool": _make_flag,
    "int": _make_whole,
    "float": _make_real,
    "str": _make_text,
    "NoneType": _make_folder,
}


def _decimals(step: float | None) -> int:
    """As many as the step needs, and one more, so that a typed value survives."""
    text = f"{step or 0.1:.6f}".rstrip("0")
    return len(text.partition(".")[2]) + 1


class _Slider(QSlider):
    """Moves a number box in steps of its range, and follows it."""

    def __init__(self, line: FormField, value: float) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._low, self._step = float(line.low or 0), float(line.step or 1)
        self.setRange(0, line.n_steps)
        self.setToolTip(line.tip)
        self.setAccessibleName(line.label)
        self.installEventFilter(_CalmWheel(self))
        self.follow(value)

    def follow(self, value: float) -> None:
        """Show a value without moving the box in turn."""
        with QSignalBlocker(self):
            self.setValue(round((value - self._low) / self._step))

    def led(self, kind: type) -> Any:
        """The value that it stands on, as an int or a float."""
        return kind(round(self._low + self.value() * self._step, 9))
