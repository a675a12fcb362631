"""A folder of indexed PNGs: one for each image, one table of categories for all.

`masks/cells.png` holds the category ids of `cells.tif`; `masks/categories.csv` their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from unseg_studio.data import Annotation
from unseg_studio.formats.atomic import write_folder
from unseg_studio.formats.base import Format, StartingLabels
from unseg_studio.formats.indices import category_csv, read_category_csv
from unseg_studio.formats.naming import PARTS, Register, file_of, holds
from unseg_studio.formats.pixels import indexed_png, painted, palette_of
from unseg_studio.formats.png import PngOptions, Shape, check_png, read_indexed, require_indices

TABLE = "categories.csv"


def write_png_folder(
    annotations: Iterable[Annotation], path: str | Path, *, options: PngOptions | None = None
) -> None:
    """Write one PNG for each image and the category table.

    Raises
    ------
    ValueError
        If two images have the same name, or a category id above 255 occurs.
    OSError
        If the files cannot be written.
    """
    write_folder(Path(path), _files(annotations))


def _files(annotations: Iterable[Annotation]) -> Iterator[tuple[str, bytes]]:
    register = Register()
    for annotation in annotations:
        stem = register.enter(annotation)
        require_indices(annotation)
        indices = painted(annotation, dtype="uint8")
        yield f"{stem}.png", indexed_png(indices, palette_of(annotation.categories))
    yield TABLE, category_csv(register.categories)


def read_png_folder(path: str | Path, *, shape: Shape, file_name: str = "") -> StartingLabels:
    """Read the PNG of one image; see `read_png`.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If there is none, or it is no PNG of ids, is damaged or of another size, or the table is.
    """
    file = file_of(Path(path), file_name, endings=(".png",))
    return read_indexed(file, read_category_csv(file.parent / TABLE), shape=shape)


def recognises(path: Path) -> bool:
    """Say whether it is a folder with PNGs and a table."""
    folders = (path, *(path / part for part in PARTS))
    return any((folder / TABLE).is_file() and holds(folder, "*.png") for folder in folders)


PNG_FOLDER = Format(
    "png-folder",
    "Indexed PNGs in a folder",
    "",
    PngOptions,
    write_png_folder,
    read_png_folder,
    check_png,
    is_folder=True,
    recognises=recognises,
    purpose="Training semantic models: one indexed PNG for each image, one table of names.",
)
