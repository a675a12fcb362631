"""The command from end to end, on tiny sets of each kind."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from tests.bench.made_up import disc
from unseg_studio.__main__ import main
from unseg_studio.bench import unsupervised
from unseg_studio.bench.game import NoAnswerError
from unseg_studio.bench.methods import PAPER
from unseg_studio.bench.unsupervised import RunnerAside, timed
from unseg_studio.bench.unsupervised_plan import QUICK_SIDE, UnsupervisedPlan
from unseg_studio.data import Image

FEW = ("--methods", "blank,kmeans-5,felzenszwalb-500")


@pytest.fixture
def data(make_set):
    fine = disc() + 1
    fine[30:] = 3
    make_set("parks", {"x_0": disc() + 1, "x_1": fine}, images={"x": _noisy(fine)}, kind="region")
    make_set("streets", {"x": disc()}, kind="semantic")
    make_set("cells", {"x": disc()}, kind="instance")
    return make_set("things", {"x": disc(), "y": disc(centre=(20, 30), radius=9)})


def _noisy(values):
    noise = np.random.default_rng(0).integers(0, 20, (*values.shape, 3))
    return (values[..., None] * 60 + noise).astype(np.uint8)


@pytest.fixture
def run(capsys, data, tmp_path):
    """Run the command on the made-up sets: (exit code, stdout, stderr)."""

    def run(*words):
        given = ["--data", data, "--out", tmp_path / "out", *words]
        code = main(["bench", "unsupervised", *map(str, given)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


class RunnerHere:
    """Stands in for a process of its own, since starting one takes a second."""

    def __init__(self, proposer):
        self._proposer = proposer

    def run(self, image, seed):
        return timed(self._proposer, image, seed)

    def close(self):
        return None


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(unsupervised, "_runner", lambda _plan, proposer: RunnerHere(proposer))


def rows(tmp_path, name="unsupervised.csv"):
    with (tmp_path / "out" / name).open(newline="") as file:
        return [*csv.DictReader(file)]


def test_everything_is_run_printed_and_written(run, in_this_process, tmp_path):
    code, out, err = run(*FEW, "--seeds", 2)
    assert (code, err) == (0, "")
    made = rows(tmp_path)
    images = [("parks", "x"), ("streets", "x"), ("things", "x"), ("things", "y")]
    assert [(r["set"], r["image"], r["method"], r["seed"]) for r in made] == [
        (*image, method, seed)
        for image in images
        for method, seed in (
            ("blank", "0"),
            ("kmeans-5", "0"),
            ("kmeans-5", "1"),
            ("felzenszwalb-500", "0"),
        )
    ]
    # Two annotations with five segments.
    assert float(made[0]["all"]) == pytest.approx(2 / 5)
    assert made[0]["foreground_iou"] == made[0]["matched_iou"] == ""
    assert float(made[4]["matched_iou"]) > 0
    assert float(made[8]["foreground_iou"]) == pytest.approx(disc().mean(), rel=1e-4)
    for said in ("parks: mean ± deviation", "CorLoc", "one to one", "side by side"):
        assert said in out
    assert "cells" not in out
    assert out.rstrip().endswith("unsupervised.csv")


def test_our_own_method_takes_part_with_the_seeds_that_are_asked_for(
    run, in_this_process, tmp_path
):
    code, _, _ = run("--methods", "diffcluster", "--sets", "things", "--images", 1, "--seeds", 2)
    assert code == 0
    assert [(row["image"], row["seed"]) for row in rows(tmp_path)] == [("x", "0"), ("x", "1")]
    assert all(0 <= float(row["foreground_iou"]) <= 1 for row in rows(tmp_path))


def test_slow_methods_run_on_few_images(data, tmp_path):
    plan = UnsupervisedPlan(data, tmp_path, sets=("things",), methods=(PAPER, "blank"), seeds=1)
    assert [(case.name, proposer.name) for case, _, proposer, _ in plan.matches()] == [
        ("x", PAPER),
        ("x", "blank"),
        ("y", "blank"),
    ]
    assert plan.count_matches() == 3


def test_a_quick_run_takes_a_small_image_of_each_kind(make_set, tmp_path):
    data = make_set("a", {"x": disc((300, 400)), "y": disc()})
    make_set("b", {"x": disc()})
    plan = UnsupervisedPlan(data, tmp_path, quick=True)
    cases = {case.set: case for case, *_ in plan.matches()}
    assert [*cases] == ["a"]
    assert cases["a"].image.shape == cases["a"].annotations[0].shape == (144, QUICK_SIDE)
    assert cases["a"].annotations[0].max() == 2
    assert PAPER not in plan.chosen_methods()
    assert plan.count_matches() == len(plan.chosen_methods())


def test_a_quick_run_judges_nothing_and_has_a_file_of_its_own(run, in_this_process, tmp_path):
    code, out, _ = run(*FEW, "--quick")
    assert code == 0
    assert "nothing is judged" in out
    assert {row["seed"] for row in rows(tmp_path, "unsupervised_quick.csv")} == {"0"}


def test_what_fails_is_named_and_not_counted(run, monkeypatch, tmp_path):
    class Failing:
        def run(self, image, seed):
            raise NoAnswerError("fails with RuntimeError: no more ink")

        def close(self):
            return None

    monkeypatch.setattr(unsupervised, "_runner", lambda _plan, _proposer: Failing())
    code, out, _ = run("--methods", "blank", "--sets", "things")
    assert code == 0
    assert "things: blank fails with RuntimeError: no more ink in 2 runs; not counted." in out
    assert {row["foreground_iou"] for row in rows(tmp_path)} == {""}


def test_an_interrupted_run_shows_and_keeps_what_was_run(
    run, in_this_process, monkeypatch, tmp_path
):
    words = (*FEW, "--sets", "things", "--seeds", 1)
    real = unsupervised._run

    def interrupted(outcome, *arguments, **options):
        if outcome.image == "y":
            raise KeyboardInterrupt
        return real(outcome, *arguments, **options)

    monkeypatch.setattr(unsupervised, "_run", interrupted)
    code, out, _ = run(*words)
    assert code == 130
    assert "things: mean" in out
    assert "--resume goes on" in out
    assert [r["image"] for r in rows(tmp_path, "unsupervised.part.csv")] == [*"xxx"]

    def only_new(outcome, *arguments, **options):
        assert outcome.image == "y"
        return real(outcome, *arguments, **options)

    monkeypatch.setattr(unsupervised, "_run", only_new)
    code, _, _ = run(*words, "--resume")
    assert code == 0
    assert [row["image"] for row in rows(tmp_path)] == [*"xxxyyy"]


def test_a_method_in_a_process_of_its_own_gives_what_it_gives_here():
    image = Image.of(_noisy(disc()))
    runner = RunnerAside("blank", "cpu", limit=60)
    try:
        proposal, seconds, peak = runner.run(image, 0)
    finally:
        runner.close()
    assert proposal.labels.shape == image.shape
    assert proposal.foreground.all()
    assert seconds >= 0
    assert peak > 10 or math.isnan(peak)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sets", "cells"), "Unknown set 'cells'; accepted are parks, streets, things."),
        (("--methods", "nope"), "Unknown method 'nope'; accepted are blank, "),
        (("--device", "abacus"), "Unknown device 'abacus'"),
        (("--data", "nowhere"), "nowhere holds no image set"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(run, words, sentence):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_sets_that_cannot_be_scored_without_labels_are_refused(make_set, capsys, tmp_path):
    data = make_set("cells", {"x": disc()}, kind="instance")
    code = main(["bench", "unsupervised", "--data", str(data), "--out", str(tmp_path)])
    assert code == 2
    assert "accepted are sets whose MANIFEST.json says one of these" in capsys.readouterr().err
