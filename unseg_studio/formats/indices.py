"""From maps of category ids that stand in a file, and what is known about the ids, to labels.

The table of categories beside such maps is a CSV in UTF-8 with the columns id, name, color, kind.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseg_studio.data import PALETTE, Category
from unseg_studio.data.category import MAX_CATEGORY, is_color
from unseg_studio.formats.base import StartingLabels
from unseg_studio.formats.numbering import free_ids, unique_name
from unseg_studio.formats.reading import read_bytes

LARGEST_TABLE = 1 << 20

_COLUMNS = ("id", "name", "color", "kind")
_LARGEST_INDEX = 1 << 16
_LARGEST_VALUE = int(np.iinfo(np.int32).max)
_VALUES_AT_ONCE = 1 << 22

Row = Mapping[str, str]
"""What is known about an id: its name, color and kind, or some of them."""


def category_csv(categories: Sequence[Category]) -> bytes:
    """The table of categories."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    rows.writerows((c.id, c.name, c.color, c.kind) for c in categories)
    return text.getvalue().encode("utf-8")


def read_category_csv(path: Path) -> dict[int, dict[str, str]]:
    """Rows of the table of categories by id; nothing where there is no file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such table.
    """
    if not path.exists():
        return {}
    try:
        text = read_bytes(path, limit=LARGEST_TABLE).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        table = {int(row["id"]): {k: v for k, v in row.items() if k and v} for row in rows}
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise ValueError(
            f"{path} is no table of categories; accepted is a CSV in UTF-8 with the columns "
            f"{', '.join(_COLUMNS)}. Mend it, or remove it to have categories named by id."
        ) from error
    return {id_: row for id_, row in table.items() if id_ > 0}


def starting_labels(
    values: NDArray[np.integer],
    rows: Mapping[int, Row],
    *,
    path: Path,
    colors: Mapping[int, str] | None = None,
) -> StartingLabels:
    """Make labels of a map of ids.

    Parameters
    ----------
    values : ndarray, (H, W) of integers
        One value per category, 0 = nothing.
    rows : mapping
        What is known about some of the values; those that do not occur are categories all the
        same.
    path : Path
        The file that they came from, for the message.
    colors : mapping or None
        Colours of values that `rows` give none.

    Raises
    ------
    ValueError
        If there are more different values than there can be categories.
    """
    possible = {value for value in rows if 0 < value <= _LARGEST_VALUE}  # no pixel has another one
    given = sorted(_present(values, path) | possible)
    _require_few(len(given), path)
    ids = free_ids(given)
    names: set[str] = set()
    categories = []
    for value, id_ in zip(given, ids, strict=True):
        row = rows.get(value, {})
        color = row.get("color") or (colors or {}).get(value, "")
        category = _category(row, id_, color=color, taken=names)
        names.add(category.name)
        categories.append(category)
    moved = sum(value != id_ for value, id_ in zip(given, ids, strict=True))
    note = f"{moved} categories got new ids, since theirs are not 1 to {MAX_CATEGORY}."
    labels = _renumbered(values, given, ids) if moved else values.astype(np.int32)
    ordered = tuple(sorted(categories, key=lambda category: category.id))
    return StartingLabels(ordered, labels, (note,) if moved else ())


def _present(values: NDArray[np.integer], path: Path) -> set[int]:
    """The values that occur, except 0; found piece by piece, since a plane may be very large."""
    found: set[int] = set()
    flat = values.reshape(-1)
    for start in range(0, flat.size, _VALUES_AT_ONCE):
        found.update(_distinct(flat[start : start + _VALUES_AT_ONCE]).tolist())
        _require_few(len(found) - 1, path)
    strange = next((value for value in found if not 0 <= value <= _LARGEST_VALUE), None)
    if strange is not None:
        raise ValueError(
            f"{path} holds the value {strange}; accepted are ids from 0 to {_LARGEST_VALUE}. "
            "Is it an image rather than a mask?"
        )
    return found - {0}


def _distinct(values: NDArray[np.integer]) -> NDArray[np.integer]:
    if values.dtype.itemsize > 2 or values.dtype.kind != "u":
        return np.unique(values)
    occurs = np.zeros(_LARGEST_INDEX, bool)
    occurs[values] = True  # an order of magnitude faster than sorting
    return np.flatnonzero(occurs)


def _require_few(n: int, path: Path) -> None:
    if n > MAX_CATEGORY:
        raise ValueError(
            f"{path} holds {n} different values; accepted are ids of up to "
            f"{MAX_CATEGORY} categories. Is it an image rather than a mask?"
        )


def _renumbered(
    values: NDArray[np.integer], given: Sequence[int], ids: Sequence[int]
) -> NDArray[np.int32]:
    pairs = np.array(sorted([(0, 0), *zip(given, ids, strict=True)]), np.int64)
    places = np.searchsorted(pairs[:, 0], values)
    return pairs[:, 1].astype(np.int32)[places]


def _category(row: Row, id_: int, *, color: str, taken: set[str]) -> Category:
    return Category(
        id_,
        unique_name(row.get("name"), id_, taken=taken),
        color if is_color(color) else PALETTE[(id_ - 1) % len(PALETTE)],
        "stuff" if row.get("kind") == "stuff" else "thing",
    )
