"""What the command line says: results on stdout, progress and errors on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


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


def _stderr() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
