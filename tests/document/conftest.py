"""Small images, documents with two clusters, and a segmenter whose steps the test lets through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from unseg_studio.data import FIRST_CLUSTER, Category, Image, Scribbles
from unseg_studio.document import Document, Live
from unseg_studio.segmenters import Estimate, Fit, param

SECONDS = 20.0
"""A test that waits longer has failed."""

LEFT, RIGHT = FIRST_CLUSTER, FIRST_CLUSTER + 1


def halves(shape: tuple[int, int] = (12, 16)) -> Image:
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[:, shape[1] // 2 :] = 200
    return Image.of(pixels)


@dataclass(eq=False)
class Script:
    """What happens inside a run, and when."""

    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    is_open: bool = True
    n_steps: int = 5
    fails_in: str = ""
    error: Exception = field(default_factory=lambda: RuntimeError("the network burst"))
    n_fits: int = 0
    threads: set[threading.Thread] = field(default_factory=set)
    recalled: list[int] = field(default_factory=list)
    fits_of_runs: list[int] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def let(self, n_steps: int) -> None:
        for _ in range(n_steps):
            self.gate.release()

    def passes(self, place: str) -> None:
        self.threads.add(threading.current_thread())
        if place == self.fails_in:
            raise self.error
        if place == "refine" and not self.is_open and not self.gate.acquire(timeout=SECONDS):
            raise TimeoutError("The test never let this step through.")


@dataclass(frozen=True)
class Stepwise:
    """Two clusters, left and right; every step waits for the script."""

    name: ClassVar[str] = "stepwise"
    title: ClassVar[str] = "Stepwise"
    summary: ClassVar[str] = "Waits for the test."
    presets: ClassVar[dict[str, dict[str, Any]]] = {"only": {}}

    sharpness: int = param(4, "Sharpness", "More is surer.", low=1, high=9, step=1)
    script: Script = field(default_factory=Script)

    def fit(self, image: Image, device: str = "auto") -> Fit:
        self.script.passes("fit")
        self.script.n_fits += 1
        return StepwiseFit(self, image, self.script.n_fits)


@dataclass(eq=False)
class StepwiseFit:
    segmenter: Stepwise
    image: Image
    number: int
    n_refined: int = 0

    def memory(self) -> object:
        return self.n_refined

    def recall(self, memory: object) -> None:
        self.n_refined = int(str(memory))
        self.segmenter.script.recalled.append(self.n_refined)

    def refine(self, scribbles: Scribbles) -> Iterator[Estimate]:
        script = self.segmenter.script
        script.fits_of_runs.append(self.number)
        script.ended.clear()
        script.began.set()
        try:
            for step in range(1, script.n_steps + 1):
                script.passes("refine")
                self.n_refined += 1
                yield self._estimate(scribbles, step)
        finally:
            script.ended.set()

    def _estimate(self, scribbles: Scribbles, step: int) -> Estimate:
        height, width = self.image.shape
        scores = torch.zeros(2 + len(scribbles.categories), height, width)
        scores[0, :, : width // 2] = scores[1, :, width // 2 :] = self.segmenter.sharpness
        n_steps = self.segmenter.script.n_steps
        ids = (LEFT, RIGHT, *scribbles.categories)
        return Estimate(scores, ids, step, n_steps, 1 / step, is_last=step == n_steps)


@pytest.fixture
def image() -> Image:
    return halves()


@pytest.fixture
def table() -> tuple[Category, ...]:
    return (
        Category(1, "cell", "#e69f00"),
        Category(2, "wall", "#56b4e9", "stuff"),
        Category(3, "dirt", "#009e73"),
    )


@pytest.fixture
def document(image: Image, table: tuple[Category, ...]) -> Document:
    """Left and right half are clusters, as after a first proposal."""
    document = Document(image, table)
    document.show(np.where(np.indices(image.shape)[1] < 8, LEFT, RIGHT).astype(np.int32))
    return document


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def steered(image: Image, table: tuple[Category, ...], script: Script) -> Document:
    """A document whose runs follow the script."""
    return Document(image, table, Stepwise(script=script))


@pytest.fixture
def live(steered: Document, script: Script) -> Iterator[Live]:
    live = Live(steered, device="cpu")
    yield live
    script.is_open = True
    script.let(1000)
    live.close()


@pytest.fixture
def snapshot() -> Callable[[Document], dict[str, Any]]:
    return snapshot_of


def snapshot_of(document: Document) -> dict[str, Any]:
    """Everything that undo must bring back, in values that compare."""
    state = document.state
    planes = {
        "scribbles": state.scribbles.ids,
        "named": state.named.ids,
        "edits": state.edits.ids,
        "live": state.live,
        "labels": state.labels,
    }
    assert all(plane.dtype == np.int32 for plane in planes.values())
    assert not any(plane.flags.writeable for plane in planes.values())
    values = {
        "categories": state.categories,
        "locks": state.locks,
        "segmenter": state.segmenter,
        "fill": state.fill,
    }
    return {**values, **{name: plane.tolist() for name, plane in planes.items()}}
