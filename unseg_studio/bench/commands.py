"""`unseg-studio bench ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)


@bench.callback()
def _common() -> None:
    """Measure how the program does on this machine."""


@bench.command()
def latency(
    image: Annotated[Path | None, typer.Option(help="Instead of the bundled photograph.")] = None,
    strokes: Annotated[int, typer.Option(help="How many to draw.", min=1)] = 30,
    documents: Annotated[int, typer.Option(help="How many to open cold.", min=1)] = 5,
    csv: Annotated[Path | None, typer.Option(help="Write every single time there.")] = None,
    large: Annotated[bool, typer.Option("--large", help="On 2048 x 2048 px instead.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """How soon labels follow: the first proposal, and every stroke of a random hand."""
    from unseg_studio.bench.latency import Plan, run_latency

    run_latency(Plan(image, strokes, documents, large=large, device=device), csv=csv)
