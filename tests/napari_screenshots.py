"""Drive real napari with real mouse events on its samples and keep its picture at some moments.

Run as `python -m tests.napari_screenshots`, on a display of 1600 x 1000 or more (`make screenshots`
brings a virtual one). Writes assets/screenshots/{5-napari,6-napari-scribbles,7-napari-stack}.png.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise

import cv2
import napari
import numpy as np
from napari_unseg.dock import Dock
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest

from tests.screenshots import FOLDER, rest, until

WIDTH, HEIGHT = 1440, 900
DOCK_WIDTH = 320
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier

STACK = "nuclei_stack"
MARGIN = 6
"""Pixels at the border where nobody would begin to draw."""

Path_ = Sequence[tuple[float, float]]

DIM: Path_ = [(28, 524), (30, 534)]
"""Across a nucleus of the sample that shines little; row and column."""


def main() -> int:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    photograph_of_nuclei()
    stack_of_nuclei()
    return 0


def photograph_of_nuclei() -> None:
    """The fresh dock, and what two scribbles do."""
    viewer, dock = opened("nuclei")
    keep(viewer, "5-napari")
    begin(dock)
    draw(viewer, dock, 1, brightest(dock, half_length=8))
    draw(viewer, dock, 2, darkest(dock, half_length=30))
    draw(viewer, dock, 1, DIM)
    keep(viewer, "6-napari-scribbles")
    viewer.close()


def stack_of_nuclei() -> None:
    """One plane is scribbled, all get its labels, and another one is looked at."""
    viewer, dock = opened(STACK)
    middle = viewer.layers[0].data.shape[0] // 2
    viewer.dims.set_current_step(0, middle)
    rest(300)
    begin(dock)
    draw(viewer, dock, 1, brightest(dock, half_length=3))
    draw(viewer, dock, 2, darkest(dock, half_length=6))
    dock.session.carry(everywhere=True)
    until(lambda: not dock.session.is_carrying)
    viewer.dims.set_current_step(0, middle + 6)
    keep(viewer, "7-napari-stack")
    viewer.close()


def opened(sample: str) -> tuple[napari.Viewer, Dock]:
    """A viewer with one of the plugin's samples and the dock beside it."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(WIDTH, HEIGHT)
    viewer.open_sample("unseg-studio", sample)
    shell, dock = viewer.window.add_plugin_dock_widget("unseg-studio")
    main_window = viewer.window._qt_window
    main_window.resizeDocks([shell], [DOCK_WIDTH], Qt.Orientation.Horizontal)
    viewer.layers.selection.active = viewer.layers[0]
    rest(500)  # the canvas gets its size
    viewer.reset_view()
    rest(500)
    return viewer, dock


def begin(dock: Dock) -> None:
    """Press the button, and wait for the proposal."""
    dock.begin()
    until(lambda: dock.session is not None)
    settle(dock)


def settle(dock: Dock) -> None:
    """Wait for the end of the run."""
    until(lambda: dock.session.document.status.phase in ("done", "failed"))
    rest(500)


def brightest(dock: Dock, *, half_length: float) -> Path_:
    """A short path through the brightest place."""
    return _path(dock, np.argmax, half_length)


def darkest(dock: Dock, *, half_length: float) -> Path_:
    """A short path through the darkest place."""
    return _path(dock, np.argmin, half_length)


def _path(dock: Dock, choose: object, half_length: float) -> Path_:
    grey = dock.session.document.image.unit.mean(axis=2)
    smooth = cv2.GaussianBlur(grey, (0, 0), max(1.0, min(grey.shape) / 100))
    inner = smooth[MARGIN:-MARGIN, MARGIN:-MARGIN]
    row, column = np.unravel_index(choose(inner), inner.shape)  # type: ignore[operator]
    left = max(column + MARGIN - half_length, 1)
    return [(row + MARGIN, left), (row + MARGIN, column + MARGIN + half_length)]


def draw(viewer: napari.Viewer, dock: Dock, label: int, path: Path_) -> None:
    """Press, move and release on the canvas, with a label."""
    scribbles = dock.session.link.scribbles
    viewer.layers.selection.active = scribbles
    scribbles.selected_label = label
    canvas = viewer.window._qt_viewer.canvas
    to_canvas = canvas.layer_to_visual[scribbles].node.get_transform("visual", "canvas")

    def place(row: float, column: float) -> QPoint:
        x, y = to_canvas.map([column + 0.5, row + 0.5])[:2]
        return QPointF(x, y).toPoint()

    QTest.mousePress(canvas.native, LEFT, NO_KEY, place(*path[0]))
    for start, end in pairwise(path):
        for part in np.linspace(0, 1, 8):
            at = (a + (b - a) * part for a, b in zip(start, end, strict=True))
            QTest.mouseMove(canvas.native, place(*at))
            rest(10)
    QTest.mouseRelease(canvas.native, LEFT, NO_KEY, place(*path[-1]))
    rest(100)
    settle(dock)


def keep(viewer: napari.Viewer, name: str) -> None:
    """Write what the window shows."""
    rest(400)
    path = FOLDER / f"{name}.png"
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
