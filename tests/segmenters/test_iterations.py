"""Iterations that are recorded, run ahead of the host and are undone after the end.

All of it on the processor, where the same orders give the same bits.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch

from tests.recording import NoWaits, Tape
from unseg_studio.data import Image, Scribbles
from unseg_studio.segmenters import DiffCluster, Estimate, make_segmenter
from unseg_studio.segmenters.diffcluster import DiffClusterFit
from unseg_studio.segmenters.iterations import (
    Ending,
    Iteration,
    Outcome,
    Pace,
    Weighting,
    winners,
)
from unseg_studio.segmenters.response import pyramid, seeded_network
from unseg_studio.segmenters.sgd import SGD

from .test_diffcluster import SHAPE, image, labels_of, small_paper, strokes

CPU = torch.device("cpu")
ENDS = {
    "budget": small_paper(),
    "fewest labels": small_paper(mu=20.0, min_clusters=5, iterations=40),
    "rest": DiffCluster(width=8, iterations=80, patience=4),
    "too few labels": DiffCluster(width=8, mu=20.0, min_clusters=6, iterations=80),
}
PACES = [Pace(delay=4, stride=8), Pace(delay=5, stride=3)]


def fit(segmenter: DiffCluster, *, pace: Pace | None = None, tape: Tape | None = None):
    return DiffClusterFit(segmenter, image(), CPU, pace=pace, recorder=tape)


def runs(fit: DiffClusterFit) -> list[list[Estimate]]:
    """A first run, and one after strokes."""
    return [list(fit.refine(strokes(*categories))) for categories in ((), (1, 2))]


def state(fit: DiffClusterFit) -> list[torch.Tensor]:
    memory = fit.memory()
    # What batches were like is never read: each image has statistics of its own.
    weights = [t for name, t in memory.weights.items() if "running" not in name]
    return [t for t in weights if t.is_floating_point()] + [*memory.momentum, memory.response]


def assert_same_bits(ones: list[torch.Tensor], others: list[torch.Tensor]) -> None:
    for one, other in zip(ones, others, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("end", ENDS)
def test_a_recording_gives_the_same_bits(end: str) -> None:
    tape = Tape()
    plain, taped = fit(ENDS[end]), fit(ENDS[end], tape=tape)
    for ours, theirs in zip(runs(plain), runs(taped), strict=True):
        assert [e.step for e in ours] == [e.step for e in theirs]
        np.testing.assert_array_equal([e.loss for e in ours], [e.loss for e in theirs])
        assert_same_bits([e.scores for e in ours], [e.scores for e in theirs])
        assert not any(e.note for e in theirs)
    assert_same_bits(state(plain), state(taped))
    assert tape.n_replayed > tape.n_recorded


def test_one_recording_serves_every_stroke() -> None:
    tape = Tape()
    runs(fit(DiffCluster(width=8, iterations=8, size=32), tape=tape))
    assert tape.n_recorded == 4  # two resolutions, with scribbles and without


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("end", ENDS)
def test_running_ahead_ends_where_waiting_does(end: str, pace: Pace) -> None:
    waiting, ahead = fit(ENDS[end]), fit(ENDS[end], pace=pace, tape=Tape())
    for ours, theirs in zip(runs(waiting), runs(ahead), strict=True):
        assert ours[-1].step == theirs[-1].step
        np.testing.assert_equal(ours[-1].loss, theirs[-1].loss)
        assert_same_bits([ours[-1].scores], [theirs[-1].scores])
        assert_same_bits(state(waiting), state(ahead))
        by_step = {e.step: e for e in ours[:-1]}
        for shown in theirs[:-1]:
            assert_same_bits([by_step[shown.step].scores], [shown.scores])


def test_the_ends_are_reached_in_these_tests() -> None:
    steps = {end: list(fit(made).refine(Scribbles.empty(SHAPE)))[-1] for end, made in ENDS.items()}
    assert steps["budget"].step == steps["budget"].total
    for end in ("fewest labels", "rest", "too few labels"):
        assert steps[end].step < steps[end].total, end


def test_only_some_iterations_are_shown_at_a_stride() -> None:
    estimates = list(fit(small_paper(), pace=Pace(4, 5)).refine(Scribbles.empty(SHAPE)))
    assert [e.step for e in estimates] == [5, 10, 12, 12]


def test_a_run_that_is_closed_ahead_goes_on_from_what_was_shown() -> None:
    waiting, ahead = fit(small_paper()), fit(small_paper(), pace=Pace(4, 5))
    run = ahead.refine(Scribbles.empty(SHAPE))
    shown = next(run)
    run.close()
    for estimate in (run := waiting.refine(Scribbles.empty(SHAPE))):
        if estimate.step == shown.step:
            break
    run.close()
    assert_same_bits(state(waiting), state(ahead))


def test_a_moment_can_be_recalled_into_a_recording() -> None:
    taped = fit(DiffCluster(width=8, iterations=12), tape=Tape())
    deque(taped.refine(Scribbles.empty(SHAPE)), maxlen=0)
    moment = taped.memory()
    first = list(taped.refine(strokes(1, 2)))
    taped.recall(moment)
    again = list(taped.refine(strokes(1, 2)))
    assert_same_bits([e.scores for e in first], [e.scores for e in again])
    assert (labels_of(first[-1]) == labels_of(again[-1])).all()


def test_why_there_is_no_recording_is_said_once() -> None:
    without = fit(DiffCluster(width=8, iterations=8), tape=Tape("no room"))
    notes = [[e.note for e in run if e.note] for run in runs(without)]
    assert [len(said) for said in notes] == [1, 0]
    assert "(no room)" in notes[0][0]


@pytest.mark.parametrize("is_scribbled", [False, True])
@pytest.mark.parametrize("preset", ["live", "paper"])
def test_an_iteration_asks_for_no_value(preset: str, is_scribbled: bool) -> None:
    small = {"width": 8, "max_clusters": 8}
    segmenter = make_segmenter("diffcluster", preset, **small)
    assert isinstance(segmenter, DiffCluster)
    net = seeded_network(3, segmenter)
    descent, level = SGD(net.parameters(), 0.1), pyramid(segmenter, image().unit, CPU)[-1]
    weighting = Weighting(1.0, 0.5, 8, is_scribbled=is_scribbled)
    iteration = Iteration(net, descent, level, weighting=weighting, pace=Pace(4, 8))
    before = [p.clone() for p in net.parameters()]
    with NoWaits():
        for _ in range(3):
            iteration()
    assert not all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    loss, n_labels, churn = iteration.outcome.tolist()
    assert loss > 0 and 1 <= n_labels <= 8 and 0 <= churn <= 1


def test_labels_rest_only_without_a_pause() -> None:
    ending = Ending(fewest=2, patience=2)
    churns = [0.5, 0.0, 0.5, 0.0, 0.0]
    ends = [ending.of(n, Outcome(1.0, 5, churn)) for n, churn in enumerate(churns)]
    assert ends == ["no"] * 4 + ["here"]


def test_the_first_iteration_of_a_run_neither_rests_nor_goes_back() -> None:
    assert Ending(fewest=4, patience=1).of(0, Outcome(1.0, 3, 0.0)) == "no"
    assert Ending(fewest=4, patience=1).of(1, Outcome(1.0, 3, 0.5)) == "before"
    assert Ending(fewest=4, patience=0).of(0, Outcome(1.0, 4, 0.0)) == "here"


def test_who_wins_somewhere() -> None:
    assert winners(torch.tensor([[3, 1], [1, 3]]), 5).tolist() == [0, 1, 0, 1, 0]


def test_the_processor_waits_and_a_graphics_processor_runs_ahead() -> None:
    assert Pace.of(CPU).on((321, 481)) == Pace(0, 1)
    card = Pace.of(torch.device("cuda"))
    paces = [card.on(shape) for shape in ((107, 160), (321, 481), (512, 512), (2048, 2048))]
    assert all(pace.delay > 0 for pace in paces)
    assert [pace.stride for pace in paces] == [8, 8, 4, 1]


def test_labels_do_not_depend_on_precision_where_there_is_none() -> None:
    last = [
        deque(fit(small_paper(precision=word)).refine(strokes(1)), maxlen=1).pop()
        for word in ("fast", "exact")
    ]
    assert torch.equal(last[0].scores, last[1].scores)


def test_the_image_is_not_needed_to_be_large() -> None:
    tiny = Image.of(np.random.default_rng(0).integers(0, 255, (5, 4, 3), np.uint8))
    run = DiffClusterFit(DiffCluster(width=4), tiny, CPU, pace=Pace(4, 8), recorder=Tape())
    (last,) = deque(run.refine(Scribbles.empty((5, 4))), maxlen=1)
    assert last.is_last
