"""Where a document lies in the file: a row of small values, tiles, and undo steps.

What is written is what differs from what was written last: the tiles that two states do not share,
and the steps from the first new one on. So a stroke costs what the stroke changes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from unseg_studio.data import Category, Edits, Image, Mosaic, Scribbles, Tile
from unseg_studio.data.accepted import MAX_PIXELS
from unseg_studio.data.boxes import size_of
from unseg_studio.data.category import MAX_CATEGORY, PALETTE
from unseg_studio.document.history import Record, Step, Undoable
from unseg_studio.document.packing import (
    PLANES,
    DamagedError,
    step_bytes,
    step_of,
    tile_bytes,
    tile_of,
)
from unseg_studio.document.state import State, fresh_state, mosaic_of
from unseg_studio.document.values import plain_segmenter, segmenter_of, value_of
from unseg_studio.project.database import Database
from unseg_studio.segmenters import Segmenter, default_segmenter

_BLANK = {"scribbles": 0, "named": -1, "edits": -1, "proposal": 0}
"""What a plane holds where nothing was written."""


@dataclass(frozen=True, eq=False)
class StoredStep:
    """An undo step that stays in the file until somebody undoes or redoes it."""

    text: str
    _shape: tuple[int, int]
    _place: tuple[Database, int, int]

    @property
    def n_bytes(self) -> int:
        """It takes no memory."""
        return 0

    def undone(self, state: State) -> State:
        """The state before the step, given the one after it."""
        return self._read().undone(state)

    def redone(self, state: State) -> State:
        """The state after the step, given the one before it."""
        return self._read().redone(state)

    def _read(self) -> Step:
        database, image, position = self._place
        with database.reading() as connection:
            found = connection.execute(
                "SELECT data FROM steps WHERE image = ? AND position = ?", (image, position)
            ).fetchone()
        if found is None:
            raise DamagedError(f"The undo step {self.text!r:.80} is missing from the project.")
        return step_of(found[0], self._shape)


class Shelf:
    """The place of one document.

    Parameters
    ----------
    image : int
        Id of the image.
    written : Record or None
        What lies there; None: nothing.
    """

    def __init__(self, image: int, written: Record | None = None) -> None:
        self.image = image
        self.written = written

    def put(self, connection: sqlite3.Connection, record: Record) -> None:
        """Bring the tables to a record; once that is committed, `written` is to be set to it."""
        self._put_values(connection, record)
        for name in PLANES:
            self._put_plane(connection, name, record.state)
        self._put_steps(connection, record.steps)
        _put_uses(connection, self.image, record.state)

    def _put_values(self, connection: sqlite3.Connection, record: Record) -> None:
        state = record.state
        connection.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self.image,
                *state.proposal.shape,
                json.dumps(plain_segmenter(state.segmenter)),
                json.dumps(sorted(state.locks)),
                state.fill,
                record.n_done,
            ),
        )

    def _put_plane(self, connection: sqlite3.Connection, name: str, state: State) -> None:
        new = mosaic_of(getattr(state, name))
        old = mosaic_of(getattr(self.written.state, name)) if self.written else None
        numbers = range(len(new.tiles)) if old is None else new.apart(old)
        blank = [n for n in numbers if new.tiles[n].palette == (_BLANK[name],)]
        filled = sorted(set(numbers).difference(blank))
        connection.executemany(
            "DELETE FROM tiles WHERE image = ? AND plane = ? AND number = ?",
            [(self.image, name, number) for number in blank],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?)",
            ((self.image, name, n, tile_bytes(new.tiles[n])) for n in filled),
        )

    def _put_steps(self, connection: sqlite3.Connection, steps: Sequence[Undoable]) -> None:
        before = self.written.steps if self.written else ()
        pairs = enumerate(zip(before, steps, strict=False))
        first = next((n for n, (old, new) in pairs if old is not new), min(len(before), len(steps)))
        connection.execute(
            "DELETE FROM steps WHERE image = ? AND position >= ?", (self.image, first)
        )
        connection.executemany(
            "INSERT INTO steps VALUES (?, ?, ?, ?)",
            (
                (self.image, position, step.text, step_bytes(step))
                for position, step in enumerate(steps[first:], first)
                if isinstance(step, Step)
            ),
        )


def _put_uses(connection: sqlite3.Connection, image: int, state: State) -> None:
    """Note every category that occurs; it stays noted, since undo may bring it back."""
    ids = {id_ for name in PLANES for id_ in mosaic_of(getattr(state, name)).areas} | state.locks
    connection.executemany(
        "INSERT OR IGNORE INTO uses VALUES (?, ?)",
        [(image, id_) for id_ in ids if 1 <= id_ <= MAX_CATEGORY],
    )


@dataclass(frozen=True, eq=False)
class Taken:
    """What lay on a shelf, and sentences about what is not as it was kept."""

    record: Record
    notes: tuple[str, ...] = ()


def shape_on_shelf(database: Database, image: int) -> tuple[int, int] | None:
    """Height and width of the document of an image; None where there is none."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT height, width FROM documents WHERE image = ?", (image,)
        ).fetchone()
    return required_shape(*row) if row else None


def required_shape(height: object, width: object) -> tuple[int, int]:
    """A shape that a file claims; raises DamagedError if no image has it."""
    if (
        isinstance(height, int)
        and isinstance(width, int)
        and height > 0 < width
        and height * width <= MAX_PIXELS
    ):
        return height, width
    raise DamagedError(f"The project claims that an image is {width!s:.20} x {height!s:.20} px.")


def take(
    database: Database, id_: int, image: Image, *, categories: tuple[Category, ...]
) -> Taken | None:
    """Read the document of an image again, undo steps by their names only.

    Raises
    ------
    DamagedError
        If that is not possible.
    ValueError
        If it was made on an image of another size.
    """
    shape = shape_on_shelf(database, id_)
    if shape is not None and shape != image.shape:
        raise ValueError(
            f"{image.source.name} is {image.shape[1]} x {image.shape[0]} px, but the work on it "
            f"was done at {shape[1]} x {shape[0]} px; accepted is an image of the same size. "
            "Put the former file back, or add this one as a new image."
        )
    return take_labels(database, id_, categories=categories)


def take_labels(database: Database, id_: int, *, categories: tuple[Category, ...]) -> Taken | None:
    """Read the document of an image again without the image; see `take`.

    Raises
    ------
    DamagedError
        If that is not possible.
    """
    shape = shape_on_shelf(database, id_)
    if shape is None:
        return None
    with database.reading() as connection:
        segmenter, locks, fill, n_done = connection.execute(
            "SELECT segmenter, locks, fill, n_done FROM documents WHERE image = ?", (id_,)
        ).fetchone()
        tiles = connection.execute(
            "SELECT plane, number, data FROM tiles WHERE image = ?", (id_,)
        ).fetchall()
        texts = connection.execute(
            "SELECT position, text FROM steps WHERE image = ? ORDER BY position", (id_,)
        ).fetchall()
    planes = {name: _plane(tiles, name, shape) for name in PLANES}
    method, told = segmenter_of(_json(segmenter))
    table = _completed(categories, planes)
    state = State(
        categories=table,
        scribbles=Scribbles(planes["scribbles"]),
        named=Edits(planes["named"]),
        edits=Edits(planes["edits"]),
        locks=_locks(locks) & {category.id for category in table},
        segmenter=method,
        fill=bool(fill),
        proposal=planes["proposal"],
    )
    steps = _steps(texts, shape, (database, id_))
    n_done = n_done if isinstance(n_done, int) else 0
    record = Record(state, steps, max(0, min(n_done, len(steps))))
    return Taken(record, (told,) if told else ())


def made_by(connection: sqlite3.Connection, segmenter: Segmenter) -> frozenset[int]:
    """Images whose documents hold exactly this method and these parameters."""
    kept = json.dumps(plain_segmenter(segmenter))
    rows = connection.execute("SELECT image FROM documents WHERE segmenter = ?", (kept,))
    return frozenset(image for (image,) in rows)


def labels_on_shelf(
    database: Database, id_: int, shape: tuple[int, int]
) -> tuple[Mosaic, dict[str, object]]:
    """What a document shows, and how it was made, without its image."""
    with database.reading() as connection:
        tiles = connection.execute(
            "SELECT plane, number, data FROM tiles WHERE image = ?", (id_,)
        ).fetchall()
        (kept,) = connection.execute(
            "SELECT segmenter FROM documents WHERE image = ?", (id_,)
        ).fetchone()
    proposal, edits = (_plane(tiles, name, shape) for name in ("proposal", "edits"))
    plain = _json(kept)
    made = {"method": plain.get("name"), "parameters": plain.get("parameters")}
    return Edits(edits).over(proposal), made


def _json(text: object) -> dict[str, object]:
    try:
        plain = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _locks(text: object) -> frozenset[int]:
    try:
        locks: frozenset[int] = value_of("locks", json.loads(str(text)))
    except (ValueError, RecursionError):
        return frozenset()
    return locks


def _plane(tiles: list[tuple[str, int, bytes]], name: str, shape: tuple[int, int]) -> Mosaic:
    blank = Mosaic.full(shape, _BLANK[name])
    held: dict[int, Tile] = {}
    for plane, number, data in tiles:
        if plane == name:
            if not (isinstance(number, int) and 0 <= number < len(blank.tiles)):
                raise DamagedError(f"The project has a tile {number!r:.40} beyond the image.")
            held[number] = tile_of(data, size_of(blank.box_of(number)))
    mosaic = blank.with_tiles(held)
    least, most = min(mosaic.areas), max(mosaic.areas)
    if least < _BLANK[name] or (name == "scribbles" and most > MAX_CATEGORY):
        raise DamagedError(f"The project holds ids from {least} to {most} among the {name}.")
    return mosaic


def _completed(table: tuple[Category, ...], planes: dict[str, Mosaic]) -> tuple[Category, ...]:
    """The table and, for ids that it lacks in a damaged file, categories without a better name."""
    known, names = {c.id for c in table}, {c.name for c in table}
    ids = {id_ for plane in planes.values() for id_ in plane.areas if 1 <= id_ <= MAX_CATEGORY}
    for id_ in sorted(ids - known):
        name = f"category {id_}"
        while name in names:
            name += "'"
        names.add(name)
        table = (*table, Category(id_, name, PALETTE[(id_ - 1) % len(PALETTE)]))
    return table


def _steps(
    texts: list[tuple[int, str]], shape: tuple[int, int], place: tuple[Database, int]
) -> tuple[Undoable, ...]:
    """The steps as far as none is missing."""
    make = partial(StoredStep, _shape=shape)
    whole = [text for n, (position, text) in enumerate(texts) if position == n]
    return tuple(make(str(text), _place=(*place, n)) for n, text in enumerate(whole))


def fresh_record(image: Image, categories: tuple[Category, ...]) -> Record:
    """The document of an image that nobody has opened yet."""
    return Record(fresh_state(image, categories, default_segmenter(image)))
