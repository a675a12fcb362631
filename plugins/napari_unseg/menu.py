"""What stands in napari's menu File > IO Utilities: a dialog, then the reader or a writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import PIL.Image
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_unseg import writer
from napari_unseg.reader import LayerTuple, labels_layer, layers_of
from unseg_studio.formats import read_png
from unseg_studio.formats.coco_reader import CocoFile

MASKS = "Masks (*.json *.png);;COCO (*.json);;Indexed PNG (*.png)"


def import_masks(viewer: Viewer) -> None:
    """Ask for a COCO file or an indexed PNG, and add its masks as layers."""
    chosen, _ = QFileDialog.getOpenFileName(
        QApplication.activeWindow(), "Import masks", _folder(viewer), MASKS
    )
    if not chosen:
        return
    try:
        layers = masks_in(Path(chosen))
    except (OSError, ValueError) as error:
        show_error(str(error))
        return
    for data, attributes, kind in layers:
        viewer.add_layer(Layer.create(data, attributes, kind))


def masks_in(path: Path) -> list[LayerTuple]:
    """Layers of a COCO file, or of an indexed PNG.

    Raises
    ------
    OSError, ValueError
        If it is neither, in a sentence.
    """
    if path.suffix.lower() != ".png":
        return layers_of(CocoFile.read(path))
    read = read_png(path, shape=_size(path))
    for note in read.notes:
        show_info(note)
    return [labels_layer(read.labels.copy(), read.categories, name=path.stem, file_name=path.name)]


def _size(path: Path) -> tuple[int, int]:
    """Height and width of a PNG; of no other file, which its reader then says."""
    try:
        with PIL.Image.open(path, formats=("PNG",)) as image:
            return image.height, image.width
    except (ValueError, SyntaxError, PIL.UnidentifiedImageError):
        return 0, 0


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
    layers = [
        layer
        for layer in viewer.layers
        if layer in viewer.layers.selection and isinstance(layer, LabelsLayer)
    ]
    if not layers:
        show_error(
            "No Labels layer is selected; accepted are one or more Labels layers. Select them in "
            "the layer list."
        )
        return
    suffix = kind[kind.index("*") + 1 : -1]
    wanted = Path(_folder(viewer)) / f"{layers[0].name}{suffix}"
    chosen, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(), "Export labels", str(wanted), kind
    )
    if chosen:
        _write(write, Path(chosen), layers, suffix=suffix)


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
