"""What the mouse does on the canvas, each tool with the words and the key it is shown with."""

from __future__ import annotations

from enum import Enum

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
