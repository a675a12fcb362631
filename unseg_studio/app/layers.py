"""What a view shows of a document, drawn once and kept until it is out of date.

From back to front: image, heat map, labels, outline of what is under the cursor, scribbles.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRect, QRectF
from qtpy.QtGui import QImage, QPainter

from unseg_studio.app import glow, overlay
from unseg_studio.app.display import Look, Pyramid
from unseg_studio.app.file_pyramid import FilePyramid
from unseg_studio.app.viewport import Samples, Viewport
from unseg_studio.data import Image, LargeImage, is_large
from unseg_studio.data.boxes import Box, grown, inside, overlap, size_of
from unseg_studio.document import Document

_AT_ONCE = 2_000_000
"""Planes of at most so many values are halved at once, larger ones in a thread."""

_builder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unseg-display")


@dataclass(frozen=True)
class Style:
    """How the overlay is shown.

    Parameters
    ----------
    opacity : float
        How much the fill covers the image, 0 to 1.
    contours : bool
        Outlines instead of filled areas.
    hidden : bool
        The bare image.
    uncertainty : bool
        A heat map of the doubt; the labels step back to faint outlines.
    """

    opacity: float = 0.45
    contours: bool = False
    hidden: bool = False
    uncertainty: bool = False


@dataclass(frozen=True)
class Pick:
    """What is outlined.

    Parameters
    ----------
    ids : tuple of int
        Everything with one of these ids.
    at : (float, float) or None
        Only the connected region at this point (x, y) of the view.
    strong : bool
        Highlighted, because a click would mean it.
    """

    ids: tuple[int, ...]
    at: tuple[float, float] | None = None
    strong: bool = False


class Layer:
    """An array on its way to the screen.

    Parameters
    ----------
    pixels : ndarray, (h, w, 4) uint8 or (h, w) uint32
        BGRX bytes, or ARGB with the colour multiplied by the opacity.
    top, left : int
        Where it lies, in device pixels.
    """

    def __init__(self, pixels: NDArray[Any], top: int, left: int) -> None:
        opaque = pixels.ndim == 3
        kind = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
        self._pixels = np.ascontiguousarray(pixels)  # the image below does not own its memory
        height, width = pixels.shape[:2]
        self._image = QImage(self._pixels.data, width, height, 4 * width, kind)
        self._place = QPointF(left, top)

    def write(self, part: Box, pixels: NDArray[np.uint32]) -> None:
        """Put other pixels into a rectangle of it."""
        self._pixels[part] = pixels

    def draw(self, painter: QPainter, ratio: float) -> None:
        """Paint it on a screen with so many device pixels per view pixel."""
        self._image.setDevicePixelRatio(ratio)
        painter.drawImage(self._place / ratio, self._image)


def _pyramid_of(image: Image) -> Pyramid:
    return FilePyramid(image) if isinstance(image, LargeImage) else Pyramid(image.pixels)


class Layers:
    """What the view shows of a document, each layer kept until it is out of date.

    Parameters
    ----------
    document : Document
        Only read.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.look = Look.of(document.image)
        self.viewport = Viewport(document.image.shape, (1.0, 1.0))
        self.ratio = 1.0
        self._pyramid = _pyramid_of(document.image)
        self._base: Layer | None = None
        self._ids: NDArray[np.int32] | None = None
        self._overlay: tuple[Style, Layer] | None = None
        self._glow: Layer | None = None
        self._marks: tuple[Layer | None] | None = None
        self._grid: Layer | None = None
        self._picked: tuple[Pick, Layer | None] | None = None
        self.building = self._start_building()

    def _start_building(self) -> Future[None] | None:
        if is_large(self.document.image.shape) or self.document.image.pixels.size > _AT_ONCE:
            return _builder.submit(self._pyramid.build)
        self._pyramid.build()
        return None

    @property
    def version(self) -> int:
        """Raised when more of the image is there; see `forget_base`."""
        return self._pyramid.version

    @property
    def is_reading(self) -> bool:
        """What the view shows of the image is on its way from the file."""
        return self._pyramid.is_reading

    def set_view(self, viewport: Viewport, ratio: float) -> None:
        """Show another part of the image, or on another screen."""
        if (viewport, ratio) != (self.viewport, self.ratio):
            self.viewport, self.ratio = viewport, ratio
            self._grid = self._marks = None
            self.forget_base()
            self.forget_overlay()
            self.forget_glow()

    def forget_base(self) -> None:
        """The image looks different."""
        self._base = None

    def forget_overlay(self) -> None:
        """The labels, or the colours of the categories, are different."""
        self._ids = self._overlay = self._picked = None

    def forget_glow(self) -> None:
        """The doubt is different."""
        self._glow = None

    def forget_marks(self) -> None:
        """The scribbles, or the colours of the categories, are different."""
        self._marks = None

    def relabel(self, box: Box) -> QRect:
        """The labels are different in a rectangle of the image; gives what to repaint."""
        self._picked = None
        samples = self._device.samples()
        part = samples.part(box, margin=self._rim)  # outlines reach as far as the rims of strokes
        if self._ids is not None:
            self._ids[part] = self._sampled(samples, part)
        if self._overlay is not None:
            style, layer = self._overlay
            layer.write(part, self._colored(style, part))
        return self._on_view(samples, part)

    def remark(self, box: Box) -> QRect:
        """The scribbles are different in a rectangle of the image; gives what to repaint."""
        samples = self._device.samples()
        part = samples.part(box, margin=self._rim)
        match self._marks:
            case (Layer() as layer,):
                layer.write(part, self._marked(samples, part))
            case _:
                self._marks = None
        return self._on_view(samples, part)

    def base(self) -> Layer:
        """The image."""
        if self._base is None:
            samples = self._device.samples()
            rgb = self._pyramid.rendered(self._device, self.look)
            pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA) if rgb.size else np.zeros((0, 0, 4))
            self._base = Layer(pixels.astype(np.uint8, copy=False), samples.top, samples.left)
        return self._base

    def labels(self, style: Style) -> Layer:
        """The overlay of labels."""
        if self._overlay is None or self._overlay[0] != style:
            samples = self._device.samples()
            layer = Layer(self._colored(style, samples.whole), samples.top, samples.left)
            self._overlay = style, layer
        return self._overlay[1]

    def glow(self) -> Layer | None:
        """The heat map of the doubt; None before the first frame."""
        uncertainty = self.document.uncertainty
        if self._glow is None and uncertainty is not None:
            samples = self._device.samples()
            heat = glow.glow(uncertainty.plane, self._device, box=uncertainty.box)
            self._glow = Layer(heat, samples.top, samples.left)
        return self._glow

    def marks(self) -> Layer | None:
        """The scribbles; None where there are none in sight."""
        if self._marks is None:
            self._marks = (self._all_marks(),)
        return self._marks[0]

    def grid(self) -> Layer | None:
        """Lines between the pixels; None where pixels are too small for them."""
        if self._grid is None and self.viewport.shows_grid:
            samples = self._device.samples()
            lines = overlay.grid(samples.rows, samples.cols)
            self._grid = Layer(lines, samples.top, samples.left)
        return self._grid

    def ids(self) -> NDArray[np.int32]:
        """Which label each device pixel shows."""
        if self._ids is None:
            samples = self._device.samples()
            self._ids = self._sampled(samples, samples.whole)
        return self._ids

    def picked(self, pick: Pick) -> Layer | None:
        """The outline of what is picked; None where it is out of sight."""
        if self._picked is None or self._picked[0] != pick:
            self._picked = pick, self._outlined(self._mask(pick), pick.strong)
        return self._picked[1]

    @property
    def _device(self) -> Viewport:
        return self.viewport.magnified(self.ratio)

    @property
    def _line(self) -> int:
        return max(1, round(self.ratio))

    @property
    def _rim(self) -> int:
        """How far scribbles reach beyond their pixels, in device pixels."""
        return 2 * self._line + 1

    def _on_view(self, samples: Samples, part: Box) -> QRect:
        (top, height), (left, width) = ((s.start, s.stop - s.start) for s in part)
        place = QRectF(samples.left + left, samples.top + top, width, height)
        corner, size = place.topLeft() / self.ratio, place.size() / self.ratio
        return QRectF(corner, size).toAlignedRect()

    def _sampled(self, samples: Samples, part: Box) -> NDArray[np.int32]:
        rows, cols = part
        return self.document.shown.sampled(samples.rows[rows], samples.cols[cols])

    def _colored(self, style: Style, part: Box) -> NDArray[np.uint32]:
        """A part of the overlay; its borders depend on what lies around it."""
        ids, categories = self.ids(), self.document.categories
        around = grown(part, self._line, (ids.shape[0], ids.shape[1]))
        if style.contours:
            argb = overlay.contours(ids[around], categories, width=self._line)
        else:
            argb = overlay.fill(ids[around], categories, opacity=style.opacity, width=self._line)
        return argb[inside(part, around)]

    def _all_marks(self) -> Layer | None:
        samples = self._device.samples()
        argb = self._marked(samples, samples.whole)
        return Layer(argb, samples.top, samples.left) if argb.any() else None

    def _marked(self, samples: Samples, part: Box) -> NDArray[np.uint32]:
        """A part of the scribbles, drawn only around what is marked."""
        argb = np.zeros(size_of(part), np.uint32)
        box = self.document.scribbles.box
        seen = overlap(part, samples.part(box, margin=self._rim)) if box else None
        if seen:
            around = grown(seen, self._rim, samples.shape)
            ids = self._marks_under(around)
            marks = overlay.marks(ids, self.document.categories, width=self._line)
            argb[inside(seen, part)] = marks[inside(seen, around)]
        return argb

    def _marks_under(self, part: Box) -> NDArray[np.int32]:
        """Which category each view pixel is marked with; thin things need more samples."""
        factor = 1 if self._device.scale >= 1 else 2
        fine = self._device.samples(factor)
        rows, cols = (slice(factor * axis.start, factor * axis.stop) for axis in part)
        ids = self.document.scribbles.mosaic.sampled(fine.rows[rows], fine.cols[cols])
        return overlay.pooled(ids, factor)

    def _mask(self, pick: Pick) -> NDArray[np.bool_]:
        ids, samples = self.ids(), self._device.samples()
        if pick.at is None:
            wanted: NDArray[np.bool_] = np.logical_or.reduce([ids == id_ for id_ in pick.ids])
            return wanted
        row = int(pick.at[1] * self.ratio) - samples.top
        col = int(pick.at[0] * self.ratio) - samples.left
        if not (0 <= row < samples.shape[0] and 0 <= col < samples.shape[1]):
            return np.zeros(samples.shape, bool)
        return overlay.region_around(ids, row, col)

    def _outlined(self, mask: NDArray[np.bool_], strong: bool) -> Layer | None:
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        if not width:
            return None
        reach = 2 * self._line
        top, left = max(0, top - reach), max(0, left - reach)
        part = mask[top : top + height + 2 * reach, left : left + width + 2 * reach]
        argb = overlay.outline(part, width=self._line)
        if strong:
            argb = np.where(argb != 0, argb, overlay.highlight(part))
        samples = self._device.samples()
        return Layer(argb, samples.top + top, samples.left + left)
