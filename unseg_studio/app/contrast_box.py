"""Which values are black and white on the screen, and which channels are shown."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QWidget
from superqt import QDoubleRangeSlider, QFlowLayout

from unseg_studio.app.canvas import Canvas
from unseg_studio.data import Image
from unseg_studio.document import Document
from unseg_studio.widgets.layout import button, column, row, words

_SAMPLE = 1_000_000
_RGB = ("Red", "Green", "Blue")


class ContrastBox(QWidget):
    """Contrast limits, gamma and channels; changes what is seen, not what is computed.

    Parameters
    ----------
    document : Document
        Its image gives the range.
    canvas : Canvas
        Whose picture to set.
    """

    def __init__(self, document: Document, canvas: Canvas) -> None:
        super().__init__()
        self._image, self._canvas = document.image, canvas
        self._limits = self._make_limits()
        self._gamma = self._make_gamma()
        self._words = words(quiet=True)
        self._auto = button("Auto", "Limits that leave hot and dead pixels out", self.reset)
        self._channels = self._make_channels()
        column(
            self, self._limits, self._words, row(QLabel("Gamma"), self._gamma, self._auto)
        ).addWidget(self._make_channel_row())
        self._apply()

        self._limits.valueChanged.connect(self._apply)
        self._gamma.valueChanged.connect(self._apply)
        for box in self._channels:
            box.toggled.connect(self._on_channels_toggled)

    def reset(self) -> None:
        """Go back to the estimated limits and no gamma."""
        self._limits.setValue(self._image.value_range)
        self._gamma.setValue(1.0)

    # Parts

    def _make_limits(self) -> QDoubleRangeSlider:
        slider = QDoubleRangeSlider(Qt.Orientation.Horizontal)
        slider.setRange(*full_range(self._image))
        slider.setValue(self._image.value_range)
        slider.setToolTip("Values that are shown as black and as white.")
        return slider

    def _make_gamma(self) -> QDoubleSpinBox:
        box = QDoubleSpinBox(minimum=0.1, maximum=5.0, singleStep=0.1, decimals=2, value=1.0)
        box.setToolTip("Below 1 brightens the middle.\nAccepted: 0.1 to 5.")
        return box

    def _make_channels(self) -> list[QCheckBox]:
        n = self._image.n_channels
        names = _RGB if n == len(_RGB) else tuple(f"Channel {i + 1}" for i in range(n))
        boxes = [QCheckBox(name) for name in names] if n > 1 else []
        for i, box in enumerate(boxes):
            box.setChecked(i < len(_RGB))
        return boxes

    def _make_channel_row(self) -> QWidget:
        widget = QWidget()
        layout = QFlowLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in self._channels:
            layout.addWidget(box)
        widget.setVisible(bool(self._channels))
        return widget

    # The person

    def _apply(self) -> None:
        low, high = self._limits.value()
        self._canvas.set_contrast(low, high, self._gamma.value())
        self._words.setText(f"black {low:.4g}, white {high:.4g}")

    def _on_channels_toggled(self) -> None:
        shown = tuple(i for i, box in enumerate(self._channels) if box.isChecked())
        self._canvas.set_visible_channels(shown)


def full_range(image: Image) -> tuple[float, float]:
    """(low, high) that the limits can reach: what bytes can hold, else what occurs."""
    if image.pixels.dtype == np.uint8:
        return 0.0, 255.0
    sample = image.sample(_SAMPLE)
    low, high = image.value_range
    return min(low, float(sample.min())), max(high, float(sample.max()))
