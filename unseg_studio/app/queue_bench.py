"""`python -m unseg_studio.app.queue_bench`: how soon the review queue answers, in a real window.

Images are made up, opened as projects, and gone through with real key events. A time ends when
what was asked for is painted:

    key ---> review: another image ---> canvas painted, row of the list painted ---> time ends

A timer that should strike every few milliseconds says meanwhile how long the window stood still.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QEventLoop, QObject, QSettings, Qt, QTimer
from qtpy.QtTest import QTest
from rich.console import Console
from rich.table import Table

from unseg_studio.app.main import make_application, spare_the_collector
from unseg_studio.app.window import MainWindow
from unseg_studio.bench.screen import circumstances, wide_console
from unseg_studio.data import read_image
from unseg_studio.data.samples import sample_path
from unseg_studio.project import SUFFIX, Project

SAMPLES = ("cat", "nuclei", "tissue")
"""Images are cut out of these in turn."""

SIZE = 1440, 900
SEED = 0

ACCEPTED = "accept and next, prepared"
WENT_BACK = "previous image"
CLICKED = "click on a row, new image"
OPENED = "project opened: list painted"
SHOWN = "project opened: first image painted"
LISTED = "long project opened: list painted"
ADDED = "long folder added: list painted"
STOOD_OPENING = "longest pause: opening the project"
STOOD_REVIEWING = "longest pause: while the next image is prepared"
STOOD_LISTING = "longest pause: opening the long project"
STOOD_ADDING = "longest pause: adding the long folder"

LIMITS: dict[str, float] = {
    ACCEPTED: 0.150,
    WENT_BACK: 0.150,
    CLICKED: 0.150,
    OPENED: 1.0,
    LISTED: 1.0,
    ADDED: 1.0,
    STOOD_OPENING: 0.100,
    STOOD_REVIEWING: 0.100,
    STOOD_LISTING: 0.100,
    STOOD_ADDING: 0.100,
}
"""Seconds on two processor cores and no accelerator."""

STRIKE_MS = 5
_LOOK_MS = 2
_REST_S = 0.2
_PATIENCE_S = 120.0

Samples = dict[str, list[float]]
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Parameters
    ----------
    images : int
        In the project that is gone through.
    entries : int
        Of the long project, and files in the long folder.
    steps : int
        Images that are accepted; half as many are gone back to, and as many rows clicked.
    shape : (int, int)
        Of the images.
    """

    images: int = 1000
    entries: int = 10_000
    steps: int = 30
    shape: tuple[int, int] = (321, 481)


class QueueBenchError(Exception):
    """The window did not do in time what it was asked for."""


def main(
    images: Annotated[int, typer.Option(help="Images of the project.", min=3)] = 1000,
    entries: Annotated[int, typer.Option(help="Images of the long project.", min=1)] = 10_000,
    steps: Annotated[int, typer.Option(help="How many to accept.", min=1)] = 30,
    folder: Annotated[
        Path | None, typer.Option(help="Keep what is made there, for the next time.")
    ] = None,
) -> None:
    """How soon the review queue answers: opening, accepting, going back, adding."""
    console, plan = wide_console(100), Plan(images, entries, min(steps, images - 2))
    with tempfile.TemporaryDirectory(prefix="unseg-bench-") as scratch:
        try:
            measured = measure(plan, folder or Path(scratch), Path(scratch))
        except (QueueBenchError, ValueError, OSError) as error:
            Console(stderr=True).print(f"Nothing could be measured: {error}")
            raise typer.Exit(2) from error
    console.print(table(plan, measured))
    for sentence in circumstances("the window as Qt draws it here"):
        console.print(sentence)


def measure(plan: Plan, folder: Path, scratch: Path) -> Samples:
    """Every figure, in seconds.

    Parameters
    ----------
    plan : Plan
        What to measure.
    folder : Path
        Where the images and projects are, or come to be.
    scratch : Path
        Where what is worked on lies.

    Raises
    ------
    QueueBenchError
        If the window does not answer.
    """
    project, long = made_projects(plan, folder)
    os.environ.setdefault("UNSEG_CACHE", str(scratch / "cache"))
    work = Path(shutil.copy(project, folder / f"work{SUFFIX}"))
    try:
        with staged(scratch) as stage:
            return {**_reviewed(stage, work, plan), **_listed(stage, long, plan, folder / "long")}
    finally:
        work.unlink(missing_ok=True)


# What is measured


def _reviewed(stage: Stage, project: Path, plan: Plan) -> Samples:
    found = _opened(stage, project, plan.images)
    stage.settle()
    stage.pulse.begin()
    found[ACCEPTED] = [stage.press(Qt.Key.Key_Return) for _ in range(plan.steps)]
    found[STOOD_REVIEWING] = [stage.pulse.between()]
    some = range(max(1, plan.steps // 2))
    found[WENT_BACK] = [stage.press(Qt.Key.Key_PageUp) for _ in some]
    found[CLICKED] = [stage.click(plan.images - 1 - number) for number in some]
    return found


def _opened(stage: Stage, project: Path, n_images: int) -> Samples:
    listed = stage.open(project, n_images)
    shown = stage.wait(lambda: stage.is_shown and stage.painted_at("canvas")) - stage.asked
    return {OPENED: [listed], SHOWN: [shown], STOOD_OPENING: [stage.pulse.longest]}


def _listed(stage: Stage, project: Path, plan: Plan, folder: Path) -> Samples:
    listed = stage.open(project, plan.entries)
    stage.settle()
    found = {LISTED: [listed], STOOD_LISTING: [stage.pulse.longest]}
    stage.window.projects.let_go()
    stage.settle()
    added = stage.open(folder, plan.entries)
    stage.settle()
    return {**found, ADDED: [added], STOOD_ADDING: [stage.pulse.longest]}


class Pulse(QObject):
    """Says how long the event loop did nothing else than one thing.

    What a key sets off is measured by itself: `skip` leaves it out.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._last = self.longest = self._kept = 0.0
        self._timer = QTimer(self, interval=STRIKE_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._strike)
        self._timer.start()

    def begin(self) -> None:
        """Count from now on."""
        self._last, self.longest, self._kept = time.perf_counter(), 0.0, 0.0

    def rest(self) -> None:
        """What comes now does not count, until `go_on`."""
        self._kept = max(self._kept, self.longest)

    def go_on(self) -> None:
        """Count again."""
        self._last, self.longest = time.perf_counter(), 0.0

    def between(self) -> float:
        """The longest pause in all that counted."""
        return max(self._kept, self.longest)

    def _strike(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last - STRIKE_MS / 1000)
        self._last = now


class Stage(QObject):
    """The window, what a person does in it, and when it was painted."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self.window = window
        self.pulse = Pulse(self)
        self.asked = 0.0
        self.painted: dict[str, float] = {}
        self._watched: dict[QObject, str] = {
            window.canvas: "canvas",
            window.queue.list.viewport(): "list",
        }
        for widget in self._watched:
            widget.installEventFilter(self)
        window.review.changed.connect(self.painted.clear)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note when a paint is done: what is asked for now comes after all that is painted."""
        if event.type() == QEvent.Type.Paint and (name := self._watched.get(watched)):
            QTimer.singleShot(0, self, lambda: self._note(name))
        return False

    def _note(self, name: str) -> None:
        self.painted.setdefault(name, time.perf_counter())

    def painted_at(self, *names: str) -> float:
        """When all of these had been painted since another image is open; 0: not yet."""
        times = [self.painted.get(name, 0.0) for name in names]
        return max(times) if all(times) else 0.0

    def open(self, path: Path, n_images: int) -> float:
        """Seconds until the list is painted."""
        self.pulse.begin()
        self.asked = time.perf_counter()
        self.painted.clear()
        self.window.open_paths([path])
        model = self.window.queue.model
        painted = self.wait(lambda: model.rowCount() == n_images and self.painted_at("list"))
        return painted - self.asked

    def press(self, key: Qt.Key) -> float:
        """Seconds from a key until another image is painted."""
        return self._go(lambda: QTest.keyClick(self.window.canvas, key))

    def click(self, row: int) -> float:
        """Seconds from a click on a row until its image is painted."""
        view, place = self.window.queue.list, self.window.queue.model.index(row)
        view.scrollTo(place)
        self.rest(_REST_S)
        center = view.visualRect(place).center()
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        return self._go(lambda: QTest.mouseClick(view.viewport(), left, none, center))

    def _go(self, act: Callable[[], object]) -> float:
        """Seconds until another image and its row are painted; then all is at rest."""
        before = self._open_id()
        self.pulse.rest()
        began = time.perf_counter()
        act()
        painted = self.wait(lambda: self._open_id() != before and self.painted_at("canvas", "list"))
        self.pulse.go_on()
        self.settle()
        return painted - began

    @property
    def is_shown(self) -> bool:
        """An image of the project is open."""
        return self.window.review.current is not None

    def _open_id(self) -> int | None:
        entry = self.window.review.current
        return entry.id if entry else None

    def settle(self) -> None:
        """Until nothing computes, and the images around are prepared."""
        review = self.window.review
        self.wait(lambda: not self.window.document.status.is_busy)
        self.wait(lambda: not (review.ahead.is_at_work or review.beside.is_at_work))
        self.rest(_REST_S)

    def rest(self, seconds: float) -> None:
        """Let the window live."""
        until = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() >= until)

    def wait(self, asked: Callable[[], T]) -> T:
        """Let the window live until an answer is true, and give it."""
        loop, deadline, answers = QEventLoop(), time.perf_counter() + _PATIENCE_S, list[T]()

        def look() -> None:
            if (answer := asked()) and not answers:
                answers.append(answer)
            if answers or time.perf_counter() > deadline:
                loop.quit()

        timer = QTimer(loop, interval=_LOOK_MS)
        timer.timeout.connect(look)
        timer.start()
        loop.exec()
        timer.stop()
        if not answers:
            said = self.window.messages.message
            words = f" It says: {said.sentence}" if said is not None else ""
            raise QueueBenchError(f"The window did not answer for {_PATIENCE_S:.0f} s.{words}")
        return answers[0]


@contextmanager
def staged(scratch: Path) -> Iterator[Stage]:
    """A window on the screen, with settings of its own."""
    app = make_application()
    settings = QSettings(str(scratch / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("folders/unsaved", str(scratch / "unsaved"))
    window = MainWindow(read_image(sample_path("cat")), settings)
    window.resize(*SIZE)
    spare_the_collector(window)
    window.show()
    window.activateWindow()
    stage = Stage(window)
    try:
        stage.wait(window.isActiveWindow)
        stage.settle()
        yield stage
    finally:
        gc.unfreeze()
        window.leave()
        window.deleteLater()
        app.sendPostedEvents(window, int(QEvent.Type.DeferredDelete))


# What it is measured with


def made_projects(plan: Plan, folder: Path) -> tuple[Path, Path]:
    """The project that is gone through and the long one; what is there already is used again."""
    folder.mkdir(parents=True, exist_ok=True)
    images, long = folder / f"images {plan.images}", folder / "long"
    project, long_project = folder / f"{plan.images}{SUFFIX}", folder / f"long{SUFFIX}"
    if not project.exists():
        _write_images(images, plan)
        _make_project(project, images)
    if not long_project.exists():
        _write_links(long, images, plan.entries)
        _make_project(long_project, long)
    return project, long_project


def _make_project(path: Path, folder: Path) -> None:
    with Project.create(path) as project:
        project.add_images(sorted(folder.iterdir()))
        project.wait_for_fingerprints()


def _write_images(folder: Path, plan: Plan) -> None:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(SEED)
    samples = [read_image(sample_path(name)).rgb for name in SAMPLES]
    for number in range(plan.images):
        pixels = cv2.resize(_cut_out(samples[number % len(samples)], rng), plan.shape[::-1])
        cv2.imwrite(str(folder / f"image {number:05d}.png"), pixels[..., ::-1])


def _cut_out(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of an image, lit otherwise, as a photograph of its own."""
    height, width = (round(side * rng.uniform(0.6, 0.95)) for side in pixels.shape[:2])
    top, left = (
        int(rng.integers(0, whole - part + 1))
        for whole, part in zip(pixels.shape, (height, width), strict=False)
    )
    part = pixels[top : top + height, left : left + width].astype(np.float32)
    part *= rng.uniform(0.8, 1.1, 3).astype(np.float32)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return np.clip(part, 0, 255).astype(np.uint8)


def _write_links(folder: Path, images: Path, count: int) -> None:
    """As many files as are wanted; those of one image share its place on the disk."""
    folder.mkdir(exist_ok=True)
    sources = sorted(images.iterdir())
    for number in range(count):
        file, source = folder / f"image {number:05d}.png", sources[number % len(sources)]
        try:
            os.link(source, file)
        except OSError:
            shutil.copy(source, file)


# How it is told


def table(plan: Plan, measured: Samples) -> Table:
    """A table as it is printed."""
    shown = Table(
        title=f"{plan.images} images of {plan.shape[1]} x {plan.shape[0]} px; long: {plan.entries}",
        title_justify="left",
    )
    shown.add_column("what")
    for column in ("p50", "p95", "limit"):
        shown.add_column(column, justify="right")
    shown.add_column("met")
    for what, seconds in measured.items():
        p50, p95 = np.percentile(seconds, [50, 95])
        limit = LIMITS.get(what)
        met = "" if limit is None else "yes" if p95 <= limit else "NO"
        last = in_ms(float(p95)) if len(seconds) > 1 else ""
        shown.add_row(what, in_ms(float(p50)), last, "" if limit is None else in_ms(limit), met)
    return shown


def in_ms(seconds: float) -> str:
    """As people read it."""
    return f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    typer.run(main)
