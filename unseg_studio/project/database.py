"""One SQLite file, and what becomes of it when the disk does not do what it should.

Every write is one transaction. When one fails (disk full, file removed, folder gone), the whole
project is copied into memory and the transaction is done there: nothing that was said is lost, and
everything goes on as before, except that the file no longer follows.

    file ----- a write fails -----> memory ----- `try_again`, `copy_to` -----> file
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from unseg_studio.project.lock import Lock
from unseg_studio.project.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    migrate,
    own_tables,
    require_known,
    tables_of,
    version_of,
)

Connection = sqlite3.Connection
T = TypeVar("T")

BUSY_S = 5.0
"""How long a write waits for another program that reads or copies the file."""

CHECKED_BYTES = 64 * 2**20
"""A file up to this size is checked for damage when it is opened; larger ones when it is asked."""


class ProjectError(OSError):
    """A project that cannot be opened or written, in a sentence for the person."""


class ReadOnlyError(ProjectError):
    """A change to a project that is only read."""


class Database:
    """The file of a project; usable from any thread.

    Parameters
    ----------
    path : Path
        The file; it exists.
    read_only : bool
        Change nothing.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.notice = ""
        self.reason = ""
        self._guard = threading.RLock()
        self._lock: Lock | None = None
        require_project(path)
        if not read_only:
            self._lock, self.notice = _lock_of(path)
        self.read_only = self._lock is None
        try:
            self._writer = self._opened()
            self._reader = self._writer if self.read_only else _connected(path, "rw")
        except BaseException:
            self._release()
            raise
        self._inode = _inode(path)

    def _opened(self) -> Connection:
        if self.read_only:
            return _connected_to_read(self.path)
        connection = _connected(self.path, "rw")
        try:
            with _explained(self.path):
                _require_whole(connection, self.path)
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, str(self.path))
                _require_own_tables(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def is_in_memory(self) -> bool:
        """The file does not follow any more; `reason` says why."""
        return bool(self.reason)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """What was written last, for the length of a with statement."""
        with self._guard, _explained(self.path):
            yield self._reader

    def require_writable(self) -> None:
        """Refuse what would change the file.

        Raises
        ------
        ReadOnlyError
            If the project is only read.
        """
        if self.read_only:
            raise ReadOnlyError(
                f"{self.path.name} is open for reading only, so nothing can be changed. "
                "Save a copy and work on that."
            )

    def write(self, job: Callable[[Connection], T]) -> T:
        """Do a job in one transaction; where the file does not take it, in memory.

        Raises
        ------
        ReadOnlyError
            If the project is only read.
        """
        self.require_writable()
        if not self.is_in_memory:
            try:
                self._require_there()
                return _in_transaction(self._writer, job)
            except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
                raise  # the job's own fault, not the file's
            except (sqlite3.DatabaseError, OSError) as error:
                self._go_on_in_memory(error)
        with self._guard:
            return _in_transaction(self._writer, job)

    def copy_to(self, path: Path, paths: Mapping[int, str] | None = None) -> None:
        """Write everything into a new file, entirely or not at all.

        Parameters
        ----------
        path : Path
            The file; one that is there makes way.
        paths : mapping of int to str or None
            Where the images are, seen from there; None: as seen from here.

        Raises
        ------
        ProjectError
            If that is not possible.
        """
        if path.exists():
            _require_closed(path)
        part = path.with_name(f".{path.name}.part")
        try:
            with _explained(path):
                part.unlink(missing_ok=True)
                _copied(self._reader, part, self._guard, paths or {})
                _remove_logs(path)
                part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def try_again(self) -> bool:
        """Write what is in memory into the file, and go on there; False where it still fails."""
        if not self.is_in_memory:
            return True
        try:
            if not self._is_there():  # removed: what is there now under its name is not ours
                if self.path.exists():
                    return False
                self.copy_to(self.path)
                file = _connected(self.path, "rw")
            else:
                file = _connected(self.path, "rw")
                with self._guard:
                    self._writer.backup(file)
            file.execute("PRAGMA journal_mode = WAL")
            reader = _connected(self.path, "rw")
        except (sqlite3.Error, OSError) as error:
            self.reason = _sentence(self.path, error)
            return False
        with self._guard:
            self._writer.close()
            self._writer, self._reader, self.reason = file, reader, ""
            self._inode = _inode(self.path)
        return True

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            for connection in {self._writer, self._reader}:
                with suppress(sqlite3.Error):
                    connection.close()
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _require_there(self) -> None:
        """Writing to a file that was removed succeeds on some systems, and is lost."""
        if not self._is_there():
            raise FileNotFoundError(
                f"{self.path} was removed, moved or replaced while it was open."
            )

    def _is_there(self) -> bool:
        try:
            return _inode(self.path) == self._inode
        except OSError:
            return False

    def _go_on_in_memory(self, error: Exception) -> None:
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with self._guard, _explained(self.path):
            self._reader.backup(memory)
            for connection in (self._writer, self._reader):
                with suppress(sqlite3.Error):
                    connection.close()
            memory.execute("PRAGMA foreign_keys = ON")
            self._writer = self._reader = memory
            self.reason = _sentence(self.path, error)


def create(path: Path) -> None:
    """Make an empty project.

    Raises
    ------
    ProjectError
        If there is something of that name, or nothing can be written there.
    """
    if path.exists():
        raise ProjectError(f"There is a file {path} already; open it, or choose another name.")
    if not path.parent.is_dir():
        raise ProjectError(
            f"The folder {path.parent} does not exist. Create it or choose another one."
        )
    with _explained(path):
        _remove_logs(path)
        connection = _connected(path, "rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, str(path))
        except BaseException:
            connection.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        connection.close()


def require_project(path: Path) -> None:
    """Raise ProjectError, in a sentence, where a file is no project; nothing is changed."""
    if not path.exists():
        raise ProjectError(f"There is no file {path}. Check the name and the folder.")
    if not path.is_file():
        raise ProjectError(f"{path} is no file; accepted are projects (.unseg). Choose one.")
    with _explained(path), path.open("rb") as file:
        head = file.read(100)
    if head[:16] != b"SQLite format 3\0" or len(head) < 100:
        raise ProjectError(
            f"{path} is no project, or not a whole one; accepted are files that this program made "
            "(.unseg). Choose another file, or a copy of this one."
        )
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise ProjectError(
            f"{path} is a database of another program; accepted are projects (.unseg). "
            "Choose another file."
        )
    require_known(int.from_bytes(head[60:64], "big"), str(path), newest=len(MIGRATIONS))


def _lock_of(path: Path) -> tuple[Lock | None, str]:
    """The lock, or why there is none."""
    try:
        with path.open("r+b"):
            pass
        lock = Lock.taken(path)
    except (OSError, sqlite3.Error):
        return None, (
            f"{path.name} or its folder cannot be written to, so the project is open for reading "
            "only. Save a copy elsewhere to work on it."
        )
    if lock is None:
        return None, (
            f"{path.name} is open in another window or program already, so it is open for reading "
            "only here. Close it there and open it again to work on it."
        )
    return lock, ""


def _connected(path: Path, mode: str) -> Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        with _explained(path):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA trusted_schema = OFF")
    except ProjectError:
        connection.close()
        raise
    return connection


def _connected_to_read(path: Path) -> Connection:
    """Beside a process that writes if need be; in a folder where nothing can be written, too."""
    with _explained(path):
        for mode in ("ro", "ro&immutable=1"):
            connection = _connected(path, mode)
            try:
                _require_current(connection, path)
                _require_own_tables(connection, path)
                return connection
            except sqlite3.OperationalError as error:
                connection.close()
                failure = error
        raise failure


def _require_whole(connection: Connection, path: Path) -> None:
    if path.stat().st_size > CHECKED_BYTES:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _require_current(connection: Connection, path: Path) -> None:
    if version_of(connection) < len(MIGRATIONS):
        raise ProjectError(
            f"{path} was made by an earlier version of the program and has to be brought up to "
            "date, for which it must be writable. Copy it elsewhere and open the copy."
        )
    require_known(version_of(connection), str(path))


def _require_own_tables(connection: Connection, path: Path) -> None:
    """A view or a trigger in the place of a table could do anything, such as never end."""
    if tables_of(connection) != own_tables():
        raise ProjectError(
            f"{path} has other tables than this program makes, so it was changed by another one or "
            "is damaged. Open a copy of it from before."
        )


def _in_transaction(connection: Connection, job: Callable[[Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = job(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            connection.execute("ROLLBACK")
        raise
    return result


def _copied(
    source: Connection, path: Path, guard: threading.RLock, paths: Mapping[int, str]
) -> None:
    target = sqlite3.connect(path, isolation_level=None)
    try:
        with guard:
            source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        target.execute("BEGIN")
        rows = [(text, id_) for id_, text in paths.items()]
        target.executemany("UPDATE OR IGNORE images SET path = ? WHERE id = ?", rows)
        target.execute("COMMIT")
    finally:
        target.close()


def _require_closed(path: Path) -> None:
    """Raise ProjectError where another process works with a file that is to make way."""
    lock, notice = _lock_of(path)
    if lock is None:
        raise ProjectError(f"{notice} Choose another name for the copy.")
    lock.release()


def _remove_logs(path: Path) -> None:
    """What SQLite left beside a file that is gone would be taken for a part of the new one."""
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into sentences."""
    try:
        yield
    except ProjectError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # of names that are damaged
        raise ProjectError(_sentence(path, error)) from error


_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full. Free some space, or save a copy elsewhere.",
    sqlite3.SQLITE_READONLY: "it may not be written to. Save a copy in another folder.",
    sqlite3.SQLITE_PERM: "it may not be written to. Save a copy in another folder.",
    sqlite3.SQLITE_BUSY: "another program holds it. Close that program and try again.",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or made there. Check its name, which may be too "
    "long, and the folder, or save a copy elsewhere.",
    sqlite3.SQLITE_CORRUPT: "it is damaged. Open a copy of it, or make a new project; images and "
    "exported files are not affected.",
    sqlite3.SQLITE_NOTADB: "it is no project. Choose another file.",
    sqlite3.SQLITE_IOERR: "the disk did not take or give it (it may be full, or gone). Save a "
    "copy elsewhere.",
}


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        fallback = _ADVICE[sqlite3.SQLITE_CORRUPT] if type(error) is sqlite3.DatabaseError else ""
        cause = _ADVICE.get(code, fallback or f"{error}. Save a copy elsewhere.")
        return f"{path} cannot be used: {cause}"
    if isinstance(error, OSError) and error.strerror:
        return f"{path} cannot be used: {error.strerror}. Save a copy elsewhere."
    if isinstance(error, UnicodeDecodeError):
        return f"{path} cannot be used: {_ADVICE[sqlite3.SQLITE_CORRUPT]}"
    return f"{error} Save a copy elsewhere."
