"""Whether our best segmenter keeps its margins, in sentences."""

from __future__ import annotations

import math

import pytest

from tests.bench.made_up import turns
from unseg_studio.bench.scores import scores_of
from unseg_studio.bench.verdict import MARGINS, PHOTOGRAPHS, best_of, findings, verdict


def scores(**sets):
    """Set -> method -> one score for all seven rounds, or the scores of each."""
    made = []
    for name, methods in sets.items():
        for method, values in methods.items():
            ious = values if isinstance(values, list) else [values] * 7
            made += turns(ious, method=method, set_=name)
    return scores_of(made)


def said(found, **options):
    return [*verdict(found, {"ours", "second"}, rounds=options.get("rounds", 7))]


def test_the_margins_are_those_that_were_agreed():
    assert MARGINS["camvid"] == 0.13
    assert MARGINS["em_isbi2012"] == 0.02
    assert set(PHOTOGRAPHS) <= set(MARGINS)
    assert len(MARGINS) == 9


def test_kept_and_broken_margins_are_named_with_the_best_baseline():
    found = scores(
        dsb2018_fluo={"a": 0.5, "b": 0.7, "ours": 0.75},
        em_isbi2012={"a": 0.6, "ours": 0.61},
    )
    _, kept, broken = said(found)
    assert kept == "Kept: dsb2018_fluo +0.050 to b (wanted +0.02)."
    assert broken == "Not kept: em_isbi2012 +0.010 to a (wanted +0.02)."


def test_photographs_are_also_judged_after_round_0():
    found = scores(camvid={"a": 0.3, "ours": [0.35, *[0.6] * 6]})
    _, kept, broken = said(found)
    assert kept.startswith("Kept: camvid +0.264 to a (wanted +0.13)")
    assert broken.startswith("Not kept: camvid round 0 +0.050 to a (wanted +0.10)")


def test_no_other_set_may_fall_below_its_best_baseline():
    (kept,) = findings(scores(mine={"a": 0.5, "ours": 0.5}), "ours", {"ours"})
    (broken,) = findings(scores(mine={"a": 0.5, "ours": 0.49}), "ours", {"ours"})
    assert kept.is_kept
    assert not broken.is_kept


def test_one_segmenter_is_best_for_all_sets():
    found = scores(x={"ours": 0.9, "second": 0.5, "a": 1.0}, y={"ours": 0.4, "second": 0.6})
    assert best_of(found, {"ours", "second"}) == "ours"
    assert best_of(found, set()) is None


def test_strokes_on_grabcut_are_compared_with_the_random_walker():
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.95]
    found = scores(grabcut={"random_walker": rising, "ours": [0.95] * 7})
    assert said(found)[-1] == (
        "Strokes to 0.90 on grabcut: 2.0 beside 8.0 of random_walker, fewer than half are wanted: "
        "kept."
    )
    found = scores(grabcut={"random_walker": rising, "ours": [0.5, 0.6, *[0.95] * 5]})
    assert said(found)[-1].endswith("not kept.")


def test_a_baseline_that_played_too_little_of_a_set_is_no_rival():
    made = [
        turn
        for image in "xyz"
        for method, value in (("slow", 0.9), ("a", 0.5), ("ours", 0.6))
        if method != "slow" or image == "x"
        for turn in turns([value] * 7, image=image, method=method)
    ]
    (finding,) = findings(scores_of(made), "ours", {"ours"})
    assert finding.rival == "a"
    assert finding.reached == pytest.approx(0.1)


def test_a_baseline_that_never_answered_is_no_rival():
    found = scores(x={"hangs": math.nan, "a": 0.5, "ours": 0.6})
    (finding,) = findings(found, "ours", {"ours"})
    assert finding.rival == "a"


def test_other_rounds_or_nobody_to_compare_are_not_judged():
    found = scores(camvid={"a": 0.3, "ours": 0.6})
    assert said(found, rounds=3) == [
        "The margins hold for 7 rounds, so they are not judged after 3."
    ]
    (sentence,) = said(scores(camvid={"ours": 0.6}))
    assert "not judged" in sentence
    (sentence,) = said(scores(camvid={"a": 0.6}))
    assert "not judged" in sentence
