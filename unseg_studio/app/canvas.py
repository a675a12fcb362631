"""The image on the screen, its overlay, and what the mouse does on it.

    mouse -> Trail (image coordinates) -> signal -> someone changes the document
    document signal -> a layer is out of date -> paintEvent makes it anew, for what is visible

A stroke in progress is ink on top of everything and touches neither layers nor document.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import (
    QEvent,
    QLineF,
    QPointF,
    QRect,
    QRectF,
    Qt,
    QTimer,
    QVariantAnimation,
    Signal,
)
from qtpy.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QEnterEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QApplication, QWidget

from unseg_studio.app.display import Look, value_at
from unseg_studio.app.glow import RINGS, paint_legend, paint_ring
from unseg_studio.app.ink import CALM, Ink, paint_brush, paint_drag, paint_knob, paint_shape
from unseg_studio.app.layers import Layers, Pick, Style
from unseg_studio.app.tools import ERASERS, PICKERS, Tool, Trail
from unseg_studio.app.viewport import GRID_SCALE, Viewport
from unseg_studio.data import NOTHING, Box, Scribbles
from unseg_studio.document import Document

RADII = (0.5, 200.0)
"""Smallest and largest brush radius in image pixels."""

INVITATION = "Open an image or drop one here"

_GROUND = QColor(52, 52, 52)

_ZOOM_PER_NOTCH = 1.25
_RADIUS_PER_NOTCH = 1.15
_CLOSING_REACH = 8.0
"""A click within so many view pixels of a polygon's first corner closes it."""

_LEGIBLE = 4.0
"""A brush circle of at least this radius on the screen replaces the cursor."""

_REST_MS = 250
"""A view that has not moved for so long is being looked at."""

_FLASH_MS = 1400
_FAINT = 0.6
"""Opacity of the labels' outlines over the heat map."""

_COMFORTABLE = 40.0
"""A doubtful place is magnified to at least this radius on the screen."""

_GESTURE_KEYS = frozenset(
    {Qt.Key.Key_Escape, Qt.Key.Key_Backspace, Qt.Key.Key_Return, Qt.Key.Key_Enter}
)
"""Drop what is being drawn, take the last corner back, close the polygon."""

_ARROWS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


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
    """The click before was the first half of a double click: what it did is not meant."""
    hovered = Signal(object)
    """A Hover, or None outside the image."""
    brush_radius_changed = Signal(float)
    files_dropped = Signal(object)
    """list of Path."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: Layers | None = None
        self._tool = Tool.SCRIBBLE
        self._radius = 5.0
        self._style = Style()
        self._is_fitted = True
        self._cursor: QPointF | None = None
        self._hover: Hover | None = None
        self._pick: Pick | None = None
        self._trail: Trail | None = None
        self._corners: Trail | None = None
        self._ink: Ink | None = None
        self._pan_from: QPointF | None = None
        self._button = Qt.MouseButton.NoButton
        self._said_click = False
        self._space_held = False
        self._peeking = False
        self._flash = QVariantAnimation(self, startValue=1.0, endValue=0.0, duration=_FLASH_MS)
        self._flash.valueChanged.connect(lambda: self.update())
        self._flash.finished.connect(self.update)
        self._building = QTimer(self, interval=15)
        self._building.timeout.connect(self._on_building_timeout)
        self._version = 0
        self._resting = QTimer(self, interval=_REST_MS, singleShot=True)
        self._resting.timeout.connect(self._say_what_is_seen)
        self._prepare_widget()

    def _prepare_widget(self) -> None:
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Image")
        self._describe()

    # What is shown

    def document(self) -> Document | None:
        """What is shown."""
        return self._layers.document if self._layers else None

    def set_document(self, document: Document | None) -> None:
        """Show another document, or the invitation to open one."""
        self._drop_gesture()
        self._flash.stop()
        self._listen(document)
        self._layers = Layers(document) if document else None
        if self._layers and self._layers.building:
            self._building.start()
        self.fit_view()
        self._say_what_is_seen()
        self._refresh_hover()
        self._describe()
        self._update_cursor()

    def tool(self) -> Tool:
        """What the left button does."""
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does; a polygon in progress is dropped."""
        if tool is not self._tool:
            self._drop_gesture()
            self._tool = tool
            self._describe()
            self._update_cursor()
            self._refresh_hover()

    def brush_radius(self) -> float:
        """In image pixels."""
        return self._radius

    def set_brush_radius(self, radius: float) -> None:
        """Choose the brush size in image pixels, 0.5 to 200."""
        radius = min(max(float(radius), RADII[0]), RADII[1])
        if radius != self._radius:
            self._update_brush()
            self._radius = radius
            self._update_brush()
            self._update_cursor()
            self._change_ink()
            self.brush_radius_changed.emit(radius)

    def set_opacity(self, opacity: float) -> None:
        """How much the fill covers the image, 0 to 1."""
        self._set_style(replace(self._style, opacity=min(max(opacity, 0.0), 1.0)))

    def set_contours(self, on: bool) -> None:
        """Outlines instead of filled areas."""
        self._set_style(replace(self._style, contours=on))

    def set_overlay_hidden(self, hidden: bool) -> None:
        """Show the bare image."""
        self._set_style(replace(self._style, hidden=hidden))

    def set_uncertainty_shown(self, on: bool) -> None:
        """Show where the labels are in doubt, and where one stroke would help most."""
        self._set_style(replace(self._style, uncertainty=on))

    def show_hint(self) -> None:
        """Bring the place where one stroke would help most to the middle, and flash it."""
        document = self.document()
        hint = document.hint if document else None
        if self._layers is None or hint is None:
            return
        viewport = self._layers.viewport
        scale = max(viewport.scale, min(_COMFORTABLE / hint.radius, GRID_SCALE))
        self._is_fitted = False
        self._show(viewport.centred(hint.row + 0.5, hint.col + 0.5, scale=scale))
        self._flash.start()

    def set_contrast(self, low: float, high: float, gamma: float) -> None:
        """Show `low` as black and `high` as white; `gamma` below 1 brightens the middle."""
        if self._layers:
            self._set_look(replace(self._layers.look, low=low, high=high, gamma=gamma))

    def set_visible_channels(self, channels: tuple[int, ...]) -> None:
        """Choose the channels on the screen; one is shown grey, several add up.

        Raises
        ------
        ValueError
            If the image has no such channel.
        """
        if not self._layers:
            return
        count = self._layers.document.image.n_channels
        if any(not 0 <= channel < count for channel in channels):
            raise ValueError(
                f"Channels {channels!r} were chosen; accepted are 0 to {count - 1} in this image."
            )
        self._set_look(replace(self._layers.look, channels=tuple(sorted(set(channels)))))

    def look(self) -> Look | None:
        """Contrast and channels on the screen."""
        return self._layers.look if self._layers else None

    def viewport(self) -> Viewport | None:
        """Which part of the image is on the screen."""
        return self._layers.viewport if self._layers else None

    def fit_view(self) -> None:
        """Show the whole image, also when the window changes its size."""
        self._is_fitted = True
        if self._layers:
            view = float(self.height()), float(self.width())
            self._show(replace(self._layers.viewport, view=view).fitted())
        self.update()

    def zoom_to(self, scale: float) -> None:
        """Show an image pixel `scale` screen pixels wide, about the centre of the view."""
        if self._layers:
            self._is_fitted = False
            self._show(self._layers.viewport.zoomed_to(scale))

    def zoom_by(self, factor: float) -> None:
        """Magnify about the centre of the view."""
        self._zoom_at(factor, QPointF(self.width() / 2, self.height() / 2))

    def grab_view(self) -> QImage:
        """What is on the screen."""
        return self.grab().toImage()

    # What the document says

    def _listen(self, document: Document | None) -> None:
        for source, connect in ((self.document(), False), (document, True)):
            if source is None:
                continue
            events = source.events
            for signal, slot in (
                (events.labels_changed, self._on_labels_changed),
                (events.uncertainty_changed, self._on_uncertainty_changed),
                (events.scribbles_changed, self._on_scribbles_changed),
                (events.categories_changed, self._on_categories_changed),
                (events.active_changed, self._on_active_changed),
            ):
                signal.connect(slot) if connect else signal.disconnect(slot)

    def _on_labels_changed(self, box: Box) -> None:
        if self._layers:
            place = self._layers.relabel(box)
            self._refresh_hover()
            self._repaint_around(place)

    def _on_uncertainty_changed(self) -> None:
        if self._layers:
            self._layers.forget_glow()
            self.update()

    def _on_scribbles_changed(self, _scribbles: Scribbles, box: Box) -> None:
        if self._layers:
            self._repaint_around(self._layers.remark(box))

    def _repaint_around(self, place: QRect) -> None:
        """Repaint a part, or everything where what is shown elsewhere may depend on it."""
        hinted = self._shows_uncertainty or self._flash.state() == QVariantAnimation.State.Running
        spreads = self._pick is not None and self._pick.at is not None
        self.update() if hinted or spreads else self.update(place)

    def _on_categories_changed(self) -> None:
        if self._layers:
            self._layers.forget_overlay()
            self._layers.forget_marks()
            self._refresh_hover()
            self.update()

    def _on_active_changed(self) -> None:
        self._update_brush()
        self._change_ink()

    def _on_building_timeout(self) -> None:
        """Show the image smoothly once its smaller versions are made."""
        layers = self._layers
        pending = layers.building if layers else None
        is_built = pending is None or pending.done()
        if is_built and not (layers and layers.is_reading):
            self._building.stop()
        if layers and (is_built or layers.version != self._version):
            self._version = layers.version
            layers.forget_base()
            self.update()

    def _say_what_is_seen(self) -> None:
        """Tell the document which part of the image the person looks at."""
        self._resting.stop()
        document, viewport = self.document(), self.viewport()
        if document and viewport and (seen := viewport.seen):
            document.look_at(seen)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what the event asks for; layers that are out of date are made first."""
        painter = QPainter(self)
        painter.fillRect(event.rect(), _GROUND)
        try:
            if self._layers is None:
                self._paint_invitation(painter)
            else:
                self._paint_document(painter, self._layers)
        finally:  # a painter that outlives its event would take the whole program down
            painter.end()

    def _paint_document(self, painter: QPainter, layers: Layers) -> None:
        layers.set_view(layers.viewport, self.devicePixelRatioF())
        self._paint_layers(painter, layers)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_hint(painter, layers.document)
        self._paint_gesture(painter)
        self._paint_brush(painter)

    def _paint_invitation(self, painter: QPainter) -> None:
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        painter.setFont(font)
        painter.setPen(CALM)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.rect(), int(flags), INVITATION)

    def _paint_layers(self, painter: QPainter, layers: Layers) -> None:
        ratio = layers.ratio
        layers.base().draw(painter, ratio)
        if layers.is_reading and not self._building.isActive():
            self._building.start()
        style, heat = self._style, layers.glow() if self._shows_uncertainty else None
        if heat:
            heat.draw(painter, ratio)
            style = replace(style, contours=True)
        if not self._is_hidden:
            painter.setOpacity(_FAINT if heat else 1.0)
            layers.labels(style).draw(painter, ratio)
            painter.setOpacity(1.0)
            pick = self._pick if self._pick and (self._pick.strong or not heat) else None
            if pick and (picked := layers.picked(pick)):
                picked.draw(painter, ratio)
            if marks := layers.marks():
                marks.draw(painter, ratio)
        if grid := layers.grid():
            grid.draw(painter, ratio)
        if self._ink and self._trail:
            self._ink.paint(painter, self._ink_opacity(self._trail.tool))

    def _paint_hint(self, painter: QPainter, document: Document) -> None:
        """The legend of the heat map, and a ring where one stroke would help most."""
        flash = self._flash.state() == QVariantAnimation.State.Running
        if self._shows_uncertainty and document.uncertainty:
            paint_legend(painter, QRectF(self.rect()))
        if document.hint and (flash or self._shows_uncertainty):
            hint = document.hint
            (at,) = self._on_view(np.array([[hint.row, hint.col]]))
            reach = hint.radius * (self._layers.viewport.scale if self._layers else 1.0)
            left = float(self._flash.currentValue()) if flash else 0.0
            paint_ring(painter, at, min(max(reach, RINGS[0]), RINGS[1]), flash=left)

    def _paint_gesture(self, painter: QPainter) -> None:
        """The polygon, lasso or drag in progress."""
        if self._corners:
            self._paint_corners(painter, self._corners)
        elif self._trail and self._trail.tool is Tool.LASSO:
            line = self._on_view(self._trail.points)
            paint_shape(painter, line, self._active_color(), is_filled=True)
        elif self._trail and self._trail.tool is Tool.MERGE:
            ends = self._on_view(np.array([self._trail.start, self._trail.end]))
            paint_drag(painter, *ends)

    def _paint_corners(self, painter: QPainter, corners: Trail) -> None:
        points = self._on_view(corners.points)
        line = [*points, self._cursor] if self._cursor is not None else points
        paint_shape(painter, line, self._active_color(), is_filled=len(line) > 2)
        for point in points:
            paint_knob(painter, point)

    def _paint_brush(self, painter: QPainter) -> None:
        if self._cursor is not None and self._shows_brush:
            color = self._ink_color(self._stroke_tool)
            paint_brush(painter, self._cursor, self._brush_reach, color)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to pan, or a stroke, a polygon, a click or a drag."""
        if self._layers is None or self._trail or self._pan_from is not None:
            return
        tool = self._tool_of(event.button())
        self._button, self._said_click = event.button(), False
        if tool is Tool.PAN:
            self._pan_from = event.position()
            self._update_cursor()
        elif tool is Tool.POLYGON:
            self._add_corner(event.position())
        elif tool is not None:
            self._begin(tool, event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began; say what is under the cursor."""
        if self._layers is None:
            return
        self._move_brush(event.position())
        if self._pan_from is not None:
            moved = event.position() - self._pan_from
            self._pan_from = event.position()
            self._is_fitted = False
            self._show(self._layers.viewport.panned(moved.x(), moved.y()))
        elif self._trail:
            self._continue(self._trail, event.position())
        elif self._corners:
            self.update()
        self._refresh_hover()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End what the press began and say what was drawn."""
        if event.button() != self._button:
            return
        if self._pan_from is not None:
            self._pan_from = None
            self._update_cursor()
        elif self._trail and self._layers:
            self._continue(self._trail, event.position())
            self._finish(self._trail, self._layers)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Close the polygon, or show the whole image."""
        if self._layers is None or event.button() != Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        elif self._tool is Tool.POLYGON and not self._space_held:
            self._close_polygon()
        else:
            if self._said_click:
                self._said_click = False
                self.click_taken_back.emit()
            self.fit_view()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor; with Ctrl change the brush size."""
        notches = event.angleDelta().y() / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.set_brush_radius(self._radius * _RADIUS_PER_NOTCH**notches)
        else:
            self._zoom_at(_ZOOM_PER_NOTCH**notches, event.position())
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Take the keyboard, so that Space works at once, unless someone is typing."""
        typing = Qt.WidgetAttribute.WA_InputMethodEnabled
        focused = QApplication.focusWidget()
        if focused is None or not focused.testAttribute(typing):
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._move_brush(event.position())
        self._refresh_hover()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the cursor any more."""
        self._update_brush()
        self._cursor = None
        self._refresh_hover()
        super().leaveEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Say which files were dropped."""
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.files_dropped.emit(paths)

    # Keyboard

    def event(self, event: QEvent) -> bool:
        """Keep keys that a gesture in progress needs from shortcuts of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            space = event.key() == Qt.Key.Key_Space
            if space or (self._in_gesture and event.key() in _GESTURE_KEYS):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space pans, Tab hides the overlay, arrows move, + and - zoom; then `_GESTURE_KEYS`."""
        key = event.key()
        if key in (Qt.Key.Key_Space, Qt.Key.Key_Tab):
            if not event.isAutoRepeat():
                self._hold(key, True)
        elif self._in_gesture and key in _GESTURE_KEYS:
            self._steer_gesture(key)
        elif key in _ARROWS and self._layers:
            right, down = _ARROWS[key]
            self._is_fitted = False
            step = -right * self.width() / 8, -down * self.height() / 8
            self._show(self._layers.viewport.panned(*step))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom_by(_ZOOM_PER_NOTCH ** (-1 if key == Qt.Key.Key_Minus else 1))
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Space and Tab work as long as they are held."""
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Tab):
            if not event.isAutoRepeat():
                self._hold(event.key(), False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A key that is released elsewhere is not held any more."""
        self._hold(Qt.Key.Key_Space, False)
        self._hold(Qt.Key.Key_Tab, False)
        super().focusOutEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Shift+Tab leaves; Tab is for hiding the overlay."""
        return False if forward else super().focusNextPrevChild(forward)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the whole image, or its middle, in view."""
        if self._is_fitted:
            self.fit_view()
        elif self._layers:
            view = float(self.height()), float(self.width())
            self._show(self._layers.viewport.resized(view))
        super().resizeEvent(event)

    # Gestures

    def _tool_of(self, button: Qt.MouseButton) -> Tool | None:
        """What a button means now."""
        if button == Qt.MouseButton.MiddleButton:
            return Tool.PAN
        if button == Qt.MouseButton.LeftButton:
            return Tool.PAN if self._space_held else self._tool
        return self._tool.right_button if button == Qt.MouseButton.RightButton else None

    def _begin(self, tool: Tool, at: QPointF) -> None:
        self._trail = Trail(tool, self._in_image(at))
        self._refresh_hover()
        if tool.is_stroke:
            self._redraw_ink()
            self._update_brush()

    def _continue(self, trail: Trail, at: QPointF) -> None:
        before = trail.end
        if not trail.add(self._in_image(at)):
            return
        if trail.tool.is_stroke:
            self._draw_ink(np.array([before, trail.end]))
        elif trail.tool in (Tool.LASSO, Tool.MERGE):
            self.update()

    def _finish(self, trail: Trail, layers: Layers) -> None:
        """Say what was drawn; the ink stays until whoever hears it has changed the document."""
        if trail.tool.is_stroke:
            if trail.touches(layers.document.image.shape, self._radius):
                self._said_click = len(trail.points) == 1
                self.stroke_drawn.emit(trail.tool, trail.points)
        elif trail.tool is Tool.LASSO:
            self._say_polygon(trail)
        elif trail.tool is Tool.MERGE:
            self._say_merge(trail)
        else:
            self._say_click(trail)
        self._drop_gesture()

    def _say_polygon(self, trail: Trail) -> None:
        shape = self._layers.document.image.shape if self._layers else (0, 0)
        if len(trail.points) >= 3 and trail.touches(shape, 0):
            self.polygon_drawn.emit(trail.points)

    def _say_click(self, trail: Trail) -> None:
        start, end = self._on_view(np.array([trail.start, trail.end]))
        near = (end - start).manhattanLength() <= QApplication.startDragDistance()
        pixel = self._pixel(start)
        if near and pixel:
            self._said_click = True
            self.point_clicked.emit(trail.tool, *pixel)

    def _say_merge(self, trail: Trail) -> None:
        source, target = (self._id_at(p) for p in self._on_view(trail.points[[0, -1]]))
        if NOTHING not in (source, target) and source != target:
            self.ids_dragged.emit(source, target)

    def _add_corner(self, at: QPointF) -> None:
        if self._corners is None:
            self._corners = Trail(Tool.POLYGON, self._in_image(at))
            self._refresh_hover()
        elif len(self._corners.points) >= 3 and self._is_near_first_corner(at):
            self._close_polygon()
        else:
            self._corners.add(self._in_image(at))
        self.update()

    def _is_near_first_corner(self, at: QPointF) -> bool:
        if self._corners is None:
            return False
        first = self._on_view(np.array([self._corners.start]))[0]
        return QLineF(first, at).length() <= _CLOSING_REACH

    def _close_polygon(self) -> None:
        if self._corners and len(self._corners.points) >= 3:
            corners, self._corners = self._corners, None
            self._say_polygon(corners)
            self.update()

    def _steer_gesture(self, key: int) -> None:
        if key == Qt.Key.Key_Escape:
            self._drop_gesture()
        elif key == Qt.Key.Key_Backspace:
            if self._corners and not self._corners.take_back():
                self._corners = None
            self.update()
        else:
            self._close_polygon()

    def _drop_gesture(self) -> None:
        self._trail = self._corners = self._ink = None
        self._refresh_hover()
        self.update()

    @property
    def _in_gesture(self) -> bool:
        return self._trail is not None or self._corners is not None

    def _hold(self, key: int, held: bool) -> None:
        if key == Qt.Key.Key_Space:
            self._space_held = held
            self._update_brush()
            self._update_cursor()
        elif held != self._peeking:
            self._peeking = held
            self.update()

    # The stroke in progress

    def _redraw_ink(self) -> None:
        """All of it, as it will be when the button is released."""
        if self._trail is None or not self._trail.tool.is_stroke:
            return
        self._ink = Ink(
            *(self.size(), self.devicePixelRatioF()),
            color=self._ink_color(self._trail.tool),
            radius=self._brush_reach,
        )
        self._draw_ink(self._trail.points)

    def _change_ink(self) -> None:
        """The brush or the category became another one in the middle of a stroke."""
        if self._ink is not None:
            self._redraw_ink()
            self.update()

    def _draw_ink(self, points: NDArray[np.float64]) -> None:
        if self._ink is not None:
            self.update(self._ink.draw(self._on_view(points)))

    def _ink_color(self, tool: Tool) -> QColor:
        return QColor(255, 255, 255) if tool in ERASERS else self._active_color()

    def _ink_opacity(self, tool: Tool) -> float:
        if tool in ERASERS:
            return 0.55
        return 1.0 if tool is Tool.SCRIBBLE else max(0.5, self._style.opacity)

    def _active_color(self) -> QColor:
        document = self.document()
        return QColor(document.category(document.active).color) if document else CALM

    # View

    def _show(self, viewport: Viewport) -> None:
        if self._layers is None:
            return
        self._layers.set_view(viewport, self.devicePixelRatioF())
        self._resting.start()
        self._redraw_ink()
        self._refresh_hover()
        self._update_cursor()
        self.update()

    def _zoom_at(self, factor: float, at: QPointF) -> None:
        if self._layers:
            self._is_fitted = False
            self._show(self._layers.viewport.zoomed_by(factor, at.x(), at.y()))

    def _set_style(self, style: Style) -> None:
        if style != self._style:
            self._style = style
            self.update()

    def _set_look(self, look: Look) -> None:
        if self._layers and look != self._layers.look:
            self._layers.look = look
            self._layers.forget_base()
            self.update()

    @property
    def _is_hidden(self) -> bool:
        return self._style.hidden or self._peeking

    @property
    def _shows_uncertainty(self) -> bool:
        return self._style.uncertainty and not self._peeking

    def _in_image(self, at: QPointF) -> tuple[float, float]:
        return self._layers.viewport.to_image(at.x(), at.y()) if self._layers else (0.0, 0.0)

    def _on_view(self, points: NDArray[np.float64]) -> list[QPointF]:
        viewport = self.viewport()
        return [QPointF(*viewport.to_view(*point)) for point in points] if viewport else []

    def _pixel(self, at: QPointF) -> tuple[int, int] | None:
        return self._layers.viewport.pixel_at(at.x(), at.y()) if self._layers else None

    def _id_at(self, at: QPointF) -> int:
        pixel, document = self._pixel(at), self.document()
        return document.shown.at(*pixel) if pixel and document else NOTHING

    # Under the cursor

    def _refresh_hover(self) -> None:
        """Look again at what is under the cursor."""
        hover = self._hover_at(self._cursor)
        if hover != self._hover:
            self._hover = hover
            self.hovered.emit(hover)
        pick = self._wanted_pick(hover)
        if pick != self._pick:
            self._pick = pick
            self.update()

    def _hover_at(self, at: QPointF | None) -> Hover | None:
        pixel, document = self._pixel(at) if at is not None else None, self.document()
        if pixel is None or document is None:
            return None
        return Hover(*pixel, value_at(document.image, *pixel), document.shown.at(*pixel))

    def _wanted_pick(self, hover: Hover | None) -> Pick | None:
        """Outline nothing while drawing, both ends of a merge, else what is under the cursor."""
        if hover is None or self._cursor is None:
            return None
        if self._trail and self._trail.tool is Tool.MERGE:
            source = self._id_at(self._on_view(self._trail.points[:1])[0])
            ids = sorted({source, hover.id} - {NOTHING})
            return Pick(tuple(ids), strong=True) if ids else None
        if self._in_gesture or self._pan_from is not None:
            return None
        if self._tool is Tool.FILL:
            return Pick((), at=(self._cursor.x(), self._cursor.y()), strong=True)
        return Pick((hover.id,), strong=self._tool in PICKERS) if hover.id != NOTHING else None

    # Cursor and brush

    @property
    def _stroke_tool(self) -> Tool:
        return self._trail.tool if self._trail else self._tool

    @property
    def _shows_brush(self) -> bool:
        free = not self._space_held and self._pan_from is None
        return self._layers is not None and self._tool.is_stroke and free

    @property
    def _brush_reach(self) -> float:
        """The brush radius on the screen."""
        return self._radius * (self._layers.viewport.scale if self._layers else 1.0)

    def _move_brush(self, to: QPointF) -> None:
        self._update_brush()
        self._cursor = to
        self._update_brush()

    def _update_brush(self) -> None:
        """Repaint where the brush circle is."""
        if self._cursor is not None and self._shows_brush:
            reach = self._brush_reach + 3
            square = QRectF(-reach, -reach, 2 * reach, 2 * reach).translated(self._cursor)
            self.update(square.toAlignedRect())

    def _update_cursor(self) -> None:
        self.setCursor(self._wanted_cursor())

    def _wanted_cursor(self) -> Qt.CursorShape:
        if self._layers is None:
            return Qt.CursorShape.ArrowCursor
        if self._pan_from is not None:
            return Qt.CursorShape.ClosedHandCursor
        if self._space_held:
            return Qt.CursorShape.OpenHandCursor
        if self._shows_brush and self._brush_reach >= _LEGIBLE:
            return Qt.CursorShape.BlankCursor
        return self._tool.cursor

    def _describe(self) -> None:
        """Tell screen readers what the mouse does; invite where there is no image."""
        empty = self._layers is None
        self.setAccessibleDescription(INVITATION if empty else self._tool.hint)
        self.setToolTip(INVITATION if empty else "")
