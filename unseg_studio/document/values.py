"""What is small and true of a document, as plain values for JSON; files may say anything there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from unseg_studio.data import Category
from unseg_studio.segmenters import SEGMENTERS, Segmenter, default_segmenter


def plain_segmenter(segmenter: Segmenter) -> dict[str, Any]:
    """Method and parameters, those only that JSON can hold."""
    held = (bool, int, float, str, type(None))
    values = {name: v for name, v in asdict(segmenter).items() if isinstance(v, held)}
    return {"name": segmenter.name, "parameters": values}


def segmenter_of(plain: Any) -> tuple[Segmenter, str]:
    """A segmenter, and a sentence where it is not what was kept; empty where it is."""
    plain = plain if isinstance(plain, Mapping) else {}
    name, values = plain.get("name"), plain.get("parameters")
    kind = SEGMENTERS.get(name) if isinstance(name, str) else None
    if kind is None:
        standard = default_segmenter()
        return standard, (
            f"The method {name!r:.80} of this image is not known here, perhaps since a later "
            f"version kept it; {standard.title} takes its place. Choose a method, or "
            "update the program."
        )
    return _with_accepted(kind, values if isinstance(values, Mapping) else {})


def _with_accepted(kind: type[Segmenter], values: Mapping[str, Any]) -> tuple[Segmenter, str]:
    """A segmenter with every value that it accepts."""
    known = {f.name for f in fields(kind)}
    refused = sorted(values.keys() - known)
    accepted: dict[str, Any] = {}
    for name in known & values.keys():
        try:
            kind(**accepted, **{name: values[name]})
        except (ValueError, TypeError):
            refused.append(name)
        else:
            accepted[name] = values[name]
    told = ""
    if refused:
        told = (
            f"{kind.title} does not know or accept what this image says of "
            f"{', '.join(map(str, refused))}; the usual values take its place. Look at the "
            "parameters before you run again."
        )
    return kind(**accepted), told


def plain_categories(table: Iterable[Category]) -> list[dict[str, Any]]:
    """The table, in its order."""
    return [asdict(category) for category in table]


def categories_of(plain: Any) -> tuple[Category, ...]:
    """The table again.

    Raises
    ------
    ValueError
        If it is no table, or an id or a name is there twice.
    """
    try:
        table = tuple(Category(**values) for values in plain)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"This is no table of categories: {plain!r:.80}.") from error
    ids, names = {c.id for c in table}, {c.name for c in table}
    if not table or min(len(ids), len(names)) < len(table):
        raise ValueError("The table of categories is empty or names something twice.")
    return table


def plain_value(name: str, value: Any) -> Any:
    """A value of a field of `State` that is no plane; what is not kept becomes None."""
    match name:
        case "segmenter":
            return plain_segmenter(value)
        case "categories":
            return plain_categories(value)
        case "locks":
            return sorted(value)
        case "fill":
            return bool(value)
    return None  # uncertainty: the engine says it anew, and it is larger than all the rest


def value_of(name: str, plain: Any) -> Any:
    """The value again.

    Raises
    ------
    ValueError
        If it is no such value.
    """
    match name:
        case "segmenter":
            return segmenter_of(plain)[0]
        case "categories":
            return categories_of(plain)
        case "locks":
            return _locks_of(plain)
        case "fill":
            return bool(plain)
    return None


def _locks_of(plain: Any) -> frozenset[int]:
    if not isinstance(plain, list) or not all(isinstance(id_, int) for id_ in plain):
        raise ValueError(f"These are no locked categories: {plain!r:.80}.")
    return frozenset(plain)
