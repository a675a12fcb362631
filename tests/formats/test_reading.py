from __future__ import annotations

import tracemalloc

import pytest

from unseg_studio.formats.reading import read_bytes


def test_a_file_up_to_the_limit_is_read_and_no_larger_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(3 << 20))
    assert read_bytes(path, limit=3 << 20) == bytes(3 << 20)
    with pytest.raises(ValueError, match="larger than 2 MiB"):
        read_bytes(path, limit=2 << 20)


def test_a_small_file_takes_little_memory_whatever_the_limit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"small")
    tracemalloc.start()
    try:
        read_bytes(path, limit=1 << 30)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_a_folder_is_one_sentence(tmp_path):
    with pytest.raises(IsADirectoryError, match="cannot be read: Is a directory"):
        read_bytes(tmp_path, limit=10)
