"""Images, statuses, thumbnails and categories of a project, before and after opening it again."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image as Pillow

from unseg_studio.data import Category
from unseg_studio.project import STATUSES, Project, ProjectError, ReadOnlyError

from .conftest import image_files, made_up, reopened


def test_a_new_project_is_empty_and_has_one_category(tmp_path: Path) -> None:
    with Project.create(tmp_path / "a.unseg") as project:
        assert project.images() == ()
        assert len(project.categories) == 1
        assert not project.read_only
        assert project.notice == project.dirty_reason == ""


def test_nothing_is_left_beside_a_closed_project(project: Project) -> None:
    project.close()
    assert [file.name for file in project.folder.iterdir() if file.is_file()] == ["cells.unseg"]


def test_a_file_of_that_name_is_not_replaced(project: Project) -> None:
    with pytest.raises(ProjectError, match=r"already; open it, or choose another name\.$"):
        Project.create(project.path)


def test_images_are_kept_relative_to_the_project(project: Project) -> None:
    paths = [entry.path for entry in project.images()]
    assert paths == [f"images/image {number}.png" for number in range(3)]
    assert all(entry.file.is_file() for entry in project.images())


def test_an_image_beside_the_folder_of_the_project_is_found_from_there(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    files = image_files(tmp_path / "images")
    with Project.create(tmp_path / "work" / "a.unseg") as project:
        (entry,) = project.add_images(files[:1])
        assert entry.path == "../images/image 0.png"
        assert entry.file == files[0]


def test_an_image_that_is_added_twice_is_there_once(project: Project) -> None:
    again = project.add_images([entry.file for entry in project.images()])
    assert again == project.images()
    assert len(project.images()) == 3


def test_each_plane_of_a_stack_is_an_entry(project: Project, tmp_path: Path) -> None:
    entries = project.add_images([tmp_path / "stack.tif"], planes=4)
    assert [entry.plane for entry in entries] == [0, 1, 2, 3]
    assert {entry.n_planes for entry in entries} == {4}
    assert entries[2].name == "stack.tif [2]"


def test_numbers_of_planes_that_do_not_fit_are_refused(project: Project) -> None:
    with pytest.raises(ValueError, match="one number for each"):
        project.add_images(["a.tif", "b.tif"], planes=[1])


def test_what_is_said_of_an_image_comes_back(project: Project) -> None:
    changed: list[tuple[int, str]] = []
    project.events.status_changed.connect(lambda *what: changed.append(what))
    project.set_status(2, "rejected")
    project.set_comment(2, "blurred, see Åsa")
    project.set_uncertainty(2, 0.25)
    project.add_seconds(2, 4.5)
    project.set_thumbnail(2, b"png")
    assert changed == [(2, "rejected")]
    before = project.images()
    with reopened(project) as again:
        assert again.images() == before
        entry = again.image(2)
        assert (entry.status, entry.comment) == ("rejected", "blurred, see Åsa")
        assert (entry.uncertainty, entry.seconds, entry.has_thumbnail) == (0.25, 4.5, True)
        assert again.thumbnail(2) == b"png"
        assert again.thumbnail(1) is None


def test_any_other_status_is_refused(project: Project) -> None:
    with pytest.raises(ValueError, match=", ".join(STATUSES)):
        project.set_status(1, "finished")  # type: ignore[arg-type]


def test_a_removed_image_takes_its_work_along_and_its_id_is_never_given_again(
    project: Project, tmp_path: Path
) -> None:
    document = project.open_document(3)
    with project.journal(document, 3):
        document.paint([(5, 5)], radius=3)
    project.set_thumbnail(3, b"png")
    project.remove_images([3])
    assert [entry.id for entry in project.images()] == [1, 2]
    with pytest.raises(ValueError, match="no image 3"):
        project.open_document(3)
    with reopened(project) as again:
        assert again.thumbnail(3) is None
        (entry,) = again.add_images([tmp_path / "new.png"])
        assert entry.id == 4


def test_size_and_planes_are_known_once_an_image_was_opened(project: Project) -> None:
    assert project.image(1).size is None
    project.open_document(1)
    assert project.image(1).size == (300, 280)
    with reopened(project) as again:
        assert again.image(1).size == (300, 280)


def test_ten_thousand_images_are_listed_within_a_second(tmp_path: Path) -> None:
    with Project.create(tmp_path / "many.unseg") as project:
        project.add_images([tmp_path / f"{number:05d}.png" for number in range(10_000)])
    seconds = []
    for _ in range(3):  # other tests may have the processor just then
        began = time.perf_counter()
        with Project.open(project.path) as again:
            assert len(again.images()) == 10_000
            seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1.0


# Categories


def table() -> tuple[Category, ...]:
    return Category(1, "cell", "#e69f00"), Category(2, "wall", "#56b4e9", "stuff")


def test_the_table_is_shared_by_all_open_documents(project: Project) -> None:
    project.set_categories(table())
    one, other = project.open_document(1), project.open_document(2)
    assert one.categories == other.categories == table()
    told: list[tuple[Category, ...]] = []
    project.events.categories_changed.connect(told.append)
    new = one.add_category("dirt")
    assert other.categories == project.categories == (*table(), new)
    assert told == [(*table(), new)]
    with reopened(project) as again:
        assert again.categories == (*table(), new)
        assert again.open_document(3).categories == (*table(), new)


def test_a_category_that_other_images_use_stays(project: Project, told: list[str]) -> None:
    project.set_categories(table())
    one, other = project.open_document(1), project.open_document(2)
    with project.journal(one, 1):
        one.set_active(2)
        one.paint([(20, 20)], radius=4)
    other.remove_category(2)
    assert {category.id for category in project.categories} == {1, 2}
    assert {category.id for category in other.categories} == {1, 2}
    assert "'wall' is used" in told[0]
    assert told[0].endswith(".")


def test_a_category_that_nobody_else_uses_goes_everywhere(project: Project) -> None:
    project.set_categories(table())
    one, other = project.open_document(1), project.open_document(2)
    one.remove_category(2)
    assert project.categories == other.categories == table()[:1]


# Opened twice


def test_who_opens_a_project_second_reads_only_and_is_told(project: Project) -> None:
    with Project.open(project.path) as second:
        assert second.read_only
        assert "open in another window or program already" in second.notice
        assert second.notice.endswith(".")
        assert len(second.images()) == 3
        for verb in (
            lambda: second.set_status(1, "done"),
            lambda: second.add_images(["a.png"]),
            lambda: second.journal(second.open_document(1), 1),
        ):
            with pytest.raises(ReadOnlyError, match=r"reading only.*Save a copy"):
                verb()
    assert not project.read_only


def test_a_lock_file_that_a_killed_process_left_locks_nobody_out(project: Project) -> None:
    project.close()
    project.path.with_name("cells.unseg-lock").write_bytes(b"")
    with Project.open(project.path) as again:
        assert not again.read_only


def test_a_project_can_be_asked_for_to_read_only(project: Project) -> None:
    project.close()
    with Project.open(project.path, read_only=True) as reader:
        assert reader.read_only
        assert reader.notice == ""
        with Project.open(project.path) as writer:
            assert not writer.read_only


# Elsewhere


def test_a_copy_holds_everything_and_finds_its_images(project: Project, tmp_path: Path) -> None:
    document = project.open_document(1)
    with project.journal(document, 1):
        document.paint([(20, 20)], radius=4)
        (tmp_path / "elsewhere").mkdir()
        project.save_copy(tmp_path / "elsewhere" / "copy.unseg")
    with Project.open(tmp_path / "elsewhere" / "copy.unseg") as copy:
        assert copy.missing() == ()
        assert copy.open_document(1).undo_text == "stroke"


def test_a_project_works_on_a_long_path_with_spaces_and_umlauts(tmp_path: Path) -> None:
    folder = tmp_path / ("Größe und Übersicht " * 4) / ("Zellkörper äöü ß " * 4)
    folder = folder.with_name(folder.name.strip())
    folder.mkdir(parents=True)
    path = folder / f"{'pröjekt 100% #1?' + 'x' * max(0, 190 - len(str(folder)))}.unseg"
    assert len(str(path)) >= 200
    files = image_files(folder / "Bilder ö")
    with Project.create(path) as project:
        project.add_images(files)
        document = project.open_document(1)
        with project.journal(document, 1):
            document.paint([(20, 20)], radius=4)
        assert project.dirty_reason == ""
    with Project.open(path) as again:
        assert again.missing() == ()
        assert again.open_document(1).undo_text == "stroke"


# Moved


def moved(project: Project, tmp_path: Path) -> Path:
    """Rename the folder of the images and two of them."""
    folder = (tmp_path / "images").rename(tmp_path / "renamed")
    (folder / "image 0.png").rename(folder / "first.png")
    (folder / "image 2.png").unlink()
    return folder


def test_moved_and_renamed_images_are_found_by_what_they_hold(
    project: Project, tmp_path: Path
) -> None:
    project.wait_for_fingerprints()
    folder = moved(project, tmp_path)
    Pillow.fromarray(made_up(9).pixels[..., 0]).save(folder / "image 2.png")  # another one
    assert [entry.id for entry in project.missing()] == [1, 2, 3]
    report = project.relink(folder)
    assert (report.found, report.by_name, report.missing) == ((1, 2), (), (3,))
    with reopened(project) as again:
        assert again.image(1).path == "renamed/first.png"
        assert [entry.id for entry in again.missing()] == [3]
        assert again.open_document(1).image.shape == (300, 280)


def test_images_without_a_fingerprint_are_found_by_their_name(tmp_path: Path) -> None:
    with Project.create(tmp_path / "a.unseg") as project:
        project.add_images([tmp_path / "gone" / "image 1.png", tmp_path / "gone" / "b.png"])
        project.wait_for_fingerprints()
        image_files(tmp_path / "here")
        report = project.relink(tmp_path / "here")
        assert (report.found, report.by_name, report.missing) == ((), (1,), (2,))


def test_images_that_are_folders_are_found_by_what_is_in_them(tmp_path: Path) -> None:
    for number, name in enumerate(("a.zarr", "b.zarr")):
        (tmp_path / "there" / name).mkdir(parents=True)
        (tmp_path / "there" / name / "zarr.json").write_text("{}")
        (tmp_path / "there" / name / "c").write_bytes(b"0" * (10 + number))
    with Project.create(tmp_path / "a.unseg") as project:
        project.add_images([tmp_path / "there" / "a.zarr", tmp_path / "there" / "b.zarr"])
        project.wait_for_fingerprints()
        assert project.missing() == ()
        (tmp_path / "there").rename(tmp_path / "here")
        (tmp_path / "here" / "b.zarr").rename(tmp_path / "here" / "c.zarr")
        report = project.relink(tmp_path / "here")
        assert (report.found, report.by_name, report.missing) == ((1, 2), (), ())
        assert [entry.file.name for entry in project.images()] == ["a.zarr", "c.zarr"]


def test_images_whose_paths_read_alike_in_a_damaged_file_are_worked_on(tmp_path: Path) -> None:
    with Project.create(tmp_path / "p.unseg") as project:
        project.add_images([tmp_path / "5", tmp_path / "6"])
    with closing(sqlite3.connect(tmp_path / "p.unseg")) as connection, connection:
        connection.execute("UPDATE images SET path = x'35' WHERE id = 2")  # no text, but b'5'
        connection.execute("UPDATE images SET path = \"b'5'\" WHERE id = 1")
    told: list[str] = []
    with Project.open(tmp_path / "p.unseg") as project:
        project.events.trouble.connect(told.append)
        assert [entry.path for entry in project.images()] == ["b'5'", "b'5'"]
        project.set_comment(2, "blurred")
    assert told == []
    with Project.open(tmp_path / "p.unseg") as project:
        assert project.image(2).comment == "blurred"
