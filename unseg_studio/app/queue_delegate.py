"""How one row of the queue looks: picture, name, what is known, and the sign of its status."""

from __future__ import annotations

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPalette, QPen, QPixmap
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from unseg_studio.app.queue_model import ENTRY, Index, facts_of, size_of
from unseg_studio.project import ImageEntry, Status

PICTURE = QSize(64, 48)
HEIGHT = 58
_GAP = 6
_SIGN = 12

COLORS: dict[Status, str] = {
    "new": "#9aa0a6",
    "proposed": "#8c7ae6",
    "in work": "#e69f00",
    "done": "#2a9d5b",
    "rejected": "#d1495b",
}
"""Of the signs; their shapes differ too."""


class QueueDelegate(QStyledItemDelegate):
    """Paints the rows."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All rows are equally high."""
        return QSize(200, HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one row."""
        entry = index.data(ENTRY)
        if not isinstance(entry, ImageEntry):
            return
        painter.save()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        palette: QPalette = option.palette
        if chosen:
            painter.fillRect(option.rect, palette.color(QPalette.ColorRole.Highlight))
        place = option.rect.adjusted(_GAP, 0, -_GAP, 0)
        _paint_picture(painter, place, index.data(Qt.ItemDataRole.DecorationRole))
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        _paint_words(painter, place, entry, palette.color(role))
        painter.restore()


def _paint_picture(painter: QPainter, place: QRect, pixmap: object) -> None:
    frame = QRect(place.left(), place.center().y() - PICTURE.height() // 2, 0, 0)
    frame.setSize(PICTURE)
    painter.fillRect(frame, QColor(127, 127, 127, 50))
    if not isinstance(pixmap, QPixmap):
        return
    size = pixmap.size().scaled(PICTURE, Qt.AspectRatioMode.KeepAspectRatio)
    inside = QRect(frame.topLeft(), size)
    inside.moveCenter(frame.center())
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(inside, pixmap)


def _paint_words(painter: QPainter, place: QRect, entry: ImageEntry, ink: QColor) -> None:
    left = place.left() + PICTURE.width() + _GAP
    line = painter.fontMetrics().height() + 2
    last = " · ".join(part for part in (size_of(entry), entry.comment) if part)
    lines = [entry.name, facts_of(entry), *([last] if last else [])]
    top = place.center().y() - line * len(lines) // 2 + 1
    sign = QRect(left, top + line + (line - _SIGN) // 2, _SIGN, _SIGN)
    paint_sign(painter, sign, entry.status)
    for number, text in enumerate(lines):
        indent = _SIGN + 4 if number == 1 else 0
        box = QRect(left + indent, top + number * line, place.right() - left - indent, line)
        painter.setPen(_faint(ink) if number else ink)
        painter.setFont(_slanted(painter.font(), slanted=number == 2 and bool(entry.comment)))
        mode = Qt.TextElideMode.ElideMiddle if number == 0 else Qt.TextElideMode.ElideRight
        elided = painter.fontMetrics().elidedText(text, mode, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, elided)


def paint_sign(painter: QPainter, place: QRect, status: Status) -> None:
    """A ring for new, a dot for proposed, a half for in work, a tick for done, a cross."""
    color = QColor(COLORS[status])
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    inner = place.adjusted(2, 2, -2, -2)
    if status in ("new", "proposed", "in work"):
        painter.drawEllipse(inner)
        painter.setBrush(color)
    if status == "proposed":
        painter.drawEllipse(inner.adjusted(3, 3, -3, -3))
    elif status == "in work":
        painter.drawPie(inner, 90 * 16, -180 * 16)
    elif status == "done":
        middle = inner.left() + inner.width() // 3
        painter.drawLine(inner.left(), inner.center().y(), middle, inner.bottom())
        painter.drawLine(middle, inner.bottom(), inner.right(), inner.top())
    elif status == "rejected":
        painter.drawLine(inner.topLeft(), inner.bottomRight())
        painter.drawLine(inner.topRight(), inner.bottomLeft())
    painter.restore()


def _faint(ink: QColor) -> QColor:
    faint = QColor(ink)
    faint.setAlphaF(0.65)
    return faint


def _slanted(font: QFont, *, slanted: bool) -> QFont:
    made = QFont(font)
    made.setItalic(slanted)
    return made
