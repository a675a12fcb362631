"""From ids to colours on the screen: fills, contours, outlines and scribbles.

Every function takes what the view shows of a plane, `(h, w)`, and gives `(h, w)` uint32: ARGB with
the colour already multiplied by the opacity, as Qt blends it fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import FIRST_CLUSTER, NOTHING, Category
from unseg_studio.widgets.colors import Rgb, cluster_rgb

Ids = NDArray[np.int32]
Argb = NDArray[np.uint32]
Mask = NDArray[np.bool_]

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
GREY: Rgb = (128, 128, 128)

_BORDER = 1.6
"""So much more opaque than the fill is a border."""


def id_rgb(id_: int, categories: Sequence[Category]) -> Rgb:
    """The colour of any id above 0: its category's, or a pastel one."""
    for category in categories:
        if category.id == id_:
            return category.rgb
    return cluster_rgb(id_)


def fill(ids: Ids, categories: Sequence[Category], *, opacity: float, width: int = 1) -> Argb:
    """Every id in its colour, a little stronger along its border; `NOTHING` is clear.

    Parameters
    ----------
    ids : ndarray, (h, w) int32
        What the view shows of the labels.
    categories : sequence of Category
        The category table.
    opacity : float
        0 to 1.
    width : int
        How far the border reaches, in view pixels.
    """
    filled = _colored(ids, categories, opacity)
    edge = borders(ids, width=width)
    filled[edge] = _colored(ids[edge], categories, min(1.0, opacity * _BORDER))
    return filled


def contours(ids: Ids, categories: Sequence[Category], *, width: int = 1) -> Argb:
    """A line of the id's own colour, `width` view pixels inside its border on either side."""
    return np.where(borders(ids, width=width), _colored(ids, categories, 1.0), np.uint32(0))


def borders(ids: NDArray[np.generic], *, width: int = 1) -> Mask:
    """Pixels that have another id within `width` pixels above, below, left or right."""
    found = np.zeros(ids.shape, bool)
    down, right = ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= right
    found[:, :-1] |= right
    return found if width <= 1 else _dilated(found, width - 1)


def grid(rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Argb:
    """Lines between the pixels of the image.

    Parameters
    ----------
    rows, cols : ndarray, (h,) and (w,) intp
        Image row and column that each view row and column shows.
    """
    lines = np.zeros((len(rows), len(cols)), np.uint32)
    lines[1:][rows[1:] != rows[:-1]] = argb(GREY, 0.35)
    lines[:, 1:][:, cols[1:] != cols[:-1]] = argb(GREY, 0.35)
    return lines


def outline(mask: Mask, *, width: int = 1) -> Argb:
    """A white line inside the border of a mask and a dark one outside: seen on any ground."""
    wide = _dilated(mask, width)
    inner = mask & ~_eroded(mask, width)
    return _painted(mask.shape, (inner, WHITE, 1.0), (wide & ~mask, BLACK, 0.7))


def highlight(mask: Mask, *, opacity: float = 0.25) -> Argb:
    """A veil of light over a mask."""
    return _painted(mask.shape, (mask, WHITE, opacity))


def marks(ids: Ids, categories: Sequence[Category], *, width: int = 1) -> Argb:
    """Scribbles, opaque, with a light and a dark rim of `width` view pixels each."""
    marked = ids != NOTHING
    light = _dilated(marked, width) & ~marked
    dark = _dilated(marked, 2 * width) & ~marked & ~light
    rims = _painted(ids.shape, (light, WHITE, 0.9), (dark, BLACK, 0.6))
    return np.where(marked, _colored(ids, categories, 1.0), rims)


def pooled(ids: Ids, factor: int) -> Ids:
    """Of each `factor` x `factor` samples the highest id, so that thin scribbles stay visible."""
    found = ids[::factor, ::factor]
    for row in range(factor):
        for col in range(factor):
            found = np.maximum(found, ids[row::factor, col::factor])
    return found


def region_around(ids: Ids, row: int, col: int) -> Mask:
    """The 4-connected pixels of one id around a place of the view."""
    same = (ids == ids[row, col]).astype(np.uint8)
    cv2.floodFill(same, None, (col, row), (2,), flags=4)
    region: Mask = same == 2
    return region


def argb(rgb: Rgb, opacity: float) -> int:
    """One colour as Qt's premultiplied ARGB32."""
    red, green, blue = (round(part * opacity) for part in rgb)
    return round(255 * opacity) << 24 | red << 16 | green << 8 | blue


def _colored(ids: Ids, categories: Sequence[Category], opacity: float) -> Argb:
    if not ids.size:
        return np.zeros(ids.shape, np.uint32)
    table = _table(int(ids.max()), tuple(categories), round(opacity, 4))
    return table.take(ids)


@lru_cache(maxsize=16)
def _table(highest: int, categories: tuple[Category, ...], opacity: float) -> Argb:
    """The colour of each id from 0 to `highest`."""
    table = np.zeros(highest + 1, np.uint32)
    for id_ in range(FIRST_CLUSTER, highest + 1):
        table[id_] = argb(cluster_rgb(id_), opacity)
    for category in categories:
        if category.id <= highest:
            table[category.id] = argb(category.rgb, opacity)
    return table


def _painted(shape: tuple[int, ...], *layers: tuple[Mask, Rgb, float]) -> Argb:
    image = np.zeros(shape, np.uint32)
    for mask, rgb, opacity in layers:
        image[mask] = argb(rgb, opacity)
    return image


def _dilated(mask: Mask, reach: int) -> Mask:
    grown: Mask = cv2.dilate(mask.view(np.uint8), _round_brush(reach)) > 0
    return grown


def _eroded(mask: Mask, reach: int) -> Mask:
    """What is left without the pixels near the border; the edge of the view is no border."""
    kept: Mask = cv2.erode(mask.view(np.uint8), _round_brush(reach)) > 0
    return kept


def _round_brush(reach: int) -> NDArray[np.uint8]:
    offsets = np.arange(-reach, reach + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= reach**2 + 1).astype(np.uint8)
