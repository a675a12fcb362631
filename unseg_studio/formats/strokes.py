"""Recorded strokes: what a person drew to steer, stroke after stroke, in a small JSON file.

    {"format": "unseg-studio strokes", "version": 1, "width": 451, "height": 300,
     "categories": [{"name": "cat", "color": "#e69f00", "kind": "thing"}],
     "strokes": [{"category": "cat", "radius": 4, "points": [[120, 200], [130, 240]]}]}

Points are (row, column) in pixels of the image. The categories get the ids 1, 2, ... in their
order; color and kind may be left out. A stroke whose category is null erases.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from unseg_studio.data import PALETTE, UNMARKED, Category, Scribbles
from unseg_studio.data.strokes import MAX_RADIUS
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.formats.reading import read_bytes

LARGEST_FILE = 64 << 20
MOST_CATEGORIES = 255
MOST_STROKES = 10_000
MOST_POINTS = 1_000_000
"""Of all strokes of a file together."""

MOST_WORDS = 600
"""Characters in which a sentence says what is wrong."""

FARTHEST = 1e6
"""Pixels; points may lie outside the image, but not in another country."""

_WORD, _VERSION = "unseg-studio strokes", 1

Shape = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """One stroke.

    Parameters
    ----------
    category : str or None
        Name of a category; None: the eraser.
    points : tuple of (float, float), at least one
        (row, column) of the path, in pixels.
    radius : float
        Of the brush, in pixels.
    """

    category: str | None
    points: tuple[Point, ...]
    radius: float


@dataclass(frozen=True)
class Recording:
    """The strokes on one image.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image that was drawn on.
    categories : tuple of Category
        Ids 1, 2, ... in the order of the file.
    strokes : tuple of Stroke
        In the order in which they were drawn.
    """

    shape: Shape
    categories: tuple[Category, ...]
    strokes: tuple[Stroke, ...]

    def id_of(self, stroke: Stroke) -> int:
        """Id that a stroke paints, 0 for the eraser."""
        ids = {category.name: category.id for category in self.categories}
        return UNMARKED if stroke.category is None else ids[stroke.category]

    def scribbles(self) -> Scribbles:
        """All strokes painted one over the other."""
        drawn = Scribbles.empty(self.shape)
        for stroke in self.strokes:
            drawn = drawn.painted(stroke.points, self.id_of(stroke), radius=stroke.radius)
        return drawn

    def require_shape(self, shape: Shape, path: Path) -> None:
        """Raise ValueError, in a sentence, if they were drawn on an image of another size."""
        if self.shape != shape:
            raise ValueError(
                f"{path} holds strokes on an image of {self.shape[1]} x {self.shape[0]} px, the "
                f"image is {shape[1]} x {shape[0]} px; accepted are strokes drawn on an image of "
                "the same size. Choose the file that belongs to this image."
            )


def write_strokes(recording: Recording, path: str | Path) -> None:
    """Write a stroke file, entirely or not at all.

    Raises
    ------
    OSError
        If the file cannot be written; what was there before stays.
    """
    height, width = recording.shape
    content = {
        "format": _WORD,
        "version": _VERSION,
        "width": width,
        "height": height,
        "categories": [
            {"name": c.name, "color": c.color, "kind": c.kind} for c in recording.categories
        ],
        "strokes": [
            {"category": s.category, "radius": s.radius, "points": s.points}
            for s in recording.strokes
        ],
    }
    write_bytes(path, json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def read_strokes(path: str | Path) -> Recording:
    """Read a stroke file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no stroke file, is damaged or too large; in a sentence that says where.
    """
    path = Path(path)
    text = read_bytes(path, limit=LARGEST_FILE)
    try:
        return _recording(json.loads(text, parse_constant=_no_number))
    except _WrongError as error:
        raise ValueError(
            f"{path} is no stroke file that can be used: {_bounded(str(error))}; accepted are the "
            "strokes that UnSeg Studio records, as JSON. Mend it or choose another file."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no JSON and therefore no stroke file; accepted are the strokes that UnSeg "
            "Studio records, and indexed PNGs. Choose another file."
        ) from error


def _bounded(words: str) -> str:
    """A damaged file may quote anything, however long."""
    return words if len(words) <= MOST_WORDS else f"{words[: MOST_WORDS // 2]} … {words[-80:]}"


class _WrongError(Exception):
    """What is wrong with the content, as the middle of a sentence."""


def _no_number(word: str) -> NoReturn:
    raise _WrongError(f"it holds {word}, which is no number")


def _recording(content: Any) -> Recording:
    if not isinstance(content, dict) or content.get("format") != _WORD:
        raise _WrongError(f'it does not say "format": "{_WORD}"')
    if content.get("version") != _VERSION:
        raise _WrongError(f"it is of version {content.get('version')!r}, known is {_VERSION}")
    height, width = (int(_number(content.get(side), side, 1, 1e6)) for side in ("height", "width"))
    categories = _categories(_items(content, "categories", MOST_CATEGORIES))
    names = {category.name for category in categories}
    entries = _items(content, "strokes", MOST_STROKES)
    n_points = sum(len(_items(entry, "points", MOST_POINTS)) for entry in entries)
    if n_points > MOST_POINTS:
        raise _WrongError(f"it holds {n_points} points, the most are {MOST_POINTS}")
    strokes = tuple(_stroke(entry, n, names) for n, entry in enumerate(entries, 1))
    return Recording((height, width), categories, strokes)


def _categories(entries: Iterable[Any]) -> tuple[Category, ...]:
    try:
        table = tuple(
            Category(
                id_,
                _name(entry, id_),
                entry.get("color", PALETTE[(id_ - 1) % len(PALETTE)]),
                entry.get("kind", "thing"),
            )
            for id_, entry in enumerate(entries, 1)
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise _WrongError(f"a category is broken ({error})") from error
    if len({category.name for category in table}) < len(table):
        raise _WrongError("two of its categories have the same name")
    return table


def _name(entry: Any, id_: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise _WrongError(f"category {id_} has no name")
    return name


def _stroke(entry: Any, number: int, names: set[str]) -> Stroke:
    where = f"of stroke {number}"
    category = entry.get("category")
    if category is not None and (not isinstance(category, str) or category not in names):
        raise _WrongError(
            f"stroke {number} is of the category {category!r}, which is not in its table"
        )
    points = entry["points"]
    if not points or any(not isinstance(p, list) or len(p) != 2 for p in points):
        raise _WrongError(f"the points {where} are no list of [row, column]")
    path = tuple(
        (
            _number(row, f"a row {where}", -FARTHEST, FARTHEST),
            _number(col, f"a column {where}", -FARTHEST, FARTHEST),
        )
        for row, col in points
    )
    radius = _number(entry.get("radius"), f"the radius {where}", 0, MAX_RADIUS)
    return Stroke(category, path, radius)


def _items(entry: Any, name: str, most: int) -> list[Any]:
    """The list that stands under a name, of at most so many items."""
    items = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(items, list):
        raise _WrongError(f'there is no list "{name}" where one belongs')
    if len(items) > most:
        raise _WrongError(f"it holds {len(items)} {name}, the most are {most}")
    return items


def _number(value: Any, what: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongError(f"{what} is {value!r} instead of a number")
    if not low <= value <= high or not math.isfinite(value):
        raise _WrongError(f"{what} is {value!r:.20}, accepted is {low:g} to {high:g}")
    return float(value)
