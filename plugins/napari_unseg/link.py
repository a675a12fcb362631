"""Three Labels layers that follow the planes of a stack, and documents that follow what is painted.

    scribbles layer    -- end of a stroke -->  Document.mark      of the plane that was painted
    corrections layer  -- end of a stroke -->  Document.correct   of the plane that was painted
    preview layer      <-- labels, in place -- Document.shown     of every plane that has some
    all three          <-- colours of the categories, place of the image layer

Layers are held by reference: the person may rename them. The arrays belong to the link, so a layer
that is deleted can be shown again. They are as large as the stack, but memory is taken only for
planes that something is written to, and every handler looks at those planes alone. They hold 16
bits a pixel: those napari gives to the graphics card as they are, larger ones it colours itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_unseg.arrays import LARGEST, Shown, places_of, room
from napari_unseg.colors import colormap_of
from napari_unseg.planes import Planes, in_words
from napari_unseg.sight import Sight
from napari_unseg.strokes import (
    NOTHING_HERE,
    Ids,
    correct,
    corrections_of,
    scribble,
)
from napari_unseg.tables import stored
from unseg_studio.data import (
    FIRST_CLUSTER,
    NOTHING,
    Box,
    Mosaic,
    Scribbles,
)
from unseg_studio.data.boxes import union
from unseg_studio.data.labels import is_cluster
from unseg_studio.document import Document, PlaneIndex, Stack

Role = Literal["preview", "corrections", "scribbles"]
"""From the bottom to the top."""

OPACITY: dict[Role, float] = {"preview": 0.5, "corrections": 0.7, "scribbles": 1.0}

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Where a layer lies in the world."""

_FORESEEN = frozenset(range(FIRST_CLUSTER, FIRST_CLUSTER + 32))
"""Clusters that get their colours at once, since new colours are dear in napari."""

_Connection = tuple[Any, Callable[..., Any]]


class LayerLink:
    """Ties a stack to layers of a viewer, for as long as the image layer is there.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the three layers on top.
    layer : Image layer
        What the stack was made of.
    planes : Planes
        How its axes are to be read.
    stack : Stack
        Whose labels, scribbles and corrections to tie; a plane of it is at work.

    Raises
    ------
    ValueError
        In a sentence, where there is not enough memory for the layers.
    """

    ended = Signal(str)
    """The image layer was removed or holds other data: nothing follows any more. Says so."""
    lost = Signal(str)
    """One of the three layers was removed; everything is kept. Carries its name."""
    refused = Signal(str)
    """A stroke was not possible and was taken back; in a sentence."""
    looked = Signal()
    """Another plane, or the stack in another way, is shown."""
    labels_due = Signal()
    """`show_labels` has something to write."""

    def __init__(
        self, viewer: ViewerModel, layer: ImageLayer, planes: Planes, stack: Stack
    ) -> None:
        self.layer = layer
        self.stack = stack
        self.axes = planes.axes
        self.sight = Sight(viewer, layer, planes.axes)
        self._viewer = viewer
        self._ids: dict[Role, Shown] = {role: room(planes.axes) for role in get_args(Role)}
        self._layers: dict[Role, LabelsLayer] = {}
        self._connections: dict[Role | PlaneIndex | None, list[_Connection]] = {}
        self._blank = Mosaic.full(stack.shape, NOTHING)
        self._written: dict[PlaneIndex, Mosaic] = {}
        self._corrected: dict[PlaneIndex, Mosaic] = {}
        self._dirty: set[PlaneIndex] = set()
        self._announced: dict[Role, dict[PlaneIndex, Box]] = {}
        self._seen: set[int] = set(_FORESEEN)
        self._colored: dict[Role, object] = {}
        self._connect(None, self._stack_connections())
        for index, document in stack.documents.items():
            self._on_opened(index, document)
        self.restore()

    def close(self) -> None:
        """Let go; the layers stay, as ordinary ones."""
        for key in list(self._connections):
            self._disconnect(key)
        for layer in self._layers.values():
            _give_back(layer)

    @property
    def preview(self) -> LabelsLayer:
        """The labels as they are now; KeyError while the person has it deleted."""
        return self._layers["preview"]

    @property
    def corrections(self) -> LabelsLayer:
        """What was corrected by hand; KeyError while the person has it deleted."""
        return self._layers["corrections"]

    @property
    def scribbles(self) -> LabelsLayer:
        """What steers; KeyError while the person has it deleted."""
        return self._layers["scribbles"]

    @property
    def is_whole(self) -> bool:
        """None of the three layers is missing."""
        return len(self._layers) == len(self._ids)

    def owns(self, layer: Layer | None) -> bool:
        """Say whether this is the image layer or one of the three that follow."""
        # By ==, for napari hands plugins proxies of its layers, which equal the layers.
        return layer is not None and layer in (self.layer, *self._layers.values())

    # The three layers

    @property
    def roles(self) -> frozenset[Role]:
        """Which of the three layers are there."""
        return frozenset(self._layers)

    def restore(self) -> None:
        """Add the layers that are missing, with everything that was in them."""
        for role in get_args(Role):
            if role not in self._layers:
                self._layers[role] = self._added(role)
                self._prepare(role)
        self._raise_in_order()
        self._show_colors()
        self.show_labels()
        self._viewer.layers.selection.active = self.scribbles

    def _added(self, role: Role) -> LabelsLayer:
        place = {name: getattr(self.layer, name) for name in PLACE if hasattr(self.layer, name)}
        return self._viewer.add_labels(
            self._ids[role], name=role, opacity=OPACITY[role],
            metadata=dict(self.layer.metadata), **place,
        )  # fmt: skip

    def _prepare(self, role: Role) -> None:
        layer = self._layers[role]
        self._colored.pop(role, None)
        if role == "preview":
            layer.editable = False
        else:
            layer.brush_size = max(3, min(self.stack.shape) // 60)
            layer.mode = "paint"
            layer.selected_label = self.stack.document.active
            # In place of napari's own history, which would only know what was painted here.
            layer.undo, layer.redo = self._undo, self._redo
        self._connect(role, self._layer_connections(role, layer))

    def _raise_in_order(self) -> None:
        """Preview below corrections below scribbles, where that is not so."""
        layers = self._viewer.layers
        wanted = [self._layers[role] for role in get_args(Role)]
        places = [layers.index(layer) for layer in wanted]
        if places != sorted(places):
            for layer in wanted:
                layers.move(layers.index(layer), len(layers))

    def _stack_connections(self) -> Iterator[_Connection]:
        events, dims = self.stack.events, self._viewer.dims.events
        yield events.opened, self._on_opened
        yield events.let_go, self._on_let_go
        yield events.carried, self._on_carried
        yield events.categories_changed, self._show_colors
        yield events.moved, self._show_active
        yield self._viewer.layers.events.removed, self._on_removed
        yield self.layer.events.data, self._on_image_replaced
        for signal in (dims.point, dims.order, dims.ndisplay, dims.ndim):
            yield signal, self._on_looked
        for name in PLACE:
            if hasattr(self.layer.events, name):
                yield getattr(self.layer.events, name), _ignoring_event(self._put, name)

    def _layer_connections(self, role: Role, layer: LabelsLayer) -> Iterator[_Connection]:
        yield layer.events.data, _ignoring_event(self._on_data_replaced, role)
        if role == "preview":
            yield layer.events.editable, self._keep_preview
            return
        yield layer.events.paint, _with_value(self._on_painted, role)
        yield layer.events.labels_update, _ignoring_event(self._on_drawn, role)
        yield layer.events.set_data, _ignoring_event(self._on_drawn, role)
        yield layer.events.selected_label, _ignoring_event(self._on_label_selected, role)
        yield layer.events.n_edit_dimensions, _ignoring_event(self._keep_flat, role)

    def _document_connections(self, index: PlaneIndex, document: Document) -> Iterator[_Connection]:
        events = document.events
        yield events.scribbles_changed, partial(self._on_scribbles_changed, index)
        yield events.labels_changed, partial(self._on_labels_changed, index)
        yield events.history_changed, partial(self._on_history_changed, index)
        yield events.active_changed, self._show_active

    def _connect(self, key: Any, connections: Iterable[_Connection]) -> None:
        made = self._connections.setdefault(key, [])
        for signal, slot in connections:
            signal.connect(slot)
            made.append((signal, slot))

    def _disconnect(self, key: Any) -> None:
        for signal, slot in self._connections.pop(key, ()):
            signal.disconnect(slot)

    # The person, at the layers

    def _on_removed(self, event: Any) -> None:
        gone = event.value
        if gone == self.layer:
            self._end("was removed")
            return
        for role, layer in list(self._layers.items()):
            if gone == layer:
                self._disconnect(role)
                _forget_ours(self._layers.pop(role))
                self.lost.emit(gone.name)

    def _on_image_replaced(self, _event: Any = None) -> None:
        self._end("holds other data now")

    def _end(self, what: str) -> None:
        self.close()
        self.ended.emit(
            f"The layer {self.layer.name!r} {what}, which ended the work on it; its labels stay as "
            "ordinary layers."
        )

    def _on_looked(self, _event: Any = None) -> None:
        self.looked.emit()

    def _put(self, name: str) -> None:
        """Lay the layers where the image layer lies now."""
        for layer in self._layers.values():
            setattr(layer, name, getattr(self.layer, name))

    def _keep_preview(self, _event: Any = None) -> None:
        """Napari makes layers editable again when the display changes."""
        if self.preview.editable:
            self.preview.editable = False

    def _keep_flat(self, role: Role) -> None:
        layer = self._layers[role]
        if layer.n_edit_dimensions > 2:
            layer.n_edit_dimensions = 2
            self.refused.emit("A stroke is drawn on one plane; choose 2 dimensions to edit.")

    def _on_label_selected(self, role: Role) -> None:
        document, label = self.stack.document, int(self._layers[role].selected_label)
        if any(category.id == label for category in document.categories):
            document.set_active(label)

    def _on_painted(self, role: Role, atoms: Any) -> None:
        """Take a stroke, at its end; what a script paints is told before it is in the array."""
        places = self._touched(atoms)
        self._announced[role] = {i: b for i, b in places.items() if self._is_known(role, i, b)}
        for index, box in places.items():
            if index not in self._announced[role]:
                self._take(role, index, box)

    def _on_drawn(self, role: Role) -> None:
        """Take what was announced, now that it is there."""
        for index, box in list(self._announced.pop(role, {}).items()):
            if not self._is_known(role, index, box):
                self._take(role, index, box)

    def _is_known(self, role: Role, index: PlaneIndex, box: Box) -> bool:
        return np.array_equal(self._view(role, index)[box], self._truth(role, index, box))

    def _on_data_replaced(self, role: Role) -> None:
        """Take over what somebody gave the layer in the place of our array, which comes back."""
        layer, own = self._layers[role], self._ids[role]
        given = layer.data
        if given is own:
            return
        with layer.events.data.blocker():
            layer.data = own
        if role == "preview" or given.shape != own.shape or np.dtype(given.dtype).kind not in "iu":
            self.refused.emit(
                f"The layer {layer.name!r} keeps its own data; accepted are whole numbers of the "
                f"shape {own.shape} in the scribbles and in the corrections. Paint there, or make "
                "another layer for other data."
            )
            return
        for index in self.stack.indices:
            self._take_plane(role, index, np.asarray(given[self.axes.key(index, channels=0)]))
        layer.refresh(extent=False)

    def _take_plane(self, role: Role, index: PlaneIndex, given: NDArray[Any]) -> None:
        view = self._view(role, index)
        if np.array_equal(given, view):
            return
        if given.min() < 0 or given.max() > LARGEST:
            self.refused.emit(
                f"{self._layers[role].name!r} was given labels from {given.min()} to "
                f"{given.max()}; accepted are 0 to {LARGEST}. This plane stays as it was."
            )
            return
        view[...] = given
        self._take(role, index, self._whole)

    def _touched(self, atoms: Any) -> dict[PlaneIndex, Box]:
        """Planes under a stroke, and the rectangle of it on each."""
        found: dict[PlaneIndex, list[Box]] = {}
        for atom in atoms or ():
            for index, box in places_of(atom, self.axes):
                found.setdefault(index, []).append(box)
        return {index: union(boxes) or self._whole for index, boxes in found.items()}

    def _take(self, role: Role, index: PlaneIndex, box: Box) -> None:
        """Give a stroke that is in the array to the plane's document, which goes to work."""
        drawn = self._view(role, index)[box].astype(np.int32)  # what opens shows what it has
        draw = scribble if role == "scribbles" else correct
        try:
            self._require_flat()
            draw(self.stack.work_on(index), drawn, box)
        except (ValueError, MemoryError) as error:
            self.refused.emit(str(error) or "There is not enough memory for this stroke.")
        self._write(role, index, box, self._truth(role, index, box))

    def _require_flat(self) -> None:
        if not self.sight.is_flat:
            rows, cols = self.axes.shown
            raise ValueError(
                "The stroke was taken back: strokes are drawn while whole planes are shown, in 2-D "
                f"and with the axes {rows} and {cols}. Switch back to that view (Ctrl+Y for 2-D, "
                "Ctrl+E to roll the axes)."
            )

    def _undo(self) -> None:
        self._travel("undo")

    def _redo(self) -> None:
        self._travel("redo")

    def _travel(self, verb: Literal["undo", "redo"]) -> None:
        """Of the plane that is shown, if anything was done there."""
        index = self.sight.shown
        if self.stack.document_of(index) is None:
            at = in_words(self.stack.at_work)
            self.refused.emit(
                f"There is nothing to {verb} on this plane; plane {at} is at work. Go there first."
            )
            return
        getattr(self.stack.work_on(index), verb)()

    # The documents

    def _on_opened(self, index: PlaneIndex, document: Document) -> None:
        self._connect(index, self._document_connections(index, document))
        self._on_scribbles_changed(index, document.scribbles, self._whole)
        self._on_history_changed(index)
        self._on_labels_changed(index)

    def _on_let_go(self, index: PlaneIndex, _document: Document) -> None:
        self._disconnect(index)

    def _on_carried(self, indices: tuple[PlaneIndex, ...]) -> None:
        self._dirty.update(indices)
        self.labels_due.emit()

    def _on_labels_changed(self, index: PlaneIndex) -> None:
        self._dirty.add(index)
        self.labels_due.emit()

    def _on_scribbles_changed(self, index: PlaneIndex, scribbles: Scribbles, box: Box) -> None:
        self._write("scribbles", index, box, scribbles.mosaic.window(box))

    def _on_history_changed(self, index: PlaneIndex) -> None:
        """Corrections have no signal of their own; comparing the same ones costs nothing."""
        document = self.stack.document_of(index)
        if document is None:
            return
        now, before = document.edits.mosaic, self._corrected.get(index)
        box = now.difference(before) if before else self._whole
        self._corrected[index] = now
        if box and (before or not document.edits.is_empty):
            self._write("corrections", index, box, corrections_of(now.window(box)))

    def show_labels(self) -> None:
        """Write the labels of all planes that have new ones into the preview, in place."""
        indices, self._dirty = self._dirty, set()
        for index in indices:
            self._write_labels(index)
        self._show_colors()
        if indices and "preview" in self._layers and self._is_seen(indices):
            self.preview.refresh(extent=False, thumbnail=False)

    def show_thumbnail(self) -> None:
        """Bring the thumbnail of the preview up to date."""
        if "preview" in self._layers:
            self.preview.refresh(extent=False, data_displayed=False, highlight=False)

    def _write_labels(self, index: PlaneIndex) -> None:
        shown = self.stack.shown(index) or self._blank
        if box := shown.difference(self._written.get(index, self._blank)):
            self._view("preview", index)[box] = self._fitting(shown.window(box))
        self._written[index] = shown
        self._seen.update(min(id_, LARGEST) for id_ in shown.areas if is_cluster(id_))

    def _fitting(self, ids: Ids) -> Ids:
        """Ids that the layer can hold; no segmenter makes others in any run of usual length."""
        if ids.max(initial=NOTHING) <= LARGEST:
            return ids
        self.refused.emit(
            f"Clusters with numbers beyond {LARGEST} are shown as one; press Run again, which "
            "numbers them anew."
        )
        return np.minimum(ids, LARGEST)

    def _is_seen(self, indices: Iterable[PlaneIndex]) -> bool:
        """Volumes and cuts are dear to draw: they follow at the end of a run."""
        if self.sight.is_flat:
            return self.sight.shown in indices
        documents = map(self.stack.document_of, indices)
        return not all(document and document.status.is_busy for document in documents)

    def _show_active(self, _value: Any = None) -> None:
        active = self.stack.document.active
        for role in ("scribbles", "corrections"):
            layer = self._layers.get(role)
            if layer is not None and layer.selected_label != NOTHING_HERE:
                layer.selected_label = active

    def _show_colors(self, _table: Any = None) -> None:
        """Give the layers their colours, and the names that are saved with them.

        Colours are dear in napari, so only where they are different.
        """
        wanted = (self.stack.categories, frozenset(self._seen))
        for role, layer in self._layers.items():
            if self._colored.get(role) != wanted:
                self._colored[role] = wanted
                layer.metadata = {**layer.metadata, **stored(self.stack.categories)}
                layer.colormap = colormap_of(self._seen, self.stack.categories, NOTHING_HERE)

    # Arrays

    @property
    def _whole(self) -> Box:
        height, width = self.stack.shape
        return slice(0, height), slice(0, width)

    def _view(self, role: Role, index: PlaneIndex) -> Shown:
        """One plane of a layer, `(H, W)`, to read and to write."""
        view: Shown = self._ids[role][self.axes.key(index, channels=0)]
        return view

    def _write(self, role: Role, index: PlaneIndex, box: Box, ids: Ids) -> None:
        part = self._view(role, index)[box]
        if np.array_equal(part, ids):
            return
        part[...] = ids
        layer = self._layers.get(role)
        if layer is not None and (self.sight.shown == index or not self.sight.is_flat):
            layer.refresh(extent=False)

    def _truth(self, role: Role, index: PlaneIndex, box: Box) -> Ids:
        """What a layer should show."""
        document = self.stack.document_of(index)
        if document is None:
            return self._blank.window(box)
        if role == "scribbles":
            return document.scribbles.mosaic.window(box)
        return corrections_of(document.edits.mosaic.window(box))


def _forget_ours(layer: LabelsLayer) -> None:
    """Give a layer its own undo back."""
    for verb in ("undo", "redo"):
        vars(layer).pop(verb, None)


def _give_back(layer: LabelsLayer) -> None:
    """Make a layer of the viewer an ordinary one, with an empty history of its own."""
    _forget_ours(layer)
    layer.editable = False
    layer.editable = True


def _ignoring_event(slot: Callable[..., None], value: str) -> Callable[[Any], None]:
    def called(event: Any = None) -> None:
        slot(value)

    return called


def _with_value(slot: Callable[..., None], role: Role) -> Callable[[Any], None]:
    def called(event: Any) -> None:
        slot(role, event.value)

    return called
