"""The published code in a process of its own, with scripts that stand in for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unseg_studio.bench.official import Trace, official_trace, parsed, visible_card

PRINTED = """10.5 0 / 4 |  label num : 9  | loss : 3.5
11.0 1 / 4 |  label num : 8  | loss : 2.5
11.5 2 / 4 |  label num : 7  | loss : 1.5
12.0 3 / 4 |  label num : 7  | loss : 1.0
memory : 2048
"""

STAND_IN = """
import sys, time, torch
torch.rand(2)
for number in range(int(sys.argv[sys.argv.index("--maxIter") + 1])):
    print(number, '/', 3, '|', ' label num :', 5, ' | loss :', 2.0 / (number + 1))
"""


def test_what_the_published_code_prints_is_read() -> None:
    trace = parsed(PRINTED)
    assert trace.numbers == (0, 1, 2, 3) and trace.losses == (3.5, 2.5, 1.5, 1.0)
    assert trace.memory == 2048
    assert trace.began == pytest.approx(10.0)
    assert trace.rate == pytest.approx(2.0)
    assert trace.seconds_until(1.5) == pytest.approx(1.5)
    assert trace.seconds_until(0.5) is None


def test_a_single_moment_has_a_rate_from_the_beginning() -> None:
    assert Trace((7,), (1.0,), (14.0,), began=10.0, memory=0).rate == 2.0


@pytest.mark.parametrize("printed", ["", "memory : 1\n", PRINTED.replace("memory", "m")])
def test_other_lines_are_refused(printed: str) -> None:
    with pytest.raises(OSError, match="has not said what its iterations gave"):
        parsed(printed)


def test_a_folder_without_the_published_code_is_refused(tmp_path: Path) -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(FileNotFoundError, match=r"no demo.py in .*; give the folder of a copy"):
        official_trace(tmp_path, rgb, iterations=2)


def test_a_script_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text(STAND_IN)
    trace = official_trace(tmp_path, np.zeros((4, 4, 3), np.uint8), iterations=3)
    assert trace.losses == (2.0, 1.0, pytest.approx(2 / 3))
    assert trace.memory > 2**20 and trace.rate > 0


def test_a_script_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "demo.py").write_text("raise RuntimeError('no display')")
    with pytest.raises(OSError, match="has failed; it said: RuntimeError: no display"):
        official_trace(tmp_path, np.zeros((4, 4, 3), np.uint8), iterations=2)


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        ("cpu", "0,1", ""),
        ("cuda", None, "0"),
        ("cuda:1", None, "1"),
        ("cuda:1", "2,3", "3"),
        ("cuda:1", "", "1"),
    ],
)
def test_it_finds_the_one_device_that_is_meant(
    device: str, visible: str | None, expected: str
) -> None:
    assert visible_card(device, visible) == expected
