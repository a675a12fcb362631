"""Indexed PNG: one pixel, one category id; the palette holds the colours, a CSV the names.

`cells.png` comes with `cells.categories.csv` (id, name, color, kind).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from unseg_studio.data import Annotation
from unseg_studio.formats.atomic import write_files
from unseg_studio.formats.base import Finding, Format, StartingLabels, merged_categories
from unseg_studio.formats.indices import Row, category_csv, read_category_csv, starting_labels
from unseg_studio.formats.pixels import N_INDICES, indexed_png, painted, palette_of
from unseg_studio.formats.reading import read_bytes

MAX_INDEX = N_INDICES - 1
"""Highest category id that a palette has room for."""

LARGEST_FILE = 1 << 30

_ID_MODES = ("1", "L", "P", "I", "I;16", "I;16B")
_COLOR_MODES = ("RGB", "RGBA")
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
    require_indices(given[0])
    indices = painted(given[0], dtype="uint8")
    write_files({
        Path(path): indexed_png(indices, palette_of(categories)),
        category_table(path): category_csv(categories),
    })  # fmt: skip


def category_table(path: str | Path) -> Path:
    """Where the names that belong to a PNG stand."""
    return Path(path).with_suffix(".categories.csv")


def require_indices(annotation: Annotation, *, highest: int = MAX_INDEX, what: str = "") -> None:
    """Raise ValueError where an id occurs that a palette has no room for."""
    found = max((region.category for region in annotation.regions), default=0)
    if found > highest:
        raise ValueError(
            f"The category id {found} occurs; {what or 'an indexed PNG'} has room for ids up to "
            f"{highest}. Give the category a lower id, or export as COCO."
        )


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
    return read_indexed(Path(path), read_category_csv(category_table(path)), shape=shape)


def read_indexed(path: Path, table: Mapping[int, Row], *, shape: Shape) -> StartingLabels:
    """Read the PNG alone, with what a table says about its values; see `read_png`."""
    values, palette = read_indices(path, shape=shape)
    return starting_labels(values, table, path=path, colors=palette)


def read_colors(path: Path, *, shape: Shape) -> NDArray[np.uint8]:
    """Read a PNG of colours, (H, W, 3), whose meaning somebody else knows.

    Raises
    ------
    OSError, ValueError
        As `read_png`.
    """
    pixels, mode, _ = _decoded(path, shape, _COLOR_MODES)
    if pixels is None:
        raise ValueError(
            f"{path} holds no colours ({mode}); accepted are PNGs of red, green and blue. "
            "Choose the file that belongs to this image."
        )
    return np.ascontiguousarray(pixels[..., :3])


def read_indices(path: Path, *, shape: Shape) -> tuple[NDArray[np.integer], dict[int, str]]:
    """Values (H, W), and the palette's colour of each, if the file has one.

    Raises
    ------
    OSError, ValueError
        As `read_png`.
    """
    values, mode, colors = _decoded(path, shape, _ID_MODES)
    if values is None:
        raise ValueError(
            f"{path} holds colours ({mode}) instead of ids; accepted are indexed and grey PNGs of "
            "8 or 16 bits, one value per category. Convert it to one of those first."
        )
    return values.astype(np.uint8) if values.dtype == bool else values, colors


def _decoded(
    path: Path, shape: Shape, modes: Sequence[str]
) -> tuple[NDArray[Any] | None, str, dict[int, str]]:
    """The pixels, unless the mode is another one; the mode, and the palette's colours."""
    data = read_bytes(path, limit=LARGEST_FILE)
    with warnings.catch_warnings(), _unreadable(path):
        # The size is compared before a single pixel is unpacked, which is bound enough.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            size, mode = (image.height, image.width), image.mode
            pixels = np.array(image) if size == shape and mode in modes else None
            colors = _colors(image) if mode == "P" else {}
    if size != shape:
        raise ValueError(
            f"{path} is {size[1]} x {size[0]} px, the open image is {shape[1]} x {shape[0]} px; "
            "accepted are masks of its size. Choose the file that belongs to this image."
        )
    return pixels, mode, colors


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


def check_png(annotation: Annotation, options: PngOptions) -> Iterator[Finding]:
    """Tell whether the ids fit."""
    try:
        require_indices(annotation)
    except ValueError as error:
        yield Finding("error", str(error))


PNG = Format(
    "png", "Indexed PNG", ".png", PngOptions, write_png, read_png, check_png, holds_many=False,
    purpose="One image for scripts: the value of a pixel is its category; names lie beside it.",
)  # fmt: skip
