"""`python -m napari_unseg.bench`: measure, and print tables beside what the design wants."""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from napari_unseg.bench.answering import answering
from napari_unseg.bench.figures import Line, lines_of, table, verdict
from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.own_process import OwnProcess
from unseg_studio.bench.screen import circumstances, wide_console
from unseg_studio.formats.atomic import write_bytes

_LIMIT = 900.0
"""Seconds that one kind of measurement may take."""

Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Parameters
    ----------
    strokes, moves, openings : int
        How often.
    side, planes : int
        Pixels along an image, and planes of the stack that is scrolled.
    far_side, far_planes : int
        The same of the stack that is too large to be read.
    """

    strokes: int = 40
    moves: int = 60
    openings: int = 5
    side: int = 512
    planes: int = 50
    far_side: int = 1024
    far_planes: int = 1000

    def arguments(self) -> dict[str, tuple[int, ...]]:
        """What each measure is called with."""
        return {
            "strokes": (self.strokes, self.side),
            "sliders": (self.moves, self.side, self.planes),
            "opening": (self.side,),
            "memory": (self.far_side, self.far_planes),
        }


def main(
    strokes: Annotated[int, typer.Option(help="How many to draw.", min=1)] = 40,
    moves: Annotated[int, typer.Option(help="How often to move the slider.", min=1)] = 60,
    openings: Annotated[int, typer.Option(help="How often to start napari.", min=1)] = 5,
    only: Annotated[
        str | None, typer.Option(help="One of strokes, sliders, opening, memory.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every single figure there.")] = None,
) -> None:
    """How soon the plugin answers in a napari window, and what it costs."""
    console, measured = wide_console(100), dict[str, Samples]()
    try:
        for which, samples in measure(Plan(strokes, moves, openings), only=only):
            measured[which] = samples
            console.print(table(which, lines_of(which, samples)))
    except (NoAnswerError, ValueError) as error:
        Console(stderr=True).print(f"Nothing could be measured: {error}")
        raise typer.Exit(2) from error
    report(console, [line for which, s in measured.items() for line in lines_of(which, s)])
    if csv is not None:
        write_bytes(csv, csv_of(measured))
        console.print(str(csv))


def measure(plan: Plan, *, only: str | None = None) -> Iterator[tuple[str, Samples]]:
    """Every measure by its name, in a process of its own; a new one for each opening.

    Raises
    ------
    NoAnswerError
        If a process ends or hangs; says why.
    ValueError
        If there is no such measure.
    """
    every = plan.arguments()
    if only is not None and only not in every:
        raise ValueError(f"There is no measure {only!r}; accepted are {', '.join(every)}.")
    for which, arguments in every.items():
        if only in (None, which):
            times = plan.openings if which == "opening" else 1
            yield which, _joined(_measured(which, arguments) for _ in range(times))


def _measured(which: str, arguments: tuple[int, ...]) -> Samples:
    process = OwnProcess(answering, limit=_LIMIT)
    try:
        process.begin()
        samples: Samples = process.ask(which, *arguments)
        return samples
    finally:
        process.close()


def _joined(parts: Iterator[Samples]) -> Samples:
    whole: Samples = {}
    for part in parts:
        for name, values in part.items():
            whole.setdefault(name, []).extend(values)
    return whole


def report(console: Console, lines: list[Line]) -> None:
    """What is met, and what the figures depend on."""
    for sentence in (*verdict(lines), *circumstances("the canvas as OpenGL draws it here")):
        console.print(sentence)


def csv_of(measured: dict[str, Samples]) -> bytes:
    """Every sample: measure, what, its number, its value (seconds where nothing else is said)."""
    text = io.StringIO(newline="")
    rows = csv_module.writer(text, lineterminator="\n")
    rows.writerow(("measure", "what", "number", "value"))
    for which, samples in measured.items():
        for what, values in samples.items():
            for number, value in enumerate(values, 1):
                rows.writerow((which, what, number, f"{value:.5g}"))
    return text.getvalue().encode()


if __name__ == "__main__":
    typer.run(main)
