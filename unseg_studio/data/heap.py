"""How much of the memory that is free again the C library keeps; for glibc, which keeps a lot."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers that glibc gives to what can be set."""

_LARGE = 4 * 2**20
"""Bytes from which on memory goes back to the system as soon as it is free."""

_TOP = 32 * 2**20
"""Bytes that may stay free at the end of the heap."""


def keep_little() -> None:
    """Let this process keep less; to be called before it has threads.

    Otherwise glibc raises its threshold with everything large that is freed, and every thread has
    a heap of its own: in the end a third of all memory of the window was free, but kept.
    """
    option = _function("mallopt")
    if option is not None:
        for name, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _TOP), (_ARENA_MAX, 2)):
            option(name, value)


def give_back() -> None:
    """Let the system have what is free.

    It is in pieces of some megabytes with small things that stay between them: without this, a
    process that goes from image to image grows by about 40 MB with each. After the first proposal
    for a large image 150 MB are free.
    """
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
