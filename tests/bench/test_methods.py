"""The methods that are played, and that ours are played as the program would."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.bench.made_up import disc, picture
from unseg_studio.bench.methods import PAPER, PublishedPlayer, Pulls, SegmenterPlayer, methods
from unseg_studio.bench.robot import first_strokes, mean_iou
from unseg_studio.data import Image, Scribbles, new_category
from unseg_studio.document import Document, Live
from unseg_studio.segmenters import SEGMENTERS, DiffCluster

FAST = DiffCluster(iterations=12, size=40, width=8)


@pytest.fixture
def image():
    return Image.of(picture(disc()))


@pytest.fixture
def truth():
    return disc().astype(np.int32) + 1


@pytest.fixture
def make_live():
    opened = []

    def make(document):
        opened.append(Live(document, device="cpu"))
        return opened[-1]

    yield make
    for live in opened:
        live.close()


def test_every_segmenter_is_played_beside_the_baselines():
    table = methods()
    assert [*table] == ["random_walker", "random_forest", "grabcut", PAPER, *SEGMENTERS]
    assert {name for name, method in table.items() if method.is_ours} == set(SEGMENTERS)
    assert all(name == method.name for name, method in table.items())


def test_grabcut_plays_two_categories_only():
    table = methods()
    assert table["grabcut"].plays(2)
    assert not table["grabcut"].plays(3)
    assert table["random_walker"].plays(16)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_our_methods_open_with_a_proposal_and_then_follow_strokes(image, truth, name):
    player = methods(device="cpu")[name].start(image, (1, 2))
    labels = player.update(first_strokes(truth))
    assert mean_iou(truth, labels) > 0.7
    assert player.first_frame > 0


def test_a_stroke_gives_the_labels_of_the_window(image, truth, make_live):
    drawn = first_strokes(truth)
    document = Document(image, (one := new_category(()), new_category((one,))), segmenter=FAST)
    live = make_live(document)
    live.start()
    live.wait()
    document.set_scribbles(Scribbles(drawn))
    live.wait()
    player = SegmenterPlayer(FAST, image, device="cpu")
    player.open()
    assert (player.update(drawn) == document.labels).all()


def test_the_strokes_of_the_caller_stay_as_they_are(image, truth):
    drawn = first_strokes(truth)
    SegmenterPlayer(FAST, image, device="cpu").update(drawn)
    drawn += 1  # would fail were it read-only now
    assert (drawn == first_strokes(truth) + 1).all()


def test_a_published_update_ends_when_it_took_long_enough(image, truth):
    endless = DiffCluster(iterations=10_000, size=40, width=8, patience=0, min_clusters=1)
    drawn = first_strokes(truth)
    labels = PublishedPlayer(endless, image, "cpu", seconds=0.05).update(drawn)
    assert labels.shape == drawn.shape
    assert (labels[drawn > 0] == drawn[drawn > 0]).all()


def test_the_published_method_answers_with_its_own_scores(image, truth):
    drawn = first_strokes(truth)
    player = PublishedPlayer(FAST, image, "cpu")
    labels = player.update(drawn)
    *_, last = FAST.fit(image, "cpu").refine(Scribbles(drawn))
    height, width = last.scores.shape[1:]
    own = np.asarray(last.ids)[last.scores.argmax(dim=0).numpy()]
    rows = (np.arange(drawn.shape[0]) * height) // drawn.shape[0]
    cols = (np.arange(drawn.shape[1]) * width) // drawn.shape[1]
    assert (labels == own[rows][:, cols])[drawn == 0].mean() > 0.95
    assert math.isnan(player.first_frame)


def test_frames_are_wanted_first_and_when_a_view_would_have_pulled(monkeypatch):
    clock = iter([0.0, 0.01, 0.02, 0.03, 0.06, 0.07])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    pulls = Pulls()
    assert math.isnan(pulls.first)
    assert pulls.wants(None)  # at 0.01
    pulls.show()  # at 0.02
    assert pulls.first == 0.02
    assert not pulls.wants(None)  # at 0.03
    assert pulls.wants(None)  # at 0.06
    pulls.show()
    assert pulls.first == 0.02
