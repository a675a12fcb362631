"""What is measured, each in a process of its own; every time is in seconds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import dask.array as da
import numpy as np
import psutil  # type: ignore[import-untyped]
from dask.delayed import delayed
from numpy.typing import NDArray

from napari_unseg.bench.figures import (
    ALONE,
    BARE,
    BEGUN,
    BLOCKED,
    DRAWN,
    GREW_BEGIN,
    GREW_SCROLL,
    GREW_WORK,
    HELD,
    JOBS,
    LABELLED,
    OPENED,
    PLAIN,
    READ,
    READ_WORKED,
    SETTLED,
    SIZE,
    UPDATED,
    WORKING,
)
from napari_unseg.bench.stage import Stage, nuclei, nuclei_stack, staged
from napari_unseg.planes import Planes
from unseg_studio.bench.verbs import random_stroke
from unseg_studio.data import Image
from unseg_studio.document import Document, Live, Worker, pull_ms

SEED = 0
N_CATEGORIES = 3
MIB = 2**20

Samples = dict[str, list[float]]


def measure_strokes(n_strokes: int, side: int) -> Samples:
    """Strokes with the mouse on a 2-D image, each after the one before has settled."""
    rng, samples = np.random.default_rng(SEED), {name: list[float]() for name in _STROKE_NAMES}
    with staged() as stage:
        session, alone = _begun(stage, nuclei(side)), _Alone(nuclei(side))
        for document in (session.document, alone.document):
            for _ in range(N_CATEGORIES - 1):
                document.add_category()
        stage.rest(0.5)
        for number in range(n_strokes):
            for document in (session.document, alone.document):
                document.set_active(document.categories[number % N_CATEGORIES].id)
            points = np.asarray(random_stroke((side, side), rng), float)
            found = _stroke(stage, session, points)
            found[BARE] = alone.first_labels(points, radius=session.link.scribbles.brush_size / 2)
            for name, seconds in found.items():
                samples[name].append(seconds)
        alone.live.close()
    return samples


_STROKE_NAMES = (UPDATED, DRAWN, SETTLED, HELD, BARE)


class _Alone:
    """The same strokes without napari and without a window, for comparison under one load."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.document = Document(Image.of(pixels[..., np.newaxis].copy()))
        self.live = Live(self.document)
        self.live.start()
        self.live.wait()

    def first_labels(self, points: NDArray[np.float64], *, radius: float) -> float:
        """Seconds from a stroke to its first labels; the run goes on to its end."""
        began, first = time.perf_counter(), 0.0
        self.document.paint(points, radius=radius)
        while self.document.status.is_busy:
            time.sleep(pull_ms(self.document.status) / 1000)
            if self.live.pull():
                first = first or time.perf_counter() - began
        return first


def _begun(stage: Stage, pixels: Any, **attributes: Any) -> Any:
    """The session of a layer, once its first labels have settled."""
    stage.viewer.add_image(pixels, **attributes)
    dock = stage.open_dock()
    stage.rest(0.2)
    dock.begin()
    if dock.session is None:
        raise ValueError(dock.message)
    stage.wait(lambda: not dock.session.document.status.is_busy)
    stage.rest(0.5)
    return dock.session


def _stroke(stage: Stage, session: Any, points: NDArray[np.float64]) -> dict[str, float]:
    preview, layer, arrived = session.link.preview, session.link.scribbles, list[float]()
    stage.press(layer, points)
    stage.rest(0.05)
    with _noting(preview.events.set_data, lambda: arrived.append(time.perf_counter())):
        began = time.perf_counter()
        stage.release(layer, points[-1])
        held = time.perf_counter() - began
        stage.wait(lambda: arrived or not session.document.status.is_busy)
        stage.wait(lambda: not arrived or stage.last_drawn > arrived[0])
        drawn = stage.last_drawn - began
        stage.wait(lambda: not session.document.status.is_busy)
        stage.rest(0.5)
    if not arrived:  # it was drawn where everything had its category already
        return {}
    found = arrived[0] - began, drawn, arrived[-1] - began, held
    return dict(zip(_STROKE_NAMES, found, strict=False))


@contextmanager
def _noting(emitter: Any, note: Callable[[], None]) -> Iterator[None]:
    def noted(_event: Any = None) -> None:
        note()

    emitter.connect(noted)
    try:
        yield
    finally:
        emitter.disconnect(noted)


# Sliders


def measure_sliders(n_moves: int, side: int, n_planes: int) -> Samples:
    """Slider moves until they are drawn, in three windows in turn, under the same load."""
    pixels, counts = nuclei_stack(side, n_planes), Counter[str]()
    with staged() as alone, staged() as plain, staged() as working:
        alone.viewer.add_image(pixels)
        plain.viewer.add_image(pixels)
        for _ in range(3):
            plain.viewer.add_labels(np.zeros(pixels.shape, np.uint16))
        session = _begun(working, pixels)
        session.carry(everywhere=False)
        working.wait(lambda: not session.is_carrying)
        working.rest(1.0)
        stages = {ALONE: alone, PLAIN: plain, WORKING: working}
        samples = {name: list[float]() for name in stages}
        with _counting(counts):
            for number in range(n_moves):
                for name, stage in stages.items():
                    samples[name].append(_move(stage, (7 * number) % n_planes))
    return {**samples, JOBS: [float(counts[JOBS])], READ: [float(counts[READ])]}


def _move(stage: Stage, plane: int) -> float:
    """One step of the slider, until the canvas has drawn and nothing else waits to be done."""
    began = time.perf_counter()
    stage.viewer.dims.set_current_step(0, plane)
    stage.wait_until_drawn()
    return time.perf_counter() - began


@contextmanager
def _counting(counts: Counter[str]) -> Iterator[None]:
    """How often work is given to a worker, and how often the plugin reads a plane."""
    submit, read = Worker.submit, Planes.read

    def submitted(worker: Worker, job: Any) -> None:
        counts[JOBS] += 1
        submit(worker, job)

    def was_read(planes: Planes, index: Any) -> Any:
        counts[READ] += 1
        return read(planes, index)

    with patch.object(Worker, "submit", submitted), patch.object(Planes, "read", was_read):
        yield


# Opening


def measure_opening(side: int) -> Samples:
    """Open the dock in a new napari and begin at once; for a process that has done neither."""
    with staged() as stage:
        stage.viewer.add_image(nuclei(side))
        stage.rest(1.0)
        began = time.perf_counter()
        dock = stage.open_dock()
        stage.wait_until_drawn()
        opened = time.perf_counter() - began
        blocked = _longest_block(stage, seconds=6.0)
        began = time.perf_counter()
        dock.begin()
        stage.wait_until_drawn()
        begun = time.perf_counter() - began
        link = dock.session.link
        stage.wait(lambda: link.preview.data.any())
        labelled = time.perf_counter() - began
    names = (OPENED, BLOCKED, BEGUN, LABELLED)
    return {name: [s] for name, s in zip(names, (opened, blocked, begun, labelled), strict=True)}


def _longest_block(stage: Stage, *, seconds: float) -> float:
    ticks = [time.perf_counter()]

    def tick() -> bool:
        ticks.append(time.perf_counter())
        return ticks[-1] - ticks[0] > seconds

    stage.wait(tick)
    return float(np.diff(ticks).max())


# Memory


def measure_memory(side: int, n_planes: int) -> Samples:
    """Begin on a stack that lies elsewhere, draw on two other planes, and scroll."""
    read: list[int] = []
    with staged() as other:
        _begun(other, nuclei(256))  # what libraries take does not count
    with staged() as stage:
        stage.viewer.add_image(_distant(side, n_planes, read), contrast_limits=(0, 6000))
        stage.viewer.dims.set_current_step(0, 3)
        stage.rest(1.0)
        dock = stage.open_dock()
        before = _rss()
        read.clear()
        dock.begin()
        stage.wait(lambda: not dock.session.document.status.is_busy)
        stage.rest(0.5)
        begun = _rss()
        for plane in (n_planes // 2, n_planes - 5):
            _paint(stage, dock.session, plane)
        worked, by_plugin = _rss(), set(read)
        for plane in range(40):
            stage.viewer.dims.set_current_step(0, plane)
            stage.wait_until_drawn()
        scrolled = _rss()
        size = stage.viewer.layers[0].data.nbytes / 1e9
    return {
        SIZE: [size], READ_WORKED: [len(by_plugin)],
        GREW_BEGIN: [begun - before], GREW_WORK: [worked - begun], GREW_SCROLL: [scrolled - worked],
    }  # fmt: skip


def _distant(side: int, n_planes: int, read: list[int]) -> Any:
    """A stack in dask that is made plane by plane, when somebody asks."""

    def plane(z: int) -> NDArray[np.uint16]:
        read.append(z)
        pixels = np.random.default_rng(z).integers(0, 999, (1, side, side)).astype(np.uint16)
        pixels[..., side // 2 :] += 5000
        return pixels

    one = side, side
    parts = [
        da.from_delayed(delayed(plane)(z), (1, *one), np.uint16)  # type: ignore[no-untyped-call]
        for z in range(n_planes)
    ]
    return da.concatenate(parts)  # type: ignore[no-untyped-call]


def _paint(stage: Stage, session: Any, plane: int) -> None:
    """One stroke on a plane that is not shown, and its labels."""
    layer = session.link.scribbles
    with layer.block_history():
        layer.paint((plane, 100, 100), 1)
    stage.wait(lambda: not session.document.status.is_busy)
    stage.rest(0.2)


def _rss() -> float:
    return float(psutil.Process().memory_info().rss) / MIB


MEASURES: dict[str, Callable[..., Samples]] = {
    "strokes": measure_strokes,
    "sliders": measure_sliders,
    "opening": measure_opening,
    "memory": measure_memory,
}


def answer(which: str, *arguments: int) -> Samples:
    """Measure, by name."""
    return MEASURES[which](*arguments)
