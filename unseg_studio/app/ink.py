"""What is drawn over the image while the mouse is at work; nothing of it is in the document yet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRect, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

CALM = QColor(222, 222, 222)
SHADE = QColor(0, 0, 0, 170)


class Ink:
    """A stroke in progress, on top of everything.

    Parameters
    ----------
    size : QSize
        Of the view.
    ratio : float
        Pixels of the screen to one of the view.
    color : QColor
        What it is drawn with.
    radius : float
        Of the brush, in pixels of the view.
    """

    def __init__(self, size: QSize, ratio: float, *, color: QColor, radius: float) -> None:
        self._color, self._radius = color, radius
        self._image = QImage(size * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        self._image.setDevicePixelRatio(ratio)
        self._image.fill(Qt.GlobalColor.transparent)

    def draw(self, line: Sequence[QPointF]) -> QRect:
        """Go on along a line; the part of the view that looks different then."""
        pen = QPen(self._color, 2 * self._radius)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen)
        painter.drawPoint(line[0]) if len(line) == 1 else painter.drawPolyline(line)
        painter.end()
        reach = math.ceil(self._radius) + 2
        around = QPolygonF(line).boundingRect().toAlignedRect()
        return around.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, opacity: float) -> None:
        """Lay it over what is painted already."""
        painter.setOpacity(opacity)
        painter.drawImage(QPointF(0, 0), self._image)
        painter.setOpacity(1.0)


def paint_shape(
    painter: QPainter, points: Sequence[QPointF], color: QColor, *, is_filled: bool
) -> None:
    """Draw the outline of a polygon or lasso that is not finished."""
    shape = QPolygonF(points)
    if is_filled:
        fill = QColor(color)
        fill.setAlpha(50)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(shape)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ink, width in ((SHADE, 3.5), (color, 1.8)):
        painter.setPen(QPen(ink, width))
        painter.drawPolyline(shape)


def paint_knob(painter: QPainter, point: QPointF) -> None:
    """Draw a corner, or the end of a drag."""
    painter.setPen(QPen(SHADE, 1.2))
    painter.setBrush(CALM)
    painter.drawEllipse(point, 3.5, 3.5)


def paint_drag(painter: QPainter, start: QPointF, end: QPointF) -> None:
    """Draw the line from one cluster to the one that it is dragged onto."""
    for color, width in ((SHADE, 4.0), (CALM, 2.0)):
        painter.setPen(QPen(color, width))
        painter.drawLine(start, end)
    paint_knob(painter, end)


def paint_brush(painter: QPainter, at: QPointF, radius: float, color: QColor) -> None:
    """Draw the circle that a brush would cover."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ink, width in ((SHADE, 4.6), (CALM, 3.2), (color, 1.8)):
        painter.setPen(QPen(ink, width))
        painter.drawEllipse(at, radius, radius)
