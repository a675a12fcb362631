"""`unseg-studio` and `python -m unseg_studio`: the command line with the window and the benchmarks.

Only here they meet, so that none of them needs the others.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from unseg_studio.bench.commands import bench
from unseg_studio.cli import BAD_INPUT, commands, complaint, run

_QT = ("PySide6", "qtpy", "superqt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, or open the window where there is none; gives the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return run(given) if given else open_window(None)


@commands.command("open")
def _open(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="An image, a folder, images, or a project."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Of a Dask scheduler whose workers do the runs."),
    ] = "",
) -> None:
    """Open the window, as no command at all does."""
    if engine:
        from unseg_studio.document.scheduler import ENGINE, address_of

        os.environ[ENGINE] = address_of(engine)
    raise typer.Exit(open_window(*paths) if paths else open_window(None))


commands.add_typer(bench, name="bench")


def open_window(path: Path | None, *more: Path) -> int:
    """Open the window and wait until it is closed; where none can open, say why."""
    if sentence := _no_window():
        complaint(sentence)
        return BAD_INPUT
    try:
        from unseg_studio.app import main as app
    except ImportError as error:
        if ".so" not in str(error):
            raise
        complaint(
            f"The window cannot open, since a library of the system is missing ({error}); install "
            "it with the system's package manager, or in a checkout run: make run"
        )
        return BAD_INPUT
    return app.open_window(path, *more)


def _no_window() -> str | None:
    """Why no window can open here, as far as that can be told before Qt is loaded."""
    missing = [name for name in _QT if importlib.util.find_spec(name) is None]
    if missing:
        return (
            f"The window needs {' and '.join(missing)}, which is not installed; "
            'run: pip install "unseg-studio[app]"'
        )
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in displays):
        return (
            "There is no display here, so the window cannot open; start it in a desktop session, "
            "or work without it: unseg-studio demo, or unseg-studio segment --help"
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
