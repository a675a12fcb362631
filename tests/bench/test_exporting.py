"""What is measured of exports, here on a few small images."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.bench.exporting import (
    chosen_formats,
    made_up_labels,
    made_up_project,
    measured,
    run_exporting,
    table,
    table_of_categories,
    timed,
)
from unseg_studio.formats import FORMATS, geometry
from unseg_studio.project import Project


def test_labels_are_blobs_of_all_categories_some_with_holes():
    categories = table_of_categories()
    labels = made_up_labels(512, categories, np.random.default_rng(0))
    assert set(np.unique(labels)) == {0, *(category.id for category in categories)}
    assert [category.kind for category in categories].count("stuff") == 1


def test_the_same_seed_gives_the_same_project(tmp_path):
    found = []
    for name in ("a", "b"):
        made_up_project(tmp_path / f"{name}.unseg", n_images=2, side=256, seed=3)
        with Project.open(tmp_path / f"{name}.unseg", read_only=True) as project:
            assert {entry.status for entry in project.images()} == {"done"}
            found.append(list(project.annotations()))
    one, other = found
    assert [a.shape for a in one] == [(256, 256)] * 2
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.labels(), b.labels())
    assert not np.array_equal(one[0].labels(), one[1].labels())
    patches = [region.patch for annotation in one for region in annotation.regions]
    assert any(geometry.has_holes(patch, touching=False) for patch in patches)


def test_every_format_is_measured_and_holds_the_masks(tmp_path):
    path = tmp_path / "a.unseg"
    made_up_project(path, n_images=2, side=128, seed=0)
    rows = [measured(path, format_) for format_ in chosen_formats(())]
    assert [row.format for row in rows] == [n for n, f in FORMATS.items() if f.holds_many]
    assert all(row.n_bytes > 100 for row in rows)
    assert {row.format for row in rows if row.checking is None} == {"cvat"}
    assert {row.agreement for row in rows if row.checking is not None} == {1.0}
    assert table(rows, title="").row_count == len(rows)


def test_what_other_processes_compute_counts(monkeypatch):
    times = iter([(1.0, 2.0, 3.0, 4.0, 99.0), (2.0, 2.5, 5.0, 4.25, 99.0)])
    monkeypatch.setattr("unseg_studio.bench.exporting.os.times", lambda: next(times))
    cost, made = timed(lambda: "x")
    assert cost.cpu == pytest.approx(3.75)
    assert made == "x"


def test_the_table_is_printed(capsys):
    run_exporting(["coco"], n_images=1, side=96)
    out = capsys.readouterr().out
    assert "1 images of 96 x 96 px" in out
    assert "coco" in out


@pytest.mark.parametrize("name", ["png", "parquet"])
def test_a_format_that_is_not_for_many_images_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}.*accepted are coco, "):
        chosen_formats([name])
