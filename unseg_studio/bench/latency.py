"""How soon the labels follow: document, worker and decoder as in the window, without the window.

    Document.paint -> job -> worker -> frame -> Live.pull, asked every `pull_ms` as the window asks

A time ends when the labels have arrived in the document; painting them on the screen comes on top.
"""

from __future__ import annotations

import csv as csv_module
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from unseg_studio.data import Category, Image, new_category, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import FIRST_MS, PULL_MS, Document, Live, pull_ms
from unseg_studio.document.machine import core_count, processor
from unseg_studio.document.provenance import versions
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.segmenters import resolve_device

PHOTOGRAPH = (321, 481)
LARGE = (2048, 2048)
N_CATEGORIES = 3
SEED = 0

FIRST_FRAME = "first frame of a new image"
PROPOSAL = "converged proposal"
UPDATE = "stroke to first updated frame"
SETTLED = "stroke to settled labels"

_DEADLINE = 600.0
"""Seconds after which a run counts as stuck."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Parameters
    ----------
    image : Path or None
        The image; None: the bundled photograph.
    n_strokes : int
        Strokes on one document, one after the other.
    n_documents : int
        Documents opened cold, after one that warms up.
    large : bool
        On 2048 x 2048 px instead of 481 x 321.
    device : str
        See `resolve_device`.
    """

    image: Path | None = None
    n_strokes: int = 30
    n_documents: int = 5
    large: bool = False
    device: str = "auto"

    def picture(self) -> NDArray[np.generic]:
        """The pixels to work on; the bundled photograph is resized, a given image is not."""
        image = read_image(self.image or sample_path("cat"))
        if self.image is not None and not self.large:
            return image.pixels
        shape = LARGE if self.large else PHOTOGRAPH
        return np.asarray(cv2.resize(image.rgb, shape[::-1], interpolation=cv2.INTER_CUBIC))


@dataclass(frozen=True)
class Sample:
    """One measured run, in seconds: until the first and until the last labels."""

    first: float
    settled: float


@dataclass(frozen=True)
class Measured:
    """All samples of a plan."""

    shape: tuple[int, int]
    warm_up: Sample
    proposals: tuple[Sample, ...]
    strokes: tuple[Sample, ...]


@dataclass(frozen=True)
class Line:
    """One line of the table: a percentile beside its limit, in seconds."""

    what: str
    percentile: int
    seconds: float
    limit: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.seconds <= self.limit

    @property
    def name(self) -> str:
        """With the percentile, as a sentence calls it."""
        return f"{self.what}, p{self.percentile}"


def run_latency(plan: Plan, *, csv: Path | None = None) -> None:
    """Measure and print the table.

    Raises
    ------
    OSError, ValueError
        If the image cannot be read or the file not be written, in a sentence.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    measured = measure(plan)
    lines = summary(measured, large=plan.large)
    console.print(table(lines, measured))
    for sentence in (*verdict(lines), *circumstances(plan, measured)):
        console.print(sentence)
    if csv is not None:
        write_bytes(csv, csv_of(measured))
        console.print(str(csv))


def measure(plan: Plan) -> Measured:
    """Open documents cold, then draw on one."""
    pixels = plan.picture()
    warm_up = _proposal(pixels, plan.device)
    proposals = tuple(_proposal(pixels, plan.device) for _ in range(plan.n_documents))
    strokes = tuple(_strokes(pixels, plan))
    return Measured((pixels.shape[0], pixels.shape[1]), warm_up, proposals, strokes)


def _proposal(pixels: NDArray[np.generic], device: str) -> Sample:
    with _opened(pixels, device) as (_, live):
        return _timed(live, live.start)


def _strokes(pixels: NDArray[np.generic], plan: Plan) -> Iterator[Sample]:
    """Strokes of a random hand on one document, each after the one before has settled."""
    rng = np.random.default_rng(SEED)
    with _opened(pixels, plan.device) as (document, live):
        _timed(live, live.start)
        for number in range(plan.n_strokes):
            document.set_active(document.categories[number % N_CATEGORIES].id)
            points = random_stroke(document.image.shape, rng)
            draw = partial(document.paint, points, radius=max(document.image.shape) / 120)
            yield _timed(live, draw)


@contextmanager
def _opened(pixels: NDArray[np.generic], device: str) -> Iterator[tuple[Document, Live]]:
    """A new document of a new image, so that nothing computed before is known."""
    categories: tuple[Category, ...] = ()
    for _ in range(N_CATEGORIES):
        categories = (*categories, new_category(categories))
    document = Document(Image.of(pixels.copy()), categories)
    live = Live(document, device=device)
    try:
        yield document, live
    finally:
        live.close()


def _timed(live: Live, ask: Callable[[], None]) -> Sample:
    """Ask for a run and pull as the window's timer does, which starts with it, until it ends."""
    began = time.perf_counter()
    first = 0.0
    ask()
    while live.document.status.is_busy:
        time.sleep(pull_ms(live.document.status) / 1000)
        if live.pull():
            first = first or time.perf_counter() - began
        if time.perf_counter() - began > _DEADLINE:
            raise TimeoutError(f"A run has not ended within {_DEADLINE:g} s; measure again.")
    if live.document.status.phase == "failed":
        raise ValueError(live.document.status.message)
    return Sample(first, time.perf_counter() - began)


def random_stroke(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """A gently bent stroke inside the image, about a sixth of its longer side: (N, 2)."""
    n_points, step = 16, max(shape) / 96
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, n_points))
    steps = step * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    start = rng.uniform((0, 0), shape)
    return np.clip(start + np.cumsum(steps, axis=0), 0, np.array(shape) - 1)


def summary(measured: Measured, *, large: bool) -> tuple[Line, ...]:
    """The lines of the table; the limits hold for two processor cores and no accelerator."""
    update = (0.150, 0.300) if large else (0.060, 0.120)
    proposal = (None, None) if large else (0.3, 1.0)
    opened, drawn = measured.proposals, measured.strokes
    return (
        _line(FIRST_FRAME, 50, [sample.first for sample in opened], proposal[0]),
        _line(PROPOSAL, 50, [sample.settled for sample in opened], proposal[1]),
        _line(UPDATE, 50, [sample.first for sample in drawn], update[0]),
        _line(UPDATE, 95, [sample.first for sample in drawn], update[1]),
        _line(SETTLED, 50, [sample.settled for sample in drawn], None),
        _line(SETTLED, 95, [sample.settled for sample in drawn], None),
    )


def _line(what: str, percentile: int, seconds: list[float], limit: float | None) -> Line:
    return Line(what, percentile, float(np.percentile(seconds, percentile)), limit)


def table(lines: tuple[Line, ...], measured: Measured) -> Table:
    """The table as it is printed."""
    height, width = measured.shape
    shown = Table(title=f"{width} x {height} px", title_justify="left")
    shown.add_column("what")
    for column in ("", "measured", "limit"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for line in lines:
        limit = "" if line.limit is None else _duration(line.limit)
        met = {True: "yes", False: "NO", None: ""}[line.is_met]
        shown.add_row(line.what, f"p{line.percentile}", _duration(line.seconds), limit, met)
    return shown


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def verdict(lines: tuple[Line, ...]) -> Iterator[str]:
    """Which limits are met, in words."""
    for met, start in ((True, "Met"), (False, "Not met")):
        names = [line.name for line in lines if line.is_met is met]
        if names:
            yield f"{start}: {'; '.join(names)}."


def circumstances(plan: Plan, measured: Measured) -> Iterator[str]:
    """What the times depend on."""
    yield (
        f"{len(measured.proposals)} documents opened cold, {len(measured.strokes)} strokes, frames "
        f"pulled after {FIRST_MS} ms and then every {PULL_MS} ms; the first run of the process, "
        f"which loads torch, took {measured.warm_up.settled:.1f} s and does not count."
    )
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield (
        f"{processor()}, {core_count()} cores{load}; torch on {resolve_device(plan.device)} with "
        f"{torch.get_num_threads()} threads."
    )
    yield ", ".join(f"{name} {version}" for name, version in versions().items())


def csv_of(measured: Measured) -> bytes:
    """Every sample: what was done, its number, seconds to the first and to the last labels."""
    text = io.StringIO(newline="")
    rows = csv_module.writer(text, lineterminator="\n")
    rows.writerow(("run", "number", "first_s", "settled_s"))
    kinds = (("warm-up", (measured.warm_up,)), ("proposal", measured.proposals))
    for kind, samples in (*kinds, ("stroke", measured.strokes)):
        for number, sample in enumerate(samples, 1):
            rows.writerow((kind, number, f"{sample.first:.4f}", f"{sample.settled:.4f}"))
    return text.getvalue().encode()
