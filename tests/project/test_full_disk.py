"""A disk of two megabytes that is full in earnest, seen by one process only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def with_small_disk(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the small disk mounted on a folder; the mount goes with it."""
    script = f"mount -t tmpfs -o size=2m tmpfs '{folder}' && exec {command}"
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Where the small disk can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        tried = with_small_disk(folder, "true")
    except OSError as error:
        pytest.skip(f"no disk of its own can be mounted here: {error}")
    if tried.returncode:
        pytest.skip(f"no disk of its own can be mounted here: {tried.stderr.strip()}")
    return folder


def test_on_a_disk_that_is_full_work_goes_on_and_is_saved_elsewhere(
    small: Path, tmp_path: Path
) -> None:
    """What is looked at stands in `full_disk.py`."""
    command = f"'{sys.executable}' -m tests.project.full_disk '{small}' '{tmp_path}'"
    ran = with_small_disk(small, command)
    assert ran.returncode == 0, ran.stderr
    assert list(small.iterdir()) == []
