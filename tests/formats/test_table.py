"""Which part of a split data set goes where."""

from __future__ import annotations

import json
import weakref
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


def test_annotations_that_come_once_are_passed_on_one_by_one(annotate, blobs, tmp_path):
    alive = []

    def coming():
        for n in range(5):
            annotation = annotate(blobs, name=f"{n}.tif")
            alive.append(weakref.ref(annotation))
            yield annotation
            del annotation
            assert sum(ref() is not None for ref in alive) <= 2  # one is in the writer's hands

    export(coming(), tmp_path / "o.json")
    assert len(names_in(tmp_path / "o.json")) == 5


def test_a_data_set_that_is_split_in_part_only_is_refused(annotate, blobs, tmp_path):
    given = [annotate(blobs, name="a.tif"), replace(annotate(blobs), subset="val")]
    with pytest.raises(ValueError, match="belongs to the part 'val' and the images before it"):
        export(iter(given), tmp_path / "o.json")
    assert list(tmp_path.iterdir()) == []
