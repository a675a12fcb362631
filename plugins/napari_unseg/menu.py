"""What stands in napari's menu File > IO Utilities: a dialog, then the reader or a writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info, show_warning
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication, QFileDialog, QMainWindow, QWidget

from napari_unseg import writer
from napari_unseg.label_files import Like, layers_in
from napari_unseg.reader import LayerTuple
from napari_unseg.set_export import SetExport
from unseg_studio.widgets import SetSource

MASKS = (
    "Masks (*.json *.geojson *.png *.tif *.tiff *.txt *.yaml);;COCO, labelme (*.json);;"
    "GeoJSON (*.geojson *.json);;Indexed PNG (*.png);;OME-TIFF (*.tif *.tiff);;All files (*)"
)


_open: set[SetExport] = set()
"""Dialogs that the person has not closed; where no window is active they have no other owner."""


def import_masks(viewer: Viewer) -> None:
    """Ask for a file with masks, and add them as layers, over the selected one if there is one."""
    chosen, _ = QFileDialog.getOpenFileName(
        QApplication.activeWindow(), "Import masks", _folder(viewer), MASKS
    )
    _import(viewer, chosen)


def import_folder(viewer: Viewer) -> None:
    """Ask for the folder of a data set, and add the masks of the selected layer as a layer."""
    chosen = QFileDialog.getExistingDirectory(
        QApplication.activeWindow(), "Import masks from folder", _folder(viewer)
    )
    _import(viewer, chosen)


def _import(viewer: Viewer, chosen: str) -> None:
    if not chosen:
        return
    selected = viewer.layers.selection.active
    try:
        layers = layers_in(Path(chosen), Like.of(selected) if selected is not None else None)
    except (OSError, ValueError) as error:
        show_error(str(error))
        return
    for data, attributes, kind in layers:
        viewer.add_layer(Layer.create(data, attributes, kind))


def export_labels(viewer: Viewer) -> None:
    """Choose a format for the selected Labels layers, see what will be written, write it."""
    layers = _selected_labels(viewer)
    if not layers:
        return
    folder = _folder(viewer)
    try:
        content = writer.Content.of(
            [layer.as_layer_data_tuple() for layer in layers], Path(folder) if folder else Path()
        )
    except ValueError as error:
        show_error(str(error))
        return
    if content.left_out:
        show_warning(content.left_out)
    dialog = SetExport(
        SetSource(content, len(content)), Path(folder) / layers[0].name, parent=_window()
    )
    dialog.written.connect(lambda written: show_info(written.sentence))
    _open.add(dialog)
    dialog.finished.connect(lambda _: _open.discard(dialog))
    dialog.open()


def export_coco(viewer: Viewer) -> None:
    """Ask for a COCO file, and write the selected Labels layers; every label is a category."""
    _export(viewer, writer.write_coco, kind="COCO (*.json)")


def export_objects(viewer: Viewer) -> None:
    """Ask for a COCO file, and write the selected Labels layers; every label is an object."""
    _export(viewer, writer.write_objects, kind="COCO (*.json)")


def export_png(viewer: Viewer) -> None:
    """Ask for a PNG, and write the selected Labels layers, one file per plane."""
    _export(viewer, writer.write_png, kind="Indexed PNG (*.png)")


Write = Callable[[str, list[LayerTuple]], list[str]]


def _export(viewer: Viewer, write: Write, *, kind: str) -> None:
    layers = _selected_labels(viewer)
    if not layers:
        return
    suffix = kind[kind.index("*") + 1 : -1]
    wanted = Path(_folder(viewer)) / f"{layers[0].name}{suffix}"
    chosen, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(), "Export labels", str(wanted), kind
    )
    if chosen:
        _write(write, Path(chosen), layers, suffix=suffix)


def _window() -> QWidget | None:
    """Where dialogs belong, and whose colours they take."""
    every = QApplication.topLevelWidgets()
    shown = (w for w in every if isinstance(w, QMainWindow) and w.isVisible())
    return QApplication.activeWindow() or next(shown, None)


def _selected_labels(viewer: Viewer) -> list[LabelsLayer]:
    """The selected Labels layers in their order; says so where there is none."""
    selected = viewer.layers.selection
    layers = [
        layer for layer in viewer.layers if layer in selected and isinstance(layer, LabelsLayer)
    ]
    if not layers:
        show_error(
            "No Labels layer is selected; accepted are one or more Labels layers. Select them in "
            "the layer list."
        )
    return layers


def _write(write: Write, path: Path, layers: list[LabelsLayer], *, suffix: str) -> None:
    target = path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)
    try:
        written = write(str(target), [layer.as_layer_data_tuple() for layer in layers])
    except (OSError, ValueError) as error:
        show_error(str(error))
        return
    more = f" and {len(written) - 1} more" if len(written) > 1 else ""
    show_info(f"Wrote {written[0]}{more}.")


def _folder(viewer: Viewer) -> str:
    """Where the newest layer that was opened from a file came from."""
    for layer in reversed(viewer.layers):
        if layer.source.path:
            return str(Path(layer.source.path).parent)
    return ""
