"""Whole files or nothing, shown with the operating system's own errors."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from unseg_studio.formats.atomic import write_bytes, write_files, write_folder

resource = pytest.importorskip("resource")
OLD = b"what a person made yesterday"
NEW = os.urandom(64) * 4096


@contextmanager
def files_of_at_most(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def ordinary_user():
    """Nothing is read-only for root, so be somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_file_is_made_and_replaced(tmp_path):
    path = tmp_path / "a.json"
    for data in (b"one", b"two"):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_keeps_the_old_file(tiny_disk):
    path = tiny_disk / "a.json"
    path.write_bytes(OLD)
    with pytest.raises(OSError, match=r"a\.json was not written: the disk is full") as caught:
        write_bytes(path, NEW)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == OLD
    assert [entry.name for entry in tiny_disk.iterdir()] == ["a.json"]


def test_a_limit_on_file_size_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(OLD)
    with (
        files_of_at_most(1000),
        pytest.raises(OSError, match="was not written: the disk is full"),
    ):
        write_bytes(path, NEW)
    assert path.read_bytes() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_of_files_that_belong_together_none_changes_when_one_cannot_be_written(tmp_path):
    small, large = tmp_path / "small.csv", tmp_path / "large.png"
    small.write_bytes(OLD)
    with files_of_at_most(1000), pytest.raises(OSError, match=r"large\.png"):
        write_files({small: b"new", large: NEW})
    assert small.read_bytes() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["small.csv"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        write_bytes(tmp_path / "gone" / "a.json", b"")


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(NotADirectoryError, match="file is not a folder"):
        write_bytes(tmp_path / "file" / "a.json", b"new")
    assert (tmp_path / "file").read_bytes() == OLD


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError, match="a folder of that name is in the way"):
        write_bytes(tmp_path, b"")


def test_a_read_only_folder_is_named_and_the_old_file_stays():
    with TemporaryDirectory() as name:  # tmp_path lies in a folder that only its owner may enter
        folder = Path(name)
        path = folder / "a.json"
        path.write_bytes(OLD)
        folder.chmod(0o555)
        try:
            with ordinary_user(), pytest.raises(PermissionError, match="may not be written to"):
                write_bytes(path, b"new")
            assert path.read_bytes() == OLD
            assert [entry.name for entry in folder.iterdir()] == ["a.json"]
        finally:
            folder.chmod(0o700)


def test_a_disk_mounted_read_only_is_named(tiny_disk):
    (tiny_disk / "a.json").write_bytes(OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(OSError, match="may not be written to"):
        write_bytes(tiny_disk / "a.json", b"new")
    assert (tiny_disk / "a.json").read_bytes() == OLD


def test_a_name_that_is_too_long_is_said_to_be(tmp_path):
    with pytest.raises(OSError, match="the name is too long"):
        write_bytes(tmp_path / ("a" * 300 + ".json"), b"")
    assert not list(tmp_path.iterdir())


def test_the_longest_possible_name_is_written(tmp_path):
    path = tmp_path / ("a" * 250 + ".json")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(OLD)
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_are_those_of_the_old_file_or_of_any_new_one(tmp_path):
    old, new, ordinary = tmp_path / "old", tmp_path / "new", tmp_path / "ordinary"
    old.write_bytes(OLD)
    old.chmod(0o640)
    ordinary.write_bytes(OLD)
    write_files({old: b"", new: b""})
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == ordinary.stat().st_mode


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path):
    def files():
        yield "labels/a.txt", b"1"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_folder(tmp_path / "set", files())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_its_other_files(tmp_path):
    write_folder(tmp_path / "set", [("labels/a.txt", b"1"), ("data.yaml", b"x")])
    write_folder(tmp_path / "set", [("labels/a.txt", b"2")])
    assert (tmp_path / "set/labels/a.txt").read_bytes() == b"2"
    assert (tmp_path / "set/data.yaml").read_bytes() == b"x"
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "..\\a", "C:a"])
def test_no_file_of_a_folder_lies_outside_of_it(name, tmp_path):
    with pytest.raises(ValueError, match="outside"):
        write_folder(tmp_path / "set", [(name, b"1")])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_gets_all_of_the_files_or_none(tmp_path):
    def files():
        yield "labels/a.txt", b"2"
        yield "labels/b.txt", b"2"
        raise ValueError("two images of one name")

    write_folder(tmp_path / "set", [("labels/a.txt", b"1")])
    with pytest.raises(ValueError, match="of one name"):
        write_folder(tmp_path / "set", files())
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "labels", "a.txt"]
    assert (tmp_path / "set/labels/a.txt").read_bytes() == b"1"


def test_a_full_disk_leaves_a_folder_as_it_was(tiny_disk):
    write_folder(tiny_disk / "set", [("a.txt", OLD)])
    with pytest.raises(OSError, match="disk is full"):
        write_folder(tiny_disk / "set", [("a.txt", b"new"), ("b.txt", NEW)])
    assert {p.name: p.read_bytes() for p in (tiny_disk / "set").iterdir()} == {"a.txt": OLD}


def test_a_file_where_the_folder_should_be_is_named(tmp_path):
    (tmp_path / "set").write_bytes(OLD)
    with pytest.raises(NotADirectoryError, match="set was not written: a file of that name"):
        write_folder(tmp_path / "set", [("a.txt", b"1")])
    assert (tmp_path / "set").read_bytes() == OLD
