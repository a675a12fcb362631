"""One thing after the other, several of them at work at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_THREADS = 4
"""Beyond, they wait for one another."""


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """What `map` gives, made by threads a little ahead of who asks.

    For work that lets go of the interpreter for the most part, as numpy and OpenCV do. The items
    are asked for in the caller's thread, few at a time, so that memory stays bounded. An iterator
    that is closed, or whose function raises, begins nothing more.
    """
    n_threads = min(MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(n_threads, "unseg-ordered") as pool:
        coming: deque[Future[R]] = deque()
        try:
            for item in items:
                coming.append(pool.submit(function, item))
                if len(coming) > n_threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
