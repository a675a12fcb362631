"""What is measured on a large image, here on a small one that counts as large."""

from __future__ import annotations

from pathlib import Path

import pytest

from unseg_studio.bench import large
from unseg_studio.bench.large import Row, made_up, measured, table
from unseg_studio.data import LargeImage, describe_image, image, open_image
from unseg_studio.segmenters import DiffCluster


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(image, "LARGE", 500_000)
    monkeypatch.setattr(large, "VIEW", (300, 400))
    monkeypatch.setattr(large, "default_segmenter", lambda _: DiffCluster(iterations=2))
    made_up(tmp_path / "a.tif", 900)
    return tmp_path / "a.tif"


def test_the_file_is_tiled_and_of_the_size_that_was_asked_for(path):
    assert describe_image(path).shape == (900, 900)
    opened = open_image(path)
    assert isinstance(opened, LargeImage)
    assert opened.glimpse(128).std() > 10


def test_everything_a_person_waits_for_is_measured(path):
    rows = list(measured(path, strokes=2))
    assert [row.what for row in rows if row.limit] == [
        "first rows on the screen",
        "all of it on the screen",
        "stroke to first labels, p50",
        "stroke to first labels, p95",
        "peak memory of the process",
    ]
    assert all(row.value > 0 for row in rows)
    assert rows[-1].limit == pytest.approx(3 * 900 * 900 * 3 / 1e6)
    assert table(rows, path).row_count == len(rows)


def test_a_limit_is_met_or_not():
    assert [Row("a", 1, "s", limit).is_met for limit in (None, 2, 0.5)] == [None, True, False]
