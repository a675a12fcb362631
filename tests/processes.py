"""Processes that begin with everything loaded: imports take most of the time of a short one."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

LOADED = (
    "distributed.nanny",
    "torch",
    "scipy.optimize",
    "scipy.cluster.hierarchy",
    "unseg_studio.project.cluster_worker",
)


def forkserver() -> ForkServerContext:
    """Where such processes come from; the same for all tests of a session."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context
