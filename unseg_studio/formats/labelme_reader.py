"""Read the shapes of a labelme file, whoever wrote it."""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unseg_studio.data import Patch
from unseg_studio.formats.base import StartingLabels
from unseg_studio.formats.naming import file_of
from unseg_studio.formats.painting import (
    OWN_KEY,
    Canvas,
    NamedCategories,
    WrongError,
    left_out,
    own_categories,
    parsed_json,
    require_size,
    shown,
    telling,
    vertices,
)

_SIDES_OF_A_CIRCLE = 360

Entry = dict[str, Any]
Shape = tuple[int, int]
Ring = NDArray[np.float64]


def read_labelme(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read polygons, rectangles, circles and masks of one image, in the order of the file.

    Parameters
    ----------
    path : str or Path
        A labelme file, or a folder in which the image has one: `cells.json` for `cells.tif`.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Its name, for folders.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no labelme file, of an image of another size, or damaged; in a sentence.
    """
    file = file_of(Path(path), file_name, endings=(".ome.json", ".json"))
    with telling(file, "labelme file"):
        content = parsed_json(file)
        shapes = content.get("shapes") if isinstance(content, dict) else None
        if not isinstance(shapes, list) or not all(isinstance(entry, dict) for entry in shapes):
            raise WrongError("it holds no list of shapes")
        size = content.get("imageHeight"), content.get("imageWidth")
        require_size(size, shape, path=file)
        own = content.get(OWN_KEY)
        known = own_categories(own.get("categories") if isinstance(own, dict) else None)
        return _painted(shapes, NamedCategories(known), shape)


def _painted(shapes: list[Entry], categories: NamedCategories, shape: Shape) -> StartingLabels:
    canvas = Canvas(shape)
    without_area: Counter[str] = Counter()
    for number, entry in enumerate(shapes, 1):
        what = f"shape {number}"
        kind = entry.get("shape_type") or "polygon"
        if kind == "mask":
            canvas.paint(_mask(entry, shape, what=what), _category(entry, categories, what=what))
        elif isinstance(kind, str) and kind in _RINGS:
            ring = _RINGS[kind](entry.get("points"), what)
            canvas.paint_areas([[ring]], _category(entry, categories, what=what))
        else:
            without_area[kind if isinstance(kind, str) and kind.isalpha() else "shape"] += 1
    notes = left_out(
        dict(without_area), "only polygons, rectangles, circles and masks have an area"
    )
    return canvas.starting_labels(categories.table(), notes)


def _category(entry: Entry, categories: NamedCategories, *, what: str) -> int:
    label = entry.get("label")
    if not isinstance(label, str) or not label.strip():
        raise WrongError(f"the label of {what} is {shown(label)} instead of a word")
    return categories.id_of(label)


# --- outlines, (N, 2) float64 (row, column) ---


def _polygon(points: object, what: str) -> Ring:
    return vertices(points, what)


def _rectangle(points: object, what: str) -> Ring:
    """Two opposite corners, or all four."""
    corners = vertices(points, what, least=2)
    if len(corners) > 2:
        return corners
    (top, left), (bottom, right) = corners
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def _circle(points: object, what: str) -> Ring:
    """The centre, and a point on the rim."""
    centre, rim = vertices(points, what, least=2)[:2]
    angles = np.linspace(0, 2 * math.pi, _SIDES_OF_A_CIRCLE, endpoint=False)
    around = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return np.asarray(centre + math.dist(centre, rim) * around)


_RINGS: dict[str, Callable[[object, str], Ring]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "oriented_rectangle": _polygon,
    "circle": _circle,
}


# --- masks ---


def _mask(entry: Entry, shape: Shape, *, what: str) -> Patch:
    """The picture in a shape, which fills the pixels from its first to its second point."""
    (top, left), (last_row, last_col) = vertices(entry.get("points"), what, least=2)[:2].astype(int)
    rows, cols = slice(int(top), int(last_row) + 1), slice(int(left), int(last_col) + 1)
    if not (0 <= rows.start < rows.stop <= shape[0] and 0 <= cols.start < cols.stop <= shape[1]):
        raise WrongError(f"the mask of {what} lies outside of the image or has no size")
    return Patch(rows, cols, _picture(entry.get("mask"), rows, cols, what=what))


def _picture(text: object, rows: slice, cols: slice, *, what: str) -> NDArray[np.bool_]:
    size = cols.stop - cols.start, rows.stop - rows.start
    try:
        data = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.size == size and image.mode in ("1", "L", "P"):
                return np.array(image) > 0
    except (binascii.Error, OSError, ValueError, SyntaxError, EOFError) as error:
        raise WrongError(f"the mask of {what} is no PNG in base64") from error
    raise WrongError(
        f"the mask of {what} is no PNG of one channel and of {size[0]} x {size[1]} px, which its "
        "points ask for"
    )
