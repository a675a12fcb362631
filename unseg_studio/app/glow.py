"""Where the labels are in doubt, on the screen: a heat map, its legend, and a ring at one place.

What is certain is dimmed and what is in doubt glows, so that the map is read alike on light and on
dark images: the lightness rises with the doubt, and so does the opacity.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPen

from unseg_studio.app.overlay import Argb, argb
from unseg_studio.app.viewport import Viewport
from unseg_studio.data import Box
from unseg_studio.data.boxes import size_of
from unseg_studio.widgets.colors import Rgb

STOPS: tuple[tuple[float, Rgb, float], ...] = (
    (0.0, (0, 0, 0), 0.55),
    (0.3, (84, 16, 110), 0.62),
    (0.6, (208, 62, 62), 0.70),
    (0.8, (249, 142, 9), 0.76),
    (1.0, (252, 250, 150), 0.82),
)
"""Doubt, colour and opacity; in between they change evenly."""

WORDS = ("certain", "in doubt: a scribble helps here")

RINGS = (14.0, 90.0)
"""Smallest and largest radius of the ring, in view pixels."""

_INK, _LIGHT = QColor(0, 0, 0, 190), QColor(255, 255, 255)
_BAR = 90.0
_MARGIN = 10.0


def glow(plane: NDArray[np.float32], viewport: Viewport, *, box: Box | None = None) -> Argb:
    """The heat map as the view shows it.

    Parameters
    ----------
    plane : ndarray, (h, w) float32
        Doubt from 0 to 1 over the whole image, at any resolution.
    viewport : Viewport
        In device pixels.
    box : (slice, slice) or None
        The part of the image that the plane is about, beyond which nothing glows; None: all.

    Returns
    -------
    ndarray, (height, width) uint32
        One value per view pixel of `viewport.samples()`.
    """
    samples = viewport.samples()
    if 0 in samples.shape:
        return np.zeros(samples.shape, np.uint32)
    corner = (box[0].start, box[1].start) if box else (0, 0)
    pitch = [
        part / whole
        for part, whole in zip(plane.shape, size_of(box) if box else viewport.image, strict=True)
    ]
    begins = viewport.top - corner[0], viewport.left - corner[1]
    down, right = (
        ((first + 0.5) / viewport.scale + begin) * step - 0.5
        for first, begin, step in zip((samples.top, samples.left), begins, pitch, strict=True)
    )
    matrix = np.array([[pitch[1] / viewport.scale, 0, right], [0, pitch[0] / viewport.scale, down]])
    levels = cv2.warpAffine(
        np.rint(plane * 255).astype(np.uint8),
        matrix,
        samples.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    heat = np.asarray(ramp().take(levels), np.uint32)
    if box:
        within = samples.part(box, margin=0)
        bare = np.zeros_like(heat)
        bare[within] = heat[within]
        return bare
    return heat


@lru_cache(maxsize=1)
def ramp() -> Argb:
    """The colour of each doubt from 0 to 255, (256,) uint32."""
    doubt = np.arange(256) / 255
    places = [place for place, _, _ in STOPS]
    colors = np.array([[*rgb, opacity] for _, rgb, opacity in STOPS])
    red, green, blue, opacity = (np.interp(doubt, places, column) for column in colors.T)
    rows = zip(red, green, blue, opacity, strict=True)
    return np.array([argb((r, g, b), o) for r, g, b, o in rows], np.uint32)


def paint_legend(painter: QPainter, view: QRectF) -> None:
    """Say in the lower left corner of the view what dark and bright mean."""
    metrics = QFontMetricsF(painter.font())
    low, high = (metrics.horizontalAdvance(word) for word in WORDS)
    box = QRectF(0, 0, low + _BAR + high + 4 * _MARGIN, metrics.height() + _MARGIN)
    box.moveBottomLeft(view.bottomLeft() + QPointF(_MARGIN, -_MARGIN))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_INK)
    painter.drawRoundedRect(box, 5, 5)
    bar = QRectF(box.left() + low + 2 * _MARGIN, box.top() + 6, _BAR, box.height() - 12)
    painter.fillRect(bar, _gradient(bar))
    painter.setPen(_LIGHT)
    middle = int(Qt.AlignmentFlag.AlignVCenter)
    painter.drawText(box.adjusted(_MARGIN, 0, 0, 0), middle, WORDS[0])
    painter.drawText(box.adjusted(low + _BAR + 3 * _MARGIN, 0, 0, 0), middle, WORDS[1])


def _gradient(bar: QRectF) -> QLinearGradient:
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    for place, rgb, _ in STOPS:
        gradient.setColorAt(place, QColor(*rgb))
    return gradient


def paint_ring(painter: QPainter, at: QPointF, radius: float, *, flash: float = 0.0) -> None:
    """Mark a place of the view.

    Parameters
    ----------
    painter : QPainter
        Of the view.
    at : QPointF
        The place.
    radius : float
        Of the ring, in view pixels.
    flash : float
        1 = the flash begins, 0 = it is over: a second ring closes in on the first.
    """
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, width in ((_INK, 5.0), (_LIGHT, 2.5)):
        painter.setPen(QPen(color, width))
        painter.drawEllipse(at, radius, radius)
        if flash > 0:
            wide = radius * (1 + 2 * flash)
            painter.drawEllipse(at, wide, wide)
    painter.setPen(QPen(_INK, 1.2))
    painter.setBrush(_LIGHT)
    painter.drawEllipse(at, 3.0, 3.0)
