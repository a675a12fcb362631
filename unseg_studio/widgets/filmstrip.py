"""Thumbnails for several numbers of clusters side by side; a click takes one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPoint, QRect, QSize, Qt, QTimer
from qtpy.QtGui import (
    QFont,
    QFontMetrics,
    QHideEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QShowEvent,
)
from qtpy.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QWidget

from unseg_studio.document import Document, Filmstrip, Live, RunStatus, Thumbnail, Variant, dial
from unseg_studio.document.dial import K
from unseg_studio.widgets.colors import cluster_rgb
from unseg_studio.widgets.following import follow, when_gone
from unseg_studio.widgets.layout import SPACING, column, words

REST_MS = 400
"""Thumbnails are begun when nothing has happened for so long."""

LOOK_MS = 50
"""How often finished thumbnails are looked for."""

PICTURE = QSize(100, 75)
"""A thumbnail lies inside this; its own pixels are twice as many a side, for fine screens."""

_MARGIN = 4
_SHARE = 0.6
_DARKER = 0.55


class FilmstripBar(QWidget):
    """The strip of one document: made while it is in sight and nothing else is to be done.

    Parameters
    ----------
    document, live : Document, Live
        What to compare, and where it computes.
    """

    def __init__(self, document: Document, live: Live) -> None:
        super().__init__()
        self.filmstrip = Filmstrip(document, device=live.device)
        self._cards: dict[Variant, _Card] = {}
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._look = QTimer(self, interval=LOOK_MS)
        self._message = words()
        self._row = QHBoxLayout()
        self._area = self._make_area()
        column(self, self._message, self._area, margin=_MARGIN)
        self._on_changed()

        self._rest.timeout.connect(self._begin)
        self._look.timeout.connect(self.filmstrip.pull)
        follow(self, self.filmstrip.changed, self._on_changed)
        follow(self, document.events.status_changed, self._on_status_changed)
        filmstrip = self.filmstrip
        when_gone(self, lambda: filmstrip.close(wait=False))

    @property
    def is_complete(self) -> bool:
        """There is nothing more to come."""
        return all(card.has_thumbnail for card in self._cards.values())

    def showEvent(self, event: QShowEvent) -> None:
        """Begin, soon."""
        super().showEvent(event)
        self._begin_when_rested()

    def hideEvent(self, event: QHideEvent) -> None:
        """Compute nothing that nobody sees."""
        super().hideEvent(event)
        self._rest.stop()
        self.filmstrip.pause()
        self._look.stop()

    def card(self, k: K) -> QAbstractButton:
        """What is clicked to take this number; None: the image decides.

        Raises
        ------
        KeyError
            If it is not compared.
        """
        return {variant.k: card for variant, card in self._cards.items()}[k]

    # Parts

    def _make_area(self) -> QScrollArea:
        inside = QWidget()
        inside.setLayout(self._row)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(SPACING)
        self._row.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        bar = area.horizontalScrollBar().sizeHint().height()
        area.setFixedHeight(_card_size(self.font()).height() + bar)
        area.setWidget(inside)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _make_cards(self) -> None:
        """One card for each variant; those of the variants before go."""
        for old in self._cards.values():
            old.deleteLater()
        self._cards = {variant: self._make_card(variant) for variant in self.filmstrip.variants}
        for place, card in enumerate(self._cards.values()):
            self._row.insertWidget(place, card)

    def _make_card(self, variant: Variant) -> _Card:
        card = _Card(title_of(variant))
        card.clicked.connect(lambda: self.filmstrip.take(variant.k))
        return card

    # What is true

    def _begin(self) -> None:
        self.filmstrip.begin()
        if self.filmstrip.is_working:
            self._look.start()

    def _begin_when_rested(self) -> None:
        if self.isVisible() and self.filmstrip.may_begin:
            self._rest.start()

    def _on_changed(self) -> None:
        filmstrip = self.filmstrip
        if tuple(self._cards) != filmstrip.variants:
            self._make_cards()
        for variant, card in self._cards.items():
            card.show_thumbnail(
                filmstrip.thumbnail(variant), is_current=variant == filmstrip.current
            )
        self._message.setText(filmstrip.message)
        self._message.setVisible(bool(filmstrip.message))
        self._area.setVisible(bool(self._cards))
        if not filmstrip.is_working:
            self._look.stop()
            self._begin_when_rested()

    def _on_status_changed(self, status: RunStatus) -> None:
        if status.is_busy:
            self._rest.stop()
            self._look.stop()
        else:
            self._begin_when_rested()


def title_of(variant: Variant) -> str:
    """What stands under a thumbnail."""
    if variant.k is None:
        return "k-less"
    return f"k {'=' if dial.is_exact(variant.segmenter) else '≈'} {variant.k}"


def in_words(n_clusters: int) -> str:
    """A number of clusters."""
    return f"{n_clusters} cluster{'s' * (n_clusters != 1)}"


def picture_of(thumbnail: Thumbnail) -> NDArray[np.uint8]:
    """The image under the colours of its clusters, darker along their borders.

    Returns
    -------
    ndarray, (h, w, 3) uint8
        RGB.
    """
    labels = thumbnail.labels
    ids, places = np.unique(labels, return_inverse=True)
    colors = np.array([cluster_rgb(int(id_)) for id_ in ids], np.float32)[
        places.reshape(labels.shape)
    ]
    mixed = _SHARE * colors + (1 - _SHARE) * thumbnail.ground
    plane = labels.astype(np.float32)
    border = cv2.dilate(plane, np.ones((2, 2))) != cv2.erode(plane, np.ones((2, 2)))
    mixed[border] *= _DARKER
    return np.rint(mixed).astype(np.uint8)


class _Card(QAbstractButton):
    """One thumbnail with two lines under it; the current one has a frame."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._is_current = False
        self._thumbnail: Thumbnail | None = None
        self._pixmap: QPixmap | None = None
        self.setFixedSize(_card_size(self.font()))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._describe()

    def show_thumbnail(self, thumbnail: Thumbnail | None, *, is_current: bool) -> None:
        """Show this, or that it is still to come."""
        self._is_current = is_current
        if thumbnail is not self._thumbnail:
            self._thumbnail = thumbnail
            self._pixmap = None if thumbnail is None else _pixmap_of(thumbnail)
        self._describe()
        self.update()

    @property
    def has_thumbnail(self) -> bool:
        """It is there."""
        return self._thumbnail is not None

    @property
    def is_current(self) -> bool:
        """The document has this number."""
        return self._is_current

    @property
    def lines(self) -> tuple[str, str]:
        """What stands under the thumbnail."""
        found = self._thumbnail
        return self._title, in_words(found.n_clusters) if found else "…"

    def _describe(self) -> None:
        title, found = self.lines
        self.setAccessibleName(f"{title}, {found}" if self._thumbnail else title)
        about = found if self._thumbnail else "still to be computed"
        what = "Chosen now" if self._is_current else f"Click to take {title}"
        self.setToolTip(f"{what}: {about}.")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Frame, picture, two lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRect(QPoint(0, 0), PICTURE).adjusted(0, 0, 2 * _MARGIN, 2 * _MARGIN)
        place = frame.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        if self._pixmap is None:
            painter.fillRect(place, self.palette().color(QPalette.ColorRole.Midlight))
        else:
            size = self._pixmap.size().scaled(PICTURE, Qt.AspectRatioMode.KeepAspectRatio)
            picture = QRect(QPoint(0, 0), size)
            picture.moveCenter(place.center())
            painter.drawPixmap(picture, self._pixmap)
        self._paint_frame(painter, frame)
        self._paint_lines(painter, frame.bottom() + 1)

    def _paint_frame(self, painter: QPainter, frame: QRect) -> None:
        is_pointed_at = self.underMouse() or self.hasFocus()
        if not (self._is_current or is_pointed_at):
            return
        role = QPalette.ColorRole.Highlight if self._is_current else QPalette.ColorRole.Mid
        painter.setPen(QPen(self.palette().color(role), 3 if self._is_current else 2))
        painter.drawRect(frame.adjusted(1, 1, -2, -2))

    def _paint_lines(self, painter: QPainter, top: int) -> None:
        height = QFontMetrics(self.font()).height()
        centred = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        for number, line in enumerate(self.lines):
            font = QFont(self.font())
            font.setBold(number == 0)
            painter.setFont(font)
            role = QPalette.ColorRole.PlaceholderText if number else QPalette.ColorRole.WindowText
            painter.setPen(self.palette().color(role))
            painter.drawText(QRect(0, top + number * height, self.width(), height), centred, line)


def _card_size(font: QFont) -> QSize:
    lines = 2 * QFontMetrics(font).height()
    return QSize(PICTURE.width() + 2 * _MARGIN, PICTURE.height() + 2 * _MARGIN + lines + 2)


def _pixmap_of(thumbnail: Thumbnail) -> QPixmap:
    rgb = np.ascontiguousarray(picture_of(thumbnail))
    height, width = rgb.shape[:2]
    image = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)
