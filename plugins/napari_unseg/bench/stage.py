"""A napari window to measure in: it waits as a person does, and draws with the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import napari
import numpy as np
from napari.layers import Layer
from npe2 import PluginManager, PluginManifest
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import napari_unseg
from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path

WINDOW = (1000, 700)
"""Pixels; where OpenGL is software, what is drawn costs by its size."""
PLUGIN = "unseg-studio"

_LOOK_MS = 1
_DEADLINE = 60.0
"""Seconds after which something counts as stuck."""


class Stage:
    """A shown viewer that counts what its canvas draws."""

    def __init__(self) -> None:
        _make_plugin_known()
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*WINDOW)
        self.drawn = 0
        self.last_drawn = 0.0
        self._canvas: Any = self.viewer.window._qt_viewer.canvas
        self._canvas.events.draw.connect(self._on_drawn, position="last")
        self.rest(0.5)

    def open_dock(self) -> Any:
        """The dock, opened as napari's menu opens it."""
        return self.viewer.window.add_plugin_dock_widget(PLUGIN)[1]

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()

    # Time

    def wait(self, done: Callable[[], object]) -> float:
        """Let events run until something is the case; gives the seconds that took.

        Raises
        ------
        TimeoutError
            If it never is.
        """
        began, loop, timer = time.perf_counter(), QEventLoop(), QTimer()

        def look() -> None:
            if done() or time.perf_counter() - began > _DEADLINE:
                loop.quit()

        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(look)
        timer.start(_LOOK_MS)
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        if time.perf_counter() - began > _DEADLINE:
            raise TimeoutError(f"Nothing came within {_DEADLINE:g} s; measure again.")
        return time.perf_counter() - began

    def wait_until_drawn(self) -> float:
        """Let events run until the canvas has drawn once more; gives the seconds."""
        before = self.drawn
        return self.wait(lambda: self.drawn > before)

    def rest(self, seconds: float) -> None:
        """Let events run."""
        end = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > end)

    def _on_drawn(self, _event: Any = None) -> None:
        self.drawn += 1
        self.last_drawn = time.perf_counter()

    # The mouse

    def press(self, layer: Layer, points: NDArray[np.float64]) -> None:
        """Draw a stroke through pixels `(N, 2)` of the shown plane, up to before the release."""
        native, left = self._canvas.native, Qt.MouseButton.LeftButton
        spots = [self._spot(layer, row, col) for row, col in points]
        QTest.mouseMove(native, spots[0])
        QApplication.processEvents()
        QTest.mousePress(native, left, pos=spots[0])
        for spot in spots[1:]:
            QTest.mouseMove(native, spot)
            self.rest(0.008)  # a mouse reports 125 times a second

    def release(self, layer: Layer, point: NDArray[np.float64]) -> None:
        """End the stroke."""
        spot = self._spot(layer, *point)
        QTest.mouseRelease(self._canvas.native, Qt.MouseButton.LeftButton, pos=spot)

    def _spot(self, layer: Layer, row: float, col: float) -> QPoint:
        """Where the canvas shows a pixel of the shown plane."""
        node = self._canvas.layer_to_visual[getattr(layer, "__wrapped__", layer)].node
        x, y = node.get_transform("visual", "canvas").map([col + 0.5, row + 0.5])[:2]
        return QPoint(round(float(x)), round(float(y)))


@contextmanager
def staged() -> Iterator[Stage]:
    """A window for as long as something is measured in it."""
    stage = Stage()
    try:
        yield stage
    finally:
        stage.close()


def nuclei(side: int) -> NDArray[np.uint8]:
    """The bundled picture of nuclei, `(side, side)` grey."""
    grey = cv2.cvtColor(read_image(sample_path("nuclei")).rgb, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def nuclei_stack(side: int, n_planes: int) -> NDArray[np.uint8]:
    """Nuclei that drift from plane to plane, `(n_planes, side, side)`."""
    plane = nuclei(side)
    return np.stack([np.roll(plane, (3 * z, 2 * z), (0, 1)) for z in range(n_planes)])


def _make_plugin_known() -> None:
    """From a checkout that is not installed, too."""
    plugins = PluginManager.instance()
    plugins.discover()
    if PLUGIN not in plugins:
        plugins.register(
            PluginManifest.from_file(Path(napari_unseg.__file__).parent / "napari.yaml")
        )
