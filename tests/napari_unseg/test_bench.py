"""Figures of the benchmark, and the benchmark itself on something tiny."""

from __future__ import annotations

import pytest
from napari_unseg.bench import figures
from napari_unseg.bench.__main__ import Plan, csv_of, measure
from napari_unseg.bench.figures import ALONE, JOBS, PLAIN, TO_ALONE, TO_PLAIN, UPDATED, WORKING


def test_ratios_compare_percentiles_with_the_plugin_and_without():
    samples = {ALONE: [1.0, 2.0], PLAIN: [2.0, 4.0], WORKING: [2.0, 8.0], JOBS: [0.0]}
    lines = {(line.what, line.percentile): line for line in figures.lines_of("sliders", samples)}
    assert lines[TO_ALONE, 50].value == pytest.approx(5 / 1.5)
    assert lines[TO_PLAIN, 50].value == pytest.approx(5 / 3)
    assert lines[TO_PLAIN, 50].is_met is False
    assert lines[JOBS, 50].is_met is True
    assert (JOBS, 95) not in lines


def test_the_verdict_says_what_is_met_and_what_is_not():
    lines = figures.lines_of("strokes", {UPDATED: [0.05] * 9 + [0.9]})
    said = list(figures.verdict(lines))
    assert said == [f"Met: {UPDATED}, p50.", f"Not met: {UPDATED}, p95."]


@pytest.mark.parametrize(
    ("what", "value", "wanted"),
    [(UPDATED, 0.0834, "83 ms"), (TO_PLAIN, 1.234, "1.23"), (JOBS, 0.0, "0"),
     (figures.GREW_WORK, 12.34, "12.3 MiB")],
)  # fmt: skip
def test_figures_have_their_units(what, value, wanted):
    assert figures.in_units(what, value) == wanted


def test_every_sample_is_written():
    text = csv_of({"strokes": {UPDATED: [0.1, 0.25]}}).decode()
    assert text.splitlines()[1:] == [f"strokes,{UPDATED},1,0.1", f"strokes,{UPDATED},2,0.25"]


def test_an_unknown_measure_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="accepted are strokes, sliders, opening, memory"):
        next(iter(measure(Plan(), only="speed")))


def test_what_is_planned_is_what_the_other_process_can_measure():
    from napari_unseg.bench.answering import answering
    from napari_unseg.bench.measures import MEASURES, answer

    assert answering() is answer
    assert set(Plan().arguments()) == set(MEASURES)
