"""Tables and plot show the figures."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import PIL.Image
from rich.console import Console

from tests.bench.made_up import turns
from unseg_studio.bench.report import (
    WIDTH,
    human_table,
    plot,
    quality_table,
    remarks,
    times_table,
)
from unseg_studio.bench.scores import scores_of

NAN = math.nan
ROUNDS = 7


def printed(table, *, styled=False):
    file = io.StringIO()
    Console(file=file, width=WIDTH, force_terminal=styled, soft_wrap=True).print(table)
    return file.getvalue()


def rows(text):
    """First cell -> the other cells."""
    cells = [[c.strip() for c in row.split("│")[1:-1]] for row in text.splitlines() if "│" in row]
    return {row[0]: row[1:] for row in cells}


def scores():
    made = turns([0.5, 0.95], method="good", seconds=0.25, first_frame_seconds=0.05, peak_mib=99.6)
    made += turns([0.5, 1.0], method="better", seconds=2.5, opening_seconds=0.75)
    made += turns([0.4, 0.6], method="partly") + turns([NAN] * 2, image="y", method="partly")
    made += turns([NAN] * 2, method="never", note="does not return within 5 s")
    return scores_of(made)


def test_quality_has_a_line_for_each_method():
    found = rows(printed(quality_table("a", scores())))
    assert found["good"] == ["1", ".500", ".950", ".725", "0%", *["3, 3.0, 100%"] * 2]
    assert found["better"][1:4] == [".500", "1.000", ".750"]
    assert found["partly"][0] == "1 of 2"
    assert found["partly"][-1] == "never, 4.0, 0%"
    assert found["never"] == ["0 of 1", *["-"] * 6]


def bold_lines(made):
    lines = printed(quality_table("a", scores_of(made)), styled=True).splitlines()
    return [line for line in lines if "\x1b[1m" in line and "│" in line]


def test_the_best_method_is_bold():
    (line,) = bold_lines(turns([0.5, 0.9], method="good") + turns([0.5, 1.0], method="better"))
    assert "better" in line


def test_the_best_of_a_single_image_is_not_the_best_of_the_set():
    made = turns([1.0], method="slow") + turns([0.5], method="fast")
    (line,) = bold_lines(made + turns([0.6], method="fast", image="y"))
    assert "fast" in line
    assert bold_lines(turns([NAN])) == []


def test_seven_rounds_fit_into_the_width():
    made = turns([0.123] * ROUNDS, method="diffcluster-paper", set_="camvid", categories=16)
    made += turns([NAN] * ROUNDS, image="y", method="diffcluster-paper", set_="camvid")
    cells = rows(printed(quality_table("camvid", scores_of(made))))["diffcluster-paper"]
    assert cells == ["1 of 2", *[".123"] * 8, "0%", *["never, 23.0, 0%"] * 2]


def test_times_are_percentiles():
    found = rows(printed(times_table("a", scores())))
    assert found["good"] == ["-", "0.250 / 0.250", "0.250 / 0.250", "0.050 / 0.050", "100 MiB"]
    assert found["better"][:2] == ["0.750 / 0.750", "2.5 / 2.5"]
    assert found["never"] == ["-"] * 5


def test_strokes_of_people_have_a_table_of_their_own():
    made = [
        replace(turn, strokes_by="scribbles2") for turn in turns([0.8], seconds=0.5, set_="grabcut")
    ]
    assert rows(printed(human_table(made)))["m"] == [
        "grabcut/scribbles2",
        "1",
        ".800",
        "0.500 / 0.500",
    ]


def test_what_is_missing_is_said():
    assert [*remarks(scores())] == ["a: never does not return within 5 s on 1 image; not counted."]


def test_the_plot_has_a_panel_for_each_set():
    small = PIL.Image.open(io.BytesIO(plot(scores(), {"good"})))
    made = [turn for name in "abcd" for turn in turns([0.5, 0.6], set_=name)]
    large = PIL.Image.open(io.BytesIO(plot(scores_of(made), set())))
    assert small.format == "PNG"
    assert large.height > small.height
    assert large.width == small.width
