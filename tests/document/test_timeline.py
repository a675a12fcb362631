"""Step back to an earlier moment of a run, and go on from there."""

from __future__ import annotations

import numpy as np
import pytest

from unseg_studio.document import Document, Frame, Live
from unseg_studio.document.timeline import MOST, Moment, with_moment

from .conftest import LEFT, SECONDS, Script
from .test_live import STROKE, pulled


def frame(step: int) -> Frame:
    labels = np.full((3, 4), LEFT + step, np.int32)
    return Frame(labels, step, 500, 1 / step, 1, 0.0, is_last=False, memory=step)


@pytest.fixture
def watched(steered: Document, live: Live, script: Script) -> Live:
    """A run of five steps, every one of them shown."""
    script.is_open = False
    live.start()
    for _ in range(5):
        pulled(live, script)
    assert live.document.status.phase == "done"
    script.is_open = True
    return live


def test_every_frame_that_was_shown_is_a_moment(watched: Live) -> None:
    assert [m.step for m in watched.moments] == [1, 2, 3, 4, 5]
    assert [m.memory for m in watched.moments] == [1, 2, 3, 4, 5]


def test_looking_back_shows_the_labels_of_then_as_one_undo_step(watched: Live) -> None:
    document = watched.document
    document.show(np.zeros(document.image.shape, np.int32))
    watched.look_back(1)
    assert (document.labels == watched.moments[1].labels).all()
    assert document.status.phase == "stopped"
    assert document.status.step == 2
    assert document.undo_text == "look back to step 2"
    document.undo()
    assert not document.labels.any()


def test_going_on_starts_from_the_moment_that_is_shown(watched: Live, script: Script) -> None:
    watched.look_back(1)
    watched.go_on()
    watched.wait(SECONDS)
    assert script.recalled == [2]
    assert watched.moments[-1].memory == 7
    assert len(set(script.fits_of_runs)) == 1


def test_a_stroke_after_looking_back_starts_from_there_too(watched: Live, script: Script) -> None:
    watched.look_back(0)
    watched.document.paint(STROKE, radius=1)
    watched.wait(SECONDS)
    assert script.recalled == [1]


def test_run_again_forgets_the_moment(watched: Live, script: Script) -> None:
    watched.look_back(2)
    watched.document.run()
    watched.wait(SECONDS)
    assert script.recalled == []


def test_a_name_given_since_stays_when_looking_back(watched: Live) -> None:
    watched.document.name_cluster(LEFT, 1)
    watched.look_back(0)
    assert (watched.document.labels[:, :8] == 1).all()


def test_a_new_run_begins_a_new_timeline(watched: Live) -> None:
    seen: list[int] = []
    watched.moments_changed.connect(lambda moments: seen.append(len(moments)))
    watched.document.paint(STROKE, radius=1)
    watched.wait(SECONDS)
    assert seen[0] == 0
    assert seen[1:] == list(range(1, len(seen)))


def test_a_moment_that_is_not_there_is_refused(watched: Live) -> None:
    with pytest.raises(IndexError):
        watched.look_back(5)


def test_long_runs_are_thinned_and_keep_their_ends() -> None:
    moments: tuple[Moment, ...] = ()
    for step in range(1, 501):
        moments = with_moment(moments, frame(step))
    assert len(moments) <= MOST
    assert (moments[0].step, moments[-1].step) == (1, 500)
    assert (moments[-1].labels == LEFT + 500).all()
