"""What benchmarks share on the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import metadata

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from unseg_studio.document.machine import core_count, processor

_LIBRARIES = ("torch", "numpy", "opencv-python-headless", "scikit-image", "scikit-learn")


def wide_console(width: int) -> Console:
    """One for tables of that many columns of text, even where the terminal has fewer."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.width = max(console.width, width)
    return console


def progress() -> AbstractContextManager[Progress]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def circumstances(where: str = "each method in a process of its own") -> Iterator[str]:
    """What the times depend on."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield f"{processor()}, {core_count()} cores{load}; {where}."
    yield ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
