"""Line icons, drawn in the colour of the text so that they follow light and dark.

Each is a small drawing on a 16 x 16 grid: `M x y` moves, `L x y` draws a line, `Z` closes,
`O x y r` is a circle, `D x y r` a filled one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPen, QPixmap

GRID = 16
_SCALES = (1, 2, 3)

DRAWINGS = {
    "open": "M 1.5 13 L 1.5 3 L 6 3 L 7.5 5 L 13 5 L 13 7 M 1.5 13 L 4 7 L 15 7 L 12.5 13 Z",
    "import": "M 8 2 L 8 9 M 5 6.5 L 8 9.5 L 11 6.5 M 2 10 L 2 13.5 L 14 13.5 L 14 10",
    "export": "M 8 10 L 8 2.5 M 5 5.5 L 8 2.5 L 11 5.5 M 2 10 L 2 13.5 L 14 13.5 L 14 10",
    "undo": "M 6 2.5 L 2.5 6 L 6 9.5 M 2.5 6 L 10 6 L 13 8.5 L 13 11 L 10.5 13.5 L 6 13.5",
    "redo": "M 10 2.5 L 13.5 6 L 10 9.5 M 13.5 6 L 6 6 L 3 8.5 L 3 11 L 5.5 13.5 L 10 13.5",
    "scribble": "M 1.5 12 L 4 7 L 6 11.5 L 9 4.5 L 11 10 L 14.5 3",
    "erase_scribble": "M 1.5 11 L 3.5 6.5 L 5.5 10 L 8 4 M 9 9 L 14 14 M 14 9 L 9 14",
    "paint": "M 14 2 L 7 9 M 7 9 L 4 9.5 L 3 13 L 6.5 12 Z",
    "eraser": "M 9.5 2.5 L 14 7 L 8 13.5 L 5 13.5 L 2.5 11 Z M 6 6.5 L 10.5 11 M 8 13.5 L 14 13.5",
    "fill": "M 7 2 L 13 8 L 7.5 13.5 L 2 8 Z M 2.5 8 L 12.5 8 M 14.5 11 L 14.5 13.5",
    "polygon": "M 4 3 L 12.5 4.5 L 13.5 11 L 6.5 13.5 L 2.5 8.5 Z",
    "lasso": "M 8 10.5 L 3.5 9.5 L 2 6.5 L 4 3.5 L 8 2.5 L 12 3.5 L 14 6.5 L 12.5 9.5 Z "
    "M 6 10.3 L 5 12 L 6.5 14",
    "name": "M 2 2.5 L 8 2.5 L 14 8.5 L 8.5 14 L 2 8 Z D 5 5.5 1",
    "merge": "M 2 3 L 7 8 M 2 13 L 7 8 M 7 8 L 14 8 M 11 5 L 14 8 L 11 11",
    "split": "M 2 8 L 7 8 M 7 8 L 13 3 M 7 8 L 13 13 M 10 3 L 13 3 L 13 6 M 10 13 L 13 13 L 13 10",
    "pan": "M 8 1.5 L 8 14.5 M 1.5 8 L 14.5 8 M 6 3.5 L 8 1.5 L 10 3.5 M 6 12.5 L 8 14.5 L 10 12.5 "
    "M 3.5 6 L 1.5 8 L 3.5 10 M 12.5 6 L 14.5 8 L 12.5 10",
    "run": "M 13.5 8 L 12 11.5 L 8 13.5 L 4 11.5 L 2.5 8 L 4 4.5 L 8 2.5 L 12 4.5 "
    "M 12.5 1.5 L 12 4.5 L 9 4.5",
    "stop": "M 4 4 L 12 4 L 12 12 L 4 12 Z",
    "plus": "M 8 3 L 8 13 M 3 8 L 13 8",
    "minus": "M 3 8 L 13 8",
    "lock": "M 3.5 7.5 L 12.5 7.5 L 12.5 13.5 L 3.5 13.5 Z "
    "M 5.5 7.5 L 5.5 4.5 L 7 2.5 L 9 2.5 L 10.5 4.5 L 10.5 7.5",
    "unlock": "M 3.5 7.5 L 12.5 7.5 L 12.5 13.5 L 3.5 13.5 Z M 5.5 7.5 L 5.5 4.5 L 7 2.5 L 9 2.5",
    "hide": "M 1.5 8 L 5 4.5 L 8 3.5 L 11 4.5 L 14.5 8 L 11 11.5 L 8 12.5 L 5 11.5 Z "
    "M 3 13.5 L 13 2.5",
    "contours": "M 3 5 L 7 2.5 L 13 4 L 13.5 10 L 9 13.5 L 3.5 11.5 Z D 8 8 0.7",
    "uncertainty": "M 8 14 L 4.5 12.5 L 3.5 9.5 L 5 6.5 L 6.5 8 L 7 2 L 10 4.5 "
    "L 12 8.5 L 11.5 12.5 Z",
    "target": "O 8 8 4.3 D 8 8 0.9 M 8 1 L 8 3.5 M 8 12.5 L 8 15 M 1 8 L 3.5 8 M 12.5 8 L 15 8",
    "filmstrip": "M 1.5 3 L 14.5 3 L 14.5 13 L 1.5 13 Z M 1.5 5.5 L 14.5 5.5 "
    "M 1.5 10.5 L 14.5 10.5 M 5.8 5.5 L 5.8 10.5 M 10.2 5.5 L 10.2 10.5",
    "fit": "M 2 5.5 L 2 2 L 5.5 2 M 10.5 2 L 14 2 L 14 5.5 M 14 10.5 L 14 14 L 10.5 14 "
    "M 5.5 14 L 2 14 L 2 10.5",
    "help": "O 8 8 6.3 M 6 6.2 L 6.6 4.8 L 8 4.3 L 9.6 5 L 9.8 6.5 L 8 8 L 8 9.4 D 8 11.6 0.7",
    "warning": "M 8 2 L 15 14 L 1 14 Z M 8 6.5 L 8 10 D 8 12 0.7",
    "info": "O 8 8 6.3 M 8 7.3 L 8 11.5 D 8 4.8 0.8",
    "close": "M 4 4 L 12 12 M 12 4 L 4 12",
    "up": "M 8 13 L 8 3 M 3.5 7.5 L 8 3 L 12.5 7.5",
    "down": "M 8 3 L 8 13 M 3.5 8.5 L 8 13 L 12.5 8.5",
    "accept": "M 2.5 8.5 L 6.5 12.5 L 13.5 3.5",
    "reject": "O 8 8 6 M 3.8 3.8 L 12.2 12.2",
    "blank": "",
}


_palette: QPalette | None = None


def draw_with(palette: QPalette | None) -> None:
    """Draw the icons to come in the text colour of this palette; None: of the application's.

    For a host that colours its widgets by a style sheet, which no palette knows.
    """
    global _palette
    _palette = palette


def icon(name: str, *, faint: bool = False) -> QIcon:
    """The icon of this name, in the text colour of the palette; `faint`: greyed."""
    palette, role = _palette or QGuiApplication.palette(), QPalette.ColorRole.WindowText
    grey = palette.color(QPalette.ColorGroup.Disabled, role).rgba()
    ink = palette.color(QPalette.ColorGroup.Active, role).rgba()
    return _made(name, grey if faint else ink, grey)


@lru_cache(maxsize=256)
def _made(name: str, normal: int, disabled: int) -> QIcon:
    made = QIcon()
    for mode, rgba in ((QIcon.Mode.Normal, normal), (QIcon.Mode.Disabled, disabled)):
        ink = QColor.fromRgba(rgba)
        for scale in _SCALES:
            made.addPixmap(_drawn(DRAWINGS[name], ink, scale=scale), mode)
    return made


def swatch(color: str, *, side: int = 14) -> QIcon:
    """A small square of a colour, "#rrggbb", with an outline that shows on any ground."""
    pixmap = QPixmap(side * 2, side * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(color).darker(160), 1))
    painter.setBrush(QColor(color))
    painter.drawRoundedRect(QRectF(0.5, 0.5, side - 1, side - 1), 3, 3)
    painter.end()
    made = QIcon(pixmap)
    made.addPixmap(pixmap, QIcon.Mode.Selected)  # a chosen row must not tint it
    return made


def _drawn(drawing: str, ink: QColor, *, scale: int) -> QPixmap:
    pixmap = QPixmap(GRID * scale, GRID * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.setPen(_round(QPen(ink, 1.3)))
    _trace(painter, drawing, ink)
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _round(pen: QPen) -> QPen:
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


def _trace(painter: QPainter, drawing: str, ink: QColor) -> None:
    start = here = QPointF()
    for letter, numbers in _commands(drawing):
        if letter in "OD":
            painter.setBrush(ink if letter == "D" else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(*numbers[:2]), numbers[2], numbers[2])
            continue
        there = start if letter == "Z" else QPointF(*numbers)
        if letter == "M":
            start = there
        else:
            painter.drawLine(here, there)
        here = there


def _commands(drawing: str) -> Iterator[tuple[str, list[float]]]:
    letter, numbers = "", list[float]()
    for word in drawing.split():
        if word.isalpha():
            if letter:
                yield letter, numbers
            letter, numbers = word, []
        else:
            numbers.append(float(word))
    if letter:
        yield letter, numbers
