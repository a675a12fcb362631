"""Indexed PNG: one pixel, one category id; the palette holds the colours, a CSV the names.

`cells.png` comes with `cells.categories.csv` (id, name, color, kind).
"""

from __future__ import annotations

import csv
import io
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unseg_studio.data import PALETTE, Annotation, Category
from unseg_studio.data.category import MAX_CATEGORY, is_color
from unseg_studio.formats.atomic import write_files
from unseg_studio.formats.base import Finding, Format, StartingLabels, merged_categories
from unseg_studio.formats.numbering import free_ids, unique_name
from unseg_studio.formats.reading import read_bytes

MAX_INDEX = 255
"""Highest category id that a palette has room for."""

LARGEST_FILE = 1 << 30
LARGEST_TABLE = 1 << 20

_COLUMNS = ("id", "name", "color", "kind")
_ID_MODES = ("1", "L", "P", "I", "I;16", "I;16B")
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error,
    PIL.Image.DecompressionBombError,
)  # fmt: skip

Shape = tuple[int, int]


@dataclass(frozen=True)
class PngOptions:
    """There is nothing to choose about an indexed PNG."""


def write_png(
    annotations: Iterable[Annotation] | Annotation,
    path: str | Path,
    *,
    options: PngOptions | None = None,
) -> None:
    """Write the labels of one image and, beside them, the category table.

    Raises
    ------
    ValueError
        If there is more than one image, or a category id above 255 occurs.
    OSError
        If the files cannot be written; what was there before stays.
    """
    given = (annotations,) if isinstance(annotations, Annotation) else tuple(annotations)
    if len(given) != 1:
        raise ValueError(
            f"{len(given)} images were given for {Path(path).name}; a PNG holds the masks of one. "
            "Export them one by one, or as COCO."
        )
    categories = merged_categories(given)
    labels = given[0].labels()
    _require_indices(labels)
    write_files({
        Path(path): _png(labels.astype(np.uint8), categories),
        category_table(path): _csv(categories),
    })  # fmt: skip


def category_table(path: str | Path) -> Path:
    """Where the names that belong to a PNG stand."""
    return Path(path).with_suffix(".categories.csv")


def _require_indices(labels: NDArray[np.int32]) -> None:
    highest = int(labels.max(initial=0))
    if highest > MAX_INDEX:
        raise ValueError(
            f"The category id {highest} occurs; an indexed PNG has room for ids up to {MAX_INDEX}. "
            "Give the category a lower id, or export as COCO."
        )


def _png(indices: NDArray[np.uint8], categories: Sequence[Category]) -> bytes:
    palette = np.zeros((MAX_INDEX + 1, 3), np.uint8)
    for category in categories:
        if category.id <= MAX_INDEX:
            palette[category.id] = category.rgb
    image = PIL.Image.fromarray(indices).convert("L")
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, bits=8)
    return buffer.getvalue()


def _csv(categories: Sequence[Category]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    rows.writerows((c.id, c.name, c.color, c.kind) for c in categories)
    return text.getvalue().encode("utf-8")


def read_png(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read an indexed or grey 8- or 16-bit PNG, every value a category, 0 = nothing.

    Names, colours and kinds come from the CSV beside it where there is one, colours otherwise
    from the palette.

    Parameters
    ----------
    path : str or Path
        The PNG.
    shape : (int, int)
        Height and width of the open image.
    file_name : str
        Not needed: a PNG holds one image.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no PNG of ids, is damaged or of another size, or its CSV is.
    """
    values, palette = _pixels(Path(path), shape)
    table = _read_csv(category_table(path))
    # A row past the ids that occur is a category of the project all the same.
    given = sorted({int(v) for v in np.unique(values) if v} | set(table))
    if len(given) > MAX_CATEGORY:
        raise ValueError(
            f"{path} holds {len(given)} different values; accepted are ids of up to "
            f"{MAX_CATEGORY} categories. Is it an image rather than a mask?"
        )
    ids = free_ids(given)
    names: set[str] = set()
    categories = []
    for value, id_ in zip(given, ids, strict=True):
        category = _category(table.get(value, {}), id_, taken=names, color=palette.get(value))
        names.add(category.name)
        categories.append(category)
    moved = sum(value != id_ for value, id_ in zip(given, ids, strict=True))
    note = f"{moved} categories got new ids, since theirs are not 1 to {MAX_CATEGORY}."
    labels = _renumbered(values, given, ids)
    ordered = tuple(sorted(categories, key=lambda category: category.id))
    return StartingLabels(ordered, labels, (note,) if moved else ())


def _renumbered(
    values: NDArray[np.int32], given: Sequence[int], ids: Sequence[int]
) -> NDArray[np.int32]:
    old = np.array([0, *given], np.int64)  # ascending
    new = np.array([0, *ids], np.int32)
    return new[np.searchsorted(old, values)]


def _category(row: dict[str, str], id_: int, *, taken: set[str], color: str | None) -> Category:
    chosen = row.get("color") or color or ""
    fallback = PALETTE[(id_ - 1) % len(PALETTE)]
    return Category(
        id_,
        unique_name(row.get("name"), id_, taken=taken),
        chosen if is_color(chosen) else fallback,
        "stuff" if row.get("kind") == "stuff" else "thing",
    )


def _pixels(path: Path, shape: Shape) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Values (H, W) int32 and the palette's colour of each, if the file has one."""
    data = read_bytes(path, limit=LARGEST_FILE)
    with warnings.catch_warnings(), _unreadable(path):
        # The size is compared before a single pixel is unpacked, which is bound enough.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            size, mode = (image.height, image.width), image.mode
            values = np.array(image) if size == shape and mode in _ID_MODES else None
            colors = _colors(image) if mode == "P" else {}
    if size != shape:
        raise ValueError(
            f"{path} is {size[1]} x {size[0]} px, the open image is {shape[1]} x {shape[0]} px; "
            "accepted are masks of its size. Choose the file that belongs to this image."
        )
    if values is None:
        raise ValueError(
            f"{path} holds colours ({mode}) instead of ids; accepted are indexed and grey PNGs of "
            "8 or 16 bits, one value per category. Convert it to one of those first."
        )
    return values.astype(np.int32), colors


def _colors(image: PIL.Image.Image) -> dict[int, str]:
    flat = image.getpalette("RGB") or []
    return {
        n: "#{:02x}{:02x}{:02x}".format(*flat[3 * n : 3 * n + 3]) for n in range(len(flat) // 3)
    }


class _unreadable:  # noqa: N801 - read as a word: with _unreadable(path)
    """Turn whatever the PNG reader raises about damage into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _UNREADABLE):
            raise ValueError(
                f"{self._path} is no PNG that can be read, or is damaged; accepted are indexed and "
                "grey PNGs of 8 or 16 bits. Choose another file or export it again."
            ) from error


def _read_csv(path: Path) -> dict[int, dict[str, str]]:
    """Rows of the category table by id; nothing where there is no file."""
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


def check_png(annotation: Annotation, options: PngOptions) -> Iterator[Finding]:
    """Tell whether the ids fit."""
    try:
        _require_indices(annotation.labels())
    except ValueError as error:
        yield Finding("error", str(error))


PNG = Format(
    "png", "Indexed PNG", ".png", PngOptions, write_png, read_png, check_png, holds_many=False
)
