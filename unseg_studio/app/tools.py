"""What the mouse does on the canvas, each tool with the words and the key it is shown with."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt


class Tool(Enum):
    """One way to use the mouse: title, key, cursor and a sentence that says what to do."""

    SCRIBBLE = (
        "Scribble",
        "B",
        Qt.CursorShape.CrossCursor,
        "Draw where the active category is; the labels follow. Right button erases.",
    )
    ERASE_SCRIBBLE = (
        "Erase scribbles",
        "Shift+B",
        Qt.CursorShape.CrossCursor,
        "Draw over scribbles to remove them.",
    )
    PAINT = (
        "Paint correction",
        "P",
        Qt.CursorShape.CrossCursor,
        "Paint the active category by hand; later runs keep it. Right button erases.",
    )
    ERASER = (
        "Eraser",
        "0",
        Qt.CursorShape.CrossCursor,
        "Paint where there is nothing to export.",
    )
    FILL = (
        "Fill",
        "F",
        Qt.CursorShape.PointingHandCursor,
        "Click a region to give it to the active category.",
    )
    POLYGON = (
        "Polygon",
        "G",
        Qt.CursorShape.CrossCursor,
        "Click the corners; double click, Enter or a click on the first one closes. "
        "Backspace takes the last corner back, Esc drops them.",
    )
    LASSO = (
        "Lasso",
        "L",
        Qt.CursorShape.CrossCursor,
        "Draw around an area to give it to the active category.",
    )
    NAME = (
        "Name cluster",
        "N",
        Qt.CursorShape.PointingHandCursor,
        "Click a cluster to give it to the active category.",
    )
    MERGE = (
        "Merge",
        "M",
        Qt.CursorShape.PointingHandCursor,
        "Drag from one cluster to another; both become the second one.",
    )
    PAN = (
        "Pan",
        "H",
        Qt.CursorShape.OpenHandCursor,
        "Drag to move the image; with every other tool hold Space or the middle button.",
    )

    def __init__(self, title: str, key: str, cursor: Qt.CursorShape, hint: str) -> None:
        self.title = title
        self.key = key
        self.cursor = cursor
        self.hint = hint

    @property
    def is_stroke(self) -> bool:
        """A brush of a certain size follows the mouse."""
        return self in STROKES

    @property
    def right_button(self) -> Tool | None:
        """What the right button does while this tool is chosen."""
        return {Tool.SCRIBBLE: Tool.ERASE_SCRIBBLE, Tool.PAINT: Tool.ERASER}.get(self)


STROKES = frozenset({Tool.SCRIBBLE, Tool.ERASE_SCRIBBLE, Tool.PAINT, Tool.ERASER})
ERASERS = frozenset({Tool.ERASE_SCRIBBLE, Tool.ERASER})
PICKERS = frozenset({Tool.FILL, Tool.NAME, Tool.MERGE})
"""Tools that mean what lies under the cursor as a whole: it is highlighted."""


class Trail:
    """The way of the mouse while a button is held, in image coordinates.

    Parameters
    ----------
    tool : Tool
        What the way means.
    start : (float, float)
        (row, col) where the button went down.
    """

    def __init__(self, tool: Tool, start: tuple[float, float]) -> None:
        self.tool = tool
        self._points = [start]

    @property
    def start(self) -> tuple[float, float]:
        """(row, col) of the first point."""
        return self._points[0]

    @property
    def end(self) -> tuple[float, float]:
        """(row, col) of the newest point."""
        return self._points[-1]

    @property
    def points(self) -> NDArray[np.float64]:
        """All points, (N, 2) (row, col)."""
        return np.array(self._points, np.float64)

    def add(self, point: tuple[float, float]) -> bool:
        """Go on to a point; False when the mouse has not moved."""
        moved = point != self.end
        if moved:
            self._points.append(point)
        return moved

    def take_back(self) -> bool:
        """Forget the newest point; False when it is the only one."""
        if len(self._points) > 1:
            self._points.pop()
            return True
        return False

    def touches(self, shape: tuple[int, int], reach: float) -> bool:
        """Say whether any of it may lie within `reach` pixels of a plane of this size."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        return bool((high >= -0.5 - reach).all() and (low < np.add(shape, reach - 0.5)).all())
