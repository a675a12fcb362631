"""A clock that is set back, again and again: nothing is lost, nothing changes its order."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from unseg_studio.formats import coco, export
from unseg_studio.project import Project, accepted

from .conftest import reopened, snapshot, work_on


class Backwards(datetime):
    """Each look at the clock shows a day that is two months earlier."""

    shown = datetime(2030, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        Backwards.shown -= timedelta(days=60)
        return Backwards.shown.astimezone(tz)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that asks for the time of day: the two stamps, and whoever may ask `time` itself."""
    for module in (accepted, coco):
        monkeypatch.setattr(module, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: Backwards.now(UTC).timestamp())
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))


def stamp(project: Project, image_id: int) -> datetime:
    return datetime.fromisoformat(str(project.annotation(image_id).provenance["accepted"]))


def test_work_is_there_with_its_order_and_its_history(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        work_on(document)
        project.accept(1, document)
        document.paint([(5, 5)], radius=3)
    project.add_images([project.folder / "images" / "a later one.png"])
    names = [entry.name for entry in project.images()]
    assert names[-1] == "a later one.png"
    before = snapshot(document)
    with reopened(project) as again:
        assert not again.read_only
        assert [entry.name for entry in again.images()] == names
        document = again.open_document(1)
        assert snapshot(document) == before
        while document.undo_text is not None:
            document.undo()
        assert document.scribbles.is_empty


def test_what_is_accepted_last_counts_though_its_stamp_is_the_older_one(project: Project) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        document.brush([(100, 100)], radius=9)
        project.accept(1, document, seconds=3.0)
        first = stamp(project, 1)
        document.brush([(200, 200)], radius=20)
        project.accept(1, document, seconds=3.0)
    assert stamp(project, 1) < first
    labels = document.labels
    with reopened(project) as again:
        assert again.image(1).status == "done"
        assert again.image(1).seconds >= 3.0
        inside = again.annotation(1).labels()
        assert inside[200, 200] == labels[200, 200] != 0


def test_stamps_are_dates_and_nothing_depends_on_them(project: Project, tmp_path: Path) -> None:
    for image_id in (2, 1):
        document = project.open_document(image_id)
        document.brush([(100, 100)], radius=9)
        project.accept(image_id, document)
    assert stamp(project, 1) < stamp(project, 2)
    export(tuple(project.annotations()), tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    files = [Path(image["file_name"]).name for image in written["images"]]
    assert files == ["image 0.png", "image 1.png"]
    created = datetime.fromisoformat(written["info"]["date_created"])
    assert written["info"]["year"] == created.year
    assert created < stamp(project, 1)
