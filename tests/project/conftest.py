"""Projects in a folder of their own, made-up images, and what must come back after opening."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.processes import forkserver
from tests.threads import one_thread  # noqa: F401 - for all tests here
from unseg_studio.data import FIRST_CLUSTER, Image
from unseg_studio.document import Document
from unseg_studio.project import Project, workers

SHAPE = (300, 280)


def made_up(seed: int = 0, shape: tuple[int, int] = SHAPE) -> Image:
    rows, cols = np.indices(shape)
    return Image.of(((rows * (seed + 1) + cols) % 256).astype(np.uint8))


def stripes(width: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return (np.indices(shape)[1] // width + FIRST_CLUSTER).astype(np.int32)


def snapshot(document: Document) -> dict[str, Any]:
    """Everything that opening must bring back."""
    state, record = document.state, document.record
    planes = (state.scribbles.ids, state.named.ids, state.edits.ids, state.live, state.labels)
    return {
        "planes": [hashlib.blake2b(plane.tobytes(), digest_size=6).hexdigest() for plane in planes],
        "categories": state.categories,
        "locks": state.locks,
        "segmenter": state.segmenter,
        "fill": state.fill,
        "texts": (document.undo_text, document.redo_text),
        "n": (record.n_done, len(record.steps)),
    }


def image_files(folder: Path, n: int = 3) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"image {number}.png" for number in range(n)]
    for number, file in enumerate(files):
        Pillow.fromarray(np.asarray(made_up(number).pixels[..., 0])).save(file)
    return files


@pytest.fixture(scope="session")
def loaded(own_cache: None) -> ForkServerContext:
    """Where processes come from that have everything loaded, and the cache of these tests."""
    context = forkserver()
    ensure_running()
    return context


@pytest.fixture
def quick_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of a batch that begin at once, where nothing is said of how they begin."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        monkeypatch.setattr(workers, "_START", request.getfixturevalue("loaded"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An open project of three images whose files are there."""
    with Project.create(tmp_path / "cells.unseg") as project:
        project.add_images(image_files(tmp_path / "images"))
        yield project


@pytest.fixture
def told(project: Project) -> list[str]:
    """The sentences that the project has said."""
    sentences: list[str] = []
    project.events.trouble.connect(sentences.append)
    return sentences


@pytest.fixture
def worked(project: Project) -> Document:
    """The document of the first image after some work that the project has kept."""
    document = project.open_document(1)
    with project.journal(document, 1):
        work_on(document)
    return document


def work_on(document: Document) -> None:
    document.show(stripes(40))
    document.paint([(10, 20), (200, 100)], radius=5)
    document.show(stripes(41))
    document.brush([(250, 20), (250, 260)], radius=9)
    document.add_category("wall", "stuff")
    document.name_cluster(FIRST_CLUSTER + 2)
    document.toggle_lock(1)
    document.undo()


Reopen = Callable[[Project], Project]


def reopened(project: Project) -> Project:
    project.close()
    return Project.open(project.path)
