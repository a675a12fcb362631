"""Results as lines of CSV files: written as they come, so that an interrupted run keeps them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import Field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TextIO, TypeVar

from unseg_studio.bench.game import Turn

_KINDS = {"str": str, "int": int, "float": float}


class Line(Protocol):
    """A dataclass whose fields are texts, whole numbers and numbers."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


L = TypeVar("L", bound=Line)


class LineFile(Generic[L]):
    """A file under work: `NAME.part.csv`, which becomes `NAME.csv` when it is whole.

    What `NAME.csv` was before stays until then.

    To be used as a context, which begins the file and ends it.

    Parameters
    ----------
    path : Path
        The file to be; its folder is made.
    kind : type
        Of the lines.
    goes_on : bool
        Keep the lines of an interrupted run, if there are any.

    Raises
    ------
    OSError
        If the file of an interrupted run cannot be read.
    ValueError
        If it holds something else than such lines.
    """

    def __init__(self, path: Path, kind: type[L], *, goes_on: bool = False) -> None:
        self._path = path
        self._columns = _columns(kind)
        self.part = path.with_suffix(".part.csv")
        self.lines: list[L] = []
        if goes_on and self.part.exists():
            self.lines = read_lines(self.part, kind)
        self._file: TextIO = io.StringIO()

    def __enter__(self) -> Self:
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise type(error)(
                f"Results cannot be written into {self.part.parent} ({error.strerror}); accepted "
                "is a folder that may be written to. Choose another one with --out."
            ) from error
        self._rows.writeheader()
        self._write(self.lines)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None:
            self.part.replace(self._path)

    def add(self, lines: Iterable[L]) -> None:
        """Write lines that belong together, such as those of a game, and remember them."""
        new = [*lines]
        self._write(new)
        self.lines += new

    @property
    def _rows(self) -> csv.DictWriter[str]:
        return csv.DictWriter(self._file, self._columns, lineterminator="\n")

    def _write(self, lines: list[L]) -> None:
        self._rows.writerows(
            {name: _text(getattr(line, name)) for name in self._columns} for line in lines
        )
        self._file.flush()


class Record(LineFile[Turn]):
    """A file of turns; see `LineFile`."""

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        super().__init__(path, Turn, goes_on=goes_on)

    @property
    def turns(self) -> list[Turn]:
        """What was played."""
        return self.lines

    def has(self, method: str, image: tuple[str, str], strokes_by: str) -> bool:
        """Whether a method has played (set, image) with those strokes."""
        wanted = (method, *image, strokes_by)
        return any((t.method, t.set, t.image, t.strokes_by) == wanted for t in self.lines)


def read_turns(path: Path) -> list[Turn]:
    """The turns in a file; raises as `read_lines`."""
    return read_lines(path, Turn)


def read_lines(path: Path, kind: type[L]) -> list[L]:
    """The lines of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds something else, in a sentence.
    """
    columns = _columns(kind)
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [
                kind(**{name: _value(columns[name], row[name]) for name in columns})
                for row in csv.DictReader(file)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is no file of this benchmark or is cut off ({error}); delete it and "
                "begin anew without --resume."
            ) from error


def _columns(kind: type[Line]) -> dict[str, type]:
    return {f.name: _KINDS[str(f.type)] for f in fields(kind)}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return str(value)


def _value(kind: type, text: str) -> Any:
    return math.nan if kind is float and not text else kind(text)
