"""Processes that begin with everything loaded: imports take most of the time of a short one."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext

LOADED = (
    "distributed.nanny",
    "torch",
    "scipy.optimize",
    "scipy.cluster.hierarchy",
    "unseg_studio.project.cluster_worker",
    "unseg_studio.document.remote_worker",
)


def forkserver() -> ForkServerContext:
    """Where such processes come from, with one thread each; the same for all tests of a session."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context
