"""The fit of the embedding: tasks are true to the image, and the fit makes fewer mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from unseg_studio.bench.commands import bench
from unseg_studio.bench.fitting import answers, beginning, fitted, mistakes, run_fit, write
from unseg_studio.bench.sets import FITTED, HELD_OUT, Case, cases_of, sets_in
from unseg_studio.bench.tasks import Task, plain, tasks_of
from unseg_studio.data import Image
from unseg_studio.refinement.embedding import Network, stored


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    rng = np.random.default_rng(3)
    return [task for _ in range(6) for task in tasks_of(plain(rng), 1, rng, turns=True)]


def loss_of(network: Network, warmth: torch.Tensor, tasks: list[Task]) -> float:
    losses = []
    for task in tasks:
        drawn = torch.nonzero(task.seeds[0] >= 0)[:, 0]
        labels = task.seeds[0][drawn]
        answer = answers(network, warmth, task, drawn, labels, task.scored)
        losses.append(mistakes(answer, task.truth[task.scored], task.n_labels).item())
    return float(np.mean(losses))


def test_strokes_of_a_task_say_what_is_true(tasks: list[Task]) -> None:
    assert len(tasks) > 3
    for task in tasks:
        assert (task.truth[task.scored] >= 0).all()
        for seeds in task.seeds:
            assert set(seeds[seeds >= 0].tolist()) == set(range(task.n_labels))
            drawn = seeds >= 0
            assert (seeds[drawn] == task.truth[drawn]).float().mean() > 0.9
        n_drawn = [int((seeds >= 0).sum()) for seeds in task.seeds]
        assert n_drawn == sorted(n_drawn)


def test_features_of_a_task_are_those_of_its_pixels(tasks: list[Task]) -> None:
    for task in tasks:
        n = len(task.truth)
        assert {values.shape[1] for values in (*task.levels, task.hand, task.place)} == {n}
        assert all(torch.isfinite(values).all() for values in (*task.levels, task.hand))
        assert task.place.abs().max() < 1.71


def test_a_piece_of_a_single_category_is_no_task() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (40, 50, 3), np.uint8)
    whole = Case("plain", "", Image.of(noise), np.ones((40, 50), np.int32))
    assert list(tasks_of(whole, 3, rng)) == []


def test_a_few_steps_make_fewer_mistakes(tasks: list[Task]) -> None:
    raw = beginning(tasks)
    before = loss_of(raw.network(), raw.warmth.exp(), tasks)
    fitted(raw, tasks, steps=12)
    after = loss_of(raw.network(), raw.warmth.exp(), tasks)
    assert after < 0.9 * before


def test_the_same_seed_fits_the_same_numbers(tasks: list[Task]) -> None:
    one, other = (fitted(beginning(tasks), tasks, steps=2) for _ in range(2))
    for first, second in zip(one.numbers(), other.numbers(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_what_is_written_has_the_names_and_sizes_of_what_is_stored(tasks, tmp_path) -> None:
    file = tmp_path / "deeper" / "numbers.npz"
    write(beginning(tasks).network(), file)
    names = {name for name in Network._fields if name != "projections"}
    projections = stored().projections
    with np.load(file, allow_pickle=False) as written:
        assert set(written) == names | {f"projection_{i}" for i in range(len(projections))}
        for i, axes in enumerate(projections):
            assert written[f"projection_{i}"].shape == tuple(axes.shape)
        for name in names:
            assert written[name].shape == tuple(getattr(stored(), name).shape)


def test_no_image_is_both_fitted_on_and_played(make_set) -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:30] = 1
    data = make_set("grabcut", {f"image{i}": mask for i in range(5)})
    manifest = sets_in(data)["grabcut"]
    fitted_on, played = (
        {case.name for case in cases_of(data, manifest, among=among)}
        for among in (FITTED, HELD_OUT)
    )
    assert fitted_on == {"image0", "image2", "image4"}
    assert played == {"image1", "image3"}


def test_the_command_writes_a_file(make_set, tmp_path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[15:45, 20:50] = 1
    data, file = make_set("grabcut", {"one": mask}), tmp_path / "embedding.npz"
    given = ["fit", "--data", str(data), "--out", str(file), "--steps", "1"]
    result = CliRunner().invoke(bench, given)
    assert result.exit_code == 0, result.output
    assert file.exists()


def test_a_folder_without_sets_to_fit_on_is_explained(make_set, tmp_path) -> None:
    mask = np.eye(40, dtype=np.uint8)
    with pytest.raises(ValueError, match="none of the sets to fit on: bsds500_test, camvid"):
        run_fit(make_set("my_own", {"one": mask}), tmp_path / "embedding.npz")
