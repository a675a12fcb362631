"""torch, loaded on first use: the window opens, and forms are built, before it is there.

Its threads wait for each other many times in an iteration. Left alone they spin while they wait,
and where another program wants a core, too, the thread that is waited for does not get one: a run
of one second took half a minute. Put to sleep at once, they wake too slowly. A short spin, then
sleep, is as quick as spinning on an idle machine and stays quick on a busy one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import lazy_loader

os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if TYPE_CHECKING:
    import torch as torch
else:
    torch = lazy_loader.load("torch")


def leave_a_core() -> None:
    """Let torch use every core but one in this thread, so that the window has the last.

    With as many threads as cores, whatever the window does stops all of them at the next barrier.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
