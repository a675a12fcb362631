"""Disks that are full or gone, files that are none: a sentence, and nothing lost."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import pytest

from unseg_studio.document import Document
from unseg_studio.project import NewerProjectError, Project, ProjectError
from unseg_studio.project.schema import APPLICATION_ID, MIGRATIONS, migrate, version_of

from .conftest import made_up, reopened, snapshot, stripes


def fill_the_disk(project: Project) -> None:
    """SQLite says so itself: the file may not grow by a page."""
    project.flush()
    connection = project._database._writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def paint(project: Project, n: int = 12) -> Document:
    document = project.open_document(1)
    with project.journal(document, 1):
        for number in range(n):
            document.paint([(20 * number, 30), (20 * number, 250)], radius=5)
            document.show(stripes(20 + number))
    return document


def test_on_a_full_disk_work_goes_on_in_memory(project: Project, told: list[str]) -> None:
    fill_the_disk(project)
    document = paint(project)
    project.accept(1, document)
    project.set_status(2, "rejected")
    project.flush()
    assert "the disk is full" in project.dirty_reason
    assert told == [project.dirty_reason]
    assert project.image(2).status == "rejected"
    assert snapshot(project.open_document(1)) == snapshot(document)
    assert project.annotation(1).provenance["accepted"]


def test_what_was_done_on_a_full_disk_can_be_saved_elsewhere(
    project: Project, told: list[str], tmp_path: Path
) -> None:
    fill_the_disk(project)
    document = paint(project)
    project.save_copy(tmp_path / "copy.unseg")
    with Project.open(tmp_path / "copy.unseg") as copy:
        assert snapshot(copy.open_document(1)) == snapshot(document)
        assert copy.image(1).status == "in work"


def test_the_file_follows_again_once_there_is_room(project: Project, told: list[str]) -> None:
    fill_the_disk(project)
    document = paint(project)
    assert project.dirty_reason
    assert project.try_again()
    assert project.dirty_reason == ""
    with project.journal(document, 1):
        document.paint([(250, 250)], radius=9)
    with reopened(project) as again:
        assert snapshot(again.open_document(1)) == snapshot(document)


def test_a_file_that_was_removed_while_it_was_open_is_noticed(
    project: Project, told: list[str], tmp_path: Path
) -> None:
    project.flush()
    project.path.unlink()
    document = paint(project)
    project.flush()
    assert "was removed, moved or replaced" in project.dirty_reason
    project.save_copy(tmp_path / "copy.unseg")
    with Project.open(tmp_path / "copy.unseg") as copy:
        assert snapshot(copy.open_document(1)) == snapshot(document)
    assert project.try_again()
    with reopened(project) as again:
        assert snapshot(again.open_document(1)) == snapshot(document)


def test_another_file_in_its_place_is_left_alone(project: Project, told: list[str]) -> None:
    project.flush()
    project.path.rename(project.path.with_name("moved.unseg"))
    project.path.write_bytes(b"something else")
    paint(project)
    assert not project.try_again()
    assert project.path.read_bytes() == b"something else"


def test_a_copy_that_cannot_be_written_leaves_nothing(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"cannot be used.*\.$"):
        project.save_copy(tmp_path / "nowhere" / "copy.unseg")
    with pytest.raises(ProjectError, match="the open project itself"):
        project.save_copy(project.path)


def test_a_project_whose_lock_cannot_be_written_is_read_only(project: Project) -> None:
    project.close()
    project.path.with_name("cells.unseg-lock").mkdir()  # as in a folder that is read-only
    with Project.open(project.path) as reader:
        assert reader.read_only
        assert "cannot be written to" in reader.notice
        assert len(reader.images()) == 3


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_project_in_a_read_only_folder_is_read_only(project: Project) -> None:
    project.close()
    project.path.chmod(0o400)
    project.folder.chmod(0o500)
    try:
        with Project.open(project.path) as reader:
            assert reader.read_only
            assert len(reader.images()) == 3
    finally:
        project.folder.chmod(0o700)


# Files that are no projects


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"\x89PNG\r\n" * 40])
def test_a_file_that_is_no_project_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.unseg"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"is no project.*\.$"):
        Project.open(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["a.unseg"]


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.unseg")
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(ProjectError, match="database of another program"):
        Project.open(tmp_path / "a.unseg")


@pytest.mark.parametrize("name", ["missing.unseg", "."])
def test_what_is_not_there_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match=r"\.$"):
        Project.open(tmp_path / name)


def test_endless_words_of_a_project_are_cut_in_sentences(project: Project) -> None:
    paint(project)
    project.close()
    connection = sqlite3.connect(project.path)
    connection.execute("UPDATE images SET path = ? WHERE id = 2", ("[" * 100_000,))
    connection.execute("UPDATE documents SET segmenter = ?", (f'{{"name": "{"x" * 100_000}"}}',))
    connection.commit()
    connection.close()
    with Project.open(project.path) as again:
        told: list[str] = []
        again.events.trouble.connect(told.append)
        with pytest.raises(ValueError, match="Nothing was made of") as raised:
            again.annotation(2)
        again.open_document(1, made_up())
    assert len(told) == 1
    assert max(len(sentence) for sentence in (str(raised.value), *told)) < 500


def test_a_view_in_the_place_of_a_table_is_refused(project: Project) -> None:
    project.close()
    connection = sqlite3.connect(project.path)
    connection.execute("DROP TABLE settings")
    connection.execute(
        "CREATE VIEW settings AS WITH RECURSIVE n(name) AS (SELECT 1 UNION ALL SELECT name + 1 "
        "FROM n) SELECT name, name AS value FROM n"
    )
    connection.commit()
    connection.close()
    for read_only in (False, True):
        with pytest.raises(ProjectError, match="other tables than this program makes"):
            Project.open(project.path, read_only=read_only)


def test_a_damaged_project_is_refused_or_read_but_nothing_else(
    project: Project, worked: Document
) -> None:
    project.close()
    whole, seed = project.path.read_bytes(), random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(draw.choice([1, 5, 200])):
            damaged[draw.randrange(len(whole))] = draw.randrange(256)
        length = draw.choice([len(whole), draw.randrange(len(whole))])
        project.path.write_bytes(damaged[:length])
        try:
            with Project.open(project.path) as again:
                for entry in again.images():
                    document = again.open_document(entry.id)
                    while document.undo_text:
                        document.undo()
                    again.annotation(entry.id)
        except (ValueError, OSError) as error:
            assert str(error).endswith("."), error


# Versions


def test_a_project_of_a_later_version_is_refused(project: Project) -> None:
    project.close()
    connection = sqlite3.connect(project.path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(NewerProjectError, match=r"later version.*Update the program"):
        Project.open(project.path)


def _with_notes(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE images ADD COLUMN note TEXT NOT NULL DEFAULT ''")
    connection.execute("UPDATE images SET note = 'about ' || path")


def _failing(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (done TEXT)")
    raise RuntimeError("the power went")


def test_an_older_project_is_brought_up_to_date_in_one_go(project: Project) -> None:
    project.close()
    connection = sqlite3.connect(project.path, isolation_level=None)
    with pytest.raises(RuntimeError):
        migrate(connection, "it", migrations=(*MIGRATIONS, _with_notes, _failing))
    assert version_of(connection) == len(MIGRATIONS)
    migrate(connection, "it", migrations=(*MIGRATIONS, _with_notes))
    assert version_of(connection) == len(MIGRATIONS) + 1
    notes = connection.execute("SELECT note FROM images ORDER BY id").fetchall()
    assert notes[0] == ("about images/image 0.png",)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()
