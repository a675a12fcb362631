"""Write whole files or nothing: a temporary file beside the target, flushed, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

_ADVICE = {
    errno.ENOENT: "the folder {folder} does not exist. Create it or choose another one.",
    errno.ENOTDIR: "{folder} is not a folder. Choose one.",
    errno.EISDIR: "a folder of that name is in the way. Choose another name.",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one.",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "{folder} may not be written to. Choose another folder or ask for write permission.",
    ),
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "the disk is full. Free some space or choose another folder.",
    ),
}


def write_bytes(path: str | Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, entirely or not at all.

    Raises
    ------
    OSError
        Of the same kind as the system's (PermissionError, ...), in a sentence that names the path
        and what to do. What was at `path` before is then still there, byte for byte.
    """
    write_files({Path(path): data})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Replace several files that belong together; all are on the disk before any takes its place.

    Raises
    ------
    OSError
        As `write_bytes`.
    """
    targets = {_target(path): data for path, data in contents.items()}
    waiting: dict[Path, Path] = {}
    try:
        for path, data in targets.items():
            waiting[path] = temporary = path.parent / f".{secrets.token_hex(8)}.part"
            with _explained(path):
                _write_flushed(temporary, data, like=path)
        for path, temporary in waiting.items():
            with _explained(path):
                os.replace(temporary, path)  # noqa: PTH105 - the one atomic rename, by its name
    finally:
        for temporary in waiting.values():
            with suppress(OSError):  # already renamed, or never made
                temporary.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder where there is none.

    Raises
    ------
    OSError
        As `write_bytes`.
    """
    with _explained(folder):
        folder.mkdir(exist_ok=True)


def write_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files into a folder, which is made if missing: all of them, or none.

    They are written under another name first, and take their places when the last one is on the
    disk. A folder that was there before keeps its other files.

    Parameters
    ----------
    folder : Path
        Where to write; the folder that it lies in exists.
    files : iterable of (str, bytes)
        Path inside the folder, with forward slashes, and content; asked for one by one.

    Raises
    ------
    OSError
        As `write_bytes`.
    ValueError
        If a path would lead out of the folder.
    """
    is_new = not folder.exists()
    if not is_new and not folder.is_dir():
        raise NotADirectoryError(
            f"{folder} was not written: a file of that name is in the way. Choose another name."
        )
    waiting = (folder.parent if is_new else folder) / f".{secrets.token_hex(8)}.part"
    try:
        with _explained(folder):
            waiting.mkdir()
        names = _filled(waiting, files, told=folder)
        if is_new:
            with _explained(folder):
                waiting.rename(folder)
        else:
            _move(names, waiting, folder)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _filled(
    waiting: Path, files: Iterable[tuple[str, bytes]], *, told: Path
) -> list[PurePosixPath]:
    """Write files below `waiting`, and see that they are on the disk; give their names."""
    names = []
    for name, data in files:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or "\\" in name or ":" in name:
            raise ValueError(
                f"{name!r} would lie outside of {told}; accepted are paths inside the folder. "
                "Rename the image that it comes from."
            )
        with _explained(told / inside):
            (waiting / inside).parent.mkdir(parents=True, exist_ok=True)
            (waiting / inside).write_bytes(data)
        names.append(inside)
    for inside in names:  # only now: file by file, the disk would be waited for seven times as long
        with _explained(told / inside):
            _flush(waiting / inside)
    return names


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _move(names: Iterable[PurePosixPath], waiting: Path, folder: Path) -> None:
    for inside in names:
        with _explained(folder / inside):
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            if (folder / inside).exists():
                (waiting / inside).chmod(stat.S_IMODE((folder / inside).stat().st_mode))
            os.replace(waiting / inside, folder / inside)  # noqa: PTH105 - as above


def _target(path: Path) -> Path:
    """Follow a link, so that it stays one, and refuse a folder before anything is written."""
    with _explained(path):
        real = path.resolve() if path.is_symlink() else path
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return real


def _write_flushed(temporary: Path, data: bytes, *, like: Path) -> None:
    with temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if like.exists():
        temporary.chmod(stat.S_IMODE(like.stat().st_mode))


class _explained:  # noqa: N801 - read as a word: with _explained(path)
    """Turn the system's error about a temporary file into a sentence about the target."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _in_a_sentence(self._path, error) from error


def _in_a_sentence(path: Path, error: OSError) -> OSError:
    cause = _ADVICE.get(error.errno or 0, f"{error.strerror}. Choose another folder or name.")
    told = type(error)(f"{path} was not written: {cause.format(folder=path.parent)}")
    told.errno = error.errno
    return told
