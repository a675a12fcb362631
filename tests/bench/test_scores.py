"""From turns to the figures of the tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.bench.made_up import turns
from unseg_studio.bench.scores import Game, Times, by_set, lead, scores_of

NAN = math.nan


def score(*games):
    (only,) = scores_of(
        [turn for n, ious in enumerate(games) for turn in turns(ious, image=f"{n}")]
    )
    return only


def test_scores_are_means_over_images_and_rounds():
    it = score([0.2, 0.4, 0.6], [0.6, 0.8, 1.0])
    assert it.per_round == pytest.approx([0.4, 0.6, 0.8])
    assert it.mean == pytest.approx(0.6)


def test_missing_rounds_are_missing_not_zero():
    it = score([0.5, 0.7], [0.9, NAN])
    assert len(it.complete) == 1
    assert it.per_round == pytest.approx([0.5, 0.7])


def test_who_never_answered_has_no_score():
    it = score([NAN, NAN])
    assert np.isnan(it.per_round).all()
    assert math.isnan(it.mean)
    assert math.isnan(it.reach(0.9).mean)


def test_strokes_to_a_score_count_those_of_round_0():
    game = Game(tuple(turns([0.5, 0.8, 0.86, 0.95], categories=3)))
    assert game.strokes_to(0.85) == 5
    assert game.strokes_to(0.90) == 6
    assert game.strokes_to(0.99) is None


def test_a_score_that_was_not_reached_costs_one_stroke_more_than_there_could_be():
    reach = score([0.95, 1.0, 1.0], [0.1, 0.2, 0.3], [0.5, 0.9, 0.9]).reach(0.9)
    assert reach.share == pytest.approx(2 / 3)
    assert reach.median == 3
    assert reach.mean == pytest.approx((2 + 5 + 3) / 3)
    assert math.isinf(score([0.1, 0.2]).reach(0.9).median)


def test_corrections_that_made_it_worse_are_counted_one_by_one():
    assert score([0.5, 0.6, 0.56, 0.4], [0.9, 0.88, 0.89, 0.95]).worse == pytest.approx(2 / 6)
    assert score([0.5, 0.6], [0.9, NAN]).worse == 0
    assert math.isnan(score([0.5]).worse)
    assert math.isnan(score([NAN, NAN]).worse)


def test_times_of_the_first_and_of_later_updates_are_apart():
    made = turns([0.5] * 4, seconds=1.0, first_frame_seconds=0.5, opening_seconds=3.0)
    made[0], made[3] = replace(made[0], seconds=9.0), replace(made[3], seconds=NAN)
    (it,) = scores_of(made)
    assert it.first_update == Times(9.0, 9.0)
    assert it.later_update == Times(1.0, 1.0)
    assert it.first_frame == Times(0.5, 0.5)
    assert it.opening == Times(3.0, 3.0)
    assert math.isnan(Times.of([NAN]).p50)


def test_percentiles_and_the_peak_are_over_all_images():
    assert Times.of(range(101)) == Times(50, 95)
    made = turns([0.5], peak_mib=100.0) + turns([0.5], image="y", peak_mib=300.0)
    assert scores_of(made)[0].peak_mib == 300
    assert math.isnan(score([0.5]).peak_mib)


def test_each_set_and_method_has_a_score():
    made = turns([0.5]) + turns([0.6], method="n") + turns([0.7], set_="b")
    groups = by_set(scores_of(made))
    assert {name: [s.method for s in group] for name, group in groups.items()} == {
        "a": ["m", "n"],
        "b": ["m"],
    }


def test_a_lead_is_taken_on_the_images_that_both_played_to_the_end():
    one = score([0.5, 0.7], [0.9, 0.9], [0.1, 0.1])
    other = score([0.4, 0.4], [0.1, NAN])
    assert lead(one, other) == pytest.approx(0.2)
    assert lead(one, other, round=0) == pytest.approx(0.1)
    assert math.isnan(lead(one, score([NAN, NAN])))


def test_notes_say_why_games_are_incomplete():
    made = (
        turns([NAN], note="fails") + turns([NAN], image="y", note="fails") + turns([1], image="z")
    )
    assert scores_of(made)[0].notes == {"fails": 2}
