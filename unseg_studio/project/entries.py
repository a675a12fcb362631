"""The images of a project as the queue shows them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from unseg_studio.data import Image, Source

Status = Literal["new", "proposed", "in work", "done", "rejected"]
"""What became of an image so far."""

LONGEST_NAME = 255
"""Characters; no file system holds longer ones, so what a project says beyond is no name."""

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class ImageEntry:
    """One image of a project: a file, or one plane of it.

    Parameters
    ----------
    id : int
        Its number in the project, from 1; never given to another one.
    path : str
        As the project keeps it: with "/", relative to the folder of the project where possible.
    root : str
        The folder of the project.
    plane : int or None
        Index of the plane in a stack, None for a single image.
    n_planes : int
        How many planes the file holds, as far as known.
    size : (int, int) or None
        Height and width in pixels; None as long as nobody has opened it.
    pixel_size : (float, float) or None
        Height and width of a pixel in micrometres, where known.
    status : str
        "new", "proposed" by a batch, "in work", "done" or "rejected".
    comment : str
        What somebody wrote of it.
    uncertainty : float or None
        How much in doubt its labels are, 0 to 1; None: unknown.
    seconds : float
        Spent on it so far.
    has_thumbnail : bool
        There is one.
    """

    id: int
    path: str
    root: str
    plane: int | None = None
    n_planes: int = 1
    size: tuple[int, int] | None = None
    pixel_size: tuple[float, float] | None = None
    status: Status = "new"
    comment: str = ""
    uncertainty: float | None = None
    seconds: float = 0.0
    has_thumbnail: bool = False

    @property
    def file(self) -> Path:
        """Where the image is now. Only ever to be read: a project may come from anywhere."""
        return file_of(self.path, self.root)

    @property
    def name(self) -> str:
        """File name with the plane, as shown in titles."""
        file = self.path.rpartition("/")[2][:LONGEST_NAME]
        return file if self.plane is None else f"{file} [{self.plane}]"

    @property
    def source(self) -> Source:
        """Where the image comes from."""
        return Source(self.file, self.plane, self.n_planes, self.pixel_size)

    def seen(self, image: Image) -> ImageEntry:
        """What the image itself says of size and planes."""
        return replace(
            self,
            size=image.shape,
            n_planes=max(1, image.source.n_planes),
            pixel_size=image.source.pixel_size,
        )


def require_status(status: str) -> None:
    """Raise ValueError, in a sentence, for any other word."""
    if status not in STATUSES:
        raise ValueError(f"Unknown status {status!r}; accepted are {', '.join(STATUSES)}.")


def kept_path(file: str | Path, folder: Path) -> str:
    """A path as it is kept: relative to the folder of the project if both are in one folder.

    Files that have nothing in common with the project but the root of the disk stay absolute.
    """
    own, root = os.path.abspath(file), os.path.abspath(folder)  # noqa: PTH100 - a link stays one
    if own.startswith(root + os.sep):  # nearly always, and ten times as quick
        return own[len(root) + 1 :].replace(os.sep, "/")
    above, _, name = own.rpartition(os.sep)
    return f"{_kept_folder(above or os.sep, root).rstrip('/')}/{name}"


@lru_cache(maxsize=1024)  # thousands of images lie in few folders
def _kept_folder(own: str, root: str) -> str:
    try:
        common = os.path.commonpath([own, root])
    except ValueError:  # on several drives
        return Path(own).as_posix()
    is_near = common != Path(common).anchor
    return Path(os.path.relpath(own, root) if is_near else own).as_posix()


def file_of(path: str, root: str) -> Path:
    """Where a kept path leads now; a null byte, which no file name holds, leads nowhere."""
    return Path(os.path.normpath(os.path.join(root, path.replace("\0", "?"))))  # noqa: PTH118


# The table

_SELECT = """
SELECT id, path, plane, n_planes, height, width, pixel_height, pixel_width, status, comment,
       uncertainty, seconds, thumbnails.image IS NOT NULL
FROM images LEFT JOIN thumbnails ON thumbnails.image = images.id WHERE id > ? ORDER BY id
"""


Row = tuple[Any, ...]


def read_rows(connection: sqlite3.Connection, *, after: int = -(2**63)) -> list[Row]:
    """What the table says of all images whose ids are higher, in one query."""
    return connection.execute(_SELECT, (after,)).fetchall()


def entries_of(rows: Iterable[Row], folder: Path) -> dict[int, ImageEntry]:
    """Images of a project in this folder, by id; values that are none are as if never said."""
    root = os.path.abspath(folder)  # noqa: PTH100 - a link stays one
    return {row[0]: _entry(row, root) for row in rows}


def _entry(row: Row, root: str) -> ImageEntry:
    id_, path, plane, n_planes, *rest = row
    height, width, pixel_height, pixel_width, status, comment, uncertainty, seconds, small = rest
    return ImageEntry(
        id=id_,
        path=str(path),
        root=root,
        plane=plane if isinstance(plane, int) else None,
        n_planes=n_planes if isinstance(n_planes, int) else 1,
        size=_pair(height, width, int),
        pixel_size=_pair(pixel_height, pixel_width, float),
        status=status if status in STATUSES else "new",
        comment=str(comment),
        uncertainty=uncertainty if isinstance(uncertainty, float) else None,
        seconds=seconds if isinstance(seconds, float) else 0.0,
        has_thumbnail=bool(small),
    )


def _pair(first: Any, second: Any, kind: type[int] | type[float]) -> Any:
    if isinstance(first, kind) and isinstance(second, kind) and first > 0 < second:
        return first, second
    return None


_INSERT = """
INSERT OR IGNORE INTO images (path, plane, n_planes, status, comment, seconds)
VALUES (?, ?, ?, 'new', '', 0.0)
"""


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[str, int | None, int]]) -> None:
    """Add paths with plane and number of planes; what is there already stays as it is."""
    connection.executemany(_INSERT, rows)


_UPDATE = """
UPDATE images SET n_planes = ?, height = ?, width = ?, pixel_height = ?, pixel_width = ?,
       status = ?, comment = ?, uncertainty = ?, seconds = ?
WHERE id = ?
"""


def update(connection: sqlite3.Connection, entry: ImageEntry) -> None:
    """Write what an entry says, but for where its file is; see `move`."""
    size, pixel_size = entry.size or (None, None), entry.pixel_size or (None, None)
    told = entry.status, entry.comment, entry.uncertainty, float(entry.seconds)
    values = (entry.n_planes, *size, *pixel_size, *told, entry.id)
    connection.execute(_UPDATE, values)


def move(connection: sqlite3.Connection, entry: ImageEntry) -> None:
    """Write where the file of an entry is now."""
    connection.execute("UPDATE images SET path = ? WHERE id = ?", (entry.path, entry.id))
