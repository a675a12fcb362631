"""What steers a batch: scribbles from a PNG or a stroke file, and masks of an earlier export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unseg_studio.data import UNMARKED, Category, Image, Scribbles
from unseg_studio.formats import StartingLabels, image_name, load, read_png
from unseg_studio.formats.strokes import Recording, read_strokes

ALSO_UNMARKED = 255
"""Value of a scribble PNG that means unmarked, beside 0: many data sets write void or ignore so."""


@dataclass(frozen=True)
class Guidance:
    """Files that hold for every image of a batch.

    Parameters
    ----------
    scribbles : Path or None
        A stroke file, or an indexed or grey PNG of the image's size: 0 and 255 are unmarked, any
        other value is a category id. Names may stand in a `.categories.csv` beside it.
    recording : Recording or None
        The content of a stroke file.
    start : Path or None
        COCO file or indexed PNG whose masks are kept.
    """

    scribbles: Path | None = None
    recording: Recording | None = None
    start: Path | None = None

    @classmethod
    def read(cls, scribbles: Path | None, start: Path | None) -> Guidance:
        """Read what does not depend on an image.

        Raises
        ------
        OSError, ValueError
            If a stroke file cannot be read or is none, in a sentence.
        """
        strokes = scribbles is not None and not _is_png(scribbles)
        return cls(scribbles, read_strokes(scribbles) if scribbles and strokes else None, start)

    def drawn_on(self, image: Image) -> tuple[tuple[Category, ...], Scribbles]:
        """Categories and scribbles for an image; none and empty where no file was given.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read or belongs to an image of another size, in a sentence.
        """
        if self.scribbles is None:
            return (), Scribbles.empty(image.shape)
        if self.recording is None:
            return _read_png(self.scribbles, image.shape)
        self.recording.require_shape(image.shape, self.scribbles)
        return self.recording.categories, self.recording.scribbles()

    def starting_labels(self, image: Image) -> StartingLabels | None:
        """Masks to keep, if a file was given.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read or does not belong to the image, in a sentence.
        """
        if self.start is None:
            return None
        return load(self.start, shape=image.shape, file_name=image_name(image.source))


def _is_png(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x89PNG"
    except OSError:
        return False  # the reader of strokes says it in a sentence


def _read_png(path: Path, shape: tuple[int, int]) -> tuple[tuple[Category, ...], Scribbles]:
    read = read_png(path, shape=shape)
    if read.notes:
        raise ValueError(
            f"{path} holds values above 1000; accepted are scribbles with category ids of 1 to "
            "1000, and 0 and 255 for unmarked pixels. Number the categories from 1."
        )
    ids = np.where(read.labels == ALSO_UNMARKED, np.int32(UNMARKED), read.labels)
    table = tuple(category for category in read.categories if category.id != ALSO_UNMARKED)
    return table, Scribbles(ids)
