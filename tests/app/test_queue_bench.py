"""The benchmark of the review queue: that it runs, and gives every figure."""

from __future__ import annotations

from rich.console import Console

from unseg_studio.app import queue_bench
from unseg_studio.app.queue_bench import ACCEPTED, LIMITS, SHOWN, WENT_BACK, Plan, measure, table

TINY = Plan(images=4, entries=2, steps=2, shape=(40, 56))


def text_of(shown):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_every_figure_is_measured_in_a_real_window(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_bench, "SAMPLES", ("nuclei",))  # the quickest to segment
    (scratch := tmp_path / "scratch").mkdir()
    measured = measure(TINY, tmp_path / "made", scratch)
    assert set(measured) == {*LIMITS, SHOWN}
    assert len(measured[ACCEPTED]) == 2
    assert len(measured[WENT_BACK]) == 1
    assert all(0 <= second < 60 for seconds in measured.values() for second in seconds)


def test_what_was_made_is_used_again(tmp_path):
    first = queue_bench.made_projects(TINY, tmp_path)
    before = [path.stat().st_mtime_ns for path in first]
    assert queue_bench.made_projects(TINY, tmp_path) == first
    assert [path.stat().st_mtime_ns for path in first] == before


def test_the_table_says_which_limits_are_kept():
    text = text_of(table(TINY, {ACCEPTED: [0.1, 0.1, 0.9], WENT_BACK: [0.12], SHOWN: [5.0]}))
    accepted, went_back, shown = (line for line in text.splitlines() if " ms " in line)
    assert "NO" in accepted
    assert "yes" in went_back
    assert "NO" not in shown
    assert "yes" not in shown
