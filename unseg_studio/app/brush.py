"""From what the person did on the canvas to the document's verbs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from unseg_studio.app.canvas import Canvas
from unseg_studio.app.tools import Tool
from unseg_studio.data import FIRST_CLUSTER, NOTHING
from unseg_studio.document import Document


class BrushController(QObject):
    """Acts on one document as long as the canvas shows it.

    Parameters
    ----------
    document : Document
        What the gestures change.
    canvas : Canvas
        Where they happen.
    """

    refused = Signal(str)
    """A gesture had no effect; the sentence says why and what to do."""

    def __init__(self, document: Document, canvas: Canvas) -> None:
        super().__init__()  # without a parent: it ends, and lets go of its document, when dropped
        self._document = document
        self._canvas = canvas
        self._steps = 0
        self._steps_after_click: int | None = None
        document.events.history_changed.connect(self._on_history_changed)
        canvas.stroke_drawn.connect(self._on_stroke_drawn)
        canvas.polygon_drawn.connect(self._on_polygon_drawn)
        canvas.point_clicked.connect(self._on_point_clicked)
        canvas.ids_dragged.connect(self._on_ids_dragged)
        canvas.click_taken_back.connect(self._on_click_taken_back)

    def _on_stroke_drawn(self, tool: Tool, points: NDArray[np.float64]) -> None:
        radius = self._canvas.brush_radius()
        verbs: dict[Tool, Callable[[], None]] = {
            Tool.SCRIBBLE: lambda: self._document.paint(points, radius=radius),
            Tool.ERASE_SCRIBBLE: lambda: self._erase_scribbles(points, radius),
            Tool.PAINT: lambda: self._document.brush(points, radius=radius),
            Tool.ERASER: lambda: self._document.brush(points, radius=radius, id_=NOTHING),
        }
        self._do(verbs[tool], is_click=len(points) == 1)

    def _on_polygon_drawn(self, points: NDArray[np.float64]) -> None:
        self._do(lambda: self._document.polygon(points))

    def _on_point_clicked(self, tool: Tool, row: int, col: int) -> None:
        verbs: dict[Tool, Callable[[], None]] = {
            Tool.FILL: lambda: self._fill(row, col),
            Tool.NAME: lambda: self._name(row, col),
        }
        self._do(verbs[tool], is_click=True)

    def _on_ids_dragged(self, source: int, target: int) -> None:
        self._do(lambda: self._document.merge(source, target))

    def _on_click_taken_back(self) -> None:
        """Undo what the first half of a double click did, unless something followed it."""
        if self._is_shown and self._steps_after_click == self._steps:
            self._document.undo()
        self._steps_after_click = None

    def _on_history_changed(self) -> None:
        self._steps += 1

    @property
    def _is_shown(self) -> bool:
        return self._canvas.document() is self._document

    def _do(self, verb: Callable[[], None], *, is_click: bool = False) -> None:
        self._steps_after_click = None
        if not self._is_shown:
            return
        before = self._steps
        try:
            verb()
        except ValueError as error:
            self.refused.emit(str(error))
        if is_click and self._steps > before:
            self._steps_after_click = self._steps

    def _erase_scribbles(self, points: NDArray[np.float64], radius: float) -> None:
        """Erase, unless there is nothing to erase: an empty step would only start a run."""
        if not self._document.scribbles.is_empty:
            self._document.erase(points, radius=radius)

    def _fill(self, row: int, col: int) -> None:
        if self._document.shown.at(row, col) != self._document.active:
            self._document.fill_region((row, col))

    def _name(self, row: int, col: int) -> None:
        id_ = self._document.shown.at(row, col)
        if id_ == NOTHING:
            raise ValueError("There is no cluster here; wait for the first labels, or click one.")
        if id_ < FIRST_CLUSTER and id_ != self._document.active:
            name = self._document.category(id_).name
            raise ValueError(
                f"This belongs to {name!r} already; only clusters without a name are named. "
                "To give all of it to another category, drag it there with Merge (key M)."
            )
        if id_ != self._document.active:
            self._document.name_cluster(id_)
