"""A process that is killed at any moment; the long run is `make kill-test`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from unseg_studio.project import kill_test


@pytest.mark.skipif(sys.platform == "win32", reason="a child takes seconds to start there")
def test_a_project_survives_a_few_kills(tmp_path: Path) -> None:
    report = kill_test.run(tmp_path, 6, seed=random.randrange(2**32))
    print(report)
    assert report.kills == 6
    assert not report.problems
