"""Which method makes the labels, and with which parameters."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QSpinBox, QWidget

from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.segmenters import SEGMENTERS, Segmenter, make_segmenter, params_of
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.form import Form, fields_of_segmenter
from unseg_studio.widgets.layout import column, row, small_button

APPLY_MS = 250
"""A change is applied when the person has rested this long."""

CUSTOM = "custom"
K_FIELDS = ("min_clusters", "max_clusters")


class SegmenterBox(QWidget):
    """Method, preset, number of clusters, parameters.

    Parameters
    ----------
    document, live : Document, Live
        Whose segmenter to show and change.
    """

    refused = Signal(str)
    """A value was not accepted; in a sentence."""

    def __init__(self, document: Document, live: Live) -> None:
        super().__init__()
        self._document = document
        self._wishes: dict[str, Any] = {}
        self._method = self._make_method()
        self._preset = QComboBox()
        self._preset.setToolTip("A set of parameters that belong together.")
        self._k_row = self._make_k_row()
        self._form = self._make_form()
        self._fill = self._make_fill()
        self._timer = QTimer(self, singleShot=True, interval=APPLY_MS)
        self._layout = column(self, self._make_head(), self._k_row, self._form, self._fill)
        self._layout.addStretch(1)
        self._on_segmenter_changed(document.segmenter)
        self._on_status_changed(document.status)

        self._method.activated.connect(self._on_method_chosen)
        self._preset.textActivated.connect(self._on_preset_chosen)
        self._low.valueChanged.connect(self._on_low_edited)
        self._high.valueChanged.connect(self._on_high_edited)
        self._fill.toggled.connect(document.set_fill)
        self._timer.timeout.connect(self._apply)
        follow(self, document.events.segmenter_changed, self._on_segmenter_changed)
        follow(self, document.events.fill_changed, self._on_fill_changed)
        follow(self, document.events.status_changed, self._on_status_changed)

    @property
    def has_k(self) -> bool:
        """The method knows a fewest and a most number of clusters."""
        return set(K_FIELDS) <= set(params_of(self._document.segmenter))

    def k_up(self) -> None:
        """Ask for at least one cluster more than is shown."""
        shown, spec = self._document.status.n_labels, params_of(self._document.segmenter)
        low = min(max(self._low.value(), shown) + 1, int(spec["min_clusters"].high or 256))
        self._wish(min_clusters=low, max_clusters=max(low, self._high.value()))

    def k_down(self) -> None:
        """Ask for at least one cluster less than is shown."""
        shown = self._document.status.n_labels or self._high.value()
        lowest = int(params_of(self._document.segmenter)["max_clusters"].low or 1)
        high = max(min(self._high.value(), shown) - 1, lowest)
        self._wish(max_clusters=high, min_clusters=min(high, self._low.value()))

    # Parts

    def _make_method(self) -> QComboBox:
        box = QComboBox()
        for name, kind in SEGMENTERS.items():
            box.addItem(kind.title, name)
            box.setItemData(box.count() - 1, kind.summary, Qt.ItemDataRole.ToolTipRole)
        return box

    def _make_head(self) -> QFormLayout:
        layout = QFormLayout()
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Method", self._method)
        layout.addRow("Preset", self._preset)
        return layout

    def _make_k_row(self) -> QWidget:
        self._k = QLabel()
        self._k.setToolTip("How many clusters and categories are shown now")
        self._k.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self._k.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self._k.setFont(font)
        self._fewer = small_button("minus", "One cluster fewer than shown (Shift+K)", self.k_down)
        self._more = small_button("plus", "One cluster more than shown (K)", self.k_up)
        self._low, self._high = (
            self._make_limit("Fewest clusters"),
            self._make_limit("Most clusters"),
        )
        box = QWidget()
        limits = row(QLabel("between"), self._low, QLabel("and"), self._high)
        column(box, row(self._fewer, self._k, self._more, stretch=1), limits, margin=0)
        return box

    def _make_limit(self, name: str) -> QSpinBox:
        box = QSpinBox()
        box.setKeyboardTracking(False)
        box.setAccessibleName(name)
        return box

    def _make_form(self) -> Form:
        form = Form(fields_of_segmenter(self._document.segmenter), without=K_FIELDS)
        form.edited.connect(lambda name, value: self._wish(**{name: value}))
        return form

    def _make_fill(self) -> QCheckBox:
        box = QCheckBox("Scribbled categories fill the image")
        box.setToolTip(
            "Once two categories have scribbles they share the whole image.\n"
            "Without it, clusters without a name stay where no scribble reaches."
        )
        box.setChecked(self._document.state.fill)
        return box

    # The person

    def _on_method_chosen(self, index: int) -> None:
        name = self._method.itemData(index)
        if name != self._document.segmenter.name:
            self._document.set_segmenter(make_segmenter(name))

    def _on_preset_chosen(self, preset: str) -> None:
        self._wishes.clear()
        if preset != CUSTOM:
            self._document.set_segmenter(make_segmenter(self._document.segmenter.name, preset))

    def _on_low_edited(self, low: int) -> None:
        self._wish(min_clusters=low, max_clusters=max(low, self._high.value()))

    def _on_high_edited(self, high: int) -> None:
        self._wish(max_clusters=high, min_clusters=min(high, self._low.value()))

    def _wish(self, **values: Any) -> None:
        """Show at once, apply when the person rests."""
        self._wishes.update(values)
        self._show_limits({**asdict(self._document.segmenter), **self._wishes})
        self._timer.start()

    def _apply(self) -> None:
        wishes, self._wishes = self._wishes, {}
        try:
            self._document.set_segmenter(replace(self._document.segmenter, **wishes))
        except ValueError as error:
            self._on_segmenter_changed(self._document.segmenter)
            self.refused.emit(str(error))

    # The document

    def _on_segmenter_changed(self, segmenter: Segmenter) -> None:
        self._wishes.clear()
        self._method.setCurrentIndex(self._method.findData(segmenter.name))
        self._method.setToolTip(segmenter.summary)
        self._show_presets(segmenter)
        self._k_row.setVisible(self.has_k)
        values = asdict(segmenter)
        self._show_limits(values)
        if set(self._form.values()) != set(values) - set(K_FIELDS):
            old, self._form = self._form, self._make_form()
            self._layout.replaceWidget(old, self._form)
            old.deleteLater()
        self._form.show_values(values)

    def _show_presets(self, segmenter: Segmenter) -> None:
        names = list(segmenter.presets)
        fitting = (name for name in names if make_segmenter(segmenter.name, name) == segmenter)
        current = next(fitting, CUSTOM)
        self._preset.clear()
        self._preset.addItems(names if current != CUSTOM else [*names, CUSTOM])
        self._preset.setCurrentText(current)

    def _show_limits(self, values: dict[str, Any]) -> None:
        specs = params_of(self._document.segmenter)
        for box, name in ((self._low, "min_clusters"), (self._high, "max_clusters")):
            if name in values:
                with QSignalBlocker(box):
                    box.setRange(int(specs[name].low or 1), int(specs[name].high or 256))
                    box.setValue(values[name])
                box.setToolTip(specs[name].help)

    def _on_fill_changed(self, fill: bool) -> None:
        self._fill.setChecked(fill)

    def _on_status_changed(self, status: RunStatus) -> None:
        n = status.n_labels
        self._k.setText(f"k = {n}" if n else "no clusters yet")
