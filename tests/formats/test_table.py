"""Which part of a split data set goes where."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from unseg_studio.formats import export


def names_in(path):
    return [image["file_name"] for image in json.loads(path.read_text())["images"]]


@pytest.fixture
def split(annotate, blobs):
    return [
        replace(annotate(blobs, name=f"{n}.tif"), subset=subset)
        for n, subset in enumerate(["train", "val", "train"])
    ]


@pytest.mark.parametrize("kind", [list, iter])
def test_each_part_of_a_split_data_set_gets_a_file(kind, split, tmp_path):
    export(kind(split), tmp_path / "out.json")
    assert names_in(tmp_path / "out_train.json") == ["0.tif", "2.tif"]
    assert names_in(tmp_path / "out_val.json") == ["1.tif"]
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_split_there_is_one_file(annotate, blobs, tmp_path):
    export(
        iter([annotate(blobs, name="a.tif"), annotate(blobs, name="b.tif")]), tmp_path / "o.json"
    )
    assert names_in(tmp_path / "o.json") == ["a.tif", "b.tif"]
