"""Turns as lines of CSV files: written as they come, so that an interrupted run keeps them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from unseg_studio.bench.game import Turn

_KINDS = {"str": str, "int": int, "float": float}
_COLUMNS = {f.name: _KINDS[str(f.type)] for f in fields(Turn)}


class Record:
    """A file of turns under work: `NAME.part.csv`, which becomes `NAME.csv` when it is whole.

    What `NAME.csv` was before stays until then.

    To be used as a context, which begins the file and ends it.

    Parameters
    ----------
    path : Path
        The file to be; its folder is made.
    goes_on : bool
        Keep the turns of an interrupted run, if there are any.

    Raises
    ------
    OSError
        If the file of an interrupted run cannot be read.
    ValueError
        If it holds something else than turns.
    """

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        self._path = path
        self.part = path.with_suffix(".part.csv")
        self.turns: list[Turn] = []
        if goes_on and self.part.exists():
            self.turns = read_turns(self.part)
        self._file: TextIO = io.StringIO()

    def __enter__(self) -> Record:
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise type(error)(
                f"Results cannot be written into {self.part.parent} ({error.strerror}); accepted "
                "is a folder that may be written to. Choose another one with --out."
            ) from error
        self._rows.writeheader()
        self._write(self.turns)
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

    def add(self, turns: Iterable[Turn]) -> None:
        """Write turns that belong together, such as those of a game, and remember them."""
        new = [*turns]
        self._write(new)
        self.turns += new

    def has(self, method: str, image: tuple[str, str], strokes_by: str) -> bool:
        """Whether a method has played (set, image) with those strokes."""
        wanted = (method, *image, strokes_by)
        return any((t.method, t.set, t.image, t.strokes_by) == wanted for t in self.turns)

    @property
    def _rows(self) -> csv.DictWriter[str]:
        return csv.DictWriter(self._file, _COLUMNS, lineterminator="\n")

    def _write(self, turns: list[Turn]) -> None:
        self._rows.writerows(map(_row, turns))
        self._file.flush()


def read_turns(path: Path) -> list[Turn]:
    """The turns in a file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds something else, in a sentence.
    """
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return [_turn(row) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is no file of this benchmark or is cut off ({error}); delete it and "
                "begin anew without --resume."
            ) from error


def _row(turn: Turn) -> dict[str, str]:
    return {name: _text(value) for name, value in asdict(turn).items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return str(value)


def _turn(row: dict[str, str]) -> Turn:
    return Turn(**{name: _value(kind, row[name]) for name, kind in _COLUMNS.items()})


def _value(kind: type, text: str) -> Any:
    return math.nan if kind is float and not text else kind(text)
