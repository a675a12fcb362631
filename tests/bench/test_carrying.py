"""Carrying along made-up sequences: what is read, what is scored, what is said."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import PIL.Image
import pytest
import tifffile
from rich.console import Console

from tests.bench.made_up import disc, picture
from unseg_studio.__main__ import main
from unseg_studio.bench import carrying
from unseg_studio.bench.carrying_methods import OURS, Start, begun, methods
from unseg_studio.bench.carrying_report import (
    WIDTH,
    Outcome,
    by_distance_table,
    sequence_table,
    verdict,
)
from unseg_studio.bench.carrying_sets import Sequence, known_sets, sequences_in
from unseg_studio.bench.robot import first_strokes, mean_iou
from unseg_studio.data import Image

SHAPE = (48, 64)
N_PLANES = 4


def masks():
    return [disc(SHAPE, centre=(20 + n, 24 + 2 * n), radius=12) for n in range(N_PLANES)]


@pytest.fixture
def data(make_set):
    """A film of four frames."""
    frames = {f"swan_{n:05}": mask for n, mask in enumerate(masks())}
    return make_set("davis2016", frames)


@pytest.fixture
def sequence():
    images = tuple(Image.of(picture(mask, seed=n)) for n, mask in enumerate(masks()))
    truths = tuple(mask.astype(np.int32) + 1 for mask in masks())
    return Sequence("made up", "swan", images, truths, (True,) * N_PLANES)


def write_stack(data):
    folder = data / "stack3d_stardist"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    numbered = np.stack([mask.astype(np.uint16) * (7 + n) for n, mask in enumerate(masks())])
    light = np.stack([picture(mask)[..., 0] for mask in masks()])
    tifffile.imwrite(folder / "masks" / "a.tif", numbered, photometric="minisblack")
    tifffile.imwrite(folder / "images" / "a.tif", light, photometric="minisblack")


def test_frames_of_a_film_and_pages_of_a_stack_are_sequences(data):
    write_stack(data)
    assert known_sets(data) == ("davis2016", "stack3d_stardist")
    film, stack = sequences_in(data, known_sets(data))
    assert (film.name, stack.name) == ("swan", "stack3d_stardist")
    for read in (film, stack):
        assert [image.shape for image in read.images] == [SHAPE] * N_PLANES
        for truth, mask in zip(read.truths, masks(), strict=True):
            assert np.array_equal(truth, mask + 1)


def test_what_the_engine_was_fitted_on_is_not_scored(data):
    write_stack(data)
    film, stack = sequences_in(data, known_sets(data))
    assert film.scored == (False, True) * 2
    assert all(stack.scored)


def test_planes_are_brought_down_to_a_size(data):
    (film,) = sequences_in(data, ("davis2016",), side=32, planes=3)
    assert [image.shape for image in film.images] == [(24, 32)] * 3
    assert film.truths[0].shape == (24, 32)


def test_a_sequence_of_two_planes_is_none(make_set):
    data = make_set("davis2016", {f"swan_{n}": disc() for n in range(2)})
    assert [*sequences_in(data, ("davis2016",))] == []


def test_every_method_labels_every_plane_that_is_scored(sequence):
    start = begun(sequence, 1, rounds=2, seed=0, device="cpu")
    assert mean_iou(sequence.truths[1], start.labels) > 0.9
    for name, method in methods(device="cpu").items():
        steps = [*method(start)]
        assert sorted(number for number, _, _ in steps) == [0, 2, 3], name
        assert all(labels.shape == SHAPE for _, labels, _ in steps)
        assert all(seconds > 0 for _, _, seconds in steps) or name == "copied_labels"


def test_labels_that_are_carried_follow_what_moves(sequence):
    start = begun(sequence, 0, rounds=2, seed=0, device="cpu")
    scores = {}
    for name in ("copied_labels", OURS):
        steps = methods(device="cpu")[name](start)
        scores[name] = np.mean([mean_iou(sequence.truths[n], labels) for n, labels, _ in steps])
    assert scores[OURS] > 0.9
    assert scores[OURS] > scores["copied_labels"] + 0.05


@pytest.fixture
def run(capsys, data, tmp_path):
    def run(*words):
        given = ["--data", data, "--out", tmp_path / "out", "--device", "cpu", *words]
        code = main(["bench", "carry", *map(str, given)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def rows(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_the_command_prints_tables_and_writes_every_plane(run, tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "ROUNDS", 2)
    code, out, err = run("--methods", f"copied_labels,{OURS}")
    assert (code, err) == (0, "")
    made = rows(tmp_path / "out" / "carry.csv")
    assert [(row["origin"], row["method"], row["plane"], row["distance"]) for row in made] == [
        ("first", "copied_labels", "1", "1"),
        ("first", "copied_labels", "3", "3"),
        ("first", OURS, "1", "1"),
        ("first", OURS, "3", "3"),
        ("middle", "copied_labels", "1", "1"),
        ("middle", "copied_labels", "3", "1"),
        ("middle", OURS, "1", "1"),
        ("middle", OURS, "3", "1"),
    ]
    assert all(float(row["iou"]) > 0.5 for row in made)
    assert made[0]["seconds"] == ""
    assert float(made[2]["seconds"]) > 0
    for words in ("from the first plane", "from the middle plane", "by distance", "is ahead in"):
        assert words in out


def test_a_quick_run_judges_nothing(run, tmp_path):
    code, out, _ = run("--quick", "--methods", "copied_labels")
    assert code == 0
    assert "This was a quick run" in out
    assert (tmp_path / "out" / "carry_quick.csv").exists()


def test_the_same_seed_gives_the_same_labels(sequence):
    truth = sequence.truths[0]
    start = Start(sequence, 0, first_strokes(truth), truth)
    for name in ("random_forest", OURS):
        one, other = ([*methods(seed=3, device="cpu")[name](start)] for _ in range(2))
        for (_, labels, _), (_, again, _) in zip(one, other, strict=True):
            assert np.array_equal(labels, again)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--sets", "nope"), "Unknown set 'nope'; accepted are davis2016."),
        (("--methods", "nope"), "Unknown method 'nope'; accepted are copied_labels, "),
        (("--device", "abacus"), "Unknown device 'abacus'"),
        (("--data", "nowhere"), "nowhere holds no sequence"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(run, words, sentence):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_picture_that_is_broken_is_told_of(run, data):
    (data / "davis2016" / "images" / "swan_00001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    code, _, err = run("--quick")
    assert code == 2
    assert "swan_00001.png" in err


def outcomes(method, ious, *, sequence="a", origin="first"):
    return [
        Outcome("s", sequence, origin, method, n, n, iou, math.nan, 0.9)
        for n, iou in enumerate(ious, 1)
    ]


def printed(table):
    file = io.StringIO()
    Console(file=file, width=WIDTH).print(table)
    return file.getvalue()


def line_of(text, method):
    (line,) = (row for row in text.splitlines() if row.startswith(f"│ {method} "))
    return [cell.strip() for cell in line.split("│")[2:-1]]


def test_the_table_marks_the_best_of_each_sequence():
    lines = [
        *outcomes(OURS, [0.8, 0.9]),
        *outcomes("other", [0.5, 0.9]),
        *outcomes(OURS, [0.3], sequence="b"),
        *outcomes("other", [0.4], sequence="b"),
    ]
    text = printed(sequence_table("first", lines))
    assert line_of(text, OURS) == [".850*", ".300", ".575"]
    assert line_of(text, "other") == [".700", ".400*", ".550"]


def test_distances_are_grouped():
    text = printed(by_distance_table(outcomes(OURS, [0.9, 0.6, 0.4])))
    assert line_of(text, OURS) == [".900", ".500"]


def test_the_verdict_says_where_ours_is_behind():
    lines = [
        *outcomes(OURS, [0.8]),
        *outcomes("other", [0.7]),
        *outcomes(OURS, [0.3], sequence="b"),
        *outcomes("other", [0.4], sequence="b"),
        *outcomes(OURS, [0.5], origin="middle"),
        *outcomes("other", [0.503], origin="middle"),
    ]
    first, second = verdict(lines)
    assert "ahead in 1, level (within 0.005) in 1 and behind in 1 of 3" in first
    assert second == "Behind: b from the first -0.100 to other."
    assert [*verdict(outcomes(OURS, [1.0]))] == [
        "Nothing is judged: it takes carry and a baseline."
    ]


def test_pictures_and_masks_of_other_kinds_are_left_out(data):
    PIL.Image.fromarray(disc()).save(data / "davis2016" / "images" / "alone_00000.png")
    (film,) = sequences_in(data, ("davis2016",))
    assert len(film.images) == N_PLANES
