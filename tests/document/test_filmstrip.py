"""Thumbnails for several numbers of clusters, and the loop that never gets in the way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tests.made_up_segmenter import Gate, MadeUp
from unseg_studio.data import FIRST_CLUSTER, Category, Image, Mosaic
from unseg_studio.document import (
    Document,
    Filmstrip,
    Fits,
    RunStatus,
    Strip,
    StripJob,
    Thumbnail,
    Worker,
    variants_of,
)
from unseg_studio.document.thumbnails import SIDE, shrunken
from unseg_studio.segmenters import DiffCluster

SECONDS = 20.0
ALL = (2, 3, 4, 5, 6, 7, 8, None)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(MadeUp, "gate", gate)
    yield gate
    gate.open.set()


@pytest.fixture
def ramp() -> Image:
    """Darkest on the left, brightest on the right, four times as large as a thumbnail."""
    pixels = np.zeros((120, 4 * SIDE), np.uint8)
    pixels[:] = np.linspace(0, 255, 4 * SIDE)
    return Image.of(pixels)


@pytest.fixture
def document(ramp: Image) -> Document:
    document = Document(ramp, (Category(1, "cell", "#e69f00"),), MadeUp())
    document.report(RunStatus("done", n_labels=5))
    return document


@pytest.fixture
def filmstrip(document: Document, gate: Gate) -> Iterator[Filmstrip]:
    filmstrip = Filmstrip(document, device="cpu")
    yield filmstrip
    gate.open.set()
    filmstrip.close()


def made(job: StripJob) -> list[Strip]:
    results = job.results(Fits(), lambda _: True)
    return [strip for strip in results if strip is not None]


def complete(filmstrip: Filmstrip) -> None:
    """Pull until everything is there."""
    filmstrip.begin()
    pulled(filmstrip)


def pulled(filmstrip: Filmstrip) -> None:
    while filmstrip.is_working:
        assert filmstrip._worker is not None
        assert filmstrip._worker.wait(SECONDS)
        filmstrip.pull()


def found(filmstrip: Filmstrip) -> dict[int | None, int]:
    thumbnails = [filmstrip.thumbnail(variant) for variant in filmstrip.variants]
    return {t.variant.k: t.n_clusters for t in thumbnails if t is not None}


class TestVariants:
    def test_numbers_from_2_to_8_and_k_less(self) -> None:
        assert tuple(v.k for v in variants_of(MadeUp())) == ALL

    def test_a_method_that_needs_k_is_compared_by_its_limits(self) -> None:
        variants = variants_of(DiffCluster(mu=3.0))
        assert [v.k for v in variants] == [2, 3, 4, 5, 6, 7, 8]
        assert variants[-1].segmenter == DiffCluster(mu=3.0, min_clusters=8, max_clusters=16)

    @pytest.mark.parametrize("other", [MadeUp(n_clusters=7), MadeUp(k_less=True)])
    def test_the_chosen_number_makes_no_difference(self, other: MadeUp) -> None:
        assert variants_of(other) == variants_of(MadeUp())

    def test_another_parameter_makes_all_different(self) -> None:
        assert not set(variants_of(MadeUp(smoothness=2.0))) & set(variants_of(MadeUp()))

    def test_the_sensitivity_concerns_only_k_less(self) -> None:
        apart = set(variants_of(MadeUp(sensitivity=0.9))) - set(variants_of(MadeUp()))
        assert [v.k for v in apart] == [None]


class TestJob:
    def test_each_strip_is_longer_by_one(self, ramp: Image, gate: Gate) -> None:
        strips = made(StripJob(ramp, variants_of(MadeUp())))
        assert [len(strip.thumbnails) for strip in strips] == list(range(1, 9))
        assert strips[-1].thumbnails[:7] == strips[-2].thumbnails

    def test_thumbnails_have_the_clusters_that_were_asked_for(
        self, ramp: Image, gate: Gate
    ) -> None:
        strip = made(StripJob(ramp, variants_of(MadeUp(sensitivity=0.5))))[-1]
        assert [t.n_clusters for t in strip.thumbnails] == [2, 3, 4, 5, 6, 7, 8, 3]

    def test_thumbnails_are_small_and_keep_the_proportions(self, ramp: Image, gate: Gate) -> None:
        (strip, *_) = made(StripJob(ramp, variants_of(MadeUp())))
        labels, ground = strip.thumbnails[0].labels, strip.thumbnails[0].ground
        assert labels.shape == (30, SIDE)
        assert ground.shape == (30, SIDE, 3)

    def test_what_is_alike_has_the_same_id_in_neighbours(self, ramp: Image, gate: Gate) -> None:
        strip = made(StripJob(ramp, variants_of(MadeUp())))[-1]
        for one, other in zip(strip.thumbnails, strip.thumbnails[1:], strict=False):
            assert (one.labels == other.labels).mean() > 0.25

    def test_what_is_on_the_screen_lends_its_ids(self, ramp: Image, gate: Gate) -> None:
        shown = np.full(ramp.shape, FIRST_CLUSTER + 30, np.int32)
        shown[:, ramp.shape[1] // 2 :] = FIRST_CLUSTER + 40
        job = StripJob(ramp, variants_of(MadeUp()), shown=Mosaic.of(shown))
        labels = made(job)[0].thumbnails[0].labels
        assert labels[0, 0] == FIRST_CLUSTER + 30
        assert labels[0, -1] == FIRST_CLUSTER + 40

    def test_only_what_is_missing_is_made(self, ramp: Image, gate: Gate) -> None:
        variants = variants_of(MadeUp())
        first = made(StripJob(ramp, variants))[2]
        gate.begun.clear()
        rest = made(StripJob(ramp, variants, first))
        assert [k for k, _ in gate.begun] == [5, 6, 7, 8, None]
        assert rest[-1].thumbnails[:3] == first.thumbnails

    def test_the_same_strip_twice(self, ramp: Image, gate: Gate) -> None:
        one, other = (made(StripJob(ramp, variants_of(MadeUp())))[-1] for _ in range(2))
        for a, b in zip(one.thumbnails, other.thumbnails, strict=True):
            assert np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("shape", [(40, 30), (2, 900), (1500, 4), (2400, 2000)])
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_planes_of_any_kind_become_small(shape: tuple[int, int], n_channels: int) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60_000, (*shape, n_channels), dtype=np.uint16)
    image = Image.of(pixels)
    small = shrunken(image)
    assert max(small.shape) <= SIDE
    assert small.n_channels == 3
    assert small.rgb.mean() == pytest.approx(image.rgb.mean(), abs=25)


class TestFilmstrip:
    def test_nothing_is_computed_before_it_is_asked_for(
        self, filmstrip: Filmstrip, gate: Gate
    ) -> None:
        assert not gate.begun
        assert found(filmstrip) == {}
        assert filmstrip.may_begin

    def test_all_thumbnails_come(self, filmstrip: Filmstrip) -> None:
        complete(filmstrip)
        assert tuple(found(filmstrip)) == ALL
        assert not filmstrip.may_begin

    def test_thumbnails_appear_one_by_one(self, filmstrip: Filmstrip, gate: Gate) -> None:
        lengths: list[int] = []
        filmstrip.changed.connect(lambda: lengths.append(len(found(filmstrip))))
        complete(filmstrip)
        assert lengths == sorted(lengths)
        assert lengths[-1] == len(ALL)

    @pytest.mark.parametrize("phase", ["idle", "preparing", "running", "failed"])
    def test_it_waits_for_the_labels(
        self, filmstrip: Filmstrip, document: Document, gate: Gate, phase: str
    ) -> None:
        document.report(RunStatus(phase))  # type: ignore[arg-type]
        filmstrip.begin()
        assert not filmstrip.is_working
        assert not gate.begun

    def test_a_stroke_ends_it_and_what_is_there_stays(
        self, filmstrip: Filmstrip, document: Document, gate: Gate
    ) -> None:
        filmstrip.begin()
        assert filmstrip._worker is not None
        while len(found(filmstrip)) < 2:
            assert filmstrip._worker.wait(SECONDS)
            filmstrip.pull()
        gate.open.clear()  # whatever begins now stands still
        document.report(RunStatus("preparing"))  # as a stroke does
        assert not filmstrip.is_working
        n_found = len(found(filmstrip))
        gate.open.set()
        assert not filmstrip._worker.wait(0.05)  # nothing of it comes any more
        gate.begun.clear()
        document.report(RunStatus("done", n_labels=5))
        complete(filmstrip)
        assert tuple(found(filmstrip)) == ALL
        assert len(gate.begun) <= len(ALL) - n_found + 1

    def test_the_current_one_follows_the_document(
        self, filmstrip: Filmstrip, document: Document
    ) -> None:
        for segmenter, k in (
            (MadeUp(n_clusters=4, sensitivity=0.8), 4),
            (MadeUp(k_less=True, n_clusters=9), None),
        ):
            document.set_segmenter(segmenter)
            assert filmstrip.current is not None
            assert filmstrip.current.k == k
        document.set_segmenter(MadeUp(n_clusters=12))
        assert filmstrip.current is None

    def test_taking_one_is_one_undo_step(self, filmstrip: Filmstrip, document: Document) -> None:
        document.set_segmenter(MadeUp(sensitivity=0.8))
        steered = []
        document.events.steered.connect(steered.append)
        filmstrip.take(None)
        assert document.segmenter == MadeUp(sensitivity=0.8, k_less=True)
        assert steered == [True]
        document.undo()
        assert document.segmenter == MadeUp(sensitivity=0.8)

    def test_taking_one_keeps_the_thumbnails(
        self, filmstrip: Filmstrip, document: Document, gate: Gate
    ) -> None:
        complete(filmstrip)
        filmstrip.take(3)
        assert tuple(found(filmstrip)) == ALL

    def test_another_parameter_begins_anew(self, filmstrip: Filmstrip, document: Document) -> None:
        complete(filmstrip)
        document.set_segmenter(MadeUp(smoothness=3.0))
        assert found(filmstrip) == {}
        document.report(RunStatus("done"))
        complete(filmstrip)
        assert tuple(found(filmstrip)) == ALL

    def test_another_sensitivity_makes_only_k_less_anew(
        self, filmstrip: Filmstrip, document: Document, gate: Gate
    ) -> None:
        complete(filmstrip)
        gate.begun.clear()
        document.set_segmenter(MadeUp(sensitivity=0.75))
        complete(filmstrip)
        assert gate.begun == [(None, 0.75)]

    def test_a_failure_is_told_once_and_not_tried_again(
        self, filmstrip: Filmstrip, document: Document, gate: Gate
    ) -> None:
        document.set_segmenter(MadeUp(fails="The weights are not there; download them."))
        complete(filmstrip)
        assert filmstrip.message == "The weights are not there; download them."
        assert not filmstrip.may_begin
        document.run()
        assert filmstrip.message == ""
        assert filmstrip.may_begin

    def test_other_parameters_are_another_try(
        self, filmstrip: Filmstrip, document: Document
    ) -> None:
        document.set_segmenter(MadeUp(fails="The weights are not there; download them."))
        complete(filmstrip)
        document.set_segmenter(MadeUp())
        assert filmstrip.message == ""
        assert filmstrip.may_begin

    def test_after_the_end_nothing_begins(self, filmstrip: Filmstrip, document: Document) -> None:
        filmstrip.close()
        filmstrip.begin()
        document.set_segmenter(MadeUp(n_clusters=3))
        assert not filmstrip.is_working

    def test_memory_holds_one_thumbnail_for_each_variant(
        self, filmstrip: Filmstrip, document: Document
    ) -> None:
        for smoothness in (2.0, 3.0, 4.0):
            document.set_segmenter(MadeUp(smoothness=smoothness))
            complete(filmstrip)
        kept = filmstrip._strip.thumbnails
        assert len(kept) == len(ALL)
        assert all(isinstance(t, Thumbnail) and max(t.labels.shape) <= SIDE for t in kept)


@pytest.mark.skipif(sys.platform != "linux", reason="niceness of one thread is Linux's")
def test_its_worker_lets_others_go_first(ramp: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    nice: list[int] = []

    class Asking(Gate):
        def pass_through(self, k: int | None, sensitivity: float) -> None:
            thread = threading.get_native_id()
            nice.append(os.getpriority(os.PRIO_PROCESS, thread))

    monkeypatch.setattr(MadeUp, "gate", Asking())
    (variant, *_) = variants_of(MadeUp())
    worker = Worker(is_urgent=False)
    worker.submit(StripJob(ramp, (variant,), device="cpu"))
    assert worker.wait(SECONDS)
    worker.close()
    assert nice == [os.getpriority(os.PRIO_PROCESS, 0) + 10] or nice == [10]


def test_labels_do_not_wait_for_it(document: Document, gate: Gate) -> None:
    """Its thread is its own, begun by the first look at it."""
    before = set(threading.enumerate())
    filmstrip = Filmstrip(document)
    assert set(threading.enumerate()) == before
    gate.open.clear()
    filmstrip.begin()
    (thread,) = set(threading.enumerate()) - before
    gate.open.set()
    filmstrip.close()
    assert not thread.is_alive()
