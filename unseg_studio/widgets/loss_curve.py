"""How loss and score go, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

LOSS, SCORE = QColor(47, 129, 213), QColor(222, 120, 31)
"""Told apart by all eyes, on light and dark ground."""

Point = tuple[int, float]

NOTHING_YET = "Loss and score will be drawn here."
NO_LOSS = "This method has no loss in these steps; its score comes at the end."


class LossCurve(QWidget):
    """Two lines over the steps: the loss, with its scale on the left, and the score, on the right.

    The score is how well two views of the same images agree, 0 to 1; no labels are needed for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[Point] = []
        self._scores: list[Point] = []
        self._n_steps, self._total = 0, 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(130)
        self.setAccessibleName("Loss and score")
        self.setToolTip(
            "Blue: the loss, smaller is better. Orange: how well two views of the same images "
            "agree, larger is better; no labels are needed for that."
        )

    @property
    def losses(self) -> Sequence[Point]:
        """(step, loss) of the steps that have one."""
        return self._losses

    @property
    def scores(self) -> Sequence[Point]:
        """(step, score), each time it changed."""
        return self._scores

    def sizeHint(self) -> QSize:
        """Twice as wide as high."""
        return QSize(420, 210)

    def clear(self) -> None:
        """Begin anew."""
        self._losses, self._scores, self._n_steps, self._total = [], [], 0, 0
        self.update()

    def add(self, step: int, total: int, loss: float, score: float) -> None:
        """Another step; NaN where there is no loss or score."""
        self._n_steps, self._total = step, total
        is_new = not self._losses or step > self._losses[-1][0]
        if math.isfinite(loss) and is_new:  # the last step comes once more, with the model
            self._losses.append((step, loss))
        if math.isfinite(score) and (not self._scores or self._scores[-1][1] != score):
            self._scores.append((step, score))
        self.update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Axes, lines, and what they are."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(ink)
        faint.setAlphaF(0.25)
        height = painter.fontMetrics().height()
        low, high = _range_of([loss for _, loss in self._losses])
        left = 10 + max(painter.fontMetrics().horizontalAdvance(_number(n)) for n in (low, high))
        right = 10 + painter.fontMetrics().horizontalAdvance("1.0")
        plot = QRectF(self.rect()).adjusted(left, height + 8, -right, -(2 * height + 6))
        painter.setPen(faint)
        for share in (0.0, 0.5, 1.0) if self._n_steps else (0.0, 1.0):
            y = plot.bottom() - share * plot.height()
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
        if not self._n_steps:
            painter.setPen(ink)
            painter.drawText(plot, _CENTRED, NOTHING_YET)
            return
        self._write_scales(painter, plot, (low, high), ink)
        if not self._losses and not self._scores:
            painter.drawText(plot, _CENTRED | Qt.TextFlag.TextWordWrap, NO_LOSS)
        _draw(painter, self._places(self._losses, plot, low, high), LOSS, Qt.PenStyle.SolidLine)
        _draw(painter, self._places(self._scores, plot, 0.0, 1.0), SCORE, Qt.PenStyle.DashLine)

    def _write_scales(
        self, painter: QPainter, plot: QRectF, losses: tuple[float, float], ink: QColor
    ) -> None:
        height = painter.fontMetrics().height()
        painter.setPen(LOSS)
        for y, value in ((plot.bottom(), losses[0]), (plot.top(), losses[1])):
            box = QRectF(0, y - height / 2, plot.left() - 5, height)
            painter.drawText(box, _RIGHT, _number(value) if self._losses else "")
        painter.drawText(QRectF(2, 0, plot.width(), height), _LEFT, "loss")
        painter.setPen(SCORE)
        for y, text in ((plot.bottom(), "0"), (plot.top(), "1")):
            painter.drawText(QRectF(plot.right() + 5, y - height / 2, 40, height), _LEFT, text)
        painter.drawText(QRectF(0, 0, self.width() - 2, height), _RIGHT, "views agree")
        painter.setPen(ink)
        below = QRectF(plot.left(), plot.bottom() + 4, plot.width(), height)
        painter.drawText(below, _LEFT, "1")
        painter.drawText(below, _RIGHT, f"{self._total:,}")
        painter.drawText(below.translated(0, height - 2), _CENTRED, "step")

    def _places(self, points: list[Point], plot: QRectF, low: float, high: float) -> QPolygonF:
        """In the plot; of many points those that a pixel can show."""
        skip = max(1, len(points) // max(1, round(plot.width())))
        chosen = [*points[:-1:skip], *points[-1:]]
        across, up = max(1, self._total - 1), max(high - low, 1e-12)
        return QPolygonF(
            [
                QPointF(
                    plot.left() + (step - 1) / across * plot.width(),
                    plot.bottom() - (value - low) / up * plot.height(),
                )
                for step, value in chosen
            ]
        )


_CENTRED, _LEFT = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignLeft
_RIGHT = Qt.AlignmentFlag.AlignRight


def _draw(painter: QPainter, line: QPolygonF, color: QColor, style: Qt.PenStyle) -> None:
    painter.setPen(QPen(color, 2, style))
    painter.drawPolyline(line)
    if line.size():
        painter.setBrush(color)
        painter.drawEllipse(line.at(line.size() - 1), 3, 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _range_of(values: list[float]) -> tuple[float, float]:
    """What the scale shows: all values, and more than one of them."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _number(value: float) -> str:
    return f"{value:.3g}"
