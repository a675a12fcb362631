"""A large image from file to labels: what a person waits for, and the memory of this process.

A tiled TIFF file without a pyramid is made up of the bundled photograph, opened as the window opens
it, proposed for as a whole, and drawn on at full resolution; without the window itself.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from unseg_studio.bench.latency import timed
from unseg_studio.data import Image, LargeImage, heap, new_category, open_image, read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document import Document, Live
from unseg_studio.features.lazy_torch import load_torch
from unseg_studio.segmenters import default_segmenter

SIDE = 10_000
TILE = 256
ON_SCREEN_S = 2.0
STROKE_P50_S, STROKE_P95_S = 0.150, 0.300
"""Until the first labels after a stroke."""

RAW_TIMES = 3
"""Memory of the process, in times of the file's raw size."""

OVERVIEW_STEP = 4
VIEW = (800, 1280)
SEED = 0


@dataclass(frozen=True)
class Row:
    """One line of the table, in seconds or in megabytes."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.value <= self.limit


def run_large(path: Path | None = None, *, side: int = SIDE, strokes: int = 20) -> None:
    """Measure and print the table.

    Parameters
    ----------
    path : Path or None
        The image; None: one is made up in a temporary file.
    side : int
        Height and width of the one that is made up, in pixels.
    strokes : int
        How many to draw.

    Raises
    ------
    OSError, ValueError
        If the image cannot be read.
    """
    heap.keep_little()
    load_torch()
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            path = Path(folder) / "large.tif"
            made_up(path, side)
        rows = list(measured(path, strokes=strokes))
    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(table(rows, path))


def made_up(path: Path, side: int) -> None:
    """Write a square RGB file, tile by tile, so that this takes no memory."""
    photograph = read_image(sample_path("cat")).rgb
    large = cv2.resize(photograph, (8 * TILE, 8 * TILE), interpolation=cv2.INTER_CUBIC)
    count = -(-side // TILE)

    def tiles() -> Iterator[NDArray[np.uint8]]:
        rng = np.random.default_rng(SEED)
        for number in range(count * count):
            top, left = (TILE * (place % 8) for place in divmod(number, count))
            tile = large[top : top + TILE, left : left + TILE].astype(np.int16)
            grain = rng.integers(-6, 7, tile.shape, np.int16)
            yield np.clip(tile + grain, 0, 255).astype(np.uint8)

    tifffile.imwrite(
        path,
        tiles(),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        compression="zlib",
        photometric="rgb",
    )


def measured(path: Path, *, strokes: int) -> Iterator[Row]:
    """Open, propose, look closer, draw."""
    floor = peak_mb()
    yield Row("memory before the image is opened", floor, "MB")
    began = time.perf_counter()
    image = open_image(path)
    first = _overview(image, began)
    yield Row("first rows on the screen", first, "s", ON_SCREEN_S)
    yield Row("all of it on the screen", time.perf_counter() - began, "s", ON_SCREEN_S)
    one = new_category(())
    document = Document(image, (one, new_category((one,))), default_segmenter(image))
    live = Live(document)
    try:
        yield Row("proposal of the whole", timed(live, live.start).settled, "s")
        yield from _drawn(live, strokes)
    finally:
        live.close()
    raw = image.shape[0] * image.shape[1] * image.n_channels * image.pixels.dtype.itemsize / 1e6
    yield Row("peak memory of the process", peak_mb(), "MB", RAW_TIMES * raw)


def _overview(image: Image, began: float) -> float:
    """Make what the screen shows of the whole; seconds until there was some of it."""
    first = 0.0
    if isinstance(image, LargeImage) and image.levels is not None:
        for _ in image.levels.filled(OVERVIEW_STEP):
            first = first or time.perf_counter() - began
    return first or time.perf_counter() - began


def _drawn(live: Live, strokes: int) -> Iterator[Row]:
    """Strokes of two categories in the middle of the image, at full resolution."""
    document, rng = live.document, np.random.default_rng(SEED)
    corner = [max(0, (n - v) // 2) for n, v in zip(document.image.shape, VIEW, strict=True)]
    rows, cols = (slice(start, start + v) for start, v in zip(corner, VIEW, strict=True))
    document.look_at((rows, cols))
    times = []
    for number in range(strokes + 2):
        document.set_active(document.categories[number % 2].id)
        start = rng.integers(40, np.subtract(VIEW, 120)) + corner
        line = start + np.linspace(0, 80, 30)[:, None]

        def draw(line: NDArray[np.float64] = line) -> None:
            document.paint(line, radius=8)

        times.append(timed(live, draw))
    yield Row("first stroke at a new place, settled", times[0].settled, "s")
    first, settled = ([getattr(t, name) for t in times[2:]] for name in ("first", "settled"))
    for what, seconds, limits in (
        ("stroke to first labels", first, (STROKE_P50_S, STROKE_P95_S)),
        ("stroke to settled labels", settled, (None, None)),
    ):
        for percentile, limit in zip((50, 95), limits, strict=True):
            value = float(np.percentile(seconds, percentile))
            yield Row(f"{what}, p{percentile}", value, "s", limit)


def peak_mb() -> float:
    """The most memory that this process has taken so far, in millions of bytes."""
    if sys.platform == "win32":
        return float("nan")
    import resource  # not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def table(rows: list[Row], path: Path) -> Table:
    """The table as it is printed."""
    shown = Table(title=path.name, title_justify="left")
    shown.add_column("what")
    for column in ("measured", "limit"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for row in rows:
        limit = "" if row.limit is None else _text(row.limit, row.unit)
        met = {True: "yes", False: "NO", None: ""}[row.is_met]
        shown.add_row(row.what, _text(row.value, row.unit), limit, met)
    return shown


def _text(value: float, unit: str) -> str:
    return f"{value:.0f} MB" if unit == "MB" else f"{value:.2f} s"
