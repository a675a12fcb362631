"""Who may write to a project: a lock of the operating system, which ends with its process.

The lock is on an empty file beside the project, and SQLite takes it, as it knows how to on every
system. A file that a killed process leaves behind locks nobody out.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path


class Lock:
    """The right to write to a project; there is one at a time, see `taken`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def taken(cls, project: Path) -> Lock | None:
        """Take the lock of a project; None where another process, or this one, has it.

        Raises
        ------
        sqlite3.Error
            If nothing can be written beside the project.
        """
        path = project.with_name(f"{project.name}-lock")
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return None
            raise
        return cls(path, connection)

    def release(self) -> None:
        """Let others write."""
        with suppress(OSError):  # where open files cannot be removed, an empty one stays
            self._path.unlink()
        self._connection.close()
