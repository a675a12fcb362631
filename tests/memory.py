"""A bound on memory: what asks for more fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

MOST_MEMORY = 2 << 30
"""Bytes, beside what is in use at the beginning."""


@pytest.fixture(scope="module")
def bounded_memory() -> Iterator[None]:
    """For the tests of a module that ask for it."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        in_use = 1 << 34
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MOST_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
