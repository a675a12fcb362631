"""Two Labels layers that follow a document, and a document that follows what is painted in one.

    scribbles layer  -- end of a stroke, undo -->  Document.set_scribbles
    preview layer    <-- labels, in place --------  Document.labels
    both             <-- colours of the categories

Layers are held by reference: the person may rename them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.colormaps import DirectLabelColormap, label_colormap
from numpy.typing import NDArray
from psygnal import Signal

from unseg_studio.data import NOTHING, Category, Image, Scribbles, Source, present_ids
from unseg_studio.data.channels import without_alpha
from unseg_studio.document import Document

PREVIEW = "preview"
SCRIBBLES = "scribbles"

ACCEPTED = "accepted is one 2-D image layer, grey or RGB(A)"

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Where a layer lies in the world."""


class LayerLink:
    """Ties a document to layers of a viewer, for as long as these layers are there.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the two layers on top.
    layer : Image layer
        What the document was made of; see `image_of`.
    document : Document
        Whose labels and scribbles to tie.
    """

    ended = Signal(str)
    """A layer was removed: nothing follows any more. Carries its name."""
    refused = Signal(str)
    """A stroke was not possible and was taken back; in a sentence."""

    def __init__(self, viewer: ViewerModel, layer: ImageLayer, document: Document) -> None:
        self.layer = layer
        self.document = document
        self._layers = viewer.layers
        self._shown = document.shown
        labels = document.labels.copy()
        self.preview = _add_labels(viewer, layer, labels, name=PREVIEW, opacity=0.5)
        self.scribbles = _add_labels(
            viewer, layer, document.scribbles.ids.copy(), name=SCRIBBLES, opacity=1.0
        )
        self._colored: dict[LabelsLayer, tuple[Any, ...]] = {}
        self._prepare_for_strokes()
        self.show_labels()
        for signal, slot in self._connections():
            signal.connect(slot)

    def close(self) -> None:
        """Let go; the layers stay, as ordinary ones."""
        for signal, slot in self._connections():
            signal.disconnect(slot)
        self.preview.editable = True

    def owns(self, layer: Layer | None) -> bool:
        """Say whether this is the image layer or one of the two that follow."""
        # By ==, for napari hands plugins proxies of its layers, which equal the layers.
        return layer in (self.layer, self.preview, self.scribbles)

    def show_labels(self) -> None:
        """Write the document's labels into the preview, in place."""
        shown, before = self.document.shown, self._shown
        self._color_preview()
        if box := shown.difference(before):
            self.preview.data[box] = shown.window(box)
        self._shown = shown
        self.preview.refresh(extent=False)

    # Parts

    def _connections(self) -> tuple[tuple[Any, Callable[..., None]], ...]:
        events = self.document.events
        return (
            (self._layers.events.removed, self._on_layer_removed),
            (self.scribbles.events.paint, self._on_painted),
            (self.scribbles.events.set_data, self._on_painted),  # undo and redo say only this
            (self.scribbles.events.selected_label, self._on_label_selected),
            (events.scribbles_changed, self._show_scribbles),
            (events.categories_changed, self._show_colors),
            (events.active_changed, self._show_active),
        )

    def _prepare_for_strokes(self) -> None:
        self.preview.editable = False
        self.scribbles.brush_size = max(3, min(self.document.image.shape) // 60)
        self.scribbles.mode = "paint"
        self._show_colors()
        self._show_active()
        self._layers.selection.active = self.scribbles

    # The person

    def _on_layer_removed(self, event: Any) -> None:
        if self.owns(event.value):
            self.close()
            self.ended.emit(event.value.name)

    def _on_label_selected(self) -> None:
        if self.scribbles.selected_label in _ids(self.document.categories):
            self.document.set_active(int(self.scribbles.selected_label))

    def _on_painted(self) -> None:
        """Take what is drawn now; called once a stroke, not once a mouse move."""
        drawn = np.array(self.scribbles.data, np.int32)
        if np.array_equal(drawn, self.document.scribbles.ids):
            return
        # New colours make napari say set_data again, in the middle of this.
        with self.scribbles.events.set_data.blocker(self._on_painted):
            try:
                self._require_unlocked(drawn)
                self.document.set_scribbles(Scribbles(self._with_categories(drawn)))
            except ValueError as error:
                self.refused.emit(str(error))
            self._show_scribbles()

    def _require_unlocked(self, drawn: NDArray[np.int32]) -> None:
        new = drawn[drawn != self.document.scribbles.ids]
        for id_ in present_ids(new):
            if id_ in self.document.locks:
                self.document.require_unlocked(id_)

    def _with_categories(self, drawn: NDArray[np.int32]) -> NDArray[np.int32]:
        """A label that is no category yet becomes the next one."""
        known = _ids(self.document.categories)
        strays = {id_: drawn == id_ for id_ in np.unique(drawn[drawn != 0]) if id_ not in known}
        for mask in strays.values():
            drawn[mask] = self.document.add_category().id
        return drawn

    # The document

    def _show_scribbles(self) -> None:
        """Where the layer shows something else, which also ends its own undo."""
        if not np.array_equal(self.scribbles.data, self.document.scribbles.ids):
            self.scribbles.data = self.document.scribbles.ids.copy()

    def _show_active(self) -> None:
        self.scribbles.selected_label = self.document.active

    def _show_colors(self) -> None:
        self._color(self.scribbles, ())
        self._color_preview()

    def _color_preview(self) -> None:
        self._color(self.preview, sorted(self.document.shown.areas.keys() - {NOTHING}))

    def _color(self, layer: LabelsLayer, ids: Sequence[int]) -> None:
        """Give a layer its colours; dear in napari, so only where they are different."""
        wanted = (self.document.categories, tuple(ids))
        if self._colored.get(layer) != wanted:
            self._colored[layer] = wanted
            layer.colormap = colormap_of(ids, self.document.categories)


def image_of(layer: Layer | None) -> Image:
    """Make an image of what a layer holds, which stays untouched.

    Parameters
    ----------
    layer : Layer or None
        None where no layer, or more than one, is selected.

    Raises
    ------
    ValueError
        If it is no 2-D image, or if there is nothing to segment in it.
    """
    plane = require_plane(layer)
    pixels = np.array(plane.data)  # a copy, for images are read-only
    if plane.rgb and pixels.shape[-1] == 4:
        pixels = without_alpha(pixels)
    path = plane.source.path
    return Image.of(pixels, Source(path=Path(path) if path else None))


def require_plane(layer: Layer | None) -> ImageLayer:
    """Return the layer itself; ValueError, in a sentence, if it is no 2-D image."""
    if layer is None:
        raise ValueError(f"No single layer is selected; {ACCEPTED}. Select one in the layer list.")
    if not isinstance(layer, ImageLayer):
        kind = type(layer).__name__
        raise ValueError(f"{layer.name!r} is a {kind} layer; {ACCEPTED}. Select an image layer.")
    if layer.multiscale:
        raise ValueError(
            f"{layer.name!r} is a multiscale image; {ACCEPTED}, of one scale. "
            "Add one of its scales as a layer of its own."
        )
    if layer.ndim != 2:
        raise ValueError(
            f"{layer.name!r} is a stack with {layer.ndim} axes; {ACCEPTED}. Stacks come later: "
            "add one plane of it as a layer of its own."
        )
    return layer


def colormap_of(ids: Sequence[int], categories: Sequence[Category]) -> DirectLabelColormap:
    """Categories in their own colours, other ids in those that napari would give them."""
    quiet = label_colormap()
    colors: dict[int | None, Any] = {None: "white", 0: "transparent"}
    colors |= {id_: quiet.map(id_) for id_ in ids}
    colors |= {category.id: category.color for category in categories}
    return DirectLabelColormap(color_dict=colors)


def _ids(categories: Sequence[Category]) -> set[int]:
    return {category.id for category in categories}


def _add_labels(
    viewer: ViewerModel, layer: ImageLayer, ids: NDArray[np.int32], *, name: str, opacity: float
) -> LabelsLayer:
    """A Labels layer in the place of the image layer."""
    place = {key: getattr(layer, key) for key in _PLACE}
    return viewer.add_labels(
        ids, name=name, opacity=opacity, metadata=dict(layer.metadata), **place
    )
