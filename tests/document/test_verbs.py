"""Every verb: one undo step, an exact inverse, and signals for what changed and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unseg_studio.data import (
    FIRST_CLUSTER,
    Annotation,
    Category,
    Scribbles,
    Source,
    regions_from_labels,
)
from unseg_studio.document import Document, RunStatus
from unseg_studio.segmenters import DiffCluster

LEFT, RIGHT = FIRST_CLUSTER, FIRST_CLUSTER + 1
STROKE = [(3, 2), (6, 5)]

Verb = Callable[[Document], object]

VERBS: dict[str, Verb] = {
    "paint": lambda d: d.paint(STROKE, radius=1),
    "erase": lambda d: d.erase([(0, 15)], radius=2),
    "clear_scribbles": lambda d: d.clear_scribbles(),
    "set_scribbles": lambda d: d.set_scribbles(
        Scribbles.empty(d.image.shape).painted(STROKE, 3, radius=1)
    ),
    "brush": lambda d: d.brush(STROKE, radius=1),
    "brush nothing": lambda d: d.brush(STROKE, radius=1, id_=0),
    "polygon": lambda d: d.polygon([(1, 1), (1, 8), (9, 4)]),
    "fill_region": lambda d: d.fill_region((5, 5)),
    "uncorrect": lambda d: d.uncorrect([(11, 0)], radius=1),
    "fill_holes": lambda d: d.fill_holes(2),
    "remove_small": lambda d: d.remove_small(3, min_area=4),
    "smooth": lambda d: d.smooth(2, radius=1),
    "clear_edits": lambda d: d.clear_edits(),
    "name_cluster": lambda d: d.name_cluster(LEFT),
    "merge": lambda d: d.merge(LEFT, RIGHT),
    "split": lambda d: d.split(RIGHT, 1 + (np.indices(d.image.shape)[0] > 5).astype(np.int32)),
    "name_all_clusters": lambda d: d.name_all_clusters(),
    "add_category": lambda d: d.add_category("nucleus"),
    "change_category": lambda d: d.change_category(replace(d.category(2), name="membrane")),
    "remove_category": lambda d: d.remove_category(2),
    "toggle_lock": lambda d: d.toggle_lock(2),
    "set_segmenter": lambda d: d.set_segmenter(DiffCluster(seed=7)),
    "set_fill": lambda d: d.set_fill(False),
    "start_from": lambda d: d.start_from(imported(d)),
}

STEERING = {"paint", "erase", "clear_scribbles", "set_scribbles", "remove_category", "set_fill"}

SIGNALS = {
    "scribbles_changed": "scribbles",
    "labels_changed": "labels",
    "categories_changed": "categories",
    "locks_changed": "locks",
    "segmenter_changed": "segmenter",
    "fill_changed": "fill",
}


def imported(document: Document) -> Annotation:
    labels = np.zeros(document.image.shape, np.int32)
    labels[2:5, 2:5] = 9
    table = (Category(9, "vessel", "#d55e00"),)
    return Annotation(document.image.shape, Source(), table, regions_from_labels(labels, table))


@pytest.fixture
def worked(document: Document) -> Document:
    """A document in which every verb finds something to do."""
    document.set_active(2)
    document.paint([(0, 14), (1, 15)], radius=1)
    document.brush([(2, 10), (2, 14), (8, 14), (8, 10), (2, 10)], radius=0)  # a ring
    document.brush([(11, 0)], radius=0, id_=3)  # a speck
    document.set_active(1)
    return document


def heard(document: Document) -> Counter[str]:
    """Counts what the document emits from now on."""
    counts: Counter[str] = Counter()
    names = [*SIGNALS, "active_changed", "status_changed", "history_changed", "steered"]
    for name in names:
        signal = getattr(document.events, name)
        signal.connect(lambda *_, name=name: counts.update([name]), check_nargs=False)
    return counts


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_one_step_that_undo_and_redo_invert_exactly(
    name: str, worked: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    before, text = snapshot(worked), worked.undo_text
    VERBS[name](worked)
    after = snapshot(worked)
    assert after != before
    assert worked.undo_text
    worked.undo()
    assert snapshot(worked) == before
    assert worked.undo_text == text
    worked.redo()
    assert snapshot(worked) == after
    assert worked.redo_text is None


@pytest.mark.parametrize("name", VERBS)
def test_signals_say_what_changed_once_and_nothing_else(
    name: str, worked: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    before, counts = snapshot(worked), heard(worked)
    VERBS[name](worked)
    after = snapshot(worked)
    for signal, field in SIGNALS.items():
        assert counts[signal] == (before[field] != after[field]), signal
    assert counts["history_changed"] == 1
    assert counts["status_changed"] == 0


@pytest.mark.parametrize("name", VERBS)
def test_undo_says_what_changed_and_nothing_else(
    name: str, worked: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    before = snapshot(worked)
    VERBS[name](worked)
    after, counts = snapshot(worked), heard(worked)
    worked.undo()
    for signal, field in SIGNALS.items():
        assert counts[signal] == (before[field] != after[field]), signal
    assert counts["history_changed"] == 1
    assert counts["steered"] == 0


@pytest.mark.parametrize("name", VERBS)
def test_only_what_steers_asks_for_new_labels(name: str, worked: Document) -> None:
    asked: list[bool] = []
    worked.events.steered.connect(asked.append)
    VERBS[name](worked)
    cold = [True] if name == "set_segmenter" else []
    assert asked == ([False] if name in STEERING else cold)


@pytest.mark.parametrize("name", ["name_cluster", "merge", "toggle_lock", "name_all_clusters"])
def test_a_run_under_way_learns_of_names_and_locks(name: str, worked: Document) -> None:
    asked: list[bool] = []
    worked.events.steered.connect(asked.append)
    worked.report(RunStatus("running", 1, 9))
    VERBS[name](worked)
    assert asked == [False]


NOTHING_TO_DO: dict[str, Verb] = {
    "stroke beside the image": lambda d: d.paint([(-50, -50)], radius=2),
    "same stroke again": lambda d: d.paint([(0, 14), (1, 15)], radius=1),
    "erase nothing": lambda d: d.erase([(11, 0)], radius=1),
    "brush beside the image": lambda d: d.brush([(90, 90)], radius=2),
    "no hole": lambda d: d.fill_holes(1),
    "no small part": lambda d: d.remove_small(2, min_area=1),
    "no correction there": lambda d: d.uncorrect([(5, 5)], radius=0),
    "merge with itself": lambda d: d.merge(LEFT, LEFT),
    "split in one": lambda d: d.split(LEFT, np.ones(d.image.shape, np.int32)),
    "same table entry": lambda d: d.change_category(d.category(2)),
    "same parameters": lambda d: d.set_segmenter(DiffCluster()),
    "same rule": lambda d: d.set_fill(True),
    "same active": lambda d: d.set_active(1),
    "same status": lambda d: d.report(RunStatus()),
    "same labels": lambda d: d.show(np.array(d.state.live)),
}


@pytest.mark.parametrize("name", NOTHING_TO_DO)
def test_where_nothing_is_different_there_is_no_step_and_no_signal(
    name: str, worked: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    worked.set_active(2 if name == "same stroke again" else 1)
    before, text, counts = snapshot(worked), worked.undo_text, heard(worked)
    NOTHING_TO_DO[name](worked)
    assert not +counts
    assert snapshot(worked) == before
    assert worked.undo_text == text


REFUSED: dict[str, tuple[Verb, str]] = {
    "unknown category": (lambda d: d.set_active(7), r"no category 7; there are 1 \(cell\)"),
    "brush of an unknown category": (
        lambda d: d.brush(STROKE, radius=1, id_=7),
        "no category 7",
    ),
    "name as an unknown category": (lambda d: d.name_cluster(LEFT, 7), "no category 7"),
    "merge into an unknown category": (lambda d: d.merge(LEFT, 7), "no category 7"),
    "merge into a cluster that is not shown": (lambda d: d.merge(LEFT, 1077), "no cluster 1077"),
    "name a cluster that is not shown": (lambda d: d.name_cluster(1077), "no cluster 1077"),
    "scribbles of another size": (
        lambda d: d.set_scribbles(Scribbles.empty((3, 4))),
        "4 x 3 px, the image is 16 x 12 px",
    ),
    "scribbles of an unknown category": (
        lambda d: d.set_scribbles(Scribbles.empty(d.image.shape).painted(STROKE, 8, radius=1)),
        "no category 8",
    ),
    "masks of another size": (
        lambda d: d.start_from(Annotation((3, 4), Source(), (), ())),
        "4 x 3 px, the image is 16 x 12 px",
    ),
    "parts of another size": (
        lambda d: d.split(LEFT, np.ones((2, 2), np.int32)),
        r"\(2, 2\); accepted is the image's, \(12, 16\)",
    ),
    "fill outside": (lambda d: d.fill_region((12, 0)), "rows 0 to 11 and columns 0 to 15"),
    "fill at a negative place": (lambda d: d.fill_region((-1, 3)), "lies outside the image"),
    "empty stroke": (lambda d: d.paint(np.zeros((0, 2)), radius=1), r"shape \(0, 2\)"),
    "huge brush": (lambda d: d.brush(STROKE, radius=1e6), "accepted are 0 to 1000 pixels"),
    "taken name": (lambda d: d.add_category("wall"), "'wall' already; choose another name"),
    "change to a taken name": (
        lambda d: d.change_category(replace(d.category(1), name="wall")),
        "'wall' already; choose another name",
    ),
    "change an unknown category": (
        lambda d: d.change_category(Category(8, "x", "#000000")),
        "no category 8",
    ),
    "remove an unknown category": (lambda d: d.remove_category(8), "no category 8"),
    "lock an unknown category": (lambda d: d.toggle_lock(8), "no category 8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_a_sentence_and_changes_nothing(
    name: str, worked: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    verb, sentence = REFUSED[name]
    before, text, counts = snapshot(worked), worked.undo_text, heard(worked)
    with pytest.raises(ValueError, match=sentence) as caught:
        verb(worked)
    assert str(caught.value).endswith(".")
    assert not +counts
    assert snapshot(worked) == before
    assert (worked.undo_text, worked.active) == (text, 1)


def test_undo_without_a_past_and_redo_without_a_future_do_nothing(document: Document) -> None:
    counts = heard(document)
    document.undo()
    document.redo()
    assert not +counts
    assert document.undo_text is None and document.redo_text is None


def test_the_last_category_stays(image: Any) -> None:
    document = Document(image)
    with pytest.raises(ValueError, match="last category"):
        document.remove_category(1)
    assert len(document.categories) == 1


def test_a_run_is_a_step_even_before_it_shows_anything(document: Document) -> None:
    asked: list[bool] = []
    document.events.steered.connect(asked.append)
    document.run()
    assert document.undo_text == "run"
    assert asked == [True]
    stopped: list[int] = []
    document.events.travelled.connect(lambda: stopped.append(1))
    document.undo()
    assert stopped == [1]
    assert document.undo_text is None


def test_the_first_proposal_is_no_step(document: Document) -> None:
    asked: list[bool] = []
    document.events.steered.connect(asked.append)
    document.propose()
    document.show(np.full(document.image.shape, RIGHT, np.int32))
    assert asked == [True]
    assert document.undo_text is None


def test_undo_of_a_stroke_brings_back_the_labels_from_before_it(document: Document) -> None:
    before = document.labels.copy()
    document.paint(STROKE, radius=1)
    for id_ in (1, 2, 1):
        document.show(np.full(document.image.shape, id_, np.int32))
    document.undo()
    np.testing.assert_array_equal(document.labels, before)
    document.redo()
    assert (document.labels == 1).all()
    assert not document.scribbles.is_empty


def test_labels_shown_after_undo_are_a_step_of_their_own(
    document: Document, snapshot: Callable[[Document], dict[str, Any]]
) -> None:
    start = snapshot(document)
    document.paint(STROKE, radius=1)
    document.show(np.full(document.image.shape, 1, np.int32))
    document.paint([(9, 9)], radius=1)
    document.undo()
    before = snapshot(document)
    document.show(np.full(document.image.shape, RIGHT, np.int32))
    assert (document.undo_text, document.redo_text) == ("run", None)
    document.undo()
    assert snapshot(document) == before
    document.undo()
    assert snapshot(document) == start


def test_what_a_person_did_after_undo_replaces_the_future(document: Document) -> None:
    document.brush(STROKE, radius=1)
    document.undo()
    assert document.redo_text == "brush"
    document.brush(STROKE, radius=2)
    assert document.redo_text is None


def test_undo_of_a_new_category_makes_an_old_one_active(document: Document) -> None:
    new = document.add_category("nucleus")
    assert document.active == new.id
    heard_active: list[int] = []
    document.events.active_changed.connect(heard_active.append)
    document.undo()
    assert document.active in {c.id for c in document.categories}
    assert heard_active == [document.active]


def test_labels_and_the_arrays_behind_them_are_read_only(document: Document) -> None:
    with pytest.raises(ValueError, match="read-only"):
        document.labels[0, 0] = 5
    document.merge(LEFT, RIGHT)
    with pytest.raises(ValueError, match="read-only"):
        document.state.live[0, 0] = 5
