"""The rounds of a game and what is written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.bench.made_up import Knows, disc, picture
from unseg_studio.bench.game import Answer, Here, NoAnswerError, play, play_human
from unseg_studio.bench.methods import Method
from unseg_studio.bench.robot import first_strokes, mean_iou
from unseg_studio.bench.sets import Case
from unseg_studio.data import Image

TRUTH = disc().astype(np.int32) + 1


def case(**strokes):
    return Case("a", "x", Image.of(picture(disc())), TRUTH, strokes)


def here(**options):
    return Here(Method("knows", lambda image, ids: Knows(TRUTH, **options)))


class Recorder:
    """Answers with nothing but the strokes, and remembers them."""

    def __init__(self, *, fails_in=None):
        self.drawn, self.fails_in = [], fails_in

    def open(self, image, ids):
        self.ids = ids
        return 1.5

    def update(self, scribbles):
        if len(self.drawn) == self.fails_in:
            raise NoAnswerError("does not return")
        self.drawn.append(scribbles.copy())
        return Answer(scribbles, 0.25, 0.125, 64.0)


def test_each_round_adds_one_stroke_to_those_of_every_category():
    recorder = Recorder()
    turns = [*play(case(), "r", recorder, rounds=4)]
    assert recorder.ids == (1, 2)
    assert [turn.round for turn in turns] == [0, 1, 2, 3]
    assert [turn.strokes for turn in turns] == [2, 3, 4, 5]
    assert (recorder.drawn[0] == first_strokes(TRUTH)).all()
    for before, after in zip(recorder.drawn, recorder.drawn[1:], strict=False):
        assert (after[before > 0] == before[before > 0]).all()
        assert (after > 0).sum() > (before > 0).sum()
        assert (after[after > 0] == TRUTH[after > 0]).all()


def test_a_turn_holds_score_times_and_memory():
    recorder = Recorder()
    turn = next(play(case(), "r", recorder, rounds=2))
    assert (turn.set, turn.image, turn.strokes_by, turn.method) == ("a", "x", "robot", "r")
    assert turn.iou == mean_iou(TRUTH, first_strokes(TRUTH))
    assert (turn.opening_seconds, turn.seconds, turn.first_frame_seconds) == (1.5, 0.25, 0.125)
    assert turn.peak_mib == 64


def test_who_has_nothing_wrong_keeps_the_score_without_more_strokes():
    turns = [*play(case(), "k", here(after=1), rounds=5)]
    assert turns[0].iou < 1
    assert [turn.iou for turn in turns[1:]] == [1, 1, 1, 1]
    assert [turn.strokes for turn in turns] == [2, 3, 3, 3, 3]
    assert [math.isnan(turn.seconds) for turn in turns] == [False, False, True, True, True]


def test_who_does_not_answer_has_no_score_from_there_on():
    turns = [*play(case(), "r", Recorder(fails_in=1), rounds=4)]
    assert [math.isnan(turn.iou) for turn in turns] == [False, True, True, True]
    assert [turn.note for turn in turns] == ["", *["does not return"] * 3]
    assert [turn.round for turn in turns] == [0, 1, 2, 3]
    assert turns[1].strokes == 3


def test_who_does_not_open_has_no_score_at_all():
    turns = [*play(case(), "r", Recorder(fails_in=0), rounds=3)]
    assert [math.isnan(turn.iou) for turn in turns] == [True] * 3


def test_the_strokes_of_a_person_are_played_once():
    recorder = Recorder()
    drawn = first_strokes(TRUTH)
    turn = play_human(case(hand=drawn), "r", recorder, strokes_by="hand")
    assert (recorder.drawn[0] == drawn).all()
    assert (turn.strokes_by, turn.strokes) == ("hand", 2)
    assert turn.iou == mean_iou(TRUTH, drawn)
    assert play_human(case(hand=drawn), "r", Recorder(fails_in=0), strokes_by="hand").note


def test_a_method_in_this_process_is_timed():
    opponent = here(frame=0.01)
    assert opponent.open(case().image, (1, 2)) > 0
    answer = opponent.update(TRUTH)
    assert answer.seconds > 0
    assert answer.first_frame == 0.01


def test_nothing_is_answered_before_an_image_is_open():
    with pytest.raises(NoAnswerError):
        here().update(TRUTH)
