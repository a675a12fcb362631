"""Labels that a person has accepted, and annotations for export, one image at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from unseg_studio.data import Annotation, Mosaic
from unseg_studio.data.ordered import in_order
from unseg_studio.document.packing import DamagedError, mosaic_bytes, mosaic_of
from unseg_studio.project.database import Database
from unseg_studio.project.shelf import required_shape


def put(
    connection: sqlite3.Connection, image: int, labels: Mosaic, *, made: dict[str, Any]
) -> None:
    """Keep accepted labels and how they were made; those from before make way."""
    # The clock may have been set back, so nothing is ever ordered by this time.
    made = {**made, "accepted": datetime.now(UTC).isoformat(timespec="seconds")}
    connection.execute(
        "INSERT OR REPLACE INTO accepted VALUES (?, ?, ?, ?, ?)",
        (image, *labels.shape, mosaic_bytes(labels), json.dumps(made)),
    )


def take(database: Database, image: int) -> tuple[Mosaic, dict[str, object]] | None:
    """The accepted labels of an image and how they were made; None where there are none.

    Raises
    ------
    DamagedError
        If they cannot be read.
    """
    with database.reading() as connection:
        row = connection.execute(
            "SELECT height, width, labels, provenance FROM accepted WHERE image = ?", (image,)
        ).fetchone()
    if row is None:
        return None
    height, width, labels, text = row
    try:
        made = json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise DamagedError(f"How image {image} was made cannot be read ({error}).") from error
    shape = required_shape(height, width)
    return mosaic_of(labels, shape), made if isinstance(made, dict) else {}


class Annotations:
    """Annotations of several images, each made when its turn comes; can be gone through again.

    Parameters
    ----------
    images : sequence of int
        Ids, in the order of the project.
    read : callable
        Gives the annotation of an image.
    """

    def __init__(self, images: Sequence[int], read: Callable[[int], Annotation]) -> None:
        self._images = tuple(images)
        self._read = read

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Annotation]:
        return in_order(self._read, self._images)
