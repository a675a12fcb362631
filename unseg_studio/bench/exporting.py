"""A project of many images in every format: seconds to look, to write, to check, and bytes.

The labels are made up, from a seed, as people leave them: of 40 blobs of all sizes with ragged
edges, which hide one another in part, each fourth with a hole; in five categories, four of which
are things and one is stuff. No image files are needed, since the project has the labels.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from unseg_studio.data import Category, Image, Mosaic, new_category
from unseg_studio.document import Document
from unseg_studio.formats import FORMATS, Format, decoded_iou, export, preflight_all
from unseg_studio.formats.remembered import Remembered
from unseg_studio.project import Project
from unseg_studio.segmenters import default_segmenter

T = TypeVar("T")

N_CATEGORIES = 5
N_BLOBS = 40
LARGEST_BLOB = 1 / 12
"""Its radius, in times of the image's side."""

HARMONICS = 96
"""Waves around a blob: the last ones make its edge ragged."""

POINTS = 720


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and seconds of all cores together."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """What one format took.

    Parameters
    ----------
    format : str
        A key of `FORMATS`.
    looking, writing : Cost
        Of the preflight, reading the project included, and of the file or folder.
    checking : Cost or None
        Of reading it again; None where the format is not read here.
    n_bytes : int
        Of all files.
    agreement : float
        Intersection over union of the masks and what was read; NaN where nothing was.
    """

    format: str
    looking: Cost
    writing: Cost
    checking: Cost | None
    n_bytes: int
    agreement: float


def run_exporting(formats: Sequence[str] = (), *, n_images: int, side: int, seed: int = 0) -> None:
    """Make the project, export it in each format, print the table.

    Parameters
    ----------
    formats : sequence of str
        Keys of `FORMATS`; none: all that hold many images.
    n_images, side : int
        How many, and their height and width in pixels.
    seed : int
        Of the labels.

    Raises
    ------
    ValueError
        If a format is unknown, or holds one image only.
    """
    chosen = chosen_formats(formats)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made up.unseg"
        made_up_project(path, n_images=n_images, side=side, seed=seed)
        rows = [measured(path, format_) for format_ in chosen]
    console.print(table(rows, title=f"{n_images} images of {side} x {side} px"))


def chosen_formats(names: Sequence[str]) -> list[Format]:
    """The formats of these names, or all; refuses those that hold one image only."""
    many = {name: format_ for name, format_ in FORMATS.items() if format_.holds_many}
    strays = [name for name in names if name not in many]
    if strays:
        raise ValueError(f"Format {strays[0]!r} was given; accepted are {', '.join(many)}.")
    return [many[name] for name in names or many]


# The project


def made_up_project(path: Path, *, n_images: int, side: int, seed: int) -> None:
    """Make a project whose images all are done, though there are no files of them."""
    categories = table_of_categories()
    image = Image.of(np.eye(side, dtype=np.uint8)[..., None])  # something to see, no matter what
    with Project.create(path) as project:
        project.set_categories(categories)
        names = [path.parent / f"image {number:05d}.png" for number in range(n_images)]
        for number, entry in enumerate(project.add_images(names)):
            document = Document(image, categories, default_segmenter(image))
            rng = np.random.default_rng((seed, number))
            document.show(Mosaic.of(made_up_labels(side, categories, rng)))
            project.accept(entry.id, document)
            project.flush()  # what waits to be written would fill the memory


def table_of_categories() -> tuple[Category, ...]:
    """Four things, and stuff."""
    categories: tuple[Category, ...] = ()
    for _ in range(N_CATEGORIES - 1):
        categories = (*categories, new_category(categories))
    last = new_category(categories)
    return (*categories, Category(last.id, last.name, last.color, "stuff"))


def made_up_labels(
    side: int, categories: Sequence[Category], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Blobs one over the other, `(side, side)` int32."""
    labels = np.zeros((side, side), np.int32)
    for number in range(N_BLOBS):
        radius = side * LARGEST_BLOB * rng.uniform(0.2, 1) ** 2
        centre = rng.uniform(0, side, 2)
        id_ = categories[number % len(categories)].id
        cv2.fillPoly(labels, [_outline(centre, radius, rng)], id_)
        if number % 4 == 0:
            cv2.fillPoly(labels, [_outline(centre, radius / 3, rng)], 0)
    return labels


def _outline(
    centre: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Points (N, 2) around a centre, as far from it as a sum of waves says."""
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    waves = np.arange(2, HARMONICS)
    strength = rng.normal(0, 0.25, waves.size) / waves
    distance = 1 + strength @ np.cos(
        waves[:, None] * angles + rng.uniform(0, 7, waves.size)[:, None]
    )
    around = np.stack([np.cos(angles), np.sin(angles)], 1) * np.abs(distance)[:, None]
    return np.rint(centre + radius * around).astype(np.int32)


# What it takes


def measured(path: Path, format_: Format) -> Row:
    """Export a project as the command line does, and read the result again."""
    name = format_.name
    with Project.open(path, read_only=True) as project, tempfile.TemporaryDirectory() as folder:
        annotations = Remembered(project.annotations())
        out = Path(folder) / format_.named("out", many=True)
        looking, _ = timed(lambda: preflight_all(annotations, name))
        writing, _ = timed(lambda: export(annotations, out, format=name))
        checking, agreement = timed(lambda: decoded_iou(annotations, out, name))
        return Row(
            name, looking, writing, checking if agreement else None, n_bytes_in(out),
            agreement.overall if agreement else float("nan"),
        )  # fmt: skip


def timed(work: Callable[[], T]) -> tuple[Cost, T]:
    """Do something; what it took, other processes that it started included, and what it gave."""
    began, before = time.perf_counter(), _cpu_seconds()
    made = work()
    return Cost(time.perf_counter() - began, _cpu_seconds() - before), made


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def n_bytes_in(path: Path) -> int:
    """Of a file, or of all in a folder."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.stem}*")
    return sum(file.stat().st_size for file in files if file.is_file())


def table(rows: Iterable[Row], *, title: str) -> Table:
    """The table as it is printed; seconds are those of the clock / of all cores."""
    shown = Table(title=f"{title}, seconds of the clock / of all cores", title_justify="left")
    shown.add_column("format")
    for column in ("looking", "writing", "both", "checking", "MB", "IoU"):
        shown.add_column(column, justify="right")
    for row in rows:
        both = Cost(row.looking.wall + row.writing.wall, row.looking.cpu + row.writing.cpu)
        shown.add_row(
            row.format, *map(_text, (row.looking, row.writing, both, row.checking)),
            f"{row.n_bytes / 1e6:.1f}", "" if row.checking is None else f"{row.agreement:.4f}",
        )  # fmt: skip
    return shown


def _text(cost: Cost | None) -> str:
    return "" if cost is None else f"{cost.wall:.1f} / {cost.cpu:.1f}"
