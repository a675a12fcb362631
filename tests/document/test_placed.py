"""A fit goes on when its device fails, and says so in a sentence; what a person made is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.faulty_device import (
    A40,
    ALWAYS,
    FULL,
    GONE,
    H200,
    MPS_FULL,
    NO_DRIVER,
    NO_OPERATOR,
    OLD_DRIVER,
    FaultyDriver,
)
from unseg_studio.data import Category, Image, Scribbles
from unseg_studio.document import Document, Live, StripJob, variants_of, worker
from unseg_studio.document.moving import moved
from unseg_studio.document.placed import PlacedFit
from unseg_studio.document.solve import Fits, Run
from unseg_studio.document.state import fresh_state
from unseg_studio.features.devices import standing_in
from unseg_studio.features.folders import VARIABLE
from unseg_studio.segmenters import DiffCluster, Segmenter
from unseg_studio.segmenters.base import coarser
from unseg_studio.segmenters.table import make_segmenter

QUICK = DiffCluster(iterations=4, size=128, patience=0, max_clusters=4)
CARD = "NVIDIA H200, 139 GiB"


def image() -> Image:
    pixels = np.zeros((48, 64, 3), np.float32)
    pixels[:, 32:] = (0.9, 0.4, 0.1)
    pixels[8:20, 8:20] = (0.1, 0.8, 0.3)
    return Image(pixels)


def run_to_the_end(segmenter: Segmenter = QUICK, device: str = "auto") -> list[Any]:
    here = image()
    run = Run.of(here, fresh_state(here, (), segmenter), device=device, cold=True)
    return [frame for frame in run.results(Fits(), lambda _: True) if frame is not None]


@pytest.fixture
def driver() -> Iterator[FaultyDriver]:
    faulty = FaultyDriver(H200)
    with standing_in(faulty):
        yield faulty


def labels_on_the_cpu() -> np.ndarray:
    with standing_in(FaultyDriver(wheel="")):
        return run_to_the_end()[-1].labels


def test_a_run_says_where_it_is_and_why(driver: FaultyDriver) -> None:
    *_, last = run_to_the_end()
    assert (last.place.device, last.place.name, last.note) == ("cuda:0", CARD, "")
    assert set(driver.stages("cuda:0")) >= {"probe", "fit", "refine", "decode"}


@pytest.mark.parametrize("stage", ["fit", "refine", "decode"])
def test_memory_is_freed_first_and_it_goes_on_there(driver: FaultyDriver, stage: str) -> None:
    driver.fail(stage, FULL, at=1 if stage == "fit" else 3)
    *_, last = run_to_the_end()
    assert last.is_last
    assert last.place.device == "cuda:0"
    assert last.note.startswith(f"{CARD} ran out of memory while ")
    assert last.note.endswith(". Memory was freed, and it went on there.")
    assert driver.n_given_back >= 1


@pytest.mark.parametrize("stage", ["fit", "refine", "decode"])
def test_then_it_goes_on_at_half_the_size(driver: FaultyDriver, stage: str) -> None:
    driver.fail(stage, FULL, times=2)
    *_, last = run_to_the_end()
    assert last.is_last
    assert last.place.device == "cuda:0"
    assert "It goes on there at 64 px." in last.note


@pytest.mark.parametrize("stage", ["fit", "refine", "decode"])
def test_and_at_last_on_the_cpu(driver: FaultyDriver, stage: str) -> None:
    driver.fail(stage, FULL, times=ALWAYS)
    *_, last = run_to_the_end()
    assert last.is_last
    assert last.place.is_cpu
    assert last.note.endswith("It goes on on the CPU.")
    assert last.place.reason == last.note


@pytest.mark.parametrize(
    ("stage", "at"),
    [("fit", 1), ("refine", 1), ("refine", 2), ("refine", 4), ("decode", 1), ("decode", 3)],
)
def test_a_card_that_is_taken_away_is_left_for_good(
    driver: FaultyDriver, stage: str, at: int
) -> None:
    driver.fail(stage, GONE, at=at, times=ALWAYS)
    *_, last = run_to_the_end()
    assert last.is_last
    assert last.place.is_cpu
    assert last.note.startswith(f"{CARD} stopped answering while ")
    assert "start the program again to use it again. It goes on on the CPU." in last.note
    *_, after = run_to_the_end()
    assert after.note == ""  # said once
    assert "does not answer any more" in after.place.reason


def test_where_the_card_can_be_read_the_run_goes_on_from_there(driver: FaultyDriver) -> None:
    driver.fail("refine", FULL, at=4)
    losses = [frame.loss for frame in run_to_the_end() if frame.loss == frame.loss]
    assert losses[4] <= losses[0]


def test_what_the_cpu_makes_after_a_loss_is_what_it_makes_alone(driver: FaultyDriver) -> None:
    driver.fail("refine", GONE, at=4, times=ALWAYS)
    *_, last = run_to_the_end()
    np.testing.assert_array_equal(last.labels, labels_on_the_cpu())


def test_a_macs_gpu_is_left_where_it_is_full_or_lacks_an_operator() -> None:
    for error, words in ((MPS_FULL, "ran out of memory"), (NO_OPERATOR, "aten::made_up")):
        faulty = FaultyDriver(mps=True, wheel="")
        faulty.fail("refine", error, on="mps", times=ALWAYS)
        with standing_in(faulty):
            *_, last = run_to_the_end()
        assert last.place.is_cpu
        assert words in last.note


@pytest.mark.parametrize("error", [NO_DRIVER, OLD_DRIVER])
def test_a_card_that_was_asked_for_and_is_not_there_is_replaced_with_the_reason(
    error: Exception,
) -> None:
    with standing_in(FaultyDriver(counting=error)):
        *_, last = run_to_the_end(device="cuda")
    assert last.place.is_cpu
    assert "'cuda'" in last.note
    assert "driver" in last.note


def test_of_two_kinds_the_better_one_computes(driver: FaultyDriver) -> None:
    with standing_in(FaultyDriver(A40, H200)):
        *_, last = run_to_the_end()
    assert last.place.device == "cuda:1"
    assert "beside NVIDIA A40" in last.place.reason


@pytest.mark.parametrize("name", ["deepcut", "picie"])
@pytest.mark.parametrize("error", [FULL, GONE])
def test_features_that_find_no_room_are_made_on_the_cpu(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))  # nobody has the features already
    faulty = FaultyDriver(H200)
    faulty.fail("features", error, times=ALWAYS)
    with standing_in(faulty):
        fit = PlacedFit(make_segmenter(name), image(), "auto")
        estimate = next(fit.refine(Scribbles.empty((48, 64))))
    assert estimate.scores.shape[0] >= 1
    assert fit.place.is_cpu
    assert "while features were computed" in estimate.note


def test_other_failures_are_raised_as_they_are(driver: FaultyDriver) -> None:
    driver.fail("refine", RuntimeError("shape mismatch"), times=ALWAYS)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        run_to_the_end()


def test_the_cpu_itself_takes_half_the_size_and_then_gives_up() -> None:
    faulty = FaultyDriver(wheel="")
    faulty.fail("refine", MemoryError(), on="cpu", times=2)
    with standing_in(faulty):
        *_, last = run_to_the_end()
    assert last.note == ("There was not enough memory on this machine. It goes on there at 64 px.")
    faulty.fail("refine", MemoryError(), on="cpu", times=ALWAYS)
    with standing_in(faulty), pytest.raises(MemoryError):
        run_to_the_end()


def test_a_person_keeps_scribbles_edits_and_undo_and_reads_one_sentence(
    driver: FaultyDriver,
) -> None:
    document = Document(image(), (Category(1, "cell", "#e69f00"),), QUICK)
    live = Live(document, device="auto")
    try:
        live.start()
        live.wait()
        document.paint([(12, 12), (14, 14)], radius=2)
        live.wait()
        before, step = document.scribbles, document.undo_text
        driver.fail("refine", GONE, times=ALWAYS)
        document.paint([(16, 16), (18, 12)], radius=2)
        status = live.wait()
        assert status.phase == "done"
        assert status.message.startswith(f"{CARD} stopped answering while the run was optimising")
        assert status.place is not None
        assert status.place.is_cpu
        assert document.shown.array[13, 13] == 1
        document.undo()
        np.testing.assert_array_equal(document.scribbles.ids, before.ids)
        assert document.undo_text == step
        document.run()
        assert live.wait().message == ""  # said once
    finally:
        live.close()


def test_a_moment_on_a_lost_card_is_forgotten_and_the_run_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(memory: object, _device: torch.device) -> object:
        raise GONE

    fit = PlacedFit(QUICK, image(), "cpu")
    monkeypatch.setattr("unseg_studio.document.placed.moved", unreadable)
    fit.recall(object())
    *_, last = fit.refine(Scribbles.empty((48, 64)))
    assert last.is_last


@pytest.mark.parametrize(("stage", "error"), [("fit", FULL), ("refine", GONE), ("decode", FULL)])
def test_a_filmstrip_goes_on_too_and_says_so(
    driver: FaultyDriver, stage: str, error: Exception
) -> None:
    driver.fail(stage, error, times=ALWAYS)
    variants = variants_of(DiffCluster(iterations=4, size=64, patience=0, max_clusters=4))[:1]
    *_, strip = StripJob(image(), variants).results(Fits(), lambda _: True)
    assert strip is not None
    assert not strip.missing(variants)
    assert strip.note.startswith(CARD)
    assert strip.note.endswith("It goes on on the CPU.")


def test_what_is_prepared_ahead_goes_on_too(driver: FaultyDriver) -> None:
    driver.fail("decode", FULL, times=ALWAYS)
    here, fits = image(), Fits()
    state = fresh_state(here, (), QUICK)
    *_, last = Run.of(here, state, cold=True).results(fits, lambda _: False)
    assert last is not None
    assert last.place is not None
    assert last.place.is_cpu
    *_, after = Run.of(here, state).results(fits, lambda _: False)  # warm, as the first stroke
    assert after is not None
    assert after.note == last.note


def test_a_worker_that_rests_or_ends_lets_others_have_the_memory(
    driver: FaultyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "REST_S", 0.02)
    here = image()
    own = worker.Worker()
    try:
        own.submit(Run.of(here, fresh_state(here, (), QUICK), cold=True))
        assert own.wait(20)
        assert driver.given_back.wait(20)
        driver.given_back.clear()
    finally:
        own.close()
    assert driver.given_back.is_set()


def test_half_the_size_is_left_to_methods_that_have_one() -> None:
    half = coarser(DiffCluster(size=300), (100, 100))
    assert half is not None
    assert half == (DiffCluster(size=150), 150)
    assert coarser(DiffCluster(size=100), (900, 900)) is None
    own = coarser(DiffCluster(size=0), (600, 900))
    assert own is not None
    assert own[1] == 450
    assert coarser(make_segmenter("deepcut"), (900, 900)) is None


def test_memories_move_without_a_change_to_what_is_given() -> None:
    @dataclass(frozen=True)
    class Kept:
        weights: dict[str, torch.Tensor]
        counts: list[int]

    kept = Kept({"a": torch.ones(2)}, [1, 2])
    assert moved(kept, torch.device("cpu")) is kept
    there = moved(kept, torch.device("meta"))
    assert there.weights["a"].device.type == "meta"
    assert there.counts == [1, 2]
    assert kept.weights["a"].device.type == "cpu"
