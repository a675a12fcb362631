"""Project files of an enemy: one sentence or a project, soon, in little memory."""

from __future__ import annotations

import random
import sqlite3
import struct
import time
import warnings
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzzed, said_seed  # noqa: F401
from unseg_studio.data import Category
from unseg_studio.formats import export
from unseg_studio.project import Project

from .conftest import made_up, stripes

LONGEST = 5.0
"""Seconds of work for one file."""

SHAPE = (280, 270)

VALUES = (
    None, -1, 0, 1, 2, 255, 256, 1000, 1001, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 20_000, 1e308,
    -0.5, float("inf"), "", "..", "../../../etc/passwd", "/etc/passwd", "a\0b", "\ud7ff", "done",
    "x" * 5000, "../" * 40 + "x" * 300 + "/a.png", "[" * 100_000, "{}", "[]", "null", "[[1]]",
    '{"name": "deepcut", "parameters": 3}',
    '{"name": "deepcut", "parameters": {"n_clusters": 1e999, "seed": "x"}}',
    '[{"id": 1, "name": "a", "color": "#112233", "kind": "thing"}]',
    '[{"id": 1e9, "name": [], "color": {}, "kind": 3}]', b"", b"\0", b"\xff" * 64, b"\0" * 1000,
    struct.pack("<I", 2**32 - 1) * 4,
    struct.pack("<I", 2**30) + bytes.fromhex("28b52ffd e0 0000004000000000 010000"),
)  # fmt: skip
"""What is put into the tables; the last is a frame of zstd that claims a gigabyte."""

COLUMNS = {
    "settings": ("value",),
    "images": (
        "path", "plane", "n_planes", "height", "width", "pixel_height", "pixel_width", "status",
        "comment", "uncertainty", "seconds", "fingerprint",
    ),
    "thumbnails": ("png",),
    "documents": ("height", "width", "segmenter", "locks", "fill", "n_done"),
    "tiles": ("plane", "number", "data"),
    "steps": ("position", "text", "data"),
    "accepted": ("height", "width", "labels", "provenance"),
    "uses": ("image", "category"),
}  # fmt: skip

SCHEMES = (
    "CREATE TRIGGER t AFTER UPDATE ON images BEGIN DELETE FROM images; END",
    "CREATE TRIGGER t AFTER INSERT ON tiles BEGIN UPDATE images SET path = '../x'; END",
    "CREATE VIEW v AS SELECT * FROM images",
    "ALTER TABLE images ADD COLUMN more TEXT",
    "DROP TABLE steps",
    "DROP INDEX one_entry_each",
    "CREATE TABLE more (a)",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = -7",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 5",
    "PRAGMA foreign_keys = OFF; DELETE FROM images",
    "ALTER TABLE tiles RENAME TO other",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A project with everything that there can be in one."""
    path = tmp_path_factory.mktemp("whole") / "p.unseg"
    with Project.create(path) as project:
        project.set_categories((Category(1, "cell", "#e69f00"), Category(2, "b", "#56b4e9")))
        project.add_images([path.parent / "a.png", path.parent / "b.png"])
        document = project.open_document(1, made_up(0, SHAPE))
        with project.journal(document, 1):
            document.show(stripes(40, SHAPE))
            work_on_small(document)
        project.accept(1, document)
        project.proposed(2, stripes(30, SHAPE), uncertainty=0.5)
        project.set_thumbnail(1, b"\x89PNG")
        project.set_comment(2, "look again")
    return path.read_bytes()


def work_on_small(document) -> None:
    document.paint([(10, 20), (200, 100)], radius=5)
    document.brush([(250, 20), (250, 260)], radius=9)
    document.name_cluster(1003)
    document.toggle_lock(1)
    document.undo()


# How it is damaged


def with_other_bytes(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 3, 30])):
        at = draw.randrange(len(data))
        piece = draw.choice([draw.randbytes(1), draw.randbytes(4), b"\0" * 8, b"\xff" * 8])
        data[at : at + len(piece)] = piece
    path.write_bytes(data[: draw.choice([len(data), len(data), draw.randrange(len(data))])])


def with_other_rows(path: Path, draw: random.Random) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for _ in range(draw.choice([1, 1, 2, 6])):
            table = draw.choice(list(COLUMNS))
            column = draw.choice(COLUMNS[table])
            with suppress(sqlite3.Error, OverflowError):  # what a constraint forbids
                _change(connection, table, column, draw)


def _change(connection: sqlite3.Connection, table: str, column: str, draw: random.Random) -> None:
    found = connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()
    (value,) = draw.choice(found or [(None,)])
    new = draw.choice(VALUES)
    if isinstance(value, bytes) and draw.random() < 0.7:
        new = changed_blob(value, draw)
    act = draw.random()
    if act < 0.8:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} IS ?", (new, value))
    elif act < 0.9:
        connection.execute(f"UPDATE {table} SET {column} = ?", (new,))
    else:
        connection.execute(f"DELETE FROM {table} WHERE {column} IS ?", (value,))


def changed_blob(data: bytes, draw: random.Random) -> bytes:
    """Other lengths, other bytes, cut or doubled."""
    blob = bytearray(data)
    at = draw.randrange(max(1, len(blob) // 4)) * 4 if draw.random() < 0.5 else 0
    length = struct.pack("<I", draw.choice([0, 1, 2**16, 2**24, 2**31, 2**32 - 1]))
    match draw.randrange(4):
        case 0:
            blob[at : at + 4] = length
        case 1:
            blob[at : at + 1] = draw.randbytes(1)
        case 2:
            del blob[draw.randrange(len(blob) + 1) :]
        case _:
            blob = blob + blob
    return bytes(blob)


def with_other_tables(path: Path, draw: random.Random) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(draw.choice(SCHEMES))


def with_a_log(path: Path, draw: random.Random) -> None:
    """Files beside it that SQLite would take for a part of it."""
    suffix = draw.choice(["-wal", "-shm", "-journal"])
    path.with_name(path.name + suffix).write_bytes(draw.randbytes(draw.choice([0, 32, 5000])))


def damage(path: Path, draw: random.Random) -> None:
    ways = [with_other_rows] * 6 + [with_other_bytes] * 2 + [with_other_tables, with_a_log]
    draw.choice(ways)(path, draw)


# What is done with it


def use(path: Path, draw: random.Random) -> None:
    with Project.open(path, read_only=draw.random() < 0.3) as project:
        project.missing()
        for entry in project.images():
            assert isinstance(entry.name, str)
            project.thumbnail(entry.id)
            for act in (look_at, work_with, write):
                with telling():
                    act(project, entry.id)
        with telling():
            project.set_categories((Category(5, "new", "#112233"),))
        with telling():
            project.relink(path.parent)
        with telling():
            project.save_copy(path.parent / "copy.unseg")


class telling(suppress):  # noqa: N801 - reads as a word
    """Errors may be sentences only."""

    def __init__(self) -> None:
        super().__init__(ValueError, OSError)

    def __exit__(self, kind, error, trace):
        if isinstance(error, ValueError | OSError):
            require_sentence(error)
        return super().__exit__(kind, error, trace)


def require_sentence(error: Exception) -> None:
    assert str(error).endswith((".", ").")), repr(error)
    assert type(error) is not UnicodeDecodeError, error
    assert len(str(error)) < 3000


def look_at(project: Project, id_: int) -> None:
    annotation = project.annotation(id_)
    assert annotation.labels().dtype == np.int32


def work_with(project: Project, id_: int) -> None:
    document = project.open_document(id_, made_up(0, SHAPE))
    document.labels.max()
    if project.read_only:
        return
    with project.journal(document, id_):
        while document.undo_text:
            document.undo()
        while document.redo_text:
            document.redo()
        document.paint([(9, 9)], radius=2)
    project.accept(id_, document)
    project.flush()


def write(project: Project, id_: int) -> None:
    export(project.annotation(id_), project.folder / "out.json")


def test_a_project_of_an_enemy_is_a_sentence_or_a_project(
    whole: bytes, bounded_memory: None, tmp_path: Path
) -> None:
    folder = tmp_path / "in" / "deeper"
    folder.mkdir(parents=True)
    own = {"p.unseg", "copy.unseg", "out.json"}

    @fuzzed
    @given(st.integers(0, 2**64 - 1))
    def fuzz(number: int) -> None:
        draw = random.Random(number)
        for file in folder.iterdir():
            file.unlink()
        path = folder / "p.unseg"
        path.write_bytes(whole)
        damage(path, draw)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with telling():
                use(path, draw)
        assert time.process_time() - start < LONGEST
        beside = {file.name for file in folder.iterdir() if not file.name.startswith("p.unseg")}
        assert beside <= own
        assert {file.name for file in tmp_path.rglob("*")} - beside <= {
            "in", "deeper", *(p.name for p in folder.iterdir())
        }  # fmt: skip

    fuzz()
