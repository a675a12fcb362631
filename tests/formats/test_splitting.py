"""Who trains and who validates."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from unseg_studio.data import Source
from unseg_studio.formats import export
from unseg_studio.formats.splitting import split


@pytest.fixture
def images(annotate):
    empty = annotate(np.zeros((3, 3)))
    return lambda names: [type(empty)((3, 3), Source(Path(n)), empty.categories, ()) for n in names]


def parts(annotations):
    return {annotation.source.name: annotation.subset for annotation in annotations}


def numbered(n):
    return [f"{i}.tif" for i in range(n)]


def test_about_the_share_that_was_asked_for_validates(images):
    counts = Counter(parts(split(images(numbered(2000)), val=0.2)).values())
    assert counts["train"] + counts["val"] == 2000
    assert abs(counts["val"] - 400) < 60  # more than three standard deviations


def test_an_image_stays_where_it_is_when_others_come(images):
    few, many = (parts(split(images(numbered(n)), val=0.3)) for n in (50, 500))
    assert few == {name: many[name] for name in few}


def test_the_order_and_the_folder_make_no_difference(images):
    here = parts(split(images(numbered(40)), val=0.3))
    there = parts(split(images(f"/elsewhere/{n}" for n in reversed(numbered(40))), val=0.3))
    assert here == there


def test_another_seed_gives_another_split(images):
    assert parts(split(images(numbered(40)), val=0.5, seed=1)) != parts(
        split(images(numbered(40)), val=0.5, seed=2)
    )


@pytest.mark.parametrize("val", [1e-9, 0.5, 1 - 1e-9])
@pytest.mark.parametrize("n", [2, 3, 20])
def test_neither_part_is_empty(images, val, n):
    assert set(parts(split(images(numbered(n)), val=val)).values()) == {"train", "val"}


def test_one_image_goes_where_it_falls(images):
    assert parts(split(images(["a.tif"]), val=1e-9)) == {"a.tif": "train"}


def test_planes_of_a_stack_stay_together(annotate):
    planes = [
        annotate(np.zeros((3, 3)), source=Source(Path(f"{stack}.tif"), plane, 5))
        for stack in range(10)
        for plane in range(5)
    ]
    where = {}
    for annotation in split(planes, val=0.4):
        where.setdefault(annotation.source.path, set()).add(annotation.subset)
    assert all(len(subsets) == 1 for subsets in where.values())
    assert len(set.union(*where.values())) == 2


def test_it_can_be_gone_over_again_also_where_annotations_come_once(images):
    annotations = split(iter(images(numbered(9))), val=0.3)
    assert parts(annotations) == parts(annotations) == parts(split(images(numbered(9)), val=0.3))


def test_known_sources_spare_a_pass(images):
    class Counted(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            return super().__iter__()

    given = Counted(images(numbered(9)))
    told = split(given, val=0.3, sources=[a.source for a in images(numbered(9))])
    assert parts(told) == parts(split(images(numbered(9)), val=0.3))
    assert given.passes == 1


@pytest.mark.parametrize("val", [0, 1, -0.1, 2, float("nan")])
def test_a_share_that_leaves_a_part_empty_is_refused(images, val):
    with pytest.raises(ValueError, match="accepted is one between 0 and 1"):
        split(images(["a.tif"]), val=val)


def test_an_export_writes_the_parts(images, tmp_path):
    export(split(images(numbered(20)), val=0.3), tmp_path / "o.json")
    files = {p.name: json.loads(p.read_text())["images"] for p in tmp_path.iterdir()}
    assert set(files) == {"o_train.json", "o_val.json"}
    assert sum(len(entries) for entries in files.values()) == 20
