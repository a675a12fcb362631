"""The tables of a project file, and how files of earlier versions become newer ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache

APPLICATION_ID = 0x556E5365
"""The first letters of the program's name: says that a SQLite file is a project."""

Migration = Callable[[sqlite3.Connection], None]

_TABLES = (
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)
    """,
    """
    CREATE TABLE images (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL,
        plane INTEGER,
        n_planes INTEGER NOT NULL,
        height INTEGER,
        width INTEGER,
        pixel_height REAL,
        pixel_width REAL,
        status TEXT NOT NULL,
        comment TEXT NOT NULL,
        uncertainty REAL,
        seconds REAL NOT NULL,
        fingerprint BLOB
    )
    """,
    "CREATE UNIQUE INDEX one_entry_each ON images (path, ifnull(plane, -1))",
    """
    CREATE TABLE thumbnails (
        image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        png BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE documents (
        image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        height INTEGER NOT NULL,
        width INTEGER NOT NULL,
        segmenter TEXT NOT NULL,
        locks TEXT NOT NULL,
        fill INTEGER NOT NULL,
        n_done INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE tiles (
        image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
        plane TEXT NOT NULL,
        number INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (image, plane, number)
    )
    """,
    """
    CREATE TABLE steps (
        image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
        position INTEGER NOT NULL,
        text TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (image, position)
    )
    """,
    """
    CREATE TABLE accepted (
        image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        height INTEGER NOT NULL,
        width INTEGER NOT NULL,
        labels BLOB NOT NULL,
        provenance TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE uses (
        image INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
        category INTEGER NOT NULL,
        PRIMARY KEY (image, category)
    ) WITHOUT ROWID
    """,
)


_TABLES_OF_MODELS = (
    """
    CREATE TABLE models (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        method TEXT NOT NULL,
        parameters TEXT NOT NULL,
        facts TEXT NOT NULL,
        data BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE trainings (method TEXT PRIMARY KEY, data BLOB NOT NULL)
    """,
    """
    CREATE TABLE names (
        model TEXT NOT NULL REFERENCES models (digest) ON DELETE CASCADE,
        cluster INTEGER NOT NULL,
        category INTEGER NOT NULL,
        PRIMARY KEY (model, cluster)
    ) WITHOUT ROWID
    """,
)


_TABLES_OF_NAMINGS = (
    """
    CREATE TABLE findings (
        image INTEGER PRIMARY KEY REFERENCES images ON DELETE CASCADE,
        model TEXT NOT NULL,
        height INTEGER NOT NULL,
        width INTEGER NOT NULL,
        labels BLOB NOT NULL,
        told TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE namings (
        model TEXT NOT NULL REFERENCES models (digest) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        text TEXT NOT NULL,
        naming TEXT NOT NULL,
        PRIMARY KEY (model, position)
    ) WITHOUT ROWID
    """,
)


def _make_tables(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        connection.execute(table)


def _make_tables_of_models(connection: sqlite3.Connection) -> None:
    for table in _TABLES_OF_MODELS:
        connection.execute(table)


def _make_tables_of_namings(connection: sqlite3.Connection) -> None:
    for table in _TABLES_OF_NAMINGS:
        connection.execute(table)


MIGRATIONS: tuple[Migration, ...] = (
    _make_tables,
    _make_tables_of_models,
    _make_tables_of_namings,
)
"""The function at place n makes a file of version n + 1 of one of version n; 0 is an empty file."""


class NewerProjectError(ValueError):
    """A project of a later version of the program."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, name: str, *, migrations: Sequence[Migration] = MIGRATIONS
) -> None:
    """Bring the tables up to date, entirely or not at all.

    Parameters
    ----------
    connection : Connection
        In autocommit mode.
    name : str
        The project, for the message.
    migrations : sequence of callable
        What there is to do.

    Raises
    ------
    NewerProjectError
        If a later version of the program made the file.
    """
    version = version_of(connection)
    require_known(version, name, newest=len(migrations))
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations[version:]:
            migration(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def tables_of(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    """Every table, index, view and trigger: kind, name, and how it was made."""
    return set(connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


@lru_cache(maxsize=1)
def own_tables() -> frozenset[tuple[str, str, str | None]]:
    """The tables as this version of the program makes them."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, "a new project")
        return frozenset(tables_of(connection))
    finally:
        connection.close()


def require_known(version: int, name: str, *, newest: int = len(MIGRATIONS)) -> None:
    """Raise NewerProjectError, in a sentence, for tables of a later version."""
    if version > newest:
        raise NewerProjectError(
            f"{name} was made by a later version of the program (file version {version}, accepted "
            f"are versions up to {newest}). Update the program to open it."
        )
