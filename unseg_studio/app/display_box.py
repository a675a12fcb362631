"""How the labels lie over the image, and how large the brush is."""

from __future__ import annotations

from qtpy.QtCore import QSettings, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QSlider, QWidget

from unseg_studio.app.canvas import RADII, Canvas
from unseg_studio.widgets.layout import MARGIN, SPACING

OPACITY = 45
"""Per cent, at the first start."""

BRUSH_SHARE = 0.01
"""Radius of the brush as a share of the image's longer side, until the person chooses one."""


class DisplayBox(QWidget):
    """Opacity, contours, uncertainty, brush size; opacity and brush are kept between starts.

    Parameters
    ----------
    canvas : Canvas
        Whose overlay and brush to set.
    settings : QSettings
        Where they are kept.
    """

    contours_changed = Signal(bool)
    """Outlines were switched on or off."""
    uncertainty_changed = Signal(bool)
    """The heat map was switched on or off."""

    def __init__(self, canvas: Canvas, settings: QSettings) -> None:
        super().__init__()
        self._canvas, self._settings = canvas, settings
        self._opacity = self._make_opacity()
        self._contours = QCheckBox("Outlines only (C)")
        self._uncertainty = QCheckBox("Uncertainty (U)")
        self._brush = self._make_brush()
        self._lay_out()

        self._opacity.valueChanged.connect(self._on_opacity_edited)
        self._contours.toggled.connect(self._on_contours_toggled)
        self._uncertainty.toggled.connect(self._on_uncertainty_toggled)
        self._brush.valueChanged.connect(canvas.set_brush_radius)
        canvas.brush_radius_changed.connect(self._on_brush_radius_changed)
        self._restore()

    @property
    def contours(self) -> bool:
        """Outlines instead of filled areas."""
        return bool(self._contours.isChecked())

    def set_contours(self, on: bool) -> None:
        """Show outlines instead of filled areas, or the other way round."""
        self._contours.setChecked(on)

    @property
    def uncertainty(self) -> bool:
        """The heat map is on."""
        return bool(self._uncertainty.isChecked())

    def set_uncertainty(self, on: bool) -> None:
        """Show where the labels are in doubt, or the labels alone."""
        self._uncertainty.setChecked(on)

    def tell_uncertainty(self, tip: str, *, usable: bool) -> None:
        """Say what the switch of the heat map does, or why it cannot be used."""
        self._uncertainty.setToolTip(tip)
        self._uncertainty.setEnabled(usable)

    def _make_opacity(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, 100)
        slider.setValue(OPACITY)
        slider.setToolTip("How much the labels cover the image. Hold Tab to see the bare image.")
        slider.setAccessibleName("Opacity of the labels")
        return slider

    def _make_brush(self) -> QDoubleSpinBox:
        box = QDoubleSpinBox(minimum=RADII[0], maximum=RADII[1], singleStep=1.0, decimals=1)
        box.setSuffix(" px")
        box.setToolTip(
            "Radius of scribbles and brushes ([ and ]).\n"
            f"Accepted: {RADII[0]:g} to {RADII[1]:g} px."
        )
        return box

    def _lay_out(self) -> None:
        layout = QFormLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(SPACING)
        layout.addRow("Opacity", self._opacity)
        layout.addRow("Brush", self._brush)
        layout.addRow(self._contours)
        layout.addRow(self._uncertainty)

    def _restore(self) -> None:
        opacity = int(str(self._settings.value("display/opacity", OPACITY)))
        self._opacity.setValue(opacity)
        self._canvas.set_opacity(opacity / 100)

    def suit(self, shape: tuple[int, int]) -> None:
        """Give an image of this (height, width) the chosen brush, or one that suits its size."""
        suitable = min(max(1.0, round(2 * BRUSH_SHARE * max(shape)) / 2), RADII[1])
        radius = float(str(self._settings.value("display/brush", suitable)))
        with QSignalBlocker(self._canvas), QSignalBlocker(self._brush):
            self._canvas.set_brush_radius(radius)
            self._brush.setValue(radius)

    def _on_opacity_edited(self, percent: int) -> None:
        self._canvas.set_opacity(percent / 100)
        self._settings.setValue("display/opacity", percent)

    def _on_contours_toggled(self, on: bool) -> None:
        self._canvas.set_contours(on)
        self.contours_changed.emit(on)

    def _on_uncertainty_toggled(self, on: bool) -> None:
        self._canvas.set_uncertainty_shown(on)
        self.uncertainty_changed.emit(on)

    def _on_brush_radius_changed(self, radius: float) -> None:
        with QSignalBlocker(self._brush):
            self._brush.setValue(radius)
        self._settings.setValue("display/brush", radius)
