"""One set of clusters for the images of a set: trained, scored and printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from unseg_studio.bench.films import ALONE, films, is_film
from unseg_studio.bench.project_table import Line, table
from unseg_studio.bench.projects import ProjectPlan, run_projects, scored
from unseg_studio.bench.sets import annotated_of, sets_in
from unseg_studio.bench.trained import BASELINE, learning, made
from unseg_studio.document import dial

QUICK = "diffcluster:iterations=4,size=32"


def made_up_set(folder: Path, name: str, kind: str, names: list[str]) -> None:
    for part in ("images", "masks"):
        (folder / name / part).mkdir(parents=True)
    manifest = {"set": name, "kind": kind, "mask": "0 background, 1 object"}
    (folder / name / "MANIFEST.json").write_text(json.dumps(manifest))
    for number, stem in enumerate(names):
        random = np.random.default_rng(number)
        mask = np.zeros((64, 80), np.uint8)
        mask[16:48, 10 + 4 * number : 42 + 4 * number] = 1
        pixels = np.where(mask[..., None] > 0, (200, 60, 40), (40, 90, 160))
        pixels = pixels + random.integers(-20, 20, (64, 80, 3))
        Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            folder / name / "images" / f"{stem}.png"
        )
        Pillow.fromarray(mask).save(folder / name / "masks" / f"{stem}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made_up_set(tmp_path, "voc_fgbg", "fg-bg", [f"photo {i}" for i in range(3)])
    film = [f"dog_{i:05d}" for i in range(3)]
    made_up_set(tmp_path, "davis2016", "fg-bg video", film)
    return tmp_path


def test_every_way_to_name_clusters_is_scored(data: Path, tmp_path: Path) -> None:
    line = scored(ProjectPlan(data, tmp_path), "voc_fgbg", BASELINE, 0)
    assert (line.set, line.method, line.images, line.clusters) == ("voc_fgbg", BASELINE, 3, 2)
    for value in (line.one_to_one, line.many_to_one, line.by_strokes):
        assert 0.5 < value <= 1  # a red square on blue
    assert line.train_s > 0 and line.apply_s > 0 and not line.problem


def test_films_are_scored_by_what_their_first_image_says(data: Path, tmp_path: Path) -> None:
    manifest = sets_in(data)["davis2016"]
    assert is_film(manifest) and not is_film(sets_in(data)["voc_fgbg"])
    (film,) = films([*annotated_of(data, manifest)])
    assert [case.name for case in film] == [f"dog_{i:05d}" for i in range(3)]
    for method in (QUICK, ALONE):
        line = scored(ProjectPlan(data, tmp_path), "davis2016", method, 0)
        assert 0.4 < line.many_to_one <= 1


def test_a_method_may_carry_parameters_and_must_learn() -> None:
    segmenter = made(QUICK, n_clusters=5, seed=3)
    assert (getattr(segmenter, "iterations"), segmenter.seed) == (4, 3)  # noqa: B009
    limits = {name: getattr(segmenter, name) for name in (dial.FEWEST, dial.MOST)}
    assert limits == dial.values_of(segmenter, 5)
    with pytest.raises(ValueError, match="Unknown method 'magic'"):
        made("magic", n_clusters=2, seed=0)
    assert {"diffcluster", "multilevel"} <= set(learning())


def test_a_run_prints_a_table_and_writes_a_file(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ProjectPlan(data, tmp_path / "out", ("voc_fgbg",), (BASELINE,), quick=True)
    run_projects(plan)
    printed = capsys.readouterr().out
    assert "voc_fgbg: mean IoU" in printed and BASELINE in printed
    lines = (tmp_path / "out" / "project_quick.csv").read_text().splitlines()
    assert len(lines) == 2 and lines[1].startswith(f"voc_fgbg,{BASELINE},0,3,2,")


def test_what_went_wrong_stands_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    Console(width=120).print(table("a", [Line("a", "m", 0, 0, 0, problem="no memory")]))
    assert "no memory" in capsys.readouterr().out


def test_an_unknown_set_is_refused_in_a_sentence(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Unknown set 'moon'; accepted are .*voc_fgbg"):
        run_projects(ProjectPlan(data, tmp_path, ("moon",)))
