"""The benchmark measures what it says; how fast this machine is, no test says."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from unseg_studio.bench import latency, verbs
from unseg_studio.bench.latency import Line, Measured, Plan, Sample, altered
from unseg_studio.data import Image, new_category
from unseg_studio.document.scripting import segmenter

MEASURED = Measured(
    shape=(321, 481),
    warm_up=Sample(2.0, 3.0),
    proposals=(Sample(0.2, 0.9), Sample(0.1, 2.0), Sample(0.25, 0.8)),
    first_strokes=(Sample(0.3, 0.6), Sample(0.2, 0.8)),
    strokes=tuple(Sample(0.01 * n, 0.1 * n) for n in range(1, 22)),
    among=(Sample(0.03, 0.3), Sample(0.05, 0.5)),
)


def categories():
    first = new_category(())
    return first, new_category((first,))


def by_name(lines):
    return {line.name: line for line in lines}


@pytest.fixture
def small_photograph(monkeypatch):
    monkeypatch.setattr(latency, "PHOTOGRAPH", (40, 60))


def test_a_tiny_run_gives_a_sample_for_every_document_and_stroke(small_photograph):
    measured = latency.measure(Plan(n_strokes=2, n_documents=1, device="cpu"))
    assert measured.shape == (40, 60)
    assert len(measured.proposals) == 1
    assert len(measured.first_strokes) == len(measured.strokes) == len(measured.among) == 2
    drawn = (*measured.first_strokes, *measured.strokes, *measured.among)
    for sample in (measured.warm_up, *measured.proposals, *drawn):
        assert 0 < sample.first <= sample.settled


def test_the_lines_are_percentiles_beside_the_limits_of_the_design():
    lines = by_name(latency.summary(MEASURED, size=None))
    assert lines["first frame of a new image, p50"].seconds == pytest.approx(0.2)
    assert lines["first frame of a new image, p50"].limit == 0.3
    assert lines["converged proposal, p50"].seconds == pytest.approx(0.9)
    assert lines["converged proposal, p50"].limit == 1.0
    assert lines["stroke to first updated frame, p50"].seconds == pytest.approx(0.11)
    assert lines["stroke to first updated frame, p50"].is_met is False
    assert lines["stroke to first updated frame, p95"].limit == 0.12
    assert lines["stroke to settled labels, p95"].seconds == pytest.approx(2.0)
    assert lines["stroke to settled labels, p95"].limit == 0.25
    assert lines["stroke to settled labels, p95"].is_met is False


def test_a_large_image_has_limits_of_its_own():
    lines = by_name(latency.summary(MEASURED, size=2048))
    assert lines["stroke to first updated frame, p50"].limit == 0.15
    assert lines["stroke to first updated frame, p95"].limit == 0.3
    assert lines["stroke to settled labels, p50"].limit == 1.0
    assert lines["converged proposal, p50"].limit is None
    assert all(line.limit is None for line in latency.summary(MEASURED, size=4096))


def test_every_verb_is_measured_and_has_a_limit(small_photograph):
    image = Image.of(Plan().picture())
    seconds = verbs.measure_verbs(image, categories(), rounds=3)
    assert seconds.keys() == verbs.LIMITS.keys()
    for times in seconds.values():
        assert len(times) == 3
        assert all(0 <= time < 60 for time in times)
    lines = by_name(latency.verb_lines(replace(MEASURED, verbs=seconds)))
    assert lines["scribble, one mouse move, p95"].limit == 0.016
    assert lines["merge two clusters, p50"].limit == 0.05


def test_every_document_has_an_image_that_no_cache_knows():
    pixels = Plan(size=70).picture()
    one, other = altered(pixels), altered(pixels)
    assert one.shape == pixels.shape and one.dtype == pixels.dtype
    assert (one != other).any() and (one != pixels).any()
    assert (one != pixels).any(axis=2).sum() <= 16


def test_a_size_is_that_of_the_picture():
    assert Plan(size=70).picture().shape == (70, 70, 3)


def test_the_table_and_the_verdict_say_plainly_what_is_met():
    lines = (Line("fast", 50, 0.01, 0.02), Line("slow", 95, 0.3, 0.02), Line("free", 50, 1.0, None))
    console = Console(file=io.StringIO(), width=100)
    console.print(latency.table(lines, MEASURED))
    text = console.file.getvalue()
    assert "481 x 321 px" in text
    rows = {row.split("│")[1].strip(): row for row in text.splitlines() if row.startswith("│")}
    assert [word in rows["fast"] for word in ("p50", "10 ms", "20 ms", "yes")] == [True] * 4
    assert "NO" in rows["slow"]
    assert [*latency.verdict(lines)] == ["Met: fast, p50.", "Not met: slow, p95."]


def test_strokes_among_clusters_are_those_of_one_category():
    lines = by_name(latency.summary(MEASURED, size=None))
    assert lines["stroke among clusters to first updated frame, p50"].seconds == 0.04
    assert lines["stroke among clusters to first updated frame, p50"].is_met
    assert lines["stroke among clusters to settled labels, p50"].is_met is None


def test_the_first_stroke_of_a_document_has_a_line_of_its_own():
    lines = by_name(latency.summary(MEASURED, size=None))
    assert lines["first stroke of a document to first updated frame, p50"].seconds == 0.25
    assert lines["first stroke of a document to settled labels, p50"].seconds == 0.7


def test_any_method_can_propose(small_photograph):
    plan = Plan(n_strokes=1, n_documents=1, device="cpu", segmenter=segmenter("deepcut"))
    measured = latency.measure(plan)
    assert "DeepCut" in "".join(latency.circumstances(plan, measured))
    assert measured.among[0].first > 0


def test_the_circumstances_name_the_machine():
    text = "\n".join(latency.circumstances(Plan(device="cpu"), MEASURED))
    for word in ("cores", "torch on cpu with", "threads", "unseg-studio 0.", "21 strokes"):
        assert word in text


def test_the_csv_holds_every_single_sample():
    measured = replace(MEASURED, verbs={"undo": [0.001, 0.002]})
    rows = [*csv.DictReader(io.StringIO(latency.csv_of(measured).decode()))]
    kinds = ["warm-up"] + ["proposal"] * 3 + ["first stroke"] * 2 + ["stroke"] * 21
    kinds += ["stroke among clusters"] * 2 + ["undo"] * 2
    assert [row["run"] for row in rows] == kinds
    assert (rows[-1]["first_s"], rows[-1]["settled_s"]) == ("", "0.0020")
    assert float(rows[2]["settled_s"]) == 2.0


def test_random_strokes_lie_in_the_image_and_are_the_same_every_time():
    for shape in ((40, 60), (2048, 2048)):
        first, again = (latency.random_stroke(shape, np.random.default_rng(3)) for _ in range(2))
        assert (first == again).all()
        assert (first >= 0).all()
        assert (first < shape).all()
        assert np.ptp(first, axis=0).max() > 2


def test_a_given_image_is_measured_at_its_own_size(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert Plan(tmp_path / "a.png").picture().shape == (30, 50, 3)
    assert Plan().picture().shape == (321, 481, 3)
