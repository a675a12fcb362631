"""The benchmark of the engine: what it says of what it measured, and of what it could not."""

from __future__ import annotations

import csv
import io

import torch
from rich.console import Console

from unseg_studio.bench import gpu
from unseg_studio.bench.gpu import EAGER, NOT_MEASURED, OFFICIAL, RECORDED, GpuPlan, Row, Server


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


def test_what_is_too_large_for_a_processor_is_said_to_be_missing() -> None:
    rows = list(gpu._iterations(GpuPlan(device="cpu"), (1024, 1024), torch.device("cpu")))
    assert [row.method for row in rows] == list(gpu.METHODS)
    assert {(row.what, row.value) for row in rows} == {("iterations per second", None)}


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
