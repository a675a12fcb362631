"""Memory that is free goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

BEGIN = """
import os
from pathlib import Path
import numpy as np
from unseg_studio.data import heap

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
"""

GIVE_BACK = """
kept = []
for _ in range(1500):  # blocks too small to be mapped one by one, 150 MB together
    block = np.ones(100_000, np.uint8)
    kept.append((block, np.ones(500, np.uint8)))
kept = [small for _, small in kept]
del block
before = resident()
heap.give_back()
print(before - resident())
"""

KEEP_LITTLE = """
heap.keep_little()
before = resident()
np.ones(20 * 2**20, np.uint8)  # freed at once; without more ado its size is the threshold then
kept = []
for _ in range(10):
    block = np.ones(10 * 2**20, np.uint8)
    kept.append((block, np.ones(100_000, np.uint8)))
kept = [small for _, small in kept]
del block
print(resident() - before)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")


def told(code: str) -> float:
    """What a process of its own says: other tests leave free what would be used again."""
    command = [sys.executable, "-c", BEGIN + code]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_what_is_free_between_small_things_goes_back_to_the_system() -> None:
    assert told(GIVE_BACK) > 100


def test_large_blocks_are_not_kept_once_they_are_free() -> None:
    assert told(KEEP_LITTLE) < 20
