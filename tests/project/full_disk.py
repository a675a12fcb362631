"""Work on a project on a small disk until it is full, and afterwards; ends with 1 if it goes wrong.

    unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size=2m tmpfs SMALL &&
        python -m tests.project.full_disk SMALL ELSEWHERE'

The mount is seen by this process only and goes with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.project.conftest import image_files, made_up, snapshot
from unseg_studio.document import Document
from unseg_studio.formats import export
from unseg_studio.project import Project

ROOM = 200_000
"""Bytes that are left on the small disk when work begins."""


def run(small: Path, elsewhere: Path) -> None:
    with Project.create(small / "cells.unseg") as project:
        told: list[str] = []
        project.events.trouble.connect(told.append)
        project.add_images(image_files(elsewhere / "images", 2))
        filler = fill(small)
        document = work_until_full(project)
        assert "the disk is full" in project.dirty_reason, project.dirty_reason
        assert told == [project.dirty_reason], told
        work_on(project, document)
        require_nothing_half(project, small)
        require_copy(project, document, elsewhere / "copy.unseg")
        filler.unlink()
        assert project.try_again(), project.dirty_reason
        assert project.dirty_reason == ""
        before = snapshot(document)
    with Project.open(small / "cells.unseg") as again:
        assert snapshot(again.open_document(1, made_up())) == before
        assert again.image(2).comment == "written when the disk was full"


def fill(small: Path) -> Path:
    """Take up all but a little of the disk."""
    filler = small / "filler"
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    assert ROOM < free < 1 << 23, f"{small} has {free} bytes left; give a small disk"
    filler.write_bytes(bytes(free - ROOM))
    return filler


def work_until_full(project: Project) -> Document:
    document = project.open_document(1, made_up())
    draw = np.random.default_rng(3)
    with project.journal(document, 1):
        for _ in range(400):
            document.paint([tuple(map(int, draw.integers(0, 270, 2))) for _ in range(4)], radius=7)
            project.flush()
            if project.dirty_reason:
                return document
    raise AssertionError("the disk did not become full")


def work_on(project: Project, document: Document) -> None:
    with project.journal(document, 1):
        document.brush([(9, 9), (200, 100)], radius=9)
        document.undo()
        document.redo()
    project.accept(1, document)
    project.set_comment(2, "written when the disk was full")
    project.flush()


def require_nothing_half(project: Project, small: Path) -> None:
    """What does not fit is refused with a sentence, and leaves nothing."""
    before = {file.name for file in small.iterdir()}
    for name, write in (("copy.unseg", project.save_copy), ("out", exported(project))):
        with (small / "rest").open("wb", buffering=0) as rest:
            fill_rest(rest.fileno())
            require_refused(write, small / name)
        (small / "rest").unlink()
        assert {file.name for file in small.iterdir()} == before


def exported(project: Project) -> Callable[[Path], None]:
    return lambda path: export(project.annotation(1), path, format="ome-zarr")


def require_refused(write: Callable[[Path], None], path: Path) -> None:
    try:
        write(path)
    except OSError as error:
        assert str(error).endswith("."), error
    else:
        raise AssertionError(f"{path.name} fitted onto a full disk")


def fill_rest(file: int) -> None:
    """Write until not one byte is left."""
    for size in (4096, 1):
        try:
            while os.write(file, bytes(size)):
                pass
        except OSError:
            continue


def require_copy(project: Project, document: Document, path: Path) -> None:
    project.save_copy(path)
    with Project.open(path) as copy:
        assert snapshot(copy.open_document(1, made_up())) == snapshot(document)
        assert copy.image(1).status == "done"
        assert copy.image(2).comment == "written when the disk was full"


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
