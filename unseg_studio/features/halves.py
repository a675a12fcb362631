"""Work that two threads share: each takes half of the things that do not ask for each other.

torch's own threads meet at a barrier after every operation, and whatever else one of their cores
has to do stops all of them, which is why a core is left to the window (`leave_a_core`). Two halves
meet once, at their end, so here that core can help. The halves are the same whoever works on them:
what comes out does not depend on the machine, nor on what else it does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock

from unseg_studio.features.lazy_torch import leave_a_core, torch

_only = Lock()
"""Whoever finds the helper at work does both halves, rather than wait."""


def halved(
    work: Callable[[slice], torch.Tensor], n: int, *, dim: int = 0, is_shared: bool = True
) -> torch.Tensor:
    """What `work` makes of n independent things, of half of them at a time.

    Parameters
    ----------
    work : callable
        Slice of 0 to n -> their results along `dim`; it is called in two threads at once.
    n : int
        At least 1; one thing is not divided.
    dim : int
        Along which the results are put together.
    is_shared : bool
        Whether a second thread may help; on an accelerator it has nothing to give.
    """
    if n < 2:
        return work(slice(0, n))
    first, second = slice(0, (n + 1) // 2), slice((n + 1) // 2, n)
    if not (is_shared and torch.get_num_threads() == 1 and _only.acquire(blocking=False)):
        return torch.cat([work(first), work(second)], dim=dim)
    try:
        later = _helper().submit(work, second)
        try:
            soon = work(first)
        finally:
            rest = later.result()
    finally:
        _only.release()
    return torch.cat([soon, rest], dim=dim)


@cache
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "unseg-half", initializer=leave_a_core)
