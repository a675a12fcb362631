"""How soon the labels follow: document, worker and decoder as in the window, without the window.

    Document.paint -> job -> worker -> frame -> Live.pull, asked every `pull_ms` as the window asks

A time ends when the labels have arrived in the document; painting them on the screen comes on top.
A second table shows how long the document's verbs hold the thread that calls them.
"""

from __future__ import annotations

import csv as csv_module
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from unseg_studio.bench.verbs import LIMITS as VERB_LIMITS
from unseg_studio.bench.verbs import Seconds, measure_verbs, random_stroke
from unseg_studio.data import Category, Image, new_category, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import PULL_MS, SOON_MS, Document, Live, pull_ms
from unseg_studio.document.machine import core_count, processor
from unseg_studio.formats.atomic import write_bytes
from unseg_studio.segmenters import Segmenter, default_segmenter, resolve_device
from unseg_studio.version import versions

PHOTOGRAPH = (321, 481)
N_CATEGORIES = 8
SEED = 0

FIRST_FRAME = "first frame of a new image"
PROPOSAL = "converged proposal"
FIRST_UPDATE = "first stroke of a document to first updated frame"
FIRST_SETTLED = "first stroke of a document to settled labels"
"""Drawn at the very moment when the proposal settles: what strokes need is still to be computed."""

UPDATE = "stroke to first updated frame"
SETTLED = "stroke to settled labels"
AMONG_UPDATE = "stroke among clusters to first updated frame"
AMONG_SETTLED = "stroke among clusters to settled labels"
"""All strokes are of one category, so the clusters stay, and the segmenter goes on with them."""

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
        Strokes on one document after its first one; as many again are drawn among clusters.
    n_documents : int
        Documents opened cold, after one that warms up.
    size : int or None
        On so many pixels in height and width; None: the photograph on 481 x 321 px, a given
        image as it is.
    device : str
        See `resolve_device`.
    segmenter : Segmenter
        What proposes, and goes on among clusters; strokes of several categories decide alone.
    """

    image: Path | None = None
    n_strokes: int = 30
    n_documents: int = 5
    size: int | None = None
    device: str = "auto"
    segmenter: Segmenter = field(default_factory=default_segmenter)

    def picture(self) -> NDArray[np.generic]:
        """The pixels to work on; the bundled photograph is resized, a given image is not."""
        image = read_image(self.image or sample_path("cat"))
        if self.image is not None and self.size is None:
            return image.pixels
        shape = PHOTOGRAPH if self.size is None else (self.size, self.size)
        return np.asarray(cv2.resize(image.rgb, shape[::-1], interpolation=cv2.INTER_CUBIC))


@dataclass(frozen=True)
class Limits:
    """Seconds that the design allows on two processor cores and no accelerator; None: any."""

    first_frame: float | None = None
    proposal: float | None = None
    update_p50: float | None = None
    update_p95: float | None = None
    settled: float | None = None


LIMITS: dict[int | None, Limits] = {
    None: Limits(0.300, 1.0, 0.060, 0.120, settled=0.250),
    2048: Limits(update_p50=0.150, update_p95=0.300, settled=1.0),
}
"""By the size of the plan."""


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
    first_strokes: tuple[Sample, ...]
    strokes: tuple[Sample, ...]
    among: tuple[Sample, ...] = ()
    verbs: Seconds = field(default_factory=dict)


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
    lines, verbs = summary(measured, size=plan.size), verb_lines(measured)
    console.print(table(lines, measured))
    console.print(table(verbs, measured, about="the document's verbs, "))
    for sentence in (*verdict((*lines, *verbs)), *circumstances(plan, measured)):
        console.print(sentence)
    if csv is not None:
        write_bytes(csv, csv_of(measured))
        console.print(str(csv))


def measure(plan: Plan) -> Measured:
    """Open documents cold, then draw on one."""
    pixels = plan.picture()
    warm_up = _proposal(pixels, plan)
    proposals = tuple(_proposal(pixels, plan) for _ in range(plan.n_documents))
    (first, *strokes), (other, *among) = (_strokes(pixels, plan, most=n) for n in (N_CATEGORIES, 1))
    verbs = measure_verbs(Image.of(pixels.copy()), _categories(), seed=SEED)
    shape = pixels.shape[0], pixels.shape[1]
    return Measured(shape, warm_up, proposals, (first, other), tuple(strokes), tuple(among), verbs)


def _proposal(pixels: NDArray[np.generic], plan: Plan) -> Sample:
    with _opened(pixels, plan) as (_, live):
        return timed(live, live.start)


def _strokes(pixels: NDArray[np.generic], plan: Plan, *, most: int) -> Iterator[Sample]:
    """Strokes of so many categories on one document, each after the one before has settled."""
    rng = np.random.default_rng(SEED)
    with _opened(pixels, plan) as (document, live):
        timed(live, live.start)
        for number in range(1 + plan.n_strokes):
            document.set_active(document.categories[number % most].id)
            points = random_stroke(document.image.shape, rng)
            draw = partial(document.paint, points, radius=max(document.image.shape) / 120)
            yield timed(live, draw)


@contextmanager
def _opened(pixels: NDArray[np.generic], plan: Plan) -> Iterator[tuple[Document, Live]]:
    """A new document of a new image, so that nothing computed before is known."""
    document = Document(Image.of(altered(pixels)), _categories(), segmenter=plan.segmenter)
    live = Live(document, device=plan.device)
    try:
        yield document, live
    finally:
        live.close()


def altered(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """A few pixels, at random, in the places of others: no cache, on disk either, has that."""
    found = pixels.copy()
    places = np.random.default_rng().integers(found.shape[:2], size=(16, 2)).T
    found[tuple(places)] = pixels[tuple(np.roll(places, 1, axis=1))]
    return found


def _categories() -> tuple[Category, ...]:
    categories: tuple[Category, ...] = ()
    for _ in range(N_CATEGORIES):
        categories = (*categories, new_category(categories))
    return categories


def timed(live: Live, ask: Callable[[], None]) -> Sample:
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


def summary(measured: Measured, *, size: int | None) -> tuple[Line, ...]:
    """The lines of the first table."""
    limits = LIMITS.get(size, Limits())
    opened, drawn, among = measured.proposals, measured.strokes, measured.among
    begun = measured.first_strokes
    return (
        _line(FIRST_FRAME, 50, [sample.first for sample in opened], limits.first_frame),
        _line(PROPOSAL, 50, [sample.settled for sample in opened], limits.proposal),
        _line(FIRST_UPDATE, 50, [sample.first for sample in begun], None),
        _line(FIRST_SETTLED, 50, [sample.settled for sample in begun], None),
        _line(UPDATE, 50, [sample.first for sample in drawn], limits.update_p50),
        _line(UPDATE, 95, [sample.first for sample in drawn], limits.update_p95),
        _line(SETTLED, 50, [sample.settled for sample in drawn], limits.settled),
        _line(SETTLED, 95, [sample.settled for sample in drawn], limits.settled),
        _line(AMONG_UPDATE, 50, [sample.first for sample in among], limits.update_p50),
        _line(AMONG_UPDATE, 95, [sample.first for sample in among], limits.update_p95),
        _line(AMONG_SETTLED, 50, [sample.settled for sample in among], None),
        _line(AMONG_SETTLED, 95, [sample.settled for sample in among], None),
    )


def verb_lines(measured: Measured) -> tuple[Line, ...]:
    """The lines of the second table: the limit is for most calls, the median stands beside it."""
    return tuple(
        _line(what, percentile, seconds, VERB_LIMITS[what])
        for what, seconds in measured.verbs.items()
        for percentile in (50, 95)
    )


def _line(what: str, percentile: int, seconds: list[float], limit: float | None) -> Line:
    return Line(what, percentile, float(np.percentile(seconds, percentile)), limit)


def table(lines: tuple[Line, ...], measured: Measured, *, about: str = "") -> Table:
    """A table as it is printed."""
    height, width = measured.shape
    shown = Table(title=f"{about}{width} x {height} px", title_justify="left")
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
    return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"


def verdict(lines: tuple[Line, ...]) -> Iterator[str]:
    """Which limits are met, in words."""
    for met, start in ((True, "Met"), (False, "Not met")):
        names = [line.name for line in lines if line.is_met is met]
        if names:
            yield f"{start}: {'; '.join(names)}."


def circumstances(plan: Plan, measured: Measured) -> Iterator[str]:
    """What the times depend on."""
    yield (
        f"{plan.segmenter.title}; {len(measured.proposals)} documents opened cold, "
        f"{len(measured.strokes)} strokes of {N_CATEGORIES} categories and as many of one, frames "
        f"pulled every {SOON_MS} ms for the first and the last, every {PULL_MS} ms in between; the "
        f"first run of the process, which loads torch, took {measured.warm_up.settled:.1f} s and "
        "does not count."
    )
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield (
        f"{processor()}, {core_count()} cores{load}; torch on {resolve_device(plan.device)} with "
        f"{torch.get_num_threads()} threads."
    )
    yield ", ".join(f"{name} {version}" for name, version in versions().items())


def csv_of(measured: Measured) -> bytes:
    """Every sample: what was done, its number, seconds to the first and to the last labels.

    Of a verb there is only when it was done.
    """
    text = io.StringIO(newline="")
    rows = csv_module.writer(text, lineterminator="\n")
    rows.writerow(("run", "number", "first_s", "settled_s"))
    kinds = (("warm-up", (measured.warm_up,)), ("proposal", measured.proposals))
    drawn = (
        ("first stroke", measured.first_strokes),
        ("stroke", measured.strokes),
        ("stroke among clusters", measured.among),
    )
    for kind, samples in (*kinds, *drawn):
        for number, sample in enumerate(samples, 1):
            rows.writerow((kind, number, f"{sample.first:.4f}", f"{sample.settled:.4f}"))
    for what, seconds in measured.verbs.items():
        for number, second in enumerate(seconds, 1):
            rows.writerow((what, number, "", f"{second:.4f}"))
    return text.getvalue().encode()
