"""Read the outlines of a YOLO data set, whoever wrote it, as Ultralytics draws them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from unseg_studio.data import Category
from unseg_studio.data.category import MAX_CATEGORY
from unseg_studio.formats.base import StartingLabels
from unseg_studio.formats.naming import stem_of
from unseg_studio.formats.numbering import unique_name
from unseg_studio.formats.painting import (
    Canvas,
    NamedCategories,
    WrongError,
    beginning,
    left_out,
    own_categories,
    require_size,
    shown,
    telling,
)
from unseg_studio.formats.reading import read_bytes

OWN_FILE = "unseg_studio.json"
TABLES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")

LARGEST_FILE = 16 << 20
LARGEST_TABLE = 1 << 18
_LARGEST_OWN = 64 << 20

_A_BOX = (5, 6)
"""Numbers in a row that is only a box, or a box and a score."""

_TOLERANCE = 0.01
"""How far Ultralytics lets outlines leave the image, in shares of its sides."""

_KIND = "YOLO segmentation data set: text files with a number and an outline in each row"

Shape = tuple[int, int]


def read_yolo(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the outlines of one image, painted in the order of the rows.

    Parameters
    ----------
    path : str or Path
        The folder of the data set, its `data.yaml`, or the text file of the image.
    shape : (int, int)
        Height and width of the open image, which foreign files do not tell.
    file_name : str
        Its name, for folders.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If it is no such data set, knows no such image, or is damaged; in a sentence that says
        where.
    """
    given = Path(path)
    if not given.exists():
        raise FileNotFoundError(f"{given} cannot be read: No such file or folder. Check the path.")
    root = _root(given)
    rows = given if given.suffix.lower() == ".txt" else _rows_of(root, file_name, given=given)
    known = _own(root)
    require_size(known.size_of(rows.relative_to(root).as_posix()), shape, path=rows)
    names = _names(root)
    with telling(rows, _KIND):
        return _painted(_text(rows), _Table(names, known.categories), shape)


def is_rows(path: Path) -> bool:
    """Say whether a text file begins with a row of an outline or a box."""
    row = beginning(path).split(b"\n", 1)[0].split()
    return len(row) >= min(_A_BOX) and row[0].isdigit() and all(_is_share(n) for n in row[1:6])


def holds_rows(folder: Path) -> bool:
    """Say whether a folder without a table has text files with rows."""
    try:
        return any(is_rows(file) for file in islice(_text_files(folder), 10))
    except OSError:
        return False


def _is_share(word: bytes) -> bool:
    return word.replace(b".", b"", 1).replace(b"e-", b"", 1).isdigit()


# --- which files ---


def _root(given: Path) -> Path:
    """The folder of the data set: the next one above that has a table, else the given one."""
    folder = given if given.is_dir() else given.parent
    above = (folder, *islice(folder.parents, 3))
    return next((f for f in above if any((f / table).is_file() for table in TABLES)), folder)


def _rows_of(root: Path, file_name: str, *, given: Path) -> Path:
    there = list(islice(_text_files(root), 100_000))
    stems = {stem_of(file_name), Path(file_name.replace("\\", "/")).stem}  # of .ome.tif, both
    found = [file for file in there if file.stem in stems]
    if not file_name and len(there) == 1:
        return there[0]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(repr(file.name) for file in there[:3]) or "no text files"
    how_many = f"{len(found)} files" if found else "no file"
    raise ValueError(
        f"{given} has {how_many} for the image {file_name!r}; it holds {listed}"
        f"{' and more' if there[3:] else ''}. Choose the text file that belongs to this image."
    )


def _text_files(root: Path) -> Iterator[Path]:
    """Text files in the folder, in `labels`, and wherever parts of a data set are put."""
    for pattern in ("labels/*.txt", "labels/*/*.txt", "*/labels/*.txt", "*.txt"):
        for file in root.glob(pattern):
            if file.name not in ("README.txt", "classes.txt") and _is_below(file, root):
                yield file


def _is_below(file: Path, root: Path) -> bool:
    """Not behind a link that leads elsewhere."""
    return file.resolve().is_relative_to(root.resolve())


def _text(path: Path) -> str:
    if path.stat().st_size == 0:  # an image without regions
        return ""
    try:
        return read_bytes(path, limit=LARGEST_FILE).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongError("it is no text in UTF-8") from error


# --- categories ---


@dataclass(frozen=True)
class _Own:
    """What this program wrote beside a data set of its own; nothing of others."""

    categories: tuple[Category, ...] = ()
    images: dict[str, Any] = field(default_factory=dict)

    def size_of(self, rows: str) -> tuple[object, object]:
        entry = self.images.get(rows)
        known = entry if isinstance(entry, dict) else {}
        return known.get("height"), known.get("width")


def _own(root: Path) -> _Own:
    if not (root / OWN_FILE).is_file():
        return _Own()
    try:
        content = json.loads(read_bytes(root / OWN_FILE, limit=_LARGEST_OWN))
    except (ValueError, RecursionError):  # the data set is whole without it
        return _Own()
    known = content if isinstance(content, dict) else {}
    images = known.get("images")
    table = own_categories(known.get("categories"))
    return _Own(table, images if isinstance(images, dict) else {})


def _names(root: Path) -> dict[int, str]:
    """Names by index; none where there is no table.

    Raises
    ------
    ValueError
        If the table is damaged, in a sentence.
    """
    path = next((root / table for table in TABLES if (root / table).is_file()), None)
    if path is None:
        return {}
    with telling(path, "table with the names of a YOLO data set, in YAML"):
        content = _yaml(path)
        given = content.get("names") if isinstance(content, dict) else None
        if isinstance(given, list):
            given = {str(n): name for n, name in enumerate(given)}
        if not isinstance(given, dict) or len(given) > MAX_CATEGORY:
            raise WrongError(f"it holds no names, or more than {MAX_CATEGORY}")
        return {_index(key): _name(name) for key, name in given.items()}


def _yaml(path: Path) -> Any:
    """Lists, dicts and words only, which no entry can blow up."""
    try:
        return yaml.load(read_bytes(path, limit=LARGEST_TABLE), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise WrongError("it is no YAML") from error


def _index(word: object) -> int:
    if not isinstance(word, str) or not word.isdecimal() or len(word) > 6:
        raise WrongError(f"{shown(word)} stands where the number of a category belongs")
    return int(word)


def _name(word: object) -> str:
    if not isinstance(word, str):
        raise WrongError(f"{shown(word)} stands where the name of a category belongs")
    return word


class _Table:
    """Categories by index: as this program knows them, else by the names in the table."""

    def __init__(self, names: dict[int, str], own: tuple[Category, ...]) -> None:
        self._is_open = not names
        self._names: dict[int, str] = {}
        for index, name in sorted(names.items()):
            self._names[index] = unique_name(name, index + 1, taken=set(self._names.values()))
        is_ours = [category.name.strip() for category in own] == list(self._names.values())
        if is_ours:
            self._names = dict(enumerate(category.name for category in own))
        self.categories = NamedCategories(own if is_ours else ())
        for index in self._names:
            self.id_of(index)

    def id_of(self, index: int) -> int:
        """Id of the category with this index.

        Raises
        ------
        WrongError
            If the data set names its categories, but not this one.
        """
        if index not in self._names:
            if not self._is_open:
                raise WrongError(f"it has the category {index}, which has no name in the table")
            self._names[index] = f"category {index + 1}"
        return self.categories.id_of(self._names[index], wanted=index + 1)


# --- rows ---


def _painted(text: str, table: _Table, shape: Shape) -> StartingLabels:
    canvas = Canvas(shape)
    boxes = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) in _A_BOX:
            boxes += 1
        elif words:
            index = _whole(words[0], f"row {number}")
            outline = _outline(words[1:], shape, what=f"row {number}")
            canvas.paint_pixels(outline, table.id_of(index))
    notes = left_out({"row": boxes} if boxes else {}, "boxes have no outline")
    return canvas.starting_labels(table.categories.table(), notes)


def _whole(word: str, what: str) -> int:
    whole = word.removesuffix(".0")
    if not whole.isdecimal() or len(whole) > 6:
        raise WrongError(f"{what} begins with {shown(word)} instead of the number of a category")
    return int(whole)


def _outline(words: list[str], shape: Shape, *, what: str) -> NDArray[np.int64]:
    """Pixels (N, 2) in which the vertices lie."""
    if len(words) < 6 or len(words) % 2:
        raise WrongError(f"{what} has {len(words)} coordinates instead of three pairs or more")
    try:
        xy = np.array(words, np.float64).reshape(-1, 2)
    except ValueError as error:
        raise WrongError(f"{what} holds something that is no number") from error
    if not ((xy >= -_TOLERANCE) & (xy <= 1 + _TOLERANCE)).all():  # false for NaN, too
        raise WrongError(f"{what} has coordinates that are no shares of the image, 0 to 1")
    pixels = np.floor(xy[:, ::-1] * shape).astype(np.int64)
    return np.clip(pixels, 0, np.array(shape) - 1)
