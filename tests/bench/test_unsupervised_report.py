"""Tables say what was reached, how much seeds matter, and who is best."""

from __future__ import annotations

import io

from rich.console import Console

from unseg_studio.bench import cells
from unseg_studio.bench.outcomes import MEASURES, Outcome, results_of
from unseg_studio.bench.unsupervised_report import (
    WIDTH,
    legend,
    overview,
    remarks,
    set_table,
)


def regions(method, *values, n_images=2, **more):
    """A value for each seed, the same on every image."""
    return [
        Outcome("s", str(i), method, seed, all=value, n_all=1, n_fine=1, n_coarse=1, **more)
        for seed, value in enumerate(values)
        for i in range(n_images)
    ]


def printed(table):
    file = io.StringIO()
    Console(file=file, width=WIDTH).print(table)
    return file.getvalue()


def row(table, name):
    (line,) = (line for line in printed(table).splitlines() if f" {name} " in line)
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_a_line_has_mean_and_deviation_over_seeds_and_the_best_is_marked():
    results = results_of(regions("draws", 0.2, 0.4, n_labels=5) + regions("fixed", 0.25))
    table = set_table("s", "region", results)
    assert row(table, "draws")[:4] == ["draws", "2", "2", "*.300 ±.141"]
    assert row(table, "fixed")[:4] == ["fixed", "2", "1", ".250"]
    assert row(table, "draws")[9] == "5.0"


def test_less_information_lost_is_better():
    results = results_of(
        regions("good", 0.5, variation_of_information=1.5)
        + regions("bad", 0.4, variation_of_information=2.5)
    )
    table = set_table("s", "region", results)
    assert "*1.500" in row(table, "good")
    assert "2.500" in row(table, "bad")


def test_who_ran_on_fewer_images_is_not_the_best():
    failed = Outcome("s", "1", "picky", 0, note="hangs")
    results = results_of(
        [
            *regions("picky", 0.9, n_images=1),
            failed,
            *regions("whole", 0.5),
            *regions("slow", 0.9, n_images=1),
        ]
    )
    table = set_table("s", "region", results)
    assert row(table, "picky")[1:4] == ["1 of 2", "1", ".900"]
    assert row(table, "slow")[3] == ".900"
    assert row(table, "whole")[3] == "*.500"
    assert [*remarks(results)] == ["s: picky hangs in 1 run; not counted."]


def test_the_first_scores_of_all_sets_stand_side_by_side():
    objects = [Outcome("t", "x", "a", 0, foreground_iou=0.75)]
    results = results_of(regions("a", 0.5) + regions("b", 0.25) + objects)
    table = overview({"s": "region", "t": "fg-bg"}, results)
    assert row(table, "a") == ["a", "*.500", "*.750"]
    assert row(table, "b") == ["b", ".250", "-"]


def test_every_kind_of_set_is_explained():
    for kind in MEASURES:
        assert len([*legend({"s": kind})]) == 2


def test_cells_show_three_digits():
    assert [*map(cells.share, (0.5, -0.25, 1.5, 10.5, -0.0001, float("nan")))] == [
        *(".500", "-.250", "1.500", "10.500", ".000", "-"),
    ]
