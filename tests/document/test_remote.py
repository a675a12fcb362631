"""The engine in a worker of a cluster: labels as here, and the work of a person outlives it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.project.test_cluster import are_alike, free_port
from unseg_studio.data import Image, Scribbles, read_image
from unseg_studio.document import Document, Live, remote
from unseg_studio.document.decode import decode
from unseg_studio.document.remote import RemoteFit, Snapshot, engine_at
from unseg_studio.document.scheduler import ENGINE, chosen_engine, connected, local_device
from unseg_studio.features.determinism import deterministic
from unseg_studio.segmenters import make_segmenter

pytest.importorskip("distributed")
from tests.dask_cluster import comes_true, local_cluster

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

CAT = Path(__file__).parents[2] / "assets" / "samples" / "cat.png"
METHOD = make_segmenter("deepcut", n_clusters=3, iterations=40)
ENDLESS = make_segmenter("deepcut", n_clusters=3, iterations=10_000, patience=0)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a cluster with one worker."""
    with local_cluster(tmp_path_factory.mktemp("worker"), 1) as cluster:
        yield cluster.scheduler_address
        engine_at(cluster.scheduler_address).close()


@pytest.fixture(scope="module")
def image() -> Image:
    return Image.of(np.ascontiguousarray(read_image(CAT).pixels[::4, ::4]))


def drawn(image: Image) -> Scribbles:
    first = Scribbles.empty(image.shape).painted([(30, 20), (30, 50)], 1, radius=2)
    return first.painted([(60, 10), (60, 80)], 2, radius=2)


def labels_after(fit, image: Image, scribbles: Scribbles) -> np.ndarray:
    *_, last = fit.refine(scribbles)
    assert last.is_last
    return decode(last, image, scribbles)


def worker_of(address: str) -> tuple[int, int]:
    """Process number of the worker, and how many threads refine a fit in it."""

    def facts() -> tuple[int, int]:
        names = [thread.name for thread in threading.enumerate()]
        return os.getpid(), sum("_refine" in name for name in names)

    with connected(address) as client:
        (found,) = client.run(facts).values()
    return found


def test_labels_are_those_of_here_and_so_is_where_the_fit_stands(address, image) -> None:
    there, here = RemoteFit(METHOD, image, address), METHOD.fit(image, "cpu")
    nothing, strokes = Scribbles.empty(image.shape), drawn(image)
    for scribbles in (nothing, strokes):
        expected = labels_after(here, image, scribbles)
        assert np.array_equal(labels_after(there, image, scribbles), expected)
    memory = there.memory()
    assert isinstance(memory, Snapshot)
    here.recall(memory.value)  # which the other one stood at
    there.recall(memory)
    expected = labels_after(here, image, nothing)
    assert np.array_equal(labels_after(there, image, nothing), expected)


def test_a_run_that_is_cancelled_ends_there_and_the_fit_stays_usable(address, image) -> None:
    fit = RemoteFit(ENDLESS, image, address)
    with closing(fit.refine(Scribbles.empty(image.shape))) as estimates:
        steps = [next(estimates).step for _ in range(3)]
        assert steps == sorted(set(steps))
        assert worker_of(address)[1] == 1
    assert comes_true(lambda: worker_of(address)[1] == 0)
    with closing(fit.refine(drawn(image))) as estimates:
        assert next(estimates).note == ""


def test_it_computes_alike_there_where_that_is_asked_for_here(address, image) -> None:
    with deterministic():
        fit = RemoteFit(ENDLESS, image, address)
    with connected(address) as client, closing(fit.refine(drawn(image))) as estimates:
        next(estimates)
        assert all(client.run(are_alike).values())
        estimates.close()
        assert comes_true(lambda: not any(client.run(are_alike).values()))


def test_after_the_worker_is_killed_the_run_goes_on_here_and_later_ones_there(
    address, image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.1)
    fit = RemoteFit(ENDLESS, image, address)
    with closing(fit.refine(Scribbles.empty(image.shape))) as estimates:
        for _ in range(3):
            last = next(estimates)
        os.kill(worker_of(address)[0], signal.SIGKILL)
        steps = [(step.step, step.note) for step in (next(estimates) for _ in range(40))]
    assert "does not answer any more; the run goes on on this machine" in steps[-1][1]
    assert last.note == ""
    assert comes_true(lambda: fit._search is not None and fit._search.found() is not None)
    with closing(fit.refine(drawn(image))) as estimates:
        assert next(estimates).note == ""


def test_where_nobody_answers_the_engine_is_here_and_says_so(image) -> None:
    began = time.monotonic()
    fit = RemoteFit(METHOD, image, f"127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 5
    *_, last = fit.refine(drawn(image))
    assert last.note.startswith("Nobody answers at tcp://127.0.0.1:")
    assert last.note.endswith("The engine runs on this machine until it is there.")
    here = METHOD.fit(image, "cpu")
    assert np.array_equal(
        decode(last, image, drawn(image)), labels_after(here, image, drawn(image))
    )


def pulled(live: Live, is_so) -> bool:
    return comes_true(lambda: (live.pull(), is_so())[1])


def test_a_document_keeps_its_work_when_the_engine_is_lost(address, image) -> None:
    document = Document(image, segmenter=METHOD)
    live = Live(document, device=address)
    try:
        live.start()
        assert pulled(live, lambda: document.status.phase == "done")
        assert document.status.message == ""
        os.kill(worker_of(address)[0], signal.SIGKILL)
        document.paint([(30, 20), (30, 50)], radius=2)
        before = document.scribbles
        assert pulled(live, lambda: document.status.phase == "done")
        assert "the run goes on on this machine" in document.status.message
        assert document.scribbles is before
        assert np.all(document.shown.array[30, 20:50] == document.active)
    finally:
        live.close()


def test_windows_compute_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENGINE, raising=False)
    assert chosen_engine() == "auto"
    monkeypatch.setenv(ENGINE, "gpu-box:8786")
    assert chosen_engine() == "tcp://gpu-box:8786"
    assert local_device(chosen_engine()) == "auto"
    assert local_device("cpu") == "cpu"
    monkeypatch.setenv(ENGINE, "gpu-box")
    with pytest.raises(ValueError, match="is no address of a Dask cluster"):
        chosen_engine()
