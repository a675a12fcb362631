"""What the command line says: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")


class StoppedError(Exception):
    """Ctrl+C, with a sentence about what is kept."""


def result(text: str) -> None:
    """Print what was asked for; whole lines, so that other programs can read them."""
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(text)


def complaint(sentence: str) -> None:
    """Print what went wrong."""
    _stderr().print(sentence)


class Reporter:
    """Shows how far the work has come.

    In a terminal a bar moves; elsewhere, such as in a log, each of several items is a line.
    """

    def __init__(self, console: Console, bar: Progress | None, n_items: int) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = bar.add_task("", total=n_items, step="") if bar else None
        self._n_items = n_items
        self._n_begun = 0

    def begin(self, name: str) -> None:
        """The next item is under work."""
        self._n_begun += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name, completed=self._n_begun - 1, step="")
        elif self._n_items > 1:
            self._console.print(f"{name} ({self._n_begun} of {self._n_items})")

    def step(self, step: int, total: int) -> None:
        """So many iterations of the item are done."""
        if self._bar is not None and self._task is not None:
            done = self._n_begun - 1 + step / max(total, 1)
            self._bar.update(self._task, completed=done, step=f"step {step} of {total}")

    def say(self, sentence: str) -> None:
        """Something is worth to be known before the work begins."""
        self._console.print(sentence)

    def complain(self, sentence: str) -> None:
        """Something about the item went wrong; the work goes on."""
        self._console.print(sentence)


@contextmanager
def reporting(n_items: int) -> Iterator[Reporter]:
    """A reporter for so many items, on stderr."""
    console = _stderr()
    if not console.is_terminal:
        yield Reporter(console, None, n_items)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Reporter(console, bar, n_items)


class Counter:
    """Counts what is done of many items, and says how long the others will take.

    In a terminal a bar moves; elsewhere, such as in a log, each item is a line.
    """

    def __init__(self, console: Console, bar: Progress | None, n_items: int) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = bar.add_task("", total=n_items) if bar else None
        self._n_items = n_items
        self._n_ended = 0
        self._began = time.monotonic()  # not the time of day, which may be set

    def ended(self, name: str) -> None:
        """An item is done."""
        self._n_ended += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name, completed=self._n_ended)
            return
        n_left = self._n_items - self._n_ended
        left = (time.monotonic() - self._began) / self._n_ended * n_left
        hint = f", about {_duration(left)} left" if n_left else ""
        self._console.print(f"{name} ({self._n_ended} of {self._n_items}{hint})")

    def complain(self, sentence: str) -> None:
        """Something about an item went wrong; the work goes on."""
        self._console.print(sentence)


@contextmanager
def counting(n_items: int) -> Iterator[Counter]:
    """A counter of so many items, on stderr."""
    console = _stderr()
    if not console.is_terminal:
        yield Counter(console, None, n_items)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Counter(console, bar, n_items)


def passing(items: Iterable[T], doing: str, n_items: int) -> Iterator[T]:
    """The items themselves, with a bar about them in a terminal, and nothing elsewhere."""
    console = _stderr()
    if not console.is_terminal:
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        yield from bar.track(items, total=n_items, description=doing)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(1, round(seconds)), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _stderr() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
