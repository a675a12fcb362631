"""The table of categories as it travels with a Labels layer: plain values in its metadata.

    layer.metadata["unseg_studio"] = {"categories": [
        {"id": 1, "name": "nucleus", "color": "#e69f00", "kind": "thing"}, ...]}

Two more words may stand beside it. `file_name`: the image that a layer belongs to, as COCO files
name it. `file_names`: the same for a stack of separate images, plane by plane.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from unseg_studio.data import NOTHING, PALETTE, Category
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.formats.numbering import unique_name

KEY = "unseg_studio"

_READY_COLORS = 32
"""Labels up to this one have a colour before they are a category."""


def stored(categories: Sequence[Category], **words: Any) -> dict[str, Any]:
    """Metadata of a layer with this table; `words` stand beside it."""
    return {KEY: {"categories": [asdict(category) for category in categories], **words}}


def words_in(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in a layer's metadata under our key; empty where nothing does."""
    words = metadata.get(KEY)
    return words if isinstance(words, Mapping) else {}


def categories_in(metadata: Mapping[str, Any]) -> tuple[Category, ...]:
    """The table in a layer's metadata, by id; without entries that are no category."""
    entries = words_in(metadata).get("categories")
    table: dict[int, Category] = {}
    names: set[str] = set()
    for entry in entries if isinstance(entries, Sequence) else ():
        category = _category(entry)
        if category and category.id not in table and category.name not in names:
            table[category.id] = category
            names.add(category.name)
    return tuple(table[id_] for id_ in sorted(table))


def _category(entry: object) -> Category | None:
    if not isinstance(entry, Mapping):
        return None
    try:
        return Category(**entry)
    except (TypeError, ValueError, AttributeError):  # a person may write anything there
        return None


def joined(
    own: tuple[Category, ...], other: Sequence[Category]
) -> tuple[tuple[Category, ...], dict[int, int]]:
    """Add another table, matched by name; ids stay where they are free.

    Returns
    -------
    tuple of Category
        Both tables in one.
    dict
        Id in the other table -> id in both.

    Raises
    ------
    ValueError
        If there are more categories than ids.
    """
    table = {category.id: category for category in own}
    ids = {category.name: category.id for category in own}
    for category in other:
        if category.name not in ids:
            id_ = category.id if category.id not in table else _free_id(table)
            table[id_], ids[category.name] = replace(category, id=id_), id_
    moved = {category.id: ids[category.name] for category in other}
    return tuple(table[id_] for id_ in sorted(table)), moved


def _free_id(taken: Collection[int]) -> int:
    for id_ in range(1, MAX_CATEGORY + 1):
        if id_ not in taken:
            return id_
    raise ValueError(
        f"These layers have more than {MAX_CATEGORY} categories together, which is the most that "
        "is written; accepted are tables that share names. Save them one by one."
    )


def features_of(categories: Sequence[Category]) -> dict[str, list[Any]]:
    """What napari tells in its status bar about the label under the mouse."""
    return {
        "index": [category.id for category in categories],
        "category": [category.name for category in categories],
    }


def names_in(features: Any) -> dict[int, str]:
    """Names of labels in a layer's features: a column `index`, and one of words beside it."""
    columns = getattr(features, "columns", ())
    named = next((word for word in ("category", "name", "class", "label") if word in columns), "")
    if "index" not in columns or not named:
        return {}
    taken: list[str] = []
    names = {}
    for label, name in zip(features["index"], features[named], strict=True):
        if isinstance(name, str) and name.strip():
            names[int(label)] = unique_name(name, int(label), taken=taken)
            taken.append(names[int(label)])
    return names


def colormap_of(categories: Sequence[Category]) -> DirectLabelColormap:
    """Categories in their colours, the next labels in those that new categories would get."""
    colors: dict[int | None, str] = {None: "white", NOTHING: "transparent"}
    colors |= {id_: PALETTE[(id_ - 1) % len(PALETTE)] for id_ in range(1, _READY_COLORS + 1)}
    colors |= {category.id: category.color for category in categories}
    return DirectLabelColormap(color_dict=colors)


def color_in(colormap: Any, label: int) -> str | None:
    """The colour "#rrggbb" that a layer's colormap gives a label; None where it is not shown."""
    red, green, blue, alpha = (float(part) for part in np.ravel(colormap.map(label)))
    return (
        "#{:02x}{:02x}{:02x}".format(*(round(c * 255) for c in (red, green, blue)))
        if alpha
        else None
    )
