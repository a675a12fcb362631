"""How much sooner two workers of a Dask cluster are done than one, on the cores of this machine.

Two clusters run here, with one and with two workers of one thread each; after a pass that loads
the libraries, they propose in turn for the same images. Everything counts: connecting, sending,
writing into the project. What else runs on the machine slows both, but not always alike, so the
median of the ratios of neighbours is told, and the load.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image as Pillow
from rich.console import Console
from rich.table import Table

from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.document.scheduler import require_package
from unseg_studio.project import Project
from unseg_studio.project.batch import propose
from unseg_studio.segmenters import Segmenter

LIMIT = 1.7
"""What two workers should be at least, in times of one."""

SHIFT = 37
"""Pixels by which each image is moved against the one before, so that no two are the same."""


@dataclass(frozen=True)
class Pair:
    """The same images by one worker and by two, one after the other.

    Parameters
    ----------
    one, two : float
        Seconds.
    load : float
        Of the machine in the last minute; NaN where the system does not say.
    """

    one: float
    two: float
    load: float

    @property
    def ratio(self) -> float:
        """How many times as quick two are."""
        return self.one / self.two


def run_cluster(segmenter: Segmenter, *, n_images: int, repeats: int) -> None:
    """Measure, and print the table.

    Raises
    ------
    ClusterError
        If the package is missing.
    """
    require_package()
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        pairs = measured(Path(folder), segmenter, n_images=n_images, repeats=repeats)
    console.print(table(pairs, title=f"{segmenter.title}, {n_images} images"))
    console.print(verdict(pairs))


def measured(folder: Path, segmenter: Segmenter, *, n_images: int, repeats: int) -> list[Pair]:
    """Seconds of both clusters, in turn; which of them begins changes."""
    with (
        made_up_project(folder, n_images) as project,
        local_cluster(folder / "one", 1) as one,
        local_cluster(folder / "two", 2) as two,
    ):
        addresses = [one, two]
        for address in addresses:
            seconds(project, segmenter, address)
        pairs = []
        for number in range(repeats):
            order = addresses if number % 2 == 0 else addresses[::-1]
            found = {address: seconds(project, segmenter, address) for address in order}
            pairs.append(Pair(found[one], found[two], load()))
        return pairs


def seconds(project: Project, segmenter: Segmenter, address: str) -> float:
    """For proposals of all images of a project.

    Raises
    ------
    RuntimeError
        If there is none for an image.
    """
    images = [entry.id for entry in project.images()]
    began = time.perf_counter()
    for outcome in propose(project, segmenter, images, device="cpu", cluster=address):
        if not outcome.is_kept:
            raise RuntimeError(outcome.problem)
    return time.perf_counter() - began


@contextmanager
def made_up_project(folder: Path, n_images: int) -> Iterator[Project]:
    """A project of so many images, each the bundled photograph in another place."""
    pixels = np.asarray(read_image(sample_path("cat")).pixels)
    images = folder / "images"
    images.mkdir(parents=True)
    for number in range(n_images):
        moved = np.roll(pixels, SHIFT * number, axis=1)
        Pillow.fromarray(moved).save(images / f"{number:04d}.png")
    with Project.create(folder / "made up.unseg") as project:
        project.add_images(sorted(images.glob("*.png")))
        yield project


@contextmanager
def local_cluster(folder: Path, n_workers: int) -> Iterator[str]:
    """A cluster on this machine, whose workers compute in one thread each; its address."""
    import distributed

    options: dict[str, Any] = {
        "threads_per_worker": 1,
        "dashboard_address": ":0",
        "host": "127.0.0.1",
        "local_directory": str(folder),
        "env": {"OMP_NUM_THREADS": "1", "UNSEG_CACHE": str(folder / "cache")},
    }
    with distributed.LocalCluster(n_workers=n_workers, **options) as cluster:
        yield str(cluster.scheduler_address)


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def table(pairs: Sequence[Pair], *, title: str) -> Table:
    """Every pair."""
    found = Table("one worker", "two workers", "ratio", "load", title=title)
    for pair in pairs:
        one, two = f"{pair.one:.2f} s", f"{pair.two:.2f} s"
        found.add_row(one, two, f"{pair.ratio:.2f}", f"{pair.load:.1f}")
    return found


def verdict(pairs: Sequence[Pair]) -> str:
    """The median, and whether it is enough."""
    ratio = median(pair.ratio for pair in pairs)
    is_enough = "reached" if ratio >= LIMIT else "not reached"
    return f"Two workers are {ratio:.2f} times as quick as one (median); {LIMIT} is {is_enough}."
