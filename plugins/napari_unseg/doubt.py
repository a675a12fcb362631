"""An image layer that shows where the labels are in doubt, while the person wants to see it."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_unseg.arrays import room
from napari_unseg.link import PLACE, LayerLink
from unseg_studio.document import Document, PlaneIndex
from unseg_studio.refinement import Uncertainty

NAME = "uncertainty"
BRIGHTEST = 255


class DoubtLayer:
    """Shows the uncertainty of every plane that has one, additively.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layer, while it is shown.
    link : LayerLink
        Whose stack, and in whose place.
    """

    shown_changed = Signal(bool)
    """It is shown or not; the person may also delete the layer."""

    def __init__(self, viewer: ViewerModel, link: LayerLink) -> None:
        self._viewer = viewer
        self._link = link
        self._values: NDArray[np.uint8] | None = None
        self._layer: ImageLayer | None = None
        link.stack.events.opened.connect(self._on_opened)
        link.stack.events.carried.connect(self._on_carried)
        for index, document in link.stack.documents.items():
            self._on_opened(index, document)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_shown(self) -> bool:
        """The layer is there."""
        return self._layer is not None

    def owns(self, layer: Layer | None) -> bool:
        """Say whether this is the layer."""
        return self._layer is not None and layer == self._layer

    def show(self, shown: bool) -> None:
        """Add the layer, or take it away."""
        if shown == self.is_shown:
            return
        if shown:
            self._add()
            self.shown_changed.emit(True)
        else:
            self._viewer.layers.remove(self._layer)

    def close(self) -> None:
        """Let go; the layer stays, as an ordinary one."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._layer = None

    def _add(self) -> None:
        stack, active = self._link.stack, self._viewer.layers.selection.active
        self._values = room(self._link.axes, np.uint8)
        for index in stack.indices_with_labels:
            self._write(index, stack.uncertainty(index))
        image = self._link.layer
        place = {name: getattr(image, name) for name in PLACE if hasattr(image, name)}
        self._layer = self._viewer.add_image(
            self._values, name=NAME, colormap="inferno", blending="additive",
            contrast_limits=(0, BRIGHTEST), **place,
        )  # fmt: skip
        self._viewer.layers.selection.active = active

    def _on_removed(self, event: Any) -> None:
        if self._layer is not None and event.value == self._layer:
            self._layer = self._values = None
            self.shown_changed.emit(False)

    def _on_opened(self, index: PlaneIndex, document: Document) -> None:
        document.events.uncertainty_changed.connect(partial(self._show, index))

    def _on_carried(self, indices: tuple[PlaneIndex, ...]) -> None:
        for index in indices:
            self._show(index, self._link.stack.uncertainty(index))

    def _show(self, index: PlaneIndex, uncertainty: Uncertainty | None) -> None:
        if self._layer is None:
            return
        self._write(index, uncertainty)
        if self._link.sight.is_flat and index == self._link.sight.shown:
            self._layer.refresh(extent=False)

    def _write(self, index: PlaneIndex, uncertainty: Uncertainty | None) -> None:
        if self._values is None:
            return
        plane = self._values[self._link.axes.key(index, channels=0)]
        plane[...] = 0 if uncertainty is None else _enlarged(uncertainty)


def _enlarged(uncertainty: Uncertainty) -> NDArray[np.uint8]:
    """The doubt of every pixel, 0 to `BRIGHTEST`."""
    height, width = uncertainty.image_shape
    small = np.rint(uncertainty.plane * BRIGHTEST).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
