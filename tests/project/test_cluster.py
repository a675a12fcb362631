"""Proposals over a Dask cluster of real processes: each once, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.project.test_batch import photographs
from unseg_studio.__main__ import main
from unseg_studio.data import read_image
from unseg_studio.document import scheduler
from unseg_studio.document.packing import mosaic_of
from unseg_studio.document.scheduler import ClusterError, address_of, connected, is_address
from unseg_studio.document.scripting import segmenter
from unseg_studio.features.determinism import deterministic
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from unseg_studio.project.cluster import ClusterCrew
from unseg_studio.project.fingerprint import fingerprint
from unseg_studio.project.proposal import Labels, UnwantedError, labels_of

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
from tests.dask_cluster import comes_true, executing, local_cluster  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

QUICK = segmenter("deepcut", n_clusters=2, iterations=3)
"""Unlike DiffCluster, it loads no compiler of torch in each of the processes."""

LONG = segmenter("deepcut", n_clusters=2, iterations=200, patience=0)

SLOW = segmenter("deepcut", n_clusters=2, iterations=10_000, patience=0)
"""Works until somebody stops it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distributed.LocalCluster]:
    with local_cluster(tmp_path_factory.mktemp("workers"), 2) as cluster:
        yield cluster


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "photos.unseg") as project:
        project.add_images(photographs(tmp_path / "images", 6))
        yield project


def proposals(project: Project, address: str, how=QUICK):
    return propose(project, how, unproposed(project, how), device="cpu", cluster=address)


def test_each_image_is_proposed_once_and_as_it_is_here(cluster, photos: Project) -> None:
    photos.images()[2].file.write_bytes(b"no image")
    outcomes = list(proposals(photos, cluster.scheduler_address))
    assert Counter(o.image.id for o in outcomes) == Counter(range(1, 7))
    assert [(o.image.id, "photo 2.png" in o.problem) for o in outcomes if not o.is_kept] == [
        (3, True)
    ]
    assert unproposed(photos, QUICK) == (3,)
    here = labels_of(photos.image(1).file, None, QUICK, "cpu")
    found = photos.open_document(1).shown
    assert np.array_equal(found.array, mosaic_of(here.packed, here.shape).array)


def are_alike() -> bool:
    """Asked of a worker."""
    import torch

    return torch.are_deterministic_algorithms_enabled()


def test_workers_compute_alike_where_it_is_asked_for_and_as_before_afterwards(cluster) -> None:
    address = cluster.scheduler_address
    with connected(address, n_workers=2) as client:
        with deterministic(), closing(ClusterCrew(address, QUICK, "cpu")):
            assert all(client.run(are_alike).values())
        with closing(ClusterCrew(address, QUICK, "cpu")):
            assert not any(client.run(are_alike).values())


def test_a_killed_worker_costs_only_its_images(cluster, photos: Project) -> None:
    with connected(cluster.scheduler_address) as client:
        batch = proposals(photos, cluster.scheduler_address, LONG)
        with closing(batch):
            outcomes = [next(batch)]
            assert comes_true(lambda: bool(executing(client)))
            os.kill(executing(client)[0], signal.SIGKILL)
            outcomes += batch
    assert Counter(o.image.id for o in outcomes) == Counter(range(1, 7))
    assert all(o.is_kept for o in outcomes)
    assert unproposed(photos, LONG) == ()


def test_after_a_cancel_nothing_runs_and_the_rest_is_done_later(cluster, photos: Project) -> None:
    address = cluster.scheduler_address
    with connected(address, n_workers=2) as client, ThreadPoolExecutor() as pool:
        batch = proposals(photos, address, LONG)
        kept = next(batch).image.id
        batch.close()
        crew = ClusterCrew(address, SLOW, "cpu")
        answer = pool.submit(next, crew.answers(photos.images()))
        assert comes_true(lambda: len(executing(client)) == 2)
        crew.close()
        assert comes_true(lambda: not executing(client))
        assert not any(client.processing().values())
        assert isinstance(answer.exception(), ClusterError)
    assert set(unproposed(photos, LONG)) == set(range(1, 7)) - {kept}


def test_images_that_workers_do_not_see_are_sent_once_they_say_so(
    cluster, photos: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    question = ClusterCrew._question

    def from_elsewhere(crew, entry):
        found = question(crew, entry)
        asked.append((entry.id, len(found.data)))
        return found._replace(file=f"/another/machine/{entry.file.name}")

    monkeypatch.setattr(ClusterCrew, "_question", from_elsewhere)
    photos.images()[3].file.write_bytes(b"no image")
    outcomes = list(proposals(photos, cluster.scheduler_address))
    assert sorted(o.image.id for o in outcomes if o.is_kept) == [1, 2, 3, 5, 6]
    (problem,) = (o.problem for o in outcomes if o.problem)
    assert "/another/machine/photo 3.png" in problem
    sent = Counter(id_ for id_, n in asked if n)
    assert sent == Counter(range(1, 7))
    assert len(asked) - sent.total() <= 2  # one for each thread, before the first has said so


def test_another_file_of_the_name_is_not_the_image(tmp_path: Path) -> None:
    from unseg_studio.project import cluster_worker

    file, _ = photographs(tmp_path / "a", 2)
    question = cluster_worker.Question("job", str(file), None, fingerprint(file), b"", QUICK, "cpu")
    assert cluster_worker._file(question, tmp_path / "received") == file
    data = file.read_bytes()
    file.write_bytes(b"another one")
    assert cluster_worker._file(question, tmp_path / "received") is None
    copy = cluster_worker._file(question._replace(data=data), tmp_path / "received")
    assert copy is not None
    assert copy.read_bytes() == data
    assert cluster_worker._file(question, tmp_path / "received") == copy  # the next plane


def test_a_trained_model_goes_along(cluster, photos: Project, tmp_path: Path) -> None:
    how = segmenter("multilevel", n_clusters=2)
    images = [read_image(entry.file) for entry in photos.images()[:2]]
    *_, last = how.train(images, "cpu")
    photos.trained.add(last.model, "both")
    trained = photos.trained.named("both").segmenter
    with connected(cluster.scheduler_address) as client:
        caches = set(client.run(lambda: os.environ["UNSEG_CACHE"]).values())
    assert os.environ["UNSEG_CACHE"] not in caches  # it is not there already
    outcomes = list(
        propose(photos, trained, [1, 2], device="cpu", cluster=cluster.scheduler_address)
    )
    assert [o.is_kept for o in outcomes] == [True, True], outcomes


def test_labels_nobody_waits_for_are_given_up(photos: Project) -> None:
    with pytest.raises(UnwantedError, match="Nobody waits for these"):
        labels_of(photos.image(1).file, None, SLOW, "cpu", lambda: False)
    assert isinstance(labels_of(photos.image(1).file, None, QUICK, "cpu"), Labels)


@pytest.mark.parametrize(
    "given", ["8786", "http://host:80", "host", "tcp://host:99999", "", "a b:1"]
)
def test_what_is_no_address_is_said(given: str) -> None:
    with pytest.raises(ValueError, match="is no address of a Dask cluster; accepted is tcp://"):
        address_of(given)


def test_addresses() -> None:
    assert address_of("10.0.0.1:8786") == "tcp://10.0.0.1:8786"
    assert is_address("tls://host:8786")
    assert not any(map(is_address, ["auto", "cuda:1", "cpu"]))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_wrong_address_is_said_soon(photos: Project, capsys) -> None:
    path, address = photos.path, f"127.0.0.1:{free_port()}"
    photos.close()
    began = time.monotonic()
    assert main(["apply", "-p", str(path), "--cluster", address]) == 2
    assert time.monotonic() - began < 5
    assert f"Nobody answers at tcp://{address}" in capsys.readouterr().err
    assert main(["apply", "-p", str(path), "--cluster", address, "--processes", "2"]) == 2
    assert "--processes was given with --cluster" in capsys.readouterr().err


def test_the_package_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r'pip install "unseg-studio\[cluster\]"'):
        connected("localhost:8786")


def test_a_cluster_that_goes_away_ends_the_batch_with_a_sentence(
    photos: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PATIENCE_S", 0.5)
    monkeypatch.setattr(scheduler, "FIRST_WORKER_S", 0.1)
    failing = {"distributed.scheduler.allowed-failures": 0}
    with dask.config.set(failing), local_cluster(tmp_path / "workers", 1) as cluster:
        address = cluster.scheduler_address
        batch = proposals(photos, address)
        assert next(batch).is_kept
        with connected(address) as client, ThreadPoolExecutor() as pool:
            crew = ClusterCrew(address, SLOW, "cpu")
            answer = pool.submit(next, crew.answers(photos.images()[:1]))
            assert comes_true(lambda: bool(executing(client)))
            os.kill(executing(client)[0], signal.SIGKILL)
            assert "ended 1 times, perhaps for lack of memory" in answer.result().problem
            crew.close()
    with pytest.raises(ClusterError, match="All proposals so far are kept; the same command"):
        list(batch)
    with pytest.raises(ClusterError, match="Nobody answers at"):
        connected(address)
    assert len(unproposed(photos, QUICK)) == 5
