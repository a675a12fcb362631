"""Two processes that train together have the losses of one with the joint batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.features.small_backbone import made_small
from tests.processes import forkserver
from unseg_studio.__main__ import main
from unseg_studio.data import Image
from unseg_studio.project import Project
from unseg_studio.segmenters import make_segmenter
from unseg_studio.segmenters.peers import ALONE, PeerGoneError, Peers, peers_here
from unseg_studio.segmenters.training import Trainable

N_STEPS = 6

METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "neural_eigen": (
        "neural_eigen",
        {"clusters": "functions", "n_clusters": 6, "n_places": 60, "batch": 3, "augment": True,
         "n_nearest": 8, "width": 32},
    ),
    "picie": ("picie", {"n_clusters": 4, "rounds": 2, "width": 16}),
    "diffcluster": ("diffcluster", {"max_clusters": 6, "width": 8, "size": 48, "iterations": 4}),
}  # fmt: skip


def made_up(n: int = 3) -> list[Image]:
    images = []
    for number in range(n):
        draw = np.random.default_rng(number)
        pixels = draw.integers(0, 60, (64, 80 + 8 * number, 3))
        pixels[:, 30:] += (150, 40, 0)
        pixels[20:40, 10:50] += (0, 90, 90)
        images.append(Image.of(np.clip(pixels, 0, 255).astype(np.uint8)))
    return images


def losses_of(method: str, n_steps: int = N_STEPS) -> list[float]:
    name, parameters = METHODS[method]
    segmenter = make_segmenter(name, **parameters)
    assert isinstance(segmenter, Trainable)
    found = []
    for step in segmenter.train(made_up(), "cpu"):
        if np.isfinite(step.loss):
            found += [step.loss, step.score] if np.isfinite(step.score) else [step.loss]
        if len(found) >= n_steps or step.is_last:
            return found
    return found


def in_group(rank: int, n: int, file: Path, work: Callable[[], object]) -> object:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=n
    )
    try:
        return work()
    finally:
        torch.distributed.destroy_process_group()


def together(file: Path, works: Sequence[Callable[[], object]]) -> list[object]:
    """What comes of work in as many processes."""
    n = len(works)
    with ProcessPoolExecutor(n, mp_context=forkserver()) as pool:
        asked = [pool.submit(in_group, rank, n, file, own) for rank, own in enumerate(works)]
        return [one.result() for one in asked]


def all_losses() -> dict[str, list[float]]:
    with pytest.MonkeyPatch.context() as patch:
        made_small(patch)  # here, for it is so in none of the other processes
        return {method: losses_of(method) for method in METHODS}


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    alone = all_losses()
    for found in together(tmp_path / "group", [all_losses, all_losses]):
        assert isinstance(found, dict)
        for method, losses in alone.items():
            assert len(losses) >= 4
            assert found[method] == pytest.approx(losses, abs=1e-4), method


def trained_by_command(project: Path, cache: Path) -> tuple[int, int]:
    os.environ["UNSEG_CACHE"] = str(cache)
    settings = ["--set=n_clusters=4", "--set=rounds=1", "--set=width=16"]
    with pytest.MonkeyPatch.context() as patch:
        made_small(patch)
        code = main(["train", "-p", str(project), "--method=picie", *settings])
    return peers_here().rank, code


def refused() -> str:
    with pytest.raises(ValueError, match="learns in one process") as told:
        list(make_segmenter("multilevel").train(made_up(1), "cpu"))
    return str(told.value)


def test_the_command_trains_in_two_processes_and_one_of_them_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, image in enumerate(made_up(2)):
        Pillow.fromarray(np.asarray(image.pixels)).save(tmp_path / f"{number}.png")
    path = tmp_path / "project.unseg"
    with Project.create(path) as project:
        project.add_images(sorted(tmp_path.glob("*.png")))
    work = partial(trained_by_command, path, tmp_path / "cache")
    assert sorted(map(str, together(tmp_path / "group", [work, work]))) == ["(0, 0)", "(1, 0)"]
    with Project.open(path) as project:
        assert [model.name for model in project.trained.all()] == ["picie 1"]


def test_what_cannot_be_shared_is_said(tmp_path: Path) -> None:
    first, second = together(tmp_path / "group", [refused, refused])
    assert first == second
    assert "Start it without torchrun" in str(first)


def waiting_for_the_other() -> str:
    with pytest.raises(PeerGoneError) as told:
        peers_here().shared(2, torch.ones)
    return str(told.value)


def test_a_peer_that_ended_is_said(tmp_path: Path) -> None:
    file = tmp_path / "group"
    other = forkserver().Process(target=in_group, args=(1, 2, file, partial(os._exit, 1)))
    with ProcessPoolExecutor(1, mp_context=forkserver()) as pool:
        asked = pool.submit(in_group, 0, 2, file, waiting_for_the_other)
        other.start()
        assert "The same command goes on from where the score" in str(asked.result())
    other.join()


def test_a_process_that_is_alone_shares_with_nobody() -> None:
    assert peers_here() == ALONE
    whole = [torch.ones(2), torch.zeros(3)]
    assert ALONE.shared(2, whole.__getitem__) == whole
    assert [own.tolist() for own in ALONE.summed(whole)] == [[1, 1], [0, 0, 0]]
    assert [Peers(1, 3).has(item) for item in range(4)] == [False, True, False, False]
