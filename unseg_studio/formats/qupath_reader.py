"""Read GeoJSON as QuPath writes it, or anyone else whose coordinates are pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unseg_studio.data.category import PALETTE
from unseg_studio.formats.base import StartingLabels
from unseg_studio.formats.geometry import Polygon
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

SUFFIX = ".geojson"

WITHOUT_CLASS = "unclassified"
"""Category of objects that have no class."""

_AREAS = ("Polygon", "MultiPolygon")

Entry = dict[str, Any]
Shape = tuple[int, int]


def read_qupath(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the areas of one image, painted in the order of the file.

    Parameters
    ----------
    path : str or Path
        A GeoJSON file, or a folder in which the image has one: `cells.geojson` for `cells.tif`.
    shape : (int, int)
        Height and width of the open image, which foreign files do not tell.
    file_name : str
        Its name, for folders.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no GeoJSON, or damaged; in a sentence that says where.
    """
    file = file_of(Path(path), file_name, endings=(SUFFIX, ".json"))
    with telling(file, "GeoJSON file of areas in pixels"):
        content = parsed_json(file)
        own = content.get(OWN_KEY) if isinstance(content, dict) else None
        own = own if isinstance(own, dict) else {}
        require_size((own.get("height"), own.get("width")), shape, path=file)
        return _painted(content, NamedCategories(own_categories(own.get("categories"))), shape)


def _painted(content: object, categories: NamedCategories, shape: Shape) -> StartingLabels:
    canvas = Canvas(shape)
    without_area: Counter[str] = Counter()
    planes = set()
    for number, feature in enumerate(_features(content), 1):
        geometry = feature.get("geometry")
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if not isinstance(geometry, dict) or kind not in _AREAS:
            without_area[kind if isinstance(kind, str) and kind.isalpha() else "feature"] += 1
            continue
        planes.add(_plane(geometry))
        areas = list(_areas(geometry, f"feature {number}"))
        canvas.paint_areas(areas, _category(feature, categories))
    notes = left_out(dict(without_area), "only polygons have an area")
    if len(planes) > 1:
        notes.append(f"Objects of {len(planes)} planes of a stack are laid over each other.")
    return canvas.starting_labels(categories.table(), notes)


def _features(content: object) -> list[Entry]:
    """The features of a collection, of a bare list as older QuPath writes it, or a single one."""
    if isinstance(content, dict) and content.get("type") == "Feature":
        return [content]
    found = content.get("features") if isinstance(content, dict) else content
    is_collection = isinstance(content, list) or _is_a(content, "FeatureCollection")
    if not is_collection or not isinstance(found, list):
        raise WrongError("it holds no list of features")
    if not all(_is_a(feature, "Feature") for feature in found):
        raise WrongError("its list of features holds something else")
    return found


def _is_a(value: object, kind: str) -> bool:
    return isinstance(value, dict) and value.get("type") == kind


def _areas(geometry: Entry, what: str) -> Iterator[list[Polygon]]:
    given = geometry.get("coordinates")
    for rings in [given] if geometry["type"] == "Polygon" else _items(given, what):
        yield [vertices(ring, f"a ring of {what}", least=4) for ring in _items(rings, what)]


def _items(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise WrongError(f"the coordinates of {what} are {shown(value)} instead of a list")
    return value


def _plane(geometry: Entry) -> tuple[str, ...]:
    plane = geometry.get("plane")
    return tuple(shown(plane.get(axis, 0)) for axis in "zt") if isinstance(plane, dict) else ()


def _category(feature: Entry, categories: NamedCategories) -> int:
    properties = feature.get("properties")
    given = properties.get("classification") if isinstance(properties, dict) else None
    known = given if isinstance(given, dict) else {}
    name, names = known.get("name"), known.get("names")
    if name is None and isinstance(names, list) and all(isinstance(n, str) for n in names):
        name = ": ".join(names)
    if not isinstance(name, str) or not name.strip():
        return categories.id_of(WITHOUT_CLASS, color=PALETTE[-1])
    return categories.id_of(name, color=_color(known))


def _color(classification: Entry) -> str | None:
    """The colour as "#rrggbb": three numbers, or one of 32 bits in older files."""
    rgb, packed = classification.get("color"), classification.get("colorRGB")
    if type(packed) is int:
        return f"#{packed & 0xFFFFFF:06x}"
    if isinstance(rgb, list) and len(rgb) == 3 and all(type(v) is int for v in rgb):
        return "#" + "".join(f"{min(max(v, 0), 255):02x}" for v in rgb)
    return None
