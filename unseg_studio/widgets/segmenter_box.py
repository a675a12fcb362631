"""Which method makes the labels, and with which parameters."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QWidget

from unseg_studio.document import Document, Live, RunStatus, dial
from unseg_studio.segmenters import SEGMENTERS, Segmenter, make_segmenter, params_of
from unseg_studio.widgets import backbone_box
from unseg_studio.widgets.backbone_box import BackboneBox
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.form import Form, fields_of_segmenter
from unseg_studio.widgets.k_dial import KDial
from unseg_studio.widgets.keys import WINDOW, Keys
from unseg_studio.widgets.layout import column
from unseg_studio.widgets.model_box import ModelBox

APPLY_MS = 250
"""A change is applied when the person has rested this long."""

CUSTOM = "custom"
ELSEWHERE = frozenset((*dial.FIELDS, *backbone_box.FIELDS, "model"))
"""Parameters that have a widget of their own, and no line in the form."""


class SegmenterBox(QWidget):
    """Method, preset, number of clusters, parameters.

    Parameters
    ----------
    document, live : Document, Live
        Whose segmenter to show and change.
    keys : Keys
        Which keys the tooltips name.
    """

    refused = Signal(str)
    """A value was not accepted; in a sentence."""

    def __init__(self, document: Document, live: Live, *, keys: Keys = WINDOW) -> None:
        super().__init__()
        self._document = document
        self._wishes: dict[str, Any] = {}
        self._method = self._make_method()
        self._preset = QComboBox()
        self._preset.setToolTip("A set of parameters that belong together.")
        self.dial = KDial(document.segmenter, keys=keys)
        self.backbone = BackboneBox()
        self.models = ModelBox()
        self._form = self._make_form()
        self._fill = self._make_fill()
        self._timer = QTimer(self, singleShot=True, interval=APPLY_MS)
        self._layout = column(
            self, self._make_head(), self.dial, self.backbone, self._form, self._fill
        )
        self._layout.addStretch(1)
        self._on_segmenter_changed(document.segmenter)
        self._on_status_changed(document.status)

        self._method.activated.connect(self._on_method_chosen)
        self._preset.textActivated.connect(self._on_preset_chosen)
        self.dial.wished.connect(lambda values: self._wish(**values))
        self.backbone.wished.connect(lambda values: self._wish(**values))
        self.backbone.arrived.connect(document.run)
        self.models.wished.connect(self._on_model_chosen)
        self.models.refused.connect(self.refused)
        self._fill.toggled.connect(document.set_fill)
        self._timer.timeout.connect(self._apply)
        follow(self, document.events.segmenter_changed, self._on_segmenter_changed)
        follow(self, document.events.fill_changed, self._on_fill_changed)
        follow(self, document.events.status_changed, self._on_status_changed)

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
        layout.addRow("Model", self.models)
        return layout

    def _make_form(self) -> Form:
        form = Form(fields_of_segmenter(self._document.segmenter), without=ELSEWHERE)
        self._form_is_of = self._document.segmenter.name
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

    def _on_model_chosen(self, segmenter: Segmenter | None) -> None:
        """Take what proposes with a model; None: this method, without one."""
        self._wishes.clear()
        own = self._document.segmenter
        if segmenter is None and "model" in params_of(own):
            segmenter = replace(own, **{"model": ""})
        if segmenter is not None:
            self._document.set_segmenter(segmenter)

    def _wish(self, **values: Any) -> None:
        """Show at once, apply when the person rests."""
        self._wishes.update(values)
        self._show_values({**asdict(self._document.segmenter), **self._wishes})
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
        values = asdict(segmenter)
        self.models.show_model(values.get("model", ""))
        self._show_values(values)
        if segmenter.name != self._form_is_of:
            old, self._form = self._form, self._make_form()
            self._layout.replaceWidget(old, self._form)
            old.deleteLater()
        self._form.show_values(values)

    def _show_values(self, values: dict[str, Any]) -> None:
        """What has a widget of its own."""
        self.dial.show_values(self._document.segmenter, values)
        self.backbone.setVisible(backbone_box.BACKBONE in values)
        self.backbone.show_values(values)

    def _show_presets(self, segmenter: Segmenter) -> None:
        names = list(segmenter.presets)
        # The number of clusters follows the image, whatever the rest is set to.
        asked = {
            name: getattr(segmenter, name) for name in params_of(segmenter) if name in dial.FIELDS
        }
        kind = segmenter.name
        fitting = (
            name for name in names if replace(make_segmenter(kind, name), **asked) == segmenter
        )
        current = next(fitting, CUSTOM)
        self._preset.clear()
        self._preset.addItems(names if current != CUSTOM else [*names, CUSTOM])
        self._preset.setCurrentText(current)

    def _on_fill_changed(self, fill: bool) -> None:
        self._fill.setChecked(fill)

    def _on_status_changed(self, status: RunStatus) -> None:
        self.dial.show_count(status.n_labels)
