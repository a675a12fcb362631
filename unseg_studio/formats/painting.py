"""Paint the outlines of a foreign file into labels, within bounds, categories known by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import PALETTE, Category, Patch
from unseg_studio.data.category import MAX_CATEGORY, is_color
from unseg_studio.formats import geometry
from unseg_studio.formats.base import StartingLabels
from unseg_studio.formats.reading import read_bytes

OWN_KEY = "unseg_studio"
"""Under which a file says what only this program reads."""

LARGEST_JSON = 64 << 20
"""Parsed, it takes about twenty times as much memory."""

_PER_CROSSING, _PER_OUTLINE = 16, 10_000
"""How much more a row that a side crosses, and an outline, cost than a pixel."""

_MOST_EFFORT, _MOST_PER_PIXEL = 1 << 26, 64

Shape = tuple[int, int]


class WrongError(Exception):
    """What is wrong with the content of a file, as the middle of a sentence."""


class telling:  # noqa: N801 - read as a word: with telling(path, "labelme file")
    """Turn a `WrongError` into a sentence about the file."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WrongError):
            raise ValueError(
                f"{self._path} cannot be used: {error}; accepted is a {self._kind}. Export it "
                "again from the program that made it, or choose another file."
            ) from error


def parsed_json(path: Path) -> Any:
    """Content of a JSON file of bounded size.

    Raises
    ------
    OSError, ValueError
        As `read_bytes`.
    WrongError
        If it is no JSON.
    """
    try:
        return json.loads(read_bytes(path, limit=LARGEST_JSON))
    except json.JSONDecodeError as error:
        raise WrongError(f"it is no JSON ({error})") from error
    except UnicodeDecodeError as error:
        raise WrongError("it is no text in UTF-8, UTF-16 or UTF-32") from error
    except RecursionError as error:
        raise WrongError("its lists lie too deep in one another") from error


def beginning(path: Path) -> bytes:
    """The first bytes of a file, by which its kind is told; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def shown(value: object) -> str:
    """A foreign value as it is put into a sentence: short, on one line."""
    if isinstance(value, str | int | float | None):
        text = repr(value) if not isinstance(value, int) or abs(value) < 1e30 else "a huge number"
        return text if len(text) <= 60 else f"{text[:57]}..."
    return "a list" if isinstance(value, list) else "an object"


def vertices(points: object, what: str, *, least: int = 3) -> NDArray[np.float64]:
    """Points [x, y] of a foreign file as (N, 2) float64 (row, column).

    Raises
    ------
    WrongError
        If they are fewer than `least`, no numbers, or too far away.
    """
    if not isinstance(points, list) or len(points) < least:
        raise WrongError(f"{what} is no list of {least} points or more")
    try:
        xy = np.array(points)
    except (ValueError, OverflowError):  # lists of several lengths
        xy = np.zeros(0, object)
    if xy.dtype.kind not in "iuf" or xy.ndim != 2 or xy.shape[1] not in (2, 3):
        raise WrongError(f"{what} holds something else than points [x, y]")
    if not (np.abs(xy) <= geometry.FARTHEST).all():  # false for NaN, too
        raise WrongError(f"{what} has coordinates that are not finite or out of all proportion")
    return xy[:, 1::-1].astype(np.float64)


class NamedCategories:
    """Categories by name: those that are known, then new ones in the order of their coming."""

    def __init__(self, known: Iterable[Category] = ()) -> None:
        self._by_name = {category.name: category for category in known}
        taken = {category.id for category in self._by_name.values()}
        self._free = [id_ for id_ in range(MAX_CATEGORY, 0, -1) if id_ not in taken]

    def id_of(self, name: str, *, color: str | None = None, wanted: int = 0) -> int:
        """Id of the category of this name; a new one gets the wanted or the lowest free id.

        Raises
        ------
        WrongError
            If there are too many.
        """
        known = self._by_name.get(name)
        if known is None:
            if not self._free:
                raise WrongError(f"it has more than {MAX_CATEGORY} categories")
            id_ = wanted if wanted in self._free else self._free[-1]
            self._free.remove(id_)
            color = color if color and is_color(color) else PALETTE[(id_ - 1) % len(PALETTE)]
            known = self._by_name[name] = Category(id_, name, color)
        return known.id

    def table(self) -> tuple[Category, ...]:
        """All of them, by id."""
        return tuple(sorted(self._by_name.values(), key=lambda category: category.id))


def own_entry(categories: Iterable[Category]) -> list[dict[str, Any]]:
    """The category table as this program writes it beside what a format knows of it."""
    return [{"id": int(c.id), "name": c.name, "color": c.color, "kind": c.kind} for c in categories]


def own_categories(entries: object) -> tuple[Category, ...]:
    """Read `own_entry` back; what is broken in it is passed over."""
    table: dict[int, Category] = {}
    names: set[str] = set()
    for entry in entries[:MAX_CATEGORY] if isinstance(entries, list) else []:
        category = _own_category(entry)
        if category and category.id not in table and category.name not in names:
            table[category.id] = category
            names.add(category.name)
    return tuple(table.values())


def _own_category(entry: object) -> Category | None:
    known = entry if isinstance(entry, dict) else {}
    id_, name, color, kind = (known.get(key) for key in ("id", "name", "color", "kind"))
    if type(id_) is not int or not isinstance(name, str) or not isinstance(color, str):
        return None
    try:
        return Category(id_, name, color, "stuff" if kind == "stuff" else "thing")
    except ValueError:
        return None


class Canvas:
    """Labels of one image, on which outlines are painted one over the other.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._labels = np.zeros(shape, np.int32)
        self._left = _MOST_EFFORT + _MOST_PER_PIXEL * shape[0] * shape[1]
        self._outside = 0

    def paint_areas(self, areas: Sequence[Sequence[geometry.Polygon]], id_: int) -> None:
        """Paint areas of several rings each, whole numbers being edges of pixels.

        Raises
        ------
        WrongError
            If that would take too long, as this and the next two.
        """
        self._spend([ring for area in areas for ring in area])
        self.paint(geometry.fill_areas(areas, self.shape), id_)

    def paint_pixels(self, outline: NDArray[np.int64], id_: int) -> None:
        """Paint what `cv2.fillPoly` draws between these pixels, (N, 2) (row, column)."""
        self._spend([outline])
        self.paint(geometry.fill([outline], self.shape, convention="pixels"), id_)

    def paint(self, patch: Patch, id_: int) -> None:
        """Paint a mask."""
        self._outside += not patch.mask.any()
        self._labels[patch.slices][patch.mask] = id_

    def starting_labels(
        self, categories: tuple[Category, ...], notes: Iterable[str] = ()
    ) -> StartingLabels:
        """What was painted; says how many outlines left no pixel."""
        said = list(notes)
        if self._outside:
            said.append(
                f"{self._outside} outline{'s hold' if self._outside > 1 else ' holds'} no pixel of "
                "the image and left no mark."
            )
        return StartingLabels(categories, self._labels, tuple(said))

    def _spend(self, rings: Sequence[geometry.Polygon]) -> None:
        pixels, crossings = geometry.effort(rings, self.shape)
        self._left -= pixels + _PER_CROSSING * crossings + _PER_OUTLINE
        if self._left < 0:
            raise WrongError(
                f"its outlines are far more than fit an image of {self.shape[1]} x "
                f"{self.shape[0]} px"
            )


def require_size(there: tuple[object, object], shape: Shape, *, path: Path) -> None:
    """Raise ValueError, in a sentence, if a file names another (height, width) than the image's.

    What is no pair of whole numbers is taken for nothing said.
    """
    if all(type(side) is int for side in there) and there != shape:
        raise ValueError(
            f"{path}: the image is {shown(there[1])} x {shown(there[0])} px there, the open image "
            f"is {shape[1]} x {shape[0]} px; accepted are outlines on an image of its size. Choose "
            "the file that belongs to this image."
        )


def left_out(counts: dict[str, int], why: str) -> list[str]:
    """Say how many of what is not read."""
    return [
        f"{n} {what}{'s are' if n > 1 else ' is'} left out, since {why}."
        for what, n in sorted(counts.items())
    ]
