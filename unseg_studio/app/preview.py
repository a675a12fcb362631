"""A small picture of what a file will hold."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QImage

from unseg_studio.data import Annotation, Image, is_large
from unseg_studio.data.image import three_channels

SIDE = 360
_SHARE = 0.55
_DIMMED = 0.45


def export_preview(image: Image, annotation: Annotation, *, side: int = SIDE) -> NDArray[np.uint8]:
    """The image with the regions that will be written; what will not be is dimmed.

    Parameters
    ----------
    image : Image
        The plane.
    annotation : Annotation
        The content of the file.
    side : int
        Longer side of the picture, in pixels.

    Returns
    -------
    ndarray, (h, w, 3) uint8
        RGB.
    """
    scale = side / max(image.shape)
    size = tuple(max(1, round(extent * scale)) for extent in reversed(image.shape))
    rows, cols = (
        np.minimum(np.arange(n) / scale, extent - 1).astype(np.intp)
        for n, extent in zip(reversed(size), image.shape, strict=True)
    )
    ground = _shown(image, rows, cols)
    labels = _labels_at(annotation, rows, cols)
    picture = np.where((labels > 0)[..., None], ground, ground * _DIMMED)
    for category in annotation.categories:
        here = labels == category.id
        picture[here] = (1 - _SHARE) * picture[here] + _SHARE * np.array(category.rgb)
        picture[_outline(here)] = category.rgb
    return np.ascontiguousarray(np.rint(picture), np.uint8)


def qimage(rgb: NDArray[np.uint8]) -> QImage:
    """A Qt image with a copy of these pixels, `(h, w, 3)` uint8."""
    height, width = rgb.shape[:2]
    return QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _shown(image: Image, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
    """The pixels as people see them, 0 to 255; only those that the picture needs."""
    low, high = image.value_range
    values = _values_at(image, rows, cols).astype(np.float32)
    unit = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    return np.array(three_channels(unit) * 255, np.float32)


def _values_at(image: Image, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.generic]:
    if not is_large(image.shape):
        return image.pixels[np.ix_(rows, cols)]
    step = 1 << max(0, int(image.shape[0] // len(rows)).bit_length() - 1)
    height, width = image.shape
    small = image.shrunk((slice(0, height), slice(0, width)), step)
    return small[np.ix_(rows // step, cols // step)]


def _labels_at(
    annotation: Annotation, rows: NDArray[np.intp], cols: NDArray[np.intp]
) -> NDArray[np.int32]:
    """What `Annotation.labels` has where rows and columns cross, without making it all."""
    labels = np.zeros((len(rows), len(cols)), np.int32)
    for region in annotation.regions:
        high, wide = region.patch.slices
        down = slice(*np.searchsorted(rows, (high.start, high.stop)))
        across = slice(*np.searchsorted(cols, (wide.start, wide.stop)))
        mask = region.patch.mask[np.ix_(rows[down] - high.start, cols[across] - wide.start)]
        labels[down, across][mask] = region.category
    return labels


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    outline: NDArray[np.bool_] = mask & (inner == 0)
    return outline
