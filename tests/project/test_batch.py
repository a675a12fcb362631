"""Proposals by several processes: kept at once whatever ends them, and nobody's work touched."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unseg_studio.data import NOTHING
from unseg_studio.data import image as image_module
from unseg_studio.document import sight as sight_module
from unseg_studio.document.packing import mosaic_of
from unseg_studio.document.scripting import segmenter
from unseg_studio.project import Project, ReadOnlyError
from unseg_studio.project import batch as batch_module
from unseg_studio.project.batch import Outcome, propose, unproposed
from unseg_studio.project.workers import Worker, WorkerGoneError

SHAPE = (40, 48)
QUICK = segmenter("diffcluster", iterations=2, size=32, width=8)
OTHER = segmenter("diffcluster", iterations=3, size=32, width=8)


def photographs(folder: Path, n: int = 4) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        draw = np.random.default_rng(number)
        pixels = draw.integers(0, 20, (*SHAPE, 3))
        pixels[:, 24:] += (150, 40, 0)
        Pillow.fromarray(pixels.astype(np.uint8)).save(folder / f"photo {number}.png")
    return sorted(folder.glob("*.png"))


@pytest.fixture
def photos(tmp_path: Path):
    """A project of four photographs."""
    with Project.create(tmp_path / "photos.unseg") as project:
        project.add_images(photographs(tmp_path / "images"))
        yield project


quick_processes = pytest.mark.usefixtures("quick_processes")


def done(project: Project, **options) -> list[Outcome]:
    options.setdefault("n_processes", 1)
    return list(propose(project, QUICK, unproposed(project, QUICK), device="cpu", **options))


def test_a_batch_leaves_alone_what_a_person_did_and_goes_on_after_a_bad_image(
    photos: Project,
) -> None:
    first, second, third, _ = photos.images()
    document = photos.open_document(first.id)
    with photos.journal(document, first.id):
        document.paint([(5, 5), (5, 20)], radius=2)
    photos.set_status(second.id, "rejected")
    third.file.write_bytes(b"no image")
    outcomes = done(photos, n_processes=2)
    assert sorted((o.image.id, o.is_kept) for o in outcomes) == [(3, False), (4, True)]
    assert ["photo 2.png" in o.problem for o in outcomes if not o.is_kept] == [True]
    statuses = [entry.status for entry in photos.images()]
    assert statuses == ["in work", "rejected", "new", "proposed"]
    entry = photos.image(4)
    assert entry.size == SHAPE
    assert 0 <= (entry.uncertainty or 0) <= 1
    assert entry.seconds > 0
    kept = photos.open_document(4)
    assert len(kept.shown.areas) >= 2
    assert kept.segmenter == QUICK
    assert unproposed(photos, QUICK) == (3,)
    assert unproposed(photos, OTHER) == (3, 4)
    assert unproposed(photos, OTHER, only_new=True) == (3,)


@quick_processes
def test_a_proposal_tells_the_pixel_size_that_its_image_says(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    metadata = {"axes": "YX", "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "cells.ome.tif", pixels, metadata=metadata)
    with Project.create(tmp_path / "cells.unseg") as project:
        project.add_images([tmp_path / "cells.ome.tif"])
        done(project)
        assert project.annotation(1).source.pixel_size == (0.25, 0.5)


@quick_processes
def test_a_file_is_removed_and_the_clock_set_back_while_a_batch_runs(
    photos: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = propose(photos, QUICK, unproposed(photos, QUICK), device="cpu", n_processes=1)
    with closing(batch):
        assert next(batch).is_kept
        photos.image(3).file.unlink()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        rest = list(batch)
    assert [o.image.name for o in rest if not o.is_kept] == ["photo 2.png"]
    assert "photo 2.png" in next(o.problem for o in rest if not o.is_kept)
    assert [entry.status for entry in photos.images()].count("proposed") == 3


def test_a_large_image_is_proposed_for_coarsely_and_stays_in_its_file(
    photos: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "LARGE", 1000)
    monkeypatch.setattr(sight_module, "WORKED_ON", 24)
    entry = photos.images()[0]
    path = entry.file.with_suffix(".tif")
    tifffile.imwrite(path, np.asarray(Pillow.open(entry.file)), tile=(16, 16), photometric="rgb")
    told = batch_module.labels_of(path, None, QUICK, "cpu")
    labels = mosaic_of(told.packed, told.shape)
    assert told.shape == SHAPE
    assert not labels.holds(NOTHING)
    assert np.array_equal(labels.array[::2, ::2], labels.array[1::2, 1::2])
    assert photos.proposed(entry.id, labels, segmenter=QUICK)


@quick_processes
def test_a_process_that_is_killed_is_replaced_and_its_image_done_again(photos: Project) -> None:
    batch = propose(photos, QUICK, unproposed(photos, QUICK), device="cpu", n_processes=1)
    with closing(batch):
        assert next(batch).is_kept
        (worker,) = batch.gi_frame.f_locals["crew"]._busy or batch.gi_frame.f_locals["crew"]._idle
        os.kill(worker.pid, signal.SIGKILL)
        assert all(outcome.is_kept for outcome in batch)
    assert unproposed(photos, QUICK) == ()
    assert len(photos._documents._shelves) == 1  # of the others, nothing stays in memory


@quick_processes
def test_closing_a_batch_ends_its_processes_and_keeps_what_was_made(photos: Project) -> None:
    batch = propose(photos, QUICK, unproposed(photos, QUICK), device="cpu", n_processes=1)
    next(batch)
    crew = batch.gi_frame.f_locals["crew"]
    processes = [worker._process for worker in (*crew._idle, *crew._busy)]
    batch.close()
    assert processes
    assert not any(process.is_alive() for process in processes)
    with Project.open(_closed(photos)) as again:
        assert len(unproposed(again, QUICK)) == 3


def _closed(project: Project) -> Path:
    project.close()
    return project.path


@contextmanager
def disk_that_takes_no_file_above(n_bytes: int) -> Iterator[None]:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@quick_processes
def test_on_a_full_disk_a_batch_ends_with_a_sentence_and_nothing_is_lost(photos: Project) -> None:
    photos.wait_for_fingerprints()
    photos._database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (
        disk_that_takes_no_file_above(4096),
        pytest.raises(OSError, match=r"(the disk is full|it may be full, or gone)"),
    ):
        done(photos)
    assert photos.try_again()  # with the one that did not fit before
    with Project.open(_closed(photos)) as again:
        assert len(unproposed(again, QUICK)) == 3


def test_a_project_that_is_open_elsewhere_is_not_touched(photos: Project) -> None:
    with Project.open(photos.path) as second:
        batch = propose(second, QUICK, unproposed(second, QUICK), device="cpu")
        with pytest.raises(ReadOnlyError, match="open in another window or program already"):
            next(batch)


@quick_processes
def test_the_same_image_may_end_two_processes_but_not_all(photos: Project, monkeypatch) -> None:
    monkeypatch.setattr("unseg_studio.project.batch.labels_of", end_on_the_second)
    one, two = propose(photos, QUICK, [2, 1], device="cpu", n_processes=1)
    assert (one.image.id, two.image.id) == (2, 1)
    assert "the process that segmented it ended 2 times" in one.problem
    assert "It fails with RuntimeError: of a library" in two.problem


def end_on_the_second(file: Path, *_: object) -> None:
    if file.name == "photo 1.png":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("of a library")


def test_what_another_process_raises_is_said_here() -> None:
    worker = Worker(raising, n_threads=1)
    try:
        worker.ask(1)
        with pytest.raises(ValueError, match="It fails with KeyError: 1"):
            worker.answer()
        worker.ask("end")
        with pytest.raises(WorkerGoneError):
            worker.answer()
    finally:
        worker.close()


def raising(key: object) -> None:
    if key == "end":
        os._exit(3)
    raise KeyError(key)


SCRIPT = """
import sys
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from tests.project.test_batch import QUICK
if __name__ == "__main__":
    with Project.open(sys.argv[1]) as project:
        for outcome in propose(project, QUICK, unproposed(project, QUICK), n_processes=1):
            print(outcome.image.id, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_batch_loses_at_most_the_images_in_progress(
    photos: Project, tmp_path: Path
) -> None:
    photos.add_images(photographs(tmp_path / "more", 8))
    path = _closed(photos)
    script = tmp_path / "batch.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = {int(process.stdout.readline()) for _ in range(2)}
        process.kill()
        said |= {int(line) for line in process.stdout.read().split()}
    with Project.open(path) as again:
        assert not again.read_only  # the lock went with the process
        kept = {entry.id for entry in again.images() if entry.status == "proposed"}
        assert said <= kept
        assert set(unproposed(again, QUICK)) == {e.id for e in again.images()} - kept
        (found,) = sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone()
        assert found == "ok"
