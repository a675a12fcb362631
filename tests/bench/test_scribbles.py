"""The command from end to end, on two tiny images."""

from __future__ import annotations

import csv
import importlib.util

import numpy as np
import pytest

from tests.bench.made_up import disc
from unseg_studio.__main__ import main
from unseg_studio.bench import plan, scribbles
from unseg_studio.bench.game import Here
from unseg_studio.bench.methods import PAPER, methods
from unseg_studio.bench.plan import QUICK_LIMIT, QUICK_ROUNDS, QUICK_SIDE, Plan

DISCS = {"x": disc(), "y": disc(centre=(20, 30), radius=9)}


@pytest.fixture
def data(make_set, monkeypatch):
    drawn = np.full((40, 56), 255, np.uint8)
    drawn[0], drawn[18, 20:28] = 0, 1
    # It has the name of a real set, but not its images.
    monkeypatch.setattr(plan, "FITTED_SETS", ())
    return make_set("grabcut", DISCS, folders={"scribbles": {"x": drawn}})


@pytest.fixture
def run(capsys, data, tmp_path):
    """Run the command on the made-up sets: (exit code, stdout, stderr)."""

    def run(*words):
        given = ["--data", data, "--out", tmp_path / "out", *words]
        code = main(["bench", "scribbles", *map(str, given)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_what_the_engine_was_fitted_on_is_not_played(make_set, tmp_path):
    data = make_set("grabcut", {name: disc() for name in "abcd"})
    make_set("my_own", {name: disc() for name in "abcd"})
    played = Plan(data, tmp_path, methods=("diffcluster",))
    assert [(case.set, case.name) for case, _ in played.matches()] == [
        *(("grabcut", name) for name in "bd"),
        *(("my_own", name) for name in "abcd"),
    ]
    assert played.count_matches() == 6


class HereWithClose(Here):
    """Stands in for a process of its own, since starting one takes a second."""

    def close(self):
        return None


@pytest.fixture
def in_this_process(monkeypatch):
    def seat(plan, method):
        return HereWithClose(methods(seed=plan.seed, device="cpu")[method.name])

    monkeypatch.setattr(scribbles, "_seat", seat)


def rows(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_everything_is_played_printed_and_written(run, in_this_process, tmp_path):
    code, out, err = run("--methods", "random_walker,diffcluster", "--rounds", 2)
    assert (code, err) == (0, "")
    made = rows(tmp_path / "out" / "scribbles.csv")
    assert [(row["image"], row["method"], row["round"]) for row in made] == [
        (image, method, number)
        for image in "xy"
        for method in ("random_walker", "diffcluster")
        for number in "01"
    ]
    assert all(0.5 < float(row["iou"]) <= 1 for row in made)
    assert float(made[0]["seconds"]) > 0
    assert made[0]["first_frame_seconds"] == ""
    assert float(made[2]["first_frame_seconds"]) > 0
    assert float(made[2]["opening_seconds"]) > 0
    people = rows(tmp_path / "out" / "scribbles_human.csv")
    assert [(row["image"], row["strokes_by"]) for row in people] == [("x", "scribbles")] * 2
    assert (tmp_path / "out" / "scribbles.png").read_bytes().startswith(b"\x89PNG")
    for words in ("grabcut: mean IoU", "random_walker", "diffcluster", "grabcut/scribbles"):
        assert words in out
    assert "not judged after 2" in out


def test_each_method_plays_in_a_process_of_its_own(run, tmp_path):
    code, out, err = run("--methods", "random_walker", "--rounds", 2, "--images", 1)
    assert (code, err) == (0, "")
    made = rows(tmp_path / "out" / "scribbles.csv")
    assert all(0.5 < float(row["iou"]) <= 1 for row in made)
    assert "each method in a process of its own" in out


def test_after_all_rounds_the_margins_are_judged(run, in_this_process):
    _, out, _ = run("--methods", "random_walker,diffcluster", "--images", 1)
    assert "Our best segmenter is diffcluster" in out
    assert "grabcut round 0" in out
    assert "Strokes to 0.90 on grabcut" in out


def test_a_quick_run_judges_nothing(run, in_this_process, tmp_path):
    code, out, _ = run("--quick", "--methods", "random_walker")
    assert code == 0
    assert "This was a quick run" in out
    assert "Our best" not in out
    made = rows(tmp_path / "out" / "scribbles.csv")
    assert [row["round"] for row in made] == [str(n) for n in range(QUICK_ROUNDS)]


def test_what_is_quick_about_a_quick_run(data, make_set, tmp_path):
    make_set("other", DISCS)
    make_set("large", {"x": disc((300, 300), centre=(140, 140), radius=90)})
    quick = Plan(data, tmp_path, quick=True)
    assert [*quick.chosen_sets()] == ["grabcut"]
    assert PAPER not in quick.chosen_methods()
    assert quick.chosen_methods()["grabcut"].limit == QUICK_LIMIT
    assert [case.name for case, _ in quick.matches()] == ["x"] * len(quick.chosen_methods())
    asked = Plan(data, tmp_path, ("large",), (PAPER,), images=2, rounds=5, quick=True)
    assert [*asked.chosen_sets()] == ["large"]
    assert (asked.most_images, asked.n_rounds) == (2, 5)
    ((case, method),) = asked.matches()
    assert case.image.shape == (QUICK_SIDE, QUICK_SIDE)
    assert method.name == PAPER


def test_a_slow_method_plays_fewer_images(data, tmp_path):
    whole = Plan(data, tmp_path, methods=("random_walker", PAPER))
    assert [(case.name, method.name) for case, method in whole.matches()] == [
        ("x", "random_walker"),
        ("x", PAPER),
        ("y", "random_walker"),
    ]
    assert whole.count_matches() == 3


def test_methods_for_two_categories_leave_others_out(run, in_this_process, make_set, tmp_path):
    values = disc()
    values[30:] = 2
    make_set("three", {"x": values})
    code, out, _ = run("--methods", "grabcut,random_walker", "--sets", "three", "--rounds", 1)
    assert code == 0
    assert {row["method"] for row in rows(tmp_path / "out" / "scribbles.csv")} == {"random_walker"}
    assert "three: mean IoU" in out


def test_the_same_seed_gives_the_same_scores(run, in_this_process, tmp_path):
    ious = []
    for _ in range(2):
        run("--methods", "random_forest", "--rounds", 2, "--images", 1, "--seed", 3)
        ious.append([row["iou"] for row in rows(tmp_path / "out" / "scribbles.csv")])
    assert ious[0] == ious[1]


def test_an_interrupted_run_shows_and_keeps_what_was_played(
    run, in_this_process, monkeypatch, tmp_path
):
    words = ("--methods", "random_walker", "--rounds", 2)
    play = scribbles.play

    def interrupted(case, *arguments, **options):
        if case.name == "y":
            raise KeyboardInterrupt
        return play(case, *arguments, **options)

    monkeypatch.setattr(scribbles, "play", interrupted)
    code, out, _ = run(*words)
    assert code == 130
    assert "grabcut: mean IoU" in out
    assert "--resume goes on" in out
    assert len(rows(tmp_path / "out" / "scribbles.part.csv")) == 2
    assert not (tmp_path / "out" / "scribbles.csv").exists()

    def only_new(case, *arguments, **options):
        assert case.name == "y"
        return play(case, *arguments, **options)

    monkeypatch.setattr(scribbles, "play", only_new)
    code, out, err = run(*words, "--rounds", 3, "--resume")
    assert code == 2
    assert "holds games of 2 rounds, but this run has 3" in err
    code, out, _ = run(*words, "--resume")
    assert code == 0
    assert [row["image"] for row in rows(tmp_path / "out" / "scribbles.csv")] == [*"xxyy"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sets", "nope"), "Unknown set 'nope'; accepted are grabcut."),
        (("--methods", "nope"), "Unknown method 'nope'; accepted are random_walker, "),
        (("--device", "abacus"), "Unknown device 'abacus'"),
        (("--data", "nowhere"), "nowhere holds no image set"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(run, words, sentence):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_folder_that_cannot_be_written_to_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("--out", tmp_path / "file")
    assert code == 2
    assert "Choose another one with --out" in err


@pytest.mark.parametrize(
    ("module", "name"), [("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")]
)
def test_what_is_not_installed_is_named_before_anything_is_played(run, monkeypatch, module, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda it: None if it == module else find(it))
    code, out, err = run()
    assert (code, out) == (2, "")
    assert f'{name}, which is not installed; run: pip install "unseg-studio[bench]"' in err
