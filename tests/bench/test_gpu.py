"""The benchmark of the engine: what it says of what it measured, and of what it could not."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from unseg_studio.bench import gpu
from unseg_studio.bench.gpu import EAGER, NOT_MEASURED, OFFICIAL, RECORDED, GpuPlan, Row, Server
from unseg_studio.bench.official import Trace, official_trace, parsed

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


def test_our_own_iterations_give_a_loss_and_a_moment_each() -> None:
    trace = Server("cpu", records=False)(gpu.picture((20, 24)), 4, 1, "exact")
    assert trace.numbers == (0, 1, 2, 3)
    assert trace.losses[0] > trace.losses[-1] > 0
    assert trace.began < trace.moments[0] < trace.moments[-1]


def test_a_little_of_it_on_a_processor_names_what_is_missing() -> None:
    rows = list(gpu.measured(GpuPlan(device="cpu", quick=True)))
    by = {(row.what, row.method): row.value for row in rows}
    assert by["iterations per second", EAGER] is not None
    assert by["iterations per second", OFFICIAL] is None
    assert by["iterations per second", RECORDED] is None
    for what in ("stroke to first labels, p50", "stroke to settled labels, p50"):
        assert (by[what, "live"] or 0) > 0
    share = by["share of the memory's bandwidth", EAGER]
    assert share is not None and 0 < share < 10
    printed = shown(rows)
    assert NOT_MEASURED in printed
    words = " ".join(gpu.circumstances(GpuPlan(device="cpu", quick=True), rows))
    assert "Recorded steps need CUDA. The published code needs --official DIR." in words


def test_large_images_are_not_for_processors() -> None:
    plan = GpuPlan()
    assert [plan.is_possible(shape, on_cuda=False) for shape in plan.shapes] == [
        True, True, False, False,
    ]  # fmt: skip
    assert all(plan.is_possible(shape, on_cuda=True) for shape in plan.shapes)


ROWS = (
    Row("iterations per second", EAGER, (32, 48), 12.345),
    Row("iterations per second", RECORDED, (32, 48), None),
    Row("times as quick", RECORDED, (32, 48), 7.0, "", 6.0, is_most=False),
    Row("stroke to settled labels", "live", (512, 512), 0.0201, "s", 0.016),
)


def shown(rows: list[Row]) -> str:
    console = Console(file=io.StringIO(), width=gpu.WIDTH)
    console.print(gpu.methods_table(rows, title="a"), gpu.table(rows, title="b"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_limits_are_kept_or_not() -> None:
    assert [row.is_met for row in ROWS] == [None, None, True, False]
    lines = shown(list(ROWS)).splitlines()
    assert any("12.3" in line and NOT_MEASURED in line for line in lines)
    assert any(">= 6" in line and "yes" in line for line in lines)
    assert any("20.1 ms" in line and "<= 16 ms" in line and "NO" in line for line in lines)


def test_the_file_has_a_line_for_each_figure() -> None:
    lines = list(csv.DictReader(io.StringIO(gpu.csv_of(ROWS).decode())))
    assert [line["value"] for line in lines] == ["12.345", NOT_MEASURED, "7", "0.0201"]
    assert [line["met"] for line in lines] == ["", "", "yes", "NO"]
    assert lines[3]["height"] == "512"
