"""How many clusters: one number or two limits, or none, where the image decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from unseg_studio.document import dial
from unseg_studio.document.dial import FEWEST, K_LESS, MOST, NUMBER, SENSITIVITY
from unseg_studio.segmenters import Segmenter, params_of
from unseg_studio.widgets.form import Form, FormField
from unseg_studio.widgets.keys import WINDOW, Keys, with_key
from unseg_studio.widgets.layout import column, row, small_button

_K_LESS_TIP = "The image decides how many clusters there are."
_NUMBER_TIP = "How many clusters are asked for."
_TOO_SOON = "Only k-less has a sensitivity; switch it on above."
_SENSITIVITY = FormField(
    SENSITIVITY, "Sensitivity", "More of it gives more clusters.", 0.5, low=0.0, high=1.0, step=0.05
)
_SHOWN_TIP = "How many clusters and categories are shown now."


class KDial(QWidget):
    """The number of clusters of a segmenter, with the switch that does without one.

    Parameters
    ----------
    segmenter : Segmenter
        Whose number to show first.
    keys : Keys
        Which keys the tooltips name.
    """

    wished = Signal(dict)
    """The person wants these parameters to have these values."""

    def __init__(self, segmenter: Segmenter, *, keys: Keys = WINDOW) -> None:
        super().__init__()
        self._segmenter = segmenter
        self._keys = keys
        self._count = 0
        self._fewer = small_button("minus", with_key("One cluster fewer", keys.fewer), self.fewer)
        self._more = small_button("plus", with_key("One cluster more", keys.more), self.more)
        self._shown, self._number = self._make_shown(), self._make_number()
        self._low, self._high = _limit("Fewest clusters"), _limit("Most clusters")
        self._limits = self._make_limits()
        self._k_less = QCheckBox("k-less: the image decides")
        self._k_less.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._sensitivity = Form([_SENSITIVITY])
        column(self, self._make_row(), self._limits, self._k_less, self._sensitivity, margin=0)
        self.show_values(segmenter, asdict(segmenter))

        self._number.valueChanged.connect(lambda n: self._ask_for(n))
        self._low.valueChanged.connect(self._on_low_edited)
        self._high.valueChanged.connect(self._on_high_edited)
        self._k_less.clicked.connect(lambda on: self.wished.emit({K_LESS: on}))
        self._sensitivity.edited.connect(lambda name, value: self.wished.emit({name: value}))

    @property
    def is_k_less(self) -> bool:
        """The image decides."""
        return bool(self._k_less.isChecked())

    # The person

    def more(self) -> None:
        """Ask for one cluster more; without k, or between limits, than are shown."""
        if dial.knows(self._segmenter, NUMBER):
            self._ask_for(self._from_here() + 1)
        elif dial.has_k(self._segmenter):
            _, highest = dial.accepted(self._segmenter, FEWEST)
            self._on_low_edited(min(max(self._low.value(), self._count) + 1, highest))

    def fewer(self) -> None:
        """Ask for one cluster fewer; without k, or between limits, than are shown."""
        if dial.knows(self._segmenter, NUMBER):
            self._ask_for(self._from_here() - 1)
        elif dial.has_k(self._segmenter):
            lowest, _ = dial.accepted(self._segmenter, MOST)
            shown = self._count or self._high.value()
            self._on_high_edited(max(min(self._high.value(), shown) - 1, lowest))

    def toggle_k_less(self) -> None:
        """Let the image decide, or the person again.

        Raises
        ------
        ValueError
            If the method cannot do without k.
        """
        if reason := dial.why_no_k_less(self._segmenter):
            raise ValueError(reason)
        self.wished.emit({K_LESS: not self.is_k_less})

    def _from_here(self) -> int:
        """The number that one more or one fewer is counted from."""
        return self._count if self.is_k_less and self._count else self._number.value()

    def _ask_for(self, number: int) -> None:
        lowest, highest = dial.accepted(self._segmenter, NUMBER)
        values: dict[str, Any] = {NUMBER: min(max(number, lowest), highest)}
        if dial.has_k_less(self._segmenter):
            values[K_LESS] = False
        self.wished.emit(values)

    def _on_low_edited(self, low: int) -> None:
        self.wished.emit({FEWEST: low, MOST: max(low, self._high.value())})

    def _on_high_edited(self, high: int) -> None:
        self.wished.emit({MOST: high, FEWEST: min(high, self._low.value())})

    # What is true

    def show_values(self, segmenter: Segmenter, values: dict[str, Any]) -> None:
        """Show what a segmenter has, or will have once the person rests."""
        self._segmenter = segmenter
        for box, name in ((self._number, NUMBER), (self._low, FEWEST), (self._high, MOST)):
            if name in values:
                self._show_number(box, name, values[name])
        self._show_k_less(bool(values.get(K_LESS)))
        self._sensitivity.show_values(values)
        self._show_what_applies()

    def show_count(self, count: int) -> None:
        """Show how many clusters and categories the labels have; 0: none yet."""
        self._count = count
        self._shown.setText(f"k = {count}" if count else "no clusters yet")

    def _show_number(self, box: QSpinBox, name: str, value: int) -> None:
        with QSignalBlocker(box):
            box.setRange(*dial.accepted(self._segmenter, name))
            box.setValue(value)
        box.setToolTip(params_of(self._segmenter)[name].help)

    def _show_k_less(self, on: bool) -> None:
        reason = dial.why_no_k_less(self._segmenter)
        self._k_less.setChecked(on)
        self._k_less.setEnabled(not reason)
        self._k_less.setToolTip(reason or with_key(_K_LESS_TIP, self._keys.k_less))

    def _show_what_applies(self) -> None:
        """One number is asked for; a number that was found is only shown."""
        asks = dial.knows(self._segmenter, NUMBER) and not self.is_k_less
        self._number.setVisible(asks)
        self._shown.setVisible(not asks)
        self._limits.setVisible(dial.knows(self._segmenter, FEWEST, MOST))
        for widget in (self._fewer, self._more):
            widget.setVisible(dial.has_k(self._segmenter))
        self._sensitivity.setVisible(dial.knows(self._segmenter, K_LESS, SENSITIVITY))
        self._sensitivity.setEnabled(self.is_k_less)
        too_soon = with_key(_TOO_SOON, self._keys.k_less)
        for part in self._sensitivity.findChildren(QWidget):
            part.setToolTip(_SENSITIVITY.tip if self.is_k_less else too_soon)

    # Parts

    def _make_row(self) -> QHBoxLayout:
        """What is shown and what is asked for stand in one place, of which there is one."""
        layout = row(self._fewer, self._shown, self._number, self._more, stretch=1)
        layout.setStretch(2, 1)
        return layout

    def _make_shown(self) -> QLabel:
        label = QLabel("no clusters yet")
        label.setToolTip(_SHOWN_TIP)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        _emphasise(label)
        return label

    def _make_number(self) -> QSpinBox:
        box = QSpinBox()
        box.setPrefix("k = ")
        box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        box.setAlignment(Qt.AlignmentFlag.AlignCenter)
        box.setToolTip(_NUMBER_TIP)
        _emphasise(box)
        return _typed(box, "Number of clusters")

    def _make_limits(self) -> QWidget:
        box = QWidget()
        limits = row(QLabel("between"), self._low, QLabel("and"), self._high)
        column(box, limits, margin=0)
        return box


def _limit(name: str) -> QSpinBox:
    return _typed(QSpinBox(), name)


def _typed(box: QSpinBox, name: str) -> QSpinBox:
    """A number that counts once it is typed in full."""
    box.setKeyboardTracking(False)
    box.setAccessibleName(name)
    return box


def _emphasise(widget: QWidget) -> None:
    font = widget.font()
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * 1.2)
    widget.setFont(font)
