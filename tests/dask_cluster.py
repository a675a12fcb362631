"""Dask clusters of real processes, which begin with everything loaded: imports take most time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed
import distributed.utils

from tests.processes import forkserver

HERE = "127.0.0.1"


@contextmanager
def local_cluster(folder: Path, n_workers: int) -> Iterator[distributed.LocalCluster]:
    """Workers of one thread in processes with a nanny each, whose cache is their own."""
    distributed.utils._forkserver_preload_set = True  # to what it would say itself
    forkserver()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address=":0",
            host=HERE,
            local_directory=str(folder),
            env={"UNSEG_CACHE": str(folder / "cache")},
        ) as cluster,
    ):
        yield cluster


def executing(client: distributed.Client) -> list[int]:
    """Process numbers of the workers that compute something."""
    found = client.run(lambda dask_worker: (os.getpid(), dask_worker.state.executing_count))
    return [pid for pid, n in found.values() if n]


def comes_true(is_so: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it does within some time; each look takes time of those who are looked at."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < end:
        if is_so():
            return True
        pause.wait(0.02)
    return False
