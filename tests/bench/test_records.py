"""Turns are in the file as soon as they are played, and come back as they were."""

from __future__ import annotations

import math

import pytest

from tests.bench.made_up import turns
from unseg_studio.bench.records import Record, read_turns

MADE = turns([0.5, 0.25], seconds=0.125, note="") + turns([math.nan], image="y, z", note='"no"')


def same(one, other):
    return repr(one) == repr(other)  # NaN is not equal to itself


def test_turns_come_back_as_they_were(tmp_path):
    with Record(tmp_path / "a.csv") as record:
        record.add(MADE)
    assert same(read_turns(tmp_path / "a.csv"), MADE)
    assert same(record.turns, MADE)
    assert not record.part.exists()


def test_what_was_played_is_in_the_file_while_the_run_goes_on(tmp_path):
    with Record(tmp_path / "a.csv") as record:
        record.add(MADE[:1])
        assert same(read_turns(record.part), MADE[:1])
        assert not (tmp_path / "a.csv").exists()


def test_an_interrupted_run_keeps_its_turns_and_the_file_of_the_run_before(tmp_path):
    (tmp_path / "a.csv").write_text("yesterday")
    with pytest.raises(KeyboardInterrupt), Record(tmp_path / "a.csv") as record:
        record.add(MADE[:2])
        raise KeyboardInterrupt
    assert (tmp_path / "a.csv").read_text() == "yesterday"
    with Record(tmp_path / "a.csv", goes_on=True) as record:
        assert record.has("m", ("a", "x"), "robot")
        assert not record.has("m", ("a", "y"), "robot")
        assert not record.has("n", ("a", "x"), "robot")
        assert not record.has("m", ("a", "x"), "scribbles")
        record.add(MADE[2:])
    assert same(read_turns(tmp_path / "a.csv"), MADE)


def test_without_going_on_a_run_begins_anew(tmp_path):
    (tmp_path / "a.part.csv").write_text("anything")
    with Record(tmp_path / "a.csv") as record:
        assert record.turns == []


def test_going_on_with_nothing_begins_anew(tmp_path):
    with Record(tmp_path / "a.csv", goes_on=True) as record:
        assert record.turns == []


def test_turns_that_come_one_by_one_are_kept_together(tmp_path):
    def play():
        yield MADE[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Record(tmp_path / "a.csv") as record:
        record.add(play())
    assert read_turns(record.part) == []


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "set,image,strokes_by,method,round\na,x,robot,m,0"])
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "a.part.csv").write_text(text)
    with pytest.raises(ValueError, match=r"a\.part\.csv is no file of this benchmark"):
        Record(tmp_path / "a.csv", goes_on=True)
