"""The image on the screen, its overlay, and what the mouse does on it."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QWidget

from unseg_studio.app.tools import Tool
from unseg_studio.document import Document

RADII = (0.5, 200.0)
"""Smallest and largest brush radius in image pixels."""


@dataclass(frozen=True)
class Hover:
    """What lies under the cursor.

    Parameters
    ----------
    row, col : int
        The pixel.
    values : tuple of float
        Its value in every channel, as in the file.
    id : int
        Its label: a category, a cluster, or 0.
    """

    row: int
    col: int
    values: tuple[float, ...]
    id: int


class Canvas(QWidget):
    """Shows one document and says what the person does on it; changes nothing by itself."""

    stroke_drawn = Signal(object, object)
    """(Tool, points (N, 2) float (row, col)), when the button is released."""
    polygon_drawn = Signal(object)
    """points (N, 2) float (row, col), N >= 3."""
    point_clicked = Signal(object, int, int)
    """(Tool, row, col) inside the image."""
    ids_dragged = Signal(int, int)
    """(from id, to id), different and neither 0."""
    click_taken_back = Signal()
    """The click before was the first half of a double click."""
    hovered = Signal(object)
    """A Hover, or None outside the image."""
    brush_radius_changed = Signal(float)
    files_dropped = Signal(object)
    """list of Path."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document: Document | None = None
        self._tool = Tool.SCRIBBLE
        self._radius = 5.0

    def document(self) -> Document | None:
        """What is shown."""
        return self._document

    def set_document(self, document: Document | None) -> None:
        """Show another document, or the invitation to open one."""
        self._document = document
        self.update()

    def tool(self) -> Tool:
        """What the left button does."""
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does; a polygon in progress is dropped."""
        self._tool = tool

    def brush_radius(self) -> float:
        """In image pixels."""
        return self._radius

    def set_brush_radius(self, radius: float) -> None:
        """Choose the brush size in image pixels, 0.5 to 200."""
        radius = min(max(radius, RADII[0]), RADII[1])
        if radius != self._radius:
            self._radius = radius
            self.brush_radius_changed.emit(radius)

    def set_opacity(self, opacity: float) -> None:
        """How much the fill covers the image, 0 to 1."""

    def set_contours(self, on: bool) -> None:
        """Outlines instead of filled areas."""

    def set_overlay_hidden(self, hidden: bool) -> None:
        """Show the bare image."""

    def set_contrast(self, low: float, high: float, gamma: float) -> None:
        """Show `low` as black and `high` as white; `gamma` below 1 brightens the middle."""

    def set_visible_channels(self, channels: tuple[int, ...]) -> None:
        """Choose the channels on the screen; one is shown grey."""

    def fit_view(self) -> None:
        """Show the whole image."""

    def zoom_to(self, scale: float) -> None:
        """Show an image pixel `scale` screen pixels wide, about the centre of the view."""

    def zoom_by(self, factor: float) -> None:
        """Magnify about the centre of the view."""

    def grab_view(self) -> QImage:
        """What is on the screen."""
        return self.grab().toImage()
